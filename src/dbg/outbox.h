/* Bytes on their way to somebody who may read slowly, or not at all: a connection of a server that must not wait for it. The server's thread. */
#ifndef VIBE_DBG_OUTBOX_H
#define VIBE_DBG_OUTBOX_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed is empty. */
struct outbox {
    char *bytes;
    size_t len; /* not taken yet */
    size_t size;
};

/* Behind what is there. 0 or -ENOMEM, with nothing changed. */
int outbox_add(struct outbox *o, const void *bytes, size_t len);
/* As much as the socket fd, which does not block, takes now. 0, or -errno: there is nobody any more. */
int outbox_flush(struct outbox *o, int fd);
/* All of it, if it is taken before os_now_ns() is until_ns. */
void outbox_flush_until(struct outbox *o, int fd, uint64_t until_ns);
/* Empty again, with nothing allocated. */
void outbox_clear(struct outbox *o);

#endif
