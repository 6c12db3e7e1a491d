/* Disks. Before any thread starts. */
#include "cli/options_internal.h"

#include "base/err.h"
#include "dev/virtio_blk.h"

#include <errno.h>
#include <string.h>

static int set_sync(struct vm_disk *d, const char *text, struct err *e)
{
    static const struct option_choice choices[] = {
        {"none", DISK_SYNC_NONE}, {"flush", DISK_SYNC_FLUSH}, {"full", DISK_SYNC_FULL}, {NULL, 0}};
    int v = 0, r = option_parse_choice(choices, text, &v, e);
    d->config.sync = (enum disk_sync)v;
    return r < 0 ? err_prefix(e, "sync") : 0;
}

static int set_serial(struct vm_disk *d, const char *text, struct err *e)
{
    if (!*text || strlen(text) > VIRTIO_BLK_ID_LEN)
        return err_set(e, EINVAL, "the serial number \"%.80s\" must have 1 to %u characters", text,
                       VIRTIO_BLK_ID_LEN);
    d->serial = text;
    return 0;
}

static int set_queues(struct vm_disk *d, const char *text, struct err *e)
{
    const char *p = text;
    uint64_t n;
    if (option_scan_number(&p, &n) < 0 || *p || n < 1 || n > VIRTIO_BLK_MAX_QUEUES)
        return err_set(e, EINVAL, "queues: \"%.80s\" is not a number from 1 to %u", text,
                       VIRTIO_BLK_MAX_QUEUES);
    d->nr_queues = (unsigned)n;
    return 0;
}

static int add_overlay(struct vm_disk *d, const char *text, struct err *e)
{
    if (d->config.nr_overlays == DISK_MAX_OVERLAYS)
        return err_set(e, E2BIG, "more than %u, one over the other", DISK_MAX_OVERLAYS);
    return option_parse_file(text, &d->config.overlay[d->config.nr_overlays++], e);
}

static int set_part(struct vm_disk *d, const char *part, struct err *e)
{
    const char *value;

    if (!strcmp(part, "ro"))
        d->config.read_only = true;
    else if ((value = option_value(part, "overlay")))
        return add_overlay(d, value, e) < 0 ? err_prefix(e, "overlay") : 0;
    else if ((value = option_value(part, "sync")))
        return set_sync(d, value, e);
    else if ((value = option_value(part, "serial")))
        return set_serial(d, value, e);
    else if ((value = option_value(part, "queues")))
        return set_queues(d, value, e);
    else
        return err_set(e, EINVAL,
                       "\"%.80s\" is none of ro, overlay=FILE, sync=, serial=, queues= (a comma in a file's name is written twice)",
                       part);
    return 0;
}

int set_disk(struct options *o, const char *text, struct err *e)
{
    struct vm_disk *d = &o->vm.disk[o->vm.nr_disks];
    const char *part;
    int r;

    if (o->vm.nr_disks == VM_MAX_DISKS)
        return err_set(e, E2BIG, "given more than %d times", VM_MAX_DISKS);
    char *rest = option_keep(o, text, strlen(text), e);
    if (!rest)
        return -ENOMEM;
    *d = (struct vm_disk){.nr_queues = 1};
    if ((r = option_parse_file(option_next_part(&rest), &d->config.path, e)) < 0)
        return r;
    while ((part = option_next_part(&rest)))
        if ((r = set_part(d, part, e)) < 0)
            return r;
    if (d->config.read_only && d->config.nr_overlays)
        return err_set(e, EINVAL,
                       "ro and overlay= contradict each other: an overlay is there to be written");
    o->vm.nr_disks++;
    return 0;
}
