/* What processes do to a CPU's memory management and exceptions, for a Linux guest: fork, signals with the address and cause of a fault, code
 * that is written and run, mappings that move, shrink, are shared or taken away, timers, single steps. Each part prints its name and "good", or
 * what went wrong and ends with status 1. Built in the guest: gcc -O2 -pthread. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define CHECK(good, ...)                                                                           \
    do {                                                                                           \
        if (!(good)) {                                                                             \
            printf("line %d: wrong: ", __LINE__);                                                  \
            printf(__VA_ARGS__);                                                                   \
            printf(" (errno %d)\n", errno);                                                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static size_t page;

static void *map(size_t len, int prot, int flags)
{
    void *p = mmap(NULL, len, prot, flags | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED, "mmap");
    return p;
}

static int exit_code(pid_t child)
{
    int status;

    CHECK(waitpid(child, &status, 0) == child, "waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* ---- fork ----------------------------------------------------------------------------------------------------------------- */

enum { NR_TREES = 12, DEPTH = 5, NR_WORDS = 1 << 16 };

/* Two children each, DEPTH deep; each process writes to memory that it shares with its parent until then. The exit status counts them. */
static int tree(int depth, uint32_t *words)
{
    const uint32_t before = words[depth];
    int nr = 1;

    for (int i = depth; i < NR_WORDS; i += (int)page / 4)
        words[i] += (uint32_t)depth + 1;
    if (words[depth] != before + (uint32_t)depth + 1)
        return 0;
    if (depth + 1 < DEPTH) {
        pid_t child[2];
        for (int i = 0; i < 2; i++) {
            if (!(child[i] = fork()))
                _exit(tree(depth + 1, words));
            CHECK(child[i] > 0, "fork");
        }
        for (int i = 0; i < 2; i++)
            nr += exit_code(child[i]);
    }
    return nr;
}

static void forks(void)
{
    uint32_t *words = map(NR_WORDS * 4, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    pid_t child[NR_TREES];

    for (uint32_t i = 0; i < NR_WORDS; i++)
        words[i] = i * 2654435761u;
    for (int i = 0; i < NR_TREES; i++) {
        if (!(child[i] = fork()))
            _exit(tree(0, words));
        CHECK(child[i] > 0, "fork");
    }
    for (int i = 0; i < NR_TREES; i++)
        CHECK(exit_code(child[i]) == (1 << DEPTH) - 1, "tree %d", i);
    for (uint32_t i = 0; i < NR_WORDS; i++)
        CHECK(words[i] == i * 2654435761u, "a child's write shows in its parent: word %u", i);
    munmap(words, NR_WORDS * 4);
}

/* ---- signals -------------------------------------------------------------------------------------------------------------- */

static sigjmp_buf back;
static volatile siginfo_t seen;
static volatile uint64_t seen_pc;

static void on_fault(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    memcpy((void *)&seen, info, sizeof(seen));
    seen_pc = ((ucontext_t *)context)->uc_mcontext.pc;
    siglongjmp(back, 1);
}

static void handle(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
    struct sigaction a = {.sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags};
    CHECK(sigaction(sig, &a, NULL) == 0, "sigaction");
}

/* What comes of the statement: signal, cause, address. */
#define FAULTS(statement, sig, code, addr)                                                         \
    do {                                                                                           \
        memset((void *)&seen, 0, sizeof(seen));                                                    \
        if (!sigsetjmp(back, 1)) {                                                                 \
            statement;                                                                             \
        }                                                                                          \
        CHECK(seen.si_signo == (sig) && seen.si_code == (code) && seen.si_addr == (void *)(addr),  \
              "%s: signal %d code %d address %p, not %p", #statement, seen.si_signo, seen.si_code, \
              seen.si_addr, (void *)(addr));                                                       \
    } while (0)

extern char insn_udf[], insn_brk[];

static __attribute__((noinline)) void undefined(void)
{
    __asm__ volatile(".global insn_udf\ninsn_udf: udf #1" ::: "memory");
}

static __attribute__((noinline)) void breakpoint(void)
{
    __asm__ volatile(".global insn_brk\ninsn_brk: brk #7" ::: "memory");
}

static void faults(void)
{
    volatile char *p = map(4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE), c;
    volatile char *volatile nowhere = (char *)8;
    volatile int zero = 0, least = INT32_MIN, minus = -1;
    FILE *f = tmpfile();

    for (int sig = SIGILL; sig <= SIGSEGV; sig++)
        if (sig == SIGILL || sig == SIGTRAP || sig == SIGBUS || sig == SIGFPE || sig == SIGSEGV)
            handle(sig, on_fault, 0);
    munmap((void *)(p + 3 * page), page);
    mprotect((void *)p, page, PROT_READ);
    mprotect((void *)(p + page), page, PROT_NONE);
    FAULTS(c = *nowhere, SIGSEGV, SEGV_MAPERR, 8);
    FAULTS(*(volatile int *)0xabcd0123 = 1, SIGSEGV, SEGV_MAPERR, 0xabcd0123);
    FAULTS(p[5] = 1, SIGSEGV, SEGV_ACCERR, p + 5);
    FAULTS(c = p[page + 77], SIGSEGV, SEGV_ACCERR, p + page + 77);
    FAULTS(p[3 * page] = 1, SIGSEGV, SEGV_MAPERR, p + 3 * page);
    /* Eight bytes across the last page's end: the address is where the access faults. */
    FAULTS(*(volatile uint64_t *)(p + 3 * page - 3) = 1, SIGSEGV, SEGV_MAPERR, p + 3 * page);
    FAULTS(((void (*)(void))(p + 2 * page))(), SIGSEGV, SEGV_ACCERR, p + 2 * page);
    CHECK(seen_pc == (uint64_t)(p + 2 * page), "pc of a fetch that faults");
    FAULTS(undefined(), SIGILL, ILL_ILLOPC, insn_udf);
    FAULTS(breakpoint(), SIGTRAP, TRAP_BRKPT, insn_brk);
    FAULTS(((void (*)(void))(p + 2 * page + 2))(), SIGBUS, BUS_ADRALN, p + 2 * page + 2);
    FAULTS(__atomic_fetch_add((uint64_t *)(p + 2 * page + 13), 1, __ATOMIC_SEQ_CST), SIGBUS,
           BUS_ADRALN, p + 2 * page + 13);
    CHECK(ftruncate(fileno(f), 100) == 0, "ftruncate");
    p = mmap(NULL, 2 * page, PROT_READ, MAP_SHARED, fileno(f), 0);
    FAULTS(c = p[page + 1], SIGBUS, BUS_ADRERR, p + page + 1);
    fclose(f);
    /* Division by zero is no fault. */
    CHECK(5 / (zero | (least / minus == least ? 5 : 0)) == 1, "INT_MIN / -1");
    int quotient;
    __asm__("sdiv %w0, %w1, %w2" : "=r"(quotient) : "r"(5), "r"(zero));
    CHECK(quotient == 0, "5 / 0");
    (void)c;
}

static volatile int nr_ticks, order[8], nr_order;

static void on_tick(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info, (void)context;
    nr_ticks++;
    /* What the interrupted code has in its vector registers must survive this. */
    __asm__ volatile("movi v8.16b, #0xff\nmovi v31.16b, #0x11" ::: "v8", "v31");
}

static void on_queued(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    order[nr_order++ & 7] = info->si_value.sival_int;
}

/* The handler edits the registers of what it interrupted: the load is skipped, its result is 42. */
static void on_skip(int sig, siginfo_t *info, void *context)
{
    mcontext_t *m = &((ucontext_t *)context)->uc_mcontext;
    (void)sig, (void)info;
    m->pc += 4;
    m->regs[3] = 42;
}

static char *deepest;

static __attribute__((noinline)) int recurse(int n)
{
    volatile char frame[512];
    frame[0] = (char)n;
    return n ? recurse(n + 1) + frame[0] : 0;
}

static void on_overflow(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    deepest = info->si_addr;
    siglongjmp(back, 1);
}

static void *run_over(void *arg)
{
    stack_t s = {.ss_sp = arg, .ss_size = 65536};
    CHECK(sigaltstack(&s, NULL) == 0, "sigaltstack");
    handle(SIGSEGV, on_overflow, SA_ONSTACK);
    if (!sigsetjmp(back, 1))
        recurse(1);
    return NULL;
}

static void signals(void)
{
    const struct itimerval every = {{0, 5000}, {0, 5000}}, never = {0};
    sigset_t set, old;
    pthread_attr_t attr;
    pthread_t thread;
    uint64_t value;

    handle(SIGALRM, on_tick, SA_RESTART);
    const int64_t start = now_ns();
    setitimer(ITIMER_REAL, &every, NULL);
    while (nr_ticks < 20) {
        uint64_t low, high;
        __asm__ volatile("movi v8.2d, #0xff00ff00ff00ff00\nmovi v31.2d, #0x00ff00ff00ff00ff\nmov x2, #3000\n1: subs x2, x2, #1\nb.ne 1b\n"
                         "fmov %0, d8\numov %1, v31.d[1]"
                         : "=r"(low), "=r"(high)::"x2", "v8", "v31", "cc");
        CHECK(low == 0xff00ff00ff00ff00 && high == 0x00ff00ff00ff00ff, "vector registers after a signal");
    }
    setitimer(ITIMER_REAL, &never, NULL);
    CHECK(now_ns() - start >= 20 * 5000000LL, "20 ticks of 5 ms took %lld ns",
          (long long)(now_ns() - start));

    handle(SIGRTMIN, on_queued, 0);
    sigemptyset(&set), sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, &old);
    for (int i = 0; i < 6; i++)
        CHECK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 100 + i}) == 0, "sigqueue");
    CHECK(nr_order == 0, "a blocked signal came");
    sigprocmask(SIG_SETMASK, &old, NULL);
    for (int i = 0; i < 6; i++)
        CHECK(nr_order == 6 && order[i] == 100 + i, "queued signals in order");

    handle(SIGSEGV, on_skip, 0);
    __asm__ volatile("mov x3, #0\nldr x3, [x3]\nmov %0, x3" : "=r"(value)::"x3", "memory");
    CHECK(value == 42, "registers that a handler changed");

    char *stack = map(1 << 18, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    mprotect(stack, page, PROT_NONE);
    pthread_attr_init(&attr), pthread_attr_setstack(&attr, stack, 1 << 18);
    CHECK(pthread_create(&thread, &attr, run_over, map(65536, PROT_READ | PROT_WRITE, MAP_PRIVATE)) == 0,
          "pthread_create");
    pthread_join(thread, NULL);
    CHECK(deepest >= stack && deepest < stack + page, "stack overflow at %p, the guard is %p",
          (void *)deepest, (void *)stack);

    const pid_t child = fork();
    if (!child) {
        signal(SIGSEGV, SIG_DFL);
        munmap(stack, page);
        *(volatile char *)stack = 1;
        _exit(0);
    }
    CHECK(exit_code(child) == -SIGSEGV, "a child that dies of SIGSEGV");
}

/* ---- code that is written ------------------------------------------------------------------------------------------------- */

static void emit(uint32_t *at, int value)
{
    at[0] = 0x52800000 | (uint32_t)value << 5; /* mov w0, #value */
    at[1] = 0xd65f03c0;                        /* ret */
}

static void code(void)
{
    const int fd = memfd_create("code", 0), nr = 1000;

    CHECK(fd >= 0 && ftruncate(fd, (off_t)page) == 0, "memfd");
    uint32_t *w = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    uint32_t *x = mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    CHECK(w != MAP_FAILED && x != MAP_FAILED, "mmap");
    /* Written at one address, run at another; the same place over and over, and run often enough to be worth translating. */
    for (int i = 0; i < nr; i++) {
        uint32_t *at = x + i % 3 * 2;
        emit(w + i % 3 * 2, i);
        __builtin___clear_cache((char *)(w + i % 3 * 2), (char *)(w + i % 3 * 2 + 2));
        __builtin___clear_cache((char *)at, (char *)(at + 2));
        for (int n = 0; n < 100; n++)
            CHECK(((int (*)(void))at)() == i, "code %d at another address", i);
    }
    /* Writable or executable in turn. */
    uint32_t *p = map(page, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    for (int i = 0; i < nr; i++) {
        CHECK(mprotect(p, page, PROT_READ | PROT_WRITE) == 0, "mprotect");
        emit(p, i);
        __builtin___clear_cache((char *)p, (char *)(p + 2));
        CHECK(mprotect(p, page, PROT_READ | PROT_EXEC) == 0, "mprotect");
        CHECK(((int (*)(void))p)() == i, "code %d", i);
    }
    FAULTS(p[0] = 0, SIGSEGV, SEGV_ACCERR, p);
    /* A child changes its copy. */
    const pid_t child = fork();
    if (!child) {
        mprotect(p, page, PROT_READ | PROT_WRITE | PROT_EXEC);
        emit(p, 77);
        __builtin___clear_cache((char *)p, (char *)(p + 2));
        _exit(((int (*)(void))p)());
    }
    CHECK(exit_code(child) == 77 && ((int (*)(void))p)() == nr - 1, "code in a child");
    close(fd);
}

/* ---- mappings ------------------------------------------------------------------------------------------------------------- */

enum { NR_PAGES = 8192 };

static uint64_t pattern(uint64_t n)
{
    return (n + 1) * 0x9e3779b97f4a7c15;
}

static uint64_t *word(char *p, size_t n)
{
    return (uint64_t *)(p + n * page + n * 8 % page);
}

static void mappings(void)
{
    char *p = map(NR_PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE), *volatile q;

    for (size_t n = 0; n < NR_PAGES; n++)
        *word(p, n) = pattern(n);
    for (size_t i = 0, n = 1; i < 4 * NR_PAGES; i++, n = (n * 5 + 3) % NR_PAGES)
        CHECK(*word(p, n) == pattern(n), "page %zu", n);
    /* Every other page read-only; those that are not are emptied. */
    for (size_t n = 0; n < 1024; n += 2) {
        CHECK(mprotect(p + n * page, page, PROT_READ) == 0, "mprotect");
        CHECK(madvise(p + (n + 1) * page, page, MADV_DONTNEED) == 0, "madvise");
    }
    for (size_t n = 0; n < 1024; n++)
        CHECK(*word(p, n) == (n % 2 ? 0 : pattern(n)), "page %zu of alternating ones", n);
    for (size_t n = 0; n < 1024; n += 37)
        if (n % 2)
            *word(p, n) = pattern(n);
        else
            FAULTS(*word(p, n) = 0, SIGSEGV, SEGV_ACCERR, word(p, n));

    /* A mapping moves to where there is room, its old place is empty; then to a fixed place, and shrinks. */
    q = mremap(p + 2048 * page, 2048 * page, 4096 * page, MREMAP_MAYMOVE);
    CHECK(q != MAP_FAILED, "mremap");
    for (size_t n = 0; n < 2048; n++)
        CHECK(*(uint64_t *)(q + n * page + (n + 2048) * 8 % page) == pattern(n + 2048),
              "page %zu that moved", n);
    CHECK(q[2048 * page] == 0, "what was added");
    FAULTS(*(volatile char *)(p + 2048 * page) = 1, SIGSEGV, SEGV_MAPERR, p + 2048 * page);
    q = mremap(q, 4096 * page, 1024 * page, MREMAP_MAYMOVE | MREMAP_FIXED, p + 2048 * page);
    CHECK(q == p + 2048 * page && *word(p, 2050) == pattern(2050), "mremap to a fixed place");
    q = mremap(q, 1024 * page, 512 * page, 0);
    CHECK(q == p + 2048 * page && *word(p, 2559) == pattern(2559), "mremap that shrinks");
    FAULTS(*(volatile char *)word(p, 2560), SIGSEGV, SEGV_MAPERR, word(p, 2560));
    munmap(p, NR_PAGES * page);

    /* A file: a private mapping keeps its changes, a shared one does not. */
    FILE *f = tmpfile();
    CHECK(ftruncate(fileno(f), (off_t)(4 * page)) == 0, "ftruncate");
    p = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
    q = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(f), 0);
    CHECK(p != MAP_FAILED && q != MAP_FAILED, "mmap of a file");
    q[0] = 'q';
    memcpy(p + page - 4, "shared!", 8);
    CHECK(p[0] == 0 && !strcmp(q + page, "ed!"), "private and shared");
    char text[8];
    CHECK(msync(p, 4 * page, MS_SYNC) == 0 && pread(fileno(f), text, 8, (off_t)page - 4) == 8 &&
              !strcmp(text, "shared!"),
          "msync");
    fclose(f);
}

/* ---- several at once ------------------------------------------------------------------------------------------------------ */

enum { NR_THREADS = 4, NR_ADDS = 20000 };

struct shared {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    pthread_barrier_t barrier;
    int turn;
    uint64_t locked, atomic;
    unsigned __int128 wide;
};

static void *adder(void *arg)
{
    struct shared *s = arg;

    pthread_barrier_wait(&s->barrier);
    for (int i = 0; i < NR_ADDS; i++) {
        __atomic_fetch_add(&s->atomic, 3, __ATOMIC_RELAXED);
        if (i % 8 == 0) {
            pthread_mutex_lock(&s->mutex);
            s->locked++;
            pthread_mutex_unlock(&s->mutex);
        }
    }
    return NULL;
}

static void together(void)
{
    struct shared *s = map(sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED);
    pthread_mutexattr_t mutex;
    pthread_condattr_t cond;
    pthread_barrierattr_t barrier;
    pthread_t thread[NR_THREADS];
    pid_t child[NR_THREADS];

    pthread_mutexattr_init(&mutex), pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
    pthread_condattr_init(&cond), pthread_condattr_setpshared(&cond, PTHREAD_PROCESS_SHARED);
    pthread_barrierattr_init(&barrier), pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&s->mutex, &mutex), pthread_cond_init(&s->cond, &cond);
    pthread_barrier_init(&s->barrier, &barrier, NR_THREADS);

    /* Threads, then processes, on the same words. */
    for (int i = 0; i < NR_THREADS; i++)
        CHECK(pthread_create(&thread[i], NULL, adder, s) == 0, "pthread_create");
    for (int i = 0; i < NR_THREADS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < NR_THREADS; i++)
        if (!(child[i] = fork())) {
            adder(s);
            _exit(0);
        }
    for (int i = 0; i < NR_THREADS; i++)
        CHECK(exit_code(child[i]) == 0, "adder");
    CHECK(s->atomic == 2ull * NR_THREADS * NR_ADDS * 3, "atomic additions: %llu",
          (unsigned long long)s->atomic);
    CHECK(s->locked == 2ull * NR_THREADS * NR_ADDS / 8, "additions under a lock: %llu",
          (unsigned long long)s->locked);

    /* In turn: each waits for its number. */
    for (int i = 0; i < NR_THREADS; i++)
        if (!(child[i] = fork())) {
            for (int n = 0; n < 200; n++) {
                pthread_mutex_lock(&s->mutex);
                while (s->turn % NR_THREADS != i)
                    pthread_cond_wait(&s->cond, &s->mutex);
                s->turn++;
                pthread_cond_broadcast(&s->cond);
                pthread_mutex_unlock(&s->mutex);
            }
            _exit(0);
        }
    for (int i = 0; i < NR_THREADS; i++)
        CHECK(exit_code(child[i]) == 0, "turns");
    CHECK(s->turn == 200 * NR_THREADS, "turns: %d", s->turn);
}

/* ---- time ----------------------------------------------------------------------------------------------------------------- */

static volatile int nr_expired;

static void on_expired(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    nr_expired += info->si_value.sival_int;
}

static void timers(void)
{
    struct sigevent event = {
        .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 1};
    const struct itimerspec twice = {.it_value = {0, 20000000}, .it_interval = {0, 20000000}};
    struct timespec until;
    timer_t timer;
    int64_t last = now_ns();

    for (int i = 0; i < 200000; i++) {
        const int64_t t = now_ns();
        CHECK(t >= last, "the clock went back");
        last = t;
    }
    handle(SIGUSR1, on_expired, SA_RESTART);
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &twice, NULL) == 0,
          "timer_create");
    clock_gettime(CLOCK_MONOTONIC, &until);
    const int64_t start = now_ns();
    while (nr_expired < 5)
        pause();
    CHECK(now_ns() - start >= 5 * 20000000LL - 1000000, "five times 20 ms");
    timer_delete(timer);
    until.tv_sec += 1;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
    CHECK(now_ns() >= until.tv_sec * 1000000000LL + until.tv_nsec, "slept too short");
}

/* ---- a debugger ----------------------------------------------------------------------------------------------------------- */

/* A system call, and a loop that goes round five times. */
__asm__(".global steps_begin, steps_end\n"
        "steps_begin: mov x8, #172\nsvc #0\nmov x0, #0\nmov x1, #5\n" /* getpid */
        "1: add x0, x0, x1\nsubs x1, x1, #1\nb.ne 1b\n"
        "steps_end: ret\n");
extern char steps_begin[], steps_end[];

static void steps(void)
{
    struct user_regs_struct regs;
    struct iovec io = {&regs, sizeof(regs)};
    uint64_t at;
    int status, nr = 0;
    const pid_t child = fork();

    if (!child) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        _exit((int)((long (*)(void))steps_begin)());
    }
    CHECK(waitpid(child, &status, 0) == child && WIFSTOPPED(status), "the child stops");
    CHECK(ptrace(PTRACE_GETREGSET, child, (void *)NT_PRSTATUS, &io) == 0, "PTRACE_GETREGSET");
    regs.pc = at = (uint64_t)steps_begin;
    CHECK(ptrace(PTRACE_SETREGSET, child, (void *)NT_PRSTATUS, &io) == 0, "PTRACE_SETREGSET");
    do {
        CHECK(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0, "PTRACE_SINGLESTEP");
        CHECK(waitpid(child, &status, 0) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP,
              "a step: status %x", status);
        CHECK(ptrace(PTRACE_GETREGSET, child, (void *)NT_PRSTATUS, &io) == 0, "PTRACE_GETREGSET");
        /* Linux stops at the end of a system call, and the CPU again before the next instruction. */
        nr += regs.pc != at;
        at = regs.pc;
    } while (regs.pc != (uint64_t)steps_end && nr < 100);
    CHECK(nr == 4 + 3 * 5 && regs.regs[0] == 15, "%d steps, the sum is %llu", nr,
          (unsigned long long)regs.regs[0]);
    kill(child, SIGKILL);
    CHECK(exit_code(child) == -SIGKILL, "SIGKILL");
}

static const struct {
    const char *name;
    void (*fn)(void);
} parts[] = {{"forks", forks},       {"faults", faults},   {"code", code},
             {"mappings", mappings}, {"signals", signals}, {"together", together},
             {"timers", timers},     {"steps", steps}};

int main(void)
{
    page = (size_t)sysconf(_SC_PAGESIZE);
    setvbuf(stdout, NULL, _IONBF, 0);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        parts[i].fn();
        printf("%s: good\n", parts[i].name);
    }
    return 0;
}
