/* Fuzz target: a script for the console, a zero byte, and what the console says. */
#include "base/transcript.h"
#include "cli/pattern.h"
#include "cli/script.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void look(const struct script *s, struct transcript *t, bool complete)
{
    char before[sizeof(t->line)];

    memcpy(before, t->line, t->len);
    for (unsigned i = 0; i < s->nr_steps; i++) {
        if (!s->step[i].pattern)
            continue;
        const size_t from = t->len / 2;
        const size_t end = pattern_find(s->step[i].pattern, t->line, t->len, from, complete);
        if (end != PATTERN_NONE && (end < from || end > t->len))
            abort();
    }
    if (memcmp(before, t->line, t->len) != 0 || memchr(t->line, 0, t->len))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct transcript t;
    struct script s;
    struct err e = {0};
    const uint8_t *zero = memchr(data, 0, len);
    const size_t script_len = zero ? (size_t)(zero - data) : len;

    if (script_parse(&s, "fuzz", (const char *)data, script_len, &e)) {
        if (!e.text[0] || strncmp(e.text, "fuzz:", 5) != 0)
            abort();
        return 0;
    }
    memset(&t, 0, sizeof(t));
    for (size_t at = script_len + 1; at < len;) {
        bool complete;
        at += transcript_add(&t, data + at, len - at, &complete);
        look(&s, &t, complete);
        if (complete)
            transcript_next_line(&t);
    }
    char *tail = transcript_tail(&t, 5);
    if (!tail || strlen(tail) > TRANSCRIPT_TAIL + TRANSCRIPT_LINE)
        abort();
    free(tail);
    script_free(&s);
    return 0;
}
