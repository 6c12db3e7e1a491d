/* Events as lines: for people, and as JSON. Pure; any thread. */
#ifndef VIBE_DBG_TRACE_TEXT_H
#define VIBE_DBG_TRACE_TEXT_H

#include "arch/trace.h"
#include "load/symbols.h"

#include <stddef.h>

/* Longer lines are cut, which no event makes. */
#define TRACE_LINE_MAX 2048u

/* One line with its newline; returns the length. syms may be empty. */
size_t trace_text(const struct trace_event *ev, const struct symbols *syms, char buf[TRACE_LINE_MAX]);
size_t trace_json(const struct trace_event *ev, const struct symbols *syms, char buf[TRACE_LINE_MAX]);

/* "insn", "take": what the n-th kind of event is called, and of which kind it is. */
const char *trace_event_name(enum trace_event_id id);
enum trace_kind trace_event_kind(enum trace_event_id id);

#endif
