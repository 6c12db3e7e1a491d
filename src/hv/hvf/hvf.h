/* Hypervisor.framework, the hypervisor of macOS on Apple silicon. */
#ifndef VIBE_HV_HVF_HVF_H
#define VIBE_HV_HVF_HVF_H

#include "hv/hv.h"

#include <stddef.h>

extern const struct hv_backend hv_hvf;

/* Null where the program is made for another system. HAVE_HVF comes from the Makefile: the tests have a double of the framework. */
#ifdef HAVE_HVF
#define HV_HVF (&hv_hvf)
#else
#define HV_HVF NULL
#endif

#endif
