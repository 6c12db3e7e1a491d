/* The board's virtio devices. Used while no vCPU runs. */
#include "base/err.h"
#include "base/os.h"
#include "dev/net/tap.h"
#include "dev/virtio_9p.h"
#include "dev/virtio_balloon.h"
#include "dev/virtio_blk.h"
#include "dev/virtio_console.h"
#include "dev/virtio_net.h"
#include "dev/virtio_rng.h"
#include "dev/virtio_vsock.h"
#include "vm/vm_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define BALLOON_STATS_NS UINT64_C(10000000000) /* one wake-up of the guest in so long */

/* Which slot, and so which address and interrupt, each has: always the same, whatever others there are. docs/guests.md shows them to the guest's
 * author. */
enum {
    SLOT_CONSOLE = 0,
    SLOT_RNG = 1,
    SLOT_BALLOON = 2,
    SLOT_VSOCK = 3,
    SLOT_NET = 4,   /* up to 7 */
    SLOT_SHARE = 8, /* up to 15 */
    SLOT_DISK = 16, /* up to 31 */
};
_Static_assert(SLOT_NET + VM_MAX_NETS <= SLOT_SHARE && SLOT_SHARE + VM_MAX_SHARES <= SLOT_DISK &&
                   SLOT_DISK + VM_MAX_DISKS <= 32,
               "slots");

static int add_console(struct vm *vm, struct chardev *console, struct err *e)
{
    struct virtio_device *v = virtio_console_create(console, 80, 25, e);
    const int r = v ? board_add_virtio(vm, SLOT_CONSOLE, v, e) : -ENOMEM;
    if (!r)
        virtio_console_attach(v);
    vm->board.virtio_console = v;
    return r;
}

static int add_shares(struct vm *vm, struct err *e)
{
    for (unsigned i = 0; i < vm->opt->nr_shares; i++) {
        const struct vm_share *s = &vm->opt->share[i];
        struct virtio_device *v = virtio_9p_create(s->path, s->tag, s->read_only, vm->pool, e);
        if (!v)
            return err_prefix(e, "--share");
        const int r = board_add_virtio(vm, SLOT_SHARE + i, v, e);
        if (r)
            return r;
    }
    return 0;
}

static int add_rng(struct vm *vm, struct err *e)
{
    if (vm->opt->no_rng || vm->opt->deterministic)
        return 0;
    struct virtio_device *v = virtio_rng_create(vm->io, e);
    return v ? board_add_virtio(vm, SLOT_RNG, v, e) : -ENOMEM;
}

static int add_balloon(struct vm *vm, struct err *e)
{
    const struct vm_options *o = vm->opt;

    if (!o->balloon)
        return 0;
    if (o->balloon_len >= o->mem_len)
        return err_set(e, EINVAL,
                       "--balloon: the guest would have nothing left of its %" PRIu64 "M; take less",
                       o->mem_len >> 20);
    struct virtio_device *v =
        virtio_balloon_create(&vm->ram, o->balloon_len, BALLOON_STATS_NS, vm->io, vm->pool, e);
    vm->board.balloon = v;
    return v ? board_add_virtio(vm, SLOT_BALLOON, v, e) : -e->code;
}

static int add_disks(struct vm *vm, struct err *e)
{
    for (unsigned i = 0; i < vm->opt->nr_disks; i++) {
        const struct vm_disk *o = &vm->opt->disk[i];
        struct disk *disk;
        int r = disk_open(&disk, &o->config, e);
        if (r)
            return err_prefix(e, "--disk %s", o->config.path);
        struct virtio_device *v = virtio_blk_create(disk, o->serial, o->nr_queues, vm->pool, e);
        r = v ? board_add_virtio(vm, SLOT_DISK + i, v, e) : -e->code;
        if (r)
            return r;
        vm->board.disk[vm->board.nr_disks++] = v;
    }
    return 0;
}

/* Addresses that nobody was given ("locally administered"). On a network of its own a card may have the same one in each run. */
static void choose_mac(const struct vm_net *n, unsigned index, uint8_t mac[NET_MAC_LEN])
{
    const uint8_t own[NET_MAC_LEN] = {0x02, 'v', 'i', 'b', 'e', (uint8_t)(index + 1)};

    memcpy(mac, n->mac_given ? n->mac : own, NET_MAC_LEN);
    if (n->mac_given || !n->tap)
        return;
    os_random(mac, NET_MAC_LEN);
    mac[0] = (uint8_t)((mac[0] & 0xfc) | 2);
}

static int add_nets(struct vm *vm, struct err *e)
{
    for (unsigned i = 0; i < vm->opt->nr_nets; i++) {
        const struct vm_net *n = &vm->opt->net[i];
        uint8_t mac[NET_MAC_LEN];
        struct net_backend *b = n->tap ? net_tap_create(n->tap, vm->io, e)
                                       : net_user_create(n->forward, n->nr_forwards, vm->io, e);
        if (!b)
            return n->tap ? err_prefix(e, "--net tap=%s", n->tap) : err_prefix(e, "--net user");
        choose_mac(n, i, mac);
        struct virtio_device *v = virtio_net_create(b, mac, vm->io, e);
        const int r = v ? board_add_virtio(vm, SLOT_NET + i, v, e) : -ENOMEM;
        if (r)
            return r;
    }
    return 0;
}

static int add_vsock(struct vm *vm, struct err *e)
{
    if (!vm->opt->vsock)
        return 0;
    struct virtio_device *v = virtio_vsock_create(vm->opt->vsock, vm->opt->vsock_cid, vm->io, e);
    return v ? board_add_virtio(vm, SLOT_VSOCK, v, e) : err_prefix(e, "--vsock");
}

int board_add_virtio_devices(struct vm *vm, struct chardev *console, struct err *e)
{
    int r;

    if ((r = add_console(vm, console, e)) || (r = add_rng(vm, e)) || (r = add_balloon(vm, e)) ||
        (r = add_vsock(vm, e)) || (r = add_nets(vm, e)) || (r = add_shares(vm, e)))
        return r;
    return add_disks(vm, e);
}
