/* Error text and the end of the line for our own bugs. Any thread. */
#include "base/err.h"

#include "base/bits.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Atomic(void (*)(void)) bug_hook;

int err_set(struct err *e, int code, const char *fmt, ...)
{
    BUG_ON(code <= 0);
    if (!e)
        return -code;

    /* Formatted aside first: an argument may be the old e->text. */
    char text[ERR_TEXT_LEN];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    e->code = code;
    memcpy(e->text, text, sizeof(text));
    return -code;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
    /* Without a struct the code is lost as well; any non-zero answer keeps the caller's contract. */
    if (!e)
        return -EIO;

    char text[ERR_TEXT_LEN];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n < 0)
        n = 0;
    /* What does not fit is cut at the end: the context that the user knows stands first. */
    size_t used = MIN((size_t)n, sizeof(text) - 3);
    memcpy(text + used, ": ", 2);
    used += 2;
    size_t rest = MIN(strlen(e->text), sizeof(text) - 1 - used);
    memcpy(text + used, e->text, rest);
    text[used + rest] = 0;
    memcpy(e->text, text, used + rest + 1);
    return -(e->code ? e->code : EIO);
}

void bug_set_hook(void (*hook)(void))
{
    atomic_store(&bug_hook, hook);
}

void bug_at(const char *file, int line, const char *fmt, ...)
{
    char text[ERR_TEXT_LEN];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);

    /* write() and not stdio: another thread may hold stderr's lock for ever. */
    char msg[ERR_TEXT_LEN + 256];
    int n = snprintf(msg, sizeof(msg), "vibevmm: bug at %s:%d: %s\n", file, line, text);
    if (n > 0) {
        ssize_t done = write(STDERR_FILENO, msg, MIN((size_t)n, sizeof(msg) - 1));
        (void)done;
    }

    /* Taken out first, so that a bug inside the hook, or in a second thread, does not call it again. */
    void (*hook)(void) = atomic_exchange(&bug_hook, NULL);
    if (hook)
        hook();
    abort();
}
