/* Gathers what explain_print() wants from a VM on the software CPU. While no vCPU runs. */
#include "dbg/explain_vm.h"

#include "bus/bus.h"
#include "cpu/cpu.h"
#include "dbg/explain.h"
#include "hv/soft/soft.h"
#include "mem/ram.h"
#include "vm/vm_internal.h"

static bool read_memory(void *opaque, gpa_t gpa, void *buf, size_t len)
{
    const struct vm *vm = opaque;
    return ram_read(&vm->ram, gpa, buf, len);
}

const char *explain_place(const struct vm *vm, gpa_t gpa)
{
    const struct ram_region *r = ram_find(&vm->ram, gpa);

    if (r)
        return r->kind == RAM_KIND_ROM ? "ROM" : "RAM";
    const struct device *d = bus_find(&vm->bus, gpa);
    return d ? d->name : NULL;
}

static const char *place(void *opaque, gpa_t gpa)
{
    return explain_place(opaque, gpa);
}

/* Devices of other machines and other configurations of this one, which guests look for here. */
static const char *absent(void *opaque, gpa_t gpa)
{
    static const struct {
        gpa_t base;
        uint64_t len;
        const char *text;
    } known[] = {
        {0x08010000, 0x10000,
         "the CPU interface of a GICv2. This board has a GICv3: set ICC_SRE_EL1.SRE and use the system registers ICC_PMR_EL1, "
         "ICC_IGRPEN1_EL1, ICC_IAR1_EL1, ICC_EOIR1_EL1."},
        {0x08020000, 0x1000, "the GICv2m frame for MSIs of a GICv2. This board has a GICv3."},
        {0x08080000, 0x20000, "the GICv3 ITS, which this board does not have yet."},
        {0x10000000, 0x2eff0000, "the memory window of PCIe, which this board does not have yet."},
        {0x3f000000, 0x1000000, "the configuration space of PCIe, which this board does not have yet."},
    };

    if (place(opaque, gpa))
        return NULL;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (gpa - known[i].base < known[i].len)
            return known[i].text;
    return NULL;
}

void explain_vm(struct vm *vm, FILE *f)
{
    struct hv_vcpu *vcpu = vm_stuck_vcpu(vm);

    if (vcpu)
        explain_vcpu(vm, vcpu, f);
}

bool explain_vcpu(struct vm *vm, struct hv_vcpu *vcpu, FILE *f)
{
    if (vm->hv != &hv_soft)
        return false;
    const struct cpu *c = hv_soft_cpu(vcpu);
    struct explain_branch branch[BRANCH_RING];
    unsigned nr = 0;
    for (; nr < BRANCH_RING && nr < c->branch_next; nr++) {
        const struct branch_record *r = &c->branch[(c->branch_next - 1 - nr) % BRANCH_RING];
        branch[nr] = (struct explain_branch){r->from, r->to};
    }
    const struct explain_input in = {
        .vcpu = c->index,
        .st = &c->st,
        .exc = {.esr = c->exc.esr, .elr = c->exc.ret, .far = c->exc.far, .far_valid = c->exc.far_valid},
        .has_cause = c->stuck.has_cause,
        .cause = {.esr = c->stuck.cause.esr,
                  .elr = c->stuck.cause.ret,
                  .far = c->stuck.cause.far,
                  .far_valid = c->stuck.cause.far_valid},
        .vbar_written = c->stuck.vbar_written,
        .branch = branch,
        .nr_branches = nr,
        .opaque = vm,
        .read = read_memory,
        .place = place,
        .absent = absent,
    };
    explain_print(&in, f);
    return true;
}
