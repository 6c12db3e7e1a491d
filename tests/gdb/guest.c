/* The guest of the debugger's tests: rounds of work, each of which does something that a debugger may stop at. What of it is done, a command tells, which the
 * debugger writes. */
#include <stdint.h>

enum command { ROUNDS, FAULT, START_SECOND, SLEEP, POWER_OFF, RESET, STUCK, REMAP };

volatile uint64_t command, rounds, nr_svc, second_rounds, buffer[64];
volatile uint64_t stop_second;

extern volatile uint64_t tables[]; /* level 1, of both halves; 0 to 1 GiB and 1 to 2 GiB are mapped */

void secondary_start(void);

__attribute__((noinline)) uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t sum = a;
    sum += b;
    return sum;
}

static uint64_t call(uint64_t id, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t x0 __asm__("x0") = id;
    register uint64_t x1 __asm__("x1") = a;
    register uint64_t x2 __asm__("x2") = b;
    register uint64_t x3 __asm__("x3") = c;
    __asm__ volatile("hvc #0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}

__attribute__((noinline)) void supervisor_call(void)
{
    __asm__ volatile("svc #7" ::: "memory");
    nr_svc++;
}

__attribute__((noinline)) void fault(void)
{
    *(volatile uint32_t *)0xdead0000ul = 1;
}

__attribute__((noinline)) void stuck(void)
{
    __asm__ volatile("msr vbar_el1, xzr\n\tisb\n\tudf #0" ::: "memory");
}

__attribute__((noinline)) void round_of_work(uint64_t n)
{
    rounds = add(rounds, 1);
    buffer[n % 64] = rounds;
    buffer[(n + 1) % 64] += buffer[n % 64];
    __asm__ volatile("msr tpidr_el0, %0" ::"r"(rounds));
    supervisor_call();
}

static void map_third(uint64_t desc)
{
    tables[2] = desc;
    __asm__ volatile("dsb ish\n\ttlbi vmalle1\n\tdsb ish\n\tisb" ::: "memory");
}

/* Of the third GiB first one thing is made, then another: the second, with add() in it. */
__attribute__((noinline)) void remap(void)
{
    const uint64_t at = ((uint64_t)add & ~(3ul << 30)) | 2ul << 30;

    map_third(tables[0]);
    (void)*(volatile uint64_t *)(at & ~0x3ffffffful);
    map_third(tables[1]);
    rounds = ((uint64_t(*)(uint64_t, uint64_t))at)(rounds, 1);
}

void second_main(void)
{
    while (!stop_second)
        second_rounds = add(second_rounds, 1);
}

void guest_main(void)
{
    for (uint64_t n = 0;; n++) {
        round_of_work(n);
        const uint64_t c = command;
        command = ROUNDS;
        switch (c) {
        case FAULT: fault(); break;
        case START_SECOND: call(0xc4000003, 1, (uint64_t)secondary_start, 0); break;
        case SLEEP: __asm__ volatile("wfi"); break;
        case RESET: call(0x84000009, 0, 0, 0); break;
        case STUCK: stuck(); break;
        case REMAP: remap(); break;
        case POWER_OFF: return;
        default: break;
        }
    }
}
