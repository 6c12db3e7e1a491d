/* See hv/native_self_test.h. */
#include "hv/native_self_test.h"

#include "arch/sysreg.h"
#include "base/bits.h"
#include "base/err.h"
#include "base/os.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define VECTORS 0x800u
#define EXITS 2000u /* that are timed */
#define DEVICE_SAYS 0x5au

#define NOP 0xd503201fu
#define STORE_DEVICE 0xb9000020u /* str w0, [x1] */
#define LOAD_DEVICE 0xb9400022u  /* ldr w2, [x1] */
#define STORE_PAIR 0x29000020u   /* stp w0, w0, [x1] */
#define STORE_X3 0xf9000060u     /* str x0, [x3] */
#define STORE_X4 0xf9000080u     /* str x0, [x4] */
#define READ_DAIF 0xd53b4225u    /* mrs x5, DAIF */
#define CLEAR_DAIF 0xd50341ffu   /* msr DAIFClr, #1 */
#define SVC 0xd4000001u
#define WFI 0xd503207fu
#define BRK 0xd4200000u
#define BACK 0x17ffffffu /* b .-4 */

void native_test_say(struct native_test *t, const char *what, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    t->say(t->opaque, what, text);
}

/* --- A guest -------------------------------------------------------------------------------------------------------- */

enum hv_action native_test_exit(void *opaque, struct hv_exit *exit)
{
    struct native_test *t = opaque;

    t->nr_exits++;
    exit->u.mmio.data = DEVICE_SAYS;
    exit->u.mmio.failed = t->no_device;
    if (t->nr_exits == t->kick_at)
        t->hv->kick(t->v);
    return t->nr_exits >= t->stop_at ? HV_STOP : HV_CONTINUE;
}

static uint64_t page(const struct native_test *t)
{
    return t->dirty_page ? t->dirty_page : os_page_size();
}

static void set(struct native_test *t, unsigned reg, uint64_t val)
{
    t->hv->set_reg(t->v, reg, val);
}

static uint64_t get(struct native_test *t, unsigned reg)
{
    uint64_t val = 0;
    t->hv->get_reg(t->v, reg, &val);
    return val;
}

/* These instructions, from the start of memory, with no interrupt masked; the device's exit number stop_at ends it. */
static void prepare(struct native_test *t, const uint32_t *words, size_t len, unsigned stop_at)
{
    memcpy(t->host, words, len);
    t->hv->code_changed(t->vm, NATIVE_TEST_BASE, len);
    t->nr_exits = 0;
    t->stop_at = stop_at;
    t->kick_at = 0;
    t->no_device = false;
    t->hv->vcpu_reset(t->v);
    set(t, HV_REG_PC, NATIVE_TEST_BASE);
    set(t, HV_REG_PSTATE, 5); /* EL1h */
    set(t, HV_REG_SYS | SYSENC_VBAR_EL1, NATIVE_TEST_BASE + VECTORS);
    set(t, HV_REG_X0 + 1, NATIVE_TEST_DEVICE);
    set(t, HV_REG_X0 + 3, NATIVE_TEST_BASE + 2 * page(t));
    set(t, HV_REG_X0 + 4, NATIVE_TEST_BASE + 5 * page(t));
}

static const char *what_stopped(const struct hv_exit *x)
{
    static const char *const cause[] = {
        [DEBUG_CAUSE_STEP] = "step", [DEBUG_CAUSE_BREAK] = "breakpoint", [DEBUG_CAUSE_WATCH] = "watchpoint"};

    if (x->reason == HV_EXIT_CANCEL)
        return "end";
    return x->reason == HV_EXIT_DEBUG ? cause[x->u.debug.cause] : "error";
}

static uint64_t at(struct native_test *t)
{
    return get(t, HV_REG_PC) - NATIVE_TEST_BASE;
}

/* --- What is tried -------------------------------------------------------------------------------------------------- */

static void try_exits(struct native_test *t)
{
    static const uint32_t code[] = {STORE_DEVICE, BACK};
    struct hv_exit x;

    prepare(t, code, sizeof(code), EXITS);
    const uint64_t start = os_now_ns();
    t->hv->run(t->v, &x);
    native_test_say(t, "a store to a device, handled", "%" PRIu64 " ns", (os_now_ns() - start) / EXITS);
}

static void try_dirty(struct native_test *t)
{
    static const uint32_t code[] = {STORE_X3, STORE_X4, STORE_DEVICE};
    uint64_t first[NATIVE_TEST_LEN / 4096 / 64 + 1] = {0}, second[ARRAY_LEN(first)] = {0};
    struct hv_exit x;
    struct err e = {0};

    if (!t->dirty_page)
        return;
    if (t->hv->track_dirty(t->vm, true, &e)) {
        native_test_say(t, "pages that the guest writes", "%s", e.text);
        return;
    }
    prepare(t, code, sizeof(code), 1);
    t->hv->run(t->v, &x);
    t->hv->get_dirty(t->vm, 0, first, &e);
    t->hv->get_dirty(t->vm, 0, second, &e);
    t->hv->track_dirty(t->vm, false, &e);
    native_test_say(t, "pages that the guest writes", "%" PRIx64 ", then %" PRIx64 "%s", first[0],
                    second[0], e.text);
}

static void try_points(struct native_test *t)
{
    static const uint32_t code[] = {NOP, NOP, STORE_X3, NOP, STORE_DEVICE};
    const struct debug_point point[] = {
        {.kind = DEBUG_BREAK, .addr = NATIVE_TEST_BASE + 4},
        {.kind = DEBUG_WATCH, .write = true, .addr = NATIVE_TEST_BASE + 2 * page(t) + 4, .len = 4},
    };
    struct hv_exit x;
    struct err e = {0};

    prepare(t, code, sizeof(code), 1);
    if (t->hv->set_debug(t->v, &(struct debug_points){.nr = 2, .point = point}, &e)) {
        native_test_say(t, "a breakpoint", "%s", e.text);
        return;
    }
    t->hv->run(t->v, &x);
    native_test_say(t, "a breakpoint", "%s at +%" PRIx64, what_stopped(&x), at(t));
    t->hv->run(t->v, &x);
    native_test_say(t, "a watchpoint", "%s at +%" PRIx64 ", %s, %" PRIx64, what_stopped(&x), at(t),
                    x.u.debug.write ? "store" : "load",
                    x.u.debug.addr - NATIVE_TEST_BASE - 2 * page(t));
    t->hv->run(t->v, &x);
    native_test_say(t, "and passed", "%s at +%" PRIx64, what_stopped(&x), at(t));
    t->hv->set_debug(t->v, &(struct debug_points){0}, &e);
}

/* Runs so often; where it has ended each time. */
static void say_ends(struct native_test *t, const char *what, unsigned nr_runs)
{
    char text[200];
    size_t len = 0;
    struct hv_exit x;

    for (unsigned i = 0; i < nr_runs; i++) {
        t->hv->run(t->v, &x);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s +%" PRIx64, i ? ", " : "",
                                what_stopped(&x), at(t));
        if (t->stop_at <= t->nr_exits)
            t->stop_at = t->nr_exits + 1;
    }
    native_test_say(t, what, "%s; %u exits, x2 is %" PRIx64, text, t->nr_exits, get(t, HV_REG_X0 + 2));
}

/* One is one, whoever does the instruction and whatever comes in between: what an end that is not the step's has done, the next run tells. */
static void try_device_steps(struct native_test *t)
{
    static const uint32_t code[] = {STORE_DEVICE, LOAD_DEVICE, STORE_PAIR, NOP, NOP, NOP, NOP};

    prepare(t, code, sizeof(code), UINT32_MAX);
    t->hv->set_step(t->v, true);
    say_ends(t, "steps at a device", 4);
    prepare(t, code, sizeof(code), 1);
    say_ends(t, "steps that it ends", 7);
    prepare(t, code, sizeof(code), UINT32_MAX);
    t->kick_at = 2;
    say_ends(t, "a kick in a step", 4);
    prepare(t, code, sizeof(code), UINT32_MAX);
    t->no_device = true;
    say_ends(t, "a step into an abort", 1);
    prepare(t, code + 2, sizeof(uint32_t), 1);
    t->no_device = true;
    say_ends(t, "and one of a pair's", 2);
    t->hv->set_step(t->v, false);
    prepare(t, code + 1, sizeof(uint32_t), UINT32_MAX);
    t->kick_at = 1;
    say_ends(t, "a kick at a load", 1);
}

/* Steps mask interrupts, and nobody sees it. */
static void try_steps(struct native_test *t)
{
    static const uint32_t code[] = {READ_DAIF, CLEAR_DAIF, STORE_DEVICE, SVC, BRK, WFI};
    char text[200];
    size_t len = 0;
    struct hv_exit x;

    prepare(t, code, sizeof(code), UINT32_MAX);
    set(t, HV_REG_PSTATE, 0x45); /* F masked */
    t->hv->set_step(t->v, true);
    for (unsigned i = 0; i < 4; i++) {
        t->hv->run(t->v, &x);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s +%" PRIx64 " %" PRIx64,
                                i ? ", " : "", what_stopped(&x), at(t), get(t, HV_REG_PSTATE) & 0x3cf);
    }
    native_test_say(t, "steps", "%s; DAIF was %" PRIx64 ", SPSR_EL1 is %" PRIx64 ", %u exit", text,
                    get(t, HV_REG_X0 + 5), get(t, HV_REG_SYS | SYSENC_SPSR_EL1) & 0x3cf, t->nr_exits);
    set(t, HV_REG_PC, NATIVE_TEST_BASE + 16);
    t->hv->run(t->v, &x);
    native_test_say(t, "a step over BRK", "%s +%" PRIx64 ", ESR_EL1 %" PRIx64, what_stopped(&x),
                    at(t), get(t, HV_REG_SYS | SYSENC_ESR_EL1));
    set(t, HV_REG_PC, NATIVE_TEST_BASE + 20);
    t->hv->run(t->v, &x);
    native_test_say(t, "a step over WFI", "%s +%" PRIx64, what_stopped(&x), at(t));
    t->hv->set_step(t->v, false);
}

static void no_timer(void *opaque)
{
    (void)opaque;
}

void native_test_run(struct native_test *t)
{
    if (t->hv->set_deadline)
        t->hv->set_deadline(t->v, UINT64_MAX, no_timer);
    try_exits(t);
    try_dirty(t);
    try_points(t);
    try_steps(t);
    try_device_steps(t);
}
