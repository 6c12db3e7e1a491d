/* What Hypervisor.framework leaves undocumented, asked of it: small guests on one vCPU of the backend's, and what came of them. A user with a Mac
 * can so tell us what we could not try. Main thread, while there is no VM. */
#include "arch/sysreg.h"
#include "base/bits.h"
#include "base/err.h"
#include "base/os.h"
#include "hv/hvf/hvf_internal.h"
#include "hv/native_self_test.h"

#include <inttypes.h>
#include <libkern/OSCacheControl.h>
#include <mach/mach_time.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysctl.h>
#include <unistd.h>

#define BASE NATIVE_TEST_BASE
#define LEN NATIVE_TEST_LEN
#define VECTORS 0x8000u
#define DEVICE NATIVE_TEST_DEVICE
#define EXITS 20000u /* that are timed */
#define LIMIT_NS UINT64_C(1000000000)

#define HVC(n) (0xd4000002u | (n) << 5)
#define SMC 0xd4000003u
#define WFI 0xd503207fu
#define WFE 0xd503205fu
#define BACK 0x17ffffffu    /* b .-4 */
#define UNMASK 0xd50342ffu  /* msr DAIFClr, #2 */
#define STORE 0xb9000020u   /* str w0, [x1] */
#define LOAD 0xb9400020u    /* ldr w0, [x1] */
#define LOAD_64 0xf9400020u /* ldr x0, [x1] */
#define MRS(enc, rt) (0xd5200000u | (uint32_t)((enc)&0x7fff) << 5 | 1u << 20 | (rt))
/* The immediate of the HVC that is reached in the end, or in a vector. */
enum { AT_END = 1, AT_SYNC, AT_IRQ };

struct test {
    hv_say_fn *say;
    void *opaque;
    struct hv_vcpu *v;
    uint8_t *host;
    uint32_t at; /* where the guest is; each at another place than the one before */
    char text[4096];
};

static void __attribute__((format(printf, 3, 4)))
answer(struct test *t, const char *what, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(t->text, sizeof(t->text), fmt, ap);
    va_end(ap);
    t->say(t->opaque, what, t->text);
}

/* --- The host ------------------------------------------------------------------------------------------------------- */

static void tell_system(struct test *t, const char *what, const char *name)
{
    char val[128] = "";
    size_t len = sizeof(val) - 1;
    answer(t, what, "%s", sysctlbyname(name, val, &len, NULL, 0) ? "unknown" : val);
}

static void tell_host(struct test *t)
{
    mach_timebase_info_data_t base;
    uint32_t normal = 0, max = 0, vcpus = 0;

    tell_system(t, "macOS", "kern.osproductversion");
    tell_system(t, "model", "hw.model");
    tell_system(t, "processor", "machdep.cpu.brand_string");
    hv_vm_get_max_vcpu_count(&vcpus);
    hv_vm_config_get_default_ipa_size(&normal);
    hv_vm_config_get_max_ipa_size(&max);
    answer(t, "vCPUs at most", "%u", vcpus);
    answer(t, "guest address bits", "%u, at most %u", normal, max);
    mach_timebase_info(&base);
    answer(t, "host time", "%u/%u ns a tick, CNTFRQ_EL0 %" PRIu64, base.numer, base.denom,
           hvf_host_cntfrq());
}

/* --- Before the backend does anything ------------------------------------------------------------------------------- */

static void try_map(struct test *t, const char *what, void *host, hv_ipa_t ipa, size_t len)
{
    const hv_return_t r =
        host == MAP_FAILED
            ? HV_ERROR
            : hv_vm_map(host, ipa, len, HV_MEMORY_READ | HV_MEMORY_WRITE | HV_MEMORY_EXEC);
    answer(t, what, "%s (0x%08x)", hvf_error_text(r), (unsigned)r);
}

static void *map_descriptor(int fd)
{
    return fd < 0 || ftruncate(fd, HVF_PAGE_SIZE)
               ? MAP_FAILED
               : mmap(NULL, HVF_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static void tell_fresh_vcpu(struct test *t)
{
    static const struct {
        const char *name;
        uint16_t encoding;
    } reg[] = {
        {"SCTLR_EL1", SYSENC_SCTLR_EL1},
        {"MPIDR_EL1", SYSENC_MPIDR_EL1},
        {"MIDR_EL1", SYSENC_MIDR_EL1},
        {"ID_AA64PFR0_EL1", SYSENC_ID_AA64PFR0_EL1},
        {"ID_AA64PFR1_EL1", SYSENC_ID_AA64PFR1_EL1},
        {"ID_AA64DFR0_EL1", SYSENC_ID_AA64DFR0_EL1},
        {"ID_AA64ISAR0_EL1", SYSENC_ID_AA64ISAR0_EL1},
        {"ID_AA64ISAR1_EL1", SYSENC_ID_AA64ISAR1_EL1},
        {"ID_AA64MMFR0_EL1", SYSENC_ID_AA64MMFR0_EL1},
        {"ID_AA64MMFR1_EL1", SYSENC_ID_AA64MMFR1_EL1},
        {"ID_AA64MMFR2_EL1", SYSENC_ID_AA64MMFR2_EL1},
    };
    hv_vcpu_t id;
    hv_vcpu_exit_t *exit;
    uint64_t val = 0;

    if (hv_vcpu_create(&id, &exit, NULL))
        return;
    hv_vcpu_get_reg(id, HV_REG_CPSR, &val);
    answer(t, "new vCPU: CPSR", "0x%" PRIx64, val);
    for (unsigned i = 0; i < ARRAY_LEN(reg); i++) {
        char what[64];
        val = 0;
        const hv_return_t r = hv_vcpu_get_sys_reg(id, (hv_sys_reg_t)reg[i].encoding, &val);
        snprintf(what, sizeof(what), "new vCPU: %s", reg[i].name);
        if (r)
            answer(t, what, "%s", hvf_error_text(r));
        else
            answer(t, what, "0x%" PRIx64, val);
    }
    hv_vcpu_destroy(id);
}

static void tell_raw(struct test *t)
{
    FILE *file = tmpfile();
    const int shm = os_shm_create("self-test", HVF_PAGE_SIZE, NULL);
    void *of_file = map_descriptor(file ? fileno(file) : -1), *of_shm = map_descriptor(shm),
         *anonymous =
             mmap(NULL, 2 * HVF_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);

    if (!hv_vm_create(NULL)) {
        try_map(t, "hv_vm_map of a file", of_file, BASE, HVF_PAGE_SIZE);
        try_map(t, "hv_vm_map of shared memory", of_shm, BASE + HVF_PAGE_SIZE, HVF_PAGE_SIZE);
        try_map(t, "hv_vm_map at 4 KiB",
                anonymous == MAP_FAILED ? anonymous : (uint8_t *)anonymous + 4096,
                BASE + 2 * HVF_PAGE_SIZE + 4096, 4096);
        tell_fresh_vcpu(t);
        hv_vm_destroy();
    }
    if (of_file != MAP_FAILED)
        munmap(of_file, HVF_PAGE_SIZE);
    if (of_shm != MAP_FAILED)
        munmap(of_shm, HVF_PAGE_SIZE);
    if (anonymous != MAP_FAILED)
        munmap(anonymous, 2 * HVF_PAGE_SIZE);
    if (shm >= 0)
        close(shm);
    if (file)
        fclose(file);
}

/* --- Small guests --------------------------------------------------------------------------------------------------- */

static void place(struct test *t, const uint32_t *words, unsigned nr)
{
    t->at ^= 0x1000;
    memcpy(t->host + t->at, words, nr * sizeof(words[0]));
    sys_icache_invalidate(t->host, LEN);
    hvf_set(t->v, HV_REG_CPSR, PSR_DAIF | 1u << PSR_EL_SHIFT | PSR_SP);
    hvf_set(t->v, FRAMEWORK_REG_PC, BASE + t->at);
}

/* Whatever happens it comes back, after a second at the latest. -1: not by an exception. */
static int run(struct test *t)
{
    hvf_alarm_set(&t->v->vm->alarm, t->v, os_now_ns() + LIMIT_NS);
    atomic_store(&t->v->in_guest, true);
    const hv_return_t r = hv_vcpu_run(t->v->id);
    atomic_store(&t->v->in_guest, false);
    hvf_alarm_set(&t->v->vm->alarm, t->v, UINT64_MAX);
    if (r || t->v->exit->reason != HV_EXIT_REASON_EXCEPTION)
        return -1;
    return (int)esr_class(t->v->exit->exception.syndrome);
}

static int run_words(struct test *t, const uint32_t *words, unsigned nr)
{
    place(t, words, nr);
    return run(t);
}

static unsigned call_imm(const struct test *t)
{
    return esr_iss(t->v->exit->exception.syndrome) & 0xffff;
}

static void tell_instruction(struct test *t, const char *what, uint32_t word)
{
    const uint32_t words[] = {word, HVC(AT_END)};
    const uint64_t start = os_now_ns();
    const int ec = run_words(t, words, ARRAY_LEN(words));
    const uint64_t ns = os_now_ns() - start;
    const int64_t moved = (int64_t)(hvf_get(t->v, FRAMEWORK_REG_PC) - BASE - t->at);

    if (ec == EC_HVC64 && call_imm(t) == AT_END)
        answer(t, what, "does not exit; %" PRIu64 " ns to the next exit", ns);
    else if (ec == EC_HVC64 && call_imm(t) == AT_SYNC)
        answer(t, what, "is an exception in the guest, ESR_EL1 0x%" PRIx64,
               hvf_get_sys(t->v, SYSENC_ESR_EL1));
    else if (t->v->exit->reason == HV_EXIT_REASON_CANCELED)
        answer(t, what, "neither ends nor exits within a second");
    else
        answer(t, what, "exits, reason %u, syndrome 0x%" PRIx64 ", PC %+" PRId64,
               t->v->exit->reason, t->v->exit->exception.syndrome, moved);
}

static void tell_counter(struct test *t)
{
    const uint32_t words[] = {MRS(SYSENC_CNTFRQ_EL0, 0), MRS(SYSENC_CNTVCT_EL0, 1), HVC(AT_END)};

    run_words(t, words, ARRAY_LEN(words));
    const uint64_t now = mach_absolute_time() - t->v->vtimer_offset;
    answer(t, "guest CNTFRQ_EL0", "%" PRIu64, hvf_get_x(t->v, 0));
    answer(t, "guest CNTVCT_EL0", "%" PRIu64 ", soon after it is %" PRIu64 " by the host's time",
           hvf_get_x(t->v, 1), now);
}

static void tell_timer(struct test *t)
{
    const uint32_t words[] = {HVC(AT_END), BACK};
    bool masked = false;

    hvf_set_sys(t->v, SYSENC_CNTV_CVAL_EL0, 0);
    hvf_set_sys(t->v, SYSENC_CNTV_CTL_EL0, 1);
    run_words(t, words, ARRAY_LEN(words));
    const unsigned first = t->v->exit->reason;
    hv_vcpu_get_vtimer_mask(t->v->id, &masked);
    run(t);
    answer(t, "virtual timer", "reason %u, %s, then reason %u", first,
           masked ? "masked" : "not masked", t->v->exit->reason);
    hvf_set_sys(t->v, SYSENC_CNTV_CTL_EL0, 0);
    hv_vcpu_set_vtimer_mask(t->v->id, false);
}

static void tell_cancel(struct test *t)
{
    const uint32_t words[] = {HVC(AT_END), BACK};

    place(t, words, ARRAY_LEN(words));
    hv_vcpus_exit(&t->v->id, 1);
    run(t);
    const unsigned first = t->v->exit->reason;
    run(t);
    answer(t, "hv_vcpus_exit before a run", "reason %u, then reason %u", first, t->v->exit->reason);
}

static void tell_pending(struct test *t)
{
    const uint32_t words[] = {HVC(0), UNMASK, HVC(AT_END)};

    place(t, words, ARRAY_LEN(words));
    hv_vcpu_set_pending_interrupt(t->v->id, HV_INTERRUPT_TYPE_IRQ, true);
    run(t);
    run(t);
    answer(t, "a pending interrupt", "%s",
           call_imm(t) == AT_IRQ ? "stays pending over an exit" : "is forgotten at an exit");
}

/* Which reads of system registers exit, and which are undefined in the guest: of those that the register table has. */
static void tell_registers(struct test *t)
{
    char trapped[sizeof(t->text)] = "", undefined[sizeof(t->text)] = "";

    for (unsigned i = 0; i < sysreg_table_len; i++) {
        const struct sysreg_desc *d = &sysreg_table[i];
        const uint32_t words[] = {MRS(d->encoding, 0), HVC(AT_END)};
        if (d->read_el > 1)
            continue;
        const int ec = run_words(t, words, ARRAY_LEN(words));
        char *list = ec == EC_SYSREG                            ? trapped
                     : ec == EC_HVC64 && call_imm(t) == AT_SYNC ? undefined
                                                                : NULL;
        if (!list)
            continue;
        const size_t len = strlen(list);
        snprintf(list + len, sizeof(trapped) - len, "%s%s", len ? " " : "", d->name);
    }
    answer(t, "registers whose reads exit", "%s", trapped);
    answer(t, "registers that are UNDEFINED", "%s", undefined);
}

static void tell_speed(struct test *t, const char *what, uint32_t word)
{
    const uint32_t words[] = {word, BACK};
    const bool moves = word != HVC(0);

    place(t, words, ARRAY_LEN(words));
    hvf_set_x(t->v, 1, DEVICE);
    const uint64_t start = os_now_ns();
    for (unsigned i = 0; i < EXITS; i++) {
        hv_vcpu_run(t->v->id);
        if (moves)
            hvf_set(t->v, FRAMEWORK_REG_PC, BASE + t->at + 4);
    }
    const uint64_t ns = os_now_ns() - start;
    answer(t, what, "%" PRIu64 " ns", ns / EXITS);
}

static void tell_guests(struct test *t)
{
    static const uint32_t at_sync = HVC(AT_SYNC), at_irq = HVC(AT_IRQ);

    memcpy(t->host + VECTORS + 0x200, &at_sync, sizeof(at_sync));
    memcpy(t->host + VECTORS + 0x280, &at_irq, sizeof(at_irq));
    hvf_set_sys(t->v, SYSENC_VBAR_EL1, BASE + VECTORS);
    hvf_set_sys(t->v, SYSENC_CPACR_EL1, UINT64_C(3) << 20); /* FPEN */
    tell_instruction(t, "HVC", HVC(0));
    tell_instruction(t, "SMC", SMC);
    tell_instruction(t, "WFI", WFI);
    tell_instruction(t, "WFE", WFE);
    tell_counter(t);
    tell_timer(t);
    tell_cancel(t);
    tell_pending(t);
    tell_registers(t);
    tell_speed(t, "an HVC and back", HVC(0));
    tell_speed(t, "a store to a device and back", STORE);
    tell_speed(t, "a load from a device and back", LOAD);
}

/* --- With the framework's own GIC ----------------------------------------------------------------------------------- */

static void tell_load(struct test *t, const char *what, gpa_t gpa, uint32_t load)
{
    const uint32_t words[] = {load, HVC(AT_END)};

    place(t, words, ARRAY_LEN(words));
    hvf_set_x(t->v, 1, gpa);
    if (run(t) == EC_HVC64)
        answer(t, what, "0x%" PRIx64, hvf_get_x(t->v, 0));
    else
        answer(t, what, "exits, reason %u, syndrome 0x%" PRIx64, t->v->exit->reason,
               t->v->exit->exception.syndrome);
}

/* The framework's, if it has one. */
static void tell_gic(struct test *t, const struct hv_vm_config *cfg, const struct hv_vcpu_config *vcpu)
{
    struct hv_vm *vm = NULL;
    struct hv_caps caps;
    struct err e = {0};

    if (hv_hvf_gic.probe(&caps, &e) || hv_hvf_gic.vm_create(&vm, cfg, &e)) {
        answer(t, "the framework's GIC", "%s", e.text);
        return;
    }
    const int r = hv_hvf_gic.vcpu_create(vm, &t->v, vcpu, &e);
    answer(t, "the framework's GIC", "%s", r ? e.text : "there");
    if (!r) {
        tell_instruction(t, "WFI with it", WFI);
        tell_load(t, "its GICD_TYPER", cfg->gic.dist_base + 4, LOAD);
        tell_load(t, "its GICR_TYPER", cfg->gic.cpu_base + 8, LOAD_64);
        tell_load(t, "its GICR_PIDR2", cfg->gic.cpu_base + 0xffe8, LOAD);
        hvf_vcpu_retire(t->v);
        hvf_vcpu_destroy(t->v);
    }
    hv_hvf_gic.vm_destroy(vm);
}

void hvf_self_test(hv_say_fn *say, void *opaque)
{
    struct test t = {.say = say, .opaque = opaque};
    struct native_test native = {.hv = &hv_hvf, .say = say, .opaque = opaque, .dirty_page = HVF_PAGE_SIZE};
    struct ram ram;
    struct err e = {0};

    tell_host(&t);
    tell_raw(&t);
    if (!ram_init(&ram, &e) && !ram_add(&ram, BASE, LEN, RAM_KIND_RAM, &e)) {
        const struct hv_vm_config cfg = {.ram = &ram,
                                         .nr_vcpus = 1,
                                         .counter_base_ns = os_now_ns(),
                                         .gic = {.version = 3,
                                                 .dist_base = NATIVE_TEST_GIC_DIST,
                                                 .dist_len = 0x10000,
                                                 .cpu_base = NATIVE_TEST_GIC_CPU,
                                                 .cpu_len = 0x20000,
                                                 .nr_spis = 32}};
        const struct hv_vcpu_config vcpu = {
            .mpidr = BIT64(31), .on_exit = native_test_exit, .opaque = &native};

        t.host = native.host = ram_ptr(&ram, BASE, LEN, true);
        if (!hv_hvf.vm_create(&native.vm, &cfg, &e) &&
            !hv_hvf.vcpu_create(native.vm, &native.v, &vcpu, &e)) {
            t.v = native.v;
            tell_guests(&t);
            native_test_run(&native);
            answer(&t, "calls", "%s",
                   t.v->failure ? "some failed: see above" : "none failed that must not");
            hvf_vcpu_retire(t.v);
            hvf_vcpu_destroy(t.v);
        }
        if (native.vm)
            hv_hvf.vm_destroy(native.vm);
        tell_gic(&t, &cfg, &vcpu);
    }
    if (e.code)
        answer(&t, "a guest", "could not be made: %s", e.text);
    ram_destroy(&ram);
}
