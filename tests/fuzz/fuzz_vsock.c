/* Fuzz target: a hostile driver of the socket device, with programs of the host at the other ends.
 * Input: a byte for the layout, then operations of 8 bytes. */
#include "virtio_driver.h"

#include "base/bits.h"
#include "dev/virtio_vsock.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define NR_ENDS 4u

static char dir[64], path[80], path_1[80];
static int listener = -1;

static void clean_up(void)
{
    unlink(path_1);
    rmdir(dir);
}

static void make_dir(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    signal(SIGPIPE, SIG_IGN);
    snprintf(dir, sizeof(dir), "/tmp/vibe-fuzz-vsock-XXXXXX");
    if (!mkdtemp(dir))
        abort();
    snprintf(path, sizeof(path), "%s/v", dir);
    snprintf(path_1, sizeof(path_1), "%s/v_1", dir);
    atexit(clean_up);
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path_1);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof(a)) || listen(listener, 8))
        abort();
    fcntl(listener, F_SETFL, O_NONBLOCK);
}

static int connect_to_guest(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const int s = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    if (s < 0 || connect(s, (struct sockaddr *)&a, sizeof(a)))
        abort();
    return s;
}

/* What a program of the host does. */
static void host_op(const uint8_t *op, int *end)
{
    static uint8_t bytes[4096];
    int *e = &end[op[1] % NR_ENDS];

    switch (op[2] % 6) {
    case 0:
        if (*e < 0) {
            *e = connect_to_guest();
            fcntl(*e, F_SETFL, O_NONBLOCK);
        }
        break;
    case 1:
        if (*e < 0 && (*e = accept(listener, NULL, NULL)) >= 0)
            fcntl(*e, F_SETFL, O_NONBLOCK);
        break;
    case 2: {
        ssize_t n =
            *e < 0 ? 0 : write(*e, op[3] & 1 ? "CONNECT 1\nx" : "CONNECT 2\n", op[3] & 2 ? 11 : 10);
        (void)n;
        break;
    }
    case 3: {
        ssize_t n = *e < 0 ? 0 : write(*e, bytes, op[3] * 16u);
        (void)n;
        break;
    }
    case 4: {
        ssize_t n = *e < 0 ? 0 : read(*e, bytes, sizeof(bytes));
        (void)n;
        break;
    }
    default:
        if (*e >= 0 && op[3] & 1) {
            shutdown(*e, op[3] & 2 ? SHUT_WR : SHUT_RD);
        } else if (*e >= 0) {
            close(*e);
            *e = -1;
        }
    }
}

/* A packet of the right shape, between a port that is listened at and another, in the transmit queue's next descriptor. */
static void packet_op(const uint8_t *op)
{
    uint8_t *p = guest(0x4000);
    const uint32_t host_port = op[1] & 1 ? 1 : (1u << 30) + 1 + op[2] % 4, guest_port = op[3] % 4,
                   data_len = op[6] * 16u;

    memset(p, 0, 44);
    p[0] = 3;
    p[8] = op[1] & 128 ? op[7] : 2;
    memcpy(p + 16, &guest_port, 4);
    memcpy(p + 20, &host_port, 4);
    memcpy(p + 24, &data_len, 4);
    p[28] = op[1] & 64 ? op[7] : 1;
    p[30] = op[4] % 9;
    p[32] = op[5] & 3;
    p[37] = op[5] & 0xfc; /* buf_alloc */
    p[40] = op[7];        /* fwd_cnt */
    uint8_t *d = guest(QUEUE_AT);
    const uint64_t at = RAM_BASE + 0x4000;
    const uint32_t len = 44 + data_len;
    memcpy(d, &at, 8);
    memcpy(d + 8, &len, 4);
    d[12] = 0;
    driver_op(5, (const uint8_t[8]){5, 1}, 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct io_thread *io;
    int end[NR_ENDS] = {-1, -1, -1, -1};

    if (!len)
        return 0;
    if (!*dir)
        make_dir();
    driver_init();
    const bool legacy = data[0] & 1;
    if (io_thread_create(&io, "io", NULL))
        abort();
    driver_attach(virtio_vsock_create(path, VSOCK_GUEST_CID, io, NULL), legacy);
    if (io_thread_start(io, NULL))
        abort();
    if (!(data[0] & 128))
        driver_start(legacy, 3, UINT64_MAX);
    /* Receive buffers to begin with. */
    for (uint8_t i = 0; i < 8 && !(data[0] & 64); i++) {
        driver_op(4, (const uint8_t[8]){4, 0, i, 2 | 4 << 4, 0, (uint8_t)(0x80 + i * 4), 60, 0}, 3);
        driver_op(5, (const uint8_t[8]){5, 0, 0, i}, 3);
    }
    for (size_t at = 1; at + 8 <= len; at += 8) {
        const uint8_t *op = data + at;
        switch (op[0] % 16) {
        case 6: driver_start(legacy, 3, UINT64_MAX); break;
        case 7: settle(io); break;
        case 8:
        case 9:
        case 10: host_op(op, end); break;
        case 11:
        case 12:
        case 13:
        case 14: packet_op(op); break;
        case 15: driver_op(5, (const uint8_t[8]){5, 0, 0, op[1]}, 3); break;
        default: driver_op(op[0] % 16, op, 3);
        }
    }
    settle(io);
    io_thread_stop(io);
    bus_destroy(&bus);
    io_thread_destroy(io);
    for (unsigned i = 0; i < NR_ENDS; i++)
        if (end[i] >= 0)
            close(end[i]);
    for (int s; (s = accept(listener, NULL, NULL)) >= 0;)
        close(s);
    return 0;
}
