/* ../README.md */
#ifndef MACOS_TERMIOS_H
#define MACOS_TERMIOS_H
#include <sys/ioctl.h>
typedef unsigned long tcflag_t, speed_t;
typedef unsigned char cc_t;
#define NCCS 20
struct termios {
    tcflag_t c_iflag, c_oflag, c_cflag, c_lflag;
    cc_t c_cc[NCCS];
    speed_t c_ispeed, c_ospeed;
};
#define VEOF 0
#define VERASE 3
#define VINTR 8
#define VQUIT 9
#define VSUSP 10
#define VMIN 16
#define VTIME 17
#define IGNBRK 0x1
#define BRKINT 0x2
#define PARMRK 0x8
#define INPCK 0x10
#define ISTRIP 0x20
#define INLCR 0x40
#define IGNCR 0x80
#define ICRNL 0x100
#define IXON 0x200
#define IXOFF 0x400
#define OPOST 0x1
#define ONLCR 0x2
#define CSIZE 0x300
#define CS8 0x300
#define PARENB 0x1000
#define ECHO 0x8
#define ECHONL 0x10
#define ISIG 0x80
#define ICANON 0x100
#define IEXTEN 0x400
#define TCSANOW 0
#define TCSADRAIN 1
#define TCSAFLUSH 2
void cfmakeraw(struct termios *);
int tcgetattr(int, struct termios *);
int tcsetattr(int, int, const struct termios *);
#endif
