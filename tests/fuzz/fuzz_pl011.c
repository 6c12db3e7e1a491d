/* Fuzz target: the PL011 and the character stream behind it: any access, input whenever. After each the line is what the registers say,
 * and what is read is what came in, in its order, until something is lost on purpose (reset, loopback).
 * Input: operations of 6 bytes. */
#include "base/log.h"
#include "bus/bus.h"
#include "dev/chardev.h"
#include "dev/pl011.h"

#include <stdlib.h>
#include <string.h>

#define BASE UINT64_C(0x09000000)
enum { DR = 0x00, FR = 0x18, CR = 0x30, MIS = 0x40, RXFE = 1 << 4, LBE = 1 << 7 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool line;

static void on_line(void *opaque, unsigned intid, bool level)
{
    (void)opaque;
    (void)intid;
    line = level;
}

static uint32_t rd(struct bus *bus, uint32_t off)
{
    uint64_t val = 0;
    bus_access(bus, BASE + off, 4, false, &val);
    return (uint32_t)val;
}

static void check(bool good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bus bus;
    uint8_t next_in = 0, next_out = 0;
    bool ordered = true;

    log_threshold = LOG_ERROR;
    line = false;
    struct chardev *c = chardev_create(-1, NULL);
    check(c);
    bus_init(&bus);
    check(!bus_add(&bus, pl011_create(BASE, (struct irq_line){on_line, NULL, 33}, c, NULL), NULL));
    for (size_t at = 0; at + 6 <= len; at += 6) {
        const uint8_t *op = data + at;
        const uint32_t off = (op[1] | (uint32_t)op[2] << 8) % 0x1000;
        uint64_t val = op[4] | (uint64_t)op[5] << 8;

        switch (op[0] % 8) {
        case 0:
        case 1: {
            const unsigned size = 1u << op[3] % 4;
            bus_access(&bus, BASE + off, size, op[0] & 1, &val);
            /* Reads of UARTDR take a byte that is not looked at here. */
            ordered &= off >= 4;
            break;
        }
        case 2: { /* the registers that there are */
            const uint32_t reg = op[1] % 20 * 4;
            bus_access(&bus, BASE + reg, 4, true, &val);
            break;
        }
        case 3:
        case 4:
            for (unsigned i = op[1]; i; i--, next_in++)
                if (chardev_input(c, &next_in, 1) == 0)
                    ordered = false;
            break;
        case 5:
        case 6:
            for (unsigned i = op[1]; i && !(rd(&bus, FR) & RXFE); i--) {
                const uint32_t got = rd(&bus, DR);
                check(!ordered || got == next_out);
                next_out++;
            }
            break;
        default:
            if (op[1] % 8)
                break;
            bus_reset(&bus);
            ordered = false;
        }
        ordered &= !(rd(&bus, CR) & LBE);
        check(line == (rd(&bus, MIS) != 0));
    }
    bus_destroy(&bus);
    chardev_destroy(c);
    return 0;
}
