/* Calls on the I/O thread, for tests of what runs there. */
#ifndef VIBE_TESTS_IO_FIXTURE_H
#define VIBE_TESTS_IO_FIXTURE_H

#include "base/bits.h"
#include "base/io_thread.h"
#include "base/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h> /* wants the ones above */

#define IO_LIMIT_NS UINT64_C(20000000000) /* a test machine under load */

typedef void io_call_fn(void *ctx, const void *arg, size_t len);

struct io_call {
    struct io_work work;
    io_call_fn *fn;
    void *ctx;
    const void *arg;
    size_t len;
    atomic_bool done;
};

static inline void io_call_run(struct io_work *w)
{
    struct io_call *c = CONTAINER_OF(w, struct io_call, work);
    if (c->fn)
        c->fn(c->ctx, c->arg, c->len);
    atomic_store(&c->done, true);
}

/* Runs fn on the thread and waits for it. */
static inline void io_call(struct io_thread *io, io_call_fn *fn, void *ctx, const void *arg, size_t len)
{
    struct io_call c = {.work.run = io_call_run, .fn = fn, .ctx = ctx, .arg = arg, .len = len};
    const uint64_t end = os_now_ns() + IO_LIMIT_NS;
    io_post(io, &c.work);
    while (!atomic_load(&c.done) && os_now_ns() < end)
        usleep(20);
    assert_true(atomic_load(&c.done));
}

/* What was posted until now has run, and what that has posted. */
static inline void io_settle(struct io_thread *io)
{
    for (unsigned i = 0; i < 4; i++)
        io_call(io, NULL, NULL, NULL, 0);
}

#endif
