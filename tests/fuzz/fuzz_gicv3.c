/* Fuzz target: MMIO, system registers and lines of the GICv3 in any order, judged by the slow model after every one.
 * Input: a byte for the shape of the machine, then 16 bytes an operation. */
/* Coverage of the model tells the fuzzer nothing, and its scans would take twenty times as long. */
#if defined(__clang__)
#pragma clang attribute push(__attribute__((no_sanitize("coverage"))), apply_to = function)
#endif
#include "../unit/gicv3_model.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct pair p;
    if (len < 1)
        return 0;
    if (!pair_init(&p, 1 + (data[0] & 3), data[0] & 4 ? 96 : 32))
        abort();
    /* Half of the inputs start with everything let through: the shortest way to something that happens. */
    if (data[0] & 8) {
        pair_mmio(&p, false, 0, 4, true, 3);
        for (unsigned c = 0; c < p.m.nr_cpus; c++) {
            pair_mmio(&p, true, c << 17 | 0x14, 4, true, 0);
            pair_icc_write(&p, c, ICC_PMR, 0xff);
            pair_icc_write(&p, c, ICC_IGRPEN(0), 1);
            pair_icc_write(&p, c, ICC_IGRPEN(1), 1);
        }
    }
    for (size_t at = 1; at + 16 <= len && !p.complaint; at += 16)
        pair_step(&p, data + at);
    if (!p.complaint && data[0] >> 4 == 15) /* every register: slow, so for few inputs */
        pair_sweep(&p);
    if (p.complaint) {
        fprintf(stderr, "fuzz_gicv3: %s\n", p.complaint);
        abort();
    }
    char text[4096];
    size_t wanted = gic_describe(p.g, text, sizeof(text));
    if (strlen(text) != (wanted < sizeof(text) ? wanted : sizeof(text) - 1))
        abort();
    pair_destroy(&p);
    return 0;
}
