/* Guest-physical memory: RAM and ROM regions backed by host memory. Everything else is a device's.
 *
 * Regions are added while the machine is built and never move or go away while a vCPU runs, so lookups take no lock.
 * A region is a shared memory object (memfd, shm), reserved but not touched; or, of a machine that was loaded from a snapshot, the file's pages,
 * copied when they are written.
 * One object a region, because macOS lets the length of one be set only once. */
#ifndef VIBE_MEM_RAM_H
#define VIBE_MEM_RAM_H

#include "base/types.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct err;

#define RAM_MAX_REGIONS 8

enum ram_kind {
    RAM_KIND_RAM, /* read, write, execute */
    RAM_KIND_ROM, /* read, execute; stores go to the bus (flash commands) */
};

struct ram_region {
    gpa_t base;
    uint64_t len; /* bytes, a multiple of 64 KiB */
    uint8_t *host;
    int fd; /* the shared memory object, len bytes; -1: there is none, the region is pages of a file and copies of its own */
    enum ram_kind kind;
    _Atomic bool hidden; /* of a ROM: guest loads go to the bus too */
};

struct ram {
    unsigned nr_regions;
    struct ram_region region[RAM_MAX_REGIONS]; /* sorted by base, not overlapping */
};

/* Creates an empty physical memory. 0 or -errno. */
int ram_init(struct ram *r, struct err *e);
void ram_destroy(struct ram *r);

/* Adds a region, zero-filled and untouched. base and len are multiples of 64 KiB; -EINVAL on overlap or wrap, -ENOSPC.
 * Pointers to regions from before are void; host addresses stay. */
int ram_add(struct ram *r, gpa_t base, uint64_t len, enum ram_kind kind, struct err *e);

/* The region that holds gpa, or null. Any thread. */
static inline const struct ram_region *ram_find(const struct ram *r, gpa_t gpa)
{
    for (unsigned i = 0; i < r->nr_regions; i++)
        if (gpa - r->region[i].base < r->region[i].len)
            return &r->region[i];
    return NULL;
}

/* Host pointer to gpa when all len bytes lie in one region (write: in a RAM region), else null. Any thread.
 * The only way a device or loader reaches guest memory: no unchecked guest address exists. */
void *ram_ptr(const struct ram *r, gpa_t gpa, uint64_t len, bool write);

/* The guest address of a pointer into a region. False: it is into none. Any thread. */
bool ram_gpa(const struct ram *r, const void *host, gpa_t *gpa);

/* What of the region g may be other than zeros from offset `from` on: [*from, *to), within the region; false: nothing. Unused memory is passed over, and
 * not touched. While nobody gives memory back. */
bool ram_next_data(const struct ram_region *g, uint64_t *from, uint64_t *to);

/* Puts [off, off + its length) of the file fd in place of the region at base: pages come from it as they are touched, and stores go to copies of
 * their own. The file's contents must not change while the region is there. While it is built; fd stays the caller's. 0 or -errno. */
int ram_map_file(struct ram *r, gpa_t base, int fd, uint64_t off, struct err *e);

/* Copies across adjacent regions (write: of RAM); len 0 is true; false, with nothing copied, when any byte is not memory. Any thread. */
bool ram_read(const struct ram *r, gpa_t gpa, void *buf, uint64_t len);
bool ram_write(const struct ram *r, gpa_t gpa, const void *buf, uint64_t len);

/* The bytes from host on, which lie in RAM, are of no more use: whole pages of the host go back to it, and read as zeros or as before until
 * written. Returns the bytes that went. Any thread. */
uint64_t ram_give_back(const struct ram *r, const void *host, uint64_t len);

/* The ROM region at base answers guest loads, or its device does (flash that was given a command). The bytes stay where they are, for
 * everybody but the guest's CPUs; those have to be told by hv_backend.memory_changed(). Any thread. */
void ram_hide(struct ram *r, gpa_t base, bool hide);

/* The host's own store into memory that holds guest code or ROM (loaders, debugger): also writes RAM_KIND_ROM. */
bool ram_poke(const struct ram *r, gpa_t gpa, const void *buf, uint64_t len);

#endif
