/* A machine with a translator for programs that were made for one thing each: test_jit_cases.c, test_jit_calls.c. */
#ifndef VIBE_TESTS_JIT_CASES_H
#define VIBE_TESTS_JIT_CASES_H

#include "cpu/cpu_internal.h"
#include "cpu/jit/jit_internal.h"

#include "gen/sysreg_fields.h"

#include "jit_machine.h"

#include <stdio.h>
#include <string.h>

static struct jit_options how;
static void *none = NULL;

/* A machine with a translator. */
static void begin(const struct jit_options *opt)
{
    how = *opt;
    setup(&none);
    jit_attach(c, &how);
    keep_trap_handler();
}

/* EL1, nothing in any register. */
static void plain_state(void)
{
    struct pe_state *s = &c->st;

    memset(s->x, 0, sizeof(s->x));
    memset(s->v, 0, sizeof(s->v));
    s->fpsr = s->fpcr = s->nzcv = s->btype = s->misc = 0;
    s->el = s->sp_sel = 1;
    s->x[REG_SP] = DATA + 0x400;
    s->pc = PROGRAM;
    SYS(s, VBAR_EL1) = VECTORS;
    cpu_state_changed(c);
}

#endif
