/* Where the events of a trace go: formatted into a file as they come, or into a ring of the last ones, which is shown when the run has failed.
 *
 * Any thread emits; one at a time formats, so that lines are whole and those of a vCPU in order. */
#ifndef VIBE_DBG_TRACER_H
#define VIBE_DBG_TRACER_H

#include "arch/trace.h"
#include "load/symbols.h"

struct err;
struct tracer;

struct tracer_config {
    const char *path; /* null: stderr */
    bool json;        /* else text */
    uint64_t ring;    /* events that are kept; 0: all are written as they come */
    uint64_t limit;   /* bytes that are written; 0: all */
    const struct symbols *symbols;
};

/* Opens the file, and leaves what it has. 0 or -errno. */
int tracer_create(struct tracer **out, const struct tracer_config *cfg, struct err *e);
void tracer_destroy(struct tracer *t); /* null is fine */

/* Whose kinds and filters the caller sets. It lives as long as the tracer. */
struct trace *tracer_trace(struct tracer *t);

/* Empties the file: the run begins. */
void tracer_start(struct tracer *t);

/* After the last event, or, with threads that hang, as the last thing. show_ring: the run has failed. 0 or -errno: the file could not be
 * written; that its reader has gone is no error. */
int tracer_finish(struct tracer *t, bool show_ring, struct err *e);

#endif
