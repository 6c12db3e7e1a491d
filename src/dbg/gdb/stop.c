/* What a stop is called: signals, reasons, and words. */
#include "dbg/gdb/session.h"

#include "arch/esr.h"
#include "arch/sysreg.h"
#include "base/bits.h"
#include "dbg/esr_text.h"
#include "vm/vm_internal.h"

#include <inttypes.h>

static uint64_t sysreg(struct gdb_session *s, unsigned index, enum sysreg_id id)
{
    uint64_t val = 0;

    vm_get_reg(s->vm, index, HV_REG_SYS | sysreg_of_id(id)->encoding, &val);
    return val;
}

/* What a kernel would send to a program for the like. */
static enum gdb_signal signal_of(uint64_t esr)
{
    const unsigned ec = ESR_EC(esr);

    if (esr_is_data_abort(esr) || esr_is_fetch_abort(esr))
        return ESR_FSC(esr) == FSC_ALIGNMENT || ESR_FSC(esr) == FSC_EXTERNAL ? GDB_SIGNAL_BUS
                                                                             : GDB_SIGNAL_SEGV;
    switch (ec) {
    case EC_UNKNOWN:
    case EC_ILLEGAL:
    case EC_BTI:
    case EC_PAC:
    case EC_FPAC:
    case EC_SYSREG: return GDB_SIGNAL_ILL;
    case EC_FP_ACCESS: return GDB_SIGNAL_FPE;
    case EC_PC_ALIGN:
    case EC_SP_ALIGN:
    case EC_SERROR: return GDB_SIGNAL_BUS;
    default: return GDB_SIGNAL_TRAP;
    }
}

static void describe_exception(struct gdb_session *s, unsigned index,
                               const struct debug_event *event, struct gdb_stop *stop)
{
    static const char *const vector_kind[] = {NULL, "IRQ", "FIQ", "SError"};
    uint64_t pc = 0;
    char what[120];

    vm_get_reg(s->vm, index, HV_REG_PC, &pc);
    const char *kind = vector_kind[bits(pc, 8, 7)];
    if (kind) {
        snprintf(stop->text, sizeof(stop->text), "vCPU %u: %s at 0x%" PRIx64, index, kind, event->addr);
        return;
    }
    const uint64_t esr = sysreg(s, index, SR_ESR_EL1);
    esr_summary(esr, what, sizeof(what));
    stop->signal = (uint8_t)signal_of(esr);
    snprintf(stop->text, sizeof(stop->text),
             "vCPU %u: %.100s; ESR_EL1 0x%" PRIx64 ", FAR_EL1 0x%" PRIx64 ", from 0x%" PRIx64,
             index, what, esr, sysreg(s, index, SR_FAR_EL1), event->addr);
}

static void describe_stuck(struct gdb_session *s, unsigned index, struct gdb_stop *stop)
{
    const uint64_t esr = sysreg(s, index, SR_ESR_EL1);
    char what[120];

    esr_summary(esr, what, sizeof(what));
    stop->signal = (uint8_t)signal_of(esr);
    snprintf(stop->text, sizeof(stop->text),
             "vCPU %u is stuck: it takes the same exception again and again: %.100s; `monitor explain` tells more",
             index, what);
}

static void describe_point(struct gdb_session *s, unsigned index, const struct debug_event *event,
                           struct gdb_stop *stop)
{
    enum gdb_point_type type;

    if (!points_find(s, event, &type))
        return;
    switch (type) {
    case POINT_SOFTWARE: snprintf(stop->reason, sizeof(stop->reason), "swbreak:;"); break;
    case POINT_HARDWARE: snprintf(stop->reason, sizeof(stop->reason), "hwbreak:;"); break;
    case POINT_WRITE:
    case POINT_READ:
    case POINT_ACCESS:
        snprintf(stop->reason, sizeof(stop->reason), "%s:%" PRIx64 ";",
                 type == POINT_WRITE  ? "watch"
                 : type == POINT_READ ? "rwatch"
                                      : "awatch",
                 event->addr);
        break;
    case POINT_PHYSICAL:
        snprintf(stop->text, sizeof(stop->text), "vCPU %u: at physical address 0x%" PRIx64, index,
                 event->addr);
        break;
    }
}

void stop_describe(struct gdb_session *s, unsigned index, const struct debug_event *event,
                   struct gdb_stop *stop)
{
    const struct sysreg_desc *d;

    *stop = (struct gdb_stop){.signal = GDB_SIGNAL_TRAP};
    switch (event->cause) {
    case DEBUG_CAUSE_BREAK:
    case DEBUG_CAUSE_WATCH: describe_point(s, index, event, stop); break;
    case DEBUG_CAUSE_EXCEPTION: describe_exception(s, index, event, stop); break;
    case DEBUG_CAUSE_STUCK: describe_stuck(s, index, stop); break;
    case DEBUG_CAUSE_SYSREG:
        d = sysreg_find((uint16_t)event->addr);
        snprintf(stop->text, sizeof(stop->text), "vCPU %u: about to write %s", index,
                 d ? d->name : "a system register");
        break;
    case DEBUG_CAUSE_RESET:
        snprintf(stop->text, sizeof(stop->text), "the machine was reset");
        break;
    case DEBUG_CAUSE_CPU_ON:
        snprintf(stop->text, sizeof(stop->text),
                 "vCPU %u was switched on, and starts at 0x%" PRIx64, index, event->addr);
        break;
    case DEBUG_CAUSE_STEP:
    case DEBUG_CAUSE_LIMIT: break;
    }
}

void stop_reply(struct gdb_session *s, unsigned index)
{
    const struct gdb_stop *stop = &s->thread[index].stop;

    reply_printf(s, "T%02xthread:%x;core:%x;%s", stop->signal, index + 1, index, stop->reason);
    registers_expedite(s, index);
}
