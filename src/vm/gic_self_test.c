/* See vm/gic_self_test.h. The project's GIC is put around the vCPUs as the board and the run loop do it, without what they have beyond it.
 *
 * Threads: vCPU 0 is the caller's; vCPU 1 has one, and a third ends what does not end. */
#include "vm/gic_self_test.h"

#include "arch/sysreg.h"
#include "base/bits.h"
#include "base/err.h"
#include "base/os.h"
#include "dev/gicv3.h"
#include "dev/gtimer.h"
#include "hv/native_self_test.h"
#include "mem/ram.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define LIMIT_NS UINT64_C(20000000000) /* of each guest */
#define DIST_LEN UINT64_C(0x10000)
#define CPU_LEN UINT64_C(0x20000)
#define VECTORS 0x800u
#define CODE(n) (0x1000u * ((n) + 1))
#define NR_SPIS 32u
#define PMU_INTID 23u
#define CTL_LEVEL_MASK 7u /* ENABLE, IMASK, ISTATUS */
#define CTL_LEVEL 5u
#define MAX_CPUS 2u

struct gic_test;

struct test_cpu {
    struct gic_test *t;
    unsigned index;
    struct hv_vcpu *v; /* null: it could not be created */
    bool said;         /* its guest has, by the device */
    _Atomic bool over; /* its guest is to end */
};

struct gic_test {
    const struct hv_backend *hv;
    struct hv_vm *vm;
    unsigned nr_cpus;
    struct test_cpu cpu[MAX_CPUS];
    uint8_t *host;     /* NATIVE_TEST_BASE */
    struct gicv3 *gic; /* null: it is the backend's */
    struct bus bus;
    struct err second_error;

    pthread_t second, watchdog;
    bool has_second, has_watchdog;
    pthread_mutex_t lock; /* over what follows */
    pthread_cond_t changed;
    enum { SECOND_COMES, SECOND_WAITS, SECOND_STARTS, SECOND_ANSWERS } state; /* vCPU 1 */
    uint64_t limit_ns; /* UINT64_MAX: nothing runs */
    bool stop;
};

/* --- The guest ------------------------------------------------------------------------------------------------------ */

/* SGI 0 and PPI 27 of this CPU are enabled, in group 1. x9: distributor, x10: its redistributor, x20: rounds, x21: the CPUs that an SGI goes to,
 * x23: a device, by which it says that it is ready, or done; x0 stays 1. */
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
    0xb90002e0, /*     str  w0, [x23] */
};
static const uint32_t ping[] = {
    0xd518cbb5, /* 1:  msr  ICC_SGI1R_EL1, x21 */
    0xb400000c, /* 2:  cbz  x12, 2b */
    0xd280000c, /*     mov  x12, #0 */
    0xf1000694, /*     subs x20, x20, #1 */
    0x54ffff81, /*     b.ne 1b */
    0xb90002e0, /*     str  w0, [x23] */
};
static const uint32_t pong[] = {
    0xb90002e0, /*     str  w0, [x23] */
    0xb400000c, /* 1:  cbz  x12, 1b */
    0xd280000c, /*     mov  x12, #0 */
    0xd518cbb5, /*     msr  ICC_SGI1R_EL1, x21 */
    0x17fffffd, /*     b    1b */
};
static const uint32_t timers[] = {
    0xd51be31f, /* 1:  msr  CNTV_TVAL_EL0, xzr */
    0xd51be320, /*     msr  CNTV_CTL_EL0, x0 */
    0xb400000c, /* 2:  cbz  x12, 2b */
    0xd280000c, /*     mov  x12, #0 */
    0xf1000694, /*     subs x20, x20, #1 */
    0x54ffff61, /*     b.ne 1b */
    0xb90002e0, /*     str  w0, [x23] */
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

static void set_irq(void *opaque, unsigned index, bool irq, bool fiq)
{
    const struct gic_test *t = opaque;
    if (t->cpu[index].v)
        t->hv->set_irq(t->cpu[index].v, irq, fiq);
}

static void on_timer(void *opaque)
{
    struct test_cpu *c = opaque;
    uint64_t ctl = 0;

    c->t->hv->get_reg(c->v, HV_REG_SYS | SYSENC_CNTV_CTL_EL0, &ctl);
    gic_set_ppi(c->t->gic, c->index, GTIMER_INTID_VIRT, (ctl & CTL_LEVEL_MASK) == CTL_LEVEL);
}

static bool access_sysreg(const struct test_cpu *c, struct hv_exit *x)
{
    struct gicv3 *gic = c->t->gic;

    if (!gic)
        return false;
    return x->u.sysreg.write
               ? gic_sysreg_write(gic, c->index, x->u.sysreg.encoding, x->u.sysreg.value)
               : gic_sysreg_read(gic, c->index, x->u.sysreg.encoding, &x->u.sysreg.value);
}

static enum hv_action on_exit(void *opaque, struct hv_exit *x)
{
    struct test_cpu *c = opaque;

    switch (x->reason) {
    case HV_EXIT_MMIO_READ:
    case HV_EXIT_MMIO_WRITE:
        c->said = x->u.mmio.gpa == NATIVE_TEST_DEVICE;
        if (c->said)
            return HV_STOP;
        x->u.mmio.failed = bus_access_by(&c->t->bus, c->index, x->u.mmio.gpa, x->u.mmio.size,
                                         x->reason == HV_EXIT_MMIO_WRITE, &x->u.mmio.data) == BUS_NONE;
        break;
    case HV_EXIT_SYSREG: x->u.sysreg.failed = !access_sysreg(c, x); break;
    case HV_EXIT_TIMER:
        if (c->t->gic)
            on_timer(c);
        break;
    default: break;
    }
    return HV_CONTINUE;
}

/* --- A vCPU, by its thread ------------------------------------------------------------------------------------------ */

static int create(struct gic_test *t, unsigned index, struct err *e)
{
    struct test_cpu *c = &t->cpu[index];
    const struct hv_vcpu_config cfg = {
        .index = index, .mpidr = BIT64(31) | index, .on_exit = on_exit, .opaque = c};
    const int r = t->hv->vcpu_create(t->vm, &c->v, &cfg, e);

    if (r)
        c->v = NULL;
    else if (t->gic)
        t->hv->set_deadline(c->v, UINT64_MAX, on_timer);
    return r;
}

static void retire(struct test_cpu *c)
{
    if (c->v && c->t->hv->vcpu_retire)
        c->t->hv->vcpu_retire(c->v);
}

static void place(struct gic_test *t, unsigned index, const uint32_t *loop, size_t len)
{
    uint8_t *code = t->host + CODE(index);

    memcpy(code, preamble, sizeof(preamble));
    memcpy(code + sizeof(preamble), loop, len);
    memcpy(t->host + VECTORS + 0x280, on_irq, sizeof(on_irq));
    t->hv->code_changed(t->vm, NATIVE_TEST_BASE, NATIVE_TEST_LEN);
}

static void prepare(struct test_cpu *c, unsigned target, uint64_t rounds)
{
    const struct hv_backend *hv = c->t->hv;

    hv->vcpu_reset(c->v);
    hv->set_reg(c->v, HV_REG_PC, NATIVE_TEST_BASE + CODE(c->index));
    hv->set_reg(c->v, HV_REG_SYS | SYSENC_VBAR_EL1, NATIVE_TEST_BASE + VECTORS);
    hv->set_reg(c->v, HV_REG_X0 + 9, NATIVE_TEST_GIC_DIST);
    hv->set_reg(c->v, HV_REG_X0 + 10, NATIVE_TEST_GIC_CPU + c->index * CPU_LEN);
    hv->set_reg(c->v, HV_REG_X0 + 20, rounds);
    hv->set_reg(c->v, HV_REG_X0 + 21, BIT64(target));
    hv->set_reg(c->v, HV_REG_X0 + 23, NATIVE_TEST_DEVICE);
}

/* Until its guest has said something; an interrupt ends a run as a kick does, on some backends. False: it is over before. */
static bool run(struct test_cpu *c)
{
    struct hv_exit x;

    c->said = false;
    do
        c->t->hv->run(c->v, &x);
    while (x.reason == HV_EXIT_CANCEL && !c->said && !atomic_load(&c->over));
    return c->said;
}

static void set_state_locked(struct gic_test *t, int state)
{
    t->state = state;
    pthread_cond_broadcast(&t->changed);
}

/* vCPU 1 answers, when it is asked to and has said that it is ready, until it is kicked. */
static void *second_cpu(void *opaque)
{
    struct gic_test *t = opaque;
    struct test_cpu *c = &t->cpu[1];
    const int r = create(t, 1, &t->second_error);

    pthread_mutex_lock(&t->lock);
    set_state_locked(t, SECOND_WAITS);
    while (!t->stop) {
        const int state = t->state;
        if (r || state == SECOND_WAITS) {
            pthread_cond_wait(&t->changed, &t->lock);
            continue;
        }
        pthread_mutex_unlock(&t->lock);
        if (state == SECOND_STARTS)
            prepare(c, 0, 0);
        const bool ready = run(c);
        pthread_mutex_lock(&t->lock);
        set_state_locked(t, ready ? SECOND_ANSWERS : SECOND_WAITS);
    }
    pthread_mutex_unlock(&t->lock);
    retire(c);
    return NULL;
}

/* --- What does not end ---------------------------------------------------------------------------------------------- */

static void end_guest(struct test_cpu *c)
{
    atomic_store(&c->over, true);
    c->t->hv->kick(c->v);
}

static void *watch(void *opaque)
{
    struct gic_test *t = opaque;

    pthread_mutex_lock(&t->lock);
    while (!t->stop) {
        os_cond_wait_until(&t->changed, &t->lock, t->limit_ns);
        if (os_now_ns() >= t->limit_ns) {
            for (unsigned i = 0; i < t->nr_cpus; i++)
                if (t->cpu[i].v)
                    end_guest(&t->cpu[i]);
            t->limit_ns = UINT64_MAX;
        }
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

static void set_limit(struct gic_test *t, uint64_t limit_ns)
{
    pthread_mutex_lock(&t->lock);
    t->limit_ns = limit_ns;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

/* --- What is timed -------------------------------------------------------------------------------------------------- */

/* vCPU 1 into its guest, where it waits for an interrupt. False: it does not come to that. */
static bool start_second(struct gic_test *t)
{
    place(t, 1, pong, sizeof(pong));
    atomic_store(&t->cpu[1].over, false);
    pthread_mutex_lock(&t->lock);
    set_state_locked(t, SECOND_STARTS);
    while (t->state == SECOND_STARTS)
        pthread_cond_wait(&t->changed, &t->lock);
    const bool ready = t->state == SECOND_ANSWERS;
    pthread_mutex_unlock(&t->lock);
    return ready;
}

static void end_second(struct gic_test *t)
{
    end_guest(&t->cpu[1]);
    pthread_mutex_lock(&t->lock);
    while (t->state != SECOND_WAITS)
        pthread_cond_wait(&t->changed, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

/* Nanoseconds; 0: it did not come to its end. target: the CPU that an SGI goes to. */
static uint64_t time_guest(struct gic_test *t, const uint32_t *loop, size_t len, unsigned target,
                           uint64_t rounds)
{
    struct test_cpu *c = &t->cpu[0];
    uint64_t ns = 0;

    place(t, 0, loop, len);
    atomic_store(&c->over, false);
    set_limit(t, os_now_ns() + LIMIT_NS);
    if (!target || start_second(t)) {
        prepare(c, target, rounds);
        const uint64_t start = os_now_ns();
        ns = run(c) ? os_now_ns() - start : 0;
    }
    set_limit(t, UINT64_MAX);
    if (target)
        end_second(t);
    return ns;
}

static void time_all(struct gic_test *t, hv_say_fn *say, void *opaque)
{
    static const struct {
        const char *name;
        const uint32_t *words;
        size_t len;
        unsigned target;
        unsigned rounds, times; /* times: in each */
    } guest[] = {
        {"reading a register", reads, sizeof(reads), 0, 2000, 1},
        {"an IPI to itself", ping, sizeof(ping), 0, 2000, 1},
        {"an IPI to another", ping, sizeof(ping), 1, 100, 2},
        {"a timer interrupt", timers, sizeof(timers), 0, 2000, 1},
    };

    for (unsigned i = 0; i < ARRAY_LEN(guest); i++) {
        char what[64], answer[64] = "does not end";
        if (guest[i].target >= t->nr_cpus)
            continue;
        const uint64_t ns =
            time_guest(t, guest[i].words, guest[i].len, guest[i].target, guest[i].rounds);
        snprintf(what, sizeof(what), "%s GIC: %s", t->gic ? "own" : "host's", guest[i].name);
        if (ns)
            snprintf(answer, sizeof(answer), "%" PRIu64 " ns", ns / guest[i].rounds / guest[i].times);
        say(opaque, what, answer);
    }
}

/* --- Making it ------------------------------------------------------------------------------------------------------ */

static int add_own_gic(struct gic_test *t, struct err *e)
{
    const uint64_t mpidr[MAX_CPUS] = {BIT64(31), BIT64(31) | 1};
    const struct gic_config cfg = {.version = 3,
                                   .nr_cpus = t->nr_cpus,
                                   .mpidr = mpidr,
                                   .nr_spis = NR_SPIS,
                                   .set_irq = set_irq,
                                   .opaque = t};
    int r;

    t->gic = gic_create(&cfg, NATIVE_TEST_GIC_DIST, NATIVE_TEST_GIC_CPU, e);
    if (!t->gic)
        return -e->code;
    if ((r = bus_add(&t->bus, gic_dist(t->gic), e)))
        return r;
    return bus_add(&t->bus, gic_redist(t->gic), e);
}

static int start_thread(pthread_t *thread, bool *has, void *(*fn)(void *), struct gic_test *t,
                        struct err *e)
{
    const int r = pthread_create(thread, NULL, fn, t);

    *has = !r;
    return r ? err_set(e, r, "cannot start a thread: %s", strerror(r)) : 0;
}

/* vCPU 0, then vCPU 1: the backend's CPUs are numbered as they come. */
static int create_all(struct gic_test *t, struct err *e)
{
    int r;

    if ((r = create(t, 0, e)) || (r = start_thread(&t->watchdog, &t->has_watchdog, watch, t, e)))
        return r;
    if (t->nr_cpus == 1)
        return 0;
    if ((r = start_thread(&t->second, &t->has_second, second_cpu, t, e)))
        return r;
    pthread_mutex_lock(&t->lock);
    while (t->state == SECOND_COMES)
        pthread_cond_wait(&t->changed, &t->lock);
    pthread_mutex_unlock(&t->lock);
    if (t->cpu[1].v)
        return 0;
    *e = t->second_error;
    return -e->code;
}

static void destroy(struct gic_test *t)
{
    pthread_mutex_lock(&t->lock);
    t->stop = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    if (t->has_second)
        pthread_join(t->second, NULL);
    if (t->has_watchdog)
        pthread_join(t->watchdog, NULL);
    retire(&t->cpu[0]);
    for (unsigned i = 0; i < t->nr_cpus; i++)
        if (t->cpu[i].v)
            t->hv->vcpu_destroy(t->cpu[i].v);
    if (t->vm)
        t->hv->vm_destroy(t->vm);
    bus_destroy(&t->bus);
    if (t->gic)
        gic_destroy(t->gic);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->changed);
}

static int run_all(struct gic_test *t, struct ram *ram, hv_say_fn *say, void *opaque, struct err *e)
{
    const struct hv_vm_config cfg = {.ram = ram,
                                     .nr_vcpus = t->nr_cpus,
                                     .counter_base_ns = os_now_ns() / 1000 * 1000,
                                     .gic = {.version = 3,
                                             .dist_base = NATIVE_TEST_GIC_DIST,
                                             .dist_len = DIST_LEN,
                                             .cpu_base = NATIVE_TEST_GIC_CPU,
                                             .cpu_len = CPU_LEN,
                                             .nr_spis = NR_SPIS},
                                     .pmu_intid = PMU_INTID};
    int r;

    if ((r = ram_add(ram, NATIVE_TEST_BASE, NATIVE_TEST_LEN, RAM_KIND_RAM, e)))
        return r;
    t->host = ram_ptr(ram, NATIVE_TEST_BASE, NATIVE_TEST_LEN, true);
    if ((r = t->hv->vm_create(&t->vm, &cfg, e)) || (r = create_all(t, e)))
        return r;
    time_all(t, say, opaque);
    return 0;
}

void gic_self_test(const struct hv_backend *hv, hv_say_fn *say, void *opaque)
{
    struct gic_test t = {.hv = hv, .limit_ns = UINT64_MAX};
    struct ram ram;
    struct hv_caps caps;
    struct err e = {0};

    if (hv->probe(&caps, &e) || (caps.irqchip ? !bit(caps.gic_versions, 3) : !caps.vtimer))
        return;
    /* Where PSCI is the backend's, the guest would have to switch the other on. */
    t.nr_cpus = caps.psci || caps.max_vcpus < MAX_CPUS ? 1 : MAX_CPUS;
    for (unsigned i = 0; i < MAX_CPUS; i++)
        t.cpu[i] = (struct test_cpu){.t = &t, .index = i};
    pthread_mutex_init(&t.lock, NULL);
    os_cond_init(&t.changed);
    bus_init(&t.bus);
    if (ram_init(&ram, &e) || (!caps.irqchip && add_own_gic(&t, &e)) ||
        run_all(&t, &ram, say, opaque, &e))
        say(opaque, "its GIC", e.text);
    destroy(&t);
    ram_destroy(&ram);
}
