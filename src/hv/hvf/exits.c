/* Exceptions that the guest takes to Hypervisor.framework, by their class: what each means, and where PC goes.
 *
 * PC is at the instruction, but after an HVC. Whatever is emulated here moves it on. vCPU's thread.
 * Specification: DDI 0487, "ESR_EL2, Exception Syndrome Register (EL2)". */
#include "arch/sysreg.h"
#include "base/bits.h"
#include "base/log.h"
#include "hv/hvf/hvf_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <mach/mach_time.h>

void hvf_hand_over(struct hv_vcpu *v, struct hv_exit *exit)
{
    if (v->cfg.on_exit(v->cfg.opaque, exit) == HV_STOP)
        v->stop = true;
}

/* The instruction is done. Its successor is no branch target, and a single step of the guest's ends here. */
static void advance(struct hv_vcpu *v)
{
    const uint64_t cpsr = hvf_get(v, HV_REG_CPSR),
                   done = cpsr & ~(UINT64_C(3) << PSR_BTYPE_SHIFT | PSR_SS);

    hvf_set(v, FRAMEWORK_REG_PC, hvf_get(v, FRAMEWORK_REG_PC) + 4);
    if (unlikely(done != cpsr))
        hvf_set(v, HV_REG_CPSR, done);
}

/* --- Exceptions for the guest --------------------------------------------------------------------------------------- */

static void inject(struct hv_vcpu *v, uint64_t esr, bool far_valid)
{
    const struct exception e = {
        .type = EXC_SYNC,
        .esr = esr,
        .ret = hvf_get(v, FRAMEWORK_REG_PC),
        .far = v->exit->exception.virtual_address,
        .far_valid = far_valid,
    };
    hvf_inject(v, &e);
}

static void inject_undefined(struct hv_vcpu *v)
{
    inject(v, esr_make(EC_UNKNOWN, 0), false);
}

/* An abort of lower's kind, or its likes from EL1 itself. */
static void inject_abort(struct hv_vcpu *v, enum esr_ec lower, uint32_t iss)
{
    const bool el0 = !bits(hvf_get(v, HV_REG_CPSR), 3, 2);
    inject(v, esr_make(el0 ? lower : lower + 1, iss), true);
}

/* --- By class ------------------------------------------------------------------------------------------------------- */

/* WFIT's and WFET's time is a virtual count. */
uint64_t hvf_time_of_count(const struct hv_vcpu *v, uint64_t count)
{
    const struct hvf_timebase *t = &v->vm->timebase;
    const unsigned __int128 ns = ((unsigned __int128)count + v->vtimer_offset) * t->numer / t->denom;
    return ns > UINT64_MAX ? UINT64_MAX : (uint64_t)ns;
}

/* Where the GIC is the framework's, nobody else knows what is pending. */
static bool exit_wfi_beside_gic(struct hv_vcpu *v, uint64_t until_ns)
{
    v->nr_wfi++;
    advance(v);
    if (!v->debug.native.in_step)
        hvf_gic_wait_until(v, until_ns);
    return false;
}

static bool exit_wf(struct hv_vcpu *v, struct hv_exit *exit, uint32_t iss)
{
    const struct wf_syndrome wf = esr_wf(iss);
    /* Without the register it is over at once, which the architecture allows. */
    const uint64_t until_ns = wf.kind == WF_WFI ? UINT64_MAX
                              : wf.reg_valid    ? hvf_time_of_count(v, hvf_get_x(v, wf.reg))
                                                : 0;

    if (v->vm->gic.on && (wf.kind == WF_WFI || wf.kind == WF_WFIT))
        return exit_wfi_beside_gic(v, until_ns);
    switch (wf.kind) {
    case WF_WFI: exit->reason = HV_EXIT_WFI; break;
    case WF_WFE:
    case WF_WFET:
        /* Events of other vCPUs are not reported here: a yield. */
        exit->reason = HV_EXIT_WFE;
        exit->u.wfe.until_ns = 0;
        break;
    case WF_WFIT: /* waits as a WFE does, whose wait has an end */
        exit->reason = HV_EXIT_WFE;
        exit->u.wfe.until_ns = until_ns;
        break;
    }
    advance(v);
    hvf_hand_over(v, exit);
    if (!v->vm->gic.on)
        hvf_vtimer_sync(v);
    return v->stop;
}

static bool exit_hvc(struct hv_vcpu *v, struct hv_exit *exit, uint32_t iss)
{
    (void)v;
    exit->reason = HV_EXIT_HVC;
    exit->u.call.imm = (uint16_t)iss;
    return true;
}

static bool exit_smc(struct hv_vcpu *v, struct hv_exit *exit, uint32_t iss)
{
    advance(v);
    exit->reason = HV_EXIT_SMC;
    exit->u.call.imm = (uint16_t)iss;
    return true;
}

/* A register that the framework makes trap, though it is not the board's: forwarded if it can be, else kept here. False: it is UNDEFINED. */
static bool own_sysreg(struct hv_vcpu *v, uint16_t enc, bool read, uint64_t *val)
{
    const struct sysreg_desc *d = sysreg_find(enc);
    char row[256];

    v->nr_trapped++;
    if (read && sysreg_id_space(enc)) { /* those that it does not know of */
        *val = 0;
        return true;
    }
    if (!d) {
        log_guest(LOG_INFO,
                  "%s of an unknown system register at PC 0x%" PRIx64
                  " is UNDEFINED; src/spec/sysreg.spec would need:\n%s",
                  read ? "read" : "write", hvf_get(v, FRAMEWORK_REG_PC),
                  sysreg_missing_row(enc, row, sizeof(row)));
        return false;
    }
    if ((read ? d->read_el : d->write_el) > 3)
        return false;
    if (d->home == HOME_COUNTER) {
        /* CNTVCT_EL0 does not trap, and the counter behind both is one. */
        *val = mach_absolute_time() - v->vtimer_offset;
        return read;
    }
    uint64_t *rests = hvf_debug_guest_reg(v, enc);
    if (rests && read) {
        *val = *rests;
        return true;
    }
    if (rests) {
        sysreg_write(&v->shadow, d, *val);
        *rests = sysreg_read(&v->shadow, d);
        return true;
    }
    if (d->home == HOME_STORAGE || d->home == HOME_STATE || d->home == HOME_BOARD) {
        const hv_return_t r = read ? hv_vcpu_get_sys_reg(v->id, (hv_sys_reg_t)enc, val)
                                   : hv_vcpu_set_sys_reg(v->id, (hv_sys_reg_t)enc, *val);
        if (!r)
            return true;
    }
    if (d->home == HOME_BOARD)
        return false;
    if (read)
        *val = sysreg_read(&v->shadow, d);
    else
        sysreg_write(&v->shadow, d, *val);
    return true;
}

static bool exit_sysreg(struct hv_vcpu *v, struct hv_exit *exit, uint32_t iss)
{
    const struct sysreg_syndrome s = esr_sysreg(iss);
    const struct sysreg_desc *d = s.op0_is_high ? sysreg_find(s.encoding) : NULL;
    uint64_t val = s.read ? 0 : hvf_get_x(v, s.reg);
    bool known;

    if (d && d->home == HOME_BOARD && (s.read ? d->read_el : d->write_el) <= 3 && !v->vm->gic.on) {
        exit->reason = HV_EXIT_SYSREG;
        exit->u.sysreg.encoding = s.encoding;
        exit->u.sysreg.write = !s.read;
        exit->u.sysreg.value = val;
        exit->u.sysreg.failed = false;
        hvf_hand_over(v, exit);
        val = exit->u.sysreg.value;
        known = !exit->u.sysreg.failed;
    } else {
        known = s.op0_is_high && own_sysreg(v, s.encoding, s.read, &val);
    }
    if (!known) {
        inject_undefined(v);
        return v->stop;
    }
    if (s.read)
        hvf_set_x(v, s.reg, val);
    advance(v);
    return v->stop;
}

/* Whether stage 2 refused it: there is nothing, or it is ROM, at the address. */
static bool is_stage2(const struct abort_syndrome *a)
{
    const unsigned kind = a->status & 0x3c;
    return kind == FSC_TRANSLATION || kind == FSC_PERMISSION || kind == FSC_ACCESS_FLAG ||
           kind == FSC_ADDRESS_SIZE;
}

/* Tables where there is no memory. */
static void inject_walk_abort(struct hv_vcpu *v, enum esr_ec lower, const struct abort_syndrome *a)
{
    inject_abort(v, lower, (FSC_EXTERNAL_WALK | (a->status & 3u)) | (a->write ? ISS_DABT_WNR : 0));
}

static bool emulate_access(struct hv_vcpu *v, struct hv_exit *exit, const struct abort_syndrome *a)
{
    enum hv_action action = HV_CONTINUE;
    const int r = emulate(v->emulator, &hv_hvf, v, &action);

    if (action == HV_STOP)
        v->stop = true;
    if (r == -EFAULT || r == -EOPNOTSUPP) {
        log_guest(LOG_INFO,
                  "the instruction at PC 0x%" PRIx64 " accesses a device in a way that is not known here",
                  hvf_get(v, FRAMEWORK_REG_PC));
        inject_abort(v, EC_DABT_LOWER, FSC_EXTERNAL | (a->write ? ISS_DABT_WNR : 0));
    } else if (r) {
        exit->reason = HV_EXIT_ERROR;
        exit->u.error.code = -r;
        return true;
    }
    return v->stop;
}

/* A store, cache maintenance, or a table walk that sets a flag, in memory that is mapped for reading until it is written. PC stays. */
static bool is_kept_from_writing(struct hv_vcpu *v, const struct abort_syndrome *a)
{
    return (a->status & 0x3c) == FSC_PERMISSION && hvf_dirty_fault(v);
}

static bool exit_data_abort(struct hv_vcpu *v, struct hv_exit *exit, uint32_t iss)
{
    const struct abort_syndrome a = esr_abort(iss);
    const uint32_t external = FSC_EXTERNAL | (a.write ? ISS_DABT_WNR : 0);

    if (is_kept_from_writing(v, &a))
        return false;
    if (a.walk) {
        inject_walk_abort(v, EC_DABT_LOWER, &a);
        return false;
    }
    if (!is_stage2(&a)) {
        inject_abort(v, EC_DABT_LOWER, external);
        return false;
    }
    if (a.cache) { /* of a device there is nothing to clean */
        advance(v);
        return false;
    }
    if (!a.valid)
        return emulate_access(v, exit, &a);

    exit->reason = a.write ? HV_EXIT_MMIO_WRITE : HV_EXIT_MMIO_READ;
    exit->u.mmio.gpa = v->exit->exception.physical_address;
    exit->u.mmio.size = a.size;
    exit->u.mmio.data = a.write ? hvf_get_x(v, a.reg) & mask64(8u * a.size) : 0;
    exit->u.mmio.failed = false;
    hvf_hand_over(v, exit);
    if (exit->u.mmio.failed) {
        inject_abort(v, EC_DABT_LOWER, external);
        return v->stop;
    }
    if (!a.write)
        hvf_set_x(v, a.reg, abort_loaded(&a, exit->u.mmio.data));
    advance(v);
    return v->stop;
}

/* Code where there is no memory. */
static bool exit_fetch_abort(struct hv_vcpu *v, struct hv_exit *exit, uint32_t iss)
{
    const struct abort_syndrome a = esr_abort(iss);

    (void)exit;
    if (is_kept_from_writing(v, &a))
        return false;
    if (a.walk)
        inject_walk_abort(v, EC_IABT_LOWER, &a);
    else
        inject_abort(v, EC_IABT_LOWER, FSC_EXTERNAL);
    return false;
}

/* BRK is always the guest's own, and the others are while nobody here has asked for any. */
static bool exit_debug(struct hv_vcpu *v, struct hv_exit *exit, uint32_t iss)
{
    const enum esr_ec ec = (enum esr_ec)esr_class(v->exit->exception.syndrome);

    if (ec != EC_BRK64 && v->debug.trapped)
        return hvf_debug_exit(v, exit, ec, iss);
    if (ec == EC_BRK64)
        inject(v, esr_make(ec, iss), false);
    else
        inject_abort(v, ec, iss);
    return false;
}

static bool (*const by_class[64])(struct hv_vcpu *v, struct hv_exit *exit, uint32_t iss) = {
    [EC_WFX] = exit_wf,
    [EC_HVC64] = exit_hvc,
    [EC_SMC64] = exit_smc,
    [EC_SYSREG] = exit_sysreg,
    [EC_IABT_LOWER] = exit_fetch_abort,
    [EC_DABT_LOWER] = exit_data_abort,
    [EC_BREAKPT_LOWER] = exit_debug,
    [EC_SOFTSTP_LOWER] = exit_debug,
    [EC_WATCHPT_LOWER] = exit_debug,
    [EC_BRK64] = exit_debug,
};

bool hvf_handle_exception(struct hv_vcpu *v, struct hv_exit *exit)
{
    const uint64_t esr = v->exit->exception.syndrome;
    const unsigned ec = esr_class(esr);

    if (by_class[ec])
        return by_class[ec](v, exit, esr_iss(esr));
    log_error("hvf: vCPU %u left the guest with a syndrome that is not known, 0x%" PRIx64
              ", at PC 0x%" PRIx64,
              v->cfg.index, esr, hvf_get(v, FRAMEWORK_REG_PC));
    exit->reason = HV_EXIT_ERROR;
    exit->u.error.code = EIO;
    return true;
}
