/* The exits that KVM deals with by itself, from a vCPU's statistics file (api.rst, "KVM_GET_STATS_FD").
 *
 * Any thread: the file needs no lock of the vCPU, unlike every ioctl on it. */
#ifdef __aarch64__
#include "hv/kvm/kvm_internal.h"

#include "base/bits.h"

#include <string.h>
#include <unistd.h>

#define NAME_MAX_LEN 128u
#define NR_DESC_MAX 512u

static const struct {
    const char *name;
    enum hv_exit_reason reason;
} counted[] = {
    {"wfi_exit_stat", HV_EXIT_WFI},
    {"wfe_exit_stat", HV_EXIT_WFE},
    {"hvc_exit_stat", HV_EXIT_HVC},
};

static bool read_at(int fd, void *buf, size_t len, uint64_t at)
{
    return pread(fd, buf, len, (off_t)at) == (ssize_t)len;
}

void kvm_stats_read(const struct hv_vcpu *v, uint64_t exits[HV_NR_EXITS])
{
    struct kvm_stats_header h;
    union {
        struct kvm_stats_desc d;
        char bytes[sizeof(struct kvm_stats_desc) + NAME_MAX_LEN];
    } u;

    if (v->stats_fd < 0 || !read_at(v->stats_fd, &h, sizeof(h), 0) || h.name_size > NAME_MAX_LEN)
        return;
    const size_t len = sizeof(u.d) + h.name_size;
    for (unsigned i = 0; i < MIN(h.num_desc, NR_DESC_MAX); i++) {
        uint64_t val;
        if (!read_at(v->stats_fd, &u, len, h.desc_offset + i * len))
            return;
        for (unsigned n = 0; n < ARRAY_LEN(counted); n++)
            if (!strncmp(u.d.name, counted[n].name, h.name_size) &&
                read_at(v->stats_fd, &val, sizeof(val), h.data_offset + u.d.offset))
                exits[counted[n].reason] += val;
    }
}
#endif
