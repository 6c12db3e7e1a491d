/* The host's counter, and what its framework has. */
#include "hv/hvf/hvf_internal.h"

#include <stddef.h>

uint64_t hvf_host_cntfrq(void)
{
    uint64_t hz;
    __asm__("mrs %0, cntfrq_el0" : "=r"(hz));
    return hz;
}

/* Its address is null where the framework is older; its likes came with it. The compiler knows another way to ask, by a library of its own. */
#ifdef __clang__
#pragma clang diagnostic ignored "-Wunguarded-availability-new"
#endif

bool hvf_host_has_gic(void)
{
#ifdef HVF_HEADERS_HAVE_GIC
    return hv_gic_create != NULL;
#else
    return false;
#endif
}
