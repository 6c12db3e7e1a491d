/* Any bytes as text in JSON and XML. What is not valid UTF-8, and what the format has no place for, becomes U+FFFD; so the output is well-formed
 * whatever the bytes are. Any thread. Specification: RFC 8259; XML 1.0, "Characters". */
#ifndef VIBE_BASE_ESCAPE_H
#define VIBE_BASE_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A string with its quotes; null where text is null. */
void json_put_string(FILE *out, const char *text);
void json_put_text(FILE *out, const char *text, size_t len);

/* Character data, or (attribute) what stands between an attribute's quotes, where line ends are kept too. */
void xml_put_text(FILE *out, const char *text, size_t len, bool attribute);

#endif
