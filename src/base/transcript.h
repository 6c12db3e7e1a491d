/* The console's output as lines of text, for patterns and reports: without escape sequences and control characters, as a terminal would show it.
 *
 * A line ends with a newline. Carriage returns, escape sequences (ECMA-48) and control characters other than the tab are left out; a line of more than
 * TRANSCRIPT_LINE bytes goes on as another one. Bytes from 0x80 on stay as they are. Any thread, one at a time. */
#ifndef VIBE_BASE_TRANSCRIPT_H
#define VIBE_BASE_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRANSCRIPT_LINE 4096u
#define TRANSCRIPT_TAIL 16384u

struct transcript {
    char line[TRANSCRIPT_LINE + 1]; /* the one that grows; not terminated */
    size_t len;
    unsigned state, skipped;    /* of an escape sequence: what comes next, bytes so far */
    char tail[TRANSCRIPT_TAIL]; /* the last lines that are complete, each with its newline: a ring */
    size_t tail_at, tail_len;
};

/* Takes bytes up to the end of a line and no further; returns how many. *complete: a line has ended, and transcript_next_line() comes next. {0} to
 * begin with. */
size_t transcript_add(struct transcript *t, const uint8_t *buf, size_t len, bool *complete);
void transcript_next_line(struct transcript *t);

/* The last nr_lines lines, the growing one included if there is anything in it, malloc'd and terminated; less of them when they are long. Null: out of memory. */
char *transcript_tail(const struct transcript *t, unsigned nr_lines);

#endif
