/* Tap interfaces. Threading: dev/net/backend.h.
 * Specification: Documentation/networking/tuntap.rst of the Linux kernel. */
#include "dev/net/tap.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/io_thread.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define TUN_DEVICE "/dev/net/tun"
#define BATCH 64u /* frames before others have their turn */

struct tap {
    struct net_backend b;
    struct io_fd fd;
    char name[IFNAMSIZ];
    uint8_t frame[sizeof(struct net_hdr) + NET_MAX_FRAME];
};

static void tap_send(struct net_backend *b, const struct net_hdr *h, uint8_t *frame, size_t len)
{
    const struct tap *t = CONTAINER_OF(b, struct tap, b);
    const struct iovec iov[2] = {{(void *)(uintptr_t)h, sizeof(*h)}, {frame, len}};

    /* A full queue, an interface that is down, nonsense in h: the frame is lost, as on a wire. */
    const ssize_t n = writev(t->fd.fd, iov, 2);
    (void)n;
}

/* Held back, frames wait in the interface's queue. */
static void tap_set_receiving(struct net_backend *b, bool on)
{
    io_fd_set_events(&CONTAINER_OF(b, struct tap, b)->fd, on ? POLLIN : 0);
}

static void tap_set_offloads(struct net_backend *b, unsigned offloads)
{
    const struct tap *t = CONTAINER_OF(b, struct tap, b);
    const unsigned flags = (offloads & NET_OFFLOAD_CSUM ? TUN_F_CSUM : 0) |
                           (offloads & NET_OFFLOAD_TSO4 ? TUN_F_TSO4 : 0) |
                           (offloads & NET_OFFLOAD_TSO6 ? TUN_F_TSO6 : 0) |
                           (offloads & NET_OFFLOAD_ECN ? TUN_F_TSO_ECN : 0);

    if (ioctl(t->fd.fd, TUNSETOFFLOAD, (unsigned long)flags))
        log_warn("--net tap=%s: the kernel does not take the offloads %#x: %s", t->name, flags,
                 strerror(errno));
}

static void ready(struct io_fd *f, short revents)
{
    struct tap *t = CONTAINER_OF(f, struct tap, fd);
    struct net_hdr h;

    (void)revents;
    for (unsigned i = 0; i < BATCH; i++) {
        const ssize_t n = read(f->fd, t->frame, sizeof(t->frame));
        if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS) {
            log_warn("--net tap=%s: %s; the network is cut off", t->name, strerror(errno));
            io_fd_set_events(f, 0);
            t->b.sink->set_link(&t->b, false);
        }
        if (n < (ssize_t)sizeof(h))
            break;
        memcpy(&h, t->frame, sizeof(h));
        t->b.sink->receive(&t->b, &h, t->frame + sizeof(h), (size_t)n - sizeof(h));
    }
    t->b.sink->flush(&t->b);
}

static void tap_destroy(struct net_backend *b)
{
    struct tap *t = CONTAINER_OF(b, struct tap, b);

    io_fd_remove(&t->fd);
    if (t->fd.fd >= 0)
        close(t->fd.fd);
    free(t);
}

static const struct net_backend_ops tap_ops = {.send = tap_send,
                                               .set_receiving = tap_set_receiving,
                                               .set_offloads = tap_set_offloads,
                                               .destroy = tap_destroy};

static int open_tap(const char *name, struct err *e)
{
    struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    int hdr_len = sizeof(struct net_hdr);

    /* Not made on the fly: what is made so is gone with us, and has no address. */
    if (!if_nametoindex(name))
        return err_set(e, ENODEV,
                       "there is no interface %s; as root: ip tuntap add dev %s mode tap user %u && ip link set %s up",
                       name, name, (unsigned)getuid(), name);
    const int fd = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, errno, TUN_DEVICE ": %s%s", strerror(errno),
                       errno == ENOENT                     ? "; as root: modprobe tun"
                       : errno == EACCES || errno == EPERM ? "; as root: chmod a+rw " TUN_DEVICE
                                                           : "");
    snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
    if (ioctl(fd, TUNSETIFF, &r) || ioctl(fd, TUNSETVNETHDRSZ, &hdr_len)) {
        const int code = errno;
        close(fd);
        return err_set(e, code, "cannot use the interface %s: %s%s", name, strerror(code),
                       code == EPERM ? "; it belongs to another user (ip tuntap shows whose it is)"
                       : code == EBUSY  ? "; another program has it, maybe another virtual machine"
                       : code == EINVAL ? "; it is no tap interface, or has several queues"
                                        : "");
    }
    return fd;
}

static uint16_t mtu_of(const char *name)
{
    struct ifreq r = {0};
    const int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
    const bool known = s >= 0 && !ioctl(s, SIOCGIFMTU, &r) && r.ifr_mtu >= 68 && r.ifr_mtu <= UINT16_MAX;
    if (s >= 0)
        close(s);
    return known ? (uint16_t)r.ifr_mtu : 0;
}

struct net_backend *net_tap_create(const char *interface, struct io_thread *t, struct err *e)
{
    struct tap *tap = calloc(1, sizeof(*tap));

    if (!tap) {
        err_set(e, ENOMEM, "out of memory for a network");
        return NULL;
    }
    snprintf(tap->name, sizeof(tap->name), "%s", interface);
    tap->b = (struct net_backend){.ops = &tap_ops, .mtu = mtu_of(tap->name)};
    tap->fd.events = POLLIN;
    tap->fd.ready = ready;
    tap->fd.fd = open_tap(tap->name, e);
    if (tap->fd.fd < 0 || io_fd_add(t, &tap->fd)) {
        if (tap->fd.fd >= 0)
            err_set(e, ENOMEM, "out of memory for a network");
        tap_destroy(&tap->b);
        return NULL;
    }
    tap_set_offloads(&tap->b, 0);
    return &tap->b;
}
