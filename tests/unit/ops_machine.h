/* One CPU of the software kind over a megabyte of RAM, for tests that run single instructions. Included by one program each. */
#ifndef VIBE_TESTS_OPS_MACHINE_H
#define VIBE_TESTS_OPS_MACHINE_H

#include "cpu/interp.h"
#include "mem/ram.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* --- A machine of one megabyte, 4 KiB pages, addresses as they are ---------------------------------------------------- */

#define RAM_BASE UINT64_C(0x40000000)
#define CODE (RAM_BASE + 0x10000)
#define DATA (RAM_BASE + 0x20000) /* two pages side by side, then: */
#define UNMAPPED (RAM_BASE + 0x22000)
#define DATA2 (RAM_BASE + 0x23000)
#define READ_ONLY (RAM_BASE + 0x24000)
#define DATA_EL0 (RAM_BASE + 0x25000)
#define DEVICE (RAM_BASE + 0x26000) /* RAM mapped as Device-nGnRnE */
#define BUS (RAM_BASE + 0x27000)    /* maps to where no RAM is */
#define BUS_PA UINT64_C(0x09000000)

#define DIRTY UINT64_C(0xdead5eed0badf00d) /* of registers that must be written, or must not */
#define ONES (~UINT64_C(0))
#define MIN64 (UINT64_C(1) << 63)
#define MAX64 (MIN64 - 1)

static struct ram ram;
static struct cpu_cluster cluster;
static struct cpu *c;
static struct a64_insn code[PAGE_INSNS + 1];
static struct {
    unsigned nr;
    gpa_t gpa;
    unsigned size;
    bool write;
    uint64_t val;
} bus;

static bool mmio(void *opaque, gpa_t gpa, unsigned size, bool write, uint64_t *val)
{
    (void)opaque;
    bus.nr++;
    bus.gpa = gpa;
    bus.size = size;
    bus.write = write;
    if (write)
        bus.val = *val;
    else
        *val = UINT64_C(0x8182838485868788);
    return gpa < BUS_PA + 0x800;
}

static const struct cpu_ops ops = {.mmio = mmio};

static inline void *host(gva_t va)
{
    return ram_ptr(&ram, va, 1, true);
}

static inline uint64_t peek(gva_t va)
{
    uint64_t v;
    memcpy(&v, host(va), 8);
    return v;
}

static inline void poke(gva_t va, uint64_t v)
{
    memcpy(host(va), &v, 8);
}

/* Where a page's descriptor is. */
#define DESCRIPTOR_OF(va) (RAM_BASE + 0x2000 + (((va)-RAM_BASE) >> 12) * 8)

static inline void map(gva_t va, gpa_t pa, unsigned ap, unsigned attr)
{
    poke(DESCRIPTOR_OF(va), pa | 3 | attr << 2 | ap << 6 | 3 << 8 | 1 << 10);
}

#define RAM_END (RAM_BASE + (1 << 20))

/* All of the gigabyte by one descriptor of level 1, for EL1 alone; beyond RAM there is nothing. */
static inline void map_as_block(void)
{
    poke(RAM_BASE + 8, RAM_BASE | 1 | 3 << 8 | 1 << 10);
}

static inline struct cpu *new_cpu(void)
{
    struct cpu *n = cpu_create(&cluster, &ram, 0, &ops, NULL, 0);

    assert_non_null(n);
    SYS(&n->st, MAIR_EL1) = 0x00ff;
    SYS(&n->st, TCR_EL1) = 25 | 25 << 16 | 1 << 23;
    SYS(&n->st, TTBR0_EL1) = RAM_BASE;
    SYS(&n->st, SCTLR_EL1) |= 1;
    n->st.daif = 0;
    n->st.nzcv = 0;
    cpu_state_changed(n);
    return n;
}

static inline int setup(void **state)
{
    struct err e;

    (void)state;
    memset(&cluster, 0, sizeof(cluster));
    if (ram_init(&ram, &e) || ram_add(&ram, RAM_BASE, RAM_END - RAM_BASE, RAM_KIND_RAM, &e))
        return -1;
    poke(RAM_BASE + 8, (RAM_BASE + 0x1000) | 3); /* level 1: the second gigabyte */
    poke(RAM_BASE + 0x1000, (RAM_BASE + 0x2000) | 3);
    for (gva_t va = RAM_BASE; va < RAM_END; va += 4096)
        map(va, va, 0, 0);
    poke(DESCRIPTOR_OF(UNMAPPED), 0);
    map(READ_ONLY, READ_ONLY, 2, 0);
    map(DATA_EL0, DATA_EL0, 1, 0);
    map(DEVICE, DEVICE, 0, 1);
    map(BUS, BUS_PA, 0, 1);
    memset(&bus, 0, sizeof(bus));
    c = new_cpu();
    for (unsigned i = 0; i < 31; i++)
        c->st.x[i] = DIRTY + i;
    c->st.x[REG_SP] = DATA + 0x800;
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < cluster.nr_cpus; i++)
        cpu_destroy(cluster.cpu[i]);
    ram_destroy(&ram);
    return 0;
}

/* Runs one instruction at CODE. False: it faulted, and left the reason. */
static inline bool step_on(struct cpu *on, struct a64_insn *at, uint32_t word)
{
    a64_decode(word, at);
    on->code.insns = at;
    on->code.va = CODE;
    const struct a64_insn *next = at->fn(on, at);

    assert_int_equal(on->st.x[REG_ZERO], 0);
    if (next) {
        assert_ptr_equal(next, at + 1);
        return true;
    }
    if (on->leave == CPU_LEAVE_RESYNC) { /* done, and something about the CPU changed */
        assert_int_equal(on->st.pc, CODE + 4);
        on->leave = CPU_LEAVE_NONE;
        return true;
    }
    assert_int_equal(on->leave, CPU_LEAVE_EXCEPTION);
    assert_int_equal(on->exc.type, EXC_SYNC);
    assert_int_equal(on->exc.ret, CODE);
    return false;
}

static inline bool step(uint32_t word)
{
    return step_on(c, code, word);
}

static inline void run(uint32_t word)
{
    assert_true(step(word));
}

/* The instruction takes a data abort with this fault status, at this address. */
static inline void aborts(uint32_t word, unsigned fsc, gva_t far, bool write)
{
    assert_false(step(word));
    const unsigned ec = (unsigned)(c->exc.esr >> 26);
    assert_true(ec == EC_DABT_LOWER || ec == EC_DABT_SAME);
    assert_int_equal(c->exc.esr & 0x3f, fsc);
    assert_int_equal(!!(c->exc.esr & ISS_DABT_WNR), write);
    assert_int_equal(c->exc.far, far);
}
#define TRANSLATION_3 (FSC_TRANSLATION | 3)
#define PERMISSION_3 (FSC_PERMISSION | 3)

#define X(n) c->st.x[n]

#endif
