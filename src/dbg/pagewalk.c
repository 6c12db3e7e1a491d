/* A translation in words. */
#include "dbg/pagewalk.h"

#include "base/bits.h"
#include "dbg/esr_text.h"

#include "gen/sysreg_fields.h"

#include <inttypes.h>
#include <string.h>

/* What TCR_EL1 says for one half of the addresses. */
struct half {
    bool upper;
    unsigned txsz, granule; /* granule: log2 of bytes */
    uint64_t ttbr;
};

static struct half half_of(const struct pe_state *s, gva_t va)
{
    static const uint8_t tg0[] = {12, 16, 14, 12}, tg1[] = {12, 14, 12, 16};
    const uint64_t tcr = SYS(s, TCR_EL1);
    const bool upper = bit(va, 55);

    return (struct half){
        .upper = upper,
        .txsz = (unsigned)(upper ? bits(tcr, TCR_EL1_T1SZ_LO + 5, TCR_EL1_T1SZ_LO)
                                 : bits(tcr, TCR_EL1_T0SZ_LO + 5, TCR_EL1_T0SZ_LO)),
        .granule = upper ? tg1[bits(tcr, TCR_EL1_TG1_LO + 1, TCR_EL1_TG1_LO)]
                         : tg0[bits(tcr, TCR_EL1_TG0_LO + 1, TCR_EL1_TG0_LO)],
        .ttbr = upper ? SYS(s, TTBR1_EL1) : SYS(s, TTBR0_EL1),
    };
}

static unsigned level_shift(const struct half *h, int level)
{
    return h->granule + (unsigned)(3 - level) * (h->granule - 3);
}

static void size_text(uint64_t len, char *buf, size_t buf_len)
{
    static const char unit[] = "KMGT";
    unsigned u = 0;

    for (len >>= 10; len >= 1024 && u < 3; len >>= 10)
        u++;
    snprintf(buf, buf_len, "%" PRIu64 " %ciB", len, unit[u]);
}

/* "MAIR_EL1": a byte of it. */
static void attr_text(uint8_t attr, char *buf, size_t len)
{
    static const char *const device[] = {"nGnRnE", "nGnRE", "nGRE", "GRE"};
    static const char *const cached[] = {"write-through transient", "write-back transient",
                                         "write-through", "write-back"};

    if (!(attr & 0xf0))
        snprintf(buf, len, "Device-%s", device[bits(attr, 3, 2)]);
    else if (attr == 0x44)
        snprintf(buf, len, "Normal, non-cacheable");
    else if (attr >> 4 == (attr & 15))
        snprintf(buf, len, "Normal, %s", cached[bits(attr, 3, 2)]);
    else
        snprintf(buf, len, "Normal, outer %s, inner %s",
                 attr >> 4 == 4 ? "non-cacheable" : cached[bits(attr, 7, 6)],
                 (attr & 15) == 4 ? "non-cacheable" : cached[bits(attr, 3, 2)]);
}

static void put_flag(FILE *f, uint64_t desc, unsigned n, const char *name)
{
    if (bit(desc, n))
        fprintf(f, "; %s", name);
}

/* "Table descriptor fields". */
static void put_table(FILE *f, const struct half *h, uint64_t desc)
{
    gpa_t next = bits(desc, 47, h->granule) << h->granule;

    if (h->granule == 16)
        next |= bits(desc, 15, 12) << 48;
    fprintf(f, "      next table at 0x%" PRIx64, next);
    put_flag(f, desc, 62, "APTable: nothing below it is writable");
    put_flag(f, desc, 61, "APTable: nothing below it is for EL0");
    put_flag(f, desc, 60, "UXNTable");
    put_flag(f, desc, 59, "PXNTable");
    fputc('\n', f);
}

/* "Block descriptor and Page descriptor fields". */
static void put_leaf(FILE *f, const struct pe_state *s, uint64_t desc)
{
    static const char *const shareability[] = {"non-shareable", "reserved", "outer", "inner"};
    const unsigned index = (unsigned)bits(desc, 4, 2);
    char attr[64];

    attr_text((uint8_t)bits(SYS(s, MAIR_EL1), 8 * index + 7, 8 * index), attr, sizeof(attr));
    fprintf(f, "      AttrIndx %u: %s; SH %s; AP %u%u: %s%s; AF %u; nG %u", index, attr,
            shareability[bits(desc, 9, 8)], (unsigned)bit(desc, 7), (unsigned)bit(desc, 6),
            bit(desc, 7) ? "read-only" : "read-write", bit(desc, 6) ? ", EL0 too" : "",
            (unsigned)bit(desc, 10), (unsigned)bit(desc, 11));
    put_flag(f, desc, 54, "UXN");
    put_flag(f, desc, 53, "PXN");
    put_flag(f, desc, 52, "Contiguous");
    put_flag(f, desc, 51, "DBM");
    put_flag(f, desc, 50, "GP");
    fputc('\n', f);
}

static void put_regime(FILE *f, const struct pe_state *s, const struct half *h)
{
    static const uint8_t ips[] = {32, 36, 40, 42, 44, 48, 52, 52};
    const uint64_t tcr = SYS(s, TCR_EL1);
    char granule[24];

    size_text(BIT64(h->granule), granule, sizeof(granule));
    fprintf(f,
            "  TCR_EL1    0x%016" PRIx64
            "  T%uSZ %u: addresses of %u bits; granule %s; output of %u bits; TBI%u %u\n",
            tcr, h->upper, h->txsz, 64 - h->txsz, granule,
            ips[bits(tcr, TCR_EL1_IPS_LO + 2, TCR_EL1_IPS_LO)], h->upper,
            (tcr & (h->upper ? TCR_EL1_TBI1 : TCR_EL1_TBI0)) != 0);
    fprintf(f, "  TTBR%u_EL1  0x%016" PRIx64 "  because bit 55 is %u", h->upper, h->ttbr, h->upper);
    if (!(tcr & TCR_EL1_A1) == !h->upper)
        fprintf(f, "; ASID %u", (unsigned)bits(h->ttbr, 63, 48));
    fputc('\n', f);
}

static void put_steps(FILE *f, const struct pe_state *s, const struct half *h, gva_t va,
                      const struct walk_result *w)
{
    for (unsigned i = 0; i < w->nr_steps; i++) {
        const struct walk_step *t = &w->step[i];
        const unsigned shift = level_shift(h, t->level), top = MIN(shift + h->granule - 4, 63 - h->txsz);
        char size[24];
        fprintf(f, "  level %d    0x%016" PRIx64 "  entry %u, at 0x%" PRIx64 ": %s", t->level,
                t->desc, (unsigned)bits(va, top, shift), t->desc_gpa, t->kind);
        if (!strcmp(t->kind, "table")) {
            fputc('\n', f);
            put_table(f, h, t->desc);
        } else if (bit(t->desc, 0) && strcmp(t->kind, "reserved") != 0) {
            size_text(BIT64(shift), size, sizeof(size));
            fprintf(f, " of %s\n", size);
            put_leaf(f, s, t->desc);
        } else {
            fputc('\n', f);
        }
    }
}

static char allowed(const struct pe_state *s, const struct walk_mem *m, gva_t va, bool el0,
                    enum walk_access access)
{
    struct walk_result w;

    walk_el10(s, m,
              &(struct walk_request){.va = va, .access = access, .el0 = el0, .no_update = true}, &w);
    return !w.ok ? '-' : access == WALK_READ ? 'r' : access == WALK_WRITE ? 'w' : 'x';
}

void pagewalk_print(FILE *f, const struct pe_state *regime, const struct walk_mem *m, gva_t va,
                    const char *(*place)(void *opaque, gpa_t gpa), void *opaque)
{
    static const enum walk_access kind[] = {WALK_READ, WALK_WRITE, WALK_FETCH};
    const struct half h = half_of(regime, va);
    struct walk_result w = {0};
    char text[64];

    fprintf(f, "0x%" PRIx64 "\n", va);
    if (!(SYS(regime, SCTLR_EL1) & SCTLR_EL1_M))
        fprintf(f, "  SCTLR_EL1.M is 0, the MMU is off: the physical address is the same\n");
    else
        put_regime(f, regime, &h);
    /* By whoever may: a page for EL0 alone, or one that can only be executed, is mapped too. */
    for (unsigned el0 = 0; el0 < 2 && !w.ok; el0++)
        for (unsigned i = 0; i < ARRAY_LEN(kind) && !w.ok; i += 2)
            walk_el10(regime, m,
                      &(struct walk_request){.va = va, .access = kind[i], .el0 = el0, .no_update = true},
                      &w);
    put_steps(f, regime, &h, va, &w);
    if (!w.ok) {
        esr_fsc_text(w.fsc, text, sizeof(text));
        fprintf(f, "  gives a %s\n", text);
        return;
    }
    const char *what = place(opaque, w.pa);
    attr_text(w.attr, text, sizeof(text));
    fprintf(f, "  physical   0x%016" PRIx64 "  %s; %s\n", w.pa, what ? what : "nothing there", text);
    for (int el = 1; el >= 0; el--)
        fprintf(f, "  EL%d %c%c%c\n", el, allowed(regime, m, va, !el, WALK_READ),
                allowed(regime, m, va, !el, WALK_WRITE), allowed(regime, m, va, !el, WALK_FETCH));
}
