/* ../../README.md */
#ifndef MACOS_SYS_RESOURCE_H
#define MACOS_SYS_RESOURCE_H
#include <sys/types.h>
typedef uint64_t rlim_t;
struct rlimit {
    rlim_t rlim_cur, rlim_max;
};
#define RLIMIT_CORE 4
#define RLIMIT_NOFILE 8
#define RLIM_INFINITY (((uint64_t)1 << 63) - 1)
int getrlimit(int, struct rlimit *);
int setrlimit(int, const struct rlimit *);
#endif
