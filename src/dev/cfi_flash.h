/* The board's two banks of NOR flash, each two 16-bit Intel chips side by side on a 32-bit bus.
 *
 * A bank is a ROM region of guest memory: while it is in array mode, loads, fetches and table walks read it at full speed, and only
 * stores come here. A command that makes it answer something else hides the region, so that loads come here too.
 * Threads: registers under the device's lock; the rest while no vCPU runs.
 * Specification: Common Flash Interface (JESD68.01); Intel StrataFlash P30, "Command set". */
#ifndef VIBE_DEV_CFI_FLASH_H
#define VIBE_DEV_CFI_FLASH_H

#include "bus/bus.h"

struct err;
struct ram;

#define FLASH_NR_BANKS 2u
#define FLASH_BANK_LEN (UINT64_C(64) << 20)
#define FLASH_SECTOR_LEN (UINT64_C(256) << 10)

struct flash_config {
    struct ram *ram; /* has the banks as ROM regions, one behind the other from base */
    /* Loads of [base, base + len) go elsewhere from now on: what the CPUs remember of it is void, for the caller's CPU at once. */
    void (*changed)(void *opaque, gpa_t base, uint64_t len);
    void *opaque;
};

/* Null with e set. */
struct device *flash_create(gpa_t base, const struct flash_config *cfg, struct err *e);

/* What a bank holds, from a file of up to FLASH_BANK_LEN bytes. `option` is for messages. */
int flash_load(struct device *d, unsigned bank, const char *option, const char *path, struct err *e);

/* As flash_load(); and what the guest programs and erases is written to the file at once, before the chip says that it is done. The file is
 * locked against other programs of this kind. It may be empty. */
int flash_attach(struct device *d, unsigned bank, const char *option, const char *path, struct err *e);

#endif
