/* The end of a trace: lines into a file, or events into a ring. Threading: dbg/tracer.h. */
#include "dbg/tracer.h"

#include "base/err.h"
#include "dbg/trace_text.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_LEN (256u << 10)

struct tracer {
    struct trace trace; /* first: events come with its address */
    struct tracer_config cfg;
    pthread_mutex_t lock; /* a leaf */
    FILE *f;
    uint64_t written;
    uint64_t nr_events, nr_left_out;
    int error; /* of the first write that failed */
    struct trace_event *ring;
    char line[TRACE_LINE_MAX];
};

static void write_line(struct tracer *t, size_t len)
{
    if (t->error)
        return;
    if (fwrite(t->line, 1, len, t->f) == len)
        t->written += len;
    else
        t->error = errno ? errno : EIO;
}

static void write_event(struct tracer *t, const struct trace_event *ev)
{
    if (t->error || t->nr_left_out) {
        t->nr_left_out++;
        return;
    }
    const size_t len = (t->cfg.json ? trace_json : trace_text)(ev, t->cfg.symbols, t->line);
    if (t->cfg.limit && t->written + len > t->cfg.limit)
        t->nr_left_out++;
    else
        write_line(t, len);
}

static void emit(struct trace *trace, const struct trace_event *ev)
{
    struct tracer *t = (struct tracer *)(void *)trace;

    pthread_mutex_lock(&t->lock);
    if (t->ring)
        t->ring[t->nr_events % t->cfg.ring] = *ev;
    else
        write_event(t, ev);
    t->nr_events++;
    pthread_mutex_unlock(&t->lock);
}

int tracer_create(struct tracer **out, const struct tracer_config *cfg, struct err *e)
{
    struct tracer *t = calloc(1, sizeof(*t));

    if (t && cfg->ring && !(t->ring = calloc(cfg->ring, sizeof(*t->ring)))) {
        free(t);
        t = NULL;
    }
    if (!t)
        return err_set(e, ENOMEM, "--trace: out of memory");
    t->cfg = *cfg;
    t->trace.emit = emit;
    pthread_mutex_init(&t->lock, NULL);
    /* Not emptied yet: what is there is kept if nothing comes of the run. */
    t->f = cfg->path ? fopen(cfg->path, "ab") : stderr;
    if (!t->f) {
        const int r = err_set(e, errno, "--trace %s: %s", cfg->path, strerror(errno));
        tracer_destroy(t);
        return r;
    }
    if (cfg->path)
        setvbuf(t->f, NULL, _IOFBF, BUFFER_LEN);
    *out = t;
    return 0;
}

void tracer_destroy(struct tracer *t)
{
    if (!t)
        return;
    if (t->f && t->cfg.path)
        fclose(t->f);
    pthread_mutex_destroy(&t->lock);
    free(t->ring);
    free(t);
}

struct trace *tracer_trace(struct tracer *t)
{
    return &t->trace;
}

void tracer_start(struct tracer *t)
{
    /* A pipe or a device has nothing to empty. */
    if (t->cfg.path && ftruncate(fileno(t->f), 0) && errno != EINVAL)
        t->error = errno;
}

static void show_last(struct tracer *t)
{
    const uint64_t nr = MIN(t->nr_events, t->cfg.ring);

    if (!t->cfg.json)
        write_line(t, (size_t)snprintf(t->line, sizeof(t->line),
                                       "The last %" PRIu64 " of %" PRIu64 " events:\n", nr,
                                       t->nr_events));
    for (uint64_t i = t->nr_events - nr; i < t->nr_events; i++)
        write_event(t, &t->ring[i % t->cfg.ring]);
}

/* The end, where it is not the trace's own. */
static void tell_what_is_missing(struct tracer *t)
{
    const char *fmt = t->cfg.json ? "{\"left_out\":%" PRIu64 "}\n"
                                  : "%" PRIu64 " more events: --trace-limit does not let them in\n";
    write_line(t, (size_t)snprintf(t->line, sizeof(t->line), fmt, t->nr_left_out));
}

int tracer_finish(struct tracer *t, bool show_ring, struct err *e)
{
    /* Whoever hangs may hold it, in a write that does not come to its end. */
    if (pthread_mutex_trylock(&t->lock))
        return err_set(e, EBUSY, "--trace %s: its reader does not read", t->cfg.path ? t->cfg.path : "");
    if (t->ring && show_ring)
        show_last(t);
    if (t->nr_left_out && !t->error)
        tell_what_is_missing(t);
    if (fflush(t->f) && !t->error)
        t->error = errno ? errno : EIO;
    pthread_mutex_unlock(&t->lock);
    /* head(1) has seen enough. */
    return t->error && t->error != EPIPE
               ? err_set(e, t->error, "--trace %s: %s",
                         t->cfg.path ? t->cfg.path : "to standard error", strerror(t->error))
               : 0;
}
