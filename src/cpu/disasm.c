/* A64 disassembly: the pieces that the generated functions put together, and the entry. Pure.
 *
 * Mnemonics, aliases and operands are declared in spec/a64.isa. Numbers are decimal where they count (offsets, shifts, bit
 * positions) and hexadecimal where they are patterns. Specification: DDI 0487, "Structure of the A64 assembler language". */
#include "cpu/disasm.h"

#include "arch/sysreg.h"
#include "cpu/insn.h"
#include "cpu/sysops.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void put_fmt(struct disasm *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void disasm_put(struct disasm *t, const char *s)
{
    for (; *s; s++, t->at++)
        if (t->at + 1 < t->len)
            t->buf[t->at] = *s;
}

static void put_fmt(struct disasm *t, const char *fmt, ...)
{
    char text[64];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    disasm_put(t, text);
}

void disasm_num(struct disasm *t, int64_t n)
{
    put_fmt(t, "%" PRId64, n);
}

void disasm_hex(struct disasm *t, uint64_t n)
{
    put_fmt(t, "0x%" PRIx64, n);
}

void disasm_hex8(struct disasm *t, uint32_t n)
{
    put_fmt(t, "0x%08" PRIx32, n);
}

void disasm_label(struct disasm *t, bool page, int64_t offset)
{
    put_fmt(t, "0x%" PRIx64, (page ? align_down(t->pc, 4096) : t->pc) + (uint64_t)offset);
}

void disasm_reg(struct disasm *t, unsigned n, bool wide, bool sp)
{
    if (n < 31)
        put_fmt(t, "%c%u", wide ? 'x' : 'w', n);
    else if (sp)
        disasm_put(t, wide ? "sp" : "wsp");
    else
        disasm_put(t, wide ? "xzr" : "wzr");
}

void disasm_cond(struct disasm *t, unsigned cond)
{
    static const char name[16][3] = {"eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc",
                                     "hi", "ls", "ge", "lt", "gt", "le", "al", "nv"};
    disasm_put(t, name[cond & 15]);
}

void disasm_shift(struct disasm *t, unsigned type)
{
    static const char name[4][4] = {"lsl", "lsr", "asr", "ror"};
    disasm_put(t, name[type & 3]);
}

void disasm_extend(struct disasm *t, unsigned option)
{
    static const char name[8][5] = {"uxtb", "uxth", "uxtw", "uxtx", "sxtb", "sxth", "sxtw", "sxtx"};
    disasm_put(t, name[option & 7]);
}

void disasm_barrier(struct disasm *t, unsigned crm)
{
    static const char name[16][6] = {"", "oshld", "oshst", "osh", "", "nshld", "nshst", "nsh",
                                     "", "ishld", "ishst", "ish", "", "ld",    "st",    "sy"};
    if (name[crm & 15][0])
        disasm_put(t, name[crm & 15]);
    else
        put_fmt(t, "#0x%x", crm & 15);
}

/* "S3_0_C1_C2_3": a register without a row in spec/sysreg.spec, or an operation without a name. */
static void put_generic(struct disasm *t, unsigned op0, unsigned encoding)
{
    put_fmt(t, "s%u_%u_c%u_c%u_%u", op0, encoding >> 11 & 7, encoding >> 7 & 15, encoding >> 3 & 15,
            encoding & 7);
}

static void put_lower(struct disasm *t, const char *s)
{
    for (; *s; s++)
        disasm_put(t, (const char[2]){(char)tolower((unsigned char)*s)});
}

void disasm_sysreg(struct disasm *t, unsigned encoding)
{
    const struct sysreg_desc *d = sysreg_find((uint16_t)encoding);

    if (d)
        put_lower(t, d->name);
    else
        put_generic(t, encoding >> 14, encoding);
}

void disasm_prfop(struct disasm *t, unsigned op)
{
    static const char type[3][4] = {"pld", "pli", "pst"};

    if (op >> 3 == 3 || (op >> 1 & 3) == 3)
        put_fmt(t, "#0x%02x", op);
    else
        put_fmt(t, "%sl%u%s", type[op >> 3 & 3], (op >> 1 & 3) + 1, op & 1 ? "strm" : "keep");
}

void disasm_bti(struct disasm *t, unsigned targets)
{
    static const char name[4][4] = {"", " c", " j", " jc"};
    disasm_put(t, name[targets & 3]);
}

void disasm_fpimm(struct disasm *t, unsigned imm8)
{
    /* (16 + mantissa) / 16 * 2^exponent, exponent -3 to 4: exact. */
    const int exponent = (int)((imm8 >> 4 & 7) ^ 4) - 3;
    double d = 16 + (double)(imm8 & 15);

    d *= exponent < 0 ? 1.0 / (1 << -exponent) : 1 << exponent;
    put_fmt(t, "%.18e", (imm8 & 0x80 ? -d : d) / 16);
}

void disasm_v_scalar(struct disasm *t, unsigned n, unsigned esize)
{
    put_fmt(t, "%c%u", "bhsdq???"[esize & 7], n);
}

static void put_arrangement(struct disasm *t, unsigned esize, unsigned q)
{
    put_fmt(t, ".%u%c", (q ? 16u : 8u) >> (esize & 7), "bhsdq???"[esize & 7]);
}

void disasm_v(struct disasm *t, unsigned n, unsigned esize, unsigned q)
{
    put_fmt(t, "v%u", n);
    put_arrangement(t, esize, q);
}

static const char *const lane_name[8] = {"b", "h", "s", "d", "q", "4b", "2h", "?"};

void disasm_v_lane(struct disasm *t, unsigned n, unsigned esize, unsigned index)
{
    put_fmt(t, "v%u.%s[%u]", n, lane_name[esize & 7], index);
}

void disasm_v_list(struct disasm *t, unsigned n, unsigned nr, unsigned esize, unsigned q)
{
    disasm_put(t, "{");
    if (nr > 2 && n + nr <= 32) {
        disasm_v(t, n, esize, q);
        disasm_put(t, "-");
        n += nr - 1;
        nr = 1;
    }
    for (unsigned i = 0; i < nr; i++) {
        disasm_put(t, i ? ", " : "");
        disasm_v(t, (n + i) & 31, esize, q);
    }
    disasm_put(t, "}");
}

void disasm_v_lane_list(struct disasm *t, unsigned n, unsigned nr, unsigned esize, unsigned index)
{
    const char *name = lane_name[esize & 7];

    if (nr > 2 && n + nr <= 32) {
        put_fmt(t, "{v%u.%s-v%u.%s}[%u]", n, name, n + nr - 1, name, index);
        return;
    }
    for (unsigned i = 0; i < nr; i++)
        put_fmt(t, "%sv%u.%s", i ? ", " : "{", (n + i) & 31, name);
    put_fmt(t, "}[%u]", index);
}

void disasm_pstate(struct disasm *t, unsigned op1, unsigned crm, unsigned op2)
{
    static const struct {
        uint8_t op1, op2, max;
        const char *name;
    } fields[] = {
        {0, 3, 1, "uao"}, {0, 4, 1, "pan"},      {0, 5, 1, "spsel"},    {3, 1, 1, "ssbs"},
        {3, 2, 1, "dit"}, {3, 6, 15, "daifset"}, {3, 7, 15, "daifclr"},
    };

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (fields[i].op1 == op1 && fields[i].op2 == op2 && crm <= fields[i].max) {
            put_fmt(t, "%s, #0x%x", fields[i].name, crm);
            return;
        }
    }
    put_generic(t, 0, op1 << 11 | 4u << 7 | crm << 3 | op2);
    disasm_put(t, ", xzr");
}

void disasm_sysop(struct disasm *t, unsigned op1, unsigned crn, unsigned crm, unsigned op2, unsigned rt)
{
    const char *name = sysop_name(SYSOP(op1, crn, crm, op2));
    /* The ones that concern everything take no register. */
    const bool plain = name && (!strncmp(name, "ic iall", 7) || !strncmp(name, "tlbi vmall", 10));

    if (name && !(plain && rt != 31))
        disasm_put(t, name);
    else
        put_fmt(t, "sys #%u, C%u, C%u, #%u", op1, crn, crm, op2);
    if (name ? !plain || rt != 31 : rt != 31) {
        disasm_put(t, ", ");
        disasm_reg(t, rt, true, false);
    }
}

void disasm_regoff(struct disasm *t, unsigned option, unsigned s, unsigned amount)
{
    /* A byte shifted by 0 is written where S says that it is shifted. */
    if (option == 3) {
        if (s)
            put_fmt(t, ", lsl #%u", amount);
        return;
    }
    disasm_put(t, ", ");
    disasm_extend(t, option);
    if (s)
        put_fmt(t, " #%u", amount);
}

size_t a64_disassemble(uint32_t word, uint64_t pc, char *buf, size_t len)
{
    struct disasm t = {.buf = buf, .len = len, .pc = pc};
    const unsigned row = a64_find_row(word);

    if (row != A64_ROW_NONE)
        a64_asm[row](&t, word);
    else
        put_fmt(&t, ".inst 0x%08" PRIx32, word);
    if (len)
        buf[MIN(t.at, len - 1)] = '\0';
    return t.at;
}
