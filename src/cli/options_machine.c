/* The machine: memory, CPUs, board. Before any thread starts. */
#include "cli/options_internal.h"

#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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

/* A list of names, as "fold+flags", as a set of their numbers. */
static int parse_set(const char *what, char *names, const char *const *known, unsigned nr,
                     uint32_t *set, struct err *e)
{
    for (char *rest = names, *name; (name = strsep(&rest, "+"));) {
        unsigned i = 0;
        while (i < nr && strcmp(known[i], name) != 0)
            i++;
        if (i == nr)
            return err_set(e, EINVAL, "there is no %s \"%.40s\"; the first is %s", what, name, known[0]);
        *set |= 1u << i;
    }
    return 0;
}

static int parse_jit(struct jit_options *j, char *part, struct err *e)
{
    const char *value;
    uint64_t n;

    if ((value = option_value(part, "jit"))) {
        static const struct option_choice choices[] = {{"on", 0}, {"off", 1}, {NULL, 0}};
        int off = 0, r = option_parse_choice(choices, value, &off, e);
        j->off = off;
        return r;
    }
    if ((value = option_value(part, "without")))
        return parse_set("pass", (char *)(uintptr_t)value, jit_pass_name, JIT_NR_PASSES,
                         &j->passes_off, e);
    if ((value = option_value(part, "host-without")))
        return parse_set("feature", (char *)(uintptr_t)value, jit_host_feature_name,
                         jit_nr_host_features, &j->host_off, e);
    if ((value = option_value(part, "cache"))) {
        int r = options_parse_size(value, &n, e);
        if (!r && (n < JIT_CODE_LEN_MIN || n > JIT_CODE_LEN_MAX))
            r = err_set(e, EINVAL, "a code cache of \"%.40s\" is not from 512K to 1G", value);
        j->code_len = (uint32_t)n;
        return r;
    }
    if ((value = option_value(part, "threshold"))) {
        const char *p = value;
        if (option_scan_number(&p, &n) < 0 || *p || n < 1 || n > 60000)
            return err_set(e, EINVAL, "\"%.40s\" is not a number from 1 to 60000", value);
        j->threshold = (uint32_t)n;
        return 0;
    }
    if (!strcmp(part, "registers=random"))
        j->random_registers = true;
    else if (!strcmp(part, "memory=slow"))
        j->slow_memory = true;
    else
        return err_set(e, EINVAL,
                       "\"%.40s\" is nothing of soft's; jit=off is, and what docs/translator.md lists",
                       part);
    return 0;
}

static int parse_hvf(struct vm_options *o, const char *part, struct err *e)
{
    static const struct option_choice choices[] = {{"own", 0}, {"framework", 1}, {NULL, 0}};
    const char *value = option_value(part, "gic");
    int host = 0;

    if (!value)
        return err_set(e, EINVAL, "\"%.40s\" is nothing of hvf's; gic=own and gic=framework are", part);
    const int r = option_parse_choice(choices, value, &host, e);
    o->host_gic = host;
    return r;
}

static int parse_accel_part(struct vm_options *o, char *part, struct err *e)
{
    switch (o->accel) {
    case VM_ACCEL_SOFT: return parse_jit(&o->jit, part, e);
    case VM_ACCEL_HVF: return parse_hvf(o, part, e);
    default:
        return err_set(e, EINVAL, "\"%.40s\" needs %s before it", part,
                       option_value(part, "gic") ? "hvf" : "soft");
    }
}

int set_accel(struct options *o, const char *text, struct err *e)
{
    static const struct option_choice choices[] = {{"auto", VM_ACCEL_AUTO},
                                                   {"soft", VM_ACCEL_SOFT},
                                                   {"kvm", VM_ACCEL_KVM},
                                                   {"hvf", VM_ACCEL_HVF},
                                                   {NULL, 0}};
    char copy[256], *rest = copy, *part;
    int v = 0, r;

    if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
        return err_set(e, EINVAL, "longer than %zu characters", sizeof(copy) - 1);
    r = option_parse_choice(choices, option_next_part(&rest), &v, e);
    o->vm.accel = (enum vm_accel)v;
    while (!r && (part = option_next_part(&rest)))
        r = parse_accel_part(&o->vm, part, e);
    return r;
}

int set_gic(struct options *o, const char *text, struct err *e)
{
    static const struct option_choice choices[] = {{"2", VM_GICV2}, {"3", VM_GICV3}, {NULL, 0}};
    int v = 0, r = option_parse_choice(choices, text, &v, e);
    o->vm.gic = (enum vm_gic)v;
    return r;
}

int set_check_jit(struct options *o, const char *text, struct err *e)
{
    (void)text;
    (void)e;
    o->vm.jit.check = true;
    return 0;
}

int set_deterministic(struct options *o, const char *text, struct err *e)
{
    (void)text;
    (void)e;
    o->vm.deterministic = o->vm.jit.exact = true;
    return 0;
}

int set_perf_map(struct options *o, const char *text, struct err *e)
{
    (void)text;
    (void)e;
    o->vm.jit.perf_map = true;
    return 0;
}

int set_jit_dump(struct options *o, const char *text, struct err *e)
{
    o->vm.jit.dump = true;
    return options_parse_addr(text, &o->vm.jit.dump_pc, e);
}
