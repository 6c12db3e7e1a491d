/* One debugger's session: what it asks, and what it is told. The files of src/dbg/gdb share this.
 *
 * Threads: the server's alone, but for session_wants(). Everything that comes in is checked and bounded: whoever is at the other end may be anybody. */
#ifndef VIBE_DBG_GDB_SESSION_H
#define VIBE_DBG_GDB_SESSION_H

#include "dbg/gdb/packet.h"
#include "dbg/gdb/points.h"
#include "vm/debug.h"

#include <stdatomic.h>
#include <stdio.h>

/* gdb's numbers of signals, which are no system's ("GDB Signals"). */
enum gdb_signal {
    GDB_SIGNAL_0 = 0,
    GDB_SIGNAL_INT = 2,
    GDB_SIGNAL_ILL = 4,
    GDB_SIGNAL_TRAP = 5,
    GDB_SIGNAL_ABRT = 6,
    GDB_SIGNAL_FPE = 8,
    GDB_SIGNAL_BUS = 10,
    GDB_SIGNAL_SEGV = 11,
};

/* Why a vCPU stands still, as a debugger is told. */
struct gdb_stop {
    uint8_t signal;
    char reason[40]; /* of the stop reply, as "watch:ffff;"; or empty */
    char text[200];  /* in words; empty: the signal says it all */
};

struct gdb_thread {
    bool held; /* one hold is the session's */
    bool step; /* as vm_set_step() was told */
    bool in_range;
    gva_t range_first, range_end; /* in_range: steps are not told of while the PC is in [first, end) */
    /* It stands still, and that is still to be told: non-stop mode; or, of what does not come again by itself, all-stop mode. */
    bool untold;
    bool stuck;           /* it is in a fault that it cannot leave */
    struct gdb_stop stop; /* the last */
};

enum gdb_space {
    GDB_SPACE_VIRTUAL, /* as the vCPU has it */
    GDB_SPACE_EL0,     /* as a program at EL0 would: by ttbr0, where that is given */
    GDB_SPACE_PHYSICAL,
};

struct gdb_session {
    struct vm *vm;
    void (*send)(void *opaque, const void *bytes, size_t len); /* to the connection */
    void (*quit)(void *opaque); /* the connection is to be closed, when what was sent is */
    void *opaque;

    struct gdb_parser parser;
    bool no_acks;
    bool non_stop;
    bool detached;             /* gdb is through with it: what else it sends is ignored */
    unsigned general, resumed; /* vCPUs: of Hg, and the last that was told of or let go */
    int continued;             /* of Hc: a vCPU, or -1 for all */
    bool running;              /* all-stop: vCPUs were let go, and no stop reply was sent yet */
    bool notified; /* non-stop: a notification was sent, and not all of what is to be told was asked for */
    bool asked; /* non-stop: that one is the answer to ? */
    struct gdb_thread thread[VM_MAX_CPUS];

    struct gdb_points points;
    /* What stops are wanted at that no point is for: read by vCPU threads. */
    _Atomic bool attached, at_reset, at_cpu_on;
    char refusal[200]; /* why the last request was refused */

    enum gdb_space space; /* of m, M, x, X */
    bool has_ttbr0;
    uint64_t ttbr0;

    struct gdb_target *target; /* its description */
    char *threads_text;        /* of qXfer:threads, while it is read */
    size_t threads_len;
    unsigned next_thread; /* of qsThreadInfo */

    size_t out_len;
    char out[GDB_PACKET_MAX];
    char frame[GDB_FRAME_MAX(GDB_PACKET_MAX)];
    size_t frame_len; /* of the last packet, for when it got lost */
};

/* --- session.c ------------------------------------------------------------------------------------------------------ */

/* The VM has been created. 0 or -ENOMEM. */
int session_init(struct gdb_session *s, struct vm *vm);
void session_destroy(struct gdb_session *s);

/* A debugger has come: all vCPUs are held. It has gone: they go on, as if it had never been. */
void session_begin(struct gdb_session *s);
void session_end(struct gdb_session *s);
void session_input(struct gdb_session *s, const uint8_t *bytes, size_t len);
/* What vm_debugger.stopped() told. */
void session_event(struct gdb_session *s, unsigned index, const struct debug_event *event);
/* vm_debugger.wants(); vCPU threads. */
bool session_wants(const struct gdb_session *s, enum debug_cause cause);
/* The VM has ended. */
void session_exited(struct gdb_session *s, int status, int signal);

/* --- What the handlers of packets use: reply.c ---------------------------------------------------------------------- */

/* A reply is put together, and sent: one for each packet, but where the protocol has it otherwise. */
void reply_put(struct gdb_session *s, const void *data, size_t len); /* what does not fit is left out */
void reply_printf(struct gdb_session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void reply_hex(struct gdb_session *s, const void *bytes, size_t len);
void reply_send(struct gdb_session *s);
void reply_ok(struct gdb_session *s);
void reply_empty(struct gdb_session *s); /* not supported */
void reply_error(struct gdb_session *s, int code);
/* And why, for `monitor why`. */
void reply_refuse(struct gdb_session *s, int code, const char *why);
void reply_notify(struct gdb_session *s); /* what was put together, as a notification */
void reply_again(struct gdb_session *s);
/* Text for the user: O packets. */
void reply_text(struct gdb_session *s, const char *text, size_t len);
/* [off, off + len) of an object, as qXfer wants it. */
void reply_xfer(struct gdb_session *s, const char *object, size_t object_len, uint64_t off, uint64_t len);

/* A part of a packet. */
bool eat(const char **p, const char *word);
/* A thread's id: its index, -1 for all or any. False: no such thread. */
bool eat_thread(const struct gdb_session *s, const char **p, int *index);

/* --- run.c: letting go and stopping --------------------------------------------------------------------------------- */

void run_hold_all(struct gdb_session *s);
void run_release_all(struct gdb_session *s);
/* Holds those that are not, for a moment. Returns which. */
vcpu_set_t run_hold_rest(struct gdb_session *s);
/* Holds the one if it is not held. */
vcpu_set_t run_hold_one(struct gdb_session *s, unsigned index);

void run_vcont(struct gdb_session *s, const char *p);
void run_legacy(struct gdb_session *s, char how, const char *p); /* c, s, C, S */
void run_interrupt(struct gdb_session *s);
void run_why_stopped(struct gdb_session *s); /* ? */
void run_vstopped(struct gdb_session *s);
void run_set_mode(struct gdb_session *s, bool non_stop);
void run_event(struct gdb_session *s, unsigned index, const struct debug_event *event);

/* stop.c: what a stop is called. */
void stop_describe(struct gdb_session *s, unsigned index, const struct debug_event *event,
                   struct gdb_stop *stop);
/* Puts the stop reply of a vCPU together. */
void stop_reply(struct gdb_session *s, unsigned index);

/* --- registers.c ---------------------------------------------------------------------------------------------------- */

int target_create(struct gdb_target **out);
void target_destroy(struct gdb_target *t);
/* A file of the description; null: there is none of that name. */
const char *target_file(const struct gdb_target *t, const char *name, size_t name_len, size_t *len);

void registers_read_all(struct gdb_session *s);                 /* g */
void registers_write_all(struct gdb_session *s, const char *p); /* G */
void registers_read(struct gdb_session *s, const char *p);      /* p */
void registers_write(struct gdb_session *s, const char *p);     /* P */
/* Puts "number:value;" of a few that a stop reply has. */
void registers_expedite(struct gdb_session *s, unsigned index);

/* --- memory.c ------------------------------------------------------------------------------------------------------- */

/* As the session sees memory, by the vCPU of Hg: bytes done from the start. */
size_t memory_read(struct gdb_session *s, uint64_t addr, void *buf, size_t len);
size_t memory_write(struct gdb_session *s, uint64_t addr, const void *buf, size_t len);

/* The translation regime of a vCPU that is held, with the session's TTBR0_EL1 where it has one. 0 or -ESRCH. */
int session_regime(struct gdb_session *s, unsigned index, struct pe_state *regime);

void memory_packet(struct gdb_session *s, char kind, const char *p, size_t len); /* m, x, M, X */
void memory_crc(struct gdb_session *s, const char *p);
void memory_search(struct gdb_session *s, const char *p, size_t len);

/* --- monitor.c ------------------------------------------------------------------------------------------------------ */

/* A command in words; it is cut up in place. */
void monitor_command(struct gdb_session *s, char *line);

#endif
