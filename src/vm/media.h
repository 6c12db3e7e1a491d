/* Disks whose images come and go while the VM runs. */
#ifndef VIBE_VM_MEDIA_H
#define VIBE_VM_MEDIA_H

#include "dev/virtio_blk.h"
#include "vm/vm.h"

/* Of disk `index`, as --disk gave them. False: there are not so many. Any thread. */
bool vm_disk_info(struct vm *vm, unsigned index, struct blk_info *info);

/* Puts the image at path into a disk, or takes out what is in it (null): the guest sees a disk of another size, or of none. read_only: not to be
 * written to. 0, or -errno with what is wrong; then the old one stays. One thread at a time; between vm_start() and vm_destroy(). */
int vm_disk_change(struct vm *vm, unsigned index, const char *path, bool read_only, struct err *e);

#endif
