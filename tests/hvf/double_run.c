/* The double in the guest: what the software CPU comes back with, as the framework's exits. double.c */
#include "tests/hvf/double.h"

#include "arch/sysreg.h"
#include "base/bits.h"
#include "base/os.h"
#include "cpu/cpu_internal.h"

#include "gen/sysreg_fields.h"

#include <sched.h>
#include <string.h>
#include <time.h>

/* Times that the virtual timer may fire without an instruction in between: more is for ever. */
#define MAX_IDLE_FIRES 100u

#define WFE_MAX_NS 1000000u

#define CNTP_CTL_EL0 SYSREG_ENC(3, 3, 14, 2, 1)
#define CNTV_CTL_EL0 SYSREG_ENC(3, 3, 14, 3, 1)

/* --- What the CPU asks ---------------------------------------------------------------------------------------------- */

/* The instruction that runs is to be given up, by an exception that is taken back later. */
static void give_up(struct vcpu *v)
{
    struct pe_state *s = &v->cpu->st;

    v->saved.spsr = s->spsr_el[1];
    v->saved.elr = s->elr_el[1];
    v->saved.esr = SYS(s, ESR_EL1);
    v->saved.far = SYS(s, FAR_EL1);
    v->cpu->stuck.same = v->cpu->stuck.similar = 0;
    v->cpu->stuck.nested = false;
    cpu_kick(v->cpu);
}

static bool on_mmio(void *opaque, gpa_t gpa, unsigned size, bool write, uint64_t *val)
{
    struct vcpu *v = opaque;

    if (double_gic_mmio(v, gpa, size, write, val))
        return true;
    v->want = ACCESS;
    v->gpa = gpa;
    v->write = write;
    give_up(v);
    return false;
}

/* That makes it leave the guest. */
static bool timer_fires(const struct vcpu *v)
{
    return v->level && !v->masked && !vm.gic.on;
}

static void set_timer(struct vcpu *v)
{
    cpu_set_deadline(v->cpu, timer_fires(v) ? 0 : gtimer_deadline(&v->timer));
}

static bool on_sysreg(void *opaque, uint16_t encoding, bool write, uint64_t *val)
{
    struct vcpu *v = opaque;

    /* And CVAL, and TVAL: no exit. */
    if (encoding >> 3 == CNTV_CTL_EL0 >> 3 || (vm.gic.on && encoding >> 3 == CNTP_CTL_EL0 >> 3)) {
        if (write)
            gtimer_sysreg_write(&v->timer, encoding, os_now_ns(), *val);
        else
            gtimer_sysreg_read(&v->timer, encoding, os_now_ns(), val);
        set_timer(v);
        return true;
    }
    if (vm.gic.on)
        return double_gic_sysreg(v, encoding, write, val);
    v->want = SYSREG;
    v->encoding = encoding;
    v->write = write;
    give_up(v);
    return false;
}

static void on_wfi(void *opaque)
{
    struct vcpu *v = opaque;

    v->want = WFI;
    cpu_kick(v->cpu);
}

static void on_deadline(void *opaque)
{
    struct vcpu *v = opaque;

    gtimer_poll(&v->timer, os_now_ns());
    if (timer_fires(v) && v->want == NOTHING) {
        v->want = TIMER;
        cpu_kick(v->cpu);
    }
    cpu_set_deadline(v->cpu, gtimer_deadline(&v->timer));
}

void double_timer_level(void *opaque, unsigned intid, bool level)
{
    struct vcpu *v = opaque;
    if (intid == GTIMER_INTID_VIRT)
        v->level = level;
    if (vm.gic.gic)
        gic_set_ppi(vm.gic.gic, v->index, intid, level);
}

const struct cpu_ops double_ops = {
    .mmio = on_mmio, .sysreg = on_sysreg, .wfi = on_wfi, .deadline = on_deadline};

/* --- Running -------------------------------------------------------------------------------------------------------- */

static void check_id_registers(const struct vcpu *v)
{
    RULE(!(v->id[ID_PFR1] & ID_AA64PFR1_EL1_SME), "ID_AA64PFR1_EL1.SME is visible");
    RULE(!(v->id[ID_DFR0] & ID_AA64DFR0_EL1_PMUVer), "ID_AA64DFR0_EL1.PMUVer is visible");
    RULE((v->id[ID_MMFR0] & 15) <= (vm.ipa_bits >= 40 ? 2u : 1u),
         "ID_AA64MMFR0_EL1.PARange is beyond the guest's addresses");
    RULE(!memcmp(v->id, vm.vcpu[0]->id, sizeof(v->id)), "ID registers differ between vCPUs");
}

static void check_before_run(struct vcpu *v)
{
    const uint64_t pc = v->cpu->st.pc;

    if (!v->ran) {
        RULE(v->has_mpidr, "MPIDR_EL1 is not set");
        RULE(v->has_offset, "the virtual timer's offset is not set");
        check_id_registers(v);
        double_gic_runs();
        v->ran = true;
    }
    RULE(v->pc_rule != PC_MOVES || pc != v->pc,
         "PC is still at the instruction 0x%llx that was emulated", (unsigned long long)pc);
    RULE(v->pc_rule != PC_AGAIN || pc == v->pc,
         "a store to memory that was mapped for reading is not done, at 0x%llx",
         (unsigned long long)v->pc);
    RULE(v->pc_rule != PC_STAYS || pc != v->pc + 4, "PC was moved on after an HVC, from 0x%llx",
         (unsigned long long)v->pc);
    v->pc_rule = PC_ANY;
}

static hv_return_t leave(struct vcpu *v, hv_exit_reason_t reason)
{
    v->exit.reason = reason;
    v->running = false;
    if (vm.gic.on)
        return HV_SUCCESS;
    /* What was pending is forgotten. */
    v->irq = v->fiq = false;
    cpu_set_irq(v->cpu, false, false);
    return HV_SUCCESS;
}

hv_return_t double_leave_for(struct vcpu *v, uint64_t syndrome, int pc_rule)
{
    v->exit.exception.syndrome = syndrome;
    v->pc_rule = pc_rule;
    v->pc = v->cpu->st.pc;
    return leave(v, HV_EXIT_REASON_EXCEPTION);
}

static hv_return_t leave_for_timer(struct vcpu *v)
{
    v->idle_fires = v->cpu->nr_insns == v->idle_insns ? v->idle_fires + 1 : 0;
    v->idle_insns = v->cpu->nr_insns;
    RULE(v->idle_fires < MAX_IDLE_FIRES, "the virtual timer is unmasked while its output is high");
    v->masked = true;
    return leave(v, HV_EXIT_REASON_VTIMER_ACTIVATED);
}

/* Takes the exception back by which the instruction was given up. */
void double_take_back(struct vcpu *v)
{
    struct pe_state *s = &v->cpu->st;

    v->exit.exception.virtual_address = SYS(s, FAR_EL1);
    s->pc = s->elr_el[1];
    pstate_set(s, s->spsr_el[1]);
    s->spsr_el[1] = v->saved.spsr;
    s->elr_el[1] = v->saved.elr;
    SYS(s, ESR_EL1) = v->saved.esr;
    SYS(s, FAR_EL1) = v->saved.far;
    v->cpu->nr_exceptions--;
    cpu_context_changed(v->cpu);
}

uint32_t double_instruction(struct vcpu *v)
{
    uint32_t word = 0;
    RULE(cpu_fetch_word(v->cpu, &word), "an instruction that ran cannot be fetched");
    return word;
}

/* The upper part of a data abort's ISS, from ISV to AR: of loads and stores of one general register without writeback (DDI 0487, "Loads and
 * stores"). 0: the syndrome describes none. */
static uint32_t describe_access(uint32_t word)
{
    const unsigned size = (unsigned)bits(word, 31, 30), opc = (unsigned)bits(word, 23, 22);
    const bool v = bit(word, 26);
    uint32_t iss = 1u << 24 | size << 22 | (uint32_t)bits(word, 4, 0) << 16;

    /* Unsigned immediate; unscaled and unprivileged; register offset; LDAPUR and STLUR. */
    const bool plain = bits(word, 29, 27) == 7 && !v &&
                       (bit(word, 24) || (bit(word, 21) ? bits(word, 11, 10) == 2 : !bit(word, 10)));
    const bool rcpc = bits(word, 29, 24) == 0x19 && !bit(word, 21) && bits(word, 11, 10) == 0;
    if (plain || rcpc) {
        const bool wide = opc == 2 || (opc < 2 && size == 3);
        return iss | (opc >= 2 ? 1u << 21 : 0) | (wide ? 1u << 15 : 0) | (rcpc ? 1u << 14 : 0);
    }
    /* LDAR, STLR, LDLAR, STLLR. */
    if (bits(word, 29, 24) == 8 && bit(word, 23) && !bit(word, 21))
        return iss | (size == 3 ? 1u << 15 : 0) | 1u << 14;
    return 0;
}

static hv_return_t leave_for_access(struct vcpu *v)
{
    double_take_back(v);
    const struct ram_region *m = ram_find(&vm.ram, v->gpa);
    const bool rom = m && !atomic_load(&m->hidden);
    const uint32_t described = describe_access(double_instruction(v));
    const uint32_t status = (rom ? FSC_PERMISSION : FSC_TRANSLATION) | 3;

    RULE(!rom || v->write, "a load from ROM that exits");
    v->exit.exception.physical_address = v->gpa;
    /* Of others nothing is asked: an instruction that is no access any more is run again. */
    return double_leave_for(v, esr_make(EC_DABT_LOWER, described | (v->write ? ISS_DABT_WNR : 0) | status),
                            rom && vm.kept[m - vm.ram.region] ? PC_AGAIN
                            : described                       ? PC_MOVES
                                                              : PC_ANY);
}

static hv_return_t leave_for_sysreg(struct vcpu *v)
{
    double_take_back(v);
    return double_leave_for(
        v, esr_make(EC_SYSREG, sysreg_iss(v->encoding, double_instruction(v) & 31, !v->write)), PC_MOVES);
}

static hv_return_t leave_for_wf(struct vcpu *v, uint32_t iss)
{
    v->cpu->st.pc -= 4;
    return double_leave_for(v, esr_make(EC_WFX, 1u << 24 | 0xeu << 20 | iss), PC_MOVES);
}

/* A WFE does not leave the guest, as far as was seen: it ends with an event, or by itself before long. */
static void wait_for_event(struct vcpu *v)
{
    struct cpu *c = v->cpu;
    const uint64_t until_ns = MIN(MIN(cpu_wait_event(c), c->deadline_ns), os_now_ns() + WFE_MAX_NS);
    uint64_t now;

    while ((now = os_now_ns()) < until_ns && !atomic_load(&c->events) &&
           !__atomic_load_n(&c->event_register, __ATOMIC_SEQ_CST)) {
        if (until_ns - now < 1000000)
            sched_yield();
        else
            nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
}

/* The CPU was kicked: for what it wants itself, or by hv_vcpus_exit(), or for something that is over. */
static bool leave_for_kick(struct vcpu *v)
{
    const int want = v->want;

    v->want = NOTHING;
    switch (want) {
    case ACCESS: leave_for_access(v); return true;
    case SYSREG: leave_for_sysreg(v); return true;
    case WFI:
        if (!vm.gic.on || double_asked("wfi-exits")) {
            leave_for_wf(v, WF_WFI);
            return true;
        }
        double_gic_sleep(v);
        break;
    case TIMER: leave_for_timer(v); return true;
    default: break;
    }
    if (!atomic_exchange(&v->cancel, false))
        return false;
    leave(v, HV_EXIT_REASON_CANCELED);
    return true;
}

hv_return_t hv_vcpu_run(hv_vcpu_t id)
{
    struct vcpu *v = vcpu_of(id);

    if (!v->ran && double_asked("run"))
        return HV_ERROR;
    check_before_run(v);
    v->want = NOTHING;
    if (atomic_exchange(&v->cancel, false))
        return leave(v, HV_EXIT_REASON_CANCELED);
    gtimer_poll(&v->timer, os_now_ns());
    if (timer_fires(v))
        return leave_for_timer(v);
    v->running = true;
    if (v->changed)
        cpu_state_changed(v->cpu);
    v->changed = false;
    set_timer(v);
    double_debug_before(v);
    if (!vm.gic.on)
        cpu_set_irq(v->cpu, v->irq, v->fiq);
    for (;;) {
        switch (cpu_run(v->cpu)) {
        case CPU_LEAVE_HVC:
            return double_leave_for(v, esr_make(EC_HVC64, v->cpu->leave_imm), PC_STAYS);
        case CPU_LEAVE_SMC:
            v->cpu->st.pc -= 4;
            return double_leave_for(v, esr_make(EC_SMC64, v->cpu->leave_imm), PC_MOVES);
        case CPU_LEAVE_DEBUG:
            if (v->want == NOTHING) /* else the step that is over gave the instruction up */
                double_debug_leave(v);
            else
                leave_for_kick(v);
            return HV_SUCCESS;
        case CPU_LEAVE_WFE: wait_for_event(v); break;
        case CPU_LEAVE_KICK:
            if (leave_for_kick(v))
                return HV_SUCCESS;
            break;
        default: break; /* SEV has been sent; a vCPU that is stuck stays it */
        }
    }
}
