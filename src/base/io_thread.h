/* The I/O thread: a poll() loop for the device side of a VM: sockets, timers, work that other threads hand over.
 *
 * Threads. Everything here belongs to the I/O thread: callbacks run there, one at a time, and the functions for descriptors, timers
 * and hooks are called there alone; breaking that is our bug and ends in BUG(). Two moments are the exception, in which the thread that
 * made them owns all of it: before io_thread_start(), and between io_thread_pause() and io_thread_resume(). Other threads use
 * io_post(), which takes a leaf lock and may be called with any lock held.
 * A callback may take a device's lock and what comes after it in the lock order, never vm.lock: a reset pauses the thread under it.
 * It must not block: file I/O goes to base/io_pool.h.
 *
 * Descriptors, timers, work items and hooks are structs inside the caller's own, zeroed but for the public fields; they allocate
 * nothing and stay where they are until removed. A removed or cancelled one is never called again, also when that happens within a
 * callback and it was due in the same turn. */
#ifndef VIBE_BASE_IO_THREAD_H
#define VIBE_BASE_IO_THREAD_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct io_poll;
struct io_thread;

/* Not running yet: the caller adds what it has, and then starts it. name: up to 15 bytes. 0 or -errno. */
int io_thread_create(struct io_thread **out, const char *name, struct err *e);
int io_thread_start(struct io_thread *t, struct err *e);

/* Ends the thread after its current turn; what is posted or due is dropped. From here on the caller owns all of it. Idempotent, fine before
 * the start; io_thread_destroy() stops first. Not on the I/O thread, and not between another's pause and resume. */
void io_thread_stop(struct io_thread *t);
void io_thread_destroy(struct io_thread *t); /* null is fine */

/* Waits for the current turn to end; then no callback runs until io_thread_resume(), and the caller owns everything. Posted work waits. For
 * resets and snapshots; one pause at a time, no lock held that a callback takes. Both do nothing when the thread does not run. */
void io_thread_pause(struct io_thread *t);
void io_thread_resume(struct io_thread *t);

/* Whether the caller owns it: the I/O thread, or the exceptions above. */
bool io_thread_here(const struct io_thread *t);

/* --- Work from other threads ----------------------------------------------------------------------------------------------- */

struct io_work {
    void (*run)(struct io_work *w);
    struct io_work *next; /* the thread's from here */
    bool queued;
};

/* Any thread. Runs w once, soon, in the order of posting; nothing happens when it is queued already. From the moment that run() starts it
 * can be posted again. */
void io_post(struct io_thread *t, struct io_work *w);
void io_work_cancel(struct io_thread *t, struct io_work *w);

/* --- Descriptors ----------------------------------------------------------------------------------------------------------- */

struct io_fd {
    int fd;
    short events; /* POLLIN, POLLOUT; 0: not looked at now, not even for errors */
    /* revents as poll() gives them, with POLLERR, POLLHUP and POLLNVAL. */
    void (*ready)(struct io_fd *f, short revents);
    struct io_thread *thread; /* the thread's from here; null: not added */
    struct io_fd *next, **link;
    unsigned slot;
};

/* 0, or -ENOMEM. The descriptor stays the caller's. */
int io_fd_add(struct io_thread *t, struct io_fd *f);
void io_fd_set_events(struct io_fd *f, short events);
void io_fd_remove(struct io_fd *f); /* nothing happens when it is not added */

/* --- Timers ---------------------------------------------------------------------------------------------------------------- */

struct io_timer {
    void (*due)(struct io_timer *timer);
    uint64_t due_ns;
    struct io_thread *thread; /* the thread's from here; null: not set */
    struct io_timer *next, **link;
};

/* Once, at os_now_ns() due_ns or up to a millisecond later; set again, it moves. */
void io_timer_set(struct io_thread *t, struct io_timer *timer, uint64_t due_ns);
void io_timer_cancel(struct io_timer *timer); /* nothing happens when it is not set */

/* --- Hooks: a library that brings descriptors of its own, others in each turn ----------------------------------------------- */

struct io_hook {
    /* Before poll(): adds descriptors, and says how long the sleep may last. */
    void (*fill)(struct io_hook *h, struct io_poll *p);
    void (*polled)(struct io_hook *h, const struct io_poll *p); /* after it */
    struct io_thread *thread; /* the thread's from here; null: not added */
    struct io_hook *next, **link;
};

void io_hook_add(struct io_thread *t, struct io_hook *h);
void io_hook_remove(struct io_hook *h); /* nothing happens when it is not added */

/* In fill(): a number for io_poll_revents() in polled(), or -1 when out of memory. */
int io_poll_add(struct io_poll *p, int fd, short events);
/* In fill(): wake up at os_now_ns() ns at the latest. */
void io_poll_until(struct io_poll *p, uint64_t ns);
/* In polled(); 0 for -1. */
short io_poll_revents(const struct io_poll *p, int number);

#endif
