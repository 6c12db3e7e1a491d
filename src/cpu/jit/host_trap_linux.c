/* SIGFPE from translated code, on Linux: the thread is sent on to the thunk that leads to the instruction's site.
 *
 * The handler runs on the thread that trapped and reads only what that thread owns. Any other SIGFPE is as fatal as it was before. */
#include "cpu/jit/host_code.h"
#include "cpu/jit/jit_internal.h"

#if defined(__x86_64__)
#include <pthread.h>
#include <signal.h>
#include <ucontext.h>

static _Thread_local struct cpu *running;
static struct sigaction before;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool installed;

void host_trap_running(struct cpu *c)
{
    running = c;
}

static void on_sigfpe(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    uint64_t rax;
    const uint8_t *to =
        jit_fp_trap(running, (const uint8_t *)(uintptr_t)u->uc_mcontext.gregs[REG_RIP], &rax);

    if (!to) { /* not ours: as if there were no handler */
        sigaction(sig, &before, NULL);
        if (info->si_code <= 0) /* sent by somebody: nothing will raise it again */
            raise(sig);
        return;
    }
    u->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)to;
    u->uc_mcontext.gregs[REG_RAX] = (greg_t)rax;
    /* Whether it is Arm's exception is for the instruction to say: flags that are not masked go. */
    u->uc_mcontext.fpregs->mxcsr &= ~(~u->uc_mcontext.fpregs->mxcsr >> 7 & 0x3fu);
}

static void install(void)
{
    struct sigaction a = {.sa_sigaction = on_sigfpe, .sa_flags = SA_SIGINFO};

    sigemptyset(&a.sa_mask);
    installed = sigaction(SIGFPE, &a, &before) == 0;
}

bool host_trap_install(void)
{
    pthread_once(&once, install);
    return installed;
}
#else
void host_trap_running(struct cpu *c)
{
    (void)c;
}

bool host_trap_install(void)
{
    return false;
}
#endif
