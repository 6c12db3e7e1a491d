/* The I/O thread. Threading: base/io_thread.h. The lock is a leaf; it guards the posted work and the states of running, nothing else. */
#include "base/io_thread.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MS UINT64_C(1000000)
#define NO_SLOT 0u /* the wake-up pipe's */

/* What one poll() looks at. */
struct io_poll {
    struct pollfd *fds;
    struct io_fd **who; /* of each; null: the pipe's, a hook's, or removed meanwhile */
    unsigned nr, room;
    uint64_t until_ns;
};

struct io_thread {
    char name[16];
    pthread_t thread;
    atomic_bool started;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* pause, parked */
    struct io_work *work, **work_end;
    bool sleeping; /* in poll() or on the way: a post has to wake it */
    bool woken;    /* a byte is in the pipe */
    bool stop, pause, parked;
    int wake[2];

    /* The owner's. */
    struct io_work *running; /* taken off the queue, not run yet */
    struct io_fd *fds;
    unsigned nr_fds;
    struct io_timer *timers;           /* the next one first */
    uint64_t firing_ns;                /* while timers run: those set now are later */
    struct io_hook *hooks, *next_hook; /* the latter's turn is next, if it is still there then */
    struct io_poll poll;
};

/* The I/O thread that this thread is, or has paused. */
static _Thread_local const struct io_thread *owned;

bool io_thread_here(const struct io_thread *t)
{
    return owned == t || !atomic_load(&t->started);
}

static void check_owner(const struct io_thread *t)
{
    BUG_ON(!io_thread_here(t));
}

/* --- Work ------------------------------------------------------------------------------------------------------------------ */

static void wake_locked(struct io_thread *t)
{
    if (!t->sleeping || t->woken)
        return;
    t->woken = true;
    const ssize_t n = write(t->wake[1], "", 1); /* an empty pipe takes it */
    (void)n;
}

void io_post(struct io_thread *t, struct io_work *w)
{
    pthread_mutex_lock(&t->lock);
    if (!w->queued) {
        w->queued = true;
        w->next = NULL;
        *t->work_end = w;
        t->work_end = &w->next;
        wake_locked(t);
    }
    pthread_mutex_unlock(&t->lock);
}

static bool unlink_work(struct io_work **list, struct io_work *w)
{
    for (; *list; list = &(*list)->next)
        if (*list == w) {
            *list = w->next;
            return true;
        }
    return false;
}

void io_work_cancel(struct io_thread *t, struct io_work *w)
{
    check_owner(t);
    pthread_mutex_lock(&t->lock);
    if (w->queued && !unlink_work(&t->running, w) && unlink_work(&t->work, w)) {
        t->work_end = &t->work;
        while (*t->work_end)
            t->work_end = &(*t->work_end)->next;
    }
    w->queued = false;
    pthread_mutex_unlock(&t->lock);
}

/* What is posted from here on waits for the next turn, so that descriptors have theirs. */
static void run_work(struct io_thread *t)
{
    struct io_work *w;

    pthread_mutex_lock(&t->lock);
    t->running = t->work;
    t->work = NULL;
    t->work_end = &t->work;
    while ((w = t->running)) {
        t->running = w->next;
        w->queued = false;
        pthread_mutex_unlock(&t->lock);
        w->run(w);
        pthread_mutex_lock(&t->lock);
    }
    pthread_mutex_unlock(&t->lock);
}

/* --- Descriptors ----------------------------------------------------------------------------------------------------------- */

/* Room for n entries. */
static bool reserve(struct io_poll *p, unsigned n)
{
    if (n <= p->room)
        return true;
    const unsigned room = MAX(n, 2 * p->room);
    struct pollfd *fds = realloc(p->fds, room * sizeof(*fds));
    if (fds)
        p->fds = fds;
    struct io_fd **who = realloc(p->who, room * sizeof(*who));
    if (who)
        p->who = who;
    if (!fds || !who)
        return false;
    p->room = room;
    return true;
}

static unsigned append(struct io_poll *p, int fd, short events, struct io_fd *who)
{
    p->fds[p->nr] = (struct pollfd){.fd = fd, .events = events};
    p->who[p->nr] = who;
    return p->nr++;
}

int io_fd_add(struct io_thread *t, struct io_fd *f)
{
    check_owner(t);
    BUG_ON(f->thread);
    /* Here, where it can be told: the loop itself then never runs out. */
    if (!reserve(&t->poll, t->poll.nr + t->nr_fds + 2))
        return -ENOMEM;
    f->thread = t;
    f->slot = NO_SLOT;
    f->next = t->fds;
    f->link = &t->fds;
    if (f->next)
        f->next->link = &f->next;
    t->fds = f;
    t->nr_fds++;
    return 0;
}

void io_fd_set_events(struct io_fd *f, short events)
{
    check_owner(f->thread);
    f->events = events;
}

void io_fd_remove(struct io_fd *f)
{
    struct io_thread *t = f->thread;

    if (!t)
        return;
    check_owner(t);
    if (f->slot != NO_SLOT)
        t->poll.who[f->slot] = NULL;
    *f->link = f->next;
    if (f->next)
        f->next->link = f->link;
    t->nr_fds--;
    f->thread = NULL;
}

/* --- Timers ---------------------------------------------------------------------------------------------------------------- */

void io_timer_cancel(struct io_timer *timer)
{
    if (!timer->thread)
        return;
    check_owner(timer->thread);
    *timer->link = timer->next;
    if (timer->next)
        timer->next->link = timer->link;
    timer->thread = NULL;
}

void io_timer_set(struct io_thread *t, struct io_timer *timer, uint64_t due_ns)
{
    struct io_timer **at = &t->timers;

    check_owner(t);
    io_timer_cancel(timer);
    /* A timer that its own callback sets to the past is due in the next turn, not for ever in this one. */
    timer->due_ns = MAX(due_ns, t->firing_ns + 1);
    while (*at && (*at)->due_ns <= timer->due_ns)
        at = &(*at)->next;
    timer->thread = t;
    timer->next = *at;
    timer->link = at;
    if (timer->next)
        timer->next->link = &timer->next;
    *at = timer;
}

static void run_timers(struct io_thread *t)
{
    t->firing_ns = os_now_ns();
    while (t->timers && t->timers->due_ns <= t->firing_ns) {
        struct io_timer *timer = t->timers;
        io_timer_cancel(timer);
        timer->due(timer);
    }
    t->firing_ns = 0;
}

/* --- Hooks ----------------------------------------------------------------------------------------------------------------- */

void io_hook_add(struct io_thread *t, struct io_hook *h)
{
    check_owner(t);
    BUG_ON(h->thread);
    h->thread = t;
    h->next = t->hooks;
    h->link = &t->hooks;
    if (h->next)
        h->next->link = &h->next;
    t->hooks = h;
}

void io_hook_remove(struct io_hook *h)
{
    struct io_thread *t = h->thread;

    if (!t)
        return;
    check_owner(t);
    if (t->next_hook == h)
        t->next_hook = h->next;
    *h->link = h->next;
    if (h->next)
        h->next->link = h->link;
    h->thread = NULL;
}

int io_poll_add(struct io_poll *p, int fd, short events)
{
    return reserve(p, p->nr + 1) ? (int)append(p, fd, events, NULL) : -1;
}

void io_poll_until(struct io_poll *p, uint64_t ns)
{
    p->until_ns = MIN(p->until_ns, ns);
}

short io_poll_revents(const struct io_poll *p, int number)
{
    return number < 0 ? 0 : p->fds[number].revents;
}

/* --- The loop -------------------------------------------------------------------------------------------------------------- */

/* Milliseconds until ns, rounded up so that poll() does not return just before it; -1 for never. */
static int timeout_ms(uint64_t ns)
{
    if (ns == UINT64_MAX)
        return -1;
    const uint64_t now = os_now_ns();
    return ns <= now ? 0 : (int)MIN((ns - now + MS - 1) / MS, (uint64_t)1000000);
}

static void fill(struct io_thread *t)
{
    struct io_poll *p = &t->poll;

    p->nr = 0;
    p->until_ns = t->timers ? t->timers->due_ns : UINT64_MAX;
    append(p, t->wake[0], POLLIN, NULL);
    for (struct io_fd *f = t->fds; f; f = f->next)
        f->slot = f->events ? append(p, f->fd, f->events, f) : NO_SLOT;
    for (struct io_hook *h = t->hooks; h; h = t->next_hook) {
        t->next_hook = h->next;
        h->fill(h, p);
    }
}

/* False at the end. Here alone the thread waits for others: paused, or in poll(). */
static bool rest(struct io_thread *t)
{
    pthread_mutex_lock(&t->lock);
    while (t->pause && !t->stop) {
        t->parked = true;
        pthread_cond_broadcast(&t->changed);
        pthread_cond_wait(&t->changed, &t->lock);
    }
    t->parked = false;
    const bool stop = t->stop;
    pthread_mutex_unlock(&t->lock);
    if (stop)
        return false;

    fill(t);
    pthread_mutex_lock(&t->lock);
    const bool busy = t->work || t->pause || t->stop;
    t->sleeping = !busy;
    pthread_mutex_unlock(&t->lock);
    /* An error (EINTR) leaves all revents 0, and the next turn looks again. */
    if (poll(t->poll.fds, t->poll.nr, busy ? 0 : timeout_ms(t->poll.until_ns)) < 0) {
        if (errno != EINTR && errno != ENOMEM && errno != EAGAIN)
            BUG("poll: %s", strerror(errno));
        for (unsigned i = 0; i < t->poll.nr; i++)
            t->poll.fds[i].revents = 0;
    }
    pthread_mutex_lock(&t->lock);
    char drain[8];
    if (t->woken && read(t->wake[0], drain, sizeof(drain)) > 0)
        t->woken = false;
    t->sleeping = false;
    pthread_mutex_unlock(&t->lock);
    return true;
}

static void dispatch(struct io_thread *t)
{
    struct io_poll *p = &t->poll;

    for (struct io_hook *h = t->hooks; h; h = t->next_hook) {
        t->next_hook = h->next;
        h->polled(h, p);
    }
    /* Callbacks remove descriptors, of others too; those that they add are not in here. */
    for (unsigned i = 1; i < p->nr; i++) {
        struct io_fd *f = p->who[i];
        const short revents = p->fds[i].revents;
        /* Another callback may have changed what it wants. */
        const short wanted = f && f->events ? (short)(f->events | POLLERR | POLLHUP | POLLNVAL) : 0;
        if (revents & wanted)
            f->ready(f, (short)(revents & wanted));
    }
}

static void *loop(void *opaque)
{
    struct io_thread *t = opaque;

    os_thread_name(t->name);
    owned = t;
    while (rest(t)) {
        dispatch(t);
        run_timers(t);
        run_work(t);
    }
    return NULL;
}

/* --- Its life -------------------------------------------------------------------------------------------------------------- */

int io_thread_create(struct io_thread **out, const char *name, struct err *e)
{
    struct io_thread *t = calloc(1, sizeof(*t));

    if (!t)
        return err_set(e, ENOMEM, "out of memory for the I/O thread");
    const int r = reserve(&t->poll, 8) ? os_pipe(t->wake, e)
                                       : err_set(e, ENOMEM, "out of memory for the I/O thread");
    if (r) {
        free(t->poll.fds);
        free(t->poll.who);
        free(t);
        return r;
    }
    snprintf(t->name, sizeof(t->name), "%s", name);
    pthread_mutex_init(&t->lock, NULL);
    os_cond_init(&t->changed);
    t->work_end = &t->work;
    *out = t;
    return 0;
}

int io_thread_start(struct io_thread *t, struct err *e)
{
    BUG_ON(atomic_load(&t->started));
    atomic_store(&t->started, true);
    const int r = pthread_create(&t->thread, NULL, loop, t);
    if (!r)
        return 0;
    atomic_store(&t->started, false);
    return err_set(e, r, "cannot start the I/O thread: %s", strerror(r));
}

void io_thread_stop(struct io_thread *t)
{
    if (!atomic_load(&t->started))
        return;
    BUG_ON(pthread_equal(t->thread, pthread_self()));
    pthread_mutex_lock(&t->lock);
    BUG_ON(t->pause && owned != t);
    t->stop = true;
    wake_locked(t);
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    atomic_store(&t->started, false);
    if (owned == t)
        owned = NULL;
    t->stop = t->pause = t->parked = t->sleeping = false;
}

void io_thread_pause(struct io_thread *t)
{
    if (!atomic_load(&t->started))
        return;
    BUG_ON(owned == t);
    pthread_mutex_lock(&t->lock);
    BUG_ON(t->pause);
    t->pause = true;
    wake_locked(t);
    while (!t->parked)
        pthread_cond_wait(&t->changed, &t->lock);
    pthread_mutex_unlock(&t->lock);
    owned = t;
}

void io_thread_resume(struct io_thread *t)
{
    if (!atomic_load(&t->started))
        return;
    BUG_ON(owned != t);
    owned = NULL;
    pthread_mutex_lock(&t->lock);
    t->pause = false;
    t->parked = false;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

void io_thread_destroy(struct io_thread *t)
{
    if (!t)
        return;
    io_thread_stop(t);
    close(t->wake[0]);
    close(t->wake[1]);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->changed);
    free(t->poll.fds);
    free(t->poll.who);
    free(t);
}
