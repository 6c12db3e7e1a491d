/* See vm/gic_self_test.h. The project's GIC is put around the vCPU as the board and the run loop do it, without what they have beyond it. */
#include "vm/gic_self_test.h"

#include "arch/sysreg.h"
#include "base/bits.h"
#include "base/err.h"
#include "base/os.h"
#include "dev/gicv3.h"
#include "dev/gtimer.h"
#include "mem/ram.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define ROUNDS 5000u
#define LIMIT_NS UINT64_C(5000000000) /* of each guest */
#define RAM_BASE UINT64_C(0x40000000)
#define RAM_LEN (1u << 20)
#define DIST_BASE UINT64_C(0x08000000)
#define CPU_BASE UINT64_C(0x080a0000)
#define VECTORS 0x800u
#define NR_SPIS 32u
#define PMU_INTID 23u
#define CTL_LEVEL_MASK 7u /* ENABLE, IMASK, ISTATUS */
#define CTL_LEVEL 5u

struct gic_test {
    const struct hv_backend *hv;
    struct hv_vm *vm;
    struct hv_vcpu *v;
    uint8_t *host;     /* RAM_BASE */
    struct gicv3 *gic; /* null: it is the backend's */
    struct bus bus;

    /* A thread that ends what does not end. */
    pthread_t watchdog;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t limit_ns; /* UINT64_MAX: nothing runs */
    bool stop;
};

/* --- The guest ------------------------------------------------------------------------------------------------------ */

/* SGI 0 and PPI 27 of this CPU are enabled, in group 1. x9: distributor, x10: redistributor, x20: rounds; x0 stays 1. */
static const uint32_t preamble[] = {
    0xb9401540, /*     ldr  w0, [x10, #GICR_WAKER] */
    0x121e7800, /*     and  w0, w0, #~ProcessorSleep */
    0xb9001540, /*     str  w0, [x10, #GICR_WAKER] */
    0xb9401540, /* 1:  ldr  w0, [x10, #GICR_WAKER] */
    0x3717ffe0, /*     tbnz w0, #ChildrenAsleep, 1b */
    0x9140414b, /*     add  x11, x10, #0x10000 */
    0x12800000, /*     mov  w0, #-1 */
    0xb9008160, /*     str  w0, [x11, #GICR_IGROUPR0] */
    0x52a10000, /*     mov  w0, #1 << 27 */
    0x32000000, /*     orr  w0, w0, #1 */
    0xb9010160, /*     str  w0, [x11, #GICR_ISENABLER0] */
    0x52800240, /*     mov  w0, #ARE | EnableGrp1 */
    0xb9000120, /*     str  w0, [x9, #GICD_CTLR] */
    0xd2801fe0, /*     mov  x0, #0xff */
    0xd5184600, /*     msr  ICC_PMR_EL1, x0 */
    0xd2800020, /*     mov  x0, #1 */
    0xd518cce0, /*     msr  ICC_IGRPEN1_EL1, x0 */
    0xd50342ff, /*     msr  DAIFClr, #2 */
    0xd5033fdf, /*     isb */
};
static const uint32_t reads[] = {
    0xb9400520, /* 1:  ldr  w0, [x9, #GICD_TYPER] */
    0xf1000694, /*     subs x20, x20, #1 */
    0x54ffffc1, /*     b.ne 1b */
    0xd4000022, /*     hvc  #1 */
};
static const uint32_t sgis[] = {
    0xd518cba0, /* 1:  msr  ICC_SGI1R_EL1, x0 */
    0xb400000c, /* 2:  cbz  x12, 2b */
    0xd280000c, /*     mov  x12, #0 */
    0xf1000694, /*     subs x20, x20, #1 */
    0x54ffff81, /*     b.ne 1b */
    0xd4000022, /*     hvc  #1 */
};
static const uint32_t timers[] = {
    0xd51be31f, /* 1:  msr  CNTV_TVAL_EL0, xzr */
    0xd51be320, /*     msr  CNTV_CTL_EL0, x0 */
    0xb400000c, /* 2:  cbz  x12, 2b */
    0xd280000c, /*     mov  x12, #0 */
    0xf1000694, /*     subs x20, x20, #1 */
    0x54ffff61, /*     b.ne 1b */
    0xd4000022, /*     hvc  #1 */
};
static const uint32_t on_irq[] = {
    0xd538cc0d, /*     mrs  x13, ICC_IAR1_EL1 */
    0xd51be33f, /*     msr  CNTV_CTL_EL0, xzr */
    0xd5033fdf, /*     isb */
    0xd518cc2d, /*     msr  ICC_EOIR1_EL1, x13 */
    0xd280002c, /*     mov  x12, #1 */
    0xd69f03e0, /*     eret */
};

/* --- The machine around it, where the GIC is the project's ---------------------------------------------------------- */

static void set_irq(void *opaque, unsigned cpu, bool irq, bool fiq)
{
    const struct gic_test *t = opaque;
    (void)cpu;
    if (t->v)
        t->hv->set_irq(t->v, irq, fiq);
}

static void on_timer(void *opaque)
{
    struct gic_test *t = opaque;
    uint64_t ctl = 0;

    t->hv->get_reg(t->v, HV_REG_SYS | SYSENC_CNTV_CTL_EL0, &ctl);
    gic_set_ppi(t->gic, 0, GTIMER_INTID_VIRT, (ctl & CTL_LEVEL_MASK) == CTL_LEVEL);
}

static enum hv_action on_exit(void *opaque, struct hv_exit *x)
{
    struct gic_test *t = opaque;

    switch (x->reason) {
    case HV_EXIT_MMIO_READ:
    case HV_EXIT_MMIO_WRITE:
        x->u.mmio.failed = bus_access(&t->bus, x->u.mmio.gpa, x->u.mmio.size,
                                      x->reason == HV_EXIT_MMIO_WRITE, &x->u.mmio.data) == BUS_NONE;
        break;
    case HV_EXIT_SYSREG:
        x->u.sysreg.failed =
            !t->gic || !(x->u.sysreg.write
                             ? gic_sysreg_write(t->gic, 0, x->u.sysreg.encoding, x->u.sysreg.value)
                             : gic_sysreg_read(t->gic, 0, x->u.sysreg.encoding, &x->u.sysreg.value));
        break;
    case HV_EXIT_TIMER:
        if (t->gic)
            on_timer(t);
        break;
    default: break;
    }
    return HV_CONTINUE;
}

/* --- What does not end ---------------------------------------------------------------------------------------------- */

static void *watch(void *opaque)
{
    struct gic_test *t = opaque;

    pthread_mutex_lock(&t->lock);
    while (!t->stop) {
        os_cond_wait_until(&t->changed, &t->lock, t->limit_ns);
        if (os_now_ns() >= t->limit_ns) {
            t->hv->kick(t->v);
            t->limit_ns = UINT64_MAX;
        }
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

static void set_limit(struct gic_test *t, uint64_t limit_ns, bool stop)
{
    pthread_mutex_lock(&t->lock);
    t->limit_ns = limit_ns;
    t->stop = stop;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

/* --- What is timed -------------------------------------------------------------------------------------------------- */

/* Nanoseconds of a round; 0: it did not come to its end. */
static uint64_t time_guest(struct gic_test *t, const uint32_t *loop, size_t len)
{
    const struct hv_backend *hv = t->hv;
    struct hv_exit x = {.reason = HV_EXIT_ERROR};
    uint64_t left = ROUNDS;

    memcpy(t->host, preamble, sizeof(preamble));
    memcpy(t->host + sizeof(preamble), loop, len);
    memcpy(t->host + VECTORS + 0x280, on_irq, sizeof(on_irq));
    hv->code_changed(t->vm, RAM_BASE, RAM_LEN);
    hv->vcpu_reset(t->v);
    hv->set_reg(t->v, HV_REG_PC, RAM_BASE);
    hv->set_reg(t->v, HV_REG_SYS | SYSENC_VBAR_EL1, RAM_BASE + VECTORS);
    hv->set_reg(t->v, HV_REG_X0 + 9, DIST_BASE);
    hv->set_reg(t->v, HV_REG_X0 + 10, CPU_BASE);
    hv->set_reg(t->v, HV_REG_X0 + 20, ROUNDS);
    const uint64_t start = os_now_ns();
    set_limit(t, start + LIMIT_NS, false);
    hv->run(t->v, &x);
    const uint64_t ns = os_now_ns() - start;
    set_limit(t, UINT64_MAX, false);
    hv->get_reg(t->v, HV_REG_X0 + 20, &left);
    return left ? 0 : ns / ROUNDS;
}

static void time_all(struct gic_test *t, hv_say_fn *say, void *opaque)
{
    static const struct {
        const char *name;
        const uint32_t *words;
        size_t len;
    } guest[] = {
        {"reading a register", reads, sizeof(reads)},
        {"an IPI to itself", sgis, sizeof(sgis)},
        {"a timer interrupt", timers, sizeof(timers)},
    };

    for (unsigned i = 0; i < ARRAY_LEN(guest); i++) {
        char what[64], answer[64] = "does not end";
        const uint64_t ns = time_guest(t, guest[i].words, guest[i].len);
        snprintf(what, sizeof(what), "%s GIC: %s", t->gic ? "own" : "host's", guest[i].name);
        if (ns)
            snprintf(answer, sizeof(answer), "%" PRIu64 " ns", ns);
        say(opaque, what, answer);
    }
}

/* --- Making it ------------------------------------------------------------------------------------------------------ */

static int add_own_gic(struct gic_test *t, const uint64_t *mpidr, struct err *e)
{
    const struct gic_config cfg = {
        .version = 3, .nr_cpus = 1, .mpidr = mpidr, .nr_spis = NR_SPIS, .set_irq = set_irq, .opaque = t};
    int r;

    t->gic = gic_create(&cfg, DIST_BASE, CPU_BASE, e);
    if (!t->gic)
        return -e->code;
    if ((r = bus_add(&t->bus, gic_dist(t->gic), e)))
        return r;
    return bus_add(&t->bus, gic_redist(t->gic), e);
}

static int run_on(struct gic_test *t, const struct hv_vm_config *cfg,
                  const struct hv_vcpu_config *vcpu, hv_say_fn *say, void *opaque, struct err *e)
{
    int r;

    if ((r = t->hv->vm_create(&t->vm, cfg, e)))
        return r;
    if ((r = t->hv->vcpu_create(t->vm, &t->v, vcpu, e)))
        return r;
    if (t->gic)
        t->hv->set_deadline(t->v, UINT64_MAX, on_timer);
    if ((r = pthread_create(&t->watchdog, NULL, watch, t)))
        return err_set(e, r, "cannot start a thread: %s", strerror(r));
    time_all(t, say, opaque);
    set_limit(t, UINT64_MAX, true);
    pthread_join(t->watchdog, NULL);
    return 0;
}

void gic_self_test(const struct hv_backend *hv, hv_say_fn *say, void *opaque)
{
    struct gic_test t = {.hv = hv, .limit_ns = UINT64_MAX};
    struct ram ram;
    const uint64_t mpidr = BIT64(31);
    const struct hv_vm_config cfg = {.ram = &ram,
                                     .nr_vcpus = 1,
                                     .counter_base_ns = os_now_ns() / 1000 * 1000,
                                     .gic = {.version = 3,
                                             .dist_base = DIST_BASE,
                                             .dist_len = 0x10000,
                                             .cpu_base = CPU_BASE,
                                             .cpu_len = 0x20000,
                                             .nr_spis = NR_SPIS},
                                     .pmu_intid = PMU_INTID};
    const struct hv_vcpu_config vcpu = {.mpidr = mpidr, .on_exit = on_exit, .opaque = &t};
    struct hv_caps caps;
    struct err e = {0};
    int r;

    if (hv->probe(&caps, &e) || (caps.irqchip ? !bit(caps.gic_versions, 3) : !caps.vtimer))
        return;
    pthread_mutex_init(&t.lock, NULL);
    os_cond_init(&t.changed);
    bus_init(&t.bus);
    if (!(r = ram_init(&ram, &e)) && !(r = ram_add(&ram, RAM_BASE, RAM_LEN, RAM_KIND_RAM, &e))) {
        t.host = ram_ptr(&ram, RAM_BASE, RAM_LEN, true);
        if (!caps.irqchip)
            r = add_own_gic(&t, &mpidr, &e);
        if (!r)
            r = run_on(&t, &cfg, &vcpu, say, opaque, &e);
    }
    if (r)
        say(opaque, "its GIC", e.text);
    if (t.v && hv->vcpu_retire)
        hv->vcpu_retire(t.v);
    if (t.v)
        hv->vcpu_destroy(t.v);
    if (t.vm)
        hv->vm_destroy(t.vm);
    bus_destroy(&t.bus);
    if (t.gic)
        gic_destroy(t.gic);
    ram_destroy(&ram);
    pthread_mutex_destroy(&t.lock);
    pthread_cond_destroy(&t.changed);
}
