/* Hypervisor.framework's own header. Two of its names are also ours, with other values (hv/hv.h). */
#ifndef VIBE_HV_HVF_FRAMEWORK_H
#define VIBE_HV_HVF_FRAMEWORK_H

#define HV_REG_X0 FRAMEWORK_REG_X0
#define HV_REG_PC FRAMEWORK_REG_PC
#include <Hypervisor/Hypervisor.h>
#undef HV_REG_X0
#undef HV_REG_PC

#endif
