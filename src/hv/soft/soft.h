/* What only the software CPU can show: its inside, for explanations and traces. Owner thread, or while no vCPU runs. */
#ifndef VIBE_HV_SOFT_SOFT_H
#define VIBE_HV_SOFT_SOFT_H

struct cpu;
struct hv_vcpu;

struct cpu *hv_soft_cpu(struct hv_vcpu *vcpu);

#endif
