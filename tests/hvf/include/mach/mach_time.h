/* ../../../macos/README.md */
#ifndef MACOS_MACH_TIME_H
#define MACOS_MACH_TIME_H
#include <stdint.h>
struct mach_timebase_info {
    uint32_t numer, denom; /* ns = ticks * numer / denom */
};
typedef struct mach_timebase_info mach_timebase_info_data_t;
uint64_t mach_absolute_time(void);
int mach_timebase_info(struct mach_timebase_info *);
#endif
