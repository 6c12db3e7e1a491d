/* A loop of ../loops, or one operation chosen at compile time, over ROUNDS rounds; then "sum X ns N" on the console. Time is the virtual
 * counter's: the guest's own view. */
#include "guest.h"

uint64_t bench_run(unsigned n);

static volatile uint32_t *const UARTFR = (volatile uint32_t *)0x09000018;

#if defined(BENCH_STORE)
volatile uint64_t stored[512];
#endif

#if defined(BENCH_WFI) || defined(BENCH_MMIO) || defined(BENCH_HVC) || defined(BENCH_SVC) || defined(BENCH_STORE)
uint64_t bench_run(unsigned n)
{
    for (unsigned i = n; i; i--) {
#if defined(BENCH_WFI)
        __asm__ volatile("wfi");
#elif defined(BENCH_MMIO)
        (void)*UARTFR;
#elif defined(BENCH_STORE)
        stored[0] = i;
#elif defined(BENCH_HVC)
        register uint64_t x0 __asm__("x0") = 0x84000000;
        __asm__ volatile("hvc #0" : "+r"(x0)::"x1", "x2", "x3", "memory");
#else
        __asm__ volatile("svc #0" ::: "memory");
#endif
    }
    return n;
}
#endif

void guest_main(void)
{
    const uint64_t start = ticks();
    const uint64_t sum = bench_run(ROUNDS);
    const uint64_t end = ticks();
    (void)*UARTFR;
    put("sum ");
    put_number(sum, 16);
    put(" ns ");
    put_number(to_ns(end - start), 10);
    put("\n");
}
