/* Holds the IR to its rules after each pass, in debug builds. */
#include "cpu/jit/jit_internal.h"

#include <string.h>

#if defined(NDEBUG) || !defined(VIBE_DEBUG)
void jit_verify(const struct jit_unit *u, const char *after)
{
    (void)u;
    (void)after;
}
#else
static void wrong(const struct jit_unit *u, const char *after, unsigned i, const char *what)
{
    jit_dump_ir(stderr, u, after);
    BUG("after %s, operation %u (%s): %s", after, i, ir_name[u->ir[i].op], what);
}

void jit_verify(const struct jit_unit *u, const char *after)
{
    static _Thread_local bool defined[JIT_MAX_VARS];
    const bool webs = !strcmp(after, "registers");

    if (u->failed)
        return;
    memset(defined, 0, sizeof(defined));
    for (unsigned n = 0; n < u->nr_blocks; n++) {
        const struct jit_block *b = &u->block[u->order[n]];
        unsigned last = b->ir_first;
        if (u->ir[b->ir_first].op != IR_LABEL || u->ir[b->ir_first].aux != u->order[n])
            wrong(u, after, b->ir_first, "a block begins with its label");
        for (unsigned i = b->ir_first; i < b->ir_end; i++) {
            const struct ir *r = &u->ir[i];
            const uint16_t t = ir_traits[r->op];
            if (r->op == IR_NOP)
                continue;
            if ((t & IRT_T) && i + 1 != b->ir_end)
                wrong(u, after, i, "only the last operation ends a block");
            if (r->gi < u->ir[last].gi)
                wrong(u, after, i, "guest instructions are in order");
            if ((r->fl & IRF_SETF) && !(t & IRT_S))
                wrong(u, after, i, "cannot set flags");
            const var_t operand[4] = {t & (IRT_A | IRT_M) ? r->a : VAR_NONE,
                                      t & (IRT_B | IRT_M) ? r->b : VAR_NONE,
                                      t & IRT_C ? r->c : VAR_NONE, t & IRT_H ? r->h : VAR_NONE};
            if (((t & IRT_A) && r->a == VAR_NONE) || ((t & IRT_H) && r->h == VAR_NONE) ||
                ((t & IRT_C) && r->c == VAR_NONE))
                wrong(u, after, i, "an operand is missing");
            for (unsigned o = 0; o < 4 && !webs; o++)
                if (operand[o] < VAR_IMM && operand[o] >= VAR_TEMP && !defined[operand[o]])
                    wrong(u, after, i, "a temporary is used before it is defined");
            if ((t & IRT_D) && r->d < JIT_MAX_VARS && r->d >= VAR_TEMP && !webs) {
                if (defined[r->d])
                    wrong(u, after, i, "a temporary is defined twice");
                defined[r->d] = true;
            }
            last = i;
        }
        if (!(ir_traits[u->ir[b->ir_end - 1].op] & IRT_T))
            wrong(u, after, b->ir_end - 1, "a block has an end");
    }
}
#endif
