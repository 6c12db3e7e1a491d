/* ARM PrimeCell UART PL011.
 *
 * Bytes are sent at once: the transmit FIFO is always empty, the transmit interrupt always due. A byte written while the UART is not
 * enabled is sent too: the smallest kernels just store to UARTDR. Input waits in the chardev while the FIFO is full.
 * Threads: registers under the device's lock, input on the I/O thread, which takes it.
 * Specification: DDI 0183, "Programmers Model". */
#include "dev/pl011.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/snap.h"
#include "dev/chardev.h"
#include "load/fdt.h"

#include <errno.h>
#include <stdlib.h>

#define FIFO_LEN 16u

enum { FR_RXFE = 1u << 4, FR_RXFF = 1u << 6, FR_TXFE = 1u << 7, FR_CTS_DSR_DCD = 7u };
enum { LCR_H_FEN = 1u << 4, CR_LBE = 1u << 7, CR_RESET = 0x300 };
enum { INT_RX = 1u << 4, INT_TX = 1u << 5, INT_RT = 1u << 6, INT_ALL = 0x7ff };

struct pl011 {
    struct device dev;
    struct irq_line irq;
    struct chardev *chardev;
    uint32_t UARTRSR, UARTILPR, UARTIBRD, UARTFBRD, UARTLCR_H, UARTCR, UARTIFLS, UARTIMSC, UARTRIS,
        UARTDMACR;
    uint8_t fifo[FIFO_LEN];
    uint32_t fifo_head, fifo_len;
    bool refused; /* the chardev keeps input that did not fit */
};

static struct pl011 *pl011_of(struct device *d)
{
    return CONTAINER_OF(d, struct pl011, dev);
}

static uint32_t fifo_depth(const struct pl011 *u)
{
    return u->UARTLCR_H & LCR_H_FEN ? FIFO_LEN : 1;
}

/* How many bytes raise the receive interrupt (UARTIFLS.RXIFLSEL). */
static uint32_t rx_trigger(const struct pl011 *u)
{
    static const uint8_t eighths[8] = {1, 2, 4, 6, 7, 4, 4, 4};
    return u->UARTLCR_H & LCR_H_FEN ? FIFO_LEN * eighths[bits(u->UARTIFLS, 5, 3)] / 8 : 1;
}

static void update_irq_locked(struct pl011 *u)
{
    irq_set(&u->irq, u->UARTRIS & u->UARTIMSC);
}

static void push_locked(struct pl011 *u, uint8_t byte)
{
    u->fifo[(u->fifo_head + u->fifo_len++) % FIFO_LEN] = byte;
    if (u->fifo_len >= rx_trigger(u))
        u->UARTRIS |= INT_RX;
    u->UARTRIS |= INT_RT; /* the line is idle between keystrokes: the timeout has always passed */
}

static size_t take_input(void *opaque, const uint8_t *buf, size_t len)
{
    struct pl011 *u = opaque;
    size_t n = 0;

    pthread_mutex_lock(&u->dev.lock);
    while (n < len && u->fifo_len < fifo_depth(u))
        push_locked(u, buf[n++]);
    u->refused = n < len;
    update_irq_locked(u);
    pthread_mutex_unlock(&u->dev.lock);
    return n;
}

static uint8_t pop_locked(struct pl011 *u)
{
    const uint8_t byte = u->fifo[u->fifo_head];

    u->fifo_head = (u->fifo_head + 1) % FIFO_LEN;
    u->fifo_len--;
    if (u->fifo_len < rx_trigger(u))
        u->UARTRIS &= ~(uint32_t)INT_RX;
    if (!u->fifo_len)
        u->UARTRIS &= ~(uint32_t)INT_RT;
    update_irq_locked(u);
    return byte;
}

static size_t give_back(void *opaque, uint8_t *buf, size_t len)
{
    struct pl011 *u = opaque;
    size_t n = 0;

    pthread_mutex_lock(&u->dev.lock);
    while (n < len && u->fifo_len)
        buf[n++] = pop_locked(u);
    pthread_mutex_unlock(&u->dev.lock);
    return n;
}

static uint64_t read_dr(struct device *d, uint32_t off, unsigned size)
{
    struct pl011 *u = pl011_of(d);
    uint8_t byte = 0;

    (void)off;
    (void)size;
    if (u->fifo_len)
        byte = pop_locked(u);
    if (u->refused) {
        /* The chardev's lock comes before ours. */
        u->refused = false;
        pthread_mutex_unlock(&d->lock);
        chardev_resume_input(u->chardev);
        pthread_mutex_lock(&d->lock);
    }
    return byte;
}

static void write_dr(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    struct pl011 *u = pl011_of(d);
    const uint8_t byte = (uint8_t)val;

    (void)off;
    (void)size;
    if (u->UARTCR & CR_LBE) {
        if (u->fifo_len < fifo_depth(u))
            push_locked(u, byte);
    } else {
        chardev_write(u->chardev, &byte, 1);
    }
    u->UARTRIS |= INT_TX;
    update_irq_locked(u);
}

static uint64_t read_rsr(struct device *d, uint32_t off, unsigned size)
{
    (void)off;
    (void)size;
    return pl011_of(d)->UARTRSR;
}

static void write_ecr(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    (void)off;
    (void)size;
    (void)val;
    pl011_of(d)->UARTRSR = 0;
}

static uint64_t read_fr(struct device *d, uint32_t off, unsigned size)
{
    const struct pl011 *u = pl011_of(d);

    (void)off;
    (void)size;
    return FR_TXFE | FR_CTS_DSR_DCD | (u->fifo_len ? 0 : FR_RXFE) |
           (u->fifo_len >= fifo_depth(u) ? FR_RXFF : 0);
}

#define PLAIN_REGISTER(REG, mask)                                                                  \
    static uint64_t read_##REG(struct device *d, uint32_t off, unsigned size)                      \
    {                                                                                              \
        (void)off;                                                                                 \
        (void)size;                                                                                \
        return pl011_of(d)->REG;                                                                   \
    }                                                                                              \
    static void write_##REG(struct device *d, uint32_t off, unsigned size, uint64_t val)           \
    {                                                                                              \
        (void)off;                                                                                 \
        (void)size;                                                                                \
        pl011_of(d)->REG = (uint32_t)val & (mask);                                                 \
        update_irq_locked(pl011_of(d));                                                            \
    }
PLAIN_REGISTER(UARTILPR, 0xff)
PLAIN_REGISTER(UARTIBRD, 0xffff)
PLAIN_REGISTER(UARTFBRD, 0x3f)
PLAIN_REGISTER(UARTLCR_H, 0xff)
PLAIN_REGISTER(UARTCR, 0xff87)
PLAIN_REGISTER(UARTIFLS, 0x3f)
PLAIN_REGISTER(UARTIMSC, INT_ALL)
PLAIN_REGISTER(UARTDMACR, 0x7)

static uint64_t read_ris(struct device *d, uint32_t off, unsigned size)
{
    (void)off;
    (void)size;
    return pl011_of(d)->UARTRIS;
}

static uint64_t read_mis(struct device *d, uint32_t off, unsigned size)
{
    (void)off;
    (void)size;
    return pl011_of(d)->UARTRIS & pl011_of(d)->UARTIMSC;
}

static void write_icr(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    (void)off;
    (void)size;
    pl011_of(d)->UARTRIS &= ~(uint32_t)val;
    update_irq_locked(pl011_of(d));
}

/* PL011 revision r1p1, as QEMU has it, then the PrimeCell's. */
static uint64_t read_id(struct device *d, uint32_t off, unsigned size)
{
    static const uint8_t id[8] = {0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

    (void)d;
    (void)size;
    return id[(off - 0xfe0) / 4];
}

#define ANY_WIDTH (W8 | W16 | W32)
static const struct reg_desc pl011_regs[] = {
    {.offset = 0x000, .widths = ANY_WIDTH, .access = REG_RW, .name = "UARTDR", .read = read_dr, .write = write_dr},
    {.offset = 0x004, .widths = ANY_WIDTH, .access = REG_RW, .name = "UARTRSR", .read = read_rsr, .write = write_ecr},
    {.offset = 0x018, .widths = ANY_WIDTH, .access = REG_RO, .name = "UARTFR", .read = read_fr},
    {.offset = 0x020,
     .widths = ANY_WIDTH,
     .access = REG_RW,
     .name = "UARTILPR",
     .read = read_UARTILPR,
     .write = write_UARTILPR},
    {.offset = 0x024,
     .widths = W16 | W32,
     .access = REG_RW,
     .name = "UARTIBRD",
     .read = read_UARTIBRD,
     .write = write_UARTIBRD},
    {.offset = 0x028,
     .widths = ANY_WIDTH,
     .access = REG_RW,
     .name = "UARTFBRD",
     .read = read_UARTFBRD,
     .write = write_UARTFBRD},
    {.offset = 0x02c,
     .widths = ANY_WIDTH,
     .access = REG_RW,
     .name = "UARTLCR_H",
     .read = read_UARTLCR_H,
     .write = write_UARTLCR_H},
    {.offset = 0x030, .widths = W16 | W32, .access = REG_RW, .name = "UARTCR", .read = read_UARTCR, .write = write_UARTCR},
    {.offset = 0x034,
     .widths = ANY_WIDTH,
     .access = REG_RW,
     .name = "UARTIFLS",
     .read = read_UARTIFLS,
     .write = write_UARTIFLS},
    {.offset = 0x038,
     .widths = W16 | W32,
     .access = REG_RW,
     .name = "UARTIMSC",
     .read = read_UARTIMSC,
     .write = write_UARTIMSC},
    {.offset = 0x03c, .widths = W16 | W32, .access = REG_RO, .name = "UARTRIS", .read = read_ris},
    {.offset = 0x040, .widths = W16 | W32, .access = REG_RO, .name = "UARTMIS", .read = read_mis},
    {.offset = 0x044, .widths = W16 | W32, .access = REG_WO, .name = "UARTICR", .write = write_icr},
    {.offset = 0x048,
     .widths = ANY_WIDTH,
     .access = REG_RW,
     .name = "UARTDMACR",
     .read = read_UARTDMACR,
     .write = write_UARTDMACR},
    {.offset = 0xfe0, .count = 8, .widths = ANY_WIDTH, .access = REG_RO, .name = "UARTPeriphID0", .read = read_id},
};

static void pl011_reset(struct device *d)
{
    struct pl011 *u = pl011_of(d);

    u->UARTRSR = u->UARTILPR = u->UARTIBRD = u->UARTFBRD = u->UARTLCR_H = u->UARTIMSC = u->UARTRIS =
        u->UARTDMACR = 0;
    u->UARTCR = CR_RESET;
    u->UARTIFLS = 0x12;
    u->fifo_head = u->fifo_len = 0;
    update_irq_locked(u);
}

/* arm,pl011 and arm,primecell bindings: without the clocks Linux does not probe it. */
static void pl011_fdt_node(const struct device *d, struct fdt_ctx *f)
{
    const struct pl011 *u = CONTAINER_OF(d, const struct pl011, dev);

    dt_begin_at(f, "pl011", d->base);
    dt_strings(f, "compatible", "arm,pl011\0arm,primecell");
    dt_reg(f, &(struct dt_range){d->base, d->len}, 1);
    dt_interrupts(f, &(struct dt_irq){u->irq.intid, DT_LEVEL_HIGH}, 1);
    dt_cells(f, "clocks", (const uint32_t[]){DT_PHANDLE_CLOCK, DT_PHANDLE_CLOCK}, 2);
    dt_strings(f, "clock-names", "uartclk\0apb_pclk");
    dt_end(f);
}

static void pl011_destroy(struct device *d)
{
    struct pl011 *u = pl011_of(d);

    chardev_set_sink(u->chardev, NULL, NULL);
    pthread_mutex_destroy(&d->lock);
    free(u);
}

static void pl011_snap(struct device *d, struct snap *s)
{
    struct pl011 *u = pl011_of(d);

    SNAP_MASK(s, u, UARTRSR, 0xf);
    SNAP_MASK(s, u, UARTILPR, 0xff);
    SNAP_MASK(s, u, UARTIBRD, 0xffff);
    SNAP_MASK(s, u, UARTFBRD, 0x3f);
    SNAP_MASK(s, u, UARTLCR_H, 0xff);
    SNAP_MASK(s, u, UARTCR, 0xff87);
    SNAP_MASK(s, u, UARTIFLS, 0x3f);
    SNAP_MASK(s, u, UARTIMSC, INT_ALL);
    SNAP_MASK(s, u, UARTRIS, INT_ALL);
    SNAP_MASK(s, u, UARTDMACR, 0x7);
    SNAP_ARRAY(s, u, fifo, UINT8_MAX);
    SNAP(s, u, fifo_head, FIFO_LEN - 1);
    SNAP(s, u, fifo_len, FIFO_LEN);
    SNAP_BOOL(s, u, refused);
}

static const struct device_class pl011_class = {
    .name = "pl011",
    .regs = pl011_regs,
    .nr_regs = ARRAY_LEN(pl011_regs),
    .reset = pl011_reset,
    .destroy = pl011_destroy,
    .fdt_node = pl011_fdt_node,
    .snap = pl011_snap,
};

struct device *pl011_create(gpa_t base, struct irq_line irq, struct chardev *c, struct err *e)
{
    struct pl011 *u = calloc(1, sizeof(*u));

    if (!u) {
        err_set(e, ENOMEM, "out of memory for the PL011");
        return NULL;
    }
    device_init(&u->dev, &pl011_class, base, 0x1000);
    u->irq = irq;
    u->chardev = c;
    pl011_reset(&u->dev);
    chardev_set_sink(c, take_input, u);
    chardev_set_give_back(c, give_back);
    return &u->dev;
}
