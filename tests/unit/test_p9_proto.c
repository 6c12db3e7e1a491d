/* 9P2000.L messages: every request's fields, and everything that is no message. */
#include "p9_client.h"

#include "dev/p9/proto.h"

static struct client c;
static uint8_t buf[70000];

/* Parses the message that was put into c, as if `have` of its bytes were in the buffer. */
static enum p9_parse_result parse_part(struct p9_request *q, size_t have)
{
    const uint32_t size = (uint32_t)c.out_len;
    memcpy(c.out, &size, 4);
    memcpy(buf, c.out, c.out_len);
    return p9_parse(buf, have, c.out_len, q);
}

static enum p9_parse_result parse(struct p9_request *q)
{
    return parse_part(q, c.out_len);
}

static void test_fields(void **state)
{
    struct p9_request q;
    (void)state;
    message(&c, T_SETATTR, "dddddqqqqq", 1u, 2u, 3u, 4u, 5u, UINT64_C(6) << 40, UINT64_C(7),
            UINT64_C(8), UINT64_C(9), UINT64_C(10));
    assert_int_equal(parse(&q), P9_OK);
    assert_int_equal(q.type, P9_Tsetattr);
    assert_int_equal(q.tag, 0x1234);
    assert_int_equal(q.setattr.fid, 1);
    assert_int_equal(q.setattr.valid, 2);
    assert_int_equal(q.setattr.mode, 3);
    assert_int_equal(q.setattr.uid, 4);
    assert_int_equal(q.setattr.gid, 5);
    assert_int_equal(q.setattr.size, UINT64_C(6) << 40);
    assert_int_equal(q.setattr.atime_sec, 7);
    assert_int_equal(q.setattr.mtime_nsec, 10);

    message(&c, T_GETLOCK, "dbqqds", 1u, 2, UINT64_C(3), UINT64_C(4), 5u, "client");
    assert_int_equal(parse(&q), P9_OK);
    assert_int_equal(q.getlock.type, 2);
    assert_int_equal(q.getlock.length, 4);
    assert_string_equal(q.getlock.client_id, "client");

    message(&c, T_RENAMEAT, "dsds", 1u, "old", 2u, "");
    assert_int_equal(parse(&q), P9_OK);
    assert_string_equal(q.renameat.oldname, "old");
    assert_int_equal(q.renameat.newdirfid, 2);
    assert_string_equal(q.renameat.newname, "");

    message(&c, T_WALK, "ddwsss", 1u, 2u, 3, "a", "bc", "");
    assert_int_equal(parse(&q), P9_OK);
    assert_int_equal(q.walk.names.nr, 3);
    assert_string_equal(q.walk.names.name[0], "a");
    assert_string_equal(q.walk.names.name[1], "bc");
    assert_string_equal(q.walk.names.name[2], "");

    message(&c, T_FLUSH, "w", 0xabcd);
    assert_int_equal(parse(&q), P9_OK);
    assert_int_equal(q.flush.oldtag, 0xabcd);
}

/* A request of each type, with the fields of the specification, is taken; with a byte more or less it is not. */
static void test_lengths(void **state)
{
    static const struct {
        uint8_t type;
        const char *fields;
    } requests[] = {
        {T_STATFS, "d"},      {T_LOPEN, "dd"},         {T_LCREATE, "dsddd"},
        {T_SYMLINK, "dssd"},  {T_MKNOD, "dsdddd"},     {T_RENAME, "dds"},
        {T_READLINK, "d"},    {T_GETATTR, "dq"},       {T_SETATTR, "dddddqqqqq"},
        {T_XATTRWALK, "dds"}, {T_XATTRCREATE, "dsqd"}, {T_READDIR, "dqd"},
        {T_FSYNC, "dd"},      {T_LOCK, "dbdqqds"},     {T_GETLOCK, "dbqqds"},
        {T_LINK, "dds"},      {T_MKDIR, "dsdd"},       {T_RENAMEAT, "dsds"},
        {T_UNLINKAT, "dsd"},  {T_VERSION, "ds"},       {T_AUTH, "dssd"},
        {T_ATTACH, "ddssd"},  {T_FLUSH, "w"},          {T_WALK, "ddwss"},
        {T_READ, "dqd"},      {T_WRITE, "dqd"},        {T_CLUNK, "d"},
        {T_REMOVE, "d"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        struct p9_request q;
        begin(&c, requests[i].type);
        for (const char *f = requests[i].fields; *f; f++)
            switch (*f) {
            case 'b': put_n(&c, 1, 1); break;
            case 'w': put_n(&c, 2, 2); break; /* of a Twalk: two names */
            case 'd': put_n(&c, requests[i].type == T_WRITE ? 0 : 1, 4); break;
            case 'q': put_n(&c, 1, 8); break;
            default: put_s(&c, "name"); break;
            }
        const size_t len = c.out_len;
        assert_int_equal(parse(&q), P9_OK);
        assert_int_equal(q.type, requests[i].type);
        assert_int_equal(q.data_at, len);
        put_n(&c, 0, 1);
        assert_int_equal(parse(&q), P9_BAD);
        assert_int_equal(q.tag, 0x1234);
        for (c.out_len = len - 1; c.out_len >= 7; c.out_len--)
            assert_int_equal(parse(&q), P9_BAD);
        for (; c.out_len >= 4; c.out_len--)
            assert_int_equal(parse(&q), P9_BAD_FRAME);
    }
}

static void test_frames(void **state)
{
    struct p9_request q;
    uint32_t size;
    (void)state;
    message(&c, T_CLUNK, "d", 1u);
    memcpy(buf, c.out, c.out_len);
    for (size = 0; size < 7; size++) {
        memcpy(buf, &size, 4);
        assert_int_equal(p9_parse(buf, 11, 11, &q), P9_BAD_FRAME);
    }
    size = 12;
    memcpy(buf, &size, 4);
    assert_int_equal(p9_parse(buf, 11, 11, &q), P9_BAD_FRAME);
    size = UINT32_MAX;
    memcpy(buf, &size, 4);
    assert_int_equal(p9_parse(buf, 11, 11, &q), P9_BAD_FRAME);
    /* More bytes than the message has: they are not of it. */
    size = 11;
    memcpy(buf, &size, 4);
    assert_int_equal(p9_parse(buf, 20, 20, &q), P9_OK);
    assert_int_equal(p9_parse(buf, 0, 0, &q), P9_BAD_FRAME);
    for (unsigned type = 0; type < 256; type++) {
        const bool known = type == 8 || (type >= 12 && type <= 26 && !(type % 2)) || type == 30 ||
                           type == 32 || type == 40 || type == 50 || type == 52 || type == 54 ||
                           (type >= 70 && type <= 76 && !(type % 2)) || type == 100 ||
                           type == 102 || type == 104 || type == 108 || type == 110 ||
                           (type >= 116 && type <= 122 && !(type % 2));
        begin(&c, (uint8_t)type);
        assert_int_equal(parse(&q), known ? P9_BAD : P9_UNKNOWN);
    }
}

static void test_strings(void **state)
{
    struct p9_request q;
    (void)state;
    /* NUL inside */
    message(&c, T_MKDIR, "dsdd", 1u, "abc", 2u, 3u);
    c.out[7 + 4 + 2 + 1] = 0;
    assert_int_equal(parse(&q), P9_BAD);
    /* Longer than the message */
    message(&c, T_MKDIR, "dsdd", 1u, "abc", 2u, 3u);
    c.out[7 + 4] = 12;
    assert_int_equal(parse(&q), P9_BAD);
    c.out[7 + 4 + 1] = 0xff;
    assert_int_equal(parse(&q), P9_BAD);
    /* Too many names */
    for (unsigned nr = 16; nr <= 17; nr++) {
        message(&c, T_WALK, "ddw", 1u, 2u, (int)nr);
        for (unsigned i = 0; i < nr; i++)
            put_s(&c, "x");
        assert_int_equal(parse(&q), nr == 16 ? P9_OK : P9_BAD);
    }
    message(&c, T_WALK, "ddw", 1u, 2u, 0xffff);
    assert_int_equal(parse(&q), P9_BAD);
}

/* Of a Twrite only the fields need be in the buffer. */
static void test_write(void **state)
{
    struct p9_request q;
    (void)state;
    message(&c, T_WRITE, "dqd", 1u, UINT64_C(2), 40000u);
    c.out_len += 40000;
    assert_int_equal(parse_part(&q, P9_MAX_FIELDS_LEN), P9_OK);
    assert_int_equal(q.write.count, 40000);
    assert_int_equal(q.data_at, 23);
    assert_int_equal(q.size, 40023);
    c.out_len--;
    assert_int_equal(parse_part(&q, P9_MAX_FIELDS_LEN), P9_BAD);
    c.out_len += 2;
    assert_int_equal(parse_part(&q, P9_MAX_FIELDS_LEN), P9_BAD);
    message(&c, T_WRITE, "dqd", 1u, UINT64_C(2), UINT32_MAX);
    assert_int_equal(parse(&q), P9_BAD);
}

static void test_replies(void **state)
{
    uint8_t out[32];
    (void)state;
    struct p9_reply r = {.buf = out, .len = 20, .at = 7};
    const struct p9_qid qid = {P9_QTDIR, 0x01020304, UINT64_C(0x1122334455667788)};
    memset(out, 0xee, sizeof(out));
    p9_put_qid(&r, &qid);
    assert_false(r.overflow);
    assert_int_equal(r.at, 20);
    assert_memory_equal(out + 7, "\x80\x04\x03\x02\x01\x88\x77\x66\x55\x44\x33\x22\x11", 13);
    p9_put_u8(&r, 1);
    assert_true(r.overflow);
    assert_int_equal(out[20], 0xee);
    r = (struct p9_reply){.buf = out, .len = 6};
    p9_put_str(&r, "abcd", 4);
    assert_false(r.overflow);
    assert_memory_equal(out,
                        "\x04\x00"
                        "abcd",
                        6);
    r.at = 1;
    p9_put_str(&r, "abcd", 4);
    assert_true(r.overflow);
    /* Nothing more after an overflow, also what would fit. */
    r.at = 0;
    p9_put_u8(&r, 0x55);
    assert_int_equal(r.at, 0);
    p9_header(out, 0x01020304, 5, 0x0607);
    assert_memory_equal(out, "\x04\x03\x02\x01\x05\x07\x06", 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields), cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_frames), cmocka_unit_test(test_strings),
        cmocka_unit_test(test_write),  cmocka_unit_test(test_replies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
