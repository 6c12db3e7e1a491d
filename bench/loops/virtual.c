/* Objects of four kinds in no order, each with a table of functions. */
#include "loops.h"

enum { NR = 1024 };

struct shape;
struct kind {
    uint32_t (*area)(const struct shape *s);
    void (*grow)(struct shape *s, uint32_t by);
};

struct shape {
    const struct kind *kind;
    uint32_t width, height;
};

static uint32_t box_area(const struct shape *s)
{
    return s->width * s->height;
}

static uint32_t triangle_area(const struct shape *s)
{
    return s->width * s->height / 2;
}

static uint32_t frame_area(const struct shape *s)
{
    return 2 * (s->width + s->height);
}

static void grow_both(struct shape *s, uint32_t by)
{
    s->width = (s->width + by) & 1023;
    s->height = (s->height + by) & 511;
}

static void grow_width(struct shape *s, uint32_t by)
{
    s->width = (s->width + by) & 2047;
}

static const struct kind kinds[] = {
    {box_area, grow_both},
    {triangle_area, grow_both},
    {frame_area, grow_width},
    {box_area, grow_width},
};

static struct shape shapes[NR];

uint64_t bench_run(unsigned n)
{
    uint64_t sum = 0;
    uint32_t seed = 1;

    for (unsigned i = 0; i < NR; i++) {
        seed = seed * 1664525u + 1013904223u;
        shapes[i] = (struct shape){&kinds[seed >> 30], seed >> 8 & 255, seed >> 16 & 255};
    }
    for (unsigned r = 0; r < n * 20; r++)
        for (unsigned i = 0; i < NR; i++) {
            struct shape *s = &shapes[i];
            sum = sum * 3 + s->kind->area(s);
            s->kind->grow(s, r & 7);
        }
    return sum;
}
