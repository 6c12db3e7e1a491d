/* The software CPU as a backend: works on every host, brings neither interrupt controller nor timers nor PSCI.
 *
 * MMIO, board registers and WFI call the exit handler from inside the instruction; everything else is returned from run().
 * Threads: as hv/hv.h says. */
#include "hv/soft/soft.h"

#include "arch/sysreg.h"
#include "base/err.h"
#include "cpu/cpu.h"
#include "cpu/jit.h"
#include "hv/hv.h"

#include <errno.h>
#include <stdlib.h>

struct hv_vm {
    struct cpu_cluster cluster;
    struct hv_vm_config cfg;
};

struct hv_vcpu {
    struct cpu *cpu;
    struct hv_vcpu_config cfg;
    void (*on_timer)(void *opaque);
};

static int soft_probe(struct hv_caps *caps, struct err *e)
{
    (void)e;
    *caps = (struct hv_caps){.counter_hz = (uint32_t)sysreg_of_id(SR_CNTFRQ_EL0)->reset,
                             .observes = true,
                             .max_vcpus = CPU_MAX,
                             .address_bits = 48};
    return 0;
}

static int soft_vm_create(struct hv_vm **vm, const struct hv_vm_config *cfg, struct err *e)
{
    *vm = calloc(1, sizeof(**vm));
    if (!*vm)
        return err_set(e, ENOMEM, "out of memory for the virtual machine");
    (*vm)->cfg = *cfg;
    return 0;
}

static void soft_vm_destroy(struct hv_vm *vm)
{
    free(vm);
}

/* --- What the CPU asks of the machine ------------------------------------------------------------------------------- */

HOT static void hand_over(struct hv_vcpu *v, struct hv_exit *exit)
{
    if (v->cfg.on_exit(v->cfg.opaque, exit) == HV_STOP)
        cpu_leave_soon(v->cpu);
}

HOT static bool on_mmio(void *opaque, gpa_t gpa, unsigned size, bool write, uint64_t *val)
{
    struct hv_exit exit;

    exit.reason = write ? HV_EXIT_MMIO_WRITE : HV_EXIT_MMIO_READ;
    exit.u.mmio.gpa = gpa;
    exit.u.mmio.size = size;
    exit.u.mmio.data = *val;
    exit.u.mmio.failed = false;
    hand_over(opaque, &exit);
    *val = exit.u.mmio.data;
    return !exit.u.mmio.failed;
}

HOT static bool on_sysreg(void *opaque, uint16_t encoding, bool write, uint64_t *val)
{
    struct hv_exit exit;

    exit.reason = HV_EXIT_SYSREG;
    exit.u.sysreg.encoding = encoding;
    exit.u.sysreg.write = write;
    exit.u.sysreg.value = *val;
    exit.u.sysreg.failed = false;
    hand_over(opaque, &exit);
    *val = exit.u.sysreg.value;
    return !exit.u.sysreg.failed;
}

HOT static void on_wfi(void *opaque)
{
    struct hv_exit exit;

    exit.reason = HV_EXIT_WFI;
    hand_over(opaque, &exit);
}

static void on_turn(void *opaque)
{
    struct hv_vcpu *v = opaque;
    v->cfg.on_turn(v->cfg.opaque);
}

static void on_deadline(void *opaque)
{
    struct hv_vcpu *v = opaque;
    v->on_timer(v->cfg.opaque);
}

static const struct cpu_ops soft_ops = {
    .mmio = on_mmio, .sysreg = on_sysreg, .wfi = on_wfi, .turn = on_turn, .deadline = on_deadline};

/* --- vCPUs ---------------------------------------------------------------------------------------------------------- */

static void soft_vcpu_destroy(struct hv_vcpu *v)
{
    cpu_destroy(v->cpu);
    free(v);
}

static int soft_vcpu_create(struct hv_vm *vm, struct hv_vcpu **vcpu,
                            const struct hv_vcpu_config *cfg, struct err *e)
{
    struct hv_vcpu *v = calloc(1, sizeof(*v));

    if (v) {
        v->cfg = *cfg;
        v->cpu =
            cpu_create(&vm->cluster, vm->cfg.ram, cfg->mpidr, &soft_ops, v, vm->cfg.counter_base_ns);
    }
    if (!v || !v->cpu) {
        free(v);
        return err_set(e, ENOMEM, "out of memory for vCPU %u", cfg->index);
    }
    if (vm->cfg.clock)
        v->cpu->clock = vm->cfg.clock;
    v->cpu->turn_insns = vm->cfg.turn_insns;
    v->cpu->new_turn = vm->cfg.turn_insns != 0;
    v->cpu->semihosting = (uint8_t)vm->cfg.semihosting;
    if (cfg->gicv2)
        cpu_without_gic_registers(v->cpu);
    jit_attach(v->cpu, vm->cfg.jit);
    if (cpu_observe(v->cpu, vm->cfg.observe)) {
        soft_vcpu_destroy(v);
        return err_set(e, ENOMEM, "out of memory for what is to be seen of vCPU %u", cfg->index);
    }
    *vcpu = v;
    return 0;
}

static void soft_vcpu_reset(struct hv_vcpu *v)
{
    cpu_reset(v->cpu);
}

static void soft_run(struct hv_vcpu *v, struct hv_exit *exit)
{
    switch (cpu_run(v->cpu)) {
    case CPU_LEAVE_WFE:
        exit->reason = HV_EXIT_WFE;
        exit->u.wfe.until_ns = cpu_wait_event(v->cpu);
        return;
    case CPU_LEAVE_SEV: exit->reason = HV_EXIT_SEV; return;
    case CPU_LEAVE_HVC:
        exit->reason = HV_EXIT_HVC;
        exit->u.call.imm = v->cpu->leave_imm;
        return;
    case CPU_LEAVE_SMC:
        exit->reason = HV_EXIT_SMC;
        exit->u.call.imm = v->cpu->leave_imm;
        return;
    case CPU_LEAVE_SEMIHOSTING: exit->reason = HV_EXIT_SEMIHOSTING; return;
    case CPU_LEAVE_KICK: exit->reason = HV_EXIT_CANCEL; return;
    case CPU_LEAVE_STUCK: exit->reason = HV_EXIT_STUCK; return;
    case CPU_LEAVE_DEBUG:
        exit->reason = HV_EXIT_DEBUG;
        exit->u.debug = *cpu_debug_event(v->cpu);
        return;
    case CPU_LEAVE_NONE:
    case CPU_LEAVE_EXCEPTION:
    case CPU_LEAVE_RESYNC:
    case CPU_LEAVE_AGAIN:
    case CPU_LEAVE_OBSERVE:
    case CPU_LEAVE_SLICE: break;
    }
    BUG("cpu_run() left for no reason");
}

static void soft_kick(struct hv_vcpu *v)
{
    cpu_kick(v->cpu);
}

static void soft_set_irq(struct hv_vcpu *v, bool irq, bool fiq)
{
    cpu_set_irq(v->cpu, irq, fiq);
}

static void soft_set_deadline(struct hv_vcpu *v, uint64_t deadline_ns, void (*on_timer)(void *opaque))
{
    v->on_timer = on_timer;
    cpu_set_deadline(v->cpu, deadline_ns);
}

static void soft_begin_turn(struct hv_vcpu *v)
{
    cpu_begin_turn(v->cpu);
}

static int soft_set_debug(struct hv_vcpu *v, const struct debug_points *p, struct err *e)
{
    return cpu_set_debug(v->cpu, p) ? err_set(e, ENOMEM, "out of memory for breakpoints") : 0;
}

static int soft_set_step(struct hv_vcpu *v, bool on)
{
    return cpu_set_step(v->cpu, on);
}

static int soft_stop_at(struct hv_vcpu *v, uint64_t insns)
{
    return cpu_stop_at(v->cpu, insns);
}

static void soft_set_counter_base(struct hv_vcpu *v, uint64_t counter_base_ns)
{
    v->cpu->counter_base_ns = counter_base_ns;
}

/* --- Registers ------------------------------------------------------------------------------------------------------ */

static const struct sysreg_desc *stored_sysreg(unsigned reg)
{
    const struct sysreg_desc *d = reg & HV_REG_SYS ? sysreg_find((uint16_t)reg) : NULL;
    return d && d->home != HOME_BOARD && d->home != HOME_COUNTER ? d : NULL;
}

static int soft_get_reg(struct hv_vcpu *v, unsigned reg, uint64_t *val)
{
    const struct pe_state *s = &v->cpu->st;
    const struct sysreg_desc *d;

    if (reg <= 30)
        *val = s->x[reg];
    else if (reg == HV_REG_SP)
        *val = s->x[REG_SP];
    else if (reg == HV_REG_PC)
        *val = s->pc;
    else if (reg == HV_REG_PSTATE)
        *val = pstate_get(s);
    else if (reg - HV_REG_V0 < 64)
        *val = s->v[(reg - HV_REG_V0) / 2].d[reg % 2];
    else if ((d = stored_sysreg(reg)))
        *val = sysreg_read(s, d);
    else
        return -EINVAL;
    return 0;
}

static int soft_set_reg(struct hv_vcpu *v, unsigned reg, uint64_t val)
{
    struct pe_state *s = &v->cpu->st;
    const struct sysreg_desc *d;

    if (reg <= 30) {
        s->x[reg] = val; /* nothing is derived from it */
        return 0;
    }
    if (reg == HV_REG_SP)
        s->x[REG_SP] = val;
    else if (reg == HV_REG_PC)
        cpu_set_pc(v->cpu, val);
    else if (reg == HV_REG_PSTATE)
        pstate_set(s, val);
    else if (reg - HV_REG_V0 < 64)
        s->v[(reg - HV_REG_V0) / 2].d[reg % 2] = val;
    else if ((d = stored_sysreg(reg)))
        sysreg_write(s, d, val);
    else
        return -EINVAL;
    cpu_state_changed(v->cpu);
    return 0;
}

static void soft_counters(const struct hv_vcpu *v, struct hv_counters *n)
{
    const struct cpu *c = v->cpu;

    *n = (struct hv_counters){
        .insns = c->nr_insns, .exceptions = c->nr_exceptions, .interrupts = c->nr_interrupts};
    n->own[HV_COUNTER_TLB_MISSES] = c->nr_tlb_misses;
    n->own[HV_COUNTER_CHECKED] = c->nr_checked;
    if (!c->jit)
        return;
    const struct jit_stats *j = jit_statistics(c->jit);
    n->own[HV_COUNTER_TRANSLATED_INSNS] = j->insns;
    n->own[HV_COUNTER_REGIONS] = j->nr_regions;
    n->own[HV_COUNTER_REGION_INSNS] = j->nr_guest_insns;
    n->own[HV_COUNTER_CODE_BYTES] = j->code_bytes;
    n->own[HV_COUNTER_TRANSLATE_NS] = j->translate_ns;
    n->own[HV_COUNTER_INVALIDATED] = j->nr_invalidated;
    n->own[HV_COUNTER_CODE_FLUSHES] = j->nr_flushes;
    n->own[HV_COUNTER_LINKS] = j->nr_links;
    n->own[HV_COUNTER_CODE_EXITS] = j->nr_exits;
    n->own[HV_COUNTER_SLOW_PATHS] = j->nr_slow;
}

static void soft_snap(struct hv_vcpu *v, struct snap *s)
{
    cpu_snap(v->cpu, s);
}

static void soft_code_changed(struct hv_vm *vm, gpa_t gpa, uint64_t len)
{
    cluster_code_changed(&vm->cluster, gpa, len);
}

static void soft_memory_changed(struct hv_vm *vm, gpa_t gpa, uint64_t len)
{
    cluster_memory_changed(&vm->cluster, gpa, len);
}

struct cpu *hv_soft_cpu(struct hv_vcpu *v)
{
    return v->cpu;
}

const struct hv_backend hv_soft = {
    .name = "soft",
    .probe = soft_probe,
    .vm_create = soft_vm_create,
    .vm_destroy = soft_vm_destroy,
    .vcpu_create = soft_vcpu_create,
    .vcpu_destroy = soft_vcpu_destroy,
    .vcpu_reset = soft_vcpu_reset,
    .run = soft_run,
    .kick = soft_kick,
    .set_irq = soft_set_irq,
    .set_deadline = soft_set_deadline,
    .begin_turn = soft_begin_turn,
    .set_debug = soft_set_debug,
    .set_step = soft_set_step,
    .stop_at = soft_stop_at,
    .set_counter_base = soft_set_counter_base,
    .get_reg = soft_get_reg,
    .set_reg = soft_set_reg,
    .counters = soft_counters,
    .snap = soft_snap,
    .code_changed = soft_code_changed,
    .memory_changed = soft_memory_changed,
};
