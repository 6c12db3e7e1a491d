/* What this host's KVM brings, and small guests that try what no kernel under tests/kernels can see: what is recorded of the guest's stores, breakpoints, steps.
 * Main thread, while there is no VM. */
#ifdef __aarch64__
#include "hv/kvm/kvm_internal.h"

#include "arch/sysreg.h"
#include "base/bits.h"
#include "base/err.h"
#include "base/os.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define BASE UINT64_C(0x40000000)
#define LEN (1u << 20)
#define VECTORS 0x800u
#define DEVICE UINT64_C(0x09000000)
#define GIC_DIST UINT64_C(0x08000000)
#define GIC_CPU UINT64_C(0x08100000)
#define EXITS 2000u /* that are timed */

#define NOP 0xd503201fu
#define STORE_DEVICE 0xb9000020u /* str w0, [x1] */
#define STORE_X3 0xf9000060u     /* str x0, [x3] */
#define STORE_X4 0xf9000080u     /* str x0, [x4] */
#define READ_DAIF 0xd53b4225u    /* mrs x5, DAIF */
#define CLEAR_DAIF 0xd50341ffu   /* msr DAIFClr, #1 */
#define SVC 0xd4000001u
#define WFI 0xd503207fu
#define BRK 0xd4200000u
#define BACK 0x17ffffffu /* b .-4 */

struct test {
    hv_say_fn *say;
    void *opaque;
    struct ram ram;
    struct hv_vm *vm;
    struct hv_vcpu *v;
    unsigned nr_exits, stop_at;
};

static void __attribute__((format(printf, 3, 4)))
answer(struct test *t, const char *what, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    t->say(t->opaque, what, text);
}

static void tell_host(struct test *t, const struct hv_caps *caps)
{
    const int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    struct utsname host = {0};

    uname(&host);
    answer(t, "Linux", "%s", host.release);
    answer(t, "vCPUs at most", "%u", caps->max_vcpus);
    answer(t, "guest address bits", "%u", caps->address_bits);
    answer(t, "GIC", "%s%s", bit(caps->gic_versions, 2) ? "2 " : "",
           bit(caps->gic_versions, 3) ? "3" : "");
    if (fd < 0)
        return;
    answer(t, "for guests", "%s%s%s", caps->pmu ? "PMU " : "", kvm_has(fd, KVM_CAP_ARM_SVE) ? "SVE " : "",
           kvm_has(fd, KVM_CAP_ARM_PTRAUTH_ADDRESS) ? "pointer authentication" : "");
    answer(t, "statistics of its own", "%s", kvm_has(fd, KVM_CAP_BINARY_STATS_FD) ? "yes" : "no");
    answer(t, "breakpoints, watchpoints", "%d, %d",
           kvm_ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_DEBUG_HW_BPS),
           kvm_ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_DEBUG_HW_WPS));
    close(fd);
}

/* --- A guest -------------------------------------------------------------------------------------------------------- */

static enum hv_action on_exit(void *opaque, struct hv_exit *exit)
{
    struct test *t = opaque;

    (void)exit;
    return ++t->nr_exits >= t->stop_at ? HV_STOP : HV_CONTINUE;
}

static void set(struct test *t, unsigned reg, uint64_t val)
{
    kvm_set_reg(t->v, reg, val);
}

static uint64_t get(struct test *t, unsigned reg)
{
    uint64_t val = 0;
    kvm_get_reg(t->v, reg, &val);
    return val;
}

/* These instructions, from the start of memory, with no interrupt masked; the device's exit number stop_at ends it. */
static void prepare(struct test *t, const uint32_t *words, size_t len, unsigned stop_at)
{
    memcpy(t->ram.region[0].host, words, len);
    __builtin___clear_cache((char *)t->ram.region[0].host, (char *)t->ram.region[0].host + len);
    t->nr_exits = 0;
    t->stop_at = stop_at;
    set(t, HV_REG_PC, BASE);
    set(t, HV_REG_PSTATE, 5); /* EL1h */
    set(t, HV_REG_SYS | SYSENC_VBAR_EL1, BASE + VECTORS);
    set(t, HV_REG_X0 + 1, DEVICE);
    set(t, HV_REG_X0 + 3, BASE + 2 * os_page_size());
    set(t, HV_REG_X0 + 4, BASE + 5 * os_page_size());
}

static const char *what_stopped(const struct hv_exit *x)
{
    static const char *const cause[] = {
        [DEBUG_CAUSE_STEP] = "step", [DEBUG_CAUSE_BREAK] = "breakpoint", [DEBUG_CAUSE_WATCH] = "watchpoint"};

    if (x->reason == HV_EXIT_CANCEL)
        return "end";
    return x->reason == HV_EXIT_DEBUG ? cause[x->u.debug.cause] : "error";
}

static uint64_t at(struct test *t)
{
    return get(t, HV_REG_PC) - BASE;
}

/* --- What is tried -------------------------------------------------------------------------------------------------- */

static void try_exits(struct test *t)
{
    static const uint32_t code[] = {STORE_DEVICE, BACK};
    struct hv_exit x;

    prepare(t, code, sizeof(code), EXITS);
    const uint64_t start = os_now_ns();
    kvm_vcpu_run(t->v, &x);
    answer(t, "a store to a device and back", "%" PRIu64 " ns", (os_now_ns() - start) / EXITS);
}

static void try_dirty(struct test *t)
{
    static const uint32_t code[] = {STORE_X3, STORE_X4, STORE_DEVICE};
    uint64_t first[LEN / 4096 / 64 + 1] = {0}, second[ARRAY_LEN(first)] = {0};
    struct hv_exit x;
    struct err e = {0};

    if (hv_kvm.track_dirty(t->vm, true, &e)) {
        answer(t, "pages that the guest writes", "%s", e.text);
        return;
    }
    prepare(t, code, sizeof(code), 1);
    kvm_vcpu_run(t->v, &x);
    hv_kvm.get_dirty(t->vm, 0, first, &e);
    hv_kvm.get_dirty(t->vm, 0, second, &e);
    hv_kvm.track_dirty(t->vm, false, &e);
    answer(t, "pages that the guest writes", "%" PRIx64 ", then %" PRIx64 "%s", first[0], second[0],
           e.text);
}

static void try_points(struct test *t)
{
    static const uint32_t code[] = {NOP, NOP, STORE_X3, NOP, STORE_DEVICE};
    const struct debug_point point[] = {
        {.kind = DEBUG_BREAK, .addr = BASE + 4},
        {.kind = DEBUG_WATCH, .write = true, .addr = BASE + 2 * os_page_size() + 4, .len = 4},
    };
    struct hv_exit x;
    struct err e = {0};

    prepare(t, code, sizeof(code), 1);
    if (kvm_set_debug(t->v, &(struct debug_points){.nr = 2, .point = point}, &e)) {
        answer(t, "a breakpoint", "%s", e.text);
        return;
    }
    kvm_vcpu_run(t->v, &x);
    answer(t, "a breakpoint", "%s at +%" PRIx64, what_stopped(&x), at(t));
    kvm_vcpu_run(t->v, &x);
    answer(t, "a watchpoint", "%s at +%" PRIx64 ", %s, %" PRIx64, what_stopped(&x), at(t),
           x.u.debug.write ? "store" : "load", x.u.debug.addr - BASE - 2 * os_page_size());
    kvm_vcpu_run(t->v, &x);
    answer(t, "and passed", "%s at +%" PRIx64, what_stopped(&x), at(t));
    kvm_set_debug(t->v, &(struct debug_points){0}, &e);
}

/* Steps mask interrupts, and nobody sees it. */
static void try_steps(struct test *t)
{
    static const uint32_t code[] = {READ_DAIF, CLEAR_DAIF, STORE_DEVICE, SVC, BRK, WFI};
    char text[200];
    size_t len = 0;
    struct hv_exit x;

    prepare(t, code, sizeof(code), UINT32_MAX);
    set(t, HV_REG_PSTATE, 0x45); /* F masked */
    kvm_set_step(t->v, true);
    for (unsigned i = 0; i < 4; i++) {
        kvm_vcpu_run(t->v, &x);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s +%" PRIx64 " %" PRIx64,
                                i ? ", " : "", what_stopped(&x), at(t), get(t, HV_REG_PSTATE) & 0x3cf);
    }
    answer(t, "steps", "%s; DAIF was %" PRIx64 ", SPSR_EL1 is %" PRIx64 ", %u exit", text,
           get(t, HV_REG_X0 + 5), get(t, HV_REG_SYS | SYSENC_SPSR_EL1) & 0x3cf, t->nr_exits);
    set(t, HV_REG_PC, BASE + 16);
    kvm_vcpu_run(t->v, &x);
    answer(t, "a step over BRK", "%s +%" PRIx64 ", ESR_EL1 %" PRIx64, what_stopped(&x), at(t),
           get(t, HV_REG_SYS | SYSENC_ESR_EL1));
    set(t, HV_REG_PC, BASE + 20);
    kvm_vcpu_run(t->v, &x);
    answer(t, "a step over WFI", "%s +%" PRIx64, what_stopped(&x), at(t));
    kvm_set_step(t->v, false);
}

static int make_guest(struct test *t, const struct hv_caps *caps, struct err *e)
{
    const struct hv_vm_config cfg = {
        .ram = &t->ram,
        .nr_vcpus = 1,
        .gic = {.version = bit(caps->gic_versions, 3) ? 3 : 2,
                .dist_base = GIC_DIST,
                .cpu_base = GIC_CPU,
                .nr_spis = 32},
        .pmu_intid = 23,
    };
    const struct hv_vcpu_config vcpu = {.on_exit = on_exit, .opaque = t};
    int r;

    if ((r = ram_init(&t->ram, e)) || (r = ram_add(&t->ram, BASE, LEN, RAM_KIND_RAM, e)) ||
        (r = hv_kvm.vm_create(&t->vm, &cfg, e)))
        return r;
    return kvm_vcpu_create(t->vm, &t->v, &vcpu, e);
}

void kvm_self_test(hv_say_fn *say, void *opaque)
{
    struct test t = {.say = say, .opaque = opaque};
    struct hv_caps caps;
    struct err e = {0};

    if (hv_kvm.probe(&caps, &e))
        return;
    tell_host(&t, &caps);
    if (make_guest(&t, &caps, &e)) {
        answer(&t, "a small guest", "%s", e.text);
    } else {
        try_exits(&t);
        try_dirty(&t);
        try_points(&t);
        try_steps(&t);
    }
    if (t.v)
        kvm_vcpu_destroy(t.v);
    if (t.vm)
        hv_kvm.vm_destroy(t.vm);
    ram_destroy(&t.ram);
}
#endif
