/* Stores that wake a thread and no vCPU leaves the guest for, interrupts that a thread raises by writing: KVM's ioeventfd and irqfd.
 *
 * An SPI's irqfd is always one with a resampler: KVM lowers the line when the guest ends a level-triggered interrupt, and says so; of an edge-triggered one each
 * write makes one pending. Which of the two it is is the guest's choice.
 * Threads: as hv/hv.h says. Specification: Linux Documentation/virt/kvm/api.rst, KVM_IOEVENTFD, KVM_IRQFD. */
#ifdef __aarch64__
#include "hv/kvm/kvm_internal.h"

#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int attach(const struct hv_vm *vm, const struct kvm_event *ev, struct err *e)
{
    int r;

    if (ev->intid) {
        struct kvm_irqfd irq = {.fd = (uint32_t)ev->fd,
                                .gsi = ev->intid - 32,
                                .flags = KVM_IRQFD_FLAG_RESAMPLE,
                                .resamplefd = (uint32_t)ev->ended};
        r = kvm_ioctl(vm->fd, KVM_IRQFD, (uintptr_t)&irq);
        return r ? err_set(e, -r, "kvm: an eventfd for interrupt %u: %s", ev->intid, strerror(-r)) : 0;
    }
    struct kvm_ioeventfd io = {.fd = ev->fd,
                               .addr = ev->gpa,
                               .len = ev->size,
                               .datamatch = ev->data,
                               .flags = KVM_IOEVENTFD_FLAG_DATAMATCH};
    r = kvm_ioctl(vm->fd, KVM_IOEVENTFD, (uintptr_t)&io);
    return r ? err_set(e, -r, "kvm: an eventfd for stores to %#" PRIx64 ": %s", ev->gpa, strerror(-r))
             : 0;
}

/* What was signalled to the VM before is not for this one. */
static void forget(int fd)
{
    uint64_t n;
    while (fd >= 0 && read(fd, &n, sizeof(n)) > 0) {
    }
}

int kvm_events_attach(struct hv_vm *vm, bool interrupts, struct err *e)
{
    int r = 0;

    for (unsigned i = 0; i < vm->nr_events && !r; i++)
        if (!vm->event[i].intid != interrupts) {
            forget(vm->event[i].fd);
            forget(vm->event[i].ended);
            r = attach(vm, &vm->event[i], e);
        }
    return r;
}

static void close_event(const struct kvm_event *ev)
{
    if (ev->fd >= 0)
        close(ev->fd);
    if (ev->ended >= 0)
        close(ev->ended);
}

static int add(struct hv_vm *vm, struct kvm_event ev, struct err *e)
{
    struct kvm_event *all = realloc(vm->event, (vm->nr_events + 1) * sizeof(*all));

    vm->event = all ? all : vm->event;
    ev.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ev.ended = ev.intid ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    int r = !all ? -ENOMEM : ev.fd < 0 || (ev.intid && ev.ended < 0) ? -errno : 0;
    if (r)
        err_set(e, -r, "kvm: an eventfd: %s", strerror(-r));
    else if (!ev.intid)
        r = attach(vm, &ev, e);
    if (r) {
        close_event(&ev);
        return r;
    }
    vm->event[vm->nr_events++] = ev;
    return 0;
}

int kvm_ioeventfd(struct hv_vm *vm, gpa_t gpa, unsigned size, uint64_t data, struct err *e)
{
    const int r = !kvm_has(vm->fd, KVM_CAP_IOEVENTFD)
                      ? -ENOTSUP
                      : add(vm, (struct kvm_event){.gpa = gpa, .size = size, .data = data}, e);
    return r ? r : vm->event[vm->nr_events - 1].fd;
}

int kvm_irqfd(struct hv_vm *vm, unsigned intid, struct hv_irqfd *fd, struct err *e)
{
    int r;

    BUG_ON(intid < 32 || vm->gic_ready);
    if (!kvm_has(vm->fd, KVM_CAP_IRQFD_RESAMPLE))
        return -ENOTSUP;
    if ((r = add(vm, (struct kvm_event){.intid = intid}, e)))
        return r;
    vm->by_fd[intid] = true;
    *fd = (struct hv_irqfd){vm->event[vm->nr_events - 1].fd, vm->event[vm->nr_events - 1].ended};
    return 0;
}

void kvm_events_destroy(struct hv_vm *vm)
{
    for (unsigned i = 0; i < vm->nr_events; i++)
        close_event(&vm->event[i]);
    free(vm->event);
}
#endif
