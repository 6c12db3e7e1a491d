/* What Linux and macOS share of base/os.h. Any thread. */
#if defined(__linux__) || defined(__APPLE__)

#include "base/bits.h"
#include "base/err.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

size_t os_page_size(void)
{
    long size = sysconf(_SC_PAGESIZE);
    return size > 0 ? (size_t)size : 4096;
}

unsigned os_nr_cpus(void)
{
    const long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (unsigned)n : 1;
}

void os_raise_fd_limit(void)
{
    const rlim_t wanted[] = {1024 * 1024, 10240}; /* macOS refuses more than the latter */
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        return;
    for (unsigned i = 0; i < ARRAY_LEN(wanted); i++) {
        const rlim_t n = MIN(wanted[i], limit.rlim_max);
        if (n <= limit.rlim_cur)
            return;
        const struct rlimit more = {n, limit.rlim_max};
        if (!setrlimit(RLIMIT_NOFILE, &more))
            return;
    }
}

int os_pipe(int fd[2], struct err *e)
{
    if (pipe(fd)) {
        fd[0] = fd[1] = -1;
        return err_set(e, errno, "cannot make a pipe: %s", strerror(errno));
    }
    for (unsigned i = 0; i < 2; i++) {
        fcntl(fd[i], F_SETFD, FD_CLOEXEC);
        fcntl(fd[i], F_SETFL, O_NONBLOCK);
    }
    return 0;
}

uint64_t os_thread_cpu_ns(void)
{
    struct timespec ts;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts))
        return 0;
    return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

#endif
