/* Messages of the VMM on stderr, one write() a line so that threads do not mix. Any thread. */
#include "base/log.h"

#include "base/bits.h"
#include "base/os.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define LOG_LINE_LEN 1024
#define LOG_LIMIT_NS UINT64_C(1000000000)

enum log_level log_threshold = LOG_WARN;

static const char *const level_name[] = {
    [LOG_ERROR] = "error", [LOG_WARN] = "warning", [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug", [LOG_TRACE] = "trace",
};

void log_printf(enum log_level level, const char *fmt, ...)
{
    int saved_errno = errno;
    char line[LOG_LINE_LEN];
    const char *name = (unsigned)level < ARRAY_LEN(level_name) ? level_name[level] : "?";
    size_t used = (size_t)snprintf(line, sizeof(line), "vibevmm: %s: ", name);

    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line + used, sizeof(line) - used, fmt, ap);
    va_end(ap);
    if (n > 0)
        used = MIN(used + (size_t)n, sizeof(line) - 2);
    line[used++] = '\n';

    for (size_t done = 0; done < used;) {
        ssize_t w = write(STDERR_FILENO, line + done, used - done);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            break; /* nowhere to complain to */
        done += (size_t)w;
    }
    errno = saved_errno;
}

bool log_limited(struct log_limit *l)
{
    /* Plain fields with atomic accesses: log_guest() makes a static one at each call site, reached by all vCPUs. */
    uint64_t now = os_now_ns();
    uint64_t last = __atomic_load_n(&l->last_ns, __ATOMIC_RELAXED);
    if ((last && now - last < LOG_LIMIT_NS) ||
        !__atomic_compare_exchange_n(&l->last_ns, &last, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        __atomic_fetch_add(&l->suppressed, 1, __ATOMIC_RELAXED);
        return false;
    }
    unsigned left_out = __atomic_exchange_n(&l->suppressed, 0, __ATOMIC_RELAXED);
    if (left_out)
        log_printf(LOG_WARN, "%u more messages like the next one were left out", left_out);
    return true;
}
