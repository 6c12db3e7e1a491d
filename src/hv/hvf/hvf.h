/* Hypervisor.framework, the hypervisor of macOS on Apple silicon. */
#ifndef VIBE_HV_HVF_HVF_H
#define VIBE_HV_HVF_HVF_H

#include "hv/hv.h"

#include <stddef.h>

extern const struct hv_backend hv_hvf;
extern const struct hv_backend hv_hvf_gic; /* with the framework's GIC and timers */

/* Null where the program is made for another system. HAVE_HVF comes from the Makefile: the tests have a double of the framework. */
#ifdef HAVE_HVF
#define HV_HVF (&hv_hvf)
#define HV_HVF_GIC (&hv_hvf_gic)
#else
#define HV_HVF NULL
#define HV_HVF_GIC NULL
#endif

#endif
