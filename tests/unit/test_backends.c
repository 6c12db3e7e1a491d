/* Which backend runs a guest: the choice, on tables made up here. */
#include "vm/backends.h"

#include "base/bits.h"
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h> /* wants the ones above */

static struct hv_caps native_caps;
static bool native_fails;

static int probe_native(struct hv_caps *caps, struct err *e)
{
    if (native_fails)
        return err_set(e, EACCES, "no permission; ask for it");
    *caps = native_caps;
    return 0;
}

/* The same with its own interrupt controller. */
static int probe_with_gic(struct hv_caps *caps, struct err *e)
{
    const int r = probe_native(caps, e);
    caps->irqchip = true;
    caps->gic_versions = 1 << 3;
    return r;
}

static int probe_soft(struct hv_caps *caps, struct err *e)
{
    (void)e;
    *caps = (struct hv_caps){.max_vcpus = VM_MAX_CPUS, .address_bits = 48};
    return 0;
}

static const struct hv_backend native = {.name = "kvm", .probe = probe_native},
                               with_gic = {.name = "hvf", .probe = probe_with_gic},
                               soft = {.name = "soft", .probe = probe_soft};
static const struct backend with_kvm[NR_BACKENDS] = {
    {VM_ACCEL_HVF, "hvf", NULL, "a Mac", NULL},
    {VM_ACCEL_KVM, "kvm", &native, "Linux on arm64", NULL},
    {VM_ACCEL_SOFT, "soft", &soft, "any", NULL},
};
static const struct backend without[NR_BACKENDS] = {
    {VM_ACCEL_HVF, "hvf", NULL, "a Mac", NULL},
    {VM_ACCEL_KVM, "kvm", NULL, "Linux on arm64", NULL},
    {VM_ACCEL_SOFT, "soft", &soft, "any", NULL},
};

static const struct backend with_hvf[NR_BACKENDS] = {
    {VM_ACCEL_HVF, "hvf", &native, "a Mac", &with_gic},
    {VM_ACCEL_KVM, "kvm", NULL, "Linux on arm64", NULL},
    {VM_ACCEL_SOFT, "soft", &soft, "any", NULL},
};

static struct vm_options opt;
static struct backend_choice choice;
static struct err passed_over, error;

static int setup(void **state)
{
    (void)state;
    native_fails = false;
    native_caps =
        (struct hv_caps){.irqchip = true, .gic_versions = 1 << 3, .max_vcpus = 8, .address_bits = 40};
    opt = (struct vm_options){.nr_cpus = 1};
    error = (struct err){0};
    return 0;
}

static int choose(const struct backend *table)
{
    return backends_choose(table, &opt, &choice, &passed_over, &error);
}

static void test_auto(void **state)
{
    (void)state;
    assert_int_equal(choose(with_kvm), 0);
    assert_ptr_equal(choice.ops, &native);
    assert_int_equal(choice.gic, 3);
    assert_int_equal(passed_over.code, 0);

    assert_int_equal(choose(without), 0);
    assert_ptr_equal(choice.ops, &soft);
    assert_int_equal(passed_over.code, 0); /* nobody expected anything else */

    native_fails = true;
    assert_int_equal(choose(with_kvm), 0);
    assert_ptr_equal(choice.ops, &soft);
    assert_string_equal(passed_over.text, "no permission; ask for it");
}

static void test_by_name(void **state)
{
    (void)state;
    opt.accel = VM_ACCEL_SOFT;
    assert_int_equal(choose(with_kvm), 0);
    assert_ptr_equal(choice.ops, &soft);

    opt.accel = VM_ACCEL_KVM;
    assert_int_equal(choose(with_kvm), 0);
    assert_ptr_equal(choice.ops, &native);
    native_fails = true;
    assert_int_equal(choose(with_kvm), -EACCES);
    assert_string_equal(error.text, "--accel: no permission; ask for it");

    opt.accel = VM_ACCEL_HVF;
    assert_int_equal(choose(with_kvm), -ENOTSUP);
    assert_non_null(strstr(error.text, "hvf needs a Mac, and this is "));
}

/* What the native one lacks: auto goes on to the software CPU, and a name is an error. */
static void lacks(const char *text)
{
    opt.accel = VM_ACCEL_AUTO;
    assert_int_equal(choose(with_kvm), 0);
    assert_ptr_equal(choice.ops, &soft);
    assert_non_null(strstr(passed_over.text, text));
    opt.accel = VM_ACCEL_KVM;
    assert_true(choose(with_kvm) < 0);
    assert_non_null(strstr(error.text, text));
}

static void test_what_it_lacks(void **state)
{
    (void)state;
    opt.nr_cpus = 9;
    lacks("room for 8 CPUs");
    opt.nr_cpus = 8;
    opt.gic = VM_GICV2;
    lacks("no GICv2 for guests on this host; give --gic 3");
    opt.gic = VM_GICV3;
    native_caps.gic_versions = 1 << 2;
    lacks("no GICv3 for guests on this host; give --gic 2");
    opt.gic = VM_GIC_AUTO;
    opt.mem_len = BIT64(40);
    lacks("addresses of 40 bits");
}

/* A host that has a GICv2 alone. */
static void test_gicv2_only(void **state)
{
    (void)state;
    native_caps.gic_versions = 1 << 2;
    assert_int_equal(choose(with_kvm), 0);
    assert_ptr_equal(choice.ops, &native);
    assert_int_equal(choice.gic, 2);
    opt.nr_cpus = 9;
    native_caps.max_vcpus = 64;
    lacks("8 CPUs");
}

static void test_whose_gic(void **state)
{
    (void)state;
    native_caps.irqchip = false;
    native_caps.gic_versions = 0;
    opt.accel = VM_ACCEL_HVF;
    assert_int_equal(choose(with_hvf), 0);
    assert_ptr_equal(choice.ops, &native);
    assert_false(choice.caps.irqchip);
    opt.host_gic = true;
    assert_int_equal(choose(with_hvf), 0);
    assert_ptr_equal(choice.ops, &with_gic);
    assert_true(choice.caps.irqchip);
    assert_int_equal(choice.gic, 3);
    opt.gic = VM_GICV2;
    assert_int_equal(choose(with_hvf), -ENOTSUP);
    assert_string_equal(
        error.text,
        "--accel: hvf,gic=framework has no GICv2 for guests on this host; give --gic 3, or gic=own");
    native_fails = true;
    assert_int_equal(choose(with_hvf), -EACCES);
}

static void test_options_of_the_software_cpu(void **state)
{
    (void)state;
    opt.deterministic = true;
    assert_int_equal(choose(with_kvm), 0);
    assert_ptr_equal(choice.ops, &soft);
    assert_int_equal(passed_over.code, 0);
    opt.accel = VM_ACCEL_KVM;
    assert_int_equal(choose(with_kvm), -EINVAL);
    assert_non_null(strstr(error.text, "--accel kvm and --deterministic contradict"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_auto, setup),
        cmocka_unit_test_setup(test_by_name, setup),
        cmocka_unit_test_setup(test_what_it_lacks, setup),
        cmocka_unit_test_setup(test_gicv2_only, setup),
        cmocka_unit_test_setup(test_whose_gic, setup),
        cmocka_unit_test_setup(test_options_of_the_software_cpu, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
