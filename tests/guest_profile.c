/* A bare program for the profile's and the coverage's test: functions that call each other so and so often, and one that nobody calls. */
typedef unsigned long u64;

volatile u64 sink;

__attribute__((noinline)) static void put(char c)
{
    *(volatile unsigned *)0x09000000 = (unsigned char)c;
}

/* Makes no frame of its own. */
__attribute__((noinline)) u64 leaf(u64 x)
{
    for (int i = 0; i < 20; i++)
        x = x * 6364136223846793005UL + 1;
    return x;
}

__attribute__((noinline)) u64 middle(u64 x)
{
    u64 sum = 0;

    for (u64 i = 0; i < 10; i++)
        sum += leaf(x + i);
    return sum;
}

__attribute__((noinline)) u64 recursive(u64 n)
{
    if (n == 1000)
        sink = n; /* never */
    return n ? recursive(n - 1) * 3 + sink : 1;
}

u64 nobody_calls_it(u64 x)
{
    return x * 2;
}

void start_c(void)
{
    for (u64 i = 0; i < 2000; i++) {
        sink += middle(i);
        if (!(i & 7))
            sink += recursive(5);
        if (!(i & 255))
            put('.');
    }
    put('\n');
    register u64 function __asm__("x0") = 0x84000008; /* SYSTEM_OFF */
    __asm__ volatile("hvc #0" ::"r"(function));
    for (;;)
        ;
}

__asm__(".globl _start\n"
        ".type _start, %function\n"
        "_start: adrp x0, stack\n"
        "    add x0, x0, :lo12:stack\n"
        "    add sp, x0, #16384\n"
        "    mov x29, #0\n"
        "    mov x30, #0\n"
        "    bl start_c\n"
        ".size _start, . - _start\n"
        ".comm stack, 16384, 16\n");
