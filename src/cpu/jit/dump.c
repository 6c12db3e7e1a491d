/* Translations as text: --jit-dump. */
#include "cpu/jit/jit_internal.h"

#include <inttypes.h>
#include <stdio.h>

#if defined(HAVE_CAPSTONE)
#include <capstone.h>
#endif

static const char *const condition[16] = {"eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc",
                                          "hi", "ls", "ge", "lt", "gt", "le", "al", "nv"};

static void put_var(FILE *f, const struct jit_unit *u, var_t v)
{
    if (v == VAR_ZERO)
        fputs("zr", f);
    else if (u->nr_webs) {
        const struct jit_web *w = &u->web[v];
        if (w->var == VAR_TEMP)
            fprintf(f, "t%u", v);
        else if (w->var >= VAR_V0)
            fprintf(f, "v%d.%d", w->var - VAR_V0, v);
        else
            fprintf(f, w->var == VAR_SP ? "sp.%.0u%u" : "x%u.%u", w->var == VAR_SP ? 0 : w->var, v);
        if (w->hreg != X64_NONE)
            fprintf(f, ":%s%d%s", w->vec ? "xmm" : "r", w->hreg, w->lazy ? "" : "=");
    } else if (v >= VAR_TEMP) {
        fprintf(f, "t%d", v - VAR_TEMP);
    } else if (v >= VAR_V0) {
        fprintf(f, "v%d", v - VAR_V0);
    } else if (v == VAR_SP) {
        fputs("sp", f);
    } else {
        fprintf(f, "x%u", v);
    }
}

static void put_flags(FILE *f, const struct flag_state *s)
{
    static const char *const form[] = {"dead", "dynamic", "static", "select"};
    static const char *const kind[16] = {"nzcv",  "host",  "sub32",   "sub64",
                                         "add32", "add64", "logic32", "logic64"};
    static const char *const place[] = {"slot", "var", "imm"};

    fprintf(f, "%s", form[s->form]);
    if (s->form != FS_STATIC && s->form != FS_SELECT)
        return;
    fprintf(f, " %s%s a:%s", kind[s->kind & 15], s->kind & FLAG_SUM ? "+" : "", place[s->a_at]);
    if (s->a_at == FP_VAR)
        fprintf(f, " x%u", s->a);
    fprintf(f, " b:%s", place[s->b_at]);
    if (s->b_at == FP_VAR)
        fprintf(f, " x%u", s->b);
    else if (s->b_at == FP_IMM)
        fprintf(f, " %" PRId64, s->imm);
}

static void put_ir(FILE *f, const struct jit_unit *u, const struct ir *r)
{
    const uint16_t t = ir_traits[r->op];

    fprintf(f, "        %-6s.%u", ir_name[r->op], r->sz);
    if (t & IRT_F || r->op == IR_CCMP)
        fprintf(f, " %s", condition[r->cc & 15]);
    if ((t & IRT_D) && r->d != VAR_NONE) {
        fputs(" ", f);
        put_var(f, u, r->d);
        fputs(" <-", f);
    }
    if ((t & IRT_C) && r->c != VAR_NONE) {
        fputs(" ", f);
        put_var(f, u, r->c);
        fputs(" ->", f);
    }
    if ((t & (IRT_A | IRT_M)) && r->a != VAR_NONE) {
        fputs(t & IRT_M ? " [" : " ", f);
        put_var(f, u, r->a);
    }
    if ((t & (IRT_B | IRT_M)) && r->b < VAR_IMM) {
        fputs(" ", f);
        put_var(f, u, r->b);
    }
    if (r->scale)
        fprintf(f, "<<%u", r->scale);
    if (r->imm || r->b == VAR_IMM)
        fprintf(f, " #%#" PRIx64, (uint64_t)r->imm);
    if (t & IRT_M)
        fputs("]", f);
    if (t & IRT_H) {
        fputs(" by ", f);
        put_var(f, u, r->h);
    }
    if (r->aux)
        fprintf(f, " {%u}", r->aux);
    if (r->op == IR_BR || r->op == IR_BZ || r->op == IR_BNZ || r->op == IR_TBZ || r->op == IR_TBNZ)
        fprintf(f, " block %d else %d", (int)r->aux, (int)r->aux2);
    fprintf(f, "%s%s%s\n", r->fl & IRF_SETF ? " set" : "", r->fl & IRF_NEAR ? " near" : "",
            r->fl & IRF_KEEP ? " keep" : "");
}

void jit_dump_ir(FILE *f, const struct jit_unit *u, const char *pass)
{
    unsigned gi = UINT16_MAX;

    fprintf(f, "--- after %s: %u guest instructions, %u operations\n", pass, u->nr_insns, u->nr_ir);
    for (unsigned n = 0; n < u->nr_blocks; n++) {
        const struct jit_block *b = &u->block[u->order[n]];
        fprintf(f, "block %u at %#" PRIx64 "%s%s depth %u\n", u->order[n], b->va,
                b->entry ? " entry" : "", b->header ? " header" : "", b->depth);
        if (u->nr_flag_states) {
            fputs("    flags in: ", f);
            put_flags(f, &u->flags_in[u->order[n]]);
            fputs(", out: ", f);
            put_flags(f, &u->flags_out[u->order[n]]);
            fputs("\n", f);
        }
        for (unsigned i = b->ir_first; i < b->ir_end; i++) {
            const struct ir *r = &u->ir[i];
            if (r->op == IR_NOP)
                continue;
            if (r->gi != gi) {
                char text[96];
                gi = r->gi;
                a64_disassemble(u->insn[gi].i.word, u->insn[gi].va, text, sizeof(text));
                fprintf(f, "    %" PRIx64 "  %s\n", u->insn[gi].va, text);
            }
            put_ir(f, u, r);
        }
    }
}

#if defined(HAVE_CAPSTONE)
/* Bytes of an instruction that x64_evex_rrr() or x64_evex_rrm() made, which capstone knows only some of. */
static uint32_t evex_len(const uint8_t *p)
{
    const unsigned map = p[1] & 3, op = p[4], mod = p[5] >> 6, rm = p[5] & 7;
    const bool imm =
        map == 3 || (map == 1 && ((op >= 0x70 && op <= 0x73) || (op >= 0xc4 && op <= 0xc6)));

    return 6 + (mod != 3 && rm == 4) + (mod == 2 ? 4 : 0) + imm;
}

static void disassemble(FILE *f, csh h, const uint8_t *code, uint32_t len)
{
    for (uint32_t at = 0; at < len;) {
        cs_insn *insn;
        const size_t n = cs_disasm(h, code + at, len - at, at, 0, &insn);
        for (size_t i = 0; i < n; i++)
            fprintf(f, "    %5" PRIx64 "  %s %s\n", insn[i].address, insn[i].mnemonic, insn[i].op_str);
        if (n) {
            at = (uint32_t)insn[n - 1].address + insn[n - 1].size;
            cs_free(insn, n);
        }
        if (at >= len)
            break;
        const uint32_t unknown =
            code[at] == 0x62 && len - at > 6 ? MIN(evex_len(code + at), len - at) : 1;
        fprintf(f, "    %5x  ", at);
        for (uint32_t i = 0; i < unknown; i++)
            fprintf(f, "%02x%s", code[at + i], i + 1 == unknown ? "\n" : " ");
        at += unknown;
    }
}
#endif

void jit_dump_code(FILE *f, const uint8_t *code, uint32_t len)
{
    fprintf(f, "--- host code: %u bytes\n", len);
#if defined(HAVE_CAPSTONE)
    csh h;
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &h) == CS_ERR_OK) {
        disassemble(f, h, code, len);
        cs_close(&h);
        return;
    }
#endif
    for (uint32_t i = 0; i < len; i++)
        fprintf(f, "%02x%s", code[i], i % 32 == 31 || i + 1 == len ? "\n" : " ");
}
