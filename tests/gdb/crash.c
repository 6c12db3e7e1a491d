/* The program of docs/debugging.md's example: tasks in a list, one of which is damaged long before the list is walked. tests/test_gdb.py does what that page does. */
#include <stdint.h>

struct task {
    char name[8];
    struct task *next;
    uint64_t runs;
};

static struct task pool[3], *queue;

void guest_main(void);
__asm__(".section .boot, \"ax\"\n"
        ".globl _start\n"
        "_start:\n"
        "    ldr x0, =0x40400000\n"
        "    mov sp, x0\n"
        "    bl guest_main\n"
        "    b .\n"
        ".previous");

__attribute__((noinline)) static void set_name(struct task *t, const char *name)
{
    char *to = t->name;

    while ((*to++ = *name++))
        ;
}

__attribute__((noinline)) static void add_task(struct task *t, const char *name)
{
    t->next = queue;
    queue = t;
    set_name(t, name);
}

__attribute__((noinline)) static void run_all(void)
{
    for (struct task *t = queue; t; t = t->next)
        t->runs++;
}

void guest_main(void)
{
    add_task(&pool[0], "idle");
    add_task(&pool[1], "net-receive");
    add_task(&pool[2], "disk");
    for (;;)
        run_all();
}
