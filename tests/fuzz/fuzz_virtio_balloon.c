/* Fuzz target: a hostile driver of the memory balloon. Input: a byte for layout, start and features, then operations of 8 bytes. */
#include "fake_io.h"
#include "virtio_driver.h"

#include "base/bits.h"
#include "dev/virtio_balloon.h"

#define BUFFERS 0xc000u
#define NR_QUEUES 5u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Page numbers around and in memory, or a range of it as free, or statistics. */
static void request(const uint8_t *op)
{
    const unsigned q = op[1] % NR_QUEUES, n = op[2] % 64;
    for (unsigned i = 0; i < 64; i++) {
        const uint32_t pfn =
            (uint32_t)(RAM_BASE / 4096) + (op[3] + i * (op[4] % 4)) % (op[5] & 1 ? 18 : 16);
        memcpy(guest(BUFFERS + 4 * i), &pfn, 4);
    }
    if (q <= 2)
        driver_desc(q, 7, RAM_BASE + BUFFERS, op[5] & 2 ? n : 4 * n, 0, 0);
    else
        driver_desc(q, 7, RAM_BASE + BUFFERS + op[6] * 16u, op[7] * 64u, 2, 0);
    driver_offer(q, 7);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct balloon_info info;

    if (!len)
        return 0;
    driver_init();
    const bool legacy = data[0] & 1;
    const uint64_t features = UINT64_MAX ^ (data[0] & 4 ? BIT64(1) : 0) ^
                              (data[0] & 8 ? BIT64(4) : 0) ^ (data[0] & 16 ? BIT64(29) : 0);
    struct virtio_device *v = virtio_balloon_create(&ram, 0x4000, 1, NULL, NULL, NULL);
    driver_attach(v, legacy);
    if (data[0] & 2)
        driver_start(legacy, NR_QUEUES, features);
    for (size_t at = 1; at + 8 <= len; at += 8) {
        const uint8_t *op = data + at;
        switch (op[0] % 10) {
        case 6: driver_start(legacy, NR_QUEUES, features); break;
        case 7: run_pending(); break;
        case 8:
        case 9: request(op); break;
        default: driver_op(op[0] % 10, op, NR_QUEUES);
        }
    }
    run_pending();
    virtio_balloon_info(v, &info);
    drop_pending();
    bus_destroy(&bus);
    return 0;
}
