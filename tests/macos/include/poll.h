/* ../README.md */
#ifndef MACOS_POLL_H
#define MACOS_POLL_H
#include <sys/types.h>
struct pollfd {
    int fd;
    short events, revents;
};
typedef unsigned int nfds_t;
#define POLLIN 0x01
#define POLLPRI 0x02
#define POLLOUT 0x04
#define POLLERR 0x08
#define POLLHUP 0x10
#define POLLNVAL 0x20
int poll(struct pollfd *, nfds_t, int);
#endif
