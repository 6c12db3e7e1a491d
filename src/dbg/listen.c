/* Where a debugger connects: TCP on an address of this host, or a Unix socket. */
#include "dbg/listen.h"

#include "base/bits.h"
#include "base/err.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define UNIX_PREFIX "unix:"

static int parse_unix(const char *path, struct listen_address *a, struct err *e)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    if (!*path)
        return err_set(e, EINVAL, "the socket's name is empty; write it like unix:/tmp/gdb");
    if (strlen(path) >= sizeof(un.sun_path))
        return err_set(e, EINVAL, "%.80s...: a socket's name may have %zu characters", path,
                       sizeof(un.sun_path) - 1);
    memcpy(un.sun_path, path, strlen(path) + 1);
    memcpy(&a->addr, &un, sizeof(un));
    a->len = sizeof(un);
    return 0;
}

static int parse_port(const char *text, uint16_t *port, struct err *e)
{
    unsigned val = 0;

    for (const char *p = text; *p || p == text; p++) {
        if (*p < '0' || *p > '9' || (val = 10 * val + (unsigned)(*p - '0')) > UINT16_MAX)
            return err_set(e, EINVAL,
                           "\"%.80s\" is no port, 0 to 65535; write it like 1234, 127.0.0.1:1234, [::1]:1234 or unix:/tmp/gdb",
                           text);
    }
    *port = (uint16_t)val;
    return 0;
}

int listen_parse(const char *where, struct listen_address *a, struct err *e)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    char host[INET6_ADDRSTRLEN + 2] = "";
    const char *colon = strrchr(where, ':');
    uint16_t port = 0;

    memset(a, 0, sizeof(*a));
    if (!strncmp(where, UNIX_PREFIX, strlen(UNIX_PREFIX)))
        return parse_unix(where + strlen(UNIX_PREFIX), a, e);
    const int r = parse_port(colon ? colon + 1 : where, &port, e);
    if (r)
        return r;
    if (colon && (size_t)(colon - where) < sizeof(host))
        memcpy(host, where, (size_t)(colon - where));
    const size_t host_len = strlen(host);
    if (host_len > 2 && host[0] == '[' && host[host_len - 1] == ']') {
        host[host_len - 1] = 0;
        if (inet_pton(AF_INET6, host + 1, &in6.sin6_addr) == 1) {
            in6.sin6_port = htons(port);
            memcpy(&a->addr, &in6, sizeof(in6));
            a->len = sizeof(in6);
            return 0;
        }
    } else if (colon == where || !colon || !strcmp(host, "localhost") ||
               inet_pton(AF_INET, host, &in.sin_addr) == 1) {
        in.sin_port = htons(port);
        memcpy(&a->addr, &in, sizeof(in));
        a->len = sizeof(in);
        return 0;
    }
    return err_set(e, EINVAL,
                   "\"%.80s\": the host must be an address, like 127.0.0.1 or [::1], or localhost",
                   where);
}

static int prepared(int fd)
{
    if (fd >= 0) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, O_NONBLOCK);
    }
    return fd;
}

static int new_socket(int family)
{
    return prepared(socket(family, SOCK_STREAM, 0));
}

/* A socket that nobody listens at is what is left of a process that was killed. */
static bool remove_stale(const struct listen_address *a)
{
    struct sockaddr_un un;
    struct stat st;

    memcpy(&un, &a->addr, sizeof(un));
    if (a->addr.ss_family != AF_UNIX || lstat(un.sun_path, &st) || !S_ISSOCK(st.st_mode))
        return false;
    const int fd = new_socket(AF_UNIX);
    const bool stale =
        fd >= 0 && connect(fd, (const struct sockaddr *)&a->addr, a->len) && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return stale && !unlink(un.sun_path);
}

int listen_open(struct listen_address *a, struct err *e)
{
    const struct sockaddr *addr = (const struct sockaddr *)&a->addr;
    const int fd = new_socket(a->addr.ss_family), one = 1;
    char name[sizeof(struct sockaddr_un)];

    listen_name(a, name, sizeof(name));
    if (fd < 0)
        return err_set(e, errno, "%s: %s", name, strerror(errno));
    if (a->addr.ss_family != AF_UNIX)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    int r = bind(fd, addr, a->len);
    if (r && errno == EADDRINUSE && remove_stale(a))
        r = bind(fd, addr, a->len);
    if (r || listen(fd, 4)) {
        const int code = errno;
        close(fd);
        return err_set(e, code, "%s: %s%s", name, strerror(code),
                       code == EADDRINUSE ? "; choose another, or port 0 for one that is free" : "");
    }
    if (a->addr.ss_family != AF_UNIX)
        getsockname(fd, (struct sockaddr *)&a->addr, &a->len);
    return fd;
}

int listen_accept(int fd)
{
    return prepared(accept(fd, NULL, NULL));
}

void listen_name(const struct listen_address *a, char *buf, size_t len)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
    char host[INET6_ADDRSTRLEN] = "?";

    switch (a->addr.ss_family) {
    case AF_UNIX:
        memcpy(&un, &a->addr, sizeof(un));
        snprintf(buf, len, UNIX_PREFIX "%s", un.sun_path);
        break;
    case AF_INET6:
        memcpy(&in6, &a->addr, sizeof(in6));
        inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof(host));
        snprintf(buf, len, "[%s]:%u", host, ntohs(in6.sin6_port));
        break;
    default:
        memcpy(&in, &a->addr, sizeof(in));
        inet_ntop(AF_INET, &in.sin_addr, host, sizeof(host));
        snprintf(buf, len, "%s:%u", host, ntohs(in.sin_port));
    }
}

void listen_close(int fd, const struct listen_address *a)
{
    struct sockaddr_un un;

    close(fd);
    if (a->addr.ss_family != AF_UNIX)
        return;
    memcpy(&un, &a->addr, sizeof(un));
    unlink(un.sun_path);
}
