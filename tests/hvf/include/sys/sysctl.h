/* ../../../macos/README.md */
#ifndef MACOS_SYS_SYSCTL_H
#define MACOS_SYS_SYSCTL_H
#include <stddef.h>
int sysctlbyname(const char *, void *, size_t *, void *, size_t);
#endif
