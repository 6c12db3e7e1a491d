/* /tmp/perf-PID.map: the names under which Linux's perf shows translated code. Format: tools/perf/Documentation/jit-interface.txt of Linux.
 *
 * One file for all CPUs, each of which writes whole lines. */
#include "cpu/jit/perf_map.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int file = -1;
static atomic_flag warned = ATOMIC_FLAG_INIT;

/* The name is known to everybody: neither a link nor somebody's file is followed. */
static void open_file(void)
{
    char name[64];

    snprintf(name, sizeof(name), "/tmp/perf-%ld.map", (long)getpid());
    unlink(name); /* of an older process with this number */
    file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0)
        log_warn("%s: %s; going on without it", name, strerror(errno));
}

void perf_map_add(const void *code, size_t len, gva_t va, unsigned el)
{
    char line[96];

    pthread_once(&once, open_file);
    const int n = snprintf(line, sizeof(line), "%" PRIxPTR " %zx guest_el%u_%#" PRIx64 "\n",
                           (uintptr_t)code, len, el, va);
    if (file >= 0 && write(file, line, (size_t)n) != n && !atomic_flag_test_and_set(&warned))
        log_warn("the perf map is incomplete: %s", strerror(errno));
}
