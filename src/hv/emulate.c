/* The software CPU as a helper of native backends: hv/emulate.h. */
#include "hv/emulate.h"

#include "arch/sysreg.h"
#include "cpu/cpu.h"
#include "cpu/insn.h"
#include "cpu/sysops.h"
#include "mem/ram.h"

#include "gen/a64_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct emulator {
    struct cpu_cluster cluster; /* of one: nobody waits for it */
    struct cpu *cpu;
    hv_exit_fn *on_exit;
    void *opaque;
    enum hv_action action;
};

/* What a load or store depends on, and entering its exception. Not every host has the keys. */
static const enum sysreg_id context[] = {
    SR_SCTLR_EL1,     SR_TCR_EL1,       SR_TTBR0_EL1,     SR_TTBR1_EL1,
    SR_MAIR_EL1,      SR_CPACR_EL1,     SR_APDAKeyLo_EL1, SR_APDAKeyHi_EL1,
    SR_APDBKeyLo_EL1, SR_APDBKeyHi_EL1, SR_VBAR_EL1,
};

static bool on_mmio(void *opaque, gpa_t gpa, unsigned size, bool write, uint64_t *val)
{
    struct emulator *m = opaque;
    struct hv_exit exit = {
        .reason = write ? HV_EXIT_MMIO_WRITE : HV_EXIT_MMIO_READ,
        .u.mmio = {.gpa = gpa, .size = size, .data = *val},
    };

    if (m->on_exit(m->opaque, &exit) == HV_STOP)
        m->action = HV_STOP;
    *val = exit.u.mmio.data;
    return !exit.u.mmio.failed;
}

/* No instruction that runs here asks for one. */
static bool on_sysreg(void *opaque, uint16_t encoding, bool write, uint64_t *val)
{
    (void)opaque, (void)encoding, (void)write, (void)val;
    return false;
}

static const struct cpu_ops emulator_ops = {.mmio = on_mmio, .sysreg = on_sysreg};

struct emulator *emulator_create(struct ram *ram, hv_exit_fn *on_exit, void *opaque)
{
    struct emulator *m = calloc(1, sizeof(*m));

    if (!m)
        return NULL;
    m->on_exit = on_exit;
    m->opaque = opaque;
    m->cpu = cpu_create(&m->cluster, ram, 0, &emulator_ops, m, 0);
    if (!m->cpu) {
        free(m);
        return NULL;
    }
    return m;
}

void emulator_destroy(struct emulator *m)
{
    if (!m)
        return;
    cpu_destroy(m->cpu);
    free(m);
}

/* --- Registers ------------------------------------------------------------------------------------------------------ */

static unsigned reg_of(enum sysreg_id id)
{
    return HV_REG_SYS | sysreg_of_id(id)->encoding;
}

/* As the native CPU has it, bits included that the software CPU knows nothing of. */
static int fetch_state(struct cpu *c, const struct hv_backend *hv, struct hv_vcpu *v)
{
    struct pe_state *s = &c->st;
    uint64_t val;
    int r;

    for (unsigned i = 0; i <= 30; i++)
        if ((r = hv->get_reg(v, HV_REG_X0 + i, &s->x[i])))
            return r;
    if ((r = hv->get_reg(v, HV_REG_PC, &s->pc)) || (r = hv->get_reg(v, HV_REG_PSTATE, &val)))
        return r;
    if ((val & PSR_NRW) || bits(val, 3, 2) > 1)
        return -EOPNOTSUPP;
    pstate_set(s, val);
    if ((r = hv->get_reg(v, HV_REG_SP, &s->x[REG_SP])))
        return r;
    for (unsigned i = 0; i < 64; i++)
        if ((r = hv->get_reg(v, HV_REG_V0 + i, &s->v[i / 2].d[i % 2])))
            return r;
    for (unsigned i = 0; i < ARRAY_LEN(context); i++)
        if (hv->get_reg(v, reg_of(context[i]), &s->sys[context[i]]))
            s->sys[context[i]] = 0;
    return 0;
}

/* What the instruction has changed. */
static int put_state(const struct pe_state *s, const struct pe_state *old,
                     const struct hv_backend *hv, struct hv_vcpu *v)
{
    const uint64_t pstate = pstate_get(s);
    int r;

    for (unsigned i = 0; i <= 30; i++)
        if (s->x[i] != old->x[i] && (r = hv->set_reg(v, HV_REG_X0 + i, s->x[i])))
            return r;
    for (unsigned i = 0; i < 64; i++)
        if (s->v[i / 2].d[i % 2] != old->v[i / 2].d[i % 2] &&
            (r = hv->set_reg(v, HV_REG_V0 + i, s->v[i / 2].d[i % 2])))
            return r;
    /* Before PSTATE says which one it is. An exception changes that and no stack pointer. */
    if (s->el == old->el && s->sp_sel == old->sp_sel && s->x[REG_SP] != old->x[REG_SP] &&
        (r = hv->set_reg(v, HV_REG_SP, s->x[REG_SP])))
        return r;
    if (pstate != pstate_get(old) && (r = hv->set_reg(v, HV_REG_PSTATE, pstate)))
        return r;
    return hv->set_reg(v, HV_REG_PC, s->pc);
}

static int put_exception(const struct cpu *c, const struct hv_backend *hv, struct hv_vcpu *v)
{
    const struct pe_state *s = &c->st;
    int r;

    if ((r = hv->set_reg(v, reg_of(SR_ESR_EL1), SYS(s, ESR_EL1))) ||
        (r = hv->set_reg(v, reg_of(SR_ELR_EL1), s->elr_el[1])) ||
        (r = hv->set_reg(v, reg_of(SR_SPSR_EL1), s->spsr_el[1])))
        return r;
    return c->exc.far_valid ? hv->set_reg(v, reg_of(SR_FAR_EL1), SYS(s, FAR_EL1)) : 0;
}

/* --- The instruction ------------------------------------------------------------------------------------------------ */

static bool accesses_memory(unsigned row, uint32_t word)
{
    struct a64_insn i;

    switch ((enum a64_kind)a64_rows[row].kind) {
    case A64_KIND_LOAD:
    case A64_KIND_STORE:
    case A64_KIND_ATOMIC:
    case A64_KIND_EXCLUSIVE:
    case A64_KIND_LITERAL: return true;
    case A64_KIND_PAC: return row == A64_ROW_LDRA_ldst_pac;
    case A64_KIND_SYSTEM:
        a64_decode(word, &i);
        return row == A64_ROW_SYS_CR_systeminstrs && i.u.SYS_CR_systeminstrs.op == SYSOP_DC_ZVA;
    default: return false;
    }
}

static int fetch(struct emulator *m, const struct hv_backend *hv, struct hv_vcpu *vcpu, uint32_t *word)
{
    cpu_reset(m->cpu);
    const int r = fetch_state(m->cpu, hv, vcpu);
    if (r)
        return r;
    cpu_state_changed(m->cpu);
    return cpu_fetch_word(m->cpu, word) ? 0 : -EFAULT;
}

uint32_t emulator_fetch(struct emulator *m, const struct hv_backend *hv, struct hv_vcpu *vcpu)
{
    uint32_t word = 0;
    return fetch(m, hv, vcpu, &word) ? 0 : word;
}

int emulate(struct emulator *m, const struct hv_backend *hv, struct hv_vcpu *vcpu, enum hv_action *action)
{
    struct cpu *c = m->cpu;
    uint32_t word;

    *action = m->action = HV_CONTINUE;
    int r = fetch(m, hv, vcpu, &word);
    if (r)
        return r;
    const struct pe_state old = c->st;
    const unsigned row = a64_find_row(word);
    if (row == A64_ROW_NONE)
        return -EOPNOTSUPP;
    if (!accesses_memory(row, word))
        return 0;
    const enum cpu_leave leave = cpu_step(c);
    if (leave != CPU_LEAVE_NONE && leave != CPU_LEAVE_EXCEPTION)
        return 0;
    if (leave == CPU_LEAVE_EXCEPTION && (r = put_exception(c, hv, vcpu)))
        return r;
    *action = m->action;
    return put_state(&c->st, &old, hv, vcpu);
}
