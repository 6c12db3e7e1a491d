/* Bytes on their way to a slow reader: dbg/outbox.h. */
#include "dbg/outbox.h"

#include "base/bits.h"
#include "base/os.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MS UINT64_C(1000000)

int outbox_add(struct outbox *o, const void *bytes, size_t len)
{
    if (o->len + len > o->size) {
        const size_t size = MAX(2 * o->size, o->len + len);
        char *bigger = realloc(o->bytes, size);
        if (!bigger)
            return -ENOMEM;
        o->bytes = bigger;
        o->size = size;
    }
    memcpy(o->bytes + o->len, bytes, len);
    o->len += len;
    return 0;
}

int outbox_flush(struct outbox *o, int fd)
{
    size_t done = 0;
    int r = 0;

    while (done < o->len) {
        const ssize_t n = send(fd, o->bytes + done, o->len - done, 0);
        if (n >= 0) {
            done += (size_t)n;
        } else if (errno != EINTR) {
            r = errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
            break;
        }
    }
    o->len -= done;
    if (done && o->len)
        memmove(o->bytes, o->bytes + done, o->len);
    return r;
}

void outbox_flush_until(struct outbox *o, int fd, uint64_t until_ns)
{
    int r = outbox_flush(o, fd);

    for (uint64_t now; !r && o->len && (now = os_now_ns()) < until_ns;) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        poll(&p, 1, (int)((until_ns - now) / MS) + 1);
        r = p.revents & (POLLERR | POLLHUP) ? -EPIPE : outbox_flush(o, fd);
    }
}

void outbox_clear(struct outbox *o)
{
    free(o->bytes);
    *o = (struct outbox){0};
}
