/* The host's side of the socket device: Unix sockets. Threading: dev/vsock/vsock.h. */
#include "dev/vsock/vsock.h"

#include "base/bits.h"
#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX_LEN 11u /* "_4294967295" */
#define ACCEPT_BATCH 16u
#define BACKLOG 64

/* Non-blocking, and not for programs that we start. */
static int new_socket(void)
{
    const int s = socket(AF_UNIX, SOCK_STREAM, 0);
    if (s < 0)
        return -errno;
    fcntl(s, F_SETFD, FD_CLOEXEC);
    fcntl(s, F_SETFL, O_NONBLOCK);
    return s;
}

/* A socket that nobody listens at is what is left of a process that was killed. */
static bool remove_stale(const struct sockaddr_un *addr)
{
    struct stat st;

    if (lstat(addr->sun_path, &st) || !S_ISSOCK(st.st_mode))
        return false;
    const int s = new_socket();
    const bool stale =
        s >= 0 && connect(s, (const struct sockaddr *)addr, sizeof(*addr)) && errno == ECONNREFUSED;
    if (s >= 0)
        close(s);
    return stale && !unlink(addr->sun_path);
}

int vsock_listen(struct vsock *d, const char *path, struct err *e)
{
    if (strlen(path) + SUFFIX_LEN >= sizeof(d->addr.sun_path))
        return err_set(e, ENAMETOOLONG, "%s: a socket's name may have %zu characters here", path,
                       sizeof(d->addr.sun_path) - 1 - SUFFIX_LEN);
    d->addr.sun_family = AF_UNIX;
    memcpy(d->addr.sun_path, path, strlen(path) + 1);
    const int s = new_socket();
    if (s < 0)
        return err_set(e, -s, "%s: %s", path, strerror(-s));
    const struct sockaddr *addr = (const struct sockaddr *)&d->addr;
    int r = bind(s, addr, sizeof(d->addr));
    if (r && errno == EADDRINUSE && remove_stale(&d->addr))
        r = bind(s, addr, sizeof(d->addr));
    if (r) {
        const int code = errno;
        close(s);
        return err_set(e, code, "%s: %s%s", path, strerror(code),
                       code == EADDRINUSE ? "; another virtual machine has it, or it is no socket" : "");
    }
    if (listen(s, BACKLOG)) {
        const int code = errno;
        close(s);
        unlink(path);
        return err_set(e, code, "%s: %s", path, strerror(code));
    }
    return s;
}

int vsock_connect(const struct vsock *d, uint32_t port, bool *pending)
{
    struct sockaddr_un a = d->addr;
    const size_t len = strlen(a.sun_path);
    const int s = new_socket();

    if (s < 0)
        return s;
    snprintf(a.sun_path + len, sizeof(a.sun_path) - len, "_%u", port);
    *pending = false;
    if (!connect(s, (const struct sockaddr *)&a, sizeof(a)))
        return s;
    /* A full queue of connections (EAGAIN) is a refusal: a Unix socket does not tell when there is room. */
    *pending = errno == EINPROGRESS;
    if (*pending)
        return s;
    const int r = -errno;
    close(s);
    return r;
}

/* "CONNECT port" */
static int parse_greeting(const char *line, uint32_t *port)
{
    const char *digits = line + strlen("CONNECT ");

    if (strncmp(line, "CONNECT ", strlen("CONNECT ")) != 0 || !*digits || strlen(digits) > 10 ||
        strspn(digits, "0123456789") != strlen(digits))
        return -EINVAL;
    const unsigned long long n = strtoull(digits, NULL, 10);
    if (n > UINT32_MAX)
        return -EINVAL;
    *port = (uint32_t)n;
    return 1;
}

/* Byte by byte: what follows the line is for the guest. */
int vsock_read_greeting(struct vsock_conn *c, uint32_t *port)
{
    for (;;) {
        char byte;
        const ssize_t n = read(c->sock.fd, &byte, 1);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (!n)
            return -EPIPE;
        if (byte == '\n') {
            c->line[c->line_len] = 0;
            return parse_greeting(c->line, port);
        }
        if (c->line_len + 1 == sizeof(c->line))
            return -EINVAL;
        c->line[c->line_len++] = byte;
    }
}

void vsock_accept(struct io_fd *f, short revents)
{
    struct vsock *d = CONTAINER_OF(f, struct vsock, listener);

    (void)revents;
    for (unsigned i = 0; i < ACCEPT_BATCH; i++) {
        const int s = accept(f->fd, NULL, NULL);
        if (s < 0)
            break; /* nobody any more; without descriptors, whoever it is waits and we look again */
        fcntl(s, F_SETFD, FD_CLOEXEC);
        fcntl(s, F_SETFL, O_NONBLOCK);
        if (!vsock_conn_create(d, CONN_GREETING, s))
            close(s);
    }
}
