/* What the parts of the control socket share. All of it is the server's thread's. */
#ifndef VIBE_DBG_CONTROL_SESSION_H
#define VIBE_DBG_CONTROL_SESSION_H

#include "dbg/control/control.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* As long as a request may be. */
#define CONTROL_LINE_MAX (64u << 10)

struct control_state {
    struct vm *vm;
    bool paused; /* by `stop` */
    /* To everybody who is connected. data: stolen, or null. */
    void (*event)(struct control_state *s, const char *name, json_t *data);
    char *(*console_tail)(struct control_state *s, unsigned nr_lines); /* malloc'd */
};

struct control_connection {
    bool ready; /* qmp_capabilities has come */
};

/* The greeting, and the answer to one request, each a new object. */
json_t *control_greeting(void);
json_t *control_answer(struct control_state *s, struct control_connection *c, const char *line,
                       size_t len);

#endif
