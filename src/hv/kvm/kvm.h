/* KVM, the hypervisor of arm64 Linux. */
#ifndef VIBE_HV_KVM_KVM_H
#define VIBE_HV_KVM_KVM_H

#include "hv/hv.h"

#include <stddef.h>

/* Null where the program is made for another system. */
#define HV_KVM NULL

#endif
