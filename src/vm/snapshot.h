/* A machine to a snapshot and back.
 *
 * A snapshot has the options that make the machine, so that nothing else has to be given to load it; the state of CPUs, devices and clock; and memory.
 * What is on its way to or from disks is brought to its end before; connections of networks and sockets end. docs/snapshots.md is the whole. */
#ifndef VIBE_VM_SNAPSHOT_H
#define VIBE_VM_SNAPSHOT_H

#include "vm/snapshot_file.h"
#include "vm/vm.h"

/* Saves the machine to the file at path, which is replaced when all is written. A machine that runs stands still meanwhile, its clock too, and goes on
 * afterwards; one that has stopped (vm_join()) must not have switched itself off. progress as in struct snapshot_image, or null. Any thread but the vCPUs'
 * own and the I/O thread. 0 or -errno; e begins with the path. */
int vm_save(struct vm *vm, const char *path, void (*progress)(void *opaque, unsigned percent),
            void *opaque, struct err *e);

/* Whether vm_save() will be able to: that the backend can, and that there can be a file. 0 or -errno. */
int vm_can_save(const struct vm *vm, const char *path, struct err *e);

/* The words of the machine that was saved; they and what they point to live until words_free(). 0 or -errno. */
struct words {
    unsigned nr;
    struct vm_word word[VM_MAX_WORDS];
};
int snapshot_words(const struct snapshot *from, struct words *w, struct err *e);
void words_free(struct words *w);

#endif
