/* The console's output as lines of text. Threads: base/transcript.h. Specification: ECMA-48, "Structure of control sequences". */
#include "base/transcript.h"

#include "base/bits.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT, ESCAPE, SEQUENCE, STRING, STRING_ESCAPE };

#define ESC 0x1b
#define BEL 0x07
#define SKIP_MAX 256u /* so much of an escape sequence and no more: what is so long is none */

/* Whether the byte belongs to an escape sequence; finds its beginning and end. */
static bool is_escape(struct transcript *t, uint8_t c)
{
    if (t->state == TEXT) {
        if (c != ESC)
            return false;
        t->state = ESCAPE;
        t->skipped = 0;
        return true;
    }
    if (c == '\n' || ++t->skipped > SKIP_MAX) {
        t->state = TEXT;
        return false;
    }
    if (c == ESC && t->state != STRING) {
        t->state = ESCAPE;
        return true;
    }
    switch (t->state) {
    case ESCAPE:
        if (c == '[')
            t->state = SEQUENCE;
        else if (c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_')
            t->state = STRING;
        else if (c < 0x20 || c > 0x2f)
            t->state = TEXT;
        return true;
    case SEQUENCE:
        if (c >= 0x40 && c <= 0x7e)
            t->state = TEXT;
        return true;
    case STRING: t->state = c == ESC ? STRING_ESCAPE : c == BEL ? TEXT : STRING; return true;
    default: t->state = c == '\\' ? TEXT : STRING; return true;
    }
}

size_t transcript_add(struct transcript *t, const uint8_t *buf, size_t len, bool *complete)
{
    *complete = false;
    for (size_t i = 0; i < len; i++) {
        const uint8_t c = buf[i];
        if (is_escape(t, c))
            continue;
        const bool shown = c == '\t' || (c >= 0x20 && c != 0x7f);
        if (c == '\n' || (shown && t->len == TRANSCRIPT_LINE)) {
            *complete = true;
            return i + (c == '\n');
        }
        if (shown)
            t->line[t->len++] = (char)c;
    }
    return len;
}

static void add_to_tail(struct transcript *t, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        t->tail[t->tail_at] = text[i];
        t->tail_at = (t->tail_at + 1) % TRANSCRIPT_TAIL;
    }
    t->tail_len = MIN(t->tail_len + len, (size_t)TRANSCRIPT_TAIL);
}

void transcript_next_line(struct transcript *t)
{
    add_to_tail(t, t->line, t->len);
    add_to_tail(t, "\n", 1);
    t->len = 0;
}

char *transcript_tail(const struct transcript *t, unsigned nr_lines)
{
    size_t from = t->tail_len;
    unsigned nr = t->len ? 1 : 0;

    for (; from; from--) {
        const size_t before = (t->tail_at + TRANSCRIPT_TAIL - (t->tail_len - from) - 1) % TRANSCRIPT_TAIL;
        if (t->tail[before] == '\n' && nr++ == nr_lines)
            break;
    }
    const size_t len = t->tail_len - from;
    char *text = malloc(len + t->len + 1);
    if (!text)
        return NULL;
    for (size_t i = 0; i < len; i++)
        text[i] = t->tail[(t->tail_at + TRANSCRIPT_TAIL - len + i) % TRANSCRIPT_TAIL];
    memcpy(text + len, t->line, t->len);
    text[len + t->len] = 0;
    return text;
}
