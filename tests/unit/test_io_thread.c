/* The I/O thread and the pool: work, descriptors, timers, hooks; pausing, stopping; everything that a callback may take away. */
#include "base/bits.h"
#include "base/err.h"
#include "base/io_pool.h"
#include "base/io_thread.h"
#include "base/os.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

static struct io_thread *started(void)
{
    struct io_thread *t = NULL;
    struct err e = {0};
    assert_int_equal(io_thread_create(&t, "test", &e), 0);
    assert_true(io_thread_here(t));
    assert_int_equal(io_thread_start(t, &e), 0);
    assert_false(io_thread_here(t));
    return t;
}

/* What another thread counts, and waiting for it. */
struct counter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned n;
};

static void counter_init(struct counter *c)
{
    pthread_mutex_init(&c->lock, NULL);
    os_cond_init(&c->changed);
    c->n = 0;
}

static void count(struct counter *c)
{
    pthread_mutex_lock(&c->lock);
    c->n++;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static unsigned counted(struct counter *c)
{
    pthread_mutex_lock(&c->lock);
    const unsigned n = c->n;
    pthread_mutex_unlock(&c->lock);
    return n;
}

static void wait_for(struct counter *c, unsigned n)
{
    const uint64_t deadline = os_now_ns() + 30000 * MS;
    pthread_mutex_lock(&c->lock);
    while (c->n < n && os_now_ns() < deadline)
        os_cond_wait_until(&c->changed, &c->lock, deadline);
    const unsigned got = c->n;
    pthread_mutex_unlock(&c->lock);
    if (got < n)
        fail_msg("%u of %u came", got, n);
}

/* --- Work ------------------------------------------------------------------------------------------------------------------ */

struct worker {
    struct io_work work;
    struct io_thread *t;
    struct counter *c;
    struct worker *other; /* to cancel or post */
    unsigned ran, again;
    bool cancel;
};

static void run_worker(struct io_work *w)
{
    struct worker *k = CONTAINER_OF(w, struct worker, work);
    BUG_ON(!io_thread_here(k->t));
    k->ran++;
    if (k->cancel)
        io_work_cancel(k->t, &k->other->work);
    if (k->again) {
        k->again--;
        io_post(k->t, &k->work);
    }
    count(k->c);
}

static void test_work(void **state)
{
    struct io_thread *t = started();
    struct counter c;
    struct worker k[3];
    (void)state;
    counter_init(&c);
    for (unsigned i = 0; i < 3; i++)
        k[i] = (struct worker){.work.run = run_worker, .t = t, .c = &c};
    io_post(t, &k[0].work);
    wait_for(&c, 1);
    k[0].again = 1000;
    io_post(t, &k[0].work);
    wait_for(&c, 1002);
    assert_int_equal(k[0].ran, 1002);

    /* Posted twice before it runs: it runs once. Of three in one turn the first cancels the second, and the third stays. */
    io_thread_pause(t);
    assert_true(io_thread_here(t));
    k[0].cancel = true;
    k[0].other = &k[1];
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < 3; i++)
            io_post(t, &k[i].work);
    io_thread_resume(t);
    assert_false(io_thread_here(t));
    wait_for(&c, 1004);
    io_thread_pause(t);
    assert_int_equal(k[0].ran, 1003);
    assert_int_equal(k[1].ran, 0);
    assert_int_equal(k[2].ran, 1);
    /* Cancelling the last in the queue leaves the queue's end right. */
    io_post(t, &k[1].work);
    io_post(t, &k[2].work);
    io_work_cancel(t, &k[2].work);
    io_work_cancel(t, &k[2].work);
    k[0].cancel = false;
    io_post(t, &k[0].work);
    io_thread_resume(t);
    wait_for(&c, 1006);
    io_thread_stop(t);
    assert_int_equal(k[1].ran, 1);
    assert_int_equal(k[2].ran, 1);
    /* Posted to a stopped thread: dropped with it. */
    io_post(t, &k[2].work);
    io_thread_destroy(t);
    io_thread_destroy(NULL);
    assert_int_equal(k[2].ran, 1);
}

#define POSTS 20000u

struct poster {
    pthread_t thread;
    struct worker worker;
    unsigned posts;
};

static void *post_many(void *opaque)
{
    struct poster *p = opaque;
    for (unsigned i = 0; i < p->posts; i++)
        io_post(p->worker.t, &p->worker.work);
    return NULL;
}

/* Several threads post while one pauses now and then: nothing is lost, nothing runs while paused. */
static void test_work_from_many(void **state)
{
    struct io_thread *t = started();
    struct counter c, last;
    struct poster p[3];
    (void)state;
    counter_init(&c);
    counter_init(&last);
    for (unsigned i = 0; i < 3; i++) {
        p[i] = (struct poster){.worker = {.work.run = run_worker, .t = t, .c = &c}, .posts = POSTS};
        assert_int_equal(pthread_create(&p[i].thread, NULL, post_many, &p[i]), 0);
    }
    for (unsigned i = 0; i < 50; i++) {
        io_thread_pause(t);
        const unsigned n = counted(&c);
        usleep(50);
        assert_int_equal(counted(&c), n);
        io_thread_resume(t);
    }
    for (unsigned i = 0; i < 3; i++)
        pthread_join(p[i].thread, NULL);
    /* Whatever was posted last has run when this has. */
    struct worker end = {.work.run = run_worker, .t = t, .c = &last};
    io_post(t, &end.work);
    wait_for(&last, 1);
    io_thread_destroy(t);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(p[i].worker.ran >= 1);
        assert_false(p[i].worker.work.queued);
    }
}

/* --- Descriptors ----------------------------------------------------------------------------------------------------------- */

struct reader {
    struct io_fd f;
    int peer;
    struct counter *c;
    struct reader *victim; /* removed when we are called */
    short revents;
    unsigned calls, bytes;
    bool quiet; /* leaves the bytes, and looks no more */
};

static void on_ready(struct io_fd *f, short revents)
{
    struct reader *r = CONTAINER_OF(f, struct reader, f);
    char buf[64];
    r->calls++;
    r->revents = revents;
    if (r->victim)
        io_fd_remove(&r->victim->f);
    if (r->quiet) {
        io_fd_set_events(f, 0);
    } else if (revents & POLLIN) {
        const ssize_t n = read(f->fd, buf, sizeof(buf));
        if (n > 0)
            r->bytes += (unsigned)n;
        else
            io_fd_remove(f);
    }
    count(r->c);
}

static void reader_init(struct reader *r, struct counter *c)
{
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    *r = (struct reader){.f = {.fd = fd[0], .events = POLLIN, .ready = on_ready}, .peer = fd[1], .c = c};
}

static void reader_close(struct reader *r)
{
    close(r->f.fd);
    if (r->peer >= 0)
        close(r->peer);
}

static void test_fds(void **state)
{
    struct io_thread *t = NULL;
    struct counter c;
    struct reader r[20];
    (void)state;
    counter_init(&c);
    assert_int_equal(io_thread_create(&t, "a name that is too long", NULL), 0);
    for (unsigned i = 0; i < 20; i++) {
        reader_init(&r[i], &c);
        assert_int_equal(io_fd_add(t, &r[i].f), 0);
    }
    assert_int_equal(io_thread_start(t, NULL), 0);
    for (unsigned round = 1; round <= 5; round++) {
        for (unsigned i = 0; i < 20; i++)
            assert_int_equal(write(r[i].peer, "abc", 3), 3);
        wait_for(&c, round * 20);
    }
    io_thread_pause(t);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(r[i].bytes, 15);

    /* Two are ready at once and each would remove the other: one of them alone is called. */
    r[3].victim = &r[4];
    r[4].victim = &r[3];
    assert_int_equal(write(r[3].peer, "x", 1), 1);
    assert_int_equal(write(r[4].peer, "x", 1), 1);
    io_thread_resume(t);
    wait_for(&c, 101);
    io_thread_pause(t);
    assert_int_equal(counted(&c), 101);
    assert_int_equal(r[3].calls + r[4].calls, 11);

    /* What is not looked at does not wake us, neither by bytes nor by the peer's end; looked at again, it does. */
    r[5].quiet = true;
    assert_int_equal(write(r[5].peer, "x", 1), 1);
    io_thread_resume(t);
    wait_for(&c, 102);
    close(r[5].peer);
    r[5].peer = -1;
    assert_int_equal(write(r[6].peer, "x", 1), 1);
    wait_for(&c, 103);
    io_thread_pause(t);
    assert_int_equal(counted(&c), 103);
    assert_int_equal(r[5].calls, 6);
    r[5].quiet = false;
    io_fd_set_events(&r[5].f, POLLIN);
    io_thread_resume(t);
    wait_for(&c, 105); /* the byte, then the end, where it removes itself */
    io_thread_pause(t);
    assert_true(r[5].revents & POLLHUP);
    assert_null(r[5].f.thread);
    /* Writable at once. */
    io_fd_set_events(&r[7].f, POLLOUT);
    r[7].victim = &r[7];
    io_thread_resume(t);
    wait_for(&c, 106);
    io_thread_destroy(t);
    assert_int_equal(r[7].revents, POLLOUT);
    assert_int_equal(counted(&c), 106);
    for (unsigned i = 0; i < 20; i++)
        reader_close(&r[i]);
}

/* --- Timers ---------------------------------------------------------------------------------------------------------------- */

struct clock {
    struct io_timer timer;
    struct io_thread *t;
    struct counter *c;
    struct io_timer *other; /* to cancel */
    uint64_t at[8];
    unsigned fired, again;
    uint64_t step_ns;
};

static void on_due(struct io_timer *timer)
{
    struct clock *k = CONTAINER_OF(timer, struct clock, timer);
    k->at[k->fired++ % 8] = os_now_ns();
    if (k->other)
        io_timer_cancel(k->other);
    if (k->again) {
        k->again--;
        io_timer_set(k->t, timer, k->step_ns ? timer->due_ns + k->step_ns : 0);
    }
    count(k->c);
}

static void test_timers(void **state)
{
    struct io_thread *t = NULL;
    struct counter c;
    struct clock k[4];
    (void)state;
    counter_init(&c);
    assert_int_equal(io_thread_create(&t, "test", NULL), 0);
    const uint64_t start = os_now_ns();
    for (unsigned i = 0; i < 4; i++)
        k[i] = (struct clock){.timer.due = on_due, .t = t, .c = &c};
    io_timer_set(t, &k[0].timer, start + 20 * MS);
    io_timer_set(t, &k[1].timer, start + 10 * MS);
    io_timer_set(t, &k[2].timer, start + 15 * MS);
    io_timer_set(t, &k[3].timer, start + 5 * MS);
    io_timer_cancel(&k[2].timer);
    io_timer_cancel(&k[2].timer);
    io_timer_set(t, &k[3].timer, start + 30 * MS); /* it moves */
    assert_int_equal(io_thread_start(t, NULL), 0);
    wait_for(&c, 3);
    io_thread_pause(t);
    assert_int_equal(k[2].fired, 0);
    assert_true(k[1].at[0] >= start + 10 * MS && k[0].at[0] >= start + 20 * MS &&
                k[3].at[0] >= start + 30 * MS);
    assert_true(k[1].at[0] <= k[0].at[0] && k[0].at[0] <= k[3].at[0]);

    /* Periodic; and one that sets itself to the past, which must not keep the descriptors from their turn. */
    struct counter others;
    struct reader r;
    counter_init(&others);
    reader_init(&r, &others);
    assert_int_equal(io_fd_add(t, &r.f), 0);
    k[0].again = 4;
    k[0].c = &others;
    k[0].step_ns = MS;
    io_timer_set(t, &k[0].timer, os_now_ns());
    k[1].again = UINT32_MAX;
    io_timer_set(t, &k[1].timer, 0);
    assert_int_equal(write(r.peer, "x", 1), 1);
    io_thread_resume(t);
    wait_for(&others, 6);
    io_thread_pause(t);
    assert_int_equal(r.bytes, 1);
    assert_int_equal(k[0].fired, 6);
    assert_true(k[1].fired > 6);
    io_timer_cancel(&k[1].timer);

    /* Of two that are due at once the first cancels the second. */
    k[2].other = &k[3].timer;
    io_timer_set(t, &k[2].timer, 1);
    io_timer_set(t, &k[3].timer, 2);
    const unsigned before = counted(&c);
    io_thread_resume(t);
    wait_for(&c, before + 1);
    io_thread_stop(t);
    assert_int_equal(k[2].fired, 1);
    assert_int_equal(k[3].fired, 1);
    io_thread_destroy(t);
    reader_close(&r);
}

/* --- Hooks ----------------------------------------------------------------------------------------------------------------- */

#define HOOK_FDS 40

struct library {
    struct io_hook hook;
    struct io_thread *t;
    struct counter *c;
    int fd[HOOK_FDS][2];
    int number[HOOK_FDS];
    unsigned nr, bytes, turns;
    uint64_t until_ns;
    struct library *victim;
};

static void on_fill(struct io_hook *h, struct io_poll *p)
{
    struct library *l = CONTAINER_OF(h, struct library, hook);
    for (unsigned i = 0; i < l->nr; i++)
        l->number[i] = io_poll_add(p, l->fd[i][0], POLLIN);
    io_poll_until(p, l->until_ns);
}

static void on_polled(struct io_hook *h, const struct io_poll *p)
{
    struct library *l = CONTAINER_OF(h, struct library, hook);
    char byte;
    l->turns++;
    for (unsigned i = 0; i < l->nr; i++)
        if (io_poll_revents(p, l->number[i]) & POLLIN) {
            l->bytes += read(l->fd[i][0], &byte, 1) == 1;
            count(l->c);
        }
    if (os_now_ns() >= l->until_ns) {
        l->until_ns = UINT64_MAX;
        if (l->victim)
            io_hook_remove(&l->victim->hook);
        count(l->c);
    }
    BUG_ON(io_poll_revents(p, -1));
}

static void test_hooks(void **state)
{
    struct io_thread *t = started();
    struct counter c;
    struct library l[2];
    struct reader r;
    (void)state;
    counter_init(&c);
    reader_init(&r, &c);
    memset(l, 0, sizeof(l));
    io_thread_pause(t);
    assert_int_equal(io_fd_add(t, &r.f), 0);
    for (unsigned i = 0; i < 2; i++) {
        l[i] = (struct library){
            .hook = {.fill = on_fill, .polled = on_polled}, .t = t, .c = &c, .until_ns = UINT64_MAX};
        for (; l[i].nr < HOOK_FDS; l[i].nr++)
            assert_int_equal(pipe(l[i].fd[l[i].nr]), 0);
        io_hook_add(t, &l[i].hook);
    }
    io_thread_resume(t);
    for (unsigned i = 0; i < 2; i++)
        for (unsigned j = 0; j < HOOK_FDS; j++)
            assert_int_equal(write(l[i].fd[j][1], "x", 1), 1);
    assert_int_equal(write(r.peer, "x", 1), 1);
    wait_for(&c, 2 * HOOK_FDS + 1);
    /* A sleep that ends by itself, upon which each removes the other: one stays. */
    io_thread_pause(t);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(l[i].bytes, HOOK_FDS);
        l[i].until_ns = os_now_ns() + 5 * MS;
        l[i].victim = &l[!i];
    }
    io_thread_resume(t);
    wait_for(&c, 2 * HOOK_FDS + 2);
    usleep(2000);
    io_thread_stop(t);
    assert_int_equal(counted(&c), 2 * HOOK_FDS + 2);
    assert_int_not_equal(!l[0].hook.thread, !l[1].hook.thread);
    for (unsigned i = 0; i < 2; i++) {
        io_hook_remove(&l[i].hook);
        for (unsigned j = 0; j < HOOK_FDS; j++) {
            close(l[i].fd[j][0]);
            close(l[i].fd[j][1]);
        }
    }
    io_fd_remove(&r.f);
    reader_close(&r);
    io_thread_destroy(t);
}

/* --- Its life -------------------------------------------------------------------------------------------------------------- */

static void test_life(void **state)
{
    struct io_thread *t = NULL;
    struct counter c;
    (void)state;
    counter_init(&c);
    assert_int_equal(io_thread_create(&t, "test", NULL), 0);
    struct worker k = {.work.run = run_worker, .t = t, .c = &c};
    /* Not started: the pause is the caller's already. Work waits for the start. */
    io_thread_pause(t);
    io_thread_resume(t);
    io_post(t, &k.work);
    assert_int_equal(io_thread_start(t, NULL), 0);
    wait_for(&c, 1);
    io_thread_stop(t);
    io_thread_stop(t);
    /* Again; and stopped by the one who paused it. */
    assert_int_equal(io_thread_start(t, NULL), 0);
    io_post(t, &k.work);
    wait_for(&c, 2);
    io_thread_pause(t);
    io_post(t, &k.work);
    io_thread_stop(t);
    assert_int_equal(counted(&c), 2);
    io_work_cancel(t, &k.work);
    assert_int_equal(io_thread_start(t, NULL), 0);
    io_thread_destroy(t);
    assert_int_equal(counted(&c), 2);
}

/* The thread sleeps: a second of it costs next to no CPU time. */
static void test_idle(void **state)
{
    struct io_thread *t = started();
    struct counter c;
    struct rusage before, after;
    (void)state;
    counter_init(&c);
    struct clock k = {.timer.due = on_due, .t = t, .c = &c};
    io_thread_pause(t);
    io_timer_set(t, &k.timer, os_now_ns() + 300 * MS);
    io_thread_resume(t);
    getrusage(RUSAGE_SELF, &before);
    wait_for(&c, 1);
    getrusage(RUSAGE_SELF, &after);
    const double ms = 1e3 * (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec +
                                     after.ru_stime.tv_sec - before.ru_stime.tv_sec) +
                      1e-3 * (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec +
                                      after.ru_stime.tv_usec - before.ru_stime.tv_usec);
    assert_true(ms < 100);
    io_thread_destroy(t);
}

/* What breaks the threading rule is our bug, and is caught. */
static void not_ours_add(struct io_thread *t)
{
    struct io_fd f = {.fd = 0, .events = POLLIN};
    io_fd_add(t, &f);
}
static void not_ours_timer(struct io_thread *t)
{
    struct io_timer timer = {.due = NULL};
    io_timer_set(t, &timer, 0);
}
static void not_ours_hook(struct io_thread *t)
{
    struct io_hook h = {.fill = NULL};
    io_hook_add(t, &h);
}
static void not_ours_cancel(struct io_thread *t)
{
    struct io_work w = {.run = NULL};
    io_work_cancel(t, &w);
}
static void pause_twice(struct io_thread *t)
{
    io_thread_pause(t);
    io_thread_pause(t);
}
static void start_twice(struct io_thread *t)
{
    io_thread_start(t, NULL);
}

static void test_misuse(void **state)
{
    void (*const misuse[])(struct io_thread *) = {not_ours_add,    not_ours_timer, not_ours_hook,
                                                  not_ours_cancel, pause_twice,    start_twice};
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(misuse); i++) {
        const pid_t pid = fork();
        if (!pid) {
            signal(SIGABRT, SIG_DFL); /* cmocka's turns it into a failure of ours */
            close(STDERR_FILENO);
            alarm(30);
            misuse[i](started());
            _exit(0);
        }
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
            fail_msg("misuse %u: status %#x", i, (unsigned)status);
    }
}

/* --- The pool -------------------------------------------------------------------------------------------------------------- */

struct task {
    struct io_job job;
    struct io_pool *pool;
    struct io_thread *t;
    struct counter *ran, *done;
    struct counter *gate; /* waits until it is 1 */
    unsigned again;
    atomic_uint *running, *most;
};

static void task_run(struct io_job *j)
{
    struct task *k = CONTAINER_OF(j, struct task, job);
    const unsigned now = atomic_fetch_add(k->running, 1) + 1;
    unsigned most = atomic_load(k->most);
    while (now > most && !atomic_compare_exchange_weak(k->most, &most, now))
        ;
    if (k->gate)
        wait_for(k->gate, 1);
    atomic_fetch_sub(k->running, 1);
    struct counter *ran = k->ran;
    if (!j->done && k->again) {
        k->again--;
        io_submit(k->pool, j);
    }
    count(ran);
}

static void task_done(struct io_job *j)
{
    struct task *k = CONTAINER_OF(j, struct task, job);
    BUG_ON(!io_thread_here(k->t));
    if (k->again) {
        k->again--;
        io_submit(k->pool, j);
    }
    count(k->done);
}

#define TASKS 12

static void test_pool(void **state)
{
    struct io_thread *t = started();
    struct io_pool *pool = NULL;
    struct counter ran, done, gate;
    atomic_uint running = 0, most = 0;
    struct task k[TASKS];
    (void)state;
    counter_init(&ran);
    counter_init(&done);
    counter_init(&gate);
    assert_int_equal(io_pool_create(&pool, 4, t, NULL), 0);
    assert_int_equal(io_pool_start(pool, NULL), 0);
    assert_int_equal(io_pool_start(pool, NULL), 0);
    for (unsigned i = 0; i < TASKS; i++)
        k[i] = (struct task){.job = {.run = task_run, .done = i % 2 ? task_done : NULL},
                             .pool = pool,
                             .t = t,
                             .ran = &ran,
                             .done = &done,
                             .gate = &gate,
                             .running = &running,
                             .most = &most};
    /* Submitted twice before it runs: it runs once. All block: four run, the others wait. */
    io_pool_pause(pool);
    for (unsigned i = 0; i < TASKS; i++) {
        io_submit(pool, &k[i].job);
        io_submit(pool, &k[i].job);
    }
    io_pool_resume(pool);
    while (atomic_load(&running) < 4)
        usleep(1000);
    assert_int_equal(counted(&ran), 0);
    assert_true(io_job_cancel(pool, &k[6].job));
    assert_true(io_job_cancel(pool, &k[TASKS - 1].job));
    assert_false(io_job_cancel(pool, &k[6].job));
    count(&gate);
    wait_for(&ran, TASKS - 2);
    wait_for(&done, TASKS / 2 - 1);
    assert_int_equal(atomic_load(&most), 4);

    /* Submitted anew from run() and from done(). */
    const unsigned before = counted(&ran);
    for (unsigned i = 0; i < TASKS; i++) {
        k[i].again = 500;
        io_submit(pool, &k[i].job);
    }
    wait_for(&ran, before + TASKS * 501);
    wait_for(&done, TASKS / 2 - 1 + TASKS / 2 * 501);

    /* Paused: what runs comes to its end, what is submitted waits. */
    counter_init(&gate);
    const unsigned base = counted(&ran);
    io_submit(pool, &k[0].job);
    while (!atomic_load(&running))
        usleep(1000);
    count(&gate);
    io_pool_pause(pool);
    assert_int_equal(counted(&ran), base + 1);
    for (unsigned i = 0; i < TASKS; i++)
        io_submit(pool, &k[i].job);
    usleep(2000);
    assert_int_equal(counted(&ran), base + 1);
    io_pool_resume(pool);
    wait_for(&ran, base + 1 + TASKS);

    /* The end: those that wait are dropped. */
    io_pool_pause(pool);
    io_submit(pool, &k[0].job);
    io_thread_stop(t);
    io_pool_destroy(pool);
    io_pool_destroy(NULL);
    assert_int_equal(counted(&ran), base + 1 + TASKS);
    io_thread_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_work),  cmocka_unit_test(test_work_from_many),
        cmocka_unit_test(test_fds),   cmocka_unit_test(test_timers),
        cmocka_unit_test(test_hooks), cmocka_unit_test(test_life),
        cmocka_unit_test(test_idle),  cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
