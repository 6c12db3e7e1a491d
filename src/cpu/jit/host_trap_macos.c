/* Traps of host floating point are not handled on macOS, where the translator leaves it to the interpreter. */
#include "cpu/jit/host_code.h"

void host_trap_running(struct cpu *c)
{
    (void)c;
}

bool host_trap_install(void)
{
    return false;
}
