/* Fuzz target: a hostile driver of the network card, and a hostile network. What the driver sends goes through the offloads.
 * Input: a byte for the layout and the kind of network, one for the features, then operations of 8 bytes. */
#include "virtio_driver.h"

#include "base/bits.h"
#include "dev/virtio_net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint8_t scratch[NET_MAX_FRAME];
static volatile uint8_t seen;

static void touch(void *opaque, const uint8_t *frame, size_t len)
{
    (void)opaque;
    if (len > NET_MAX_FRAME)
        abort();
    seen ^= len ? frame[len - 1] : 0;
}

static void net_send(struct net_backend *b, const struct net_hdr *h, uint8_t *frame, size_t len)
{
    (void)b;
    if (len < NET_ETH_LEN || len > NET_MAX_FRAME)
        abort();
    if (h->gso_type == NET_GSO_NONE ? net_complete_csum(h, frame, len)
                                    : net_segment(h, frame, len, h->gso_size, scratch, touch, NULL))
        seen ^= frame[0];
}

static void net_set_receiving(struct net_backend *b, bool on)
{
    (void)b;
    (void)on;
}

static void net_destroy(struct net_backend *b)
{
    (void)b;
}

static const struct net_backend_ops ops = {
    .send = net_send, .set_receiving = net_set_receiving, .destroy = net_destroy};

/* A frame of the network's: TCP of IPv4 or IPv6 that begins as `op` says, so that some follow each other; the last byte spoils one of it. */
static void receive(struct net_backend *b, const uint8_t *op)
{
    static uint8_t frame[70000];
    struct net_hdr h = {0};
    const size_t payload = op[3] * (op[2] & 1 ? 250u : 8u), l4 = op[2] & 2 ? 54 : 34,
                 len = l4 + 20 + payload;
    memset(frame, 0, l4 + 20);
    if (l4 == 54) {
        memcpy(frame + 12, "\x86\xdd\x60", 3);
        frame[18] = (uint8_t)((len - l4) >> 8);
        frame[19] = (uint8_t)(len - l4);
        frame[20] = 6;
    } else {
        memcpy(frame + 12, "\x08\x00\x45", 3);
        frame[16] = (uint8_t)((len - 14) >> 8);
        frame[17] = (uint8_t)(len - 14);
        frame[23] = 6;
    }
    frame[l4 + 12] = 0x50;
    frame[l4 + 13] = 16;
    const uint32_t seq = (op[1] & 15u) * (uint32_t)payload;
    for (unsigned i = 0; i < 4; i++)
        frame[l4 + 4 + i] = (uint8_t)(seq >> (24 - 8 * i));
    if (op[7] & 1)
        frame[op[6]] ^= op[5];
    b->sink->receive(b, &h, frame, op[7] & 2 ? op[4] : len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const uint8_t mac[NET_MAC_LEN] = {2, 0, 0, 0, 0, 1};
    struct io_thread *io;

    if (len < 2)
        return 0;
    driver_init();
    struct net_backend b = {.ops = &ops, .mtu = data[0] & 2 ? 1500 : 0, .is_stack = data[0] & 4};
    const bool legacy = data[0] & 1;
    if (io_thread_create(&io, "io", NULL))
        abort();
    driver_attach(virtio_net_create(&b, mac, io, NULL), legacy);
    if (io_thread_start(io, NULL))
        abort();
    const uint64_t features = UINT64_MAX ^ (data[1] & 1 ? BIT64(15) : 0) ^
                              (data[1] & 2 ? BIT64(1) : 0) ^ (data[1] & 4 ? 3u << 7 : 0) ^
                              (data[1] & 8 ? BIT64(28) : 0) ^ (data[1] & 16 ? BIT64(29) : 0);
    if (!(data[1] & 128))
        driver_start(legacy, 3, features);
    for (size_t at = 2; at + 8 <= len; at += 8) {
        const uint8_t *op = data + at;
        switch (op[0] % 10) {
        case 6: driver_start(legacy, 3, features); break;
        case 7:
            io_thread_pause(io);
            receive(&b, op);
            io_thread_resume(io);
            break;
        case 8:
            io_thread_pause(io);
            b.sink->flush(&b);
            io_thread_resume(io);
            break;
        case 9: settle(io); break;
        default: driver_op(op[0] % 10, op, 3);
        }
    }
    settle(io);
    io_thread_stop(io);
    bus_destroy(&bus);
    io_thread_destroy(io);
    return 0;
}
