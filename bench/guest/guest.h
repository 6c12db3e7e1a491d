/* What the bench guests share: the console, the virtual counter, random numbers. */
#ifndef BENCH_GUEST_H
#define BENCH_GUEST_H

#include <stdint.h>

/* From start.S, on the first CPU. */
void guest_main(void);

static inline void put(const char *s)
{
    while (*s)
        *(volatile uint8_t *)0x09000000 = (uint8_t)*s++;
}

static inline void put_number(uint64_t v, unsigned base)
{
    char text[24], *p = text + sizeof(text);
    *--p = 0;
    do
        *--p = "0123456789abcdef"[v % base];
    while (v /= base);
    put(p);
}

static inline uint64_t ticks(void)
{
    uint64_t v;
    __asm__ volatile("isb\n\tmrs %0, CNTVCT_EL0" : "=r"(v)::"memory");
    return v;
}

static inline uint64_t to_ns(uint64_t t)
{
    uint64_t freq;
    __asm__("mrs %0, CNTFRQ_EL0" : "=r"(freq));
    return t * (1000000000u / freq);
}

/* A line for the script: a name, the nanoseconds and what they are to be divided by. */
static inline void put_result(const char *name, uint64_t t, uint64_t nr)
{
    put(name);
    put(" ");
    put_number(to_ns(t), 10);
    put(" ");
    put_number(nr, 10);
    put("\n");
}

/* The guest's own check failed: a line that no script takes for a result. */
static inline void put_wrong(const char *what, uint64_t found, uint64_t expected)
{
    put("WRONG ");
    put(what);
    put(": 0x");
    put_number(found, 16);
    put(", not 0x");
    put_number(expected, 16);
    put("\n");
}

#endif
