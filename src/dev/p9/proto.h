/* 9P2000.L messages: requests into structs, replies into bytes. No files here: dev/p9/server.h answers.
 *
 * Every request is declared once, as a list of its fields in the order of the wire; the struct and the parser's table both come from
 * the list. Everything is checked before anything is used: a message is taken whole or not at all.
 * Pure; any thread. Specification: intro(5) of the Plan 9 manual for framing and the old messages; the 9P2000.L protocol notes of the
 * diod project for the rest. */
#ifndef VIBE_DEV_P9_PROTO_H
#define VIBE_DEV_P9_PROTO_H

#include "base/types.h"

#include <stdbool.h>
#include <stddef.h>

#define P9_HEADER_LEN 7u /* size[4] type[1] tag[2] */
#define P9_RLERROR_LEN 11u
#define P9_MAX_WALK 16u /* names in a Twalk */
#define P9_NOFID UINT32_MAX
#define P9_VERSION "9P2000.L"

/* A string of the message, terminated, without NUL inside: it lies in the buffer that was parsed. */
struct p9_names {
    unsigned nr;
    const char *name[P9_MAX_WALK];
};

/* The fields of each request. F(struct, kind, name); kinds U8, U16, U32, U64, STR and NAMES. */
#define P9_VERSION_FIELDS(F, s) F(s, U32, msize) F(s, STR, version)
#define P9_AUTH_FIELDS(F, s) F(s, U32, afid) F(s, STR, uname) F(s, STR, aname) F(s, U32, n_uname)
#define P9_ATTACH_FIELDS(F, s)                                                                     \
    F(s, U32, fid) F(s, U32, afid) F(s, STR, uname) F(s, STR, aname) F(s, U32, n_uname)
#define P9_FLUSH_FIELDS(F, s) F(s, U16, oldtag)
#define P9_WALK_FIELDS(F, s) F(s, U32, fid) F(s, U32, newfid) F(s, NAMES, names)
#define P9_FID_FIELDS(F, s) F(s, U32, fid)
#define P9_READ_FIELDS(F, s) F(s, U32, fid) F(s, U64, offset) F(s, U32, count)
#define P9_LOPEN_FIELDS(F, s) F(s, U32, fid) F(s, U32, flags)
#define P9_LCREATE_FIELDS(F, s)                                                                    \
    F(s, U32, fid) F(s, STR, name) F(s, U32, flags) F(s, U32, mode) F(s, U32, gid)
#define P9_SYMLINK_FIELDS(F, s) F(s, U32, fid) F(s, STR, name) F(s, STR, target) F(s, U32, gid)
#define P9_MKNOD_FIELDS(F, s)                                                                      \
    F(s, U32, fid)                                                                                 \
    F(s, STR, name) F(s, U32, mode) F(s, U32, major) F(s, U32, minor) F(s, U32, gid)
#define P9_RENAME_FIELDS(F, s) F(s, U32, fid) F(s, U32, dfid) F(s, STR, name)
#define P9_GETATTR_FIELDS(F, s) F(s, U32, fid) F(s, U64, mask)
#define P9_SETATTR_FIELDS(F, s)                                                                    \
    F(s, U32, fid)                                                                                 \
    F(s, U32, valid)                                                                               \
    F(s, U32, mode)                                                                                \
    F(s, U32, uid)                                                                                 \
    F(s, U32, gid)                                                                                 \
    F(s, U64, size)                                                                                \
    F(s, U64, atime_sec) F(s, U64, atime_nsec) F(s, U64, mtime_sec) F(s, U64, mtime_nsec)
#define P9_XATTRWALK_FIELDS(F, s) F(s, U32, fid) F(s, U32, newfid) F(s, STR, name)
#define P9_XATTRCREATE_FIELDS(F, s) F(s, U32, fid) F(s, STR, name) F(s, U64, size) F(s, U32, flags)
#define P9_FSYNC_FIELDS(F, s) F(s, U32, fid) F(s, U32, datasync)
#define P9_LOCK_FIELDS(F, s)                                                                       \
    F(s, U32, fid)                                                                                 \
    F(s, U8, type)                                                                                 \
    F(s, U32, flags) F(s, U64, start) F(s, U64, length) F(s, U32, proc_id) F(s, STR, client_id)
#define P9_GETLOCK_FIELDS(F, s)                                                                    \
    F(s, U32, fid)                                                                                 \
    F(s, U8, type) F(s, U64, start) F(s, U64, length) F(s, U32, proc_id) F(s, STR, client_id)
#define P9_LINK_FIELDS(F, s) F(s, U32, dfid) F(s, U32, fid) F(s, STR, name)
#define P9_MKDIR_FIELDS(F, s) F(s, U32, fid) F(s, STR, name) F(s, U32, mode) F(s, U32, gid)
#define P9_RENAMEAT_FIELDS(F, s)                                                                   \
    F(s, U32, olddirfid) F(s, STR, oldname) F(s, U32, newdirfid) F(s, STR, newname)
#define P9_UNLINKAT_FIELDS(F, s) F(s, U32, dirfid) F(s, STR, name) F(s, U32, flags)

/* The requests: type on the wire (the reply's is one more), name, fields. Of Twrite the data follow its fields. */
#define P9_REQUESTS(R)                                                                             \
    R(8, statfs, P9_FID_FIELDS)                                                                    \
    R(12, lopen, P9_LOPEN_FIELDS)                                                                  \
    R(14, lcreate, P9_LCREATE_FIELDS)                                                              \
    R(16, symlink, P9_SYMLINK_FIELDS)                                                              \
    R(18, mknod, P9_MKNOD_FIELDS)                                                                  \
    R(20, rename, P9_RENAME_FIELDS)                                                                \
    R(22, readlink, P9_FID_FIELDS)                                                                 \
    R(24, getattr, P9_GETATTR_FIELDS)                                                              \
    R(26, setattr, P9_SETATTR_FIELDS)                                                              \
    R(30, xattrwalk, P9_XATTRWALK_FIELDS)                                                          \
    R(32, xattrcreate, P9_XATTRCREATE_FIELDS)                                                      \
    R(40, readdir, P9_READ_FIELDS)                                                                 \
    R(50, fsync, P9_FSYNC_FIELDS)                                                                  \
    R(52, lock, P9_LOCK_FIELDS)                                                                    \
    R(54, getlock, P9_GETLOCK_FIELDS)                                                              \
    R(70, link, P9_LINK_FIELDS)                                                                    \
    R(72, mkdir, P9_MKDIR_FIELDS)                                                                  \
    R(74, renameat, P9_RENAMEAT_FIELDS)                                                            \
    R(76, unlinkat, P9_UNLINKAT_FIELDS)                                                            \
    R(100, version, P9_VERSION_FIELDS)                                                             \
    R(102, auth, P9_AUTH_FIELDS)                                                                   \
    R(104, attach, P9_ATTACH_FIELDS)                                                               \
    R(108, flush, P9_FLUSH_FIELDS)                                                                 \
    R(110, walk, P9_WALK_FIELDS)                                                                   \
    R(116, read, P9_READ_FIELDS)                                                                   \
    R(118, write, P9_READ_FIELDS)                                                                  \
    R(120, clunk, P9_FID_FIELDS)                                                                   \
    R(122, remove, P9_FID_FIELDS)

#define P9_TYPE_U8 uint8_t
#define P9_TYPE_U16 uint16_t
#define P9_TYPE_U32 uint32_t
#define P9_TYPE_U64 uint64_t
#define P9_TYPE_STR const char *
#define P9_TYPE_NAMES struct p9_names
#define P9_MEMBER(s, kind, name) P9_TYPE_##kind name;
#define P9_STRUCT(type, name, fields)                                                              \
    struct p9_##name {                                                                             \
        fields(P9_MEMBER, )                                                                        \
    };
P9_REQUESTS(P9_STRUCT)

#define P9_ENUM(type, name, fields) P9_T##name = (type),
enum p9_type { P9_REQUESTS(P9_ENUM) P9_RLERROR = 7 };

#define P9_UNION(type, name, fields) struct p9_##name name;
struct p9_request {
    uint8_t type;
    uint16_t tag;
    uint32_t size;    /* of the whole message, data of a Twrite included */
    uint32_t data_at; /* where the parsed fields end: of a Twrite the data begin here */
    union {
        P9_REQUESTS(P9_UNION)
    };
};

/* The first bytes of a message that have to be in the buffer for p9_parse(): all of it, but for the data of a Twrite. */
#define P9_MAX_FIELDS_LEN 16384u

enum p9_parse_result {
    P9_OK,
    P9_BAD_FRAME, /* no message: too short, or longer than what was sent; no reply is possible */
    P9_UNKNOWN,   /* a type that 9P2000.L does not have; type and tag are set */
    P9_BAD,       /* the fields do not fill the message; type and tag are set */
};

/* Parses the message in buf: have bytes of the `sent` bytes that the client sent. Strings are terminated in place, so buf is changed; the
 * request points into it. */
enum p9_parse_result p9_parse(uint8_t *buf, size_t have, size_t sent, struct p9_request *r);

/* --- Replies -------------------------------------------------------------------------------------------------------- */

struct p9_qid {
    uint8_t type; /* enum p9_qid_type */
    uint32_t version;
    uint64_t path;
};
enum p9_qid_type { P9_QTDIR = 0x80, P9_QTSYMLINK = 0x02, P9_QTFILE = 0 };
#define P9_QID_LEN 13u

/* Bytes go to buf[at]; what does not fit in len is left out and sets overflow. */
struct p9_reply {
    uint8_t *buf;
    size_t len, at;
    bool overflow;
};

void p9_put_u8(struct p9_reply *r, uint8_t val);
void p9_put_u16(struct p9_reply *r, uint16_t val);
void p9_put_u32(struct p9_reply *r, uint32_t val);
void p9_put_u64(struct p9_reply *r, uint64_t val);
void p9_put_str(struct p9_reply *r, const char *s, size_t len); /* len up to 65535 */
void p9_put_qid(struct p9_reply *r, const struct p9_qid *q);

/* The header into the first P9_HEADER_LEN bytes of buf, for a message of size bytes. */
void p9_header(uint8_t *buf, uint32_t size, uint8_t type, uint16_t tag);

#endif
