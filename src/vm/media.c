/* Changing a disk's image: vm/media.h. */
#include "vm/media.h"

#include "base/err.h"
#include "dev/disk.h"
#include "vm/vm_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A disk's strings outlive it, and it lives until the requests at it are done: so these live as long as the VM. */
struct medium_path {
    struct medium_path *next;
    char text[];
};

bool vm_disk_info(struct vm *vm, unsigned index, struct blk_info *info)
{
    if (index >= vm->board.nr_disks)
        return false;
    virtio_blk_info(vm->board.disk[index], info);
    return true;
}

int vm_disk_change(struct vm *vm, unsigned index, const char *path, bool read_only, struct err *e)
{
    struct disk *disk = NULL;

    if (index >= vm->board.nr_disks)
        return err_set(e, ENOENT, "there is no disk %u", index);
    if (path) {
        const size_t len = strlen(path) + 1;
        struct medium_path *kept = malloc(sizeof(*kept) + len);
        if (!kept)
            return err_set(e, ENOMEM, "out of memory");
        memcpy(kept->text, path, len);
        const int r = disk_open(&disk,
                                &(struct disk_config){.path = kept->text,
                                                      .read_only = read_only,
                                                      .sync = vm->opt->disk[index].config.sync},
                                e);
        if (r) {
            free(kept);
            return r;
        }
        kept->next = vm->media;
        vm->media = kept;
    }
    if (virtio_blk_change(vm->board.disk[index], disk)) {
        disk_close(disk);
        return err_set(e, ENOMEM, "out of memory");
    }
    return 0;
}

void media_destroy(struct vm *vm)
{
    for (struct medium_path *m = vm->media, *next; m; m = next) {
        next = m->next;
        free(m);
    }
    vm->media = NULL;
}
