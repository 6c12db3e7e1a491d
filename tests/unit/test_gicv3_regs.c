/* The GICv3's registers: reset values, writable bits, widths, and what is not there. Expected values are
 * written out from IHI 0069, not computed; test_gicv3_random.c is the other half. */
#include "gicv3_fixture.h"

static void test_create_refuses(void **state)
{
    struct fixture f;
    uint64_t mpidr[65];
    static const unsigned bad[][2] = {{0, 32}, {65, 32}, {1, 0}, {1, 31}, {1, 48}, {1, 992}};
    (void)state;
    for (unsigned c = 0; c < 65; c++)
        mpidr[c] = c;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err e = {0};
        struct gic_config cfg = {3, bad[i][0], mpidr, bad[i][1], on_irq, &f};
        assert_null(gic_create(&cfg, 0, 0x10000, &e));
        assert_int_not_equal(e.code, 0);
        assert_true(strlen(e.text) > 0);
    }
    /* MT and U don't tell CPUs apart. */
    uint64_t twins[3] = {0x80000001, 0x80000002, 0xc1000001};
    struct err e = {0};
    struct gic_config cfg = {3, 3, twins, 32, on_irq, &f};
    assert_null(gic_create(&cfg, 0, 0x10000, &e));
}

static void test_dist_identification(void **state)
{
    struct fixture f;
    (void)state;
    create(&f, 1, 256);
    assert_int_equal(dr(&f, 0x04) & 0x1f, 8); /* ITLinesNumber: 32 * 9 INTIDs */
    assert_int_equal(dr(&f, 0x04) & ~0x1fu, 0x05490000); /* RSS, A3V, IDbits 9, MBIS; no LPIs, one Security state */
    assert_int_equal(dr(&f, 0x08) & 0xfff, 0x43b);
    assert_int_equal(dr(&f, 0xffe8), 0x3b); /* PIDR2: GICv3 */
    static const uint8_t id[] = {0x44, 0, 0, 0, 0x92, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1};
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(dr(&f, 0xffd0 + 4 * i), id[i]);
    done(&f);
    create(&f, 64, 960);
    assert_int_equal(dr(&f, 0x04), 0x0549001e);
    done(&f);
}

static void test_dist_ctlr(void **state)
{
    struct fixture f;
    (void)state;
    create(&f, 1, 32);
    assert_int_equal(dr(&f, 0), 0x50); /* DS and ARE */
    dw(&f, 0, 0);
    assert_int_equal(dr(&f, 0), 0x50);
    dw(&f, 0, 0xffffffff);
    assert_int_equal(dr(&f, 0), 0x53); /* RWP is 0 */
    dw(&f, 0, 2);
    assert_int_equal(dr(&f, 0), 0x52);
    gic_reset(f.g);
    assert_int_equal(dr(&f, 0), 0x50);
    done(&f);
}

/* Offsets, counts and widths; and GICD_STATUSR, which remembers what was wrong. */
static void test_dist_widths(void **state)
{
    static const struct {
        uint32_t off;
        unsigned widths;
        bool r, w;
        uint32_t read_err, write_err;
    } t[] = {
        {0x0000, 4, true, true, 0, 0},   {0x0004, 4, true, false, 0, 8},
        {0x0008, 4, true, false, 0, 8},  {0x000c, 4, true, false, 0, 8},
        {0x0010, 4, true, true, 0, 0},   {0x0014, 0, false, false, 1, 2},
        {0x0040, 6, false, true, 4, 0},  {0x0044, 0, false, false, 1, 2},
        {0x0048, 6, false, true, 4, 0},  {0x0050, 6, false, true, 4, 0},
        {0x0058, 6, false, true, 4, 0},  {0x0060, 0, false, false, 1, 2},
        {0x0080, 4, true, true, 0, 0},   {0x0100, 4, true, true, 0, 0},
        {0x01fc, 4, true, true, 0, 0},   {0x03fc, 4, true, true, 0, 0},
        {0x0400, 5, true, true, 0, 0},   {0x07f8, 5, true, true, 0, 0},
        {0x07fc, 0, false, false, 1, 2}, {0x0800, 5, true, true, 0, 0},
        {0x0c00, 4, true, true, 0, 0},   {0x0d00, 4, true, true, 0, 0},
        {0x0d80, 0, false, false, 1, 2}, {0x0e00, 4, true, true, 0, 0},
        {0x0f00, 4, false, true, 4, 0},  {0x0f10, 5, true, true, 0, 0},
        {0x0f30, 0, false, false, 1, 2}, {0x1000, 0, false, false, 1, 2},
        {0x6000, 0, false, false, 1, 2}, {0x60f8, 0, false, false, 1, 2},
        {0x6100, 12, true, true, 0, 0},  {0x7fd8, 12, true, true, 0, 0},
        {0x7fe0, 0, false, false, 1, 2}, {0x8000, 0, false, false, 1, 2},
        {0xffcc, 0, false, false, 1, 2}, {0xffd0, 4, true, false, 0, 8},
        {0xfffc, 4, true, false, 0, 8},
    };
    struct fixture f;
    (void)state;
    create(&f, 1, 64);
    for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        for (unsigned size = 1; size <= 8; size *= 2) {
            bool fits = t[i].widths & size || !t[i].widths;
            uint64_t val = 0;
            if (size == 8 && t[i].off % 8)
                continue; /* the bus refuses it */
            assert_int_equal(try_read(&f, false, t[i].off, size, &val), t[i].r && fits);
            assert_int_equal(dr(&f, 0x10), fits ? t[i].read_err : 0);
            dw(&f, 0x10, 0xf);
            assert_int_equal(try_write(&f, false, t[i].off, size, 0), t[i].w && fits);
            assert_int_equal(dr(&f, 0x10), fits ? t[i].write_err : 0);
            dw(&f, 0x10, (uint32_t)~t[i].write_err); /* write one to clear: not this one */
            assert_int_equal(dr(&f, 0x10), fits ? t[i].write_err : 0);
            dw(&f, 0x10, 0xf);
            assert_int_equal(dr(&f, 0x10), 0);
        }
    }
    done(&f);
}

/* Reset values and writable bits of the arrays; SGIs and PPIs are not the distributor's; nothing beyond nr_spis. */
static void test_dist_arrays(void **state)
{
    struct fixture f;
    (void)state;
    create(&f, 1, 64);
    static const uint32_t bitmap[][2] = {
        {IGROUPR, 0}, {ISENABLER, ICENABLER}, {ISPENDR, ICPENDR}, {ISACTIVER, ICACTIVER}};
    for (unsigned k = 0; k < 4; k++) {
        for (unsigned w = 0; w < 32; w++) {
            uint32_t off = bitmap[k][0] + 4 * w, all = w == 1 || w == 2 ? 0xffffffff : 0;
            assert_int_equal(dr(&f, off), 0);
            dw(&f, off, 0xffffffff);
            assert_int_equal(dr(&f, off), all);
            if (!k) {
                dw(&f, off, 0x12345678);
                assert_int_equal(dr(&f, off), 0x12345678 & all);
                continue;
            }
            uint32_t clear = bitmap[k][1] + 4 * w;
            assert_int_equal(dr(&f, clear), all);
            dw(&f, off, 0); /* no effect */
            dw(&f, clear, 0);
            assert_int_equal(dr(&f, off), all);
            dw(&f, clear, 0x00ff00f0);
            assert_int_equal(dr(&f, off), 0xff00ff0f & all);
            assert_int_equal(dr(&f, clear), 0xff00ff0f & all);
            dw(&f, off, 0x00000010);
            assert_int_equal(dr(&f, off), 0xff00ff1f & all);
            dw(&f, clear, 0xffffffff);
        }
    }
    for (unsigned i = 0; i < 1020; i += 4) {
        bool there = i >= 32 && i < 96;
        assert_int_equal(dr(&f, IPRIORITYR + i), 0);
        dw(&f, IPRIORITYR + i, 0xffffffff);
        assert_int_equal(dr(&f, IPRIORITYR + i), there ? 0xf8f8f8f8 : 0); /* five bits */
        assert_true(try_write(&f, false, IPRIORITYR + i + 1, 1, 0x17));
        assert_int_equal(dr(&f, IPRIORITYR + i), there ? 0xf8f810f8 : 0);
        uint64_t byte = 0;
        assert_true(try_read(&f, false, IPRIORITYR + i + 1, 1, &byte));
        assert_int_equal(byte, there ? 0x10 : 0);
    }
    for (unsigned i = 0; i < 64; i++) {
        dw(&f, ICFGR + 4 * i, 0xffffffff);
        assert_int_equal(dr(&f, ICFGR + 4 * i), i >= 2 && i < 6 ? 0xaaaaaaaa : 0);
        dw(&f, ICFGR + 4 * i, 0x08080808);
        assert_int_equal(dr(&f, ICFGR + 4 * i), i >= 2 && i < 6 ? 0x08080808 : 0);
    }
    static const uint32_t res0[] = {0x800, 0x820, 0xbf8, 0xd00, 0xd04, 0xd7c,
                                    0xe00, 0xe08, 0xefc, 0xf10, 0xf2c};
    for (unsigned i = 0; i < sizeof(res0) / sizeof(res0[0]); i++) {
        dw(&f, res0[i], 0xffffffff);
        assert_int_equal(dr(&f, res0[i]), 0);
    }
    assert_int_equal(f.calls, 0);
    done(&f);
}

static void test_irouter(void **state)
{
    struct fixture f;
    uint64_t val = 1;
    (void)state;
    create(&f, 1, 32);
    for (unsigned i = 32; i < 1020; i++) {
        uint32_t off = IROUTER + 8 * i;
        bool there = i < 64;
        assert_true(try_write(&f, false, off, 8, ~UINT64_C(0)));
        assert_true(try_read(&f, false, off, 8, &val));
        assert_true(val == (there ? UINT64_C(0xff80ffffff) : 0));
        assert_int_equal(dr(&f, off), there ? 0x80ffffff : 0);
        assert_int_equal(dr(&f, off + 4), there ? 0xff : 0);
        dw(&f, off, 0x12345678);
        dw(&f, off + 4, 0x9abcdef1);
        assert_true(try_read(&f, false, off, 8, &val));
        assert_true(val == (there ? UINT64_C(0xf100345678) : 0));
    }
    done(&f);
}

static void test_redist_registers(void **state)
{
    struct fixture f;
    (void)state;
    create(&f, 40, 32);
    for (unsigned c = 0; c < 40; c += 13) {
        uint64_t val,
            typer = (uint64_t)(c / 16 << 8 | c % 16) << 32 | c << 8 | 0x20 | (c == 39 ? 0x10 : 0);
        assert_true(try_read(&f, true, c << 17 | 8, 8, &val));
        assert_true(val == typer);
        assert_int_equal(rr(&f, c, 8), (uint32_t)typer);
        assert_int_equal(rr(&f, c, 12), typer >> 32);
        assert_false(try_write(&f, true, c << 17 | 8, 8, 0));
        assert_int_equal(rr(&f, c, 0x10), 8); /* GICR_STATUSR.WROD, this CPU's */
        assert_int_equal(rr(&f, (c + 1) % 40, 0x10), 0);
        assert_false(try_read(&f, true, c << 17 | 0x70, 8, &val)); /* GICR_PROPBASER: no LPIs */
        assert_false(try_write(&f, true, c << 17 | 0x70, 4, 0));
        assert_int_equal(rr(&f, c, 0x10), 8 | 2 | 1);
        rw(&f, c, 0x10, 8);
        assert_int_equal(rr(&f, c, 0x10), 2 | 1);
        rw(&f, c, 0x10, 3);

        rw(&f, c, 0, 0xffffffff);
        assert_int_equal(rr(&f, c, 0), 0x03000000); /* DPG1NS, DPG0; no EnableLPIs, RWP and UWP 0 */
        rw(&f, c, 0, 0);
        assert_int_equal(rr(&f, c, 4) & 0xfff, 0x43b);
        assert_int_equal(rr(&f, c, 0xffe8), 0x3b);

        assert_int_equal(rr(&f, c, 0x14), 0); /* awake: firmware was here before */
        rw(&f, c, 0x14, 2);
        assert_int_equal(rr(&f, c, 0x14), 6);
        rw(&f, c, 0x14, 0xfffffffd);
        assert_int_equal(rr(&f, c, 0x14), 0);
        rw(&f, c, 0x14, 2);
        assert_int_equal(rr(&f, c, 0x14), 6);
        rw(&f, c, 0x14, 4); /* ChildrenAsleep is read-only */
        assert_int_equal(rr(&f, c, 0x14), 0);
    }
    done(&f);
}

static void test_sgi_base_registers(void **state)
{
    struct fixture f;
    uint64_t val;
    (void)state;
    create(&f, 3, 32);
    static const uint32_t arrays[][2] = {
        {IGROUPR, 0}, {ISENABLER, ICENABLER}, {ISPENDR, ICPENDR}, {ISACTIVER, ICACTIVER}};
    for (unsigned k = 0; k < 4; k++) {
        uint32_t off = SGI_BASE + arrays[k][0], clear = SGI_BASE + arrays[k][1];
        assert_int_equal(rr(&f, 1, off), 0);
        rw(&f, 1, off, 0xffffffff);
        assert_int_equal(rr(&f, 1, off), 0xffffffff); /* also the SGIs: with affinity routing, pending by hand works for them */
        assert_int_equal(rr(&f, 0, off), 0); /* each CPU has its own */
        assert_int_equal(rr(&f, 2, off), 0);
        if (k) {
            assert_int_equal(rr(&f, 1, clear), 0xffffffff);
            rw(&f, 1, clear, 0x80000001);
            assert_int_equal(rr(&f, 1, off), 0x7ffffffe);
            rw(&f, 1, clear, 0xffffffff);
        }
        assert_false(try_read(&f, true, 1 << 17 | (off + 4), 4, &val)); /* one word only */
        assert_false(try_read(&f, true, 1 << 17 | off, 8, &val));
        assert_false(try_read(&f, true, 1 << 17 | off, 1, &val));
    }
    for (unsigned i = 0; i < 32; i++) {
        assert_true(try_write(&f, true, SGI_BASE + IPRIORITYR + i, 1, 8 * i + 7));
        assert_true(try_read(&f, true, SGI_BASE + IPRIORITYR + i, 1, &val));
        assert_int_equal(val, 8 * i);
    }
    assert_int_equal(rr(&f, 0, SGI_BASE + IPRIORITYR + 28), 0xf8f0e8e0);
    assert_int_equal(rr(&f, 1, SGI_BASE + IPRIORITYR + 28), 0);
    assert_false(try_read(&f, true, SGI_BASE + 0x420, 4, &val));
    assert_int_equal(rr(&f, 0, SGI_BASE + ICFGR), 0xaaaaaaaa); /* SGIs: edge, fixed */
    rw(&f, 0, SGI_BASE + ICFGR, 0);
    assert_int_equal(rr(&f, 0, SGI_BASE + ICFGR), 0xaaaaaaaa);
    assert_int_equal(rr(&f, 0, SGI_BASE + ICFGR + 4), 0);
    rw(&f, 0, SGI_BASE + ICFGR + 4, 0xffffffff);
    assert_int_equal(rr(&f, 0, SGI_BASE + ICFGR + 4), 0xaaaaaaaa);
    rw(&f, 0, SGI_BASE + 0xd00, 0xffffffff); /* GICR_IGRPMODR0 */
    assert_int_equal(rr(&f, 0, SGI_BASE + 0xd00), 0);
    rw(&f, 0, SGI_BASE + 0xe00, 0xffffffff); /* GICR_NSACR */
    assert_int_equal(rr(&f, 0, SGI_BASE + 0xe00), 0);
    done(&f);
}

static void test_icc_registers(void **state)
{
    /* name's encoding, readable, writable, reset, value after writing all ones, and after writing 0. */
    static const struct {
        uint16_t reg;
        bool r, w;
        uint32_t reset, ones, zero;
    } t[] = {
        {PMR, true, true, 0, 0xf8, 0},
        {IAR0, true, false, 1023, 0, 0},
        {EOIR0, false, true, 0, 0, 0},
        {HPPIR0, true, false, 1023, 0, 0},
        {BPR0, true, true, 2, 7, 2},
        {AP0R0, true, true, 0, 0xffffffff, 0},
        {AP1R0, true, true, 0, 0xffffffff, 0},
        {DIR, false, true, 0, 0, 0},
        {RPR, true, false, 0xff, 0, 0},
        {SGI1R, false, true, 0, 0, 0},
        {ASGI1R, false, true, 0, 0, 0},
        {SGI0R, false, true, 0, 0, 0},
        {IAR1, true, false, 1023, 0, 0},
        {EOIR1, false, true, 0, 0, 0},
        {HPPIR1, true, false, 1023, 0, 0},
        {BPR1, true, true, 3, 7, 3},
        {CTLR, true, true, 0x48400, 0x48443, 0x48400}, /* RSS, A3V, PRIbits 4; CBPR, EOImode, PMHE writable */
        {SRE, true, true, 7, 7, 7},
        {IGRPEN0, true, true, 0, 1, 0},
        {IGRPEN1, true, true, 0, 1, 0},
    };
    struct fixture f;
    (void)state;
    create(&f, 1, 32);
    /* Every encoding there is: those of the table and no other. */
    for (unsigned e = 0; e < 0x10000; e++) {
        unsigned i = 0;
        uint64_t val = 0;
        while (i < sizeof(t) / sizeof(t[0]) && t[i].reg != e)
            i++;
        bool known = i < sizeof(t) / sizeof(t[0]);
        assert_int_equal(gic_sysreg_read(f.g, 0, (uint16_t)e, &val), known && t[i].r);
        if (known && t[i].r)
            assert_int_equal(val, t[i].reset);
        if (!known || !t[i].w)
            assert_false(gic_sysreg_write(f.g, 0, (uint16_t)e, 0));
    }
    for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        if (!t[i].r || !t[i].w)
            continue;
        msr(&f, 0, t[i].reg, ~UINT64_C(0));
        assert_int_equal(mrs(&f, 0, t[i].reg), t[i].ones);
        msr(&f, 0, t[i].reg, 0);
        assert_int_equal(mrs(&f, 0, t[i].reg), t[i].zero);
    }
    for (unsigned n = 0; n < 8; n++) {
        msr(&f, 0, BPR0, n);
        msr(&f, 0, BPR1, n);
        assert_int_equal(mrs(&f, 0, BPR0), n < 2 ? 2 : n);
        assert_int_equal(mrs(&f, 0, BPR1), n < 3 ? 3 : n);
    }
    /* CBPR: ICC_BPR1_EL1 is ICC_BPR0_EL1 plus one, saturated, and not writable; its own value comes back afterwards. */
    msr(&f, 0, BPR1, 5);
    msr(&f, 0, CTLR, 1);
    msr(&f, 0, BPR0, 3);
    assert_int_equal(mrs(&f, 0, BPR1), 4);
    msr(&f, 0, BPR1, 6);
    assert_int_equal(mrs(&f, 0, BPR1), 4);
    assert_int_equal(mrs(&f, 0, BPR0), 3);
    msr(&f, 0, BPR0, 7);
    assert_int_equal(mrs(&f, 0, BPR1), 7);
    msr(&f, 0, CTLR, 0);
    assert_int_equal(mrs(&f, 0, BPR1), 5);
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_refuses),   cmocka_unit_test(test_dist_identification),
        cmocka_unit_test(test_dist_ctlr),        cmocka_unit_test(test_dist_widths),
        cmocka_unit_test(test_dist_arrays),      cmocka_unit_test(test_irouter),
        cmocka_unit_test(test_redist_registers), cmocka_unit_test(test_sgi_base_registers),
        cmocka_unit_test(test_icc_registers),
    };
    return cmocka_run_group_tests_name("gicv3_regs", tests, NULL, NULL);
}
