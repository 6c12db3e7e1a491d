/* `monitor`: what a machine looks like inside. All vCPUs are held. */
#include "dbg/gdb/monitor.h"

#include "arch/sysreg.h"
#include "base/bits.h"
#include "cpu/cpu.h"
#include "cpu/jit.h"
#include "dbg/explain_vm.h"
#include "dbg/pagewalk.h"
#include "hv/soft/soft.h"
#include "mem/ram.h"
#include "vm/stats.h"
#include "vm/vm_internal.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- Registers ------------------------------------------------------------------------------------------------------ */

static void put_pstate(FILE *f, uint64_t psr)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } flag[] = {{PSR_D, "D"},      {PSR_A, "A"},       {PSR_I, "I"},      {PSR_F, "F"},
                {PSR_SS, " SS"},   {PSR_IL, " IL"},    {PSR_PAN, " PAN"}, {PSR_UAO, " UAO"},
                {PSR_DIT, " DIT"}, {PSR_SSBS, " SSBS"}};

    fprintf(f, "EL%u%c %c%c%c%c masked: ", (unsigned)(psr >> PSR_EL_SHIFT & 3),
            psr & PSR_SP ? 'h' : 't', psr & PSR_N ? 'N' : 'n', psr & PSR_Z ? 'Z' : 'z',
            psr & PSR_C ? 'C' : 'c', psr & PSR_V ? 'V' : 'v');
    for (size_t i = 0; i < ARRAY_LEN(flag); i++)
        if (psr & flag[i].bit)
            fputs(flag[i].name, f);
    if (!(psr & PSR_DAIF))
        fprintf(f, "nothing");
}

static uint64_t get(struct gdb_session *s, unsigned index, unsigned reg)
{
    uint64_t val = 0;

    vm_get_reg(s->vm, index, reg, &val);
    return val;
}

void monitor_cpus(struct gdb_session *s, FILE *f, char *args)
{
    const vcpu_set_t on = vm_vcpus_on(s->vm), asleep = vm_vcpus_asleep(s->vm);

    (void)args;
    for (unsigned i = 0; i < s->vm->nr_vcpus; i++) {
        fprintf(f, "%c vCPU %-2u %-10s pc 0x%016" PRIx64 "  ", i == s->general ? '*' : ' ', i,
                !(on >> i & 1)    ? "off"
                : asleep >> i & 1 ? "asleep"
                                  : "on",
                get(s, i, HV_REG_PC));
        put_pstate(f, get(s, i, HV_REG_PSTATE));
        fputc('\n', f);
    }
}

void monitor_regs(struct gdb_session *s, FILE *f, char *args)
{
    static const enum sysreg_id shown[] = {
        SR_SCTLR_EL1, SR_TCR_EL1,   SR_TTBR0_EL1,      SR_TTBR1_EL1, SR_MAIR_EL1, SR_CPACR_EL1,
        SR_VBAR_EL1,  SR_ESR_EL1,   SR_FAR_EL1,        SR_ELR_EL1,   SR_SPSR_EL1, SR_SP_EL0,
        SR_TPIDR_EL0, SR_TPIDR_EL1, SR_CONTEXTIDR_EL1, SR_MPIDR_EL1};
    unsigned index;

    if (!monitor_vcpu(s, f, &args, &index))
        return;
    const uint64_t psr = get(s, index, HV_REG_PSTATE);
    fprintf(f, "vCPU %u\n", index);
    for (unsigned i = 0; i <= 30; i++)
        fprintf(f, "x%-2u 0x%016" PRIx64 "%s", i, get(s, index, HV_REG_X0 + i), i % 3 == 2 ? "\n" : "  ");
    fprintf(f, "sp  0x%016" PRIx64 "  pc  0x%016" PRIx64 "\n", get(s, index, HV_REG_SP),
            get(s, index, HV_REG_PC));
    fprintf(f, "PSTATE 0x%08" PRIx64 ": ", psr);
    put_pstate(f, psr);
    fputc('\n', f);
    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        const struct sysreg_desc *d = sysreg_of_id(shown[i]);
        fprintf(f, "%-14s 0x%016" PRIx64 "%s", d->name, get(s, index, HV_REG_SYS | d->encoding),
                i % 2 ? "\n" : "  ");
    }
}

/* --- Memory --------------------------------------------------------------------------------------------------------- */

static const char *place(void *opaque, gpa_t gpa)
{
    return explain_place(opaque, gpa);
}

void monitor_pagewalk(struct gdb_session *s, FILE *f, char *args)
{
    struct pe_state regime;
    uint64_t va;
    unsigned index;

    if (!monitor_number(f, &args, &va) || !monitor_vcpu(s, f, &args, &index) ||
        session_regime(s, index, &regime))
        return;
    const struct walk_mem m = vm_walk_mem(s->vm);
    pagewalk_print(f, &regime, &m, va, place, s->vm);
}

void monitor_xp(struct gdb_session *s, FILE *f, char *args)
{
    enum { ROW = 16, MOST = 4096 };
    uint8_t row[ROW];
    uint64_t at, len = 4 * ROW;

    if (!monitor_number(f, &args, &at))
        return;
    args += strspn(args, " \t");
    if (*args && !monitor_number(f, &args, &len))
        return;
    len = MIN(len, (uint64_t)MOST);
    for (size_t want, n; len; at += n, len -= n) {
        want = (size_t)MIN(len, (uint64_t)ROW);
        n = vm_read_memory(s->vm, 0, VM_SPACE_PHYSICAL, at, row, want);
        if (n)
            fprintf(f, "0x%010" PRIx64 " ", at);
        for (size_t i = 0; i < n; i++)
            fprintf(f, "%s%02x", i % 8 ? " " : "  ", row[i]);
        fprintf(f, "%*s", n ? (int)(3 * (ROW - n) + 3 - n / 9) : 0, "");
        for (size_t i = 0; i < n; i++)
            fputc(isprint(row[i]) ? row[i] : '.', f);
        if (n)
            fputc('\n', f);
        if (n < want) {
            const char *what = explain_place(s->vm, at + n);
            fprintf(f, "0x%010" PRIx64 "  %s\n", at + n, what ? what : "nothing there");
            return;
        }
    }
}

/* Where virtio devices could be, and none is. */
static bool is_empty_slot(const struct device *d)
{
    static const char name[] = "virtio_mmio@";
    return !strncmp(d->name, name, strlen(name));
}

static void put_devices(FILE *f, struct device *const *d, unsigned nr)
{
    const struct device *last = d[nr - 1];

    fprintf(f, "0x%010" PRIx64 "-0x%010" PRIx64 "  ", d[0]->base, last->base + (last->len - 1));
    if (nr > 1) {
        fprintf(f, "%u slots without a virtio device\n", nr);
        return;
    }
    const uint64_t bad = atomic_load(&d[0]->stats.bad);
    fprintf(f, "%-23s %" PRIu64 " reads, %" PRIu64 " writes", d[0]->name,
            atomic_load(&d[0]->stats.reads), atomic_load(&d[0]->stats.writes));
    if (bad)
        fprintf(f, ", %" PRIu64 " of no register", bad);
    fputc('\n', f);
}

void monitor_devices(struct gdb_session *s, FILE *f, char *args)
{
    const struct vm *vm = s->vm;

    (void)args;
    for (unsigned i = 0; i < vm->ram.nr_regions; i++) {
        const struct ram_region *r = &vm->ram.region[i];
        fprintf(f, "0x%010" PRIx64 "-0x%010" PRIx64 "  %s\n", r->base, r->base + (r->len - 1),
                r->kind == RAM_KIND_RAM ? "RAM" : "ROM");
    }
    for (unsigned i = 0, next; i < vm->bus.nr_devices; i = next) {
        next = i + 1;
        while (is_empty_slot(vm->bus.device[i]) && next < vm->bus.nr_devices &&
               is_empty_slot(vm->bus.device[next]))
            next++;
        put_devices(f, &vm->bus.device[i], next - i);
    }
    fprintf(f, "%" PRIu64 " accesses where nothing is\n", atomic_load(&vm->bus.unassigned));
}

/* --- The software CPU ----------------------------------------------------------------------------------------------- */

struct tlb_list {
    unsigned nr;
    struct cpu_translation entry[CPU_MAX_TRANSLATIONS];
};

static void do_tlb(struct hv_vcpu *hv, void *opaque)
{
    struct tlb_list *l = opaque;
    l->nr = cpu_translations(hv_soft_cpu(hv), l->entry, CPU_MAX_TRANSLATIONS);
}

static int compare(const void *a, const void *b)
{
    const struct cpu_translation *x = a, *y = b;

    if (x->ttbr0 != y->ttbr0)
        return x->ttbr0 < y->ttbr0 ? -1 : 1;
    if (x->va != y->va)
        return x->va < y->va ? -1 : 1;
    return x->fetch - y->fetch;
}

/* Whether b goes on where a of so many bytes ends. */
static bool follows(const struct cpu_translation *a, uint64_t len, const struct cpu_translation *b)
{
    return b->va == a->va + len && b->pa == a->pa + len && a->read == b->read &&
           a->write == b->write && a->fetch == b->fetch && a->device == b->device &&
           a->global == b->global && a->el == b->el && a->pan == b->pan && a->ttbr0 == b->ttbr0;
}

static void put_tlb(FILE *f, const struct tlb_list *l)
{
    for (unsigned i = 0, k; i < l->nr; i = k) {
        const struct cpu_translation *t = &l->entry[i];
        uint64_t len = TLB_PAGE_SIZE;
        for (k = i + 1; k < l->nr && follows(t, len, &l->entry[k]); k++)
            len += TLB_PAGE_SIZE;
        if (!i || t->ttbr0 != l->entry[i - 1].ttbr0)
            fprintf(f, "TTBR0_EL1 0x%016" PRIx64 "\n", t->ttbr0);
        fprintf(f, "  0x%016" PRIx64 "-0x%016" PRIx64 " -> 0x%010" PRIx64 "  %c%c%c EL%u%s%s%s\n",
                t->va, t->va + (len - 1), t->pa, t->read ? 'r' : '-', t->write ? 'w' : '-',
                t->fetch ? 'x' : '-', t->el, t->pan ? " PAN" : "", t->global ? " global" : "",
                t->device ? " device" : "");
    }
    fprintf(f, "%u entries of 4 KiB\n", l->nr);
}

static bool is_soft(const struct gdb_session *s, FILE *f)
{
    if (s->vm->hv == &hv_soft)
        return true;
    fprintf(f, "the %s backend does not show that\n", s->vm->hv->name);
    return false;
}

void monitor_tlb(struct gdb_session *s, FILE *f, char *args)
{
    unsigned index;

    if (!is_soft(s, f) || !monitor_vcpu(s, f, &args, &index))
        return;
    struct tlb_list *l = calloc(1, sizeof(*l));
    if (l && vm_on_vcpu(s->vm, index, do_tlb, l)) {
        qsort(l->entry, l->nr, sizeof(l->entry[0]), compare);
        put_tlb(f, l);
    }
    free(l);
}

struct show {
    struct gdb_session *s;
    FILE *f;
    gva_t pc;
    bool done;
};

static void do_translate(struct hv_vcpu *hv, void *opaque)
{
    struct show *show = opaque;
    show->done = jit_show(hv_soft_cpu(hv), show->pc, show->f);
}

void monitor_translate(struct gdb_session *s, FILE *f, char *args)
{
    struct show show = {.s = s, .f = f};
    unsigned index;

    if (!is_soft(s, f) || !monitor_number(f, &args, &show.pc) || !monitor_vcpu(s, f, &args, &index))
        return;
    if (vm_on_vcpu(s->vm, index, do_translate, &show) && !show.done)
        fprintf(f, "nothing at 0x%" PRIx64 " can be translated\n", show.pc);
}

static void do_explain(struct hv_vcpu *hv, void *opaque)
{
    struct show *show = opaque;
    show->done = explain_vcpu(show->s->vm, hv, show->f);
}

void monitor_explain(struct gdb_session *s, FILE *f, char *args)
{
    struct show show = {.s = s, .f = f};
    unsigned index;

    if (!is_soft(s, f) || !monitor_vcpu(s, f, &args, &index))
        return;
    if (!s->thread[index].stuck)
        fprintf(f, "vCPU %u is not stuck in a fault\n", index);
    else
        vm_on_vcpu(s->vm, index, do_explain, &show);
}

/* --- Interrupts and time -------------------------------------------------------------------------------------------- */

void monitor_gic(struct gdb_session *s, FILE *f, char *args)
{
    struct gicv3 *gic = s->vm->board.gic;

    (void)args;
    if (!gic) {
        fprintf(f, "the %s backend brings the GIC, and does not show it\n", s->vm->hv->name);
        return;
    }
    const size_t len = gic_describe(gic, NULL, 0) + 1;
    char *text = malloc(len);
    if (text) {
        gic_describe(gic, text, len);
        fputs(text, f);
    }
    free(text);
}

static void put_timer(FILE *f, const char *name, unsigned intid, uint64_t ctl, uint64_t cval,
                      uint64_t count, uint64_t hz)
{
    const int64_t left = (int64_t)(cval - count);

    fprintf(f, "  %s  INTID %u, %s%s", name, intid, ctl & 1 ? "enabled" : "off",
            ctl & 2 ? ", masked" : "");
    if (ctl & 1)
        fprintf(f, ", CVAL 0x%" PRIx64 ": %s %.6f s%s", cval, left > 0 ? "in" : "since",
                (left > 0 ? (double)left : -(double)left) / (double)hz,
                ctl & 4 ? ", its condition is met" : "");
    fputc('\n', f);
}

void monitor_timers(struct gdb_session *s, FILE *f, char *args)
{
    (void)args;
    for (unsigned i = 0; i < s->vm->nr_vcpus; i++) {
        const uint64_t count = get(s, i, HV_REG_SYS | SYSENC_CNTPCT_EL0),
                       virt = get(s, i, HV_REG_SYS | SYSENC_CNTVCT_EL0),
                       hz = get(s, i, HV_REG_SYS | SYSENC_CNTFRQ_EL0);
        fprintf(f, "vCPU %u: count 0x%" PRIx64 ", virtual 0x%" PRIx64 ", of %" PRIu64 " a second\n",
                i, count, virt, hz);
        put_timer(f, "physical", GTIMER_INTID_PHYS, get(s, i, HV_REG_SYS | SYSENC_CNTP_CTL_EL0),
                  get(s, i, HV_REG_SYS | SYSENC_CNTP_CVAL_EL0), count, MAX(hz, 1u));
        put_timer(f, "virtual ", GTIMER_INTID_VIRT, get(s, i, HV_REG_SYS | SYSENC_CNTV_CTL_EL0),
                  get(s, i, HV_REG_SYS | SYSENC_CNTV_CVAL_EL0), virt, MAX(hz, 1u));
    }
}

/* --- Statistics ----------------------------------------------------------------------------------------------------- */

void monitor_stats(struct gdb_session *s, FILE *f, char *args)
{
    struct vm_stats *stats = calloc(1, sizeof(*stats));

    (void)args;
    if (stats) {
        vm_get_stats(s->vm, stats);
        stats_print_box(f, stats);
    }
    free(stats);
}

void monitor_exits(struct gdb_session *s, FILE *f, char *args)
{
    static const char *const label[HV_NR_EXITS] = {
#define EXIT(id, key, name, text) [HV_EXIT_##id] = name,
#include "spec/exits.def"
#undef EXIT
    };
    struct vm_stats *stats = calloc(1, sizeof(*stats));

    (void)args;
    if (!stats)
        return;
    vm_get_stats(s->vm, stats);
    for (unsigned i = 0; i < stats->nr_vcpus; i++) {
        fprintf(f, "vCPU %u\n", i);
        for (unsigned n = 0; n < HV_NR_EXITS; n++)
            if (stats->vcpu[i].exits[n])
                fprintf(f, "  %-24s %12" PRIu64 "\n", label[n], stats->vcpu[i].exits[n]);
    }
    free(stats);
}
