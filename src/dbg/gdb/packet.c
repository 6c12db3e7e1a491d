/* Framing of the gdb remote protocol. Pure. */
#include "dbg/gdb/packet.h"

#include "base/bits.h"

#define INTERRUPT 0x03
#define ESCAPE '}'
#define ESCAPE_XOR 0x20

/* "Overview": a character and * and 29 more than how often it comes again. */
#define REPEAT_BASE 29u
#define REPEAT_MIN 3u
#define REPEAT_MAX 97u /* '~' */

int gdb_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    const char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool gdb_hex_number(const char **p, uint64_t *val)
{
    const char *s = *p;

    *val = 0;
    for (int digit; (digit = gdb_hex_digit(*s)) >= 0; s++) {
        if (*val >> 60)
            return false;
        *val = *val << 4 | (unsigned)digit;
    }
    const bool any = s != *p;
    *p = s;
    return any;
}

static char digit_of(unsigned n)
{
    return "0123456789abcdef"[n & 15];
}

size_t gdb_hex_put(char *out, const void *bytes, size_t len)
{
    const uint8_t *b = bytes;

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digit_of(b[i] >> 4);
        out[2 * i + 1] = digit_of(b[i]);
    }
    return 2 * len;
}

bool gdb_hex_get(void *bytes, size_t len, const char *hex, size_t hex_len)
{
    uint8_t *b = bytes;

    if (hex_len / 2 < len)
        return false;
    for (size_t i = 0; i < len; i++) {
        const int high = gdb_hex_digit(hex[2 * i]), low = gdb_hex_digit(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        b[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* --- In ------------------------------------------------------------------------------------------------------------- */

static void begin(struct gdb_parser *p)
{
    p->state = GDB_INSIDE;
    p->sum = 0;
    p->len = 0;
    p->too_long = p->bad_sum = false;
}

static void add(struct gdb_parser *p, uint8_t byte)
{
    if (p->len < GDB_PACKET_MAX)
        p->data[p->len++] = (char)byte;
    else
        p->too_long = true;
}

static enum gdb_input outside(struct gdb_parser *p, uint8_t byte)
{
    switch (byte) {
    case '$': begin(p); return GDB_INPUT_NONE;
    case '+': return GDB_INPUT_ACK;
    case '-': return GDB_INPUT_NAK;
    case INTERRUPT: return GDB_INPUT_INTERRUPT;
    default: return GDB_INPUT_NONE; /* between packets: noise */
    }
}

static enum gdb_input inside(struct gdb_parser *p, uint8_t byte)
{
    if (byte == '$') { /* is never part of one: the end of the last was lost */
        begin(p);
        return GDB_INPUT_NONE;
    }
    if (byte == '#') {
        p->state = GDB_SUM_1;
        return GDB_INPUT_NONE;
    }
    p->sum = (uint8_t)(p->sum + byte);
    if (byte == ESCAPE)
        p->state = GDB_ESCAPED;
    else
        add(p, byte);
    return GDB_INPUT_NONE;
}

static enum gdb_input sum_digit(struct gdb_parser *p, uint8_t byte)
{
    const int digit = gdb_hex_digit((char)byte);

    p->bad_sum |= digit < 0;
    if (p->state == GDB_SUM_1) {
        p->wanted = (uint8_t)((unsigned)digit << 4);
        p->state = GDB_SUM_2;
        return GDB_INPUT_NONE;
    }
    p->state = GDB_OUTSIDE;
    p->wanted |= (uint8_t)((unsigned)digit & 15);
    if (p->too_long || (!p->no_sums && (p->bad_sum || p->sum != p->wanted)))
        return GDB_INPUT_BAD;
    p->data[p->len] = 0;
    return GDB_INPUT_PACKET;
}

enum gdb_input gdb_parse(struct gdb_parser *p, uint8_t byte)
{
    switch (p->state) {
    case GDB_OUTSIDE: return outside(p, byte);
    case GDB_INSIDE: return inside(p, byte);
    case GDB_ESCAPED:
        p->sum = (uint8_t)(p->sum + byte);
        add(p, byte ^ ESCAPE_XOR);
        p->state = GDB_INSIDE;
        return GDB_INPUT_NONE;
    case GDB_SUM_1:
    case GDB_SUM_2: break;
    }
    return sum_digit(p, byte);
}

/* --- Out ------------------------------------------------------------------------------------------------------------ */

static bool is_escaped(char c)
{
    return c == '#' || c == '$' || c == '*' || c == ESCAPE;
}

/* How often data[0] comes again behind itself, as far as that can be said at once. */
static size_t repetitions(const char *data, size_t len)
{
    size_t n = 0;

    while (n + 1 < len && n < REPEAT_MAX && data[n + 1] == data[0])
        n++;
    while (n + REPEAT_BASE == '#' || n + REPEAT_BASE == '$')
        n--;
    return n < REPEAT_MIN ? 0 : n;
}

size_t gdb_frame(char *out, char lead, const char *data, size_t len)
{
    char *p = out;
    uint8_t sum = 0;

    *p++ = lead;
    for (size_t i = 0; i < len; i++) {
        if (is_escaped(data[i])) {
            *p++ = ESCAPE;
            *p++ = data[i] ^ ESCAPE_XOR;
            continue;
        }
        *p++ = data[i];
        const size_t n = repetitions(data + i, len - i);
        if (n) {
            *p++ = '*';
            *p++ = (char)(n + REPEAT_BASE);
            i += n;
        }
    }
    for (const char *s = out + 1; s < p; s++)
        sum = (uint8_t)(sum + (uint8_t)*s);
    *p++ = '#';
    *p++ = digit_of(sum >> 4);
    *p++ = digit_of(sum);
    return (size_t)(p - out);
}
