/* Runs test cases natively: a static AArch64 Linux program, for qemu-aarch64 or a real machine.
 *
 *   runner CASES RESULTS
 *
 * A case's state goes in through a signal frame and comes out through the next one: every case ends in a signal, at the
 * BRK behind its instructions or at the fault that it takes. Single-threaded. Uses no TLS in the handler, since the cases
 * change TPIDR_EL0, and no floating point, since they change FPCR. */
#include "case.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>

static const struct isa_case *cases;
static struct isa_result *results;
static unsigned nr_cases, next_case;
static int started;
static struct {
    uint64_t regs[31], sp, pc, pstate, tpidr;
    uint32_t fpcr, fpsr;
    uint64_t v[64];
} host; /* main()'s own state */

static uint8_t background[ISA_DATA_LEN];

static int page_of(uint64_t va)
{
    return va < ISA_DATA || va >= ISA_DATA + ISA_DATA_LEN ? ISA_PAGE_NONE
                                                          : isa_data_page[(va - ISA_DATA) / ISA_PAGE];
}

/* The window lies in at most two pages, one half in each. */
static void window_copy(uint64_t window, uint8_t *out, const uint8_t *in)
{
    for (unsigned half = 0; half < 2; half++) {
        uint64_t va = window + half * (ISA_WINDOW / 2);
        int page = page_of(va);

        if (out && page != ISA_PAGE_NONE)
            memcpy(out + half * (ISA_WINDOW / 2), (const void *)va, ISA_WINDOW / 2);
        if (in && page == ISA_PAGE_RW)
            memcpy((void *)va, in + half * (ISA_WINDOW / 2), ISA_WINDOW / 2);
    }
}

static void install_batch(unsigned first)
{
    uint32_t *code = (uint32_t *)ISA_CODE;

    for (unsigned i = 0; i < ISA_CODE_LEN / 4; i++)
        code[i] = ISA_STOP;
    for (unsigned i = first; i < nr_cases && (i == first || !(cases[i].flags & CASE_NEW_BATCH)); i++)
        memcpy((void *)cases[i].pc, cases[i].code, cases[i].nr_words * 4);
    __builtin___clear_cache((char *)ISA_CODE, (char *)ISA_CODE + ISA_CODE_LEN);
}

static uint64_t read_tpidr(void)
{
    uint64_t v;
    __asm__ volatile("mrs %0, tpidr_el0" : "=r"(v));
    return v;
}

static void write_tpidr(uint64_t v)
{
    __asm__ volatile("msr tpidr_el0, %0" : : "r"(v));
}

/* Where the frame keeps the SIMD&FP registers. */
static struct fpsimd_context *fpsimd(mcontext_t *m)
{
    for (unsigned char *p = m->__reserved;;) {
        struct _aarch64_ctx *head = (struct _aarch64_ctx *)p;
        if (head->magic == FPSIMD_MAGIC)
            return (struct fpsimd_context *)p;
        if (!head->magic || !head->size)
            _exit(4);
        p += head->size;
    }
}

static void handler(int sig, siginfo_t *info, void *context)
{
    mcontext_t *m = &((ucontext_t *)context)->uc_mcontext;
    struct fpsimd_context *f = fpsimd(m);
    uint64_t tpidr = read_tpidr();

    if (!started) {
        started = 1;
        memcpy(host.regs, m->regs, sizeof(host.regs));
        host.sp = m->sp;
        host.pc = m->pc + 4;
        host.pstate = m->pstate;
        host.tpidr = tpidr;
        host.fpcr = f->fpcr;
        host.fpsr = f->fpsr;
        memcpy(host.v, f->vregs, sizeof(host.v));
    } else {
        const struct isa_case *c = &cases[next_case];
        struct isa_result *r = &results[next_case++];

        memcpy(r->x, m->regs, sizeof(r->x));
        r->sp = m->sp;
        r->pc = m->pc;
        r->nzcv = (uint32_t)m->pstate & 0xf0000000u;
        r->tpidr = tpidr;
        r->fpcr = f->fpcr;
        r->fpsr = f->fpsr;
        memcpy(r->v, f->vregs, sizeof(r->v));
        r->sig = (uint32_t)sig;
        r->far = sig == SIGSEGV || sig == SIGBUS ? (uint64_t)info->si_addr : 0;
        memcpy(r->data, c->data, ISA_WINDOW);
        window_copy(c->window, r->data, background + (c->window - ISA_DATA));
    }
    if (next_case == nr_cases) {
        memcpy(m->regs, host.regs, sizeof(host.regs));
        m->sp = host.sp;
        m->pc = host.pc;
        m->pstate = host.pstate;
        f->fpcr = host.fpcr;
        f->fpsr = host.fpsr;
        memcpy(f->vregs, host.v, sizeof(host.v));
        write_tpidr(host.tpidr);
        return;
    }
    const struct isa_case *c = &cases[next_case];
    if (c->flags & CASE_NEW_BATCH)
        install_batch(next_case);
    window_copy(c->window, NULL, c->data);
    memcpy(m->regs, c->x, sizeof(c->x));
    m->sp = c->sp;
    m->pc = c->pc;
    m->pstate = c->nzcv;
    f->fpcr = c->fpcr;
    f->fpsr = c->fpsr;
    memcpy(f->vregs, c->v, sizeof(c->v));
    write_tpidr(c->tpidr);
}

static void timed_out(int sig)
{
    char msg[] = "runner: does not end: case 0000000000 of the file\n";
    unsigned n = next_case;

    (void)sig;
    for (char *p = strchr(msg, '0') + 9; n; n /= 10)
        *p-- = (char)('0' + n % 10);
    (void)!write(2, msg, sizeof(msg) - 1);
    _exit(3);
}

static void die(const char *what)
{
    fprintf(stderr, "runner: %s: %s\n", what, strerror(errno));
    exit(2);
}

static void map_fixed(uint64_t va, size_t len, int prot)
{
    void *p = mmap((void *)va, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (p != (void *)va)
        die("mmap");
}

int main(int argc, char **argv)
{
    static const int signals[] = {SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    static uint8_t stack[256 * 1024] __attribute__((aligned(16)));
    struct stat st;

    if (argc != 3) {
        fprintf(stderr, "usage: runner CASES RESULTS\n");
        return 2;
    }
    int fd = open(argv[1], O_RDONLY);
    if (fd < 0 || fstat(fd, &st) < 0)
        die(argv[1]);
    const uint8_t *file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (file == MAP_FAILED)
        die(argv[1]);
    struct isa_header h;
    memcpy(&h, file, sizeof(h));
    if (h.magic != ISA_MAGIC) {
        fprintf(stderr, "runner: %s: not a file of cases of this version\n", argv[1]);
        return 2;
    }
    nr_cases = h.nr_cases;
    cases = (const struct isa_case *)(file + sizeof(h) + h.nr_groups * sizeof(struct isa_group));
    results = calloc(nr_cases ? nr_cases : 1, sizeof(*results));
    if (!results)
        die("calloc");

    map_fixed(ISA_DATA, ISA_DATA_LEN, PROT_READ | PROT_WRITE);
    for (unsigned i = 0; i < ISA_DATA_LEN; i++)
        background[i] = isa_background(ISA_DATA + i);
    memcpy((void *)ISA_DATA, background, ISA_DATA_LEN);
    for (unsigned i = 0; i < ISA_DATA_LEN / ISA_PAGE; i++) {
        void *page = (void *)(ISA_DATA + i * ISA_PAGE);
        if (isa_data_page[i] == ISA_PAGE_NONE)
            munmap(page, ISA_PAGE);
        else if (isa_data_page[i] == ISA_PAGE_RO)
            mprotect(page, ISA_PAGE, PROT_READ);
    }
    map_fixed(ISA_CODE, ISA_CODE_LEN, PROT_READ | PROT_WRITE | PROT_EXEC);

    stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    if (sigaltstack(&ss, NULL) < 0)
        die("sigaltstack");
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        if (sigaction(signals[i], &sa, NULL) < 0)
            die("sigaction");
    signal(SIGALRM, timed_out);
    alarm(60 + nr_cases / 2000);

    if (nr_cases)
        __asm__ volatile("brk #0" : : : "memory");

    int out = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0644);
    size_t len = nr_cases * sizeof(*results);
    if (out < 0)
        die(argv[2]);
    for (size_t done = 0; done < len;) {
        ssize_t n = write(out, (const uint8_t *)results + done, len - done);
        if (n <= 0)
            die(argv[2]);
        done += (size_t)n;
    }
    return close(out) < 0 ? 2 : 0;
}
