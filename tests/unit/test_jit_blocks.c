/* Random programs through the translator, each run of translated code compared with the interpreter (cpu/jit/check.c): with everything on,
 * with each pass off, without what the host's processor may lack, with registers given out at random, with every access by the slow path.
 *
 * VIBE_JIT_PROGRAMS: programs in each way (60). VIBE_JIT_SEED: the seed, which is printed. A difference ends the test with both states and a line
 * that tells how to run that machine's programs alone: VIBE_JIT_REPLAY=.... VIBE_JIT_DUMP: translations of that address are shown. */
#include "base/os.h"
#include "cpu/cpu_internal.h"
#include "cpu/jit/jit_internal.h"
#include "cpu/sysops.h"

#include "gen/sysreg_fields.h"

#include "jit_machine.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LEN 64u

static uint64_t seed, machine_seed;
static struct jit_options how;
static bool one_block;                                  /* all memory is mapped by one descriptor */
static uint64_t nr_programs_run, nr_blocks, nr_checked; /* programs, their translated blocks, comparisons */

static uint64_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * UINT64_C(0x2545f4914f6cdd1d) >> 8;
}

static unsigned below(unsigned n)
{
    return (unsigned)(rnd() % n);
}

/* Registers: x16..x23 point to memory and x24..x27 are small; none of them is written but by write-back. The others are anybody's. */
static unsigned pointer_register(void)
{
    const unsigned r = below(9);
    return r == 8 ? 31 : 16 + r; /* 31: SP */
}

static bool wanted(unsigned kind)
{
    return kind == A64_KIND_ALU || kind == A64_KIND_LOAD || kind == A64_KIND_STORE ||
           kind == A64_KIND_LITERAL || kind == A64_KIND_BRANCH || kind == A64_KIND_ATOMIC ||
           kind == A64_KIND_EXCLUSIVE || kind == A64_KIND_SIMD || kind == A64_KIND_FP ||
           kind == A64_KIND_PAC;
}

/* Offsets of branches, and of loads relative to the PC, stay near. */
static uint32_t aim(uint32_t word, unsigned row, unsigned at, unsigned len)
{
    const int offset = (int)below(len + 1) - (int)at;

    switch (row) {
    case A64_ROW_B_only_branch_imm:
    case A64_ROW_BL_only_branch_imm: return with(word, 0, 26, (uint32_t)offset);
    case A64_ROW_TBZ_only_testbranch:
    case A64_ROW_TBNZ_only_testbranch: return with(word, 5, 14, (uint32_t)offset);
    case A64_ROW_B_only_condbranch:
    case A64_ROW_CBZ_compbranch:
    case A64_ROW_CBNZ_compbranch: return with(word, 5, 19, (uint32_t)offset);
    default:
        return a64_rows[row].kind == A64_KIND_LITERAL ? with(word, 5, 19, (uint32_t)(offset & ~1)) : word;
    }
}

static bool is_memory(unsigned kind)
{
    return kind == A64_KIND_LOAD || kind == A64_KIND_STORE || kind == A64_KIND_ATOMIC ||
           kind == A64_KIND_EXCLUSIVE;
}

/* What most of a program is made of. */
static enum { INTEGER, FLOATING, VECTORS_TOO, ONE_ROW } flavour;
static unsigned one_row; /* of floating point: all of the program */

static bool is_vector(const struct a64_row_info *info)
{
    return strstr(info->heading, "SIMD") || strstr(info->heading, "Cryptographic");
}

static bool in_flavour(const struct a64_row_info *info)
{
    const bool fp = info->kind == A64_KIND_FP;
    const bool vector = info->kind == A64_KIND_SIMD || (!fp && is_vector(info));

    switch (flavour) {
    case FLOATING: return fp || !below(vector ? 16 : 8);
    case VECTORS_TOO: return vector || !below(fp ? 16 : 8);
    default: return (!fp && !vector) || !below(8);
    }
}

/* A store-exclusive to where the last load-exclusive was, so that some find the monitor as they want it. */
static uint32_t store_exclusive_after(uint32_t load)
{
    const uint32_t word = with(load & ~(1u << 22), 16, 5, 12 + below(4)); /* bit 22: load; Rs */
    return with(word, 0, 5, below(12));
}

/* MRS, MSR of registers and PSTATE, DC ZVA, hints with keys: what a word at random would seldom be. */
static uint32_t system_word(void)
{
    static const uint32_t hints[] = {0xd503233f, 0xd50323bf, 0xd503237f, 0xd50323ff, 0xd503211f,
                                     0xd503219f, 0xd50320ff, 0xd5033f9f, 0xd503309f, 0xd5033f5f};
    static const uint16_t fields[] = {PSTATE_UAO, PSTATE_PAN,     PSTATE_SSBS,
                                      PSTATE_DIT, PSTATE_DAIFSET, PSTATE_DAIFCLR};

    switch (below(8)) {
    case 0: {
        const unsigned f = below(64) ? fields[below(ARRAY_LEN(fields))] : PSTATE_SPSEL;
        return 0xd500401f | f >> 3 << 16 | below(16) << 8 | (f & 7) << 5;
    }
    case 1: return 0xd50b7420 | (below(16) ? 16 + below(8) : below(32)); /* DC ZVA */
    case 2: return hints[below(ARRAY_LEN(hints))];
    default: break;
    }
    for (;;) {
        const struct sysreg_desc *d = &sysreg_table[below(sysreg_table_len)];
        const bool read = below(2);
        /* The others would leave, or what the program runs on might change. */
        if (d->home == HOME_BOARD || d->home == HOME_COUNTER || d->id == SR_ISR_EL1 || d->id == SR_SPSel)
            continue;
        if (!read && (d->effects & ~EFFECT_IRQ))
            continue;
        if ((read ? d->read_el : d->write_el) > 1 && below(16)) /* UNDEFINED */
            continue;
        if (below(2) && d->id != SR_SP_EL0 && d->home != HOME_STATE) /* the more common ones more often */
            continue;
        return 0xd5100000 | (read ? 1u << 21 : 0) | (uint32_t)d->encoding << 5 |
               (below(8) ? below(16) : 31);
    }
}

/* CMP of register n with one that is small, or with a number, of 32 bits or 64. */
static uint32_t bounding(unsigned n)
{
    const unsigned small = 24 + below(4), sf = below(2);

    if (!below(4))
        return 0x7100001f | sf << 31 | below(64) << 10 | n << 5;
    return 0x6b00001f | sf << 31 | (below(2) ? small << 16 | n << 5 : n << 16 | small << 5);
}

static uint32_t random_word(unsigned at, unsigned len)
{
    if (!below(flavour == INTEGER ? 12 : 32))
        return system_word();
    static uint32_t last_exclusive, last_aes, other_half;
    static bool last_compares_if, last_bounds;
    static unsigned bounded; /* the register that was compared last with one that is small */

    if (last_exclusive && flavour != ONE_ROW && !below(4)) {
        const uint32_t word = store_exclusive_after(last_exclusive);
        last_exclusive = 0;
        return word;
    }
    if (flavour == FLOATING && !below(24)) { /* MSR FPCR, MRS FPSR, MSR FPSR */
        static const uint32_t access[] = {0xd51b4400, 0xd53b4420, 0xd51b4420};
        return access[below(3)] | 24 | below(3);
    }
    if (last_aes) { /* AESMC or AESIMC of the same register belongs to it */
        const uint32_t word = 0x4e286800 | (last_aes & 1u << 12) | (last_aes & 31) * 33;
        last_aes = 0;
        return word;
    }
    if (other_half) { /* of a product: UMULH behind MUL, or before it */
        const uint32_t word = other_half | below(16);
        other_half = 0;
        return word;
    }
    if (flavour == INTEGER && !below(48)) {
        const uint32_t operands = below(32) << 16 | below(32) << 5,
                       first = below(2) ? 0x9b007c00 : 0x9bc07c00;
        other_half = (first ^ 0x00c00000) | operands;
        return first | operands | below(16);
    }
    if (flavour == INTEGER && !below(16)) {
        last_bounds = true;
        bounded = below(16);
        return bounding(bounded);
    }
    if (last_bounds) { /* CS, CC, HI or LS; or something comes between the two */
        if (!below(8))
            return below(2) ? 0x91000400 | bounded * 33
                            : 0x91000400 | (24 + below(4)) * 33; /* add xn, xn, #1 */
        last_bounds = false;
        return aim(0x54000000 | (2 | below(2) | below(2) << 3), A64_ROW_B_only_condbranch, at, len);
    }
    if (last_compares_if) { /* a branch on it, and two conditions are one */
        last_compares_if = false;
        if (below(2))
            return aim(0x54000000 | below(14), A64_ROW_B_only_condbranch, at, len);
    }
    for (;;) {
        const unsigned row = flavour == ONE_ROW ? one_row : below(A64_NR_ROWS);
        const struct a64_row_info *info = &a64_rows[row];
        if (flavour != ONE_ROW && (!wanted(info->kind) || !in_flavour(info)))
            continue;
        uint32_t word = info->value | ((uint32_t)rnd() & ~info->mask);
        word = (word & ~info->should_mask) | info->should_value;
        if (is_memory(info->kind))
            word = with(with(word, 5, 5, pointer_register()), 16, 5,
                        below(2)   ? bounded
                        : below(2) ? (word >> 16 & 31)
                                   : 24 + below(4));
        word = aim(word, row, at, len);
        struct a64_insn i;
        if (a64_find_row(word) != row)
            continue;
        /* Write what may be written. Which fields are registers, the operands tell: a register's number stands where it is set. */
        a64_decode(word, &i);
        bool good = true;
        for (const struct a64_operand *o = a64_operands[row]; o->offset != 0xff; o++) {
            const unsigned slot = ((const uint8_t *)&i.u)[o->offset];
            const bool pointer = slot == REG_SP || (slot >= 16 && slot < 28);
            if (!(o->use & A64_USE_VECTOR) && (o->use & A64_USE_WRITE) && pointer &&
                !is_memory(info->kind))
                good = false;
        }
        if (is_memory(info->kind)) {
            const unsigned t = word & 31, t2 = word >> 10 & 31, n = word >> 5 & 31, s = word >> 16 & 31;
            good = t != n && t != t2 && t2 != n && s != t && s != n && (t < 16 || t == 31);
        }
        if (info->kind == A64_KIND_BRANCH &&
            (row == A64_ROW_RET_64R_branch_reg || row == A64_ROW_BR_64_branch_reg ||
             row == A64_ROW_BLR_64_branch_reg))
            word = with(word, 5, 5, below(2) ? 30 : 27);
        if (good && (row == A64_ROW_LDXR_ldstexclr || row == A64_ROW_LDXP_ldstexclp))
            last_exclusive = word;
        last_compares_if =
            good && (row == A64_ROW_CCMP_condcmp_reg || row == A64_ROW_CCMP_condcmp_imm ||
                     row == A64_ROW_CCMN_condcmp_reg || row == A64_ROW_CCMN_condcmp_imm);
        if (good && (row == A64_ROW_AESE_cryptoaes || row == A64_ROW_AESD_cryptoaes) && below(4))
            last_aes = word;
        if (good)
            return word;
    }
}

static uint64_t edge(void)
{
    static const uint64_t v[] = {0,
                                 1,
                                 2,
                                 31,
                                 32,
                                 63,
                                 64,
                                 0x7f,
                                 0x80,
                                 0xff,
                                 0x7fff,
                                 0x8000,
                                 0x7fffffff,
                                 0x80000000u,
                                 0xffffffffu,
                                 UINT64_C(0x100000000),
                                 UINT64_C(0x7fffffffffffffff),
                                 UINT64_C(0x8000000000000000),
                                 UINT64_C(0x8000000000000400), /* halfway between doubles, singles */
                                 UINT64_C(0x8000008000000000),
                                 UINT64_MAX};
    return below(2) ? v[below(ARRAY_LEN(v))] + (below(4) ? 0 : below(3) - 1) : rnd() << 8 ^ rnd();
}

/* Two singles or a double, of the kinds that there are. */
static uint64_t number(void)
{
    static const uint64_t doubles[] = {0,
                                       UINT64_C(0x8000000000000000),
                                       UINT64_C(0x3ff0000000000000),
                                       UINT64_C(0x7ff0000000000000),
                                       UINT64_C(0x7ff8000000001234),
                                       UINT64_C(0x7ff0000000005678),
                                       UINT64_C(0x0010000000000000),
                                       UINT64_C(0x000fffffffffffff),
                                       UINT64_C(0x43e0000000000000),
                                       UINT64_C(0x41e0000000000000),
                                       UINT64_C(0x7fefffffffffffff)};
    static const uint32_t singles[] = {0,          0x80000000, 0x3f800000, 0x7f800000,
                                       0x7fc01234, 0x7f801234, 0x00800000, 0x007fffff,
                                       0x5f000000, 0x4f000000, 0x7f7fffff};
    const unsigned kind = below(10), zeros = below(53);

    if (kind == 8) /* a double up to 2^64, of as many bits */
        return ((uint64_t)(1023 - 70 + below(140)) << 52 | (rnd() & mask64(52) & ~mask64(zeros))) ^
               (uint64_t)below(2) << 63;
    if (kind == 9) {
        const uint32_t single = (127u - 70 + below(140)) << 23 |
                                ((uint32_t)rnd() & 0x7fffff & ~(uint32_t)mask64(zeros % 24));
        return (uint64_t)single << below(2) * 32 ^ (uint64_t)below(2) << 63;
    }
    if (kind == 0)
        return doubles[below(ARRAY_LEN(doubles))] ^ (uint64_t)below(2) << 63;
    if (kind == 1)
        return (uint64_t)singles[below(ARRAY_LEN(singles))] << (below(2) ? 32 : 0) |
               (below(2) ? singles[below(ARRAY_LEN(singles))] : 0);
    if (kind < 5) /* near 1, with few or many bits */
        return ((UINT64_C(0x3f00000000000000) + (rnd() & UINT64_C(0x00ffffffffffffff))) &
                ~mask64(below(2) ? 0 : 40)) ^
               (uint64_t)below(2) << 63;
    if (kind < 7)
        return (0x3f000000u + ((uint64_t)rnd() & 0x01ffffffu)) |
               (below(2) ? UINT64_C(0x3f80000000000000) : 0);
    return edge();
}

static void random_state(unsigned len)
{
    struct pe_state *s = &c->st;

    for (unsigned i = 0; i < 31; i++)
        do
            s->x[i] = edge();
        while (s->x[i] - RAM_BASE < 0x3000); /* not the tables, which no comparison follows */
    for (unsigned i = 16; i < 24; i++)
        s->x[i] = (below(4)   ? DATA
                   : below(2) ? DATA_EL0
                              : (one_block ? RAM_END - 0x800 : UNMAPPED) - 64) +
                  0x800 + below(64) * (below(4) ? 16 : 1);
    for (unsigned i = 24; i < 27; i++)
        s->x[i] = below(32);
    if (flavour == FLOATING) /* for FPCR */
        s->x[24 + below(3)] = below(4) << 22 | (below(2) ? 0 : FPCR_FZ);
    s->x[27] = PROGRAM + below(len) * 4;
    s->x[30] = PROGRAM + below(len) * 4;
    s->x[REG_SP] = DATA + 0x400 + below(32) * 16 + (below(64) ? 0 : 8);
    for (unsigned i = 0; i < 32; i++)
        for (unsigned k = 0; k < 2; k++)
            s->v[i].d[k] = flavour == FLOATING || flavour == ONE_ROW ? number()
                           : below(4) || !k                          ? edge()
                                                                     : 0;
    s->fpsr = 0;
    s->fpcr = (flavour != FLOATING && flavour != ONE_ROW) || below(4)
                  ? 0
                  : (uint32_t)(rnd() & (below(2)   ? FPCR_RMode
                                        : below(2) ? FPCR_RMode | FPCR_FZ
                                                   : FPCR_RMode | FPCR_FZ | FPCR_DN));
    s->nzcv = (uint32_t)rnd() & 0xf0000000u;
    s->btype = 0;
    s->el = !(SYS(s, SCTLR_EL1) & SCTLR_EL1_M) && !below(4) ? 0 : 1;
    s->sp_sel = s->el;
    s->misc = below(4) ? 0 : (below(2) ? PSR_PAN : 0) | (below(2) ? PSR_UAO : 0);
    s->pc = PROGRAM;
    SYS(s, VBAR_EL1) = VECTORS;
    cpu_state_changed(c);
}

static unsigned nr_left;

static void out_of_time(void *opaque)
{
    (void)opaque;
    nr_left++;
    cpu_kick(c);
}

static void run_once(void)
{
    static struct cpu_ops timed;

    timed = ops;
    timed.deadline = out_of_time;
    c->ops = &timed;
    cpu_set_deadline(c, os_now_ns() + 40000);
    cpu_run(c);
    cpu_set_deadline(c, UINT64_MAX);
    atomic_store(&c->events, 0);
}

static void end_machine(void)
{
    void *none = NULL;

    nr_checked += c->nr_checked;
    nr_blocks += jit_statistics(c->jit)->nr_blocks;
    teardown(&none);
}

static void programs(const struct jit_options *opt, unsigned nr)
{
    void *none = NULL;

    for (unsigned n = 0; n < nr; n++) {
        if (n % 16 == 0) { /* a new machine now and then: its caches are empty */
            if (n)
                end_machine();
            machine_seed = seed;
            how = *opt;
            setup(&none);
            one_block = below(2);
            if (one_block)
                map_as_block();
            for (unsigned i = 0; i < 0x800; i += 4)
                memcpy(host(VECTORS + i), &(uint32_t){HVC}, 4);
            jit_attach(c, opt);
            assert_non_null(c->jit);
            keep_trap_handler();
        }
        const unsigned len = 4 + below(MAX_LEN - 4);
        flavour = below(4);
        do
            one_row = below(A64_NR_ROWS);
        while (a64_rows[one_row].kind != A64_KIND_FP);
        SYS(&c->st, SCTLR_EL1) = (SYS(&c->st, SCTLR_EL1) & ~UINT64_C(0xf)) | (below(4) ? 1 : 0) |
                                 (below(4) ? 0 : 2) | (below(4) ? 8 : 0);
        for (unsigned i = 0; i < 4; i++) { /* keys */
            static const uint64_t enable[] = {SCTLR_EL1_EnIA, SCTLR_EL1_EnIB, SCTLR_EL1_EnDA,
                                              SCTLR_EL1_EnDB};
            SYS(&c->st, SCTLR_EL1) = (SYS(&c->st, SCTLR_EL1) & ~enable[i]) | (below(2) ? enable[i] : 0);
        }
        SYS(&c->st, SCTLR_EL1) =
            (SYS(&c->st, SCTLR_EL1) & ~SCTLR_EL1_DZE) | (below(2) ? SCTLR_EL1_DZE : 0);
        SYS(&c->st, CPACR_EL1) = below(8) ? UINT64_C(3) << 20 : 0;
        uint32_t program[MAX_LEN + 1];
        for (unsigned i = 0; i < len; i++)
            program[i] = random_word(i, len);
        program[len] = HVC;
        for (unsigned i = 0; i < 16; i++) {
            random_state(len);
            /* It may have written to itself, and who sees that without IC IVAU is not said. */
            if (!i || memcmp(host(PROGRAM), program, 4 * (len + 1)) != 0) {
                memcpy(host(PROGRAM), program, 4 * (len + 1));
                icache_flush_pa(c, PROGRAM, 4 * (len + 1));
            }
            run_once();
            if (i == 1) { /* the beginning, too, which nothing may branch to */
                random_state(len);
                if (tlb_translate_fetch(c, PROGRAM))
                    jit_hot(c, PROGRAM);
            }
        }
    }
    end_machine();
    nr_programs_run += nr;
}

/* That something was compared at all. */
static int enough_checked(void **state)
{
    (void)state;
    printf("%llu programs, %llu blocks, %llu comparisons\n", (unsigned long long)nr_programs_run,
           (unsigned long long)nr_blocks, (unsigned long long)nr_checked);
    return nr_checked > nr_programs_run / 2 ? 0 : -1;
}

static unsigned nr_programs(void)
{
    const char *n = getenv("VIBE_JIT_PROGRAMS");
    return n ? (unsigned)strtoul(n, NULL, 0) : 60;
}

static void all_on(void **state)
{
    (void)state;
    programs(&(struct jit_options){.check = true, .threshold = 1}, nr_programs() * 4);
}

static void without_each_pass(void **state)
{
    (void)state;
    for (unsigned p = 0; p < JIT_NR_PASSES; p++)
        programs(&(struct jit_options){.check = true, .threshold = 1, .passes_off = 1u << p},
                 nr_programs());
    programs(&(struct jit_options){.check = true, .threshold = 1, .passes_off = UINT32_MAX},
             nr_programs());
}

static void without_host_features(void **state)
{
    (void)state;
    for (unsigned i = 0; i < jit_nr_host_features; i++)
        programs(&(struct jit_options){.check = true, .threshold = 1, .host_off = 1u << i},
                 nr_programs() / 2 + 1);
    programs(&(struct jit_options){.check = true, .threshold = 1, .host_off = UINT32_MAX},
             nr_programs());
}

static void registers_at_random(void **state)
{
    (void)state;
    programs(&(struct jit_options){.check = true, .threshold = 1, .random_registers = true},
             nr_programs());
}

static void slow_memory(void **state)
{
    (void)state;
    programs(&(struct jit_options){.check = true, .threshold = 1, .slow_memory = true}, nr_programs());
}

static void small_cache(void **state)
{
    (void)state;
    programs(&(struct jit_options){.check = true, .threshold = 1, .code_len = JIT_CODE_LEN_MIN},
             nr_programs());
}

static void replay_line(int sig)
{
    printf("VIBE_JIT_REPLAY=%#llx,%#x,%#x,%d,%d,%u\n", (unsigned long long)machine_seed,
           how.passes_off, how.host_off, how.random_registers, how.slow_memory, how.code_len);
    fflush(stdout);
    signal(sig, SIG_DFL);
    raise(sig);
}

static void replay(const char *text)
{
    struct jit_options o = {.check = true, .threshold = 1};
    char *p;

    seed = strtoull(text, &p, 0);
    o.passes_off = (uint32_t)strtoul(p + 1, &p, 0);
    o.host_off = (uint32_t)strtoul(p + 1, &p, 0);
    o.random_registers = strtoul(p + 1, &p, 0);
    o.slow_memory = strtoul(p + 1, &p, 0);
    o.code_len = (uint32_t)strtoul(p + 1, &p, 0);
    if (getenv("VIBE_JIT_DUMP")) {
        o.dump = true;
        o.dump_pc = strtoull(getenv("VIBE_JIT_DUMP"), NULL, 0);
    }
    programs(&o, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_on),
        cmocka_unit_test(without_each_pass),
        cmocka_unit_test(without_host_features),
        cmocka_unit_test(registers_at_random),
        cmocka_unit_test(slow_memory),
        cmocka_unit_test(small_cache),
    };

    if (!jit_available()) {
        printf("SKIP test_jit_blocks: no translator for this host\n");
        return 0;
    }
    os_random(&seed, sizeof(seed));
    if (getenv("VIBE_JIT_SEED"))
        seed = strtoull(getenv("VIBE_JIT_SEED"), NULL, 0);
    seed |= 1;
    signal(SIGABRT, replay_line);
    signal(SIGSEGV, replay_line);
    if (getenv("VIBE_JIT_REPLAY")) {
        replay(getenv("VIBE_JIT_REPLAY"));
        return 0;
    }
    printf("seed %#llx\n", (unsigned long long)seed);
    fflush(stdout);
    return cmocka_run_group_tests(tests, NULL, enough_checked);
}
