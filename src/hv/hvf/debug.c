/* Breakpoints, watchpoints and steps with Hypervisor.framework, by the debug registers that its guests also have.
 *
 * While any of them is in use, every debug exception of the guest's comes here, its own BRK among them, which it gets back, and so does every access to
 * those registers: what the guest has in them is kept here, and rests. vCPU's thread.
 * Specification: DDI 0487, "AArch64 Self-hosted Debug", with MDCR_EL2.TDE and TDA; Apple, "hv_vcpu_set_trap_debug_exceptions". */
#include "arch/sysreg.h"
#include "base/bits.h"
#include "base/err.h"
#include "hv/hvf/hvf_internal.h"

#include "gen/sysreg_fields.h"

/* DBGBVRn, DBGBCRn, DBGWVRn, DBGWCRn follow each other for each n. */
#define REG(kind, n) ((uint16_t)(SYSENC_DBGBVR0_EL1 + 8 * (n) + (kind)))
enum { BVR, BCR, WVR, WCR, NR_KINDS };

static unsigned nr_regs(const struct hv_vcpu *v, unsigned kind)
{
    const uint64_t dfr0 = v->vm->id[HVF_ID_DFR0];
    return (unsigned)bits(dfr0, kind <= BCR ? 15 : 23, kind <= BCR ? 12 : 20) + 1;
}

uint64_t *hvf_debug_guest_reg(struct hv_vcpu *v, uint16_t encoding)
{
    const unsigned at = (unsigned)encoding - SYSENC_DBGBVR0_EL1, kind = at % 8;

    if (!v->debug.trapped)
        return NULL;
    if (encoding == SYSENC_MDSCR_EL1)
        return &v->debug.guest_mdscr;
    if (at / 8 >= DEBUG_MAX_REGS || kind >= NR_KINDS || at / 8 >= nr_regs(v, kind))
        return NULL;
    return &v->debug.guest[kind][at / 8];
}

static void set_trapped(struct hv_vcpu *v, bool on)
{
    hvf_check(v, hv_vcpu_set_trap_debug_exceptions(v->id, on), "hv_vcpu_set_trap_debug_exceptions");
    hvf_check(v, hv_vcpu_set_trap_debug_reg_accesses(v->id, on), "hv_vcpu_set_trap_debug_reg_accesses");
    v->debug.trapped = on;
}

static void save_guest(struct hv_vcpu *v)
{
    v->debug.guest_mdscr = hvf_get_sys(v, SYSENC_MDSCR_EL1);
    for (unsigned kind = 0; kind < NR_KINDS; kind++)
        for (unsigned n = 0; n < nr_regs(v, kind); n++)
            v->debug.guest[kind][n] = hvf_get_sys(v, REG(kind, n));
}

static void load(struct hv_vcpu *v, const uint64_t val[NR_KINDS][DEBUG_MAX_REGS])
{
    for (unsigned kind = 0; kind < NR_KINDS; kind++)
        for (unsigned n = 0; n < nr_regs(v, kind); n++)
            hvf_set_sys(v, REG(kind, n), val[kind][n]);
}

static void load_points(struct hv_vcpu *v)
{
    const struct debug_regs *r = &v->debug.native.regs;
    uint64_t val[NR_KINDS][DEBUG_MAX_REGS];

    for (unsigned n = 0; n < DEBUG_MAX_REGS; n++) {
        val[BVR][n] = r->bvr[n];
        val[BCR][n] = r->bcr[n];
        val[WVR][n] = r->wvr[n];
        val[WCR][n] = r->wcr[n];
    }
    load(v, val);
}

static void set_use(struct hv_vcpu *v, enum hvf_debug_use use)
{
    struct hvf_debug *d = &v->debug;

    if (use == d->use)
        return;
    if (use == HVF_DEBUG_OFF) {
        load(v, d->guest);
        hvf_set_sys(v, SYSENC_MDSCR_EL1, d->guest_mdscr);
        set_trapped(v, false);
    } else {
        if (!d->trapped) {
            save_guest(v);
            set_trapped(v, true);
        }
        if (use == HVF_DEBUG_POINTS)
            load_points(v);
        hvf_set_sys(v, SYSENC_MDSCR_EL1, use == HVF_DEBUG_POINTS ? MDSCR_EL1_MDE : MDSCR_EL1_SS);
    }
    d->use = use;
}

/* --- Of hv/hv.h ----------------------------------------------------------------------------------------------------- */

int hvf_set_debug(struct hv_vcpu *v, const struct debug_points *p, struct err *e)
{
    struct debug_regs regs;
    const int r = debug_regs_make(&regs, p, nr_regs(v, BVR), nr_regs(v, WVR), e);

    if (r)
        return r;
    v->debug.native.regs = regs;
    if (v->debug.use == HVF_DEBUG_POINTS)
        v->debug.use = HVF_DEBUG_STALE;
    return 0;
}

int hvf_set_step(struct hv_vcpu *v, bool on)
{
    native_debug_set_step(&v->debug.native, on);
    return 0;
}

/* --- In and out of the guest ---------------------------------------------------------------------------------------- */

static bool stop(struct hv_vcpu *v, struct hv_exit *exit, const struct debug_event *event)
{
    struct native_debug *d = &v->debug.native;

    d->passing = event->cause != DEBUG_CAUSE_STEP;
    d->passed_pc = hvf_get(v, FRAMEWORK_REG_PC);
    exit->reason = HV_EXIT_DEBUG;
    exit->u.debug = *event;
    if (event->cause == DEBUG_CAUSE_BREAK)
        exit->u.debug.addr = d->passed_pc;
    return true;
}

static bool stop_step(struct hv_vcpu *v, struct hv_exit *exit)
{
    return stop(v, exit, &(struct debug_event){.cause = DEBUG_CAUSE_STEP});
}

/* A register could not be read or written. */
static void check(struct hv_vcpu *v, int r)
{
    if (r)
        hvf_check(v, HV_ERROR, "a step");
}

bool hvf_debug_enter(struct hv_vcpu *v, struct hv_exit *exit)
{
    struct native_debug *d = &v->debug.native;
    enum native_entry how = NATIVE_RUN;

    if (likely(!native_debug_used(d) && v->debug.use == HVF_DEBUG_OFF))
        return false;
    v->debug.injected = false;
    check(v, native_debug_enter(d, v->emulator, &hv_hvf, v, &how));
    if (how == NATIVE_DONE)
        return stop_step(v, exit);
    /* What it has stopped at is passed by a step, during which no point counts. */
    if (how == NATIVE_STEP) {
        set_use(v, HVF_DEBUG_STEP);
        hvf_set(v, HV_REG_CPSR, hvf_get(v, HV_REG_CPSR) | PSR_SS);
    } else {
        set_use(v, d->regs.nr_breaks || d->regs.nr_watches ? HVF_DEBUG_POINTS : HVF_DEBUG_OFF);
    }
    return false;
}

static void clear_ss(struct hv_vcpu *v)
{
    hvf_set(v, HV_REG_CPSR, hvf_get(v, HV_REG_CPSR) & ~(uint64_t)PSR_SS);
}

/* The step is over. True: somebody wants to hear of it. */
static bool end_step(struct hv_vcpu *v)
{
    clear_ss(v);
    check(v, native_debug_end_step(&v->debug.native, &hv_hvf, v));
    return v->debug.native.step;
}

/* An instruction that was emulated, or whose exception was entered, here: no step exception will tell. */
static bool instruction_done(struct hv_vcpu *v)
{
    return v->debug.injected || hvf_get(v, FRAMEWORK_REG_PC) != v->debug.native.step_pc;
}

bool hvf_debug_handled(struct hv_vcpu *v, struct hv_exit *exit)
{
    return v->debug.native.in_step && instruction_done(v) && end_step(v) && stop_step(v, exit);
}

void hvf_debug_leave(struct hv_vcpu *v)
{
    if (!v->debug.native.in_step)
        return;
    const bool done = instruction_done(v);
    clear_ss(v);
    check(v, native_debug_leave(&v->debug.native, &hv_hvf, v, done));
}

void hvf_debug_reset(struct hv_vcpu *v)
{
    set_use(v, HVF_DEBUG_OFF);
    native_debug_reset(&v->debug.native);
}

bool hvf_debug_exit(struct hv_vcpu *v, struct hv_exit *exit, enum esr_ec ec, uint32_t iss)
{
    switch (ec) {
    case EC_SOFTSTP_LOWER: return v->debug.native.in_step && end_step(v) && stop_step(v, exit);
    case EC_BREAKPT_LOWER: return stop(v, exit, &(struct debug_event){.cause = DEBUG_CAUSE_BREAK});
    default:
        return stop(v, exit,
                    &(struct debug_event){.cause = DEBUG_CAUSE_WATCH,
                                          .addr = v->exit->exception.virtual_address,
                                          .write = iss & ISS_DABT_WNR});
    }
}
