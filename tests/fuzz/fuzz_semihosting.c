/* Fuzz target: a guest that makes semihosting calls. Whatever it asks for, the file beside its folder stays as it is, and every call comes back.
 * Input: records of a byte for the call, a byte that says how the next four stand for words of the parameter block (two bits each: a small number, its
 * negative, a place in the data, any), four bytes. The input itself is the data, at DATA of the guest's memory; the parameter block before it. */
#include "vm/semihosting.h"

#include "base/bits.h"
#include "base/err.h"
#include "dev/chardev.h"
#include "vm/vm_internal.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define BLOCK UINT64_C(0x20000)
#define DATA UINT64_C(0x20020)
#define DATA_LEN 4096u

static char top[64], folder[80], secret[80], binary[80];
static struct stat secret_before;
static struct vm *vm;
static struct vm_options options;

/* --- A vCPU of registers --------------------------------------------------------------------------------------------- */

struct hv_vcpu {
    uint64_t x[2], pc;
};
static struct hv_vcpu cpu;

static int get_reg(struct hv_vcpu *v, unsigned reg, uint64_t *val)
{
    *val = reg < 2 ? v->x[reg] : reg == HV_REG_PC ? v->pc : reg == HV_REG_PSTATE ? 4 : 0;
    return 0;
}

static int set_reg(struct hv_vcpu *v, unsigned reg, uint64_t val)
{
    if (reg > 1)
        abort();
    v->x[reg] = val;
    return 0;
}

static void kick(struct hv_vcpu *v)
{
    (void)v;
}

static void code_changed(struct hv_vm *hv, gpa_t gpa, uint64_t len)
{
    (void)hv;
    if (gpa + len < gpa)
        abort();
}

static const struct hv_backend fake = {
    .name = "fake", .get_reg = get_reg, .set_reg = set_reg, .kick = kick, .code_changed = code_changed};

/* --- The machine ----------------------------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    (void)st;
    (void)flag;
    if (at->level && remove(path))
        abort();
    return 0;
}

static void empty(const char *path)
{
    nftw(path, remove_one, 16, FTW_PHYS | FTW_DEPTH);
}

static void clean_up(void)
{
    empty(top);
    rmdir(top);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    if (!f || fputs(text, f) == EOF || fclose(f))
        abort();
}

static void make_machine(void)
{
    struct err e = {0};

    snprintf(top, sizeof(top), "/tmp/vibe-fuzz-semihosting-XXXXXX");
    if (!mkdtemp(top))
        abort();
    atexit(clean_up);
    snprintf(folder, sizeof(folder), "%s/folder", top);
    snprintf(secret, sizeof(secret), "%s/secret", top);
    snprintf(binary, sizeof(binary), "%s/binary", top);
    write_file(secret, "secret");
    write_file(binary, "code");
    /* The console is standard output. */
    const int null = open("/dev/null", O_WRONLY);
    if (mkdir(folder, 0755) || lstat(secret, &secret_before) || null < 0 || dup2(null, 1) < 0)
        abort();
    options = (struct vm_options){
        .binary = binary,
        .entry = VM_DEFAULT_ENTRY,
        .mem_len = UINT64_C(4) << 20,
        .nr_cpus = 1,
        .no_rng = true,
        .semihosting = {.on = true, .dir = folder},
    };
    if (vm_create(&vm, &options, &e))
        abort();
    vm->hv = &fake;
    vm->vcpu[0].hv = &cpu;
    /* Who waits for input would wait for ever. */
    chardev_end_input(vm_console(vm));
}

static void fill_folder(void)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/a", folder);
    if (mkdir(path, 0755))
        abort();
    snprintf(path, sizeof(path), "%s/a/b", folder);
    write_file(path, "file");
    snprintf(path, sizeof(path), "%s/c", folder);
    if (symlink("../secret", path))
        abort();
    snprintf(path, sizeof(path), "%s/d", folder);
    if (symlink("..", path))
        abort();
}

static void check_secret(void)
{
    struct stat st;
    if (lstat(secret, &st) || st.st_size != secret_before.st_size ||
        st.st_ino != secret_before.st_ino || st.st_nlink != 1 || st.st_mtime != secret_before.st_mtime)
        abort();
}

static uint64_t word(uint8_t byte, unsigned kind)
{
    switch (kind & 3) {
    case 0: return byte;
    case 1: return -(uint64_t)byte;
    case 2: return DATA + byte;
    default: return (uint64_t)byte << (byte % 8 * 8) | byte;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct err e = {0};

    if (!vm)
        make_machine();
    fill_folder();
    semihost_destroy(vm->semihost);
    vm->semihost = NULL;
    if (semihost_create(vm, &vm->semihost, &e) ||
        !ram_write(&vm->ram, DATA, data, MIN(len, (size_t)DATA_LEN)))
        abort();
    for (size_t at = 0; at + 6 <= len; at += 6) {
        uint64_t block[4];
        for (unsigned i = 0; i < 4; i++)
            block[i] = word(data[at + 2 + i], data[at + 1] >> 2 * i);
        if (!ram_write(&vm->ram, BLOCK, block, sizeof(block)))
            abort();
        /* Its own argument, for calls that have no block. */
        cpu = (struct hv_vcpu){.x = {data[at] & 63, data[at] & 64 ? block[0] : BLOCK}, .pc = 0x10004};
        vcpu_handle_exit(&vm->vcpu[0], &(struct hv_exit){.reason = HV_EXIT_SEMIHOSTING});
        atomic_store(&vm->stop, 0);
        atomic_store(&vm->vcpu[0].attention, false);
    }
    check_secret();
    empty(folder);
    return 0;
}
