/* Two CPUs that want the same cache line: a counter by one instruction (LSE), a counter by exclusives, and a lock around a counter. */
#include "guest.h"

void secondary_start(void);
void secondary_main(void);

struct line {
    uint64_t v, rest[15];
} __attribute__((aligned(128)));

static struct line counter, lock, gate, arrived;

static void add_lse(void)
{
    __asm__ volatile(".arch_extension lse\n\tldadd %0, xzr, [%1]" ::"r"(1ul), "r"(&counter.v) : "memory");
}

static void add_exclusive(void)
{
    uint64_t v;
    uint32_t failed;
    __asm__ volatile("1: ldxr %0, [%2]\n\tadd %0, %0, #1\n\tstxr %w1, %0, [%2]\n\tcbnz %w1, 1b"
                     : "=&r"(v), "=&r"(failed)
                     : "r"(&counter.v)
                     : "memory");
}

static void add_locked(void)
{
    uint64_t v;
    uint32_t failed;
    __asm__ volatile("1: ldaxr %0, [%2]\n\tcbnz %0, 1b\n\tstxr %w1, %3, [%2]\n\tcbnz %w1, 1b"
                     : "=&r"(v), "=&r"(failed)
                     : "r"(&lock.v), "r"(1ul)
                     : "memory");
    counter.v++;
    __asm__ volatile("stlr xzr, [%0]" ::"r"(&lock.v) : "memory");
}

#define REPEAT(fn, n)                                                                              \
    for (unsigned i = 0; i < (n); i++)                                                             \
    fn()

static void work(unsigned which)
{
    switch (which) {
    case 0: REPEAT(add_lse, ROUNDS); break;
    case 1: REPEAT(add_exclusive, ROUNDS); break;
    default: REPEAT(add_locked, ROUNDS); break;
    }
}

static uint64_t load(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void store(uint64_t *p, uint64_t v)
{
    __atomic_store_n(p, v, __ATOMIC_RELEASE);
}

void secondary_main(void)
{
    for (uint64_t i = 0; i < 3; i++) {
        store(&arrived.v, 2 * i + 1);
        while (load(&gate.v) <= i)
            ;
        work((unsigned)i);
        store(&arrived.v, 2 * i + 2);
    }
}

void guest_main(void)
{
    static const char *const names[] = {"lse", "exclusive", "spinlock"};
    register uint64_t x0 __asm__("x0") = 0xc4000003, x1 __asm__("x1") = 1, x2 __asm__("x2") = (uint64_t)secondary_start;
    register uint64_t x3 __asm__("x3") = 0;

    __asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory");
    if (x0) {
        put_wrong("CPU_ON", x0, 0);
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        counter.v = 0;
        while (load(&arrived.v) < 2 * i + 1)
            ;
        const uint64_t start = ticks();
        store(&gate.v, i + 1);
        work(i);
        while (load(&arrived.v) < 2 * i + 2)
            ;
        const uint64_t end = ticks();
        if (counter.v != 2ul * ROUNDS)
            put_wrong(names[i], counter.v, 2ul * ROUNDS);
        put_result(names[i], end - start, 2ul * ROUNDS);
    }
}
