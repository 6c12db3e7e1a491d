/* Hypervisor.framework, the hypervisor of macOS on Apple silicon. */
#ifndef VIBE_HV_HVF_HVF_H
#define VIBE_HV_HVF_HVF_H

#include "hv/hv.h"

#include <stddef.h>

/* Null where the program is made for another system. */
#define HV_HVF NULL

#endif
