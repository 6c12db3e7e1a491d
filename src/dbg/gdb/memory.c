/* Memory as a debugger asks for it. Never a device: those are read by the guest alone. */
#include "dbg/gdb/session.h"

#include "arch/sysreg.h"
#include "base/bits.h"
#include "mem/ram.h"
#include "vm/vm_internal.h"

#include <errno.h>
#include <string.h>

/* A request may walk through so much: gdb's patience, and ours. */
#define SEARCH_MAX (UINT64_C(1) << 30)
#define PIECE 4096u

/* The physical address of a program's, for the session's space. */
static bool translate_el0(struct gdb_session *s, const struct pe_state *regime, gva_t va, gpa_t *pa)
{
    const enum walk_access as[] = {WALK_READ, WALK_FETCH};
    struct walk_result w;

    for (unsigned i = 0; i < ARRAY_LEN(as); i++) {
        const struct walk_request rq = {.va = va, .access = as[i], .el0 = true, .no_update = true};
        if (vm_walk(s->vm, regime, &rq, &w)) {
            *pa = w.pa;
            return true;
        }
    }
    return false;
}

static size_t access_el0(struct gdb_session *s, uint64_t addr, void *to, const void *from, size_t len)
{
    struct pe_state regime;
    size_t done = 0;
    gpa_t pa;

    if (session_regime(s, s->general, &regime))
        return 0;
    while (done < len) {
        const size_t n = MIN(len - done, (size_t)(PIECE - (addr + done) % PIECE));
        if (!translate_el0(s, &regime, addr + done, &pa))
            break;
        const size_t did =
            to ? vm_read_memory(s->vm, s->general, VM_SPACE_PHYSICAL, pa, (uint8_t *)to + done, n)
               : vm_write_memory(s->vm, s->general, VM_SPACE_PHYSICAL, pa,
                                 (const uint8_t *)from + done, n);
        done += did;
        if (did < n)
            break;
    }
    return done;
}

int session_regime(struct gdb_session *s, unsigned index, struct pe_state *regime)
{
    const int r = vm_get_regime(s->vm, index, regime);

    if (!r && s->has_ttbr0)
        sysreg_write(regime, sysreg_of_id(SR_TTBR0_EL1), s->ttbr0);
    return r;
}

/* Into `to`, or from `from`, as the session sees memory. */
static size_t access_memory(struct gdb_session *s, uint64_t addr, void *to, const void *from, size_t len)
{
    const enum vm_space space = s->space == GDB_SPACE_PHYSICAL ? VM_SPACE_PHYSICAL : VM_SPACE_VIRTUAL;
    const vcpu_set_t held = run_hold_one(s, s->general);
    const size_t n = s->space == GDB_SPACE_EL0 ? access_el0(s, addr, to, from, len)
                     : to ? vm_read_memory(s->vm, s->general, space, addr, to, len)
                          : vm_write_memory(s->vm, s->general, space, addr, from, len);

    vm_release(s->vm, held);
    return n;
}

size_t memory_read(struct gdb_session *s, uint64_t addr, void *buf, size_t len)
{
    return access_memory(s, addr, buf, NULL, len);
}

size_t memory_write(struct gdb_session *s, uint64_t addr, const void *buf, size_t len)
{
    return access_memory(s, addr, NULL, buf, len);
}

static bool eat_range(const char **p, uint64_t *addr, uint64_t *len)
{
    return gdb_hex_number(p, addr) && eat(p, ",") && gdb_hex_number(p, len);
}

static void read_packet(struct gdb_session *s, bool binary, uint64_t addr, uint64_t want)
{
    uint8_t buf[(GDB_PACKET_MAX - 1) / 2];
    const size_t len = (size_t)MIN(want, sizeof(buf)), n = memory_read(s, addr, buf, len);

    if (!n && len) {
        reply_error(s, EFAULT);
        return;
    }
    if (binary) {
        reply_put(s, "b", 1);
        reply_put(s, buf, n);
    } else {
        reply_hex(s, buf, n);
    }
    reply_send(s);
}

void memory_packet(struct gdb_session *s, char kind, const char *p, size_t len)
{
    static uint8_t buf[GDB_PACKET_MAX];
    const char *end = p + len;
    uint64_t addr, want;

    if (!eat_range(&p, &addr, &want) || (kind == 'M' || kind == 'X' ? !eat(&p, ":") : *p)) {
        reply_error(s, EINVAL);
        return;
    }
    if (kind == 'm' || kind == 'x') {
        read_packet(s, kind == 'x', addr, want);
        return;
    }
    const uint64_t given = (uint64_t)(end - p);
    if (want > sizeof(buf) ||
        (kind == 'X' ? want != given
                     : 2 * want != given || !gdb_hex_get(buf, (size_t)want, p, (size_t)given))) {
        reply_error(s, EINVAL);
        return;
    }
    if (kind == 'X')
        memcpy(buf, p, (size_t)want);
    if (memory_write(s, addr, buf, (size_t)want) == want)
        reply_ok(s);
    else
        reply_error(s, EFAULT);
}

/* gdb's own ("qCRC"): polynomial 0x04c11db7, the most significant bit first, all ones to begin with. table: of the bytes alone. */
static void make_crc_table(uint32_t table[256])
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i << 24;
        for (unsigned k = 0; k < 8; k++)
            crc = crc << 1 ^ (crc >> 31 ? UINT32_C(0x04c11db7) : 0);
        table[i] = crc;
    }
}

void memory_crc(struct gdb_session *s, const char *p)
{
    uint8_t buf[PIECE];
    uint32_t table[256], crc = UINT32_MAX;
    uint64_t addr, len;

    if (!eat_range(&p, &addr, &len) || *p || len > SEARCH_MAX) {
        reply_error(s, EINVAL);
        return;
    }
    make_crc_table(table);
    for (size_t n; len; addr += n, len -= n) {
        n = (size_t)MIN(len, sizeof(buf));
        if (memory_read(s, addr, buf, n) < n) {
            reply_error(s, EFAULT);
            return;
        }
        for (size_t i = 0; i < n; i++)
            crc = crc << 8 ^ table[crc >> 24 ^ buf[i]];
    }
    reply_printf(s, "C%x", crc);
    reply_send(s);
}

static const uint8_t *find_bytes(const uint8_t *in, size_t len, const uint8_t *what, size_t what_len)
{
    for (size_t i = 0; i + what_len <= len; i++) {
        const uint8_t *at = memchr(in + i, what[0], len - i - (what_len - 1));
        if (!at)
            return NULL;
        if (!memcmp(at, what, what_len))
            return at;
        i = (size_t)(at - in);
    }
    return NULL;
}

/* qSearch:memory:ADDR;LEN;PATTERN: pieces that overlap by what a pattern may reach over. */
void memory_search(struct gdb_session *s, const char *p, size_t len)
{
    enum { STEP = 16384, PATTERN_MAX = 4096 };
    static uint8_t buf[STEP + PATTERN_MAX], pattern[PATTERN_MAX];
    const char *end = p + len;
    uint64_t addr, left;

    if (!gdb_hex_number(&p, &addr) || !eat(&p, ";") || !gdb_hex_number(&p, &left) ||
        !eat(&p, ";") || p == end || (size_t)(end - p) > sizeof(pattern) || left > SEARCH_MAX) {
        reply_error(s, EINVAL);
        return;
    }
    const size_t pattern_len = (size_t)(end - p);
    memcpy(pattern, p, pattern_len);
    for (; left >= pattern_len; addr += STEP, left -= MIN(left, STEP)) {
        const size_t want = (size_t)MIN(left, STEP + pattern_len - 1),
                     n = memory_read(s, addr, buf, want);
        const uint8_t *at = n >= pattern_len ? find_bytes(buf, n, pattern, pattern_len) : NULL;
        if (at) {
            reply_printf(s, "1,%llx", (unsigned long long)addr + (size_t)(at - buf));
            reply_send(s);
            return;
        }
        if (n < want) {
            reply_error(s, EFAULT);
            return;
        }
    }
    reply_put(s, "0", 1);
    reply_send(s);
}
