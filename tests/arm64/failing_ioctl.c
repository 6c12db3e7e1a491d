/* Preloaded into vibevmm: what if KVM says no?  FAIL_AT=N: the Nth ioctl on KVM fails with FAIL_ERRNO. FAIL_AT=all: each is interrupted once before it
 * is done. FAIL_REQUEST=NUMBER: each of this number fails. FAIL_COUNT=FILE: how many there were, at the end. */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define KVMIO 0xae

static atomic_ulong nr;
static _Thread_local int interrupted;

__attribute__((destructor)) static void tell(void)
{
    const char *path = getenv("FAIL_COUNT");
    FILE *f = path ? fopen(path, "w") : NULL;

    if (!f)
        return;
    fprintf(f, "%lu\n", atomic_load(&nr));
    fclose(f);
}

int ioctl(int fd, unsigned long request, ...)
{
    static int (*next)(int fd, unsigned long request, ...);
    const char *at = getenv("FAIL_AT"), *which = getenv("FAIL_REQUEST");
    va_list ap;
    void *arg;

    if (!next)
        next = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);
    if (_IOC_TYPE(request) == KVMIO) {
        const unsigned long n = atomic_fetch_add(&nr, 1) + 1;
        if (at && !strcmp(at, "all") && (interrupted = !interrupted)) {
            errno = EINTR;
            return -1;
        }
        if ((at && strtoul(at, NULL, 10) == n) || (which && strtoul(which, NULL, 16) == request)) {
            errno = atoi(getenv("FAIL_ERRNO"));
            return -1;
        }
    }
    return next(fd, request, arg);
}
