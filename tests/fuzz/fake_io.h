/* The I/O thread and the pool for fuzz targets, by definitions that come before the library's: what is handed to them waits until
 * run_pending(), on the fuzzer's only thread, so that an input always does the same. For one file of a program. */
#ifndef VIBE_FUZZ_FAKE_IO_H
#define VIBE_FUZZ_FAKE_IO_H

#include "base/io_pool.h"
#include "base/io_thread.h"

#include <stdint.h>
#include <string.h>

#define MAX_PENDING 64u
static struct io_work *works[MAX_PENDING];
static struct io_job *jobs[MAX_PENDING];
static struct io_timer *timers[MAX_PENDING];
static unsigned nr_works, nr_jobs, nr_timers;

void io_post(struct io_thread *t, struct io_work *w)
{
    (void)t;
    if (!w->queued && nr_works < MAX_PENDING) {
        w->queued = true;
        works[nr_works++] = w;
    }
}

void io_work_cancel(struct io_thread *t, struct io_work *w)
{
    (void)t;
    for (unsigned i = 0; i < nr_works; i++)
        if (works[i] == w)
            works[i] = works[--nr_works];
    w->queued = false;
}

void io_timer_set(struct io_thread *t, struct io_timer *timer, uint64_t due_ns)
{
    (void)due_ns;
    if (!timer->thread && nr_timers < MAX_PENDING) {
        timer->thread = t;
        timers[nr_timers++] = timer;
    }
}

void io_timer_cancel(struct io_timer *timer)
{
    for (unsigned i = 0; i < nr_timers; i++)
        if (timers[i] == timer)
            timers[i] = timers[--nr_timers];
    timer->thread = NULL;
}

int io_pool_start(struct io_pool *p, struct err *e)
{
    (void)p;
    (void)e;
    return 0;
}

void io_submit(struct io_pool *p, struct io_job *j)
{
    (void)p;
    if (!j->queued && nr_jobs < MAX_PENDING) {
        j->queued = true;
        jobs[nr_jobs++] = j;
    }
}

/* What waits, in any order; what comes of it waits for the next time. */
static inline void run_pending(void)
{
    for (unsigned n = nr_jobs; n--;) {
        struct io_job *j = jobs[0];
        memmove(jobs, jobs + 1, --nr_jobs * sizeof(jobs[0]));
        j->queued = false;
        j->run(j);
    }
    for (unsigned n = nr_works; n-- && nr_works;) {
        struct io_work *w = works[--nr_works];
        w->queued = false;
        w->run(w);
    }
    for (unsigned n = nr_timers; n-- && nr_timers;) {
        struct io_timer *t = timers[--nr_timers];
        t->thread = NULL;
        t->due(t);
    }
}

/* As at the end of a VM: what waits is dropped. Before the devices are destroyed, and after. */
static inline void drop_pending(void)
{
    nr_works = nr_jobs = nr_timers = 0;
}

#endif
