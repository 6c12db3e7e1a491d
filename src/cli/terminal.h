/* The terminal on standard input: raw while the guest has it, and restored whatever happens but SIGKILL.
 *
 * One terminal a process. terminal_restore() may be called from any thread and any signal handler; the rest on the main thread. */
#ifndef VIBE_CLI_TERMINAL_H
#define VIBE_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Makes fd, where it is a terminal and we are in its foreground, pass every key but Ctrl-C to us unechoed. True when it is raw now.
 * May be called again, after a suspend. */
bool terminal_enter(int fd);

/* Back to what it was before the first terminal_enter(). Nothing happens when it is not raw. Async-signal-safe. */
void terminal_restore(void);

/* On SIGSEGV, SIGBUS, SIGABRT and their like: restore the terminal, say so, and die by that signal as if this had not been there. Also
 * restores at exit() and in BUG(). Once, before any thread starts. */
void terminal_catch_crashes(void);

/* Columns and rows; false when fd is no terminal. */
bool terminal_size(int fd, unsigned *columns, unsigned *rows);

/* Ctrl-A and what follows it. */
enum escape_key { ESCAPE_NONE, ESCAPE_QUIT, ESCAPE_HELP, ESCAPE_SUSPEND };

struct escape {
    bool pending; /* a Ctrl-A was seen, its second key not yet */
};

/* Moves bytes from in to out (room for len of them) up to the first key that is for us. Returns the bytes taken from in; *out_len tells
 * those for the guest and *key what to do after they were sent. Pure. */
size_t escape_filter(struct escape *s, const uint8_t *in, size_t len, uint8_t *out, size_t *out_len,
                     enum escape_key *key);

#endif
