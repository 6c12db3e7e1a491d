/* The control socket: programs at a Unix socket see how the machine is, stop it, look into it. docs/control.md is the guide.
 *
 * What is spoken is QMP, QEMU's protocol: JSON objects, one a line; the commands that both have are of the same name and answer alike, and vibevmm's own begin
 * with "vibe-". A thread of its own serves all connections; it alone calls vm_hold() and the like for them. A guest that was stopped goes on when it is
 * told to, also after the connection is gone.
 * Specification: QEMU, "QEMU Machine Protocol Specification". */
#ifndef VIBE_DBG_CONTROL_CONTROL_H
#define VIBE_DBG_CONTROL_CONTROL_H

struct control;
struct err;
struct vm;
struct vm_outcome;

/* What --control takes: unix:PATH. 0, or -EINVAL with what is wrong and the cure. */
int control_check_address(const char *where, struct err *e);

/* Opens the socket. 0 or -errno; -ENOTSUP in a build without libjansson. */
int control_open(struct control **out, const char *where, struct err *e);

/* Before vm_start(): follows the VM's console and its resets. */
void control_set_vm(struct control *c, struct vm *vm);
/* After vm_start(): the thread. 0 or -errno. */
int control_start(struct control *c, struct err *e);

/* After vm_join(): those who are connected hear how it ended. Nothing is served any more. */
void control_stop(struct control *c, const struct vm_outcome *o);
/* Before vm_destroy(). Null is fine. */
void control_destroy(struct control *c);

#endif
