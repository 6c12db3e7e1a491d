/* ../../README.md */
#ifndef MACOS_SYS_DISK_H
#define MACOS_SYS_DISK_H
#include <sys/ioctl.h>
#define DKIOCGETBLOCKSIZE MAC_IOR('d', 24, uint32_t)
#define DKIOCGETBLOCKCOUNT MAC_IOR('d', 25, uint64_t)
#endif
