/* QEMU's firmware configuration device, from which firmware takes the kernel, its initial RAM disk and command line.
 *
 * Items are added while the machine is built and never change. Threads: registers under the device's lock.
 * Specification: QEMU docs/specs/fw_cfg.rst. */
#ifndef VIBE_DEV_FW_CFG_H
#define VIBE_DEV_FW_CFG_H

#include "bus/bus.h"

struct err;
struct ram;

enum fw_cfg_key {
    FW_CFG_SIGNATURE = 0x00,
    FW_CFG_ID = 0x01,
    FW_CFG_NB_CPUS = 0x05,
    FW_CFG_KERNEL_SIZE = 0x08,
    FW_CFG_INITRD_SIZE = 0x0b,
    FW_CFG_MAX_CPUS = 0x0f,
    FW_CFG_KERNEL_DATA = 0x11,
    FW_CFG_INITRD_DATA = 0x12,
    FW_CFG_CMDLINE_SIZE = 0x14,
    FW_CFG_CMDLINE_DATA = 0x15,
    FW_CFG_FILE_DIR = 0x19,
    FW_CFG_NR_KEYS = 0x20,
};

/* Null with e set. */
struct device *fw_cfg_create(gpa_t base, const struct ram *ram, struct err *e);

/* An item's bytes: malloc'd, the device's from here on. An item that is there already is replaced. */
void fw_cfg_set(struct device *d, enum fw_cfg_key key, void *bytes, size_t len);
/* A number, little-endian. */
int fw_cfg_set_u16(struct device *d, enum fw_cfg_key key, uint16_t val, struct err *e);
int fw_cfg_set_u32(struct device *d, enum fw_cfg_key key, uint32_t val, struct err *e);

#endif
