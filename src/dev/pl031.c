/* ARM PrimeCell Real Time Clock PL031.
 *
 * Counts the seconds of the host's wall clock from power-on by the monotonic clock, so a guest never sees time jump. A thread waits for
 * the alarm; it starts when a guest first enables the interrupt, which few do. The alarm of a clock that is moved on shows only when a register is used.
 * Threads: registers under the device's lock; the alarm's thread takes it.
 * Specification: DDI 0224, "Programmers Model". */
#include "dev/pl031.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/snap.h"
#include "load/fdt.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define SECOND UINT64_C(1000000000)
#define NEVER UINT64_MAX

struct pl031 {
    struct device dev;
    struct irq_line irq;
    const struct guest_clock *clock;
    uint64_t base_ns;      /* of the clock when the counter became RTCLR */
    uint64_t alarm_ns;     /* when it reaches RTCMR; NEVER: it has */
    uint32_t RTCMR, RTCLR; /* the counter is RTCLR and the seconds since base_ns */
    uint32_t RTCIMSC, RTCRIS;

    pthread_t thread;
    pthread_cond_t changed; /* alarm_ns, or quit */
    bool running, quit;
};

static struct pl031 *pl031_of(struct device *d)
{
    return CONTAINER_OF(d, struct pl031, dev);
}

static uint64_t elapsed(const struct pl031 *r, uint64_t now)
{
    return now > r->base_ns ? (now - r->base_ns) / SECOND : 0;
}

static void update_locked(struct pl031 *r)
{
    if (clock_now_ns(r->clock) >= r->alarm_ns) {
        r->RTCRIS = 1;
        r->alarm_ns = NEVER;
    }
    irq_set(&r->irq, r->RTCRIS & r->RTCIMSC);
}

static void *alarm_thread(void *arg)
{
    struct pl031 *r = arg;

    os_thread_name("pl031");
    pthread_mutex_lock(&r->dev.lock);
    while (!r->quit) {
        update_locked(r);
        os_cond_wait_until(&r->changed, &r->dev.lock, clock_host_ns(r->clock, r->alarm_ns));
    }
    pthread_mutex_unlock(&r->dev.lock);
    return NULL;
}

/* RTCMR, RTCLR or RTCIMSC was written. */
static void schedule_locked(struct pl031 *r)
{
    update_locked(r);
    if (r->RTCIMSC && r->alarm_ns != NEVER && !r->running && !r->clock->moved) {
        r->running = !pthread_create(&r->thread, NULL, alarm_thread, r);
        if (!r->running)
            log_warn("%s: no thread for the alarm: it shows only when a register is used", r->dev.name);
    }
    pthread_cond_signal(&r->changed);
}

/* The interrupt comes when the counter reaches the match, at once when it stands there. */
static void set_alarm_locked(struct pl031 *r)
{
    const uint64_t seconds = elapsed(r, clock_now_ns(r->clock));

    r->alarm_ns = r->base_ns + (seconds + (uint32_t)(r->RTCMR - r->RTCLR - (uint32_t)seconds)) * SECOND;
    schedule_locked(r);
}

#define READ(name)                                                                                 \
    static uint64_t read_##name(struct device *d, uint32_t off __attribute__((unused)),            \
                                unsigned size __attribute__((unused)))
#define WRITE(name)                                                                                \
    static void write_##name(struct device *d, uint32_t off __attribute__((unused)),               \
                             unsigned size __attribute__((unused)), uint64_t val)

READ(RTCDR)
{
    const struct pl031 *r = pl031_of(d);
    return (uint32_t)(r->RTCLR + elapsed(r, clock_now_ns(r->clock)));
}

READ(RTCMR)
{
    return pl031_of(d)->RTCMR;
}

WRITE(RTCMR)
{
    pl031_of(d)->RTCMR = (uint32_t)val;
    set_alarm_locked(pl031_of(d));
}

READ(RTCLR)
{
    return pl031_of(d)->RTCLR;
}

WRITE(RTCLR)
{
    pl031_of(d)->RTCLR = (uint32_t)val;
    pl031_of(d)->base_ns = clock_now_ns(pl031_of(d)->clock);
    set_alarm_locked(pl031_of(d));
}

/* Always started: once set, the bit stays until power-off, and the clock was set before the guest came. */
READ(RTCCR)
{
    (void)d;
    return 1;
}

WRITE(RTCCR)
{
    (void)d;
    (void)val;
}

READ(RTCIMSC)
{
    return pl031_of(d)->RTCIMSC;
}

WRITE(RTCIMSC)
{
    pl031_of(d)->RTCIMSC = val & 1;
    schedule_locked(pl031_of(d));
}

READ(RTCRIS)
{
    update_locked(pl031_of(d));
    return pl031_of(d)->RTCRIS;
}

READ(RTCMIS)
{
    update_locked(pl031_of(d));
    return pl031_of(d)->RTCRIS & pl031_of(d)->RTCIMSC;
}

WRITE(RTCICR)
{
    struct pl031 *r = pl031_of(d);

    update_locked(r);
    r->RTCRIS &= ~(uint32_t)val;
    update_locked(r);
}

/* PL031 as QEMU has it, then the PrimeCell's. */
static uint64_t read_id(struct device *d, uint32_t off, unsigned size)
{
    static const uint8_t id[8] = {0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

    (void)d;
    (void)size;
    return id[(off - 0xfe0) / 4];
}

/* clang-format off */
#define RO(off, Name) {.offset = (off), .widths = W32, .access = REG_RO, .name = #Name, .read = read_##Name}
#define RW(off, Name) {.offset = (off), .widths = W32, .access = REG_RW, .name = #Name, .read = read_##Name, .write = write_##Name}
static const struct reg_desc pl031_regs[] = {
    RO(0x000, RTCDR), RW(0x004, RTCMR), RW(0x008, RTCLR), RW(0x00c, RTCCR), RW(0x010, RTCIMSC),
    RO(0x014, RTCRIS), RO(0x018, RTCMIS),
    {.offset = 0x01c, .widths = W32, .access = REG_WO, .name = "RTCICR", .write = write_RTCICR},
    {.offset = 0xfe0, .count = 8, .widths = W8 | W16 | W32, .access = REG_RO, .name = "RTCPeriphID0", .read = read_id},
};
/* clang-format on */

static void pl031_reset(struct device *d)
{
    struct pl031 *r = pl031_of(d);
    struct timespec wall;

    clock_gettime(CLOCK_REALTIME, &wall);
    r->base_ns = clock_now_ns(r->clock);
    if (r->clock->moved) {
        r->RTCLR = PL031_MOVED_EPOCH;
    } else {
        r->RTCLR = (uint32_t)wall.tv_sec;
        r->base_ns -= MIN(r->base_ns, (uint64_t)wall.tv_nsec); /* seconds change with the host's */
    }
    r->RTCMR = r->RTCIMSC = r->RTCRIS = 0;
    r->alarm_ns = NEVER;
    update_locked(r);
    pthread_cond_signal(&r->changed);
}

/* arm,pl031 and arm,primecell bindings. */
static void pl031_fdt_node(const struct device *d, struct fdt_ctx *f)
{
    const struct pl031 *r = CONTAINER_OF(d, const struct pl031, dev);

    dt_begin_at(f, "pl031", d->base);
    dt_strings(f, "compatible", "arm,pl031\0arm,primecell");
    dt_reg(f, &(struct dt_range){d->base, d->len}, 1);
    dt_interrupts(f, &(struct dt_irq){r->irq.intid, DT_LEVEL_HIGH}, 1);
    dt_u32(f, "clocks", DT_PHANDLE_CLOCK);
    dt_string(f, "clock-names", "apb_pclk");
    dt_end(f);
}

static void pl031_destroy(struct device *d)
{
    struct pl031 *r = pl031_of(d);

    pthread_mutex_lock(&d->lock);
    r->quit = true;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&d->lock);
    if (r->running)
        pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&d->lock);
    free(r);
}

/* The guest's clock goes on from where it was, and so does this one: a guest that was away for a while has to set it. */
static void pl031_snap(struct device *d, struct snap *s)
{
    struct pl031 *r = pl031_of(d);

    SNAP_ANY(s, r, base_ns);
    SNAP_ANY(s, r, alarm_ns);
    SNAP_ANY(s, r, RTCMR);
    SNAP_ANY(s, r, RTCLR);
    SNAP_BOOL(s, r, RTCIMSC);
    SNAP_BOOL(s, r, RTCRIS);
}

static void pl031_kick(struct device *d)
{
    schedule_locked(pl031_of(d));
}

static const struct device_class pl031_class = {
    .name = "pl031",
    .regs = pl031_regs,
    .nr_regs = ARRAY_LEN(pl031_regs),
    .reset = pl031_reset,
    .destroy = pl031_destroy,
    .fdt_node = pl031_fdt_node,
    .snap = pl031_snap,
    .kick = pl031_kick,
};

struct device *pl031_create(gpa_t base, struct irq_line irq, const struct guest_clock *clock,
                            struct err *e)
{
    struct pl031 *r = calloc(1, sizeof(*r));

    if (!r || os_cond_init(&r->changed)) {
        err_set(e, ENOMEM, "out of memory for the PL031");
        free(r);
        return NULL;
    }
    device_init(&r->dev, &pl031_class, base, 0x1000);
    r->irq = irq;
    r->clock = clock;
    pl031_reset(&r->dev);
    return &r->dev;
}
