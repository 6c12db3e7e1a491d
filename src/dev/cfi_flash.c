/* CFI NOR flash with the Intel command set. Threading and specification: dev/cfi_flash.h. */
#include "dev/cfi_flash.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/log.h"
#include "base/snap.h"
#include "load/fdt.h"
#include "load/load.h"
#include "mem/ram.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A location of a chip is 16 bits wide; those of the two chips make a word of the bus. */
#define BUS_WIDTH 4u
#define BUFFER_LEN 128u /* both chips' write buffers */

enum {
    CMD_PROGRAM_ALT = 0x10,
    CMD_ERASE = 0x20,
    CMD_PROGRAM = 0x40,
    CMD_CLEAR_STATUS = 0x50,
    CMD_LOCK = 0x60,
    CMD_READ_STATUS = 0x70,
    CMD_READ_ID = 0x90,
    CMD_QUERY = 0x98,
    CMD_CONFIRM = 0xd0,
    CMD_WRITE_BUFFER = 0xe8,
    CMD_READ_ARRAY = 0xff,

    LOCK_SET = 0x01,
    LOCK_CLEAR = 0xd0,
    LOCK_DOWN = 0x2f,
};

enum { SR_READY = 0x80, SR_ERASE_ERROR = 0x20, SR_PROGRAM_ERROR = 0x10 };
#define SR_BAD_SEQUENCE (SR_ERASE_ERROR | SR_PROGRAM_ERROR)

enum { ID_MANUFACTURER = 0x89, ID_DEVICE = 0x18 }; /* Intel, 128 Mbit top boot as QEMU has it */

/* "CFI Query Identification String" and what follows it; one chip's view, a byte a location. */
/* clang-format off */
static const uint8_t cfi[] = {
    [0x10] = 'Q', 'R', 'Y',
    [0x13] = 0x01, 0x00,             /* Intel command set */
    [0x15] = 0x31, 0x00,             /* where its own table is */
    [0x1b] = 0x45, 0x55,             /* 4.5 to 5.5 V */
    [0x1f] = 7, 7, 10, 0,            /* typical times: 2^7 us a word and a buffer, 2^10 ms a sector */
    [0x23] = 4, 4, 4, 0,             /* at most 2^4 times as long */
    [0x27] = 25,                     /* 2^25 bytes */
    [0x28] = 0x02, 0x00,             /* x8 and x16 */
    [0x2a] = 6, 0,                   /* 2^6 bytes of write buffer */
    [0x2c] = 1,                      /* one kind of sectors: */
    [0x2d] = 0xff, 0x00, 0x00, 0x02, /* 255 + 1 of them, 0x200 * 256 bytes */
    [0x31] = 'P', 'R', 'I', '1', '0',
    [0x3f] = 1,                      /* protection fields, which follow and are 0 */
    [0x48] = 0,
};
/* clang-format on */

enum mode { MODE_ARRAY, MODE_STATUS, MODE_ID, MODE_QUERY };

/* What the next store is. */
enum expect {
    EXPECT_COMMAND,
    EXPECT_DATA,    /* to program */
    EXPECT_ERASE,   /* its confirmation */
    EXPECT_LOCK,    /* which kind */
    EXPECT_COUNT,   /* of words for the buffer, less one */
    EXPECT_WORDS,   /* for the buffer */
    EXPECT_PROGRAM, /* confirmation of programming the buffer */
};

struct bank_state {
    uint8_t mode, expect; /* enum mode, enum expect */
    uint8_t status;
    uint8_t words_left; /* of EXPECT_WORDS */
    bool buffer_placed;
    uint32_t buffer_at; /* offset in the bank of buffer[0] */
    uint8_t buffer[BUFFER_LEN];
};

struct flash {
    struct device dev;
    struct flash_config cfg;
    struct bank_state s[FLASH_NR_BANKS];
    struct {
        uint8_t *mem; /* FLASH_BANK_LEN bytes */
        int fd;       /* written back to; -1: not */
        const char *path;
        uint64_t file_len;
    } bank[FLASH_NR_BANKS];
};

static struct flash *flash_of(struct device *d)
{
    return CONTAINER_OF(d, struct flash, dev);
}

static void set_mode(struct flash *f, unsigned bank, enum mode mode)
{
    const bool was_hidden = f->s[bank].mode != MODE_ARRAY, hidden = mode != MODE_ARRAY;
    const gpa_t base = f->dev.base + bank * FLASH_BANK_LEN;

    f->s[bank].mode = (uint8_t)mode;
    f->s[bank].expect = EXPECT_COMMAND;
    if (hidden != was_hidden) {
        ram_hide(f->cfg.ram, base, hidden);
        f->cfg.changed(f->cfg.opaque, base, FLASH_BANK_LEN);
    }
}

/* --- Contents ------------------------------------------------------------------------------------------------------- */

static bool write_fully(int fd, const uint8_t *buf, uint64_t len, uint64_t at)
{
    while (len) {
        const ssize_t n = pwrite(fd, buf, (size_t)len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        buf += n;
        at += (uint64_t)n;
        len -= (uint64_t)n;
    }
    return true;
}

/* [off, off + len) of the bank goes to its file; a file that is too short grows to the end of the sector. */
static bool write_back(struct flash *f, unsigned bank, uint64_t off, uint64_t len)
{
    uint64_t end = off + len;

    if (f->bank[bank].fd < 0)
        return true;
    if (end > f->bank[bank].file_len) {
        off = MIN(off, f->bank[bank].file_len);
        end = align_up(end, FLASH_SECTOR_LEN);
    }
    if (!write_fully(f->bank[bank].fd, f->bank[bank].mem + off, end - off, off)) {
        log_guest(LOG_ERROR, "flash: %s: %s; the guest was told so", f->bank[bank].path, strerror(errno));
        return false;
    }
    f->bank[bank].file_len = MAX(f->bank[bank].file_len, end);
    return true;
}

/* Programming clears bits and sets none. */
static void program(struct flash *f, unsigned bank, uint32_t off, const uint8_t *data, unsigned len)
{
    uint8_t *mem = f->bank[bank].mem + off;

    for (unsigned i = 0; i < len; i++)
        mem[i] &= data[i];
    if (!write_back(f, bank, off, len))
        f->s[bank].status |= SR_PROGRAM_ERROR;
}

static void erase(struct flash *f, unsigned bank, uint32_t off)
{
    const uint32_t sector = (uint32_t)align_down(off, FLASH_SECTOR_LEN);

    memset(f->bank[bank].mem + sector, 0xff, FLASH_SECTOR_LEN);
    if (!write_back(f, bank, sector, FLASH_SECTOR_LEN))
        f->s[bank].status |= SR_ERASE_ERROR;
}

/* --- Commands ------------------------------------------------------------------------------------------------------- */

static void bad_sequence(struct flash *f, unsigned bank)
{
    f->s[bank].status |= SR_BAD_SEQUENCE;
    set_mode(f, bank, MODE_STATUS);
}

static void expect(struct flash *f, unsigned bank, enum expect what)
{
    set_mode(f, bank, MODE_STATUS);
    f->s[bank].expect = (uint8_t)what;
}

static void command(struct flash *f, unsigned bank, uint8_t cmd)
{
    struct bank_state *s = &f->s[bank];

    switch (cmd) {
    case CMD_PROGRAM:
    case CMD_PROGRAM_ALT: expect(f, bank, EXPECT_DATA); break;
    case CMD_ERASE: expect(f, bank, EXPECT_ERASE); break;
    case CMD_LOCK: expect(f, bank, EXPECT_LOCK); break;
    case CMD_WRITE_BUFFER: expect(f, bank, EXPECT_COUNT); break;
    case CMD_READ_STATUS: set_mode(f, bank, MODE_STATUS); break;
    case CMD_READ_ID: set_mode(f, bank, MODE_ID); break;
    case CMD_QUERY: set_mode(f, bank, MODE_QUERY); break;
    case CMD_CLEAR_STATUS: s->status = SR_READY; break;
    /* What is no command, such as the reset of other makers' chips in a probe. */
    case CMD_READ_ARRAY:
    default: set_mode(f, bank, MODE_ARRAY); break;
    }
}

/* A word for the write buffer, which covers the aligned piece of the bank that the first word lies in. */
static void buffer_word(struct flash *f, unsigned bank, uint32_t off, unsigned size, uint64_t val)
{
    struct bank_state *s = &f->s[bank];

    if (!s->buffer_placed) {
        s->buffer_placed = true;
        s->buffer_at = (uint32_t)align_down(off, BUFFER_LEN);
        memset(s->buffer, 0xff, BUFFER_LEN);
    }
    if (off - s->buffer_at > BUFFER_LEN - size) {
        bad_sequence(f, bank);
        return;
    }
    for (unsigned i = 0; i < size; i++)
        s->buffer[off - s->buffer_at + i] = (uint8_t)(val >> (8 * i));
    if (!--s->words_left)
        s->expect = EXPECT_PROGRAM;
}

static bool flash_write(struct device *d, uint32_t off, unsigned size, uint64_t val)
{
    struct flash *f = flash_of(d);
    const unsigned bank = (unsigned)(off / FLASH_BANK_LEN);
    struct bank_state *s = &f->s[bank];
    const uint8_t cmd = (uint8_t)val;
    uint8_t bytes[8];

    off %= (uint32_t)FLASH_BANK_LEN;
    switch ((enum expect)s->expect) {
    case EXPECT_COMMAND: command(f, bank, cmd); return true;
    case EXPECT_DATA:
        for (unsigned i = 0; i < size; i++)
            bytes[i] = (uint8_t)(val >> (8 * i));
        program(f, bank, off, bytes, size);
        break;
    case EXPECT_ERASE:
        if (cmd == CMD_CONFIRM)
            erase(f, bank, off);
        else
            s->status |= SR_BAD_SEQUENCE;
        break;
    case EXPECT_LOCK: /* nothing is ever locked */
        if (cmd != LOCK_SET && cmd != LOCK_CLEAR && cmd != LOCK_DOWN)
            s->status |= SR_BAD_SEQUENCE;
        break;
    case EXPECT_COUNT:
        if (cmd >= BUFFER_LEN / BUS_WIDTH) {
            s->status |= SR_BAD_SEQUENCE;
            break;
        }
        s->words_left = (uint8_t)(cmd + 1);
        s->buffer_placed = false;
        s->expect = EXPECT_WORDS;
        return true;
    case EXPECT_WORDS: buffer_word(f, bank, off, size, val); return true;
    case EXPECT_PROGRAM:
        if (cmd == CMD_CONFIRM)
            program(f, bank, s->buffer_at, s->buffer, BUFFER_LEN);
        else
            s->status |= SR_BAD_SEQUENCE;
        break;
    }
    s->expect = EXPECT_COMMAND;
    return true;
}

/* What one chip answers at a location. */
static uint8_t chip_answer(const struct bank_state *s, uint32_t location)
{
    switch ((enum mode)s->mode) {
    case MODE_ID: return location == 0 ? ID_MANUFACTURER : location == 1 ? ID_DEVICE : 0;
    case MODE_QUERY: return location < sizeof(cfi) ? cfi[location] : 0;
    case MODE_STATUS:
    case MODE_ARRAY: break;
    }
    return s->status;
}

static bool flash_read(struct device *d, uint32_t off, unsigned size, uint64_t *val)
{
    const struct flash *f = flash_of(d);
    const unsigned bank = (unsigned)(off / FLASH_BANK_LEN);
    const struct bank_state *s = &f->s[bank];

    off %= (uint32_t)FLASH_BANK_LEN;
    *val = 0;
    for (unsigned i = 0; i < size; i++) {
        const uint32_t at = off + i;
        uint8_t byte = f->bank[bank].mem[at];
        if (s->mode != MODE_ARRAY) /* the chips have 16 bits, what they say 8 */
            byte = at % 2 ? 0 : chip_answer(s, (uint32_t)(at % FLASH_SECTOR_LEN) / BUS_WIDTH);
        *val |= (uint64_t)byte << (8 * i);
    }
    return true;
}

/* --- Files ---------------------------------------------------------------------------------------------------------- */

/* Zero pages are left alone: memory that nobody touches costs nothing. */
static void fill(uint8_t *mem, const uint8_t *buf, size_t len)
{
    static const uint8_t zeros[4096];

    for (size_t at = 0; at < len; at += sizeof(zeros)) {
        const size_t n = MIN(sizeof(zeros), len - at);
        if (memcmp(buf + at, zeros, n) != 0)
            memcpy(mem + at, buf + at, n);
    }
}

int flash_load(struct device *d, unsigned bank, const char *option, const char *path, struct err *e)
{
    uint8_t *buf;
    size_t len;
    const int r = load_file(option, path, FLASH_BANK_LEN, &buf, &len, e);

    if (r < 0)
        return r;
    fill(flash_of(d)->bank[bank].mem, buf, len);
    free(buf);
    return 0;
}

/* Opens and locks the file, and tells its length. */
static int open_image(const char *option, const char *path, int *fd, uint64_t *len, struct err *e)
{
    struct stat st;
    int r = 0;

    *fd = open(path, O_RDWR | O_CLOEXEC);
    if (*fd < 0)
        return err_set(e, errno, "%s %s: %s%s", option, path, strerror(errno),
                       errno == EACCES || errno == EROFS ? "; it is written to: copy it, and give the copy"
                                                         : "");
    if (fstat(*fd, &st))
        r = err_set(e, errno, "%s %s: %s", option, path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        r = err_set(e, EINVAL, "%s %s: not a regular file", option, path);
    else if ((uint64_t)st.st_size > FLASH_BANK_LEN)
        r = err_set(e, EFBIG, "%s %s: larger than the 64 MiB of a flash bank", option, path);
    else if (flock(*fd, LOCK_EX | LOCK_NB))
        r = err_set(e, errno, "%s %s: %s", option, path,
                    errno == EWOULDBLOCK ? "another virtual machine uses it; copy it, and give the copy"
                                         : strerror(errno));
    else
        *len = (uint64_t)st.st_size;
    if (r < 0) {
        close(*fd);
        *fd = -1;
    }
    return r;
}

int flash_attach(struct device *d, unsigned bank, const char *option, const char *path, struct err *e)
{
    struct flash *f = flash_of(d);
    uint64_t len = 0;
    int fd, r = open_image(option, path, &fd, &len, e);

    if (r == 0 && len)
        r = flash_load(d, bank, option, path, e);
    if (r < 0) {
        if (fd >= 0)
            close(fd);
        return r;
    }
    f->bank[bank].fd = fd;
    f->bank[bank].path = path;
    f->bank[bank].file_len = len;
    return 0;
}

/* --- Life ----------------------------------------------------------------------------------------------------------- */

/* cfi-flash binding: bank-width in bytes. */
static void flash_fdt_node(const struct device *d, struct fdt_ctx *f)
{
    struct dt_range r[FLASH_NR_BANKS];

    for (unsigned i = 0; i < FLASH_NR_BANKS; i++)
        r[i] = (struct dt_range){d->base + i * FLASH_BANK_LEN, FLASH_BANK_LEN};
    dt_begin_at(f, "flash", d->base);
    dt_string(f, "compatible", "cfi-flash");
    dt_reg(f, r, FLASH_NR_BANKS);
    dt_u32(f, "bank-width", BUS_WIDTH);
    dt_end(f);
}

/* The contents stay. */
static void flash_reset(struct device *d)
{
    struct flash *f = flash_of(d);

    for (unsigned i = 0; i < FLASH_NR_BANKS; i++) {
        set_mode(f, i, MODE_ARRAY);
        f->s[i] = (struct bank_state){.mode = MODE_ARRAY, .status = SR_READY};
    }
}

static void flash_destroy(struct device *d)
{
    struct flash *f = flash_of(d);

    for (unsigned i = 0; i < FLASH_NR_BANKS; i++)
        if (f->bank[i].fd >= 0)
            close(f->bank[i].fd);
    pthread_mutex_destroy(&d->lock);
    free(f);
}

/* What the banks hold is memory's. */
static void flash_snap(struct device *d, struct snap *s)
{
    struct flash *f = flash_of(d);

    for (unsigned i = 0; i < FLASH_NR_BANKS; i++) {
        struct bank_state *b = &f->s[i];
        uint8_t mode = b->mode;
        snap_part(s, "bank", (int)i);
        snap_numbers(s, "mode", &mode, 1, 1, MODE_QUERY);
        if (s->loading && !s->failed)
            set_mode(f, i, mode);
        SNAP(s, b, expect, EXPECT_PROGRAM);
        SNAP_ANY(s, b, status);
        SNAP(s, b, words_left, BUFFER_LEN / BUS_WIDTH);
        SNAP_BOOL(s, b, buffer_placed);
        SNAP(s, b, buffer_at, FLASH_BANK_LEN - BUFFER_LEN);
        SNAP_ARRAY(s, b, buffer, UINT8_MAX);
        if (s->loading && !s->failed &&
            (b->buffer_at % BUFFER_LEN || (b->expect == EXPECT_WORDS && !b->words_left)))
            snap_fail(s, "a write buffer that cannot be");
        snap_file(s, "file", f->bank[i].fd, f->bank[i].path);
    }
}

static const struct device_class flash_class = {
    .name = "flash",
    .read = flash_read,
    .write = flash_write,
    .reset = flash_reset,
    .destroy = flash_destroy,
    .fdt_node = flash_fdt_node,
    .snap = flash_snap,
};

struct device *flash_create(gpa_t base, const struct flash_config *cfg, struct err *e)
{
    struct flash *f = calloc(1, sizeof(*f));

    if (!f) {
        err_set(e, ENOMEM, "out of memory for the flash");
        return NULL;
    }
    device_init(&f->dev, &flash_class, base, FLASH_NR_BANKS * FLASH_BANK_LEN);
    f->cfg = *cfg;
    for (unsigned i = 0; i < FLASH_NR_BANKS; i++) {
        const struct ram_region *r = ram_find(cfg->ram, base + i * FLASH_BANK_LEN);
        BUG_ON(!r || r->base != base + i * FLASH_BANK_LEN || r->len != FLASH_BANK_LEN);
        f->bank[i].mem = r->host;
        f->bank[i].fd = -1;
        f->s[i].status = SR_READY;
    }
    return &f->dev;
}
