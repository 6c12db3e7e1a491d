/* The host's fused multiply-add: a * b + c, rounded once, in the host's default state.
 *
 * To be used only where it is an instruction, since a library that has to make it of others takes longer than arch/fp.h. On x86-64 only the
 * running program can tell. Pure; any thread. */
#ifndef VIBE_CPU_FP_HOST_H
#define VIBE_CPU_FP_HOST_H

#include <math.h>
#include <stdbool.h>

static inline bool fpu_host_has_fma(void)
{
#if defined(FP_FAST_FMA) && defined(FP_FAST_FMAF)
    return true;
#elif defined(__x86_64__)
    return __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

double fpu_host_fma(double a, double b, double c);
float fpu_host_fmaf(float a, float b, float c);

/* A V register as the host computes with it; lane by lane. */
typedef float fpu_4s __attribute__((vector_size(16)));
typedef double fpu_2d __attribute__((vector_size(16)));

fpu_2d fpu_host_fma_2d(fpu_2d a, fpu_2d b, fpu_2d c);
fpu_4s fpu_host_fma_4s(fpu_4s a, fpu_4s b, fpu_4s c);

#endif
