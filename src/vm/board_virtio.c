/* The board's virtio devices, in the order of their slots: the console first, then what the options ask for. Used while no vCPU runs. */
#include "base/err.h"
#include "dev/virtio_9p.h"
#include "dev/virtio_console.h"
#include "vm/vm_internal.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int add_console(struct vm *vm, struct chardev *console, struct err *e)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col || !size.ws_row)
        size = (struct winsize){.ws_col = 80, .ws_row = 25};
    struct virtio_device *v = virtio_console_create(console, size.ws_col, size.ws_row, e);
    const int r = v ? board_add_virtio(vm, v, e) : -ENOMEM;
    if (!r)
        virtio_console_attach(v);
    return r;
}

static int add_shares(struct vm *vm, struct err *e)
{
    for (unsigned i = 0; i < vm->opt->nr_shares; i++) {
        const struct vm_share *s = &vm->opt->share[i];
        struct virtio_device *v = virtio_9p_create(s->path, s->tag, s->read_only, vm->pool, e);
        if (!v)
            return err_prefix(e, "--share");
        const int r = board_add_virtio(vm, v, e);
        if (r)
            return r;
    }
    return 0;
}

int board_add_virtio_devices(struct vm *vm, struct chardev *console, struct err *e)
{
    int r;

    if ((r = add_console(vm, console, e)) || (r = add_shares(vm, e)))
        return r;
    return 0;
}
