/* ARM PrimeCell General Purpose Input/Output PL061.
 *
 * Threads: registers under the device's lock; the power key is pressed and released on the I/O thread, which takes it.
 * Specification: DDI 0190, "Programmers Model". */
#include "dev/pl061.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/io_thread.h"
#include "base/os.h"
#include "base/snap.h"
#include "load/fdt.h"

#include <errno.h>
#include <stdlib.h>

#define KEY_POWER 116u               /* Linux dt-bindings/input/linux-event-codes.h */
#define PRESS_NS UINT64_C(100000000) /* longer than a driver debounces, shorter than people wait */

struct pl061 {
    struct device dev;
    struct irq_line irq;
    struct io_thread *io;
    struct io_work press, let_go;
    struct io_timer release;
    uint8_t input; /* pins, from the host */
    uint8_t output, GPIODIR, GPIOIS, GPIOIBE, GPIOIEV, GPIOIE, GPIOAFSEL;
    uint8_t edges; /* seen and not cleared */
};

static struct pl061 *pl061_of(struct device *d)
{
    return CONTAINER_OF(d, struct pl061, dev);
}

/* The pins as they are read: what an output drives, what an input is given. */
static uint8_t pins(const struct pl061 *g)
{
    return (uint8_t)((g->output & g->GPIODIR) | (g->input & ~g->GPIODIR));
}

/* GPIORIS: of level-sensitive pins as they are now, of the others the edges that were seen. */
static uint8_t raw_status(const struct pl061 *g)
{
    const uint8_t level = (uint8_t) ~(pins(g) ^ g->GPIOIEV);
    return (uint8_t)(((g->GPIOIS & level) | (~g->GPIOIS & g->edges)) & ~g->GPIODIR);
}

static void update_irq_locked(struct pl061 *g)
{
    irq_set(&g->irq, raw_status(g) & g->GPIOIE);
}

static void note_edges_locked(struct pl061 *g, uint8_t before)
{
    const uint8_t now = pins(g), changed = (uint8_t)(before ^ now);
    const uint8_t wanted =
        (uint8_t)(g->GPIOIBE | ~(now ^ g->GPIOIEV)); /* both, or the one that led to the level now */

    g->edges = (uint8_t)(g->edges | (changed & wanted & ~g->GPIOIS & ~g->GPIODIR));
    update_irq_locked(g);
}

void pl061_set_input(struct device *d, unsigned pin, bool level)
{
    struct pl061 *g = pl061_of(d);

    pthread_mutex_lock(&d->lock);
    const uint8_t before = pins(g), mask = (uint8_t)(1u << pin);
    g->input = (uint8_t)(level ? g->input | mask : g->input & ~mask);
    note_edges_locked(g, before);
    pthread_mutex_unlock(&d->lock);
}

/* --- The power key -------------------------------------------------------------------------------------------------- */

static void on_release(struct io_timer *t)
{
    pl061_set_input(&CONTAINER_OF(t, struct pl061, release)->dev, PL061_POWER_KEY_PIN, false);
}

static void on_press(struct io_work *w)
{
    struct pl061 *g = CONTAINER_OF(w, struct pl061, press);

    pl061_set_input(&g->dev, PL061_POWER_KEY_PIN, true);
    io_timer_set(g->io, &g->release, os_now_ns() + PRESS_NS);
}

void pl061_press_power_key(struct device *d)
{
    io_post(pl061_of(d)->io, &pl061_of(d)->press);
}

/* --- Registers ------------------------------------------------------------------------------------------------------ */

/* Address bits 9:2 are a mask: the pins that an access of GPIODATA reads or writes. */
static uint64_t read_data(struct device *d, uint32_t off, unsigned size)
{
    (void)size;
    return pins(pl061_of(d)) & (off >> 2);
}

static void write_data(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    struct pl061 *g = pl061_of(d);
    const uint8_t before = pins(g), mask = (uint8_t)(off >> 2);

    (void)size;
    g->output = (uint8_t)((g->output & ~mask) | (val & mask));
    note_edges_locked(g, before);
}

#define PLAIN_REGISTER(REG)                                                                        \
    static uint64_t read_##REG(struct device *d, uint32_t off, unsigned size)                      \
    {                                                                                              \
        (void)off;                                                                                 \
        (void)size;                                                                                \
        return pl061_of(d)->REG;                                                                   \
    }                                                                                              \
    static void write_##REG(struct device *d, uint32_t off, unsigned size, uint64_t val)           \
    {                                                                                              \
        (void)off;                                                                                 \
        (void)size;                                                                                \
        pl061_of(d)->REG = (uint8_t)val;                                                           \
        update_irq_locked(pl061_of(d));                                                            \
    }
PLAIN_REGISTER(GPIODIR)
PLAIN_REGISTER(GPIOIS)
PLAIN_REGISTER(GPIOIBE)
PLAIN_REGISTER(GPIOIEV)
PLAIN_REGISTER(GPIOIE)
PLAIN_REGISTER(GPIOAFSEL)

static uint64_t read_ris(struct device *d, uint32_t off, unsigned size)
{
    (void)off;
    (void)size;
    return raw_status(pl061_of(d));
}

static uint64_t read_mis(struct device *d, uint32_t off, unsigned size)
{
    (void)off;
    (void)size;
    return raw_status(pl061_of(d)) & pl061_of(d)->GPIOIE;
}

static void write_ic(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    struct pl061 *g = pl061_of(d);

    (void)off;
    (void)size;
    g->edges = (uint8_t)(g->edges & ~val);
    update_irq_locked(g);
}

static uint64_t read_id(struct device *d, uint32_t off, unsigned size)
{
    static const uint8_t id[8] = {0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

    (void)d;
    (void)size;
    return id[(off - 0xfe0) / 4];
}

/* clang-format off */
#define ANY (W8 | W16 | W32)
#define RW(off, Name) {.offset = (off), .widths = ANY, .access = REG_RW, .name = #Name, .read = read_##Name, .write = write_##Name}
static const struct reg_desc pl061_regs[] = {
    {.offset = 0x000, .count = 256, .widths = ANY, .access = REG_RW, .name = "GPIODATA", .read = read_data, .write = write_data},
    RW(0x400, GPIODIR), RW(0x404, GPIOIS), RW(0x408, GPIOIBE), RW(0x40c, GPIOIEV), RW(0x410, GPIOIE),
    {.offset = 0x414, .widths = ANY, .access = REG_RO, .name = "GPIORIS", .read = read_ris},
    {.offset = 0x418, .widths = ANY, .access = REG_RO, .name = "GPIOMIS", .read = read_mis},
    {.offset = 0x41c, .widths = ANY, .access = REG_WO, .name = "GPIOIC", .write = write_ic},
    RW(0x420, GPIOAFSEL),
    {.offset = 0xfe0, .count = 8, .widths = ANY, .access = REG_RO, .name = "GPIOPeriphID0", .read = read_id},
};
/* clang-format on */

/* --- Life ----------------------------------------------------------------------------------------------------------- */

/* arm,pl061 and arm,primecell bindings; gpio-keys for what is behind the pin. */
static void pl061_fdt_node(const struct device *d, struct fdt_ctx *f)
{
    const struct pl061 *g = CONTAINER_OF(d, const struct pl061, dev);

    dt_begin_at(f, "pl061", d->base);
    dt_strings(f, "compatible", "arm,pl061\0arm,primecell");
    dt_reg(f, &(struct dt_range){d->base, d->len}, 1);
    dt_interrupts(f, &(struct dt_irq){g->irq.intid, DT_LEVEL_HIGH}, 1);
    dt_empty(f, "gpio-controller");
    dt_u32(f, "#gpio-cells", 2);
    dt_u32(f, "clocks", DT_PHANDLE_CLOCK);
    dt_string(f, "clock-names", "apb_pclk");
    dt_u32(f, "phandle", DT_PHANDLE_GPIO);
    dt_end(f);
    dt_begin(f, "gpio-keys");
    dt_string(f, "compatible", "gpio-keys");
    dt_begin(f, "poweroff");
    dt_string(f, "label", "GPIO Key Poweroff");
    dt_u32(f, "linux,code", KEY_POWER);
    dt_cells(f, "gpios", (const uint32_t[]){DT_PHANDLE_GPIO, PL061_POWER_KEY_PIN, 0}, 3);
    dt_end(f);
    dt_end(f);
}

/* Everything but the pins, which are the host's. */
static void pl061_reset(struct device *d)
{
    struct pl061 *g = pl061_of(d);

    g->output = g->GPIODIR = g->GPIOIS = g->GPIOIBE = g->GPIOIEV = g->GPIOIE = g->GPIOAFSEL =
        g->edges = 0;
    update_irq_locked(g);
}

/* The I/O thread has stopped. */
static void pl061_destroy(struct device *d)
{
    struct pl061 *g = pl061_of(d);

    io_work_cancel(g->io, &g->press);
    io_work_cancel(g->io, &g->let_go);
    io_timer_cancel(&g->release);
    pthread_mutex_destroy(&d->lock);
    free(g);
}

static void pl061_snap(struct device *d, struct snap *s)
{
    struct pl061 *g = pl061_of(d);

    SNAP_ANY(s, g, input);
    SNAP_ANY(s, g, output);
    SNAP_ANY(s, g, GPIODIR);
    SNAP_ANY(s, g, GPIOIS);
    SNAP_ANY(s, g, GPIOIBE);
    SNAP_ANY(s, g, GPIOIEV);
    SNAP_ANY(s, g, GPIOIE);
    SNAP_ANY(s, g, GPIOAFSEL);
    SNAP_ANY(s, g, edges);
}

/* A key that was down is let go by whoever runs the machine now. */
static void on_let_go(struct io_work *w)
{
    struct pl061 *g = CONTAINER_OF(w, struct pl061, let_go);
    io_timer_set(g->io, &g->release, os_now_ns() + PRESS_NS);
}

static void pl061_kick(struct device *d)
{
    struct pl061 *g = pl061_of(d);

    if (bit(g->input, PL061_POWER_KEY_PIN))
        io_post(g->io, &g->let_go);
}

static const struct device_class pl061_class = {
    .name = "pl061",
    .regs = pl061_regs,
    .nr_regs = ARRAY_LEN(pl061_regs),
    .reset = pl061_reset,
    .destroy = pl061_destroy,
    .fdt_node = pl061_fdt_node,
    .snap = pl061_snap,
    .kick = pl061_kick,
};

struct device *pl061_create(gpa_t base, struct irq_line irq, struct io_thread *io, struct err *e)
{
    struct pl061 *g = calloc(1, sizeof(*g));

    if (!g) {
        err_set(e, ENOMEM, "out of memory for the PL061");
        return NULL;
    }
    device_init(&g->dev, &pl061_class, base, 0x1000);
    g->irq = irq;
    g->io = io;
    g->press.run = on_press;
    g->let_go.run = on_let_go;
    g->release.due = on_release;
    return &g->dev;
}
