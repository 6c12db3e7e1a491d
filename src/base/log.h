/* Messages of the VMM itself, on stderr, never the guest's output. Any thread. */
#ifndef VIBE_BASE_LOG_H
#define VIBE_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

extern enum log_level log_threshold; /* written once by the command line, before any thread starts */

void log_printf(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_at(level, ...)                                                                         \
    do {                                                                                           \
        if ((level) <= log_threshold)                                                              \
            log_printf((level), __VA_ARGS__);                                                      \
    } while (0)
#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

/* For guest-caused messages: at most one line per second and call site, with the count of those left out. */
struct log_limit {
    uint64_t last_ns;
    unsigned suppressed;
};
bool log_limited(struct log_limit *l);
#define log_guest(level, ...)                                                                      \
    do {                                                                                           \
        static struct log_limit limit_;                                                            \
        if ((level) <= log_threshold && log_limited(&limit_))                                      \
            log_printf((level), __VA_ARGS__);                                                      \
    } while (0)

#endif
