/* Replies: put together and sent; and the parts that packets are made of. */
#include "dbg/gdb/session.h"

#include "base/bits.h"
#include "vm/vm_internal.h"

#include <stdarg.h>
#include <string.h>

void reply_put(struct gdb_session *s, const void *data, size_t len)
{
    const size_t n = MIN(len, sizeof(s->out) - s->out_len);

    memcpy(s->out + s->out_len, data, n);
    s->out_len += n;
}

void reply_printf(struct gdb_session *s, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    const int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    reply_put(s, text, n < 0 ? 0 : MIN((size_t)n, sizeof(text) - 1));
}

void reply_hex(struct gdb_session *s, const void *bytes, size_t len)
{
    const size_t n = MIN(len, (sizeof(s->out) - s->out_len) / 2);
    s->out_len += gdb_hex_put(s->out + s->out_len, bytes, n);
}

static void send_frame(struct gdb_session *s, char lead)
{
    s->frame_len = gdb_frame(s->frame, lead, s->out, s->out_len);
    s->out_len = 0;
    s->send(s->opaque, s->frame, s->frame_len);
}

void reply_send(struct gdb_session *s)
{
    send_frame(s, '$');
}

void reply_notify(struct gdb_session *s)
{
    send_frame(s, '%');
    s->frame_len = 0; /* is not acknowledged */
}

void reply_again(struct gdb_session *s)
{
    if (s->frame_len)
        s->send(s->opaque, s->frame, s->frame_len);
}

void reply_ok(struct gdb_session *s)
{
    s->out_len = 0;
    reply_put(s, "OK", 2);
    reply_send(s);
}

void reply_empty(struct gdb_session *s)
{
    s->out_len = 0;
    reply_send(s);
}

void reply_error(struct gdb_session *s, int code)
{
    s->out_len = 0;
    reply_printf(s, "E%02x", (unsigned)(code < 0 ? -code : code) & 0xff);
    reply_send(s);
}

void reply_refuse(struct gdb_session *s, int code, const char *why)
{
    snprintf(s->refusal, sizeof(s->refusal), "%s", why);
    reply_error(s, code);
}

void reply_text(struct gdb_session *s, const char *text, size_t len)
{
    while (len) {
        const size_t n = MIN(len, (GDB_PACKET_MAX - 1) / 2);
        s->out_len = 0;
        reply_put(s, "O", 1);
        reply_hex(s, text, n);
        reply_send(s);
        text += n;
        len -= n;
    }
}

void reply_xfer(struct gdb_session *s, const char *object, size_t object_len, uint64_t off, uint64_t len)
{
    s->out_len = 0;
    if (off >= object_len) {
        reply_put(s, "l", 1);
    } else {
        const size_t n = (size_t)MIN(MIN(len, object_len - off), GDB_PACKET_MAX - 1);
        reply_put(s, off + n == object_len ? "l" : "m", 1);
        reply_put(s, object + off, n);
    }
    reply_send(s);
}

bool eat(const char **p, const char *word)
{
    const size_t len = strlen(word);

    if (strncmp(*p, word, len) != 0)
        return false;
    *p += len;
    return true;
}

bool eat_thread(const struct gdb_session *s, const char **p, int *index)
{
    uint64_t id;

    *index = -1;
    if (eat(p, "-1"))
        return true;
    if (!gdb_hex_number(p, &id) || id > s->vm->nr_vcpus)
        return false;
    *index = (int)id - 1; /* 0 is any: all */
    return true;
}
