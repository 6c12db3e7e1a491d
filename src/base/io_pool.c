/* Threads for blocking I/O. Threading: base/io_pool.h. */
#include "base/io_pool.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/os.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct io_pool {
    struct io_thread *io;
    unsigned room; /* for threads */

    pthread_mutex_t lock;
    pthread_cond_t wake; /* a thread that has nothing to do: a job, the end */
    pthread_cond_t idle; /* who waits for the running jobs */
    struct io_job *first, **end;
    unsigned nr_jobs;    /* queued */
    unsigned nr_running; /* jobs */
    unsigned nr_threads, nr_asleep;
    bool paused, stop;
    pthread_t thread[];
};

static struct io_job *take_locked(struct io_pool *p)
{
    struct io_job *j = p->paused ? NULL : p->first;

    if (!j)
        return NULL;
    p->first = j->next;
    if (!p->first)
        p->end = &p->first;
    j->queued = false;
    p->nr_jobs--;
    return j;
}

static void run_done(struct io_work *w)
{
    struct io_job *j = CONTAINER_OF(w, struct io_job, work);
    j->done(j);
}

static void *pool_thread(void *opaque)
{
    struct io_pool *p = opaque;

    os_thread_name("io-pool");
    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        struct io_job *j = take_locked(p);
        if (!j) {
            p->nr_asleep++;
            pthread_cond_wait(&p->wake, &p->lock);
            p->nr_asleep--;
            continue;
        }
        /* After run() the job may be gone, unless it has a done(). */
        void (*const done)(struct io_job *) = j->done;
        p->nr_running++;
        pthread_mutex_unlock(&p->lock);
        j->run(j);
        if (done) {
            j->work.run = run_done;
            io_post(p->io, &j->work);
        }
        pthread_mutex_lock(&p->lock);
        if (!--p->nr_running)
            pthread_cond_broadcast(&p->idle);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static int add_thread_locked(struct io_pool *p)
{
    const int r = pthread_create(&p->thread[p->nr_threads], NULL, pool_thread, p);
    p->nr_threads += !r;
    return r;
}

int io_pool_create(struct io_pool **out, unsigned nr_threads, struct io_thread *t, struct err *e)
{
    struct io_pool *p = calloc(1, sizeof(*p) + nr_threads * sizeof(p->thread[0]));

    BUG_ON(!nr_threads);
    if (!p)
        return err_set(e, ENOMEM, "out of memory for I/O threads");
    p->io = t;
    p->room = nr_threads;
    p->end = &p->first;
    pthread_mutex_init(&p->lock, NULL);
    os_cond_init(&p->wake);
    os_cond_init(&p->idle);
    *out = p;
    return 0;
}

int io_pool_start(struct io_pool *p, struct err *e)
{
    pthread_mutex_lock(&p->lock);
    const int r = p->nr_threads ? 0 : add_thread_locked(p);
    pthread_mutex_unlock(&p->lock);
    return r ? err_set(e, r, "cannot start a thread for I/O: %s", strerror(r)) : 0;
}

void io_pool_destroy(struct io_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->nr_threads; i++)
        pthread_join(p->thread[i], NULL);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->wake);
    pthread_cond_destroy(&p->idle);
    free(p);
}

/* Enough threads for what waits. One that was woken counts as asleep until it runs, hence the comparison with all that waits. */
static void call_threads_locked(struct io_pool *p)
{
    if (p->nr_asleep)
        pthread_cond_signal(&p->wake);
    /* More would be better, and the ones there are will do. */
    if (p->nr_jobs > p->nr_asleep && p->nr_threads < p->room)
        add_thread_locked(p);
}

void io_submit(struct io_pool *p, struct io_job *j)
{
    pthread_mutex_lock(&p->lock);
    BUG_ON(!p->nr_threads);
    if (!j->queued) {
        j->queued = true;
        j->next = NULL;
        *p->end = j;
        p->end = &j->next;
        p->nr_jobs++;
        if (!p->paused)
            call_threads_locked(p);
    }
    pthread_mutex_unlock(&p->lock);
}

bool io_job_cancel(struct io_pool *p, struct io_job *j)
{
    pthread_mutex_lock(&p->lock);
    const bool queued = j->queued;
    if (queued) {
        struct io_job **at = &p->first;
        while (*at != j)
            at = &(*at)->next;
        *at = j->next;
        if (p->end == &j->next)
            p->end = at;
        j->queued = false;
        p->nr_jobs--;
    }
    pthread_mutex_unlock(&p->lock);
    return queued;
}

void io_pool_pause(struct io_pool *p)
{
    pthread_mutex_lock(&p->lock);
    BUG_ON(p->paused);
    p->paused = true;
    while (p->nr_running)
        pthread_cond_wait(&p->idle, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

void io_pool_resume(struct io_pool *p)
{
    pthread_mutex_lock(&p->lock);
    BUG_ON(!p->paused);
    p->paused = false;
    pthread_cond_broadcast(&p->wake);
    for (unsigned i = 0; i < p->nr_jobs; i++)
        call_threads_locked(p);
    pthread_mutex_unlock(&p->lock);
}
