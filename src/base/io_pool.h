/* Threads for what blocks: preadv(), pwritev(), fsync() and their like on the host's files.
 *
 * A job is a struct inside the caller's own, zeroed but for the public fields. Its run() is called on one of the pool's threads, several
 * jobs at once, in the order of submission as far as threads are free. Threads start when there is work for them.
 * A running job holds no lock while it blocks; otherwise it may take what a device may. The pool's own lock is a leaf. */
#ifndef VIBE_BASE_IO_POOL_H
#define VIBE_BASE_IO_POOL_H

#include "base/io_thread.h"

struct err;
struct io_pool;

struct io_job {
    void (*run)(struct io_job *j);
    /* Afterwards, on the I/O thread; the job is its owner's again, and may be submitted anew, when it is called. Null: from the moment that
     * run() is. */
    void (*done)(struct io_job *j);
    struct io_work work; /* the pool's from here */
    struct io_job *next;
    bool queued;
};

/* Up to nr_threads, none yet. t outlives the pool. 0 or -errno. */
int io_pool_create(struct io_pool **out, unsigned nr_threads, struct io_thread *t, struct err *e);
/* Who will submit jobs calls this first, while it can still fail: there is a thread from here on. Idempotent. */
int io_pool_start(struct io_pool *p, struct err *e);
/* Waits for the jobs that run; those that wait are dropped. The I/O thread is stopped or goes on: done() may still come then. */
void io_pool_destroy(struct io_pool *p); /* null is fine */

/* Any thread, with any lock held; nothing happens when j is queued already. */
void io_submit(struct io_pool *p, struct io_job *j);
/* True: j was waiting and will not run. Any thread. */
bool io_job_cancel(struct io_pool *p, struct io_job *j);

/* Waits for the jobs that run, and holds back those that wait, until io_pool_resume(). No lock held that a job takes. For snapshots. */
void io_pool_pause(struct io_pool *p);
void io_pool_resume(struct io_pool *p);

#endif
