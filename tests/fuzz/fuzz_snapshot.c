/* A snapshot in which anything may stand, with hashes that fit: refused with a message, or loaded into a machine that runs for a moment. The
 * bytes are changes of a good one: a place, how many, what. The first byte says whether hashes are made to fit, and which machine it is. */
#include "base/bits.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/log.h"
#include "vm/snapshot.h"
#include "vm/vm_internal.h"

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define NR_MACHINES 3u
#define HEADER_LEN 4096u
#define META_HASH 1400u
#define MEMORY_OFF 24u
#define RUN_MS 2

/* wfi; b .-4; and what stores to the UART and calls PSCI now and then */
static const uint32_t guest[] = {0xd2a12001, 0x52800820, 0x39000020,
                                 0xd503205f, 0xd503207f, 0x17fffffd};

static struct machine {
    char path[64];
    struct vm_options opt;
    uint8_t *meta; /* the good file up to memory */
    size_t meta_len;
} machine[NR_MACHINES];
static char binary[] = "/tmp/vibe-fuzz-XXXXXX";

static void must(int ok)
{
    if (!ok)
        abort();
}

/* Runs until it is stopped, RUN_MS later at the latest. */
static void run(struct vm *vm)
{
    struct vm_outcome o;
    struct err e;

    if (vm_start(vm, &e))
        return;
    struct pollfd p = {.fd = vm_finished_fd(vm), .events = POLLIN};
    poll(&p, 1, RUN_MS);
    vm_request_stop(vm, VM_STOP_TIMEOUT);
    vm_join(vm, &o);
}

static void make(struct machine *m, unsigned n)
{
    struct vm *vm;
    struct err e = {0};

    m->opt = (struct vm_options){.binary = binary,
                                 .entry = VM_DEFAULT_ENTRY,
                                 .machine = n == 2 ? VM_MACHINE_VIRT : VM_MACHINE_VIBE,
                                 .mem_len = UINT64_C(256) << 10,
                                 .nr_cpus = n + 1,
                                 .accel = VM_ACCEL_SOFT,
                                 .jit.off = true,
                                 .gic = n == 1 ? VM_GICV2 : VM_GICV3,
                                 .virtio = n == 1 ? VM_VIRTIO_LEGACY : VM_VIRTIO_MODERN,
                                 .console = VM_CONSOLE_VIRTIO,
                                 .balloon = n != 1,
                                 .deterministic = n == 1,
                                 .jit.exact = n == 1,
                                 .program = "fuzz",
                                 .nr_words = 1,
                                 .word = {{"binary", binary}}};
    if (n == 2)
        m->opt.entry = board_virt_ram;
    snprintf(m->path, sizeof(m->path), "%s.%u", binary, n);
    bool saved = false; /* on a busy host not every vCPU has begun by then */
    for (unsigned tries = 0; !saved && tries < 1000; tries++) {
        must(!vm_create(&vm, &m->opt, &e));
        run(vm);
        saved = !vm_save(vm, m->path, NULL, NULL, &e);
        vm_destroy(vm);
    }
    must(saved);
    FILE *f = fopen(m->path, "rb");
    uint64_t head[4];
    must(f && fread(head, 1, sizeof(head), f) == sizeof(head));
    m->meta_len = (size_t)head[MEMORY_OFF / 8];
    m->meta = malloc(m->meta_len);
    rewind(f);
    must(m->meta && fread(m->meta, 1, m->meta_len, f) == m->meta_len);
    fclose(f);
}

static void clean(void)
{
    for (unsigned i = 0; i < NR_MACHINES; i++)
        unlink(machine[i].path);
    unlink(binary);
}

static void make_all(void)
{
    const int fd = mkstemp(binary);

    log_threshold = LOG_ERROR - 1;
    must(fd >= 0 && write(fd, guest, sizeof(guest)) == sizeof(guest));
    close(fd);
    for (unsigned i = 0; i < NR_MACHINES; i++)
        make(&machine[i], i);
    atexit(clean);
}

/* The changes: a place of three bytes, a length, bytes. */
static void change(uint8_t *meta, size_t meta_len, const uint8_t *data, size_t len)
{
    while (len > 4) {
        const size_t at = (data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16) % meta_len;
        const size_t n = MIN(MIN((size_t)data[3] % 9 + 1, len - 4), meta_len - at);
        memcpy(meta + at, data + 4, n);
        data += 4 + n;
        len -= 4 + n;
    }
}

static void load(const struct machine *m)
{
    struct vm_options opt = m->opt;
    struct snapshot *s = NULL;
    struct words w;
    struct vm *vm = NULL;
    struct err e = {0};

    if (snapshot_open(&s, m->path, &e)) {
        must(e.code > 0 && e.text[0]);
        return;
    }
    if (snapshot_words(s, &w, &e))
        must(e.code > 0 && e.text[0]);
    else
        words_free(&w);
    opt.snapshot = s;
    opt.verified = true;
    if (!vm_create(&vm, &opt, &e)) {
        run(vm);
        vm_destroy(vm);
    } else {
        must(e.code > 0 && e.text[0]);
    }
    snapshot_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static bool ready;

    if (!ready)
        make_all();
    ready = true;
    if (!len)
        return 0;
    struct machine *m = &machine[data[0] % NR_MACHINES];
    const bool fit = data[0] & 0xf0;
    uint8_t *meta = malloc(m->meta_len);
    must(meta != NULL);
    memcpy(meta, m->meta, m->meta_len);
    change(meta + (fit ? HEADER_LEN : 0), m->meta_len - (fit ? HEADER_LEN : 0), data + 1, len - 1);
    if (fit) {
        uint64_t hash = hash64(meta + HEADER_LEN, m->meta_len - HEADER_LEN);
        memcpy(meta + META_HASH, &hash, sizeof(hash));
    }
    uint64_t hash = hash64(meta, HEADER_LEN - 8);
    memcpy(meta + HEADER_LEN - 8, &hash, sizeof(hash));
    const int fd = open(m->path, O_WRONLY);
    must(fd >= 0 && pwrite(fd, meta, m->meta_len, 0) == (ssize_t)m->meta_len);
    close(fd);
    free(meta);
    load(m);
    return 0;
}
