/* A translation in words. */
#include "dbg/pagewalk.h"

#include "arch/walk_tables.h"
#include "dbg/esr_text.h"

#include "gen/sysreg_fields.h"

#include <inttypes.h>
#include <string.h>

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

static void put_flag(FILE *f, uint64_t desc, uint64_t flag, const char *name)
{
    if (desc & flag)
        fprintf(f, "; %s", name);
}

/* "Table descriptor fields". */
static void put_table(FILE *f, const struct walk_params *p, uint64_t desc)
{
    fprintf(f, "      next table at 0x%" PRIx64, walk_desc_address(p, desc, p->granule));
    put_flag(f, desc, DESC_APTABLE1, "APTable: nothing below it is writable");
    put_flag(f, desc, DESC_APTABLE0, "APTable: nothing below it is for EL0");
    put_flag(f, desc, DESC_UXNTABLE, "UXNTable");
    put_flag(f, desc, DESC_PXNTABLE, "PXNTable");
    fputc('\n', f);
}

/* "Block descriptor and Page descriptor fields". */
static void put_leaf(FILE *f, const struct pe_state *s, uint64_t desc)
{
    static const char *const shareability[] = {"non-shareable", "reserved", "outer", "inner"};
    const unsigned index = (unsigned)bits(desc, 4, 2);
    const bool read_only = desc & DESC_AP2, el0 = desc & DESC_AP1;
    char attr[64];

    attr_text((uint8_t)bits(SYS(s, MAIR_EL1), 8 * index + 7, 8 * index), attr, sizeof(attr));
    fprintf(f, "      AttrIndx %u: %s; SH %s; AP %u%u: %s%s; AF %u; nG %u", index, attr,
            shareability[bits(desc, 9, 8)], read_only, el0, read_only ? "read-only" : "read-write",
            el0 ? ", EL0 too" : "", (desc & DESC_AF) != 0, (desc & DESC_NG) != 0);
    put_flag(f, desc, DESC_UXN, "UXN");
    put_flag(f, desc, DESC_PXN, "PXN");
    put_flag(f, desc, DESC_CONTIGUOUS, "Contiguous");
    put_flag(f, desc, DESC_DBM, "DBM");
    put_flag(f, desc, DESC_GP, "GP");
    fputc('\n', f);
}

static void put_regime(FILE *f, const struct pe_state *s, const struct walk_params *p, bool upper)
{
    const uint64_t tcr = SYS(s, TCR_EL1);
    char granule[24];

    size_text(BIT64(p->granule), granule, sizeof(granule));
    fprintf(f,
            "  TCR_EL1    0x%016" PRIx64
            "  T%uSZ %u: addresses of %u bits; granule %s; output of %u bits; TBI%u %u\n",
            tcr, upper, p->txsz, 64 - p->txsz, granule, p->oa_bits, upper, p->tbi);
    fprintf(f, "  TTBR%u_EL1  0x%016" PRIx64 "  because bit 55 is %u", upper, p->ttbr, upper);
    if (!(tcr & TCR_EL1_A1) == !upper)
        fprintf(f, "; ASID %u", (unsigned)bits(p->ttbr, 63, 48));
    fputc('\n', f);
}

static void put_steps(FILE *f, const struct pe_state *s, const struct walk_params *p, gva_t va,
                      const struct walk_result *w)
{
    for (unsigned i = 0; i < w->nr_steps; i++) {
        const struct walk_step *t = &w->step[i];
        const unsigned shift = walk_level_shift(p, t->level),
                       top = MIN(shift + p->granule - 4, 63 - p->txsz);
        char size[24];
        fprintf(f, "  level %d    0x%016" PRIx64 "  entry %u, at 0x%" PRIx64 ": %s", t->level,
                t->desc, (unsigned)bits(va, top, shift), t->desc_gpa, t->kind);
        if (!strcmp(t->kind, "table")) {
            fputc('\n', f);
            put_table(f, p, t->desc);
        } else if ((t->desc & DESC_VALID) && strcmp(t->kind, "reserved") != 0) {
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
    const struct walk_params p = walk_params_of(regime, va, false);
    struct walk_result w = {0};
    char text[64];

    fprintf(f, "0x%" PRIx64 "\n", va);
    if (!(SYS(regime, SCTLR_EL1) & SCTLR_EL1_M))
        fprintf(f, "  SCTLR_EL1.M is 0, the MMU is off: the physical address is the same\n");
    else
        put_regime(f, regime, &p, bit(va, 55));
    /* By whoever may: a page for EL0 alone, or one that can only be executed, is mapped too. */
    for (unsigned el0 = 0; el0 < 2 && !w.ok; el0++)
        for (unsigned i = 0; i < ARRAY_LEN(kind) && !w.ok; i += 2)
            walk_el10(regime, m,
                      &(struct walk_request){.va = va, .access = kind[i], .el0 = el0, .no_update = true},
                      &w);
    put_steps(f, regime, &p, va, &w);
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
