/* Preloaded into vibevmm: what if KVM says no?  FAIL_AT=N: the Nth ioctl on KVM fails with FAIL_ERRNO. FAIL_AT=all: each is interrupted once before it
 * is done. FAIL_REQUEST=NUMBER,N: each of this number fails, from the Nth on. FAIL_EXIT=REASON,WORD: the first KVM_RUN runs nothing and
 * comes back for that reason, with that for a word of what goes with it. FAIL_COUNT=FILE: how many there were, at the end. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

static atomic_ulong nr;
static atomic_int exited;
static _Thread_local int interrupted;
static _Thread_local struct kvm_run *run; /* of the vCPU that this thread has made */

__attribute__((destructor)) static void tell(void)
{
    const char *path = getenv("FAIL_COUNT");
    FILE *f = path ? fopen(path, "w") : NULL;

    if (!f)
        return;
    fprintf(f, "%lu\n", atomic_load(&nr));
    fclose(f);
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
    static void *(*next)(void *addr, size_t len, int prot, int flags, int fd, off_t offset);

    if (!next)
        next = (void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap");
    void *p = next(addr, len, prot, flags, fd, offset);
    if ((flags & MAP_SHARED) && !offset && len >= sizeof(*run) && len <= 65536)
        run = p;
    return p;
}

static int is_refused(unsigned long request)
{
    static atomic_ulong nr_such;
    char *end = getenv("FAIL_REQUEST");

    return end && strtoul(end, &end, 16) == request && atomic_fetch_add(&nr_such, 1) + 1 >= strtoul(end + 1, NULL, 10);
}

int ioctl(int fd, unsigned long request, ...)
{
    static int (*next)(int fd, unsigned long request, ...);
    const char *at = getenv("FAIL_AT");
    char *how = getenv("FAIL_EXIT");
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
        if ((at && strtoul(at, NULL, 10) == n) || is_refused(request)) {
            errno = atoi(getenv("FAIL_ERRNO"));
            return -1;
        }
        if (how && request == KVM_RUN && !atomic_exchange(&exited, 1)) {
            run->exit_reason = (uint32_t)strtoul(how, &how, 10);
            run->system_event.type = (uint32_t)strtoul(how + 1, NULL, 10);
            return 0;
        }
    }
    return next(fd, request, arg);
}
