/* A byte stream between a serial device and the host: the terminal, a pipe, a file, or a test's buffer.
 *
 * Output: chardev_write() on vCPU threads; bytes are buffered and reach the descriptor on newline, when the buffer fills, and at
 * the latest some milliseconds later by the I/O loop; a full pipe makes the writer wait: no byte is lost. Input: the I/O
 * loop reads and calls the device's take(), keeping what the device can't take yet. take() runs under the input lock, which comes before
 * the device's. The program ignores SIGPIPE. */
#ifndef VIBE_DEV_CHARDEV_H
#define VIBE_DEV_CHARDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chardev;
struct err;
struct snap;

/* out_fd: where output goes; -1 discards. */
struct chardev *chardev_create(int out_fd, struct err *e);
void chardev_destroy(struct chardev *c); /* flushes first */

/* Any thread. Returns len, less only after the reader went away (EPIPE): then the rest is dropped and counted. */
size_t chardev_write(struct chardev *c, const void *buf, size_t len);
void chardev_flush(struct chardev *c);

/* Bytes that no reader was left for. Any thread. */
uint64_t chardev_dropped(struct chardev *c);

/* os_now_ns() of the first byte written; 0: none yet. Any thread. */
uint64_t chardev_first_byte_ns(struct chardev *c);

/* The device end of input. take() says how many of len bytes the device accepted (0..len). On the I/O thread, or the
 * caller's of chardev_resume_input(). */
void chardev_set_sink(struct chardev *c,
                      size_t (*take)(void *opaque, const uint8_t *buf, size_t len), void *opaque);
/* The device gives back up to len bytes that it took and still holds, the first first. Called as take() is; null: it never does. */
void chardev_set_give_back(struct chardev *c,
                           size_t (*give_back)(void *opaque, uint8_t *buf, size_t len));
/* I/O thread: bytes typed or piped in. Those the device refuses wait in a queue. Returns the room left in that queue: the
 * caller stops reading its descriptor at 0. */
size_t chardev_input(struct chardev *c, const uint8_t *buf, size_t len);
/* The device can take more: retries the queue. Any thread, no chardev or device lock held by the caller. */
void chardev_resume_input(struct chardev *c);

#define CHARDEV_MAX_TAPS 2u
/* Somebody who follows the output: called with every byte that is written, in order, on the writer's thread and under the output lock, which
 * it may not take again. Before anybody writes. */
void chardev_add_tap(struct chardev *c, void (*tap)(void *opaque, const uint8_t *buf, size_t len),
                     void *opaque);

/* A reader beside the device, for semihosting. wake(): there may be something to read; under the input lock. Before anybody reads. */
void chardev_set_reader(struct chardev *c, void (*wake)(void *opaque), void *opaque);
/* Up to len bytes of input: what the device has taken and the guest has not yet had from it, then the queue. 0: there is none now, and wake() will be called;
 * or *ended, there will never be. Any thread, no chardev or device lock held by the caller. */
size_t chardev_read(struct chardev *c, uint8_t *buf, size_t len, bool *ended);
/* No more input comes. Any thread. */
void chardev_end_input(struct chardev *c);

/* No input reaches the device until it is unlocked again; meanwhile chardev_snap() takes the queue to or from a snapshot. */
void chardev_lock_input(struct chardev *c);
void chardev_unlock_input(struct chardev *c);
void chardev_snap(struct chardev *c, struct snap *s);

/* For the I/O loop: a descriptor that is readable when output waits to be flushed (or -1), and what to call then and every few ms. */
int chardev_poll_fd(const struct chardev *c);
void chardev_poll(struct chardev *c);

#endif
