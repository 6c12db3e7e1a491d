/* Byte streams between serial devices and the host. Threading: dev/chardev.h. One lock for each direction, both leaves. */
#include "dev/chardev.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/os.h"
#include "base/snap.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUT_LEN 4096u
#ifndef PIPE_BUF
#define PIPE_BUF _POSIX_PIPE_BUF
#endif
#define IN_LEN 65536u

struct chardev {
    int out_fd;
    int notify[2]; /* a byte in it: output waits */

    pthread_mutex_t out_lock;
    uint8_t out[OUT_LEN];
    size_t out_len;
    bool out_broken; /* the reader went away */
    bool notified;
    uint64_t dropped, first_byte_ns;
    unsigned nr_taps;
    struct {
        void (*fn)(void *opaque, const uint8_t *buf, size_t len);
        void *opaque;
    } tap[CHARDEV_MAX_TAPS];

    pthread_mutex_t in_lock;
    uint8_t in[IN_LEN];
    size_t in_head, in_len; /* a ring */
    size_t (*take)(void *opaque, const uint8_t *buf, size_t len);
    size_t (*give_back)(void *opaque, uint8_t *buf, size_t len);
    void *take_opaque;
    void (*wake)(void *opaque);
    void *wake_opaque;
    bool reader_waits, in_ended;
};

struct chardev *chardev_create(int out_fd, struct err *e)
{
    struct chardev *c = calloc(1, sizeof(*c));

    if (!c) {
        err_set(e, ENOMEM, "out of memory for the console");
        return NULL;
    }
    if (os_pipe(c->notify, e)) {
        free(c);
        return NULL;
    }
    c->out_fd = out_fd;
    pthread_mutex_init(&c->out_lock, NULL);
    pthread_mutex_init(&c->in_lock, NULL);
    return c;
}

void chardev_destroy(struct chardev *c)
{
    if (!c)
        return;
    chardev_flush(c);
    close(c->notify[0]);
    close(c->notify[1]);
    pthread_mutex_destroy(&c->out_lock);
    pthread_mutex_destroy(&c->in_lock);
    free(c);
}

/* Hands the buffer to the descriptor, which may be non-blocking, as a terminal shared with the shell can be. wait: all of it, however
 * slow the reader is. Else only what is taken at once: a pipe that polls as writable has room for PIPE_BUF bytes. */
static void flush_locked(struct chardev *c, bool wait)
{
    size_t done = 0;

    while (done < c->out_len && !c->out_broken && c->out_fd >= 0) {
        struct pollfd p = {.fd = c->out_fd, .events = POLLOUT};
        if (!wait && poll(&p, 1, 0) == 0)
            break;
        const ssize_t n = write(c->out_fd, c->out + done,
                                wait ? c->out_len - done : MIN(c->out_len - done, (size_t)PIPE_BUF));
        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            if (!wait)
                break;
            poll(&p, 1, -1);
        } else if (n < 0 && errno != EINTR)
            c->out_broken = true;
    }
    if (c->out_broken)
        c->dropped += c->out_len - done;
    if (c->out_broken || c->out_fd < 0)
        done = c->out_len;
    c->out_len -= done;
    memmove(c->out, c->out + done, c->out_len);
}

size_t chardev_write(struct chardev *c, const void *buf, size_t len)
{
    const uint8_t *p = buf;
    size_t taken = 0;

    pthread_mutex_lock(&c->out_lock);
    if (!c->first_byte_ns && len)
        c->first_byte_ns = os_now_ns();
    for (unsigned i = 0; i < c->nr_taps; i++)
        c->tap[i].fn(c->tap[i].opaque, p, len);
    if (c->out_fd < 0) {
        taken = len;
    } else if (c->out_broken) {
        c->dropped += len;
    } else {
        bool newline = false;
        while (taken < len) {
            const size_t n = MIN(len - taken, OUT_LEN - c->out_len);
            memcpy(c->out + c->out_len, p + taken, n);
            newline |= memchr(p + taken, '\n', n) != NULL;
            c->out_len += n;
            taken += n;
            if (c->out_len == OUT_LEN)
                flush_locked(c, true);
        }
        if (newline)
            flush_locked(c, true);
        if (c->out_len && !c->notified)
            c->notified = write(c->notify[1], "", 1) == 1;
    }
    pthread_mutex_unlock(&c->out_lock);
    return taken;
}

void chardev_flush(struct chardev *c)
{
    pthread_mutex_lock(&c->out_lock);
    flush_locked(c, true);
    pthread_mutex_unlock(&c->out_lock);
}

uint64_t chardev_dropped(struct chardev *c)
{
    pthread_mutex_lock(&c->out_lock);
    const uint64_t n = c->dropped;
    pthread_mutex_unlock(&c->out_lock);
    return n;
}

uint64_t chardev_first_byte_ns(struct chardev *c)
{
    pthread_mutex_lock(&c->out_lock);
    const uint64_t ns = c->first_byte_ns;
    pthread_mutex_unlock(&c->out_lock);
    return ns;
}

void chardev_add_tap(struct chardev *c, void (*tap)(void *opaque, const uint8_t *buf, size_t len),
                     void *opaque)
{
    pthread_mutex_lock(&c->out_lock);
    BUG_ON(c->nr_taps == CHARDEV_MAX_TAPS);
    c->tap[c->nr_taps].fn = tap;
    c->tap[c->nr_taps++].opaque = opaque;
    pthread_mutex_unlock(&c->out_lock);
}

int chardev_poll_fd(const struct chardev *c)
{
    return c->notify[0];
}

void chardev_poll(struct chardev *c)
{
    char drain[16];

    /* The I/O loop has signals and the timeout to look after, and must not wait for a reader: neither behind a vCPU that does, nor in
     * write(). The descriptor stays readable until the buffer is empty. */
    if (pthread_mutex_trylock(&c->out_lock))
        return;
    flush_locked(c, false);
    if (!c->out_len) {
        while (read(c->notify[0], drain, sizeof(drain)) > 0)
            ;
        c->notified = false;
    }
    pthread_mutex_unlock(&c->out_lock);
}

/* --- Input ---------------------------------------------------------------------------------------------------------- */

void chardev_set_sink(struct chardev *c,
                      size_t (*take)(void *opaque, const uint8_t *buf, size_t len), void *opaque)
{
    pthread_mutex_lock(&c->in_lock);
    c->take = take;
    c->give_back = NULL;
    c->take_opaque = opaque;
    pthread_mutex_unlock(&c->in_lock);
}

void chardev_set_give_back(struct chardev *c, size_t (*give_back)(void *opaque, uint8_t *buf, size_t len))
{
    pthread_mutex_lock(&c->in_lock);
    c->give_back = give_back;
    pthread_mutex_unlock(&c->in_lock);
}

void chardev_set_reader(struct chardev *c, void (*wake)(void *opaque), void *opaque)
{
    pthread_mutex_lock(&c->in_lock);
    c->wake = wake;
    c->wake_opaque = opaque;
    pthread_mutex_unlock(&c->in_lock);
}

/* Offers the queue to the device, in its order. */
static void offer_locked(struct chardev *c)
{
    while (c->take && c->in_len) {
        const size_t run = MIN(c->in_len, IN_LEN - c->in_head);
        const size_t n = c->take(c->take_opaque, c->in + c->in_head, run);
        c->in_head = (c->in_head + n) % IN_LEN;
        c->in_len -= n;
        if (n < run)
            return;
    }
}

static void wake_reader_locked(struct chardev *c)
{
    c->reader_waits = false;
    c->wake(c->wake_opaque);
}

size_t chardev_read(struct chardev *c, uint8_t *buf, size_t len, bool *ended)
{
    pthread_mutex_lock(&c->in_lock);
    size_t n = c->give_back ? c->give_back(c->take_opaque, buf, len) : 0;
    while (n < len && c->in_len) {
        buf[n++] = c->in[c->in_head];
        c->in_head = (c->in_head + 1) % IN_LEN;
        c->in_len--;
    }
    if (n)
        offer_locked(c); /* of the rest, nobody knows yet who will want it */
    *ended = !n && c->in_ended;
    c->reader_waits = !n && !c->in_ended;
    pthread_mutex_unlock(&c->in_lock);
    return n;
}

void chardev_end_input(struct chardev *c)
{
    pthread_mutex_lock(&c->in_lock);
    c->in_ended = true;
    if (c->reader_waits)
        wake_reader_locked(c);
    pthread_mutex_unlock(&c->in_lock);
}

size_t chardev_input(struct chardev *c, const uint8_t *buf, size_t len)
{
    pthread_mutex_lock(&c->in_lock);
    for (size_t i = 0; i < len && c->in_len < IN_LEN; i++) {
        c->in[(c->in_head + c->in_len) % IN_LEN] = buf[i];
        c->in_len++;
    }
    /* What a reader waits for is not the device's. */
    if (c->reader_waits && c->in_len)
        wake_reader_locked(c);
    else
        offer_locked(c);
    const size_t room = IN_LEN - c->in_len;
    pthread_mutex_unlock(&c->in_lock);
    return room;
}

void chardev_resume_input(struct chardev *c)
{
    pthread_mutex_lock(&c->in_lock);
    offer_locked(c);
    pthread_mutex_unlock(&c->in_lock);
}

/* --- Snapshots ------------------------------------------------------------------------------------------------------ */

void chardev_lock_input(struct chardev *c)
{
    pthread_mutex_lock(&c->in_lock);
}

void chardev_unlock_input(struct chardev *c)
{
    pthread_mutex_unlock(&c->in_lock);
}

void chardev_snap(struct chardev *c, struct snap *s)
{
    uint8_t *bytes = s->loading ? NULL : malloc(IN_LEN);
    size_t len = c->in_len;

    for (size_t i = 0; bytes && i < len; i++)
        bytes[i] = c->in[(c->in_head + i) % IN_LEN];
    if (!s->loading && !bytes)
        snap_fail(s, "out of memory");
    else
        snap_blob(s, "input", &bytes, &len, IN_LEN);
    if (s->loading && bytes) {
        memcpy(c->in, bytes, len);
        c->in_head = 0;
        c->in_len = len;
    }
    free(bytes);
}
