/* The GICv3 against the slow model of gicv3_model.h: random operations, every result and every line compared.
 * GICV3_SEED and GICV3_STEPS in the environment repeat or lengthen a run; a failure prints seed and step. */
#include "gicv3_model.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* wants the ones above */

static uint64_t rng_state;

static uint64_t rng(void)
{
    uint64_t z = rng_state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static unsigned long from_env(const char *name, unsigned long otherwise)
{
    const char *s = getenv(name);
    return s ? strtoul(s, NULL, 0) : otherwise;
}

/* Lets everything through, so that the random operations start where something can happen. */
static void enable_all(struct pair *p)
{
    pair_mmio(p, false, 0, 4, true, 3);
    for (unsigned w = 1; w <= p->m.nr_spis / 32; w++)
        pair_mmio(p, false, 0x100 + 4 * w, 4, true, 0xffffffff);
    for (unsigned c = 0; c < p->m.nr_cpus; c++) {
        pair_mmio(p, true, c << 17 | 0x14, 4, true, 0);
        pair_mmio(p, true, c << 17 | 0x10100, 4, true, 0xffffffff);
        pair_icc_write(p, c, ICC_PMR, 0xff);
        pair_icc_write(p, c, ICC_IGRPEN(0), 1);
        pair_icc_write(p, c, ICC_IGRPEN(1), 1);
    }
}

static void run(unsigned nr_cpus, unsigned nr_spis, bool enabled)
{
    static struct pair p;
    uint64_t seed = from_env("GICV3_SEED", 1) * 1000 + nr_cpus;
    unsigned long steps = from_env("GICV3_STEPS", nr_cpus > 8 ? 3000 : 40000);
    unsigned long signalled = 0;
    rng_state = seed;
    assert_true(pair_init(&p, nr_cpus, nr_spis));
    pair_sweep(&p);
    if (enabled)
        enable_all(&p);
    for (unsigned long i = 0; i < steps && !p.complaint; i++) {
        uint64_t r[2] = {rng(), rng()};
        pair_step(&p, (const uint8_t *)r);
        signalled += p.lines[0] != 0;
        if (i % 4096 == 4095)
            pair_sweep(&p);
        if (p.complaint)
            print_error("seed %llu, step %lu: %s\n", (unsigned long long)seed, i, p.complaint);
    }
    assert_null(p.complaint);
    /* A run in which nothing is ever signalled would prove nothing. */
    if (enabled)
        assert_true(signalled > steps / 20);
    pair_destroy(&p);
}

static void test_one_cpu(void **state)
{
    (void)state;
    run(1, 64, true);
    run(1, 32, false);
}

static void test_few_cpus(void **state)
{
    (void)state;
    run(2, 64, true);
    run(4, 64, true);
    run(3, 64, false);
}

static void test_many_cpus(void **state)
{
    (void)state;
    run(64, 960, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_cpu),
        cmocka_unit_test(test_few_cpus),
        cmocka_unit_test(test_many_cpus),
    };
    return cmocka_run_group_tests_name("gicv3_random", tests, NULL, NULL);
}
