/* Linked into vibevmm, around its allocations (ld --wrap): what if there is no memory? The program is run again and again, each time in a process of its own
 * in which one allocation more than in the one before succeeds, and the next fails; until all do. For each run a line:
 *   NUMBER WHAT CALLER STATUS TEXT      STATUS as the shell has it (128 + signal); TEXT: standard error, its newlines as "|"
 * and then "END NUMBER", how many allocations there are. Allocations: of memory, of mappings and shared memory, of descriptors, of threads; those of vibevmm's
 * own objects, not those of libraries. $ALLOC_FROM and $ALLOC_TO bound the numbers; with $ALLOC_LASTING what comes after the first that fails fails too.
 *
 * Threads: any; which allocation of two threads is first may differ from run to run. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEXT_MAX 4096

/* Of the parent's and its children's. */
static struct shared {
    atomic_uint nr;
    char what[32];
    void *caller;
} * shared;
static unsigned fail_at;
static bool lasting;

static int fails(const char *what, void *caller)
{
    if (!shared || !fail_at)
        return 0;
    const unsigned nr = atomic_fetch_add(&shared->nr, 1) + 1;
    if (nr < fail_at || (nr > fail_at && !lasting))
        return 0;
    if (nr == fail_at) {
        snprintf(shared->what, sizeof(shared->what), "%s", what);
        shared->caller = caller;
    }
    errno = ENOMEM;
    return 1;
}

#define FAILS(what) fails(what, __builtin_return_address(0))

#define WRAP(type, name, params, args, bad)                                                        \
    type __real_##name params;                                                                     \
    type __wrap_##name params;                                                                     \
    type __wrap_##name params                                                                      \
    {                                                                                              \
        return FAILS(#name) ? (bad) : __real_##name args;                                          \
    }

WRAP(void *, malloc, (size_t n), (n), NULL)
WRAP(void *, calloc, (size_t n, size_t len), (n, len), NULL)
WRAP(void *, realloc, (void *p, size_t n), (p, n), NULL)
WRAP(void *, aligned_alloc, (size_t a, size_t n), (a, n), NULL)
WRAP(int, posix_memalign, (void **p, size_t a, size_t n), (p, a, n), ENOMEM)
WRAP(char *, strdup, (const char *s), (s), NULL)
WRAP(char *, strndup, (const char *s, size_t n), (s, n), NULL)
WRAP(void *, mmap, (void *p, size_t n, int prot, int flags, int fd, off_t off),
     (p, n, prot, flags, fd, off), MAP_FAILED)
WRAP(int, memfd_create, (const char *name, unsigned flags), (name, flags), -1)
WRAP(int, ftruncate, (int fd, off_t len), (fd, len), -1)
WRAP(int, eventfd, (unsigned n, int flags), (n, flags), -1)
WRAP(int, pipe, (int fd[2]), (fd), -1)
WRAP(int, pthread_create, (pthread_t * t, const pthread_attr_t *a, void *(*fn)(void *), void *p),
     (t, a, fn, p), EAGAIN)
WRAP(FILE *, open_memstream, (char **p, size_t *n), (p, n), NULL)
WRAP(FILE *, fopen, (const char *path, const char *mode), (path, mode), NULL)

int __real_main(int argc, char **argv);
int __wrap_main(int argc, char **argv);

/* One run; its status. */
static int run(int argc, char **argv, unsigned n, int err)
{
    int status = 0;

    fflush(stdout);
    fail_at = n;
    atomic_store(&shared->nr, 0);
    const pid_t pid = fork();
    if (pid == 0) {
        const int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        dup2(err, 2);
        exit(__real_main(argc, argv));
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        abort();
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static unsigned number(const char *name, unsigned otherwise)
{
    const char *s = getenv(name);
    return s ? (unsigned)strtoul(s, NULL, 10) : otherwise;
}

int __wrap_main(int argc, char **argv)
{
    static char text[TEXT_MAX];
    const unsigned to = number("ALLOC_TO", UINT32_MAX);
    FILE *err = tmpfile();

    lasting = getenv("ALLOC_LASTING");
    shared =
        __real_mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!err || shared == MAP_FAILED)
        return 99;
    for (unsigned n = number("ALLOC_FROM", 1); n <= to; n++) {
        rewind(err);
        if (__real_ftruncate(fileno(err), 0))
            return 99;
        const int status = run(argc, argv, n, fileno(err));
        const ssize_t len = pread(fileno(err), text, sizeof(text) - 1, 0);
        text[len > 0 ? len : 0] = 0;
        for (char *p = text; *p; p++)
            *p = *p == '\n' ? '|' : *p;
        if (atomic_load(&shared->nr) < n) {
            printf("END %u %d %s\n", n - 1, status, text);
            return 0;
        }
        printf("%u %s %p %d %s\n", n, shared->what, shared->caller, status, text);
    }
    return 0;
}
