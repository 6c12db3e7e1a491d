/* What this host's KVM brings, and what hv/native_self_test.h tries with it. Main thread, while there is no VM. */
#ifdef __aarch64__
#include "base/bits.h"
#include "base/err.h"
#include "hv/kvm/kvm_internal.h"
#include "hv/native_self_test.h"

#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

static void tell_host(struct native_test *t, const struct hv_caps *caps)
{
    const int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    struct utsname host = {0};

    uname(&host);
    native_test_say(t, "Linux", "%s", host.release);
    native_test_say(t, "vCPUs at most", "%u", caps->max_vcpus);
    native_test_say(t, "guest address bits", "%u", caps->address_bits);
    native_test_say(t, "GIC", "%s%s", bit(caps->gic_versions, 2) ? "2 " : "",
                    bit(caps->gic_versions, 3) ? "3" : "");
    if (fd < 0)
        return;
    native_test_say(t, "for guests", "%s%s%s", caps->pmu ? "PMU " : "",
                    kvm_has(fd, KVM_CAP_ARM_SVE) ? "SVE " : "",
                    kvm_has(fd, KVM_CAP_ARM_PTRAUTH_ADDRESS) ? "pointer authentication" : "");
    native_test_say(t, "statistics of its own", "%s", kvm_has(fd, KVM_CAP_BINARY_STATS_FD) ? "yes" : "no");
    native_test_say(t, "breakpoints, watchpoints", "%d, %d",
                    kvm_ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_DEBUG_HW_BPS),
                    kvm_ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_DEBUG_HW_WPS));
    close(fd);
}

static int make_guest(struct native_test *t, struct ram *ram, const struct hv_caps *caps, struct err *e)
{
    const struct hv_vm_config cfg = {
        .ram = ram,
        .nr_vcpus = 1,
        .gic = {.version = bit(caps->gic_versions, 3) ? 3 : 2,
                .dist_base = NATIVE_TEST_GIC_DIST,
                .cpu_base = NATIVE_TEST_GIC_CPU,
                .nr_spis = 32},
        .pmu_intid = 23,
    };
    const struct hv_vcpu_config vcpu = {.on_exit = native_test_exit, .opaque = t};
    int r;

    if ((r = ram_init(ram, e)) ||
        (r = ram_add(ram, NATIVE_TEST_BASE, NATIVE_TEST_LEN, RAM_KIND_RAM, e)) ||
        (r = hv_kvm.vm_create(&t->vm, &cfg, e)))
        return r;
    t->host = ram->region[0].host;
    return kvm_vcpu_create(t->vm, &t->v, &vcpu, e);
}

void kvm_self_test(hv_say_fn *say, void *opaque)
{
    struct native_test t = {.hv = &hv_kvm, .say = say, .opaque = opaque};
    struct hv_caps caps;
    struct ram ram;
    struct err e = {0};

    if (hv_kvm.probe(&caps, &e))
        return;
    tell_host(&t, &caps);
    t.dirty_page = caps.dirty_page;
    if (make_guest(&t, &ram, &caps, &e))
        native_test_say(&t, "a small guest", "%s", e.text);
    else
        native_test_run(&t);
    if (t.v) {
        kvm_vcpu_retire(t.v);
        kvm_vcpu_destroy(t.v);
    }
    if (t.vm)
        hv_kvm.vm_destroy(t.vm);
    ram_destroy(&ram);
}
#endif
