/* ../README.md */
#ifndef MACOS_MATH_H
#define MACOS_MATH_H
#define NAN __builtin_nanf("")
#define INFINITY __builtin_inff()
#define isnan(x) __builtin_isnan(x)
#define isinf(x) __builtin_isinf(x)
#define signbit(x) __builtin_signbit(x)
double ceil(double);
double copysign(double, double);
double fabs(double);
float fabsf(float);
double floor(double);
double fma(double, double, double);
float fmaf(float, float, float);
double ldexp(double, int);
double sqrt(double);
float sqrtf(float);
#endif
