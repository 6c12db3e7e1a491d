/* What the main thread does while the guest runs: terminal input to the guest, late output, signals, the timeout, the end.
 * Main thread only; it sleeps in poll() and costs nothing while nothing happens. */
#ifndef VIBE_CLI_IO_LOOP_H
#define VIBE_CLI_IO_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct chardev;
struct err;

enum io_loop_end {
    IO_LOOP_FINISHED, /* by itself */
    IO_LOOP_QUIT,     /* Ctrl-A x */
    IO_LOOP_SIGNAL,   /* SIGINT (Ctrl-C), SIGTERM, SIGHUP */
    IO_LOOP_TIMEOUT,
    IO_LOOP_WATCH, /* the watch has stopped it */
};

struct io_loop_config {
    int input_fd;            /* the guest's input, a terminal or not; -1: none */
    struct chardev *console; /* where input goes and whose output is flushed */
    int finished_fd;         /* readable when every vCPU has stopped */
    uint64_t timeout_ns;     /* 0: none */
    /* Asks the VM to stop; called once at most, with the reason that came first. */
    void (*stop)(void *opaque, enum io_loop_end why);
    void (*power_key)(void *opaque); /* what the first SIGTERM does instead of stopping; null: it stops */
    void (*resized)(void *opaque); /* the terminal may have another size now */
    void *opaque;
    /* Somebody else with something to do here: called when watch_fd is readable, and at the os_now_ns() time that it sets. True: it has asked the
     * VM to stop. Null: nobody. */
    bool (*watch)(void *watch_opaque, uint64_t now_ns, uint64_t *wake_ns);
    int watch_fd;
    void *watch_opaque;
};

struct io_loop_result {
    enum io_loop_end end;
    int signal; /* of IO_LOOP_SIGNAL */
    bool hung;  /* the VM did not stop when asked: its threads may still run */
};

/* Installs the signal handlers and blocks those signals in the calling thread: threads started from here on inherit the mask, and
 * io_loop_run() alone takes the signals. Once, before the VM's threads start. */
int io_loop_init(struct err *e);

/* Runs until the VM has finished, or has not within some seconds after it was asked to. */
void io_loop_run(const struct io_loop_config *cfg, struct io_loop_result *res);

#endif
