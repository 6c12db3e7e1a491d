/* Random programs through the translator, each run of translated code compared with the interpreter (cpu/jit/check.c): with everything on,
 * with each pass off, without what the host's processor may lack, with registers given out at random, with every access by the slow path.
 *
 * VIBE_JIT_PROGRAMS: programs in each way (60). VIBE_JIT_SEED: the seed, which is printed. A difference ends the test with both states and a line
 * that tells how to run that machine's programs alone: VIBE_JIT_REPLAY=.... VIBE_JIT_DUMP: translations of that address are shown. */
#include "base/os.h"
#include "cpu/cpu_internal.h"
#include "cpu/jit/jit_internal.h"
#include "cpu/sysops.h"

#include "gen/sysreg_fields.h"

#include "ops_machine.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM (RAM_BASE + 0x40000) /* and up to two pages on */
#define VECTORS (RAM_BASE + 0x60000)
#define MAX_LEN 64u
#define HVC 0xd4000002u

static uint64_t seed, machine_seed;
static struct jit_options how;
static uint64_t nr_programs_run, nr_checked; /* programs, comparisons */

static uint64_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * UINT64_C(0x2545f4914f6cdd1d) >> 8;
}

static unsigned below(unsigned n)
{
    return (unsigned)(rnd() % n);
}

/* Registers: x16..x23 point to memory and x24..x27 are small; none of them is written but by write-back. The others are anybody's. */
static unsigned pointer_register(void)
{
    const unsigned r = below(9);
    return r == 8 ? 31 : 16 + r; /* 31: SP */
}

static uint32_t with(uint32_t word, unsigned lo, unsigned width, unsigned value)
{
    const uint32_t mask = (uint32_t)mask64(width) << lo;
    return (word & ~mask) | (value << lo & mask);
}

static bool wanted(unsigned kind)
{
    return kind == A64_KIND_ALU || kind == A64_KIND_LOAD || kind == A64_KIND_STORE ||
           kind == A64_KIND_LITERAL || kind == A64_KIND_BRANCH || kind == A64_KIND_ATOMIC ||
           kind == A64_KIND_EXCLUSIVE || kind == A64_KIND_SIMD || kind == A64_KIND_FP ||
           kind == A64_KIND_PAC;
}

/* Offsets of branches, and of loads relative to the PC, stay near. */
static uint32_t aim(uint32_t word, unsigned row, unsigned at, unsigned len)
{
    const int offset = (int)below(len + 1) - (int)at;

    switch (row) {
    case A64_ROW_B_only_branch_imm:
    case A64_ROW_BL_only_branch_imm: return with(word, 0, 26, (uint32_t)offset);
    case A64_ROW_TBZ_only_testbranch:
    case A64_ROW_TBNZ_only_testbranch: return with(word, 5, 14, (uint32_t)offset);
    case A64_ROW_B_only_condbranch:
    case A64_ROW_CBZ_compbranch:
    case A64_ROW_CBNZ_compbranch: return with(word, 5, 19, (uint32_t)offset);
    default:
        return a64_rows[row].kind == A64_KIND_LITERAL ? with(word, 5, 19, (uint32_t)(offset & ~1)) : word;
    }
}

static bool is_memory(unsigned kind)
{
    return kind == A64_KIND_LOAD || kind == A64_KIND_STORE || kind == A64_KIND_ATOMIC ||
           kind == A64_KIND_EXCLUSIVE;
}

/* What most of a program is made of. */
static enum { INTEGER, FLOATING, VECTORS_TOO, ONE_ROW } flavour;
static unsigned one_row; /* of floating point: all of the program */

static bool is_vector(const struct a64_row_info *info)
{
    return strstr(info->heading, "SIMD") || strstr(info->heading, "Cryptographic");
}

static bool in_flavour(const struct a64_row_info *info)
{
    const bool fp = info->kind == A64_KIND_FP;
    const bool vector = info->kind == A64_KIND_SIMD || (!fp && is_vector(info));

    switch (flavour) {
    case FLOATING: return fp || !below(vector ? 16 : 8);
    case VECTORS_TOO: return vector || !below(fp ? 16 : 8);
    default: return (!fp && !vector) || !below(8);
    }
}

/* A store-exclusive to where the last load-exclusive was, so that some find the monitor as they want it. */
static uint32_t store_exclusive_after(uint32_t load)
{
    const uint32_t word = with(load & ~(1u << 22), 16, 5, 12 + below(4)); /* bit 22: load; Rs */
    return with(word, 0, 5, below(12));
}

/* MRS, MSR of registers and PSTATE, DC ZVA, hints with keys: what a word at random would seldom be. */
static uint32_t system_word(void)
{
    static const uint32_t hints[] = {0xd503233f, 0xd50323bf, 0xd503237f, 0xd50323ff, 0xd503211f,
                                     0xd503219f, 0xd50320ff, 0xd5033f9f, 0xd503309f, 0xd5033f5f};
    static const uint16_t fields[] = {PSTATE_UAO, PSTATE_PAN,     PSTATE_SSBS,
                                      PSTATE_DIT, PSTATE_DAIFSET, PSTATE_DAIFCLR};

    switch (below(8)) {
    case 0: {
        const unsigned f = below(64) ? fields[below(ARRAY_LEN(fields))] : PSTATE_SPSEL;
        return 0xd500401f | f >> 3 << 16 | below(16) << 8 | (f & 7) << 5;
    }
    case 1: return 0xd50b7420 | (below(16) ? 16 + below(8) : below(32)); /* DC ZVA */
    case 2: return hints[below(ARRAY_LEN(hints))];
    default: break;
    }
    for (;;) {
        const struct sysreg_desc *d = &sysreg_table[below(sysreg_table_len)];
        const bool read = below(2);
        /* The others would leave, or what the program runs on might change. */
        if (d->home == HOME_BOARD || d->home == HOME_COUNTER || d->id == SR_ISR_EL1 || d->id == SR_SPSel)
            continue;
        if (!read && (d->effects & ~EFFECT_IRQ))
            continue;
        if ((read ? d->read_el : d->write_el) > 1 && below(16)) /* UNDEFINED */
            continue;
        if (below(2) && d->id != SR_SP_EL0 && d->home != HOME_STATE) /* the more common ones more often */
            continue;
        return 0xd5100000 | (read ? 1u << 21 : 0) | (uint32_t)d->encoding << 5 |
               (below(8) ? below(16) : 31);
    }
}

static uint32_t random_word(unsigned at, unsigned len)
{
    if (!below(flavour == INTEGER ? 12 : 32))
        return system_word();
    static uint32_t last_exclusive, last_aes;

    if (last_exclusive && flavour != ONE_ROW && !below(4)) {
        const uint32_t word = store_exclusive_after(last_exclusive);
        last_exclusive = 0;
        return word;
    }
    if (flavour == FLOATING && !below(24)) { /* MSR FPCR, MRS FPSR, MSR FPSR */
        static const uint32_t access[] = {0xd51b4400, 0xd53b4420, 0xd51b4420};
        return access[below(3)] | 24 | below(3);
    }
    if (last_aes) { /* AESMC or AESIMC of the same register belongs to it */
        const uint32_t word = 0x4e286800 | (last_aes & 1u << 12) | (last_aes & 31) * 33;
        last_aes = 0;
        return word;
    }
    for (;;) {
        const unsigned row = flavour == ONE_ROW ? one_row : below(A64_NR_ROWS);
        const struct a64_row_info *info = &a64_rows[row];
        if (flavour != ONE_ROW && (!wanted(info->kind) || !in_flavour(info)))
            continue;
        uint32_t word = info->value | ((uint32_t)rnd() & ~info->mask);
        word = (word & ~info->should_mask) | info->should_value;
        if (is_memory(info->kind))
            word = with(with(word, 5, 5, pointer_register()), 16, 5,
                        below(2) ? (word >> 16 & 31) : 24 + below(4));
        word = aim(word, row, at, len);
        struct a64_insn i;
        if (a64_find_row(word) != row)
            continue;
        /* Write what may be written. Which fields are registers, the operands tell: a register's number stands where it is set. */
        a64_decode(word, &i);
        bool good = true;
        for (const struct a64_operand *o = a64_operands[row]; o->offset != 0xff; o++) {
            const unsigned slot = ((const uint8_t *)&i.u)[o->offset];
            const bool pointer = slot == REG_SP || (slot >= 16 && slot < 28);
            if (!(o->use & A64_USE_VECTOR) && (o->use & A64_USE_WRITE) && pointer &&
                !is_memory(info->kind))
                good = false;
        }
        if (is_memory(info->kind)) {
            const unsigned t = word & 31, t2 = word >> 10 & 31, n = word >> 5 & 31, s = word >> 16 & 31;
            good = t != n && t != t2 && t2 != n && s != t && s != n && (t < 16 || t == 31);
        }
        if (info->kind == A64_KIND_BRANCH &&
            (row == A64_ROW_RET_64R_branch_reg || row == A64_ROW_BR_64_branch_reg ||
             row == A64_ROW_BLR_64_branch_reg))
            word = with(word, 5, 5, below(2) ? 30 : 27);
        if (good && (row == A64_ROW_LDXR_ldstexclr || row == A64_ROW_LDXP_ldstexclp))
            last_exclusive = word;
        if (good && (row == A64_ROW_AESE_cryptoaes || row == A64_ROW_AESD_cryptoaes) && below(4))
            last_aes = word;
        if (good)
            return word;
    }
}

static uint64_t edge(void)
{
    static const uint64_t v[] = {0,
                                 1,
                                 2,
                                 31,
                                 32,
                                 63,
                                 64,
                                 0x7f,
                                 0x80,
                                 0xff,
                                 0x7fff,
                                 0x8000,
                                 0x7fffffff,
                                 0x80000000u,
                                 0xffffffffu,
                                 UINT64_C(0x100000000),
                                 UINT64_C(0x7fffffffffffffff),
                                 UINT64_C(0x8000000000000000),
                                 UINT64_C(0x8000000000000400), /* halfway between doubles, singles */
                                 UINT64_C(0x8000008000000000),
                                 UINT64_MAX};
    return below(2) ? v[below(ARRAY_LEN(v))] + (below(4) ? 0 : below(3) - 1) : rnd() << 8 ^ rnd();
}

/* Two singles or a double, of the kinds that there are. */
static uint64_t number(void)
{
    static const uint64_t doubles[] = {0,
                                       UINT64_C(0x8000000000000000),
                                       UINT64_C(0x3ff0000000000000),
                                       UINT64_C(0x7ff0000000000000),
                                       UINT64_C(0x7ff8000000001234),
                                       UINT64_C(0x7ff0000000005678),
                                       UINT64_C(0x0010000000000000),
                                       UINT64_C(0x000fffffffffffff),
                                       UINT64_C(0x43e0000000000000),
                                       UINT64_C(0x41e0000000000000),
                                       UINT64_C(0x7fefffffffffffff)};
    static const uint32_t singles[] = {0,          0x80000000, 0x3f800000, 0x7f800000,
                                       0x7fc01234, 0x7f801234, 0x00800000, 0x007fffff,
                                       0x5f000000, 0x4f000000, 0x7f7fffff};
    const unsigned kind = below(10), zeros = below(53);

    if (kind == 8) /* a double up to 2^64, of as many bits */
        return ((uint64_t)(1023 - 70 + below(140)) << 52 | (rnd() & mask64(52) & ~mask64(zeros))) ^
               (uint64_t)below(2) << 63;
    if (kind == 9) {
        const uint32_t single = (127u - 70 + below(140)) << 23 |
                                ((uint32_t)rnd() & 0x7fffff & ~(uint32_t)mask64(zeros % 24));
        return (uint64_t)single << below(2) * 32 ^ (uint64_t)below(2) << 63;
    }
    if (kind == 0)
        return doubles[below(ARRAY_LEN(doubles))] ^ (uint64_t)below(2) << 63;
    if (kind == 1)
        return (uint64_t)singles[below(ARRAY_LEN(singles))] << (below(2) ? 32 : 0) |
               (below(2) ? singles[below(ARRAY_LEN(singles))] : 0);
    if (kind < 5) /* near 1, with few or many bits */
        return ((UINT64_C(0x3f00000000000000) + (rnd() & UINT64_C(0x00ffffffffffffff))) &
                ~mask64(below(2) ? 0 : 40)) ^
               (uint64_t)below(2) << 63;
    if (kind < 7)
        return (0x3f000000u + ((uint64_t)rnd() & 0x01ffffffu)) |
               (below(2) ? UINT64_C(0x3f80000000000000) : 0);
    return edge();
}

static void random_state(unsigned len)
{
    struct pe_state *s = &c->st;

    for (unsigned i = 0; i < 31; i++)
        s->x[i] = edge();
    for (unsigned i = 16; i < 24; i++)
        s->x[i] = (below(4)   ? DATA
                   : below(2) ? DATA_EL0
                              : UNMAPPED - 64) +
                  0x800 + below(64) * (below(4) ? 16 : 1);
    for (unsigned i = 24; i < 27; i++)
        s->x[i] = below(32);
    if (flavour == FLOATING) /* for FPCR */
        s->x[24 + below(3)] = below(4) << 22 | (below(2) ? 0 : FPCR_FZ);
    s->x[27] = PROGRAM + below(len) * 4;
    s->x[30] = PROGRAM + below(len) * 4;
    s->x[REG_SP] = DATA + 0x400 + below(32) * 16 + (below(64) ? 0 : 8);
    for (unsigned i = 0; i < 32; i++)
        for (unsigned k = 0; k < 2; k++)
            s->v[i].d[k] = flavour == FLOATING || flavour == ONE_ROW ? number()
                           : below(4) || !k                          ? edge()
                                                                     : 0;
    s->fpsr = 0;
    s->fpcr = (flavour != FLOATING && flavour != ONE_ROW) || below(4)
                  ? 0
                  : (uint32_t)(rnd() & (below(2)   ? FPCR_RMode
                                        : below(2) ? FPCR_RMode | FPCR_FZ
                                                   : FPCR_RMode | FPCR_FZ | FPCR_DN));
    s->nzcv = (uint32_t)rnd() & 0xf0000000u;
    s->btype = 0;
    s->el = !(SYS(s, SCTLR_EL1) & SCTLR_EL1_M) && !below(4) ? 0 : 1;
    s->sp_sel = s->el;
    s->misc = below(4) ? 0 : (below(2) ? PSR_PAN : 0) | (below(2) ? PSR_UAO : 0);
    s->pc = PROGRAM;
    SYS(s, VBAR_EL1) = VECTORS;
    cpu_state_changed(c);
}

static unsigned nr_left;

static void out_of_time(void *opaque)
{
    (void)opaque;
    nr_left++;
    cpu_kick(c);
}

static void run_once(void)
{
    static struct cpu_ops timed;

    timed = ops;
    timed.deadline = out_of_time;
    c->ops = &timed;
    cpu_set_deadline(c, os_now_ns() + 150000);
    cpu_run(c);
    cpu_set_deadline(c, UINT64_MAX);
    atomic_store(&c->events, 0);
}

/* cmocka takes SIGFPE for itself at the start of every test; the translator took it once. */
static void keep_trap_handler(void)
{
    static struct sigaction ours;
    static bool known;

    sigaction(SIGFPE, known ? &ours : NULL, known ? NULL : &ours);
    known = true;
}

static void programs(const struct jit_options *opt, unsigned nr)
{
    void *none = NULL;

    for (unsigned n = 0; n < nr; n++) {
        if (n % 16 == 0) { /* a new machine now and then: its caches are empty */
            if (n) {
                nr_checked += c->nr_checked;
                teardown(&none);
            }
            machine_seed = seed;
            how = *opt;
            setup(&none);
            for (unsigned i = 0; i < 0x800; i += 4)
                memcpy(host(VECTORS + i), &(uint32_t){HVC}, 4);
            jit_attach(c, opt);
            assert_non_null(c->jit);
            keep_trap_handler();
        }
        const unsigned len = 4 + below(MAX_LEN - 4);
        flavour = below(4);
        do
            one_row = below(A64_NR_ROWS);
        while (a64_rows[one_row].kind != A64_KIND_FP);
        SYS(&c->st, SCTLR_EL1) = (SYS(&c->st, SCTLR_EL1) & ~UINT64_C(0xf)) | (below(4) ? 1 : 0) |
                                 (below(4) ? 0 : 2) | (below(4) ? 8 : 0);
        for (unsigned i = 0; i < 4; i++) { /* keys */
            static const uint64_t enable[] = {SCTLR_EL1_EnIA, SCTLR_EL1_EnIB, SCTLR_EL1_EnDA,
                                              SCTLR_EL1_EnDB};
            SYS(&c->st, SCTLR_EL1) = (SYS(&c->st, SCTLR_EL1) & ~enable[i]) | (below(2) ? enable[i] : 0);
        }
        SYS(&c->st, SCTLR_EL1) =
            (SYS(&c->st, SCTLR_EL1) & ~SCTLR_EL1_DZE) | (below(2) ? SCTLR_EL1_DZE : 0);
        SYS(&c->st, CPACR_EL1) = below(8) ? UINT64_C(3) << 20 : 0;
        for (unsigned i = 0; i < len; i++)
            memcpy(host(PROGRAM + 4 * i), &(uint32_t){random_word(i, len)}, 4);
        memcpy(host(PROGRAM + 4 * len), &(uint32_t){HVC}, 4);
        icache_flush_pa(c, PROGRAM, 4 * (len + 1));
        for (unsigned i = 0; i < 6; i++) {
            random_state(len);
            run_once();
        }
    }
    nr_checked += c->nr_checked;
    teardown(&none);
    nr_programs_run += nr;
}

/* What may be accessed changes in the middle of a region. x16 is memory of EL0's, x17 is not; in the last turn of the loop x3 is x16, before it is
 * x17, and x4 is 0, before 1. */
static void permissions_change(void **state)
{
    static const struct {
        uint32_t body[8];
        gva_t ends_at; /* words into the body: the fault that ends it */
    } way[] = {
        /* ldr x0, [x3]; msr pan, #1; ldr x1, [x3, #8]; msr pan, #0; str x0, [x3, #16] */
        {{0xf9400060, 0xd500419f, 0xf9400461, 0xd500409f, 0xf9000860}, 2},
        /* msr pan, #1; ldtr x0, [x16]; msr uao, #1; ldtr x0, [x3]; msr uao, #0; msr pan, #0 */
        {{0xd500419f, 0xf8400a00, 0xd500417f, 0xf8400860, 0xd500407f, 0xd500409f}, 3},
        /* msr spsel, x4; mrs x0, sp_el0; msr sp_el0, x0; msr spsel, #1 */
        {{0xd5184204, 0xd5384100, 0xd5184100, 0xd50041bf}, 1},
        /* msr spsel, x4; msr sp_el0, x0; msr spsel, #1 */
        {{0xd5184204, 0xd5184100, 0xd50041bf}, 1},
    };
    void *none = NULL;

    (void)state;
    for (unsigned w = 0; w < ARRAY_LEN(way); w++) {
        unsigned n = 0;
        how = (struct jit_options){.check = true, .threshold = 1};
        setup(&none);
        for (unsigned i = 0; i < 0x800; i += 4)
            memcpy(host(VECTORS + i), &(uint32_t){HVC}, 4);
        jit_attach(c, &how);
        keep_trap_handler();
        /* subs x2, x2, #1; csel x3, x16, x17, eq; cset x4, ne; the body; cbnz x2, to the start */
        uint32_t words[16] = {0xf1000442, 0x9a910203, 0x9a9f07e4};
        for (n = 3; n < 11 && way[w].body[n - 3]; n++)
            words[n] = way[w].body[n - 3];
        words[n] = with(0xb5000002, 5, 19, 0 - n);
        words[n + 1] = HVC;
        memcpy(host(PROGRAM), words, sizeof(words));
        flavour = INTEGER;
        SYS(&c->st, SCTLR_EL1) |= 1;
        random_state(4);
        c->st.el = c->st.sp_sel = 1;
        c->st.misc = 0;
        c->st.x[2] = 4000;
        c->st.x[16] = DATA_EL0;
        c->st.x[17] = DATA;
        c->st.x[REG_SP] = DATA + 0x800;
        cpu_state_changed(c);
        assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
        assert_true(jit_statistics(c->jit)->insns > 100);
        assert_int_equal(c->st.elr_el[1], PROGRAM + (3 + way[w].ends_at) * 4);
        assert_int_equal(c->st.x[2], 0);
        nr_checked += c->nr_checked;
        teardown(&none);
    }
}

/* The kinds of sites that translations have for the instruction at pc. */
static unsigned site_kinds_at(gva_t pc)
{
    unsigned kinds = 0;

    for (const struct jit_region *r = c->jit->regions; r; r = r->next)
        for (unsigned i = 0; i < r->nr_sites; i++)
            if (r->site[i].pc == pc)
                kinds |= 1u << r->site[i].kind;
    return kinds;
}

/* What traps all the time becomes the interpreter's, and what does not stays. */
static void traps_often(void **state)
{
    static const uint32_t often[] = {
        0x1e622820, /* fadd d0, d1, d2: inf - inf */
        0x1e612060, /* fcmp d3, d1: a signalling NaN, and the region is left each time */
        0x4e22d420, /* fadd v0.4s, v1.4s, v2.4s: as singles they are quiet NaNs */
    };
    void *none = NULL;

    (void)state;
    for (unsigned w = 0; w < ARRAY_LEN(often); w++) {
        how = (struct jit_options){.check = true, .threshold = 1};
        setup(&none);
        jit_attach(c, &how);
        keep_trap_handler();
        if (!(c->jit->host & JIT_HOST_AVX) || !c->jit->has_traps) {
            teardown(&none);
            skip();
        }
        /* The instruction; fmul d5, d6, d6; subs x0, x0, #1; b.ne to the start */
        const uint32_t words[] = {often[w], 0x1e6608c5, 0xf1000400, 0x54ffffa1, HVC};
        memcpy(host(PROGRAM), words, sizeof(words));
        flavour = INTEGER;
        SYS(&c->st, CPACR_EL1) = UINT64_C(3) << 20;
        random_state(4);
        memset(c->st.v, 0, sizeof(c->st.v));
        c->st.v[1].d[0] = UINT64_C(0x7ff0000000000000);
        c->st.v[2].d[0] = UINT64_C(0xfff0000000000000);
        c->st.v[3].d[0] = UINT64_C(0x7ff0000000000001);
        c->st.v[6].d[0] = UINT64_C(0x3ff8000000000000);
        c->st.x[0] = 4000;
        cpu_state_changed(c);
        assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
        const bool quiet = w == 2;
        assert_int_equal(site_kinds_at(PROGRAM), 1u << (quiet ? SITE_FLOAT : SITE_INTERP));
        assert_int_equal(site_kinds_at(PROGRAM + 4), 1u << SITE_FLOAT);
        assert_true(jit_fp_traps_often(c->jit, PROGRAM) == !quiet);
        assert_int_equal(c->st.v[5].d[0], UINT64_C(0x4002000000000000)); /* 2.25 */
        assert_int_equal(c->st.fpsr, quiet ? 0 : FPSR_IOC);
        assert_true(jit_statistics(c->jit)->insns > 8000);
        nr_checked += c->nr_checked;
        teardown(&none);
    }
}

/* With FZ a denormal dividend is 0: 0/0 is Invalid and no division by zero. */
static void denormal_by_zero(void **state)
{
    void *none = NULL;

    (void)state;
    how = (struct jit_options){.check = true, .threshold = 1};
    setup(&none);
    jit_attach(c, &how);
    keep_trap_handler();
    /* fdiv d0, d1, d2; fdiv v3.4s, v4.4s, v2.4s; subs x0, x0, #1; b.ne to the start */
    static const uint32_t words[] = {0x1e621820, 0x6e22fc83, 0xf1000400, 0x54ffffa1, HVC};
    memcpy(host(PROGRAM), words, sizeof(words));
    flavour = INTEGER;
    SYS(&c->st, CPACR_EL1) = UINT64_C(3) << 20;
    random_state(4);
    memset(c->st.v, 0, sizeof(c->st.v));
    c->st.v[1].d[0] = 1;
    c->st.v[4].s[3] = 1;
    c->st.fpcr = FPCR_FZ;
    c->st.fpsr = 0;
    c->st.x[0] = 100;
    cpu_state_changed(c);
    assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
    assert_int_equal(c->st.v[0].d[0], UINT64_C(0x7ff8000000000000));
    assert_int_equal(c->st.v[3].s[3], 0x7fc00000);
    assert_int_equal(c->st.fpsr, FPSR_IOC | FPSR_IDC);
    nr_checked += c->nr_checked;
    teardown(&none);
}

/* Straight code of instructions of which each becomes so many operations that they do not fit into one region. */
static void many_operations(void **state)
{
    enum { LEN = 480, ROUNDS = 2000 };
    /* ld3 {v0.16b-v2.16b}, [x16]; tbx v0.16b, {v1.16b-v4.16b}, v5.16b; clz v5.4s, v0.4s; sqrdmulh v1.4s, v2.4s, v5.4s */
    static const uint32_t body[] = {0x4c404200, 0x4e057020, 0x6ea04805, 0x6ea5b441};
    void *none = NULL;

    (void)state;
    how = (struct jit_options){.check = true, .threshold = 1};
    setup(&none);
    jit_attach(c, &how);
    keep_trap_handler();
    for (unsigned i = 0; i < LEN; i++)
        memcpy(host(PROGRAM + 4 * i), &body[i % ARRAY_LEN(body)], 4);
    /* subs x2, x2, #1; b.ne to the start */
    const uint32_t end[] = {0xf1000442, with(0x54000001, 5, 19, 0 - (LEN + 1u)), HVC};
    memcpy(host(PROGRAM + 4 * LEN), end, sizeof(end));
    flavour = VECTORS_TOO;
    SYS(&c->st, CPACR_EL1) = UINT64_C(3) << 20;
    random_state(4);
    c->st.el = c->st.sp_sel = 1;
    c->st.misc = 0;
    c->st.x[2] = ROUNDS;
    c->st.x[16] = DATA;
    cpu_state_changed(c);
    assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
    assert_int_equal(c->st.x[2], 0);
    assert_true(jit_statistics(c->jit)->insns > (uint64_t)LEN * ROUNDS * 9 / 10);
    assert_true(jit_statistics(c->jit)->nr_guest_insns < 2 * LEN);
    nr_checked += c->nr_checked;
    teardown(&none);
}

/* A loop whose last turn changes the instruction behind its ISB: x0 counts 1 for the old one and 100 for the new one. */
static void isb_shows_new_code(void **state)
{
    static const uint32_t words[] = {
        0xf1000442, /* subs x2, x2, #1 */
        0x1a870106, /* csel w6, w8, w7, eq */
        0x9a8a00a9, /* csel x9, x5, x10, eq */
        0xb90000a6, /* str w6, [x5] */
        0xd50b7529, /* ic ivau, x9 */
        0xd5033b9f, /* dsb ish */
        0xd5033fdf, /* isb */
        0x91000400, /* add x0, x0, #1 */
        0xb5ffff02, /* cbnz x2, to the start */
        HVC,
    };
    enum { CHANGED = 7, TURNS = 4000 };
    void *none = NULL;

    (void)state;
    how = (struct jit_options){.threshold = 1};
    setup(&none);
    jit_attach(c, &how);
    keep_trap_handler();
    memcpy(host(PROGRAM), words, sizeof(words));
    flavour = INTEGER;
    random_state(4);
    c->st.el = c->st.sp_sel = 1;
    c->st.x[0] = 0;
    c->st.x[2] = TURNS;
    c->st.x[5] = PROGRAM + CHANGED * 4;
    c->st.x[7] = words[CHANGED];
    c->st.x[8] = 0x91019000; /* add x0, x0, #100 */
    c->st.x[10] = VECTORS;
    cpu_state_changed(c);
    assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
    assert_true(jit_statistics(c->jit)->insns > 1000);
    assert_int_equal(c->st.x[0], TURNS - 1 + 100);
    teardown(&none);
}

/* A frame that lies across two pages costs the interpreter only for a while. */
static void frame_across_pages(void **state)
{
    static const uint32_t words[] = {
        0xf9000200, /* str x0, [x16] */
        0xf9000601, /* str x1, [x16, #8] */
        0xf9400202, /* ldr x2, [x16] */
        0xf9400603, /* ldr x3, [x16, #8] */
        0x8b020063, /* add x3, x3, x2 */
        0x8b030021, /* add x1, x1, x3 */
        0xf1000400, /* subs x0, x0, #1 */
        0x54ffff21, /* b.ne to the start */
        HVC,
    };
    enum { TURNS = 20000 };
    uint64_t x1 = 0;
    void *none = NULL;

    (void)state;
    for (uint64_t x0 = TURNS; x0; x0--)
        x1 += x0 + x1;
    how = (struct jit_options){.check = true, .threshold = 1};
    setup(&none);
    jit_attach(c, &how);
    keep_trap_handler();
    memcpy(host(PROGRAM), words, sizeof(words));
    flavour = INTEGER;
    SYS(&c->st, SCTLR_EL1) |= 1; /* with the MMU off all RAM is one block */
    random_state(4);
    c->st.el = c->st.sp_sel = 1;
    c->st.misc = 0;
    c->st.x[0] = TURNS;
    c->st.x[1] = 0;
    c->st.x[16] = DATA + TLB_PAGE_SIZE - 8;
    cpu_state_changed(c);
    assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
    assert_int_equal(c->st.x[1], x1);
    assert_true(jit_statistics(c->jit)->nr_slow < 1000);
    assert_true(jit_statistics(c->jit)->insns > TURNS);
    nr_checked += c->nr_checked;
    teardown(&none);
}

/* A region that is dropped while it runs, again and again, leaves by a link to another one. */
static void dropped_region_leaves(void **state)
{
    enum { PAGES = JIT_MAX_PAGES + 1, TURNS = 20000 }; /* more than one region has */
    void *none = NULL;

    (void)state;
    how = (struct jit_options){.threshold = 1};
    setup(&none);
    jit_attach(c, &how);
    keep_trap_handler();
    for (unsigned i = 0; i < PAGES; i++) {
        /* ic ivau, x5 only in the first; b to the next page; in the last: subs x2, x2, #1; b.ne to the first; hvc */
        const uint32_t page[] = {i ? 0xd503201f : 0xd50b7525, with(0x14000000, 0, 26, PAGE_INSNS - 1)};
        const uint32_t last[] = {0xf1000442,
                                 with(0x54000001, 5, 19, 0 - ((PAGES - 1) * PAGE_INSNS + 1)), HVC};
        if (i < PAGES - 1)
            memcpy(host(PROGRAM + i * TLB_PAGE_SIZE), page, sizeof(page));
        else
            memcpy(host(PROGRAM + i * TLB_PAGE_SIZE), last, sizeof(last));
    }
    flavour = INTEGER;
    random_state(4);
    c->st.el = c->st.sp_sel = 1;
    c->st.x[2] = TURNS;
    c->st.x[5] = PROGRAM;
    cpu_state_changed(c);
    assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
    assert_int_equal(c->st.x[2], 0);
    assert_true(jit_statistics(c->jit)->nr_invalidated > 2);
    teardown(&none);
}

/* A function that is called within the region, and that returns from another one now and then. */
static void calls(void **state)
{
    enum { FAR = JIT_MAX_PAGES * TLB_PAGE_SIZE, TURNS = 3000 };
    static const uint32_t words[] = {
        0x94000006,                         /* bl f */
        0x8b020021,                         /* add x1, x1, x2 */
        0xf1000400,                         /* subs x0, x0, #1 */
        0x54ffffa1,                         /* b.ne to the start */
        HVC,        0xd503201f, 0x91000c42, /* f: add x2, x2, #3 */
        0x37100040,                         /* tbnz w0, #2, to the branch */
        0xd65f03c0,                         /* ret */
        0xd61f0220,                         /* br x17 */
    };
    static const uint32_t far[] = {
        0x8b020063, /* add x3, x3, x2 */
        0xb4000044, /* cbz x4, over the next */
        0xaa0403fe, /* mov x30, x4 */
        0xd65f03c0, /* ret */
    };
    uint64_t x1 = 0, x2 = 0, x3 = 0;

    (void)state;
    for (uint64_t i = TURNS; i; i--) {
        x2 += 3;
        x3 += i & 4 ? x2 : 0;
        x1 += x2;
    }
    /* With x4 = 0 it returns to the caller. Otherwise to there, which is no instruction's address: not even if it looks like the tag of a frame. */
    for (uint64_t x4 = 0; x4 < 8; x4 += x4 == 3 ? 2 : 1) {
        void *none = NULL;
        how = (struct jit_options){.check = x4 == 0, .threshold = 1};
        setup(&none);
        jit_attach(c, &how);
        keep_trap_handler();
        memcpy(host(PROGRAM), words, sizeof(words));
        memcpy(host(PROGRAM + FAR), far, sizeof(far));
        memcpy(host(VECTORS + 0x200), &(uint32_t){HVC}, 4);
        flavour = INTEGER;
        random_state(4);
        memset(c->st.x, 0, sizeof(c->st.x[0]) * 5);
        c->st.el = c->st.sp_sel = 1;
        c->st.x[0] = x4 ? TURNS & ~7u : TURNS;
        c->st.x[17] = PROGRAM + FAR;
        c->st.x[REG_SP] = DATA + 0x800;
        cpu_state_changed(c);
        /* First without, so that all of it is translated. */
        if (x4) {
            assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
            c->st.pc = PROGRAM;
            c->st.x[0] = 4;
            c->st.x[4] = x4;
            cpu_state_changed(c);
        }
        assert_int_equal(cpu_run(c), CPU_LEAVE_HVC);
        if (x4) {
            assert_int_equal(c->st.elr_el[1], x4);
            assert_int_equal(c->st.x[0], 4);
        } else {
            assert_int_equal(c->st.x[1], x1);
            assert_int_equal(c->st.x[2], x2);
            assert_int_equal(c->st.x[3], x3);
            assert_true(jit_statistics(c->jit)->insns > TURNS);
        }
        nr_checked += c->nr_checked;
        teardown(&none);
    }
}

/* That something was compared at all. */
static int enough_checked(void **state)
{
    (void)state;
    printf("%llu programs, %llu comparisons\n", (unsigned long long)nr_programs_run,
           (unsigned long long)nr_checked);
    return nr_checked > nr_programs_run / 2 ? 0 : -1;
}

static unsigned nr_programs(void)
{
    const char *n = getenv("VIBE_JIT_PROGRAMS");
    return n ? (unsigned)strtoul(n, NULL, 0) : 60;
}

static void all_on(void **state)
{
    (void)state;
    programs(&(struct jit_options){.check = true, .threshold = 1}, nr_programs() * 4);
}

static void without_each_pass(void **state)
{
    (void)state;
    for (unsigned p = 0; p < JIT_NR_PASSES; p++)
        programs(&(struct jit_options){.check = true, .threshold = 1, .passes_off = 1u << p},
                 nr_programs());
    programs(&(struct jit_options){.check = true, .threshold = 1, .passes_off = UINT32_MAX},
             nr_programs());
}

static void without_host_features(void **state)
{
    (void)state;
    for (unsigned i = 0; i < jit_nr_host_features; i++)
        programs(&(struct jit_options){.check = true, .threshold = 1, .host_off = 1u << i},
                 nr_programs() / 2 + 1);
    programs(&(struct jit_options){.check = true, .threshold = 1, .host_off = UINT32_MAX},
             nr_programs());
}

static void registers_at_random(void **state)
{
    (void)state;
    programs(&(struct jit_options){.check = true, .threshold = 1, .random_registers = true},
             nr_programs());
}

static void slow_memory(void **state)
{
    (void)state;
    programs(&(struct jit_options){.check = true, .threshold = 1, .slow_memory = true}, nr_programs());
}

static void small_cache(void **state)
{
    (void)state;
    programs(&(struct jit_options){.check = true, .threshold = 1, .code_len = JIT_CODE_LEN_MIN},
             nr_programs());
}

static void replay_line(int sig)
{
    printf("VIBE_JIT_REPLAY=%#llx,%#x,%#x,%d,%d,%u\n", (unsigned long long)machine_seed,
           how.passes_off, how.host_off, how.random_registers, how.slow_memory, how.code_len);
    fflush(stdout);
    signal(sig, SIG_DFL);
    raise(sig);
}

static void replay(const char *text)
{
    struct jit_options o = {.check = true, .threshold = 1};
    char *p;

    seed = strtoull(text, &p, 0);
    o.passes_off = (uint32_t)strtoul(p + 1, &p, 0);
    o.host_off = (uint32_t)strtoul(p + 1, &p, 0);
    o.random_registers = strtoul(p + 1, &p, 0);
    o.slow_memory = strtoul(p + 1, &p, 0);
    o.code_len = (uint32_t)strtoul(p + 1, &p, 0);
    if (getenv("VIBE_JIT_DUMP")) {
        o.dump = true;
        o.dump_pc = strtoull(getenv("VIBE_JIT_DUMP"), NULL, 0);
    }
    programs(&o, 16);
}

/* Where there is no translator for the host. */
static void interpreter_alone(void **state)
{
    assert_int_equal(setup(state), 0);
    jit_attach(c, NULL);
    assert_null(c->jit);
    teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_on),
        cmocka_unit_test(without_each_pass),
        cmocka_unit_test(without_host_features),
        cmocka_unit_test(registers_at_random),
        cmocka_unit_test(slow_memory),
        cmocka_unit_test(small_cache),
        cmocka_unit_test(traps_often),
        cmocka_unit_test(permissions_change),
        cmocka_unit_test(denormal_by_zero),
        cmocka_unit_test(many_operations),
        cmocka_unit_test(isb_shows_new_code),
        cmocka_unit_test(frame_across_pages),
        cmocka_unit_test(dropped_region_leaves),
        cmocka_unit_test(calls),
    };

    if (!jit_available()) {
        const struct CMUnitTest none[] = {cmocka_unit_test(interpreter_alone)};
        return cmocka_run_group_tests(none, NULL, NULL);
    }
    os_random(&seed, sizeof(seed));
    if (getenv("VIBE_JIT_SEED"))
        seed = strtoull(getenv("VIBE_JIT_SEED"), NULL, 0);
    seed |= 1;
    signal(SIGABRT, replay_line);
    signal(SIGSEGV, replay_line);
    if (getenv("VIBE_JIT_REPLAY")) {
        replay(getenv("VIBE_JIT_REPLAY"));
        return 0;
    }
    printf("seed %#llx\n", (unsigned long long)seed);
    fflush(stdout);
    return cmocka_run_group_tests(tests, NULL, enough_checked);
}
