/* What the translator needs of the host's machine and operating system: memory for code, and what the processor can do. */
#ifndef VIBE_CPU_JIT_HOST_CODE_H
#define VIBE_CPU_JIT_HOST_CODE_H

#include <stdbool.h>
#include <stdint.h>

struct cpu;
struct err;

/* Whether this host is one that there is a translator for. */
bool host_code_available(void);
/* Set of enum jit_host_feature. */
uint32_t host_code_features(void);

/* One object of len bytes mapped twice, to be written and to be run: no page is both at one address. 0 or -errno. */
int host_code_map(uint32_t len, uint8_t **rw, uint8_t **rx, struct err *e);
void host_code_unmap(uint8_t *rw, uint8_t *rx, uint32_t len);

/* Installs the handler for traps of floating point in translated code; false: this host has none. Any thread, often. */
bool host_trap_install(void);
/* Whose code this thread runs, for that handler. */
void host_trap_running(struct cpu *c);

#if defined(__x86_64__)
static inline uint32_t host_mxcsr_get(void)
{
    return __builtin_ia32_stmxcsr();
}

static inline void host_mxcsr_set(uint32_t mxcsr)
{
    __builtin_ia32_ldmxcsr(mxcsr);
}
#else
static inline uint32_t host_mxcsr_get(void)
{
    return 0;
}

static inline void host_mxcsr_set(uint32_t mxcsr)
{
    (void)mxcsr;
}
#endif

/* Calls translated code. */
static inline void host_code_enter(const uint8_t *thunk, struct cpu *c, const uint8_t *code)
{
    void (*enter)(struct cpu *, const uint8_t *);

    __builtin_memcpy(&enter, &thunk, sizeof(enter));
    enter(c, code);
}

#endif
