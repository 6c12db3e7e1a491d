/* Any bytes as text in JSON and XML. Pure but for writing; any thread. */
#include "base/escape.h"

#include "base/bits.h"

#include <stdint.h>
#include <string.h>

#define REPLACEMENT 0xfffdu

/* The character at p (len > 0 bytes), and how many bytes it has; of what is none, one byte as U+FFFD. */
static uint32_t next_character(const unsigned char *p, size_t len, size_t *used)
{
    const unsigned nr = p[0] < 0x80 ? 0 : p[0] >= 0xf0 ? 3 : p[0] >= 0xe0 ? 2 : 1;
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};

    *used = 1;
    if (!nr)
        return p[0];
    if (p[0] < 0xc2 || p[0] > 0xf4 || len <= nr)
        return REPLACEMENT;
    uint32_t c = p[0] & (0x3fu >> nr);
    for (unsigned i = 1; i <= nr; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return REPLACEMENT;
        c = c << 6 | (p[i] & 0x3fu);
    }
    if (c < least[nr] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return REPLACEMENT;
    *used = nr + 1;
    return c;
}

static void put_replacement(FILE *out)
{
    fputs("\xef\xbf\xbd", out);
}

void json_put_text(FILE *out, const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;

    fputc('"', out);
    for (size_t at = 0, used; at < len; at += used) {
        const uint32_t c = next_character(p + at, len - at, &used);
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", (int)c);
        else if (c == '\n')
            fputs("\\n", out);
        else if (c < 0x20)
            fprintf(out, "\\u%04x", (unsigned)c);
        else if (c == REPLACEMENT)
            put_replacement(out);
        else
            fwrite(p + at, 1, used, out);
    }
    fputc('"', out);
}

void json_put_string(FILE *out, const char *text)
{
    if (text)
        json_put_text(out, text, strlen(text));
    else
        fputs("null", out);
}

static bool is_xml(uint32_t c)
{
    return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c != 0xfffe && c != 0xffff);
}

void xml_put_text(FILE *out, const char *text, size_t len, bool attribute)
{
    const unsigned char *p = (const unsigned char *)text;

    for (size_t at = 0, used; at < len; at += used) {
        const uint32_t c = next_character(p + at, len - at, &used);
        if (c == '&')
            fputs("&amp;", out);
        else if (c == '<')
            fputs("&lt;", out);
        else if (c == '>')
            fputs("&gt;", out);
        else if (c == '"')
            fputs("&quot;", out);
        else if (c == '\r' || (attribute && (c == '\n' || c == '\t')))
            fprintf(out, "&#%u;", (unsigned)c);
        else if (c == REPLACEMENT || !is_xml(c))
            put_replacement(out);
        else
            fwrite(p + at, 1, used, out);
    }
}
