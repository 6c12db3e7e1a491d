/* 9P2000.L messages. Threading and specification: dev/p9/proto.h. */
#include "dev/p9/proto.h"

#include "base/bits.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "fields are little-endian and copied as they are");

enum kind { KIND_U8, KIND_U16, KIND_U32, KIND_U64, KIND_STR, KIND_NAMES };

struct field {
    uint8_t kind;
    uint8_t offset; /* in the message's struct */
};

struct message {
    uint8_t type, nr_fields;
    const struct field *field;
};

#define ROW(s, kind, name) {KIND_##kind, offsetof(struct p9_##s, name)},
#define FIELDS(type, name, fields) static const struct field name##_fields[] = {fields(ROW, name)};
P9_REQUESTS(FIELDS)

#define MESSAGE(type, name, fields) {(type), ARRAY_LEN(name##_fields), name##_fields},
static const struct message messages[] = {P9_REQUESTS(MESSAGE)};

struct cursor {
    uint8_t *buf;
    size_t at, len;
};

/* len bytes of the message, or null when there are fewer. */
static uint8_t *take(struct cursor *c, size_t len)
{
    if (len > c->len - c->at)
        return NULL;
    c->at += len;
    return c->buf + c->at - len;
}

static bool take_number(struct cursor *c, void *out, size_t len)
{
    const uint8_t *p = take(c, len);
    if (p)
        memcpy(out, p, len);
    return p;
}

/* The string moves down by one byte, over its length, which makes room for the terminator. */
static bool take_str(struct cursor *c, const char **out)
{
    uint16_t len;
    if (!take_number(c, &len, sizeof(len)))
        return false;
    uint8_t *p = take(c, len);
    if (!p || memchr(p, 0, len))
        return false;
    memmove(p - 1, p, len);
    p[len - 1] = 0;
    *out = (const char *)p - 1;
    return true;
}

static bool take_names(struct cursor *c, struct p9_names *out)
{
    uint16_t nr;
    if (!take_number(c, &nr, sizeof(nr)) || nr > P9_MAX_WALK)
        return false;
    out->nr = nr;
    for (unsigned i = 0; i < nr; i++)
        if (!take_str(c, &out->name[i]))
            return false;
    return true;
}

static bool take_field(struct cursor *c, enum kind kind, void *out)
{
    switch (kind) {
    case KIND_U8: return take_number(c, out, 1);
    case KIND_U16: return take_number(c, out, 2);
    case KIND_U32: return take_number(c, out, 4);
    case KIND_U64: return take_number(c, out, 8);
    case KIND_STR: return take_str(c, out);
    case KIND_NAMES: return take_names(c, out);
    }
    return false;
}

enum p9_parse_result p9_parse(uint8_t *buf, size_t have, size_t sent, struct p9_request *r)
{
    struct cursor c = {buf, 0, have};

    memset(r, 0, sizeof(*r));
    if (!take_number(&c, &r->size, 4) || !take_number(&c, &r->type, 1) ||
        !take_number(&c, &r->tag, 2) || r->size < P9_HEADER_LEN || r->size > sent)
        return P9_BAD_FRAME;
    c.len = MIN(have, (size_t)r->size);
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        const struct message *m = &messages[i];
        if (m->type != r->type)
            continue;
        /* All structs of the union begin where it begins. */
        uint8_t *out = (uint8_t *)&r->version;
        for (unsigned f = 0; f < m->nr_fields; f++)
            if (!take_field(&c, (enum kind)m->field[f].kind, out + m->field[f].offset))
                return P9_BAD;
        r->data_at = (uint32_t)c.at;
        const size_t data = r->type == P9_Twrite ? r->write.count : 0;
        return r->size - c.at == data ? P9_OK : P9_BAD;
    }
    return P9_UNKNOWN;
}

/* --- Replies -------------------------------------------------------------------------------------------------------- */

static void put(struct p9_reply *r, const void *from, size_t len)
{
    if (r->overflow || len > r->len - r->at) {
        r->overflow = true;
        return;
    }
    memcpy(r->buf + r->at, from, len);
    r->at += len;
}

void p9_put_u8(struct p9_reply *r, uint8_t val)
{
    put(r, &val, sizeof(val));
}

void p9_put_u16(struct p9_reply *r, uint16_t val)
{
    put(r, &val, sizeof(val));
}

void p9_put_u32(struct p9_reply *r, uint32_t val)
{
    put(r, &val, sizeof(val));
}

void p9_put_u64(struct p9_reply *r, uint64_t val)
{
    put(r, &val, sizeof(val));
}

void p9_put_str(struct p9_reply *r, const char *s, size_t len)
{
    p9_put_u16(r, (uint16_t)len);
    put(r, s, len);
}

void p9_put_qid(struct p9_reply *r, const struct p9_qid *q)
{
    p9_put_u8(r, q->type);
    p9_put_u32(r, q->version);
    p9_put_u64(r, q->path);
}

void p9_header(uint8_t *buf, uint32_t size, uint8_t type, uint16_t tag)
{
    memcpy(buf, &size, 4);
    buf[4] = type;
    memcpy(buf + 5, &tag, 2);
}
