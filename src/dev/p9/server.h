/* A shared folder's 9P2000.L server: one client, one message at a time.
 *
 * Threads: one at a time; the calls wait for the host's file system. */
#ifndef VIBE_DEV_P9_SERVER_H
#define VIBE_DEV_P9_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

struct err;
struct p9_server;
struct snap;

#define P9_MAX_MSIZE (1024u * 1024)
#define P9_MIN_MSIZE 4096u
#define P9_MAX_PARTS 512u /* of a message or the room for a reply */

/* Null with e set when dir is no folder. read_only: every change is refused with EROFS. */
struct p9_server *p9_server_create(const char *dir, bool read_only, struct err *e);
void p9_server_destroy(struct p9_server *s);

/* As before the first message. */
void p9_server_reset(struct p9_server *s);

/* The session to or from a snapshot. Loading, files are looked for where they were, and opened again; what is not there any more, or is another
 * file, is to the guest like one that was removed. */
void p9_server_snap(struct p9_server *s, struct snap *sn);

/* One message and its reply. out: the client's bytes; in: room for the reply. Both may be memory that the client changes meanwhile.
 * Returns the reply's length; 0 when there is none, for what was sent is no message or there is no room for an error. */
size_t p9_server_handle(struct p9_server *s, const struct iovec *out, unsigned nr_out,
                        const struct iovec *in, unsigned nr_in);

#endif
