/* A regular expression over one line of text that may still grow. Any thread, one at a time. Specification: POSIX.1-2017, "Extended Regular
 * Expressions"; without back references, which are not among them and would cost time without bound. */
#ifndef VIBE_CLI_PATTERN_H
#define VIBE_CLI_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct pattern;

/* -EINVAL with the reason: no regular expression, or one that matches where nothing is. */
int pattern_create(struct pattern **out, const char *regex, struct err *e);
void pattern_destroy(struct pattern *p); /* null is fine */

#define PATTERN_NONE ((size_t)-1)

/* Looks for it in the line from the offset `from` on; complete: the line will not grow, and $ matches at its end. Returns where the first match
 * that is complete ends, as it is found when the line grows byte by byte; PATTERN_NONE if there is none. line[len] may be written to. The text has no NUL.*/
size_t pattern_find(const struct pattern *p, char *line, size_t len, size_t from, bool complete);

#endif
