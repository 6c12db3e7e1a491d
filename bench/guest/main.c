/* What a bench guest does: one measurement, chosen at compile time, over ROUNDS rounds; then "sum X ns N" on the console.
 * Time is the virtual counter's: the guest's own view. */
#include <stdint.h>

void guest_main(void);
uint64_t bench_run(unsigned n);

static volatile uint8_t *const UARTDR = (volatile uint8_t *)0x09000000;
static volatile uint32_t *const UARTFR = (volatile uint32_t *)0x09000018;

static void put(const char *s)
{
    while (*s)
        *UARTDR = (uint8_t)*s++;
}

static void put_number(uint64_t v, unsigned base)
{
    char text[24], *p = text + sizeof(text);
    *--p = 0;
    do
        *--p = "0123456789abcdef"[v % base];
    while (v /= base);
    put(p);
}

static uint64_t ticks(void)
{
    uint64_t v;
    __asm__ volatile("isb\n\tmrs %0, CNTVCT_EL0" : "=r"(v));
    return v;
}

#if defined(BENCH_WFI) || defined(BENCH_MMIO) || defined(BENCH_HVC) || defined(BENCH_SVC)
uint64_t bench_run(unsigned n)
{
    for (unsigned i = n; i; i--) {
#if defined(BENCH_WFI)
        __asm__ volatile("wfi");
#elif defined(BENCH_MMIO)
        (void)*UARTFR;
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
    uint64_t freq;
    __asm__("mrs %0, CNTFRQ_EL0" : "=r"(freq));
    const uint64_t start = ticks();
    const uint64_t sum = bench_run(ROUNDS);
    const uint64_t end = ticks();
    (void)UARTFR;
    put("sum ");
    put_number(sum, 16);
    put(" ns ");
    put_number((end - start) * (1000000000u / freq), 10);
    put("\n");
}
