/* What the commands of `monitor` share. Threads: the server's. */
#ifndef VIBE_DBG_GDB_MONITOR_H
#define VIBE_DBG_GDB_MONITOR_H

#include "dbg/gdb/session.h"

/* A command's arguments are words; it takes them one by one. Null where there is none. The word is cut out of *args in place. */
char *monitor_word(char **args);
/* A number as C has it. False, and said so: there is none. */
bool monitor_number(FILE *f, char **args, uint64_t *val);
/* A vCPU's number, or that of Hg where nothing is given. False, and said so: there is no such one. */
bool monitor_vcpu(struct gdb_session *s, FILE *f, char **args, unsigned *index);

/* Each shows something, with all vCPUs held: monitor_show.c. */
typedef void monitor_fn(struct gdb_session *s, FILE *f, char *args);
monitor_fn monitor_cpus, monitor_regs, monitor_pagewalk, monitor_tlb, monitor_gic, monitor_timers,
    monitor_devices, monitor_stats, monitor_exits, monitor_translate, monitor_xp, monitor_explain;

/* monitor_points.c */
monitor_fn monitor_catch, monitor_uncatch, monitor_pbreak, monitor_pdelete;

#endif
