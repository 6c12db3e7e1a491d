/* The host's counter. */
#include "hv/hvf/hvf_internal.h"

uint64_t hvf_host_cntfrq(void)
{
    uint64_t hz;
    __asm__("mrs %0, cntfrq_el0" : "=r"(hz));
    return hz;
}
