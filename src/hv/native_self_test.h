/* Small guests of a native backend that try what no kernel under tests/kernels can see: what is recorded of the guest's stores, breakpoints, steps. For --self-test.
 * vCPU's thread. */
#ifndef VIBE_HV_NATIVE_SELF_TEST_H
#define VIBE_HV_NATIVE_SELF_TEST_H

#include "hv/hv.h"

/* Where things are in the self-tests' machines, vm/gic_self_test.c's too. */
#define NATIVE_TEST_BASE UINT64_C(0x40000000)
#define NATIVE_TEST_LEN (1u << 20) /* of memory there */
#define NATIVE_TEST_DEVICE UINT64_C(0x09000000)
#define NATIVE_TEST_GIC_DIST UINT64_C(0x08000000)
/* The redistributors, or a GICv2's CPU interface. */
#define NATIVE_TEST_GIC_CPU UINT64_C(0x080a0000)

struct native_test {
    const struct hv_backend *hv;
    hv_say_fn *say;
    void *opaque;
    struct hv_vm *vm;
    struct hv_vcpu *v;
    uint8_t *host;     /* NATIVE_TEST_BASE, region 0 of RAM */
    size_t dirty_page; /* hv_caps' */
    unsigned nr_exits, stop_at;
    unsigned kick_at; /* at this exit of the device's the vCPU is kicked; 0: never */
    bool no_device;   /* whoever accesses it takes an abort */
};

/* The vCPU's exit handler; opaque is the test. */
hv_exit_fn native_test_exit;

void native_test_say(struct native_test *t, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void native_test_run(struct native_test *t);

#endif
