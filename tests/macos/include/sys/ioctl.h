/* ../../README.md */
#ifndef MACOS_SYS_IOCTL_H
#define MACOS_SYS_IOCTL_H
#include <sys/types.h>
#define MAC_IOR(g, n, t) (0x40000000ul | (sizeof(t) & 0x1ffful) << 16 | (unsigned long)(g) << 8 | (n))
struct winsize {
    unsigned short ws_row, ws_col, ws_xpixel, ws_ypixel;
};
#define TIOCGWINSZ MAC_IOR('t', 104, struct winsize)
int ioctl(int, unsigned long, ...);
#endif
