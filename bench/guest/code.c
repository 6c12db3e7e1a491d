/* Code that is new: one instruction written, made visible and run, over and over, in a page of its own and in the page that runs it; and a
 * block of functions that never ran before, with the longest time that any of them took, then and while they become hot. */
#include "guest.h"

#define STRINGIFY(x) #x
#define STRING(x) STRINGIFY(x)
#define NR_COLD 2000
#define COLD_INSNS 64
#define PASSES 300u

extern const char cold_code[];
static uint64_t scratch[512];

/* clang-format off */
__asm__("    .text\n"
        "    .balign 4096\n"
        "cold_code:\n"
        "    .set    k, 0\n"
        "    .rept   " STRING(NR_COLD) "\n"
        "    .rept   6\n"
        "    add     x1, x1, #(k % 4096)\n"
        "    eor     x2, x2, x1, lsl #(k % 61)\n"
        "    ldr     x3, [x0, #(k % 500 * 8)]\n"
        "    madd    x4, x3, x1, x2\n"
        "    cmp     x4, x1\n"
        "    b.hi    . + 4\n"
        "    csel    x5, x4, x2, lo\n"
        "    str     w5, [x0, #(k % 1000 * 4)]\n"
        "    ubfx    x6, x5, #(k % 31), #7\n"
        "    sub     x1, x6, x4, lsr #3\n"
        "    .set    k, k + 37\n"
        "    .endr\n"
        "    mov     x7, #(k % 65536)\n"
        "    add     x1, x1, x7\n"
        "    add     x8, x8, #1\n"
        "    ret\n"
        "    .endr\n"
        "    .balign 4096\n"
        "    .globl  patched\n"
        "patched:\n" /* x0: rounds, x1: the instruction, x2: what is added to it each time; returns the sum */
        "    mov     x3, #0\n"
        "    adr     x4, 2f\n"
        "1:  str     w1, [x4]\n"
        "    dc      cvau, x4\n"
        "    dsb     ish\n"
        "    ic      ivau, x4\n"
        "    dsb     ish\n"
        "    isb\n"
        "2:  nop\n"
        "    add     x3, x3, x5\n"
        "    eor     x1, x1, x2\n"
        "    subs    x0, x0, #1\n"
        "    b.ne    1b\n"
        "    mov     x0, x3\n"
        "    ret\n"
        "    .balign 4096\n");
/* clang-format on */

uint64_t patched(uint64_t rounds, uint64_t insn, uint64_t change);

#define MOVZ_W0 0x52800000u
#define MOVZ_X5_1 0xd2800025u
#define RET 0xd65f03c0u

static void modified(void)
{
    static uint32_t code[1024] __attribute__((aligned(4096)));
    uint64_t start = ticks();

    code[1] = RET;
    for (unsigned i = 0; i < ROUNDS; i++) {
        code[0] = MOVZ_W0 | (i & 0xffff) << 5;
        __asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" ::"r"(code) : "memory");
        const uint32_t got = ((uint32_t(*)(void))code)();
        if (got != (i & 0xffff)) {
            put_wrong("code modified", got, i & 0xffff);
            return;
        }
    }
    put_result("modified", ticks() - start, ROUNDS);
    start = ticks();
    /* MOVZ X5, #1 and #3 by turns */
    const uint64_t sum = patched(ROUNDS, MOVZ_X5_1, 2 << 5);
    start = ticks() - start;
    if (sum != ROUNDS * 2)
        put_wrong("code patched", sum, ROUNDS * 2);
    put_result("patched", start, ROUNDS);
}

static uint64_t call(const char *function, uint64_t *longest)
{
    uint64_t before, after;
    register uint64_t x0 __asm__("x0") = (uint64_t)scratch;
    __asm__ volatile("mrs %0, CNTVCT_EL0\n\tblr %3\n\tmrs %1, CNTVCT_EL0"
                     : "=&r"(before), "=&r"(after), "+r"(x0)
                     : "r"(function)
                     : "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x30", "cc", "memory");
    if (after - before > *longest)
        *longest = after - before;
    return after;
}

static void cold(void)
{
    uint64_t longest = 0, start = ticks(), end = 0;

    for (unsigned i = 0; i < NR_COLD; i++)
        end = call(cold_code + i * COLD_INSNS * 4, &longest);
    put_result("cold", end - start, (uint64_t)NR_COLD * COLD_INSNS);
    start = ticks();
    for (unsigned p = 1; p < PASSES; p++)
        for (unsigned i = 0; i < NR_COLD; i++)
            end = call(cold_code + i * COLD_INSNS * 4, &longest);
    put_result("warming", end - start, (uint64_t)(PASSES - 1) * NR_COLD * COLD_INSNS);
    put_result("stall", longest, 1);
}

void guest_main(void)
{
    cold();
    modified();
}
