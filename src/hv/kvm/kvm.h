/* KVM, the hypervisor of arm64 Linux, as a backend. */
#ifndef VIBE_HV_KVM_KVM_H
#define VIBE_HV_KVM_KVM_H

#include "hv/hv.h"

#include <stddef.h>

#if defined(__linux__) && defined(__aarch64__)
extern const struct hv_backend hv_kvm;
#define HV_KVM (&hv_kvm)
#else
#define HV_KVM NULL /* the program is made for another system */
#endif

#endif
