/* The host's fused multiply-add. Compiled for it, whatever the rest of the program is compiled for. */
#include "cpu/fp_host.h"

#if defined(__x86_64__)
#define WITH_FMA __attribute__((target("fma")))
#else
#define WITH_FMA
#endif

WITH_FMA double fpu_host_fma(double a, double b, double c)
{
    return fma(a, b, c);
}

WITH_FMA float fpu_host_fmaf(float a, float b, float c)
{
    return fmaf(a, b, c);
}

WITH_FMA fpu_2d fpu_host_fma_2d(fpu_2d a, fpu_2d b, fpu_2d c)
{
    return (fpu_2d){fma(a[0], b[0], c[0]), fma(a[1], b[1], c[1])};
}

WITH_FMA fpu_4s fpu_host_fma_4s(fpu_4s a, fpu_4s b, fpu_4s c)
{
    return (fpu_4s){fmaf(a[0], b[0], c[0]), fmaf(a[1], b[1], c[1]), fmaf(a[2], b[2], c[2]),
                    fmaf(a[3], b[3], c[3])};
}
