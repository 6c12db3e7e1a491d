/* Fuzz target: a hostile driver of the block device, over a plain image, an overlay or a disk that may only be read. What it must not do is
 * change a base. Input: a byte for what there is, then operations. */
#include "fake_io.h"
#include "virtio_driver.h"

#include "dev/disk.h"
#include "dev/virtio_blk.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define NR_SECTORS 100u /* the last granule is not whole */
#define BUFFERS 0xc000u

static char image[64], overlay[64];
static uint8_t content[NR_SECTORS * 512];

/* A file in memory, where the host has them: thousands of inputs a second write it. */
static void make_files(void)
{
    const char *dir = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
    snprintf(image, sizeof(image), "%s/fuzz-blk-%ld.img", dir, (long)getpid());
    snprintf(overlay, sizeof(overlay), "%s/fuzz-blk-%ld.cow", dir, (long)getpid());
    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = (uint8_t)(i * 31 + i / 512);
}

static void remove_files(void)
{
    unlink(image);
    unlink(overlay);
}

static void write_image(void)
{
    const int fd = open(image, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, content, sizeof(content)) != sizeof(content))
        abort();
    close(fd);
}

static void check_image(void)
{
    static uint8_t now[sizeof(content)];
    const int fd = open(image, O_RDONLY);
    if (fd < 0 || read(fd, now, sizeof(now)) != sizeof(now) || memcmp(now, content, sizeof(now)) != 0)
        abort();
    close(fd);
}

/* A request that means something: of any kind, a place near or in the disk, any length. */
static void request(const uint8_t *op, uint32_t nr_queues)
{
    static const uint8_t types[] = {0, 1, 4, 8, 11, 13, 0, 1};
    const unsigned q = op[1] % nr_queues, slot = op[2] % 2 * 3;
    const uint32_t at = BUFFERS + slot * 0x800, type = op[1] & 0x80 ? op[3] : types[op[3] % 8],
                   len = (uint32_t)(op[4] | (op[5] & 7) << 8);
    const uint64_t sector = op[6] % (NR_SECTORS + 4);
    const bool in = type == 0 || type == 8;
    memcpy(guest(at), &type, 4);
    memcpy(guest(at + 8), &sector, 8);
    if (type == 11 || type == 13) { /* a range */
        const uint32_t n = op[7];
        memcpy(guest(at + 16), &sector, 8);
        memcpy(guest(at + 24), &n, 4);
        memset(guest(at + 28), op[5] >> 4 & 1, 1);
    }
    driver_desc(q, slot, RAM_BASE + at, 16, 1, (uint16_t)(slot + 1));
    driver_desc(q, slot + 1, RAM_BASE + at + 16, len & (op[5] & 8 ? 0xe00u : 0xfffu),
                1 | (in ? 2 : 0), (uint16_t)(slot + 2));
    driver_desc(q, slot + 2, RAM_BASE + at + 15, 1, 2, 0);
    driver_offer(q, (uint8_t)slot);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct disk *disk;
    struct disk_config c = {.path = image, .sync = DISK_SYNC_FLUSH};

    if (!len)
        return 0;
    driver_init();
    if (!image[0]) {
        make_files();
        atexit(remove_files);
    }
    write_image();
    unlink(overlay);
    c.read_only = (data[0] & 12) == 4;
    c.nr_overlays = (data[0] & 12) == 8;
    c.overlay[0] = overlay;
    c.sync = data[0] & 16 ? DISK_SYNC_FLUSH : DISK_SYNC_FULL;
    if (disk_open(&disk, &c, NULL))
        abort();
    const bool legacy = data[0] & 1;
    const uint32_t nr_queues = data[0] & 32 ? 4 : 1;
    const uint64_t features = data[0] & 64 ? UINT64_MAX : 0;
    driver_attach(virtio_blk_create(disk, "serial", nr_queues, NULL, NULL), legacy);
    if (data[0] & 2)
        driver_start(legacy, nr_queues, features);
    for (size_t at = 1; at + 8 <= len; at += 8) {
        const uint8_t *op = data + at;
        switch (op[0] % 10) {
        case 6: driver_start(legacy, nr_queues, features); break;
        case 7: run_pending(); break;
        case 8:
        case 9: request(op, nr_queues); break;
        default: driver_op(op[0] % 10, op, nr_queues);
        }
    }
    run_pending();
    drop_pending();
    bus_destroy(&bus);
    if (c.read_only || c.nr_overlays)
        check_image();
    return 0;
}
