/* What runs on the machine: the images in memory, the device tree beside them, and the registers with which the first CPU starts.
 *
 * Used while the machine is built or reset; no vCPU runs. Specification: Linux Documentation/arm64/booting.rst; for the others
 * docs/guests.md. */
#include "base/bits.h"
#include "base/err.h"
#include "base/log.h"
#include "dev/cfi_flash.h"
#include "dev/fw_cfg.h"
#include "load/fdt.h"
#include "vm/vm_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An ELF file holds more than is loaded: symbols, debug information. A compressed one can be larger than what it unpacks to, too. */
#define FILE_MAX_LEN(mem_len) MAX((mem_len)*8, UINT64_C(1) << 20)

#define LINUX_ALIGN (UINT64_C(2) << 20)
#define PAGE_ALIGN (UINT64_C(64) << 10) /* the largest granule */
#define TREE_ALIGN UINT64_C(8)
/* Distance of the initial RAM disk from the start of RAM, where there is room: kernels unpack themselves into what is behind them. */
#define INITRD_AWAY (UINT64_C(128) << 20)
/* What a raw kernel may use for its stack at the end of RAM before it meets the device tree. */
#define STACK_ROOM (UINT64_C(2) << 20)

/* --- What is to be run ---------------------------------------------------------------------------------------------- */

static int read_kernel(struct vm *vm, struct err *e)
{
    const struct vm_options *o = vm->opt;
    const uint64_t mem_len = o->mem_len ? o->mem_len : VM_DEFAULT_SYSTEM_MEM;
    struct boot *b = &vm->boot;
    int r = load_file("--kernel", o->kernel, FILE_MAX_LEN(mem_len), &b->kernel, &b->kernel_len, e);

    if (r < 0)
        return r;
    r = kernel_unpack(&b->kernel, &b->kernel_len, mem_len, e);
    return r < 0 ? err_prefix(e, "--kernel %s", o->kernel) : 0;
}

/* Reads --kernel and finds out what it is. */
static int identify_kernel(struct vm *vm, struct err *e)
{
    const struct vm_options *o = vm->opt;
    struct boot *b = &vm->boot;
    int r = read_kernel(vm, e);

    if (r < 0)
        return r;
    if (elf_has_magic(b->kernel, b->kernel_len)) {
        b->kind = BOOT_ELF;
        r = elf_parse(b->kernel, b->kernel_len, &b->elf, e);
    } else {
        b->kind = BOOT_LINUX;
        r = linux_image_parse(b->kernel, b->kernel_len, &b->image, e);
        if (r == 0 && !b->image.header)
            log_info("--kernel %s: no ELF, no Linux Image; taken for code", o->kernel);
    }
    return r < 0 ? err_prefix(e, "--kernel %s", o->kernel) : 0;
}

int boot_identify(struct vm *vm, struct err *e)
{
    const struct vm_options *o = vm->opt;
    struct boot *b = &vm->boot;

    b->kind = o->firmware ? BOOT_FIRMWARE : o->binary ? BOOT_BINARY : BOOT_NONE;
    if (o->kernel && !o->firmware) {
        const int r = identify_kernel(vm, e);
        if (r < 0)
            return r;
    }
    vm->mem_len = o->mem_len;
    if (!vm->mem_len)
        vm->mem_len = b->kind == BOOT_LINUX || b->kind == BOOT_FIRMWARE ? VM_DEFAULT_SYSTEM_MEM
                                                                        : VM_DEFAULT_MEM;
    vm->machine = o->machine;
    if (vm->machine == VM_MACHINE_AUTO)
        vm->machine = b->kind == BOOT_BINARY || (b->kind == BOOT_ELF && b->elf.lowest < board_virt_ram)
                          ? VM_MACHINE_VIBE
                          : VM_MACHINE_VIRT;
    if (vm->machine == VM_MACHINE_VIBE && (o->firmware || o->flash1))
        return err_set(e, EINVAL, "%s: the vibe machine has no flash; give --machine virt",
                       o->firmware ? "--firmware" : "--flash1");
    return 0;
}

static void forget_kernel(struct boot *b)
{
    free(b->kernel);
    b->kernel = NULL;
}

/* --- Images into memory --------------------------------------------------------------------------------------------- */

static int load_linux(struct vm *vm, const char *what, struct err *e)
{
    const struct boot *b = &vm->boot;
    const gpa_t at = vm->ram_base + b->image.text_offset;
    int r = load_map_add(&vm->map, &vm->ram, at, b->image.mem_len, what, e);

    if (r < 0)
        return r;
    /* load_map_add() has found all of it in one region; what is behind the file the kernel clears itself. */
    if (!ram_write(&vm->ram, at, b->kernel, b->kernel_len))
        return err_set(e, EFAULT, "%s: 0x%" PRIx64 " lies in read-only memory", what, at);
    vm->entry = at;
    return 0;
}

static int load_kernel(struct vm *vm, struct err *e)
{
    struct boot *b = &vm->boot;
    char what[80];
    int r = b->kernel ? 0 : identify_kernel(vm, e); /* a reset reads it again */

    if (r < 0)
        return r;
    snprintf(what, sizeof(what), "--kernel %.60s", vm->opt->kernel);
    if (b->kind == BOOT_LINUX) {
        r = load_linux(vm, what, e);
    } else {
        r = elf_load(&b->elf, b->kernel, &vm->ram, &vm->map, what, e);
        vm->entry = b->elf.entry;
    }
    forget_kernel(b);
    return r;
}

/* Behind the kernel, and some way into RAM. */
static int load_initrd(struct vm *vm, struct dt_chosen *c, struct err *e)
{
    const struct ram_region *ram = ram_find(&vm->ram, vm->ram_base);
    const char *path = vm->opt->initrd;
    const gpa_t away = ram->base + MIN(ram->len / 2, INITRD_AWAY);
    uint8_t *buf;
    size_t len;
    gpa_t at;
    int r = load_file("--initrd", path, vm->mem_len, &buf, &len, e);

    if (r < 0)
        return r;
    if (load_map_find(&vm->map, &vm->ram, away, UINT64_MAX, len, PAGE_ALIGN, false, &at) ||
        load_map_find(&vm->map, &vm->ram, vm->entry, UINT64_MAX, len, PAGE_ALIGN, false, &at) ||
        load_map_find(&vm->map, &vm->ram, 0, UINT64_MAX, len, PAGE_ALIGN, false, &at)) {
        char what[80];
        snprintf(what, sizeof(what), "--initrd %.60s", path);
        r = load_map_add(&vm->map, &vm->ram, at, len, what, e);
        if (r == 0)
            BUG_ON(!ram_write(&vm->ram, at, buf, len));
        c->initrd = at;
        c->initrd_len = len;
    } else {
        r = err_set(e, ENOSPC,
                    "--initrd %s: %zu MiB do not fit into guest RAM beside the other images; give a larger --mem",
                    path, (len >> 20) + 1);
    }
    free(buf);
    return r;
}

/* --- Firmware ------------------------------------------------------------------------------------------------------- */

/* Kernel, initial RAM disk and command line as QEMU's board gives them to firmware. */
static int give_to_firmware(struct vm *vm, struct err *e)
{
    const struct vm_options *o = vm->opt;
    struct device *fw = vm->board.fw_cfg;
    struct boot *b = &vm->boot;
    uint8_t *buf;
    size_t len;
    int r;

    if (o->kernel) {
        if ((r = read_kernel(vm, e)) ||
            (r = fw_cfg_set_u32(fw, FW_CFG_KERNEL_SIZE, (uint32_t)b->kernel_len, e)))
            return r;
        fw_cfg_set(fw, FW_CFG_KERNEL_DATA, b->kernel, b->kernel_len);
        b->kernel = NULL;
    }
    if (o->initrd) {
        if ((r = load_file("--initrd", o->initrd, MIN(vm->mem_len, UINT32_MAX), &buf, &len, e)))
            return r;
        fw_cfg_set(fw, FW_CFG_INITRD_DATA, buf, len);
        if ((r = fw_cfg_set_u32(fw, FW_CFG_INITRD_SIZE, (uint32_t)len, e)))
            return r;
    }
    if (o->cmdline) {
        char *text = strdup(o->cmdline);
        if (!text)
            return err_set(e, ENOMEM, "out of memory for the command line");
        len = strlen(text) + 1;
        fw_cfg_set(fw, FW_CFG_CMDLINE_DATA, text, len);
        if ((r = fw_cfg_set_u32(fw, FW_CFG_CMDLINE_SIZE, (uint32_t)len, e)))
            return r;
    }
    return 0;
}

/* Into the flash, once: it keeps what the guest makes of it, also over a reset. */
int boot_fill_flash(struct vm *vm, struct err *e)
{
    const struct vm_options *o = vm->opt;
    int r = 0;

    if (o->firmware && !o->snapshot)
        r = flash_load(vm->board.flash, 0, "--firmware", o->firmware, e);
    if (r == 0 && o->flash1)
        r = flash_attach(vm->board.flash, 1, "--flash1", o->flash1, e);
    if (r == 0 && o->firmware)
        r = give_to_firmware(vm, e);
    return r;
}

/* --- The device tree ------------------------------------------------------------------------------------------------ */

/* Whether the guest can do without a tree: nothing in it was asked for, and the kernel is not one that reads it always. */
static bool tree_is_optional(const struct vm *vm)
{
    const struct vm_options *o = vm->opt;
    return (vm->boot.kind == BOOT_BINARY || vm->boot.kind == BOOT_ELF) && !o->dtb && !o->initrd &&
           !o->cmdline;
}

static int make_tree(struct vm *vm, const struct dt_chosen *c, struct err *e)
{
    struct boot *b = &vm->boot;
    const char *path = vm->opt->dtb;
    uint8_t *buf;
    size_t len;

    free(b->tree);
    b->tree = NULL;
    if (!path)
        return devicetree_create(vm, c, &b->tree, &b->tree_len, e);
    int r = load_file("--dtb", path, DT_MAX_LEN, &buf, &len, e);
    if (r < 0)
        return r;
    r = dt_adapt(buf, len, c, &b->tree, &b->tree_len, e);
    free(buf);
    return r < 0 ? err_prefix(e, "--dtb %s", path) : 0;
}

/* Linux gets its tree behind everything else; for the others it lies at the start of the virt profile's RAM if that is free, and far from
 * where a raw kernel's code and stack grow in the vibe profile's. */
static bool place_tree(const struct vm *vm, gpa_t *at)
{
    const struct ram_region *ram = ram_find(&vm->ram, vm->ram_base);
    const uint64_t len = vm->boot.tree_len;
    const gpa_t end = ram->base + ram->len, behind = vm->chosen.initrd + vm->chosen.initrd_len;

    if (vm->boot.kind == BOOT_LINUX) {
        const gpa_t from = MAX(behind, ram->base + MIN(ram->len / 2, INITRD_AWAY));
        if (load_map_find(&vm->map, &vm->ram, from, UINT64_MAX, len, LINUX_ALIGN, false, at))
            return true;
    } else if (vm->machine == VM_MACHINE_VIRT) {
        if (load_map_find(&vm->map, &vm->ram, ram->base, ram->base + len, len, TREE_ALIGN, false, at))
            return true;
    }
    return load_map_find(&vm->map, &vm->ram, ram->base, end - MIN(STACK_ROOM, ram->len / 4), len,
                         TREE_ALIGN, true, at) ||
           load_map_find(&vm->map, &vm->ram, 0, UINT64_MAX, len, TREE_ALIGN, false, at);
}

static int load_tree(struct vm *vm, struct err *e)
{
    struct boot *b = &vm->boot;
    struct err mine = {0};
    int r = make_tree(vm, &vm->chosen, &mine);

    vm->boot_x0 = 0;
    if (r == -ENOTSUP && tree_is_optional(vm)) {
        log_warn("the guest gets no device tree (x0 is 0): %s", mine.text);
        return 0;
    }
    if (r < 0)
        return err_set(e, mine.code, "%s", mine.text);
    if (!place_tree(vm, &vm->boot_x0)) {
        vm->boot_x0 = 0;
        if (tree_is_optional(vm)) {
            log_info("no room for the device tree (x0 is 0)");
            return 0;
        }
        return err_set(e, ENOSPC, "no room for the device tree in guest RAM; give a larger --mem");
    }
    r = load_map_add(&vm->map, &vm->ram, vm->boot_x0, b->tree_len, "the device tree", e);
    if (r == 0)
        BUG_ON(!ram_write(&vm->ram, vm->boot_x0, b->tree, b->tree_len));
    return r;
}

/* --- All of it ------------------------------------------------------------------------------------------------------ */

/* Also after a reset: guest memory keeps what the images do not cover, as RAM does. */
int boot_load(struct vm *vm, struct err *e)
{
    const struct vm_options *o = vm->opt;
    const struct ram_region *ram = ram_find(&vm->ram, vm->ram_base);
    uint64_t len;
    int r = 0;

    vm->map = (struct load_map){0};
    vm->chosen = (struct dt_chosen){.bootargs = o->cmdline};
    /* A kernel that sets no stack pointer of its own finds one at the top of the first RAM. */
    vm->stack = ram->base + ram->len - 16;
    if (o->firmware) {
        vm->entry = board_flash;
    } else if (o->kernel) {
        r = load_kernel(vm, e);
    } else if (o->binary) {
        vm->entry = o->entry;
        r = load_binary(&vm->ram, &vm->map, o->binary, o->entry, &len, e);
    }
    for (unsigned i = 0; i < o->nr_loads && r >= 0; i++)
        r = load_blob(&vm->ram, &vm->map, o->load[i].path, o->load[i].at, e);
    if (r >= 0 && o->initrd && !o->firmware)
        r = load_initrd(vm, &vm->chosen, e);
    if (r >= 0)
        r = load_tree(vm, e);
    return r < 0 ? r : 0;
}

void boot_destroy(struct vm *vm)
{
    forget_kernel(&vm->boot);
    free(vm->boot.tree);
}
