/* Disk throughput as a Linux guest sees it, past its page cache: disk DEVICE prints a line for each measurement, NAME VALUE.
 * Sequential: 1 MiB at a time, MB/s. Random: 4 KiB, operations a second, one at a time and sixteen. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MIB (1u << 20)
#define BLOCK 4096u
#define DEPTH 16
#define SECONDS 2.0

static int fd;
static uint64_t len; /* bytes of the device */
static char *buf;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t some_block(void)
{
    static uint64_t seed = 1;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % (len / BLOCK) * BLOCK;
}

static void sequential(const char *name, int write)
{
    uint64_t done = 0;
    const double start = now();
    double t;
    do {
        const off_t at = (off_t)(done % len);
        if ((write ? pwrite(fd, buf, MIB, at) : pread(fd, buf, MIB, at)) != MIB)
            die(name);
        done += MIB;
    } while ((t = now() - start) < SECONDS);
    printf("%s %.1f\n", name, (double)done / 1e6 / t);
}

/* Takes what has completed, at least one, of `out`; returns how many. */
static int complete(aio_context_t ctx, int out, int *idle, int *nr_idle)
{
    struct io_event event[DEPTH];
    const long n = syscall(SYS_io_getevents, ctx, 1L, (long)out, event, NULL);
    if (n < 1)
        die("io_getevents");
    for (long i = 0; i < n; i++) {
        if (event[i].res != BLOCK)
            die("input or output");
        idle[(*nr_idle)++] = (int)event[i].data;
    }
    return (int)n;
}

/* Always `depth` of them under way. */
static void at_random(const char *name, int write, int depth)
{
    struct iocb cb[DEPTH], *list[1];
    int idle[DEPTH], nr_idle = 0, done = 0;
    aio_context_t ctx = 0;
    double t;

    if (syscall(SYS_io_setup, DEPTH, &ctx))
        die("io_setup");
    while (nr_idle < depth) {
        idle[nr_idle] = nr_idle;
        nr_idle++;
    }
    const double start = now();
    do {
        while (nr_idle) {
            const int slot = idle[--nr_idle];
            cb[slot] = (struct iocb){.aio_data = (uint64_t)slot,
                                     .aio_lio_opcode = write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
                                     .aio_fildes = (uint32_t)fd,
                                     .aio_buf = (uintptr_t)(buf + slot * BLOCK),
                                     .aio_nbytes = BLOCK,
                                     .aio_offset = (int64_t)some_block()};
            list[0] = &cb[slot];
            if (syscall(SYS_io_submit, ctx, 1L, list) != 1)
                die("io_submit");
        }
        done += complete(ctx, depth, idle, &nr_idle);
    } while ((t = now() - start) < SECONDS);
    while (nr_idle < depth)
        complete(ctx, depth - nr_idle, idle, &nr_idle);
    syscall(SYS_io_destroy, ctx);
    printf("%s %.0f\n", name, done / t);
}

int main(int argc, char **argv)
{
    fd = argc > 1 ? open(argv[1], O_RDWR | O_DIRECT) : -1;
    const off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    if (end < MIB || posix_memalign((void **)&buf, MIB, MIB))
        die("disk DEVICE");
    len = (uint64_t)end / MIB * MIB;
    memset(buf, 1, MIB);
    sequential("sequential-read", 0);
    sequential("sequential-write", 1);
    at_random("random-read-1", 0, 1);
    at_random("random-write-1", 1, 1);
    at_random("random-read-16", 0, DEPTH);
    at_random("random-write-16", 1, DEPTH);
    const double start = now();
    unsigned n = 0;
    while (now() - start < SECONDS) {
        if (pwrite(fd, buf, BLOCK, (off_t)some_block()) != BLOCK || fdatasync(fd))
            die("flush");
        n++;
    }
    printf("write-and-flush %.0f\n", (double)n / (now() - start));
    return 0;
}
