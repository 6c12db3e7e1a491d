/* Five bodies under gravity, in doubles: products, sums, a division and a square root for each pair. Two roundings to every multiply-add
 * (-ffp-contract=off), so that every machine comes to the same sum. */
#include "loops.h"

#define BODIES 5

static double pos[BODIES][3], vel[BODIES][3];
static const double mass[BODIES] = {39.4, 0.037, 0.011, 0.0017, 0.002};

static void step(double dt)
{
    for (unsigned i = 0; i < BODIES; i++) {
        for (unsigned j = i + 1; j < BODIES; j++) {
            double d[3], square = 0.01;
            for (unsigned k = 0; k < 3; k++) {
                d[k] = pos[i][k] - pos[j][k];
                square += d[k] * d[k];
            }
            double pull = dt / (square * __builtin_sqrt(square));
            for (unsigned k = 0; k < 3; k++) {
                vel[i][k] -= d[k] * (mass[j] * pull);
                vel[j][k] += d[k] * (mass[i] * pull);
            }
        }
    }
    for (unsigned i = 0; i < BODIES; i++)
        for (unsigned k = 0; k < 3; k++)
            pos[i][k] += dt * vel[i][k];
}

uint64_t bench_run(unsigned n)
{
    union {
        double d;
        uint64_t u;
    } sum = {0};

    for (unsigned i = 0; i < BODIES; i++)
        for (unsigned k = 0; k < 3; k++) {
            pos[i][k] = (double)i * 3.1 + (double)k * 0.7;
            vel[i][k] = (double)k * 0.3 - (double)i * 0.1;
        }
    for (unsigned r = 0; r < n * 2000; r++)
        step(0.001);
    for (unsigned i = 0; i < BODIES; i++)
        for (unsigned k = 0; k < 3; k++)
            sum.d += pos[i][k] * vel[i][k];
    return sum.u;
}
