/* The Mandelbrot set, 64 by 64 points, up to 200 steps each: products, sums and a comparison of doubles. */
#include "loops.h"

static unsigned steps(double cr, double ci)
{
    double zr = 0, zi = 0;
    unsigned n = 0;

    while (n < 200 && zr * zr + zi * zi < 4.0) {
        double t = zr * zr - zi * zi + cr;
        zi = 2.0 * zr * zi + ci;
        zr = t;
        n++;
    }
    return n;
}

uint64_t bench_run(unsigned n)
{
    uint64_t sum = 0;

    for (unsigned r = 0; r < n; r++)
        for (int y = 0; y < 64; y++)
            for (int x = 0; x < 64; x++)
                sum = sum * 31 + steps(x * 0.046875 - 2.25, y * 0.0390625 - 1.25 + r * 0.001);
    return sum;
}
