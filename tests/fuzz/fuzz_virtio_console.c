/* Fuzz target: a hostile driver of the virtio console, with input whenever. Input: a byte for layout and start, then operations of 8 bytes. */
#include "virtio_driver.h"

#include "dev/chardev.h"
#include "dev/virtio_console.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const uint8_t input[64] = "typed";

    if (!len)
        return 0;
    driver_init();
    const bool legacy = data[0] & 1;
    struct chardev *c = chardev_create(-1, NULL);
    struct virtio_device *v = c ? virtio_console_create(c, 80, 25, NULL) : NULL;
    driver_attach(v, legacy);
    virtio_console_attach(v);
    if (data[0] & 2)
        driver_start(legacy, 2, UINT64_MAX);
    for (size_t at = 1; at + 8 <= len; at += 8) {
        const uint8_t *op = data + at;
        switch (op[0] % 8) {
        case 6: driver_start(legacy, 2, UINT64_MAX); break;
        case 7: chardev_input(c, input, op[1] % sizeof(input)); break;
        default: driver_op(op[0] % 8, op, 2);
        }
    }
    bus_destroy(&bus);
    chardev_destroy(c);
    return 0;
}
