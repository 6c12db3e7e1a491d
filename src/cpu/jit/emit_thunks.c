/* The code that all regions share: in, out, and to the C functions of site.c.
 *
 * Translated code runs on the thread's own stack. A call pushes the guest's return address and calls; a return that finds its address on top
 * of the stack returns, any other jumps. What is left on the stack when translated code comes back is dropped: nothing there outlives a
 * slice, which bounds the depth. */
#include "cpu/jit/emit.h"

/* What a C function may change and translated code may hold. */
static const uint8_t saved[] = {RSI, RDI, R8, R9, R10, R11, RBX, R12, R13, R14};
static const uint8_t callee_saved[] = {RBX, RBP, R12, R13, R14, R15};

/* What enter() has on the stack below those: an address twice, and where its own call comes back. */
#define ENTER_FRAME 24

static struct x64_mem frame(int reg)
{
    return x64_at(CPU, CPU_AT(jit_hot.frame) + reg * 8);
}

/* MOVUPS, which every x86-64 has. */
static void vector_registers(const struct jit *j, struct x64_buf *b, bool store)
{
    const uint32_t op = store ? 0x0f11 : 0x0f10;

    for (int i = 3; i < 16; i++)
        x64_rm(b, op, X_32, i, x64_at(CPU, CPU_AT(jit_hot.vframe) + i * 16));
    for (int i = 16; i < 32 && (j->host & JIT_HOST_AVX512); i++)
        x64_evex_rrm(b, op, false, i, 0, x64_at(CPU, CPU_AT(jit_hot.vframe) + i * 16));
}

static void frame_registers(struct x64_buf *b, bool store)
{
    for (unsigned i = 0; i < ARRAY_LEN(saved); i++) {
        if (store)
            x64_store(b, X_64, frame(saved[i]), saved[i]);
        else
            x64_load(b, X_64, saved[i], frame(saved[i]));
    }
}

/* Calls fn(cpu, RSI, RDX, RCX) on an aligned stack; the result is in RAX. Destroys RBX and what C destroys. */
static void call_c(struct x64_buf *b, uintptr_t fn)
{
    x64_store(b, X_64, x64_at(CPU, CPU_AT(jit_hot.budget)), BUDGET);
    x64_lea(b, X_64, RDI, x64_at(CPU, -JIT_BIAS));
    x64_mov_rr(b, X_64, RBX, RSP);
    x64_alu_ri(b, ALU_AND, X_64, RSP, -16);
    x64_mov_ri(b, RAX, fn);
    x64_rr(b, 0xff, X_32, 2, RAX);
    x64_mov_rr(b, X_64, RSP, RBX);
    x64_load(b, X_64, BUDGET, x64_at(CPU, CPU_AT(jit_hot.budget)));
}

/* To the address in RAX, or out if there is none. */
static void go_on(struct jit *j, struct x64_buf *b, bool registers, bool vectors)
{
    x64_test_rr(b, X_64, RAX, RAX);
    x64_jcc_to(b, CC_E, b->start + j->leave);
    if (registers)
        frame_registers(b, false);
    if (vectors)
        vector_registers(j, b, false);
    x64_rr(b, 0xff, X_32, 4, RAX);
}

/* fn(cpu, RCX, RDX, RAX) for translated code that calls it and loses no register but these. */
static void called(const struct jit *j, struct x64_buf *b, uintptr_t fn, bool vectors)
{
    frame_registers(b, true);
    if (vectors)
        vector_registers(j, b, true);
    x64_mov_rr(b, X_64, RSI, RCX);
    x64_mov_rr(b, X_32, RCX, RAX);
    call_c(b, fn);
    frame_registers(b, false);
    if (vectors)
        vector_registers(j, b, false);
    x64_byte(b, 0xc3);
}

static uint32_t here(struct x64_buf *b)
{
    while ((b->p - b->start) & 15)
        x64_byte(b, 0xcc);
    return (uint32_t)(b->p - b->start);
}

void jit_emit_thunks(struct jit *j, struct x64_buf *b)
{
    uint8_t *sentinel;

    /* STMXCSR, LDMXCSR */
    j->load_fp = here(b);
    x64_rm(b, 0x0fae, X_32, 3, x64_at(CPU, CPU_AT(jit_hot.host_mxcsr)));
    x64_rm(b, 0x0fae, X_32, 2, x64_at(CPU, CPU_AT(jit_hot.mxcsr)));
    x64_store_imm(b, X_32, x64_at(CPU, CPU_AT(jit_hot.fp_loaded)), 1);
    x64_byte(b, 0xc3);

    j->leave = here(b);
    x64_alu_mi(b, ALU_CMP, X_32, x64_at(CPU, CPU_AT(jit_hot.fp_loaded)), 0);
    uint8_t *plain = x64_jcc8(b, CC_E);
    x64_rm(b, 0x0fae, X_32, 3, x64_at(CPU, CPU_AT(jit_hot.left_mxcsr)));
    x64_rm(b, 0x0fae, X_32, 2, x64_at(CPU, CPU_AT(jit_hot.host_mxcsr)));
    x64_store_imm(b, X_32, x64_at(CPU, CPU_AT(jit_hot.fp_loaded)), 0);
    x64_patch8_here(b, plain);
    x64_store(b, X_64, x64_at(CPU, CPU_AT(jit_hot.budget)), BUDGET);
    /* With nothing of the guest's on the stack, the call in enter() returns, so that the host predicts that and all returns after it. */
    x64_lea(b, X_64, RAX, x64_at(RSP, ENTER_FRAME));
    x64_alu_rm(b, ALU_CMP, X_64, RAX, x64_at(CPU, CPU_AT(jit_hot.host_sp)));
    uint8_t *deeper = x64_jcc8(b, CC_NE);
    x64_mov_ri(b, RAX, 0);
    x64_byte(b, 0xc3);
    x64_patch8_here(b, deeper);
    const uint32_t unwind = (uint32_t)(b->p - b->start);
    x64_load(b, X_64, RSP, x64_at(CPU, CPU_AT(jit_hot.host_sp)));
    for (unsigned i = ARRAY_LEN(callee_saved); i-- > 0;)
        x64_pop(b, callee_saved[i]);
    x64_byte(b, 0xc3);

    /* Lookup of the guest address in RAX, for a branch that left BTYPE RDX. */
    j->indirect = here(b);
    x64_mov_rr(b, X_64, RSI, RAX);
    call_c(b, (uintptr_t)jit_at_indirect);
    go_on(j, b, false, false);

    /* void enter(struct cpu *, const void *code): below everything else on the stack is an address that no return has but one that
     * is no instruction's, which then goes where all others go. */
    j->enter = here(b);
    for (unsigned i = 0; i < ARRAY_LEN(callee_saved); i++)
        x64_push(b, callee_saved[i]);
    x64_lea(b, X_64, RBP, x64_at(RDI, JIT_BIAS));
    x64_store(b, X_64, x64_at(CPU, CPU_AT(jit_hot.host_sp)), RSP);
    x64_mov_ri(b, RAX, UINT64_MAX);
    x64_push(b, RAX);
    x64_push(b, RAX); /* keeps the stack aligned to 16 bytes */
    sentinel = b->p + 1;
    x64_call_to(b, b->p);
    /* Back from leave, or from a return to UINT64_MAX: the address is in RAX. */
    x64_test_rr(b, X_64, RAX, RAX);
    x64_jcc_to(b, CC_E, b->start + unwind);
    x64_mov_ri(b, RDX, 0);
    x64_jmp_to(b, b->start + j->indirect);
    if (!b->full)
        x64_patch_rel32(sentinel, b->p);
    x64_load(b, X_64, BUDGET, x64_at(CPU, CPU_AT(jit_hot.budget)));
    x64_rr(b, 0xff, X_32, 4, RSI);

    /* RAX: the site of an exception, or of a return from one. What the addresses on the stack meant is over. */
    j->exception = here(b);
    x64_mov_rr(b, X_64, RSI, RAX);
    call_c(b, (uintptr_t)jit_at_exception);
    x64_test_rr(b, X_64, RAX, RAX);
    x64_jcc_to(b, CC_E, b->start + j->leave);
    x64_load(b, X_64, RCX, x64_at(CPU, CPU_AT(jit_hot.host_sp)));
    x64_lea(b, X_64, RSP, x64_at(RCX, -ENTER_FRAME));
    x64_rr(b, 0xff, X_32, 4, RAX);

    /* RAX: the site; RCX: an address. */
    for (unsigned vectors = 0; vectors < 2; vectors++) {
        *(vectors ? &j->slow_vector : &j->slow) = here(b);
        frame_registers(b, true);
        if (vectors)
            vector_registers(j, b, true);
        x64_mov_rr(b, X_64, RSI, RAX);
        x64_mov_rr(b, X_64, RDX, RCX);
        call_c(b, (uintptr_t)jit_at_site);
        go_on(j, b, true, vectors);
    }

    /* RAX: the link. */
    j->link = here(b);
    x64_mov_rr(b, X_64, RSI, RAX);
    call_c(b, (uintptr_t)jit_at_link);
    go_on(j, b, false, false);

    /* Called, for code that has saved what C functions may change. */
    j->wfi = here(b);
    call_c(b, (uintptr_t)jit_at_wfi);
    x64_byte(b, 0xc3);

    /* Called: the dynamic flags to static slot 0; IR_HELP. */
    for (unsigned vectors = 0; vectors < 2; vectors++) {
        *(vectors ? &j->flags_vector : &j->flags) = here(b);
        called(j, b, (uintptr_t)jit_at_flags, vectors);
        *(vectors ? &j->help_vector : &j->help) = here(b);
        called(j, b, (uintptr_t)jit_at_help, vectors);
    }
}
