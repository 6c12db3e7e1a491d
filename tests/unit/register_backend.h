/* A backend that is nothing but registers, of a host without pointer authentication; for tests of what works by get_reg and set_reg. */
#ifndef VIBE_TESTS_REGISTER_BACKEND_H
#define VIBE_TESTS_REGISTER_BACKEND_H

#include "arch/sysreg.h"
#include "hv/hv.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h> /* wants the ones above */

static struct hv_vcpu {
    uint64_t x[31], sp, pc, pstate, v[64];
    uint64_t sys[1 << 16];
    unsigned nr_sets;
} cpu;
static uint64_t *find_reg(struct hv_vcpu *v, unsigned reg)
{
    if (reg <= 30)
        return &v->x[reg];
    if (reg - HV_REG_V0 < 64)
        return &v->v[reg - HV_REG_V0];
    switch (reg) {
    case HV_REG_SP: return &v->sp;
    case HV_REG_PC: return &v->pc;
    case HV_REG_PSTATE: return &v->pstate;
    }
    assert_true(reg & HV_REG_SYS);
    return &v->sys[reg & 0xffff];
}

static uint64_t *sys(enum sysreg_id id)
{
    return &cpu.sys[sysreg_of_id(id)->encoding];
}

static int get_reg(struct hv_vcpu *v, unsigned reg, uint64_t *val)
{
    if (reg == (HV_REG_SYS | sysreg_of_id(SR_APDAKeyLo_EL1)->encoding))
        return -ENOENT;
    *val = *find_reg(v, reg);
    return 0;
}

static int set_reg(struct hv_vcpu *v, unsigned reg, uint64_t val)
{
    v->nr_sets++;
    *find_reg(v, reg) = val;
    return 0;
}

static const struct hv_backend backend = {.name = "registers", .get_reg = get_reg, .set_reg = set_reg};

#endif
