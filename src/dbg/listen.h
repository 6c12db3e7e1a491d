/* Where a debugger connects. */
#ifndef VIBE_DBG_LISTEN_H
#define VIBE_DBG_LISTEN_H

#include <sys/socket.h>

struct err;

struct listen_address {
    struct sockaddr_storage addr;
    socklen_t len;
};

/* "[HOST:]PORT" or "unix:PATH"; HOST is an address in numbers, IPv6 in brackets, or localhost. 0, or -EINVAL with what is wrong and the cure. */
int listen_parse(const char *where, struct listen_address *a, struct err *e);
/* The socket, which does not block, or -errno; a has the port that was picked. */
int listen_open(struct listen_address *a, struct err *e);
/* The next connection, which does not block, or -1. */
int listen_accept(int fd);
/* As listen_parse() takes it. */
void listen_name(const struct listen_address *a, char *buf, size_t len);
/* Closes it, and takes a Unix socket's name away. */
void listen_close(int fd, const struct listen_address *a);

#endif
