/* The machine: memory, CPUs, board. Before any thread starts. */
#include "cli/options_internal.h"

#include "base/err.h"

#include <errno.h>

int set_mem(struct options *o, const char *text, struct err *e)
{
    int r = options_parse_size(text, &o->vm.mem_len, e);
    if (r == 0 && o->vm.mem_len % VM_MEM_GRANULE)
        r = err_set(e, EINVAL, "\"%s\" is not a multiple of 64K", text);
    return r;
}

int set_cpus(struct options *o, const char *text, struct err *e)
{
    const char *p = text;
    uint64_t n;
    if (option_scan_number(&p, &n) < 0 || *p || n < 1 || n > VM_MAX_CPUS)
        return err_set(e, EINVAL, "\"%s\" is not a number from 1 to %d", text, VM_MAX_CPUS);
    o->vm.nr_cpus = (unsigned)n;
    return 0;
}

int set_machine(struct options *o, const char *text, struct err *e)
{
    static const struct option_choice choices[] = {
        {"vibe", VM_MACHINE_VIBE}, {"virt", VM_MACHINE_VIRT}, {NULL, 0}};
    int v = 0, r = option_parse_choice(choices, text, &v, e);
    o->vm.machine = (enum vm_machine)v;
    return r;
}

int set_accel(struct options *o, const char *text, struct err *e)
{
    static const struct option_choice choices[] = {{"auto", VM_ACCEL_AUTO},
                                                   {"soft", VM_ACCEL_SOFT},
                                                   {"kvm", VM_ACCEL_KVM},
                                                   {"hvf", VM_ACCEL_HVF},
                                                   {NULL, 0}};
    int v = 0, r = option_parse_choice(choices, text, &v, e);
    if (r == 0 && (v == VM_ACCEL_KVM || v == VM_ACCEL_HVF))
        r = err_set(e, ENOTSUP, "%s is not in this build yet; use soft", text);
    o->vm.accel = (enum vm_accel)v;
    return r;
}

int set_gic(struct options *o, const char *text, struct err *e)
{
    static const struct option_choice choices[] = {{"2", VM_GICV2}, {"3", VM_GICV3}, {NULL, 0}};
    int v = 0, r = option_parse_choice(choices, text, &v, e);
    o->vm.gic = (enum vm_gic)v;
    return r;
}
