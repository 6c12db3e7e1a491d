/* Host and user errors: 0 or -errno, with one line of text that grows context on the way up.
 * Only src/cli prints them. Any thread; a struct err belongs to one call chain. */
#ifndef VIBE_BASE_ERR_H
#define VIBE_BASE_ERR_H

#include <stdarg.h>

#define ERR_TEXT_LEN 512

struct err {
    int code; /* a positive errno, 0 while nothing went wrong */
    char text[ERR_TEXT_LEN];
};

/* Records an error and returns -code. A null e is allowed: only the code is returned. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Puts "context: " before the text that is there; returns -code, so that `return err_prefix(e, "disk %s", f)` reads well. */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Our bug, never the guest's nor the user's: stays on in release builds. */
_Noreturn void bug_at(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#define BUG(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
#define BUG_ON(cond)                                                                               \
    do {                                                                                           \
        if (__builtin_expect(!!(cond), 0))                                                         \
            BUG("%s", #cond);                                                                      \
    } while (0)

/* Called by bug_at() before it aborts, to print the vCPUs' state and restore the terminal; null to remove. */
void bug_set_hook(void (*hook)(void));

#endif
