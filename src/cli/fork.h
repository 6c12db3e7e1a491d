/* vibevmm fork: many runs, the variants, that all go on from one snapshot, several at a time, each with overlays of its own over the disks.
 *
 * Every variant is a process, forked from one that has read and verified the snapshot, so that what is common is done once. docs/snapshots.md.
 * Main thread, of a process without others. */
#ifndef VIBE_CLI_FORK_H
#define VIBE_CLI_FORK_H

struct err;
struct options;

/* Runs what o says, o being a variant's; prints its own errors. Returns the exit status. */
typedef int fork_run_fn(struct options *o);

/* STATUS_OK: every variant ended so; STATUS_FAILED: one did not; STATUS_SIGNAL + what ended all of them; or -errno, of what is wrong before the first one. */
int fork_variants(struct options *o, fork_run_fn *run, struct err *e);

#endif
