/* A bytecode interpreter with a switch, running a loop with a conditional. */
#include "loops.h"

enum op { PUSH, ADD, SUB, XOR, LOAD, STORE, JNZ, HALT, AND };

static const int code[] = {
    /*  0 */ PUSH, 20000, STORE, 0,      /* i = 20000 */
    /*  4 */ PUSH, 1, STORE, 1,          /* a = 1 */
    /*  8 */ LOAD, 1, LOAD, 0, ADD, STORE, 1, /* a += i */
    /* 15 */ LOAD, 1, PUSH, 255, AND, JNZ, 29, /* if (!(a & 255)) */
    /* 22 */ LOAD, 1, PUSH, 77, XOR, STORE, 1, /* a ^= 77 */
    /* 29 */ LOAD, 0, PUSH, 1, SUB, STORE, 0, /* i -= 1 */
    /* 36 */ LOAD, 0, JNZ, 8, HALT,
};

static uint64_t run(const int *volatile program)
{
    const int *c = program;
    uint64_t stack[64], var[4] = {0};
    unsigned sp = 0, pc = 0;
    for (;;) {
        switch (c[pc++]) {
        case PUSH: stack[sp++ & 63] = (uint64_t)c[pc++]; break;
        case ADD: sp--; stack[(sp - 1) & 63] += stack[sp & 63]; break;
        case SUB: sp--; stack[(sp - 1) & 63] -= stack[sp & 63]; break;
        case XOR: sp--; stack[(sp - 1) & 63] ^= stack[sp & 63]; break;
        case AND: sp--; stack[(sp - 1) & 63] &= stack[sp & 63]; break;
        case LOAD: stack[sp++ & 63] = var[c[pc++] & 3]; break;
        case STORE: var[c[pc++] & 3] = stack[--sp & 63]; break;
        case JNZ: pc = stack[--sp & 63] ? (unsigned)c[pc] : pc + 1; break;
        default: return var[1];
        }
    }
}

uint64_t bench_run(unsigned n)
{
    uint64_t sum = 0;
    while (n--)
        sum = sum * 3 + run(code);
    return sum;
}
