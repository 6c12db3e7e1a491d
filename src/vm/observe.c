/* Exits as somebody wants to see them: the exit handler, with a look before and after. Where nobody does, none of this is called.
 * vCPU threads. */
#include "vm/observe.h"

#include "arch/trace.h"
#include "base/err.h"
#include "vm/vm_internal.h"

#include <errno.h>

static const char *const exit_key[HV_NR_EXITS] = {
#define EXIT(id, key, label, text) [HV_EXIT_##id] = key,
#include "spec/exits.def"
#undef EXIT
};

int observe_check(const struct vm *vm, struct err *e)
{
    const struct observe *o = vm->opt->observe;
    const char *option = NULL, *what = "";

    if (!o || vm->caps.observes)
        return 0;
    for (unsigned i = 0; o->trace && i < NR_TRACE_KINDS; i++)
        if ((o->trace->kinds >> i & 1) && trace_kinds[i].where == TRACE_CPU) {
            option = "--trace ";
            what = trace_kinds[i].name;
            break;
        }
    if (o->trace && (o->trace->from_insn || o->trace->to_insn != UINT64_MAX)) {
        option = "--trace-filter ";
        what = "insns";
    }
    if (o->coverage)
        option = "--coverage";
    if (o->profile_insns)
        option = "--profile";
    return option ? err_set(e, ENOTSUP,
                            "%s%s: the %s backend does not see single instructions; give --accel soft",
                            option, what, vm->hv->name)
                  : 0;
}

void observe_clock(struct vm *vm, uint64_t base_ns)
{
    struct trace *t = vm->opt->observe ? vm->opt->observe->trace : NULL;

    if (!t)
        return;
    t->clock = &vm->clock;
    t->base_ns = base_ns;
}

/* Where the vCPU is, as an event has it. */
static struct trace_event where_is(struct vcpu *v, const struct hv_exit *exit)
{
    const struct hv_backend *hv = v->vm->hv;
    struct trace_event ev = {.vcpu = (uint8_t)v->index, .has_pc = true, .insns = TRACE_UNKNOWN};
    uint64_t pstate = 0;

    hv->get_reg(v->hv, HV_REG_PC, &ev.pc);
    hv->get_reg(v->hv, HV_REG_PSTATE, &pstate);
    ev.el = (uint8_t)bits(pstate, 3, 2);
    if (v->vm->caps.observes) {
        struct hv_counters n;
        hv->counters(v->hv, &n);
        ev.insns = n.insns;
    }
    switch (exit->reason) {
    case HV_EXIT_HVC:
    case HV_EXIT_SMC:
    case HV_EXIT_WFE:
    case HV_EXIT_SEV:
    case HV_EXIT_SEMIHOSTING: /* it is over, and counted */
        ev.pc -= 4;
        ev.insns -= v->vm->caps.observes;
        break;
    default: break;
    }
    return ev;
}

static void emit_mmio(struct trace *t, struct trace_event *ev, const struct hv_exit *exit,
                      const struct device *d, bool bad)
{
    const char *name = d ? bus_register_name(d, exit->u.mmio.gpa - d->base) : NULL;

    ev->id = TRACE_MMIO_EVENT;
    ev->arg[0] = trace_str(exit->reason == HV_EXIT_MMIO_WRITE ? "write" : "read");
    ev->arg[1] = exit->u.mmio.size;
    ev->arg[2] = trace_str(d ? d->name : "nothing");
    ev->arg[3] = trace_str(name);
    ev->arg[4] = exit->u.mmio.gpa;
    ev->arg[5] = exit->u.mmio.data & mask64(8 * exit->u.mmio.size);
    ev->arg[6] =
        trace_str(exit->u.mmio.failed ? "external abort" : "no such register, size or direction");
    ev->absent = (uint16_t)((name ? 0 : 1u << 3) | (exit->u.mmio.failed || bad ? 0 : 1u << 6));
    trace_emit(t, ev);
}

static void emit_call(struct vcpu *v, struct trace *t, struct trace_event *ev, bool returned)
{
    ev->id = TRACE_CALL_EVENT;
    if (returned)
        v->vm->hv->get_reg(v->hv, HV_REG_X0, &ev->arg[5]);
    else
        ev->absent = 1u << 5;
    trace_emit(t, ev);
}

/* Before the handler, which may not come back to the guest, and may sleep. That another thread wants the vCPU is not the guest's doing. */
static void emit_exit(struct trace *t, struct trace_event ev, const struct hv_exit *exit)
{
    if (trace_wants(t, TRACE_KIND_EXIT) && exit->reason != HV_EXIT_CANCEL) {
        ev.id = TRACE_EXIT_EVENT;
        ev.arg[0] = trace_str(exit_key[exit->reason]);
        trace_emit(t, &ev);
    }
    if (trace_wants(t, TRACE_KIND_PSCI) && exit->reason == HV_EXIT_SYSTEM_EVENT) {
        ev.id = TRACE_SYSTEM_EVENT;
        ev.arg[0] = trace_str(exit->u.system_event.reset ? "reset" : "power-off");
        trace_emit(t, &ev);
    }
}

static enum hv_action observed_exit(void *opaque, struct hv_exit *exit)
{
    struct vcpu *v = opaque;
    const struct observe *o = v->vm->opt->observe;
    struct trace *t = o->trace;
    const bool mmio = exit->reason == HV_EXIT_MMIO_READ || exit->reason == HV_EXIT_MMIO_WRITE;
    const bool call = exit->reason == HV_EXIT_HVC || exit->reason == HV_EXIT_SMC;
    const struct device *d = mmio ? bus_find(&v->vm->bus, exit->u.mmio.gpa) : NULL;
    const uint64_t bad = d ? atomic_load(&d->stats.bad) : 0;
    struct trace_event ev = where_is(v, exit);

    if (o->exit)
        o->exit(o->opaque, ev.el, ev.pc, exit_key[exit->reason], mmio ? d ? d->name : "nothing" : NULL);
    emit_exit(t, ev, exit);
    const bool traced_call = call && trace_wants(t, TRACE_KIND_PSCI);
    if (traced_call) {
        ev.arg[0] = trace_str(exit->reason == HV_EXIT_HVC ? "hvc" : "smc");
        for (unsigned i = 0; i < 4; i++)
            v->vm->hv->get_reg(v->hv, HV_REG_X0 + i, &ev.arg[1 + i]);
    }
    const enum hv_action action = vcpu_handle_exit(v, exit);
    if (traced_call)
        emit_call(v, t, &ev, action == HV_CONTINUE);
    if (mmio && trace_wants(t, TRACE_KIND_MMIO) &&
        trace_names(t->device, t->nr_devices, d ? d->name : "nothing"))
        emit_mmio(t, &ev, exit, d, d && atomic_load(&d->stats.bad) != bad);
    return action;
}

hv_exit_fn *observe_exit_handler(const struct vm *vm)
{
    const struct observe *o = vm->opt->observe;
    return o && o->exits ? observed_exit : vcpu_handle_exit;
}
