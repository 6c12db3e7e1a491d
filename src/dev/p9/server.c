/* The session of a shared folder: framing, versions, fids. Threading: dev/p9/server.h. */
#include "dev/p9/server.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/iov.h"
#include "dev/p9/host.h"
#include "dev/p9/server_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* --- Fids ----------------------------------------------------------------------------------------------------------- */

static struct p9_fid **fid_at(struct p9_server *s, uint32_t id)
{
    struct p9_fid **at = &s->bucket[id % NR_FID_BUCKETS];
    while (*at && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

struct p9_fid *p9_fid_find(struct p9_server *s, uint32_t id)
{
    return *fid_at(s, id);
}

int p9_fid_add(struct p9_server *s, uint32_t id, struct p9_node *node)
{
    struct p9_fid **at = fid_at(s, id);
    struct p9_fid *f = *at || s->nr_fids == P9_MAX_FIDS ? NULL : malloc(sizeof(*f));

    if (!f) {
        p9_node_put(s->tree, node);
        return *at ? -EBADF : -ENFILE;
    }
    *f = (struct p9_fid){.id = id, .node = node, .fd = -1};
    *at = f;
    s->nr_fids++;
    return 0;
}

static void remove_fid(struct p9_server *s, struct p9_fid *f)
{
    *fid_at(s, f->id) = f->next;
    s->nr_fids--;
    p9_fid_close(s, f);
    p9_node_put(s->tree, f->node);
    free(f);
}

static void remove_all_fids(struct p9_server *s)
{
    for (unsigned i = 0; i < NR_FID_BUCKETS && s->nr_fids; i++)
        while (s->bucket[i])
            remove_fid(s, s->bucket[i]);
}

/* --- The session's messages ----------------------------------------------------------------------------------------- */

/* version(5): also ends everything that was before. */
static int do_version(struct p9_server *s, struct p9_call *c)
{
    const struct p9_version *q = &c->q.version;
    const bool known = !strcmp(q->version, P9_VERSION);

    p9_server_reset(s);
    if (q->msize < P9_MIN_MSIZE)
        return -EMSGSIZE;
    const char *answer = known ? P9_VERSION : "unknown";
    s->msize = MIN(q->msize, P9_MAX_MSIZE);
    s->started = known;
    p9_put_u32(&c->reply, s->msize);
    p9_put_str(&c->reply, answer, strlen(answer));
    return 0;
}

/* attach(5): no authentication is needed, which is what an error says. */
static int do_auth(struct p9_server *s, struct p9_call *c)
{
    (void)s;
    (void)c;
    return -EOPNOTSUPP;
}

static int do_attach(struct p9_server *s, struct p9_call *c)
{
    const char *name;
    struct stat st;
    struct p9_node *root = p9_tree_root(s->tree);
    const int fd = p9_tree_at(s->tree, root, &name);

    if (c->q.attach.afid != P9_NOFID)
        return -EINVAL;
    if (fstat(fd, &st))
        return -errno;
    const int r = p9_fid_add(s, c->q.attach.fid, p9_node_get(root));
    const struct p9_qid qid = p9_tree_qid(s->tree, &st);
    if (!r)
        p9_put_qid(&c->reply, &qid);
    return r;
}

/* Every message is answered before the next is looked at: there is never anything to flush. */
static int do_flush(struct p9_server *s, struct p9_call *c)
{
    (void)s;
    (void)c;
    return 0;
}

/* walk(5): the new fid comes into being only when every name was found; else the qids tell how far it went. */
static int do_walk(struct p9_server *s, struct p9_call *c)
{
    const struct p9_walk *q = &c->q.walk;
    struct p9_fid *f = p9_fid_find(s, q->fid);

    if (!f || (q->newfid != q->fid && p9_fid_find(s, q->newfid)) || (q->newfid == q->fid && f->fd >= 0))
        return -EBADF;
    struct p9_node *at = p9_node_get(f->node);
    struct p9_qid qid[P9_MAX_WALK];
    unsigned n = 0;
    int r = 0;
    while (n < q->names.nr) {
        struct stat st;
        struct p9_node *next;
        r = p9_tree_walk(s->tree, at, q->names.name[n], &next, &st);
        if (r)
            break;
        p9_node_put(s->tree, at);
        at = next;
        qid[n++] = p9_tree_qid(s->tree, &st);
    }
    if (n < q->names.nr) {
        p9_node_put(s->tree, at);
        if (!n)
            return r;
    } else if (q->newfid == q->fid) {
        p9_node_put(s->tree, f->node);
        f->node = at;
    } else if ((r = p9_fid_add(s, q->newfid, at))) {
        return r;
    }
    p9_put_u16(&c->reply, (uint16_t)n);
    for (unsigned i = 0; i < n; i++)
        p9_put_qid(&c->reply, &qid[i]);
    return 0;
}

static int do_clunk(struct p9_server *s, struct p9_call *c)
{
    struct p9_fid *f = p9_fid_find(s, c->q.clunk.fid);

    if (!f)
        return -EBADF;
    remove_fid(s, f);
    return 0;
}

/* remove(5): the fid is gone, whatever becomes of the file. */
static int do_remove(struct p9_server *s, struct p9_call *c)
{
    struct p9_fid *f = p9_fid_find(s, c->q.remove.fid);

    if (!f)
        return -EBADF;
    const int r = s->read_only ? -EROFS : p9_node_unlink(s->tree, f->node);
    remove_fid(s, f);
    return r;
}

/* Locks are between the guest's own processes, and its kernel has settled them before it asks: all are granted, and none is known to be
 * held by somebody else. */
enum { LOCK_TYPE_WRLCK = 1, LOCK_TYPE_UNLCK = 2, LOCK_SUCCESS = 0 };

static int do_lock(struct p9_server *s, struct p9_call *c)
{
    const struct p9_fid *f = p9_fid_find(s, c->q.lock.fid);

    if (!f || f->fd < 0)
        return -EBADF;
    if (c->q.lock.type > LOCK_TYPE_UNLCK)
        return -EINVAL;
    p9_put_u8(&c->reply, LOCK_SUCCESS);
    return 0;
}

static int do_getlock(struct p9_server *s, struct p9_call *c)
{
    const struct p9_getlock *q = &c->q.getlock;
    const struct p9_fid *f = p9_fid_find(s, q->fid);

    if (!f || f->fd < 0)
        return -EBADF;
    if (q->type > LOCK_TYPE_WRLCK)
        return -EINVAL;
    p9_put_u8(&c->reply, LOCK_TYPE_UNLCK);
    p9_put_u64(&c->reply, q->start);
    p9_put_u64(&c->reply, q->length);
    p9_put_u32(&c->reply, q->proc_id);
    p9_put_str(&c->reply, q->client_id, strlen(q->client_id));
    return 0;
}

/* Extended attributes are not shared: they would take the host's labels and capabilities to the guest, and back. */
static int no_xattr(struct p9_server *s, struct p9_call *c)
{
    const uint32_t fid = c->q.type == P9_Txattrwalk ? c->q.xattrwalk.fid : c->q.xattrcreate.fid;
    return p9_fid_find(s, fid) ? -EOPNOTSUPP : -EBADF;
}

/* --- Framing -------------------------------------------------------------------------------------------------------- */

/* Which function answers, and whether it changes something. Tlopen, Tremove and Tfsync look for themselves. */
static const struct {
    p9_handler *fn;
    bool changes;
} handlers[128] = {
    [P9_Tstatfs] = {p9_do_statfs, false},
    [P9_Tlopen] = {p9_do_lopen, false},
    [P9_Tlcreate] = {p9_do_lcreate, true},
    [P9_Tsymlink] = {p9_do_symlink, true},
    [P9_Tmknod] = {p9_do_mknod, true},
    [P9_Trename] = {p9_do_rename, true},
    [P9_Treadlink] = {p9_do_readlink, false},
    [P9_Tgetattr] = {p9_do_getattr, false},
    [P9_Tsetattr] = {p9_do_setattr, true},
    [P9_Txattrwalk] = {no_xattr, false},
    [P9_Txattrcreate] = {no_xattr, true},
    [P9_Treaddir] = {p9_do_readdir, false},
    [P9_Tfsync] = {p9_do_fsync, false},
    [P9_Tlock] = {do_lock, false},
    [P9_Tgetlock] = {do_getlock, false},
    [P9_Tlink] = {p9_do_link, true},
    [P9_Tmkdir] = {p9_do_mkdir, true},
    [P9_Trenameat] = {p9_do_renameat, true},
    [P9_Tunlinkat] = {p9_do_unlinkat, true},
    [P9_Tversion] = {do_version, false},
    [P9_Tauth] = {do_auth, false},
    [P9_Tattach] = {do_attach, false},
    [P9_Tflush] = {do_flush, false},
    [P9_Twalk] = {do_walk, false},
    [P9_Tread] = {p9_do_read, false},
    [P9_Twrite] = {p9_do_write, true},
    [P9_Tclunk] = {do_clunk, false},
    [P9_Tremove] = {do_remove, false},
};

static int dispatch(struct p9_server *s, struct p9_call *c, enum p9_parse_result parsed)
{
    if (parsed == P9_UNKNOWN)
        return -EOPNOTSUPP;
    if (parsed == P9_BAD)
        return -EINVAL;
    if (!s->started && c->q.type != P9_Tversion)
        return -EPROTO;
    if (c->q.type != P9_Tversion && c->q.size > s->msize)
        return -EMSGSIZE;
    if (s->read_only && handlers[c->q.type].changes)
        return -EROFS;
    return handlers[c->q.type].fn(s, c);
}

size_t p9_server_handle(struct p9_server *s, const struct iovec *out, unsigned nr_out,
                        const struct iovec *in, unsigned nr_in)
{
    struct p9_call c = {.reply = {.buf = s->reply, .at = P9_HEADER_LEN},
                        .out = out,
                        .nr_out = nr_out,
                        .in = in,
                        .nr_in = nr_in};
    const size_t have = iov_read(out, nr_out, 0, s->request, sizeof(s->request)),
                 room = iov_len(in, nr_in);
    BUG_ON(nr_out > P9_MAX_PARTS || nr_in > P9_MAX_PARTS);
    const enum p9_parse_result parsed = p9_parse(s->request, have, iov_len(out, nr_out), &c.q);

    if (parsed == P9_BAD_FRAME || room < P9_RLERROR_LEN)
        return 0;
    c.in_len = MIN(room, (size_t)s->msize);
    c.reply.len = MIN(c.in_len, sizeof(s->reply));
    uint8_t type = c.q.type + 1;
    int r = dispatch(s, &c, parsed);
    if (!r && c.reply.overflow)
        r = -EMSGSIZE; /* done, but the client left no room to say so */
    if (r) {
        c.reply.at = P9_HEADER_LEN;
        c.data_len = 0;
        c.reply.overflow = false;
        p9_put_u32(&c.reply, p9_host_errno(-r));
        type = P9_RLERROR;
    }
    p9_header(s->reply, (uint32_t)(c.reply.at + c.data_len), type, c.q.tag);
    iov_write(in, nr_in, 0, s->reply, c.reply.at);
    return c.reply.at + c.data_len;
}

/* --- Life ----------------------------------------------------------------------------------------------------------- */

void p9_server_reset(struct p9_server *s)
{
    remove_all_fids(s);
    s->started = false;
    s->msize = P9_MIN_MSIZE;
}

struct p9_server *p9_server_create(const char *dir, bool read_only, struct err *e)
{
    struct p9_server *s = calloc(1, sizeof(*s));
    struct rlimit limit;

    if (!s) {
        err_set(e, ENOMEM, "out of memory");
        return NULL;
    }
    s->tree = p9_tree_create(dir, e);
    if (!s->tree) {
        free(s);
        return NULL;
    }
    s->read_only = read_only;
    s->umask = umask(0); /* while the machine is built, on one thread */
    umask(s->umask);
    /* The machine needs descriptors too. */
    s->max_open = P9_MAX_OPEN;
    if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur / 4 < s->max_open)
        s->max_open = (unsigned)(limit.rlim_cur / 4);
    p9_server_reset(s);
    return s;
}

void p9_server_destroy(struct p9_server *s)
{
    if (!s)
        return;
    remove_all_fids(s);
    p9_tree_destroy(s->tree);
    free(s);
}
