/* The guest's side of the network tests, for what busybox does not do:
 *   sockets cid                    its own number
 *   sockets echo PORT N            takes N AF_VSOCK connections, one after the other, and sends back what comes
 *   sockets connect PORT           standard input to that AF_VSOCK port of the host, then the answer to standard output
 *   sockets ask HOST PORT TEXT     sends a datagram and prints the answer
 *   sockets take PORT              prints the next datagram that comes */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int new_socket(int family, int type)
{
    const int s = socket(family, type, 0);
    if (s < 0)
        die("socket");
    return s;
}

static void copy(int from, int to)
{
    static char buf[65536];
    ssize_t n;
    while ((n = read(from, buf, sizeof(buf))) > 0)
        for (ssize_t done = 0, k; done < n; done += k)
            if ((k = write(to, buf + done, (size_t)(n - done))) < 0)
                die("write");
    if (n < 0)
        die("read");
}

static void print_cid(void)
{
    unsigned cid;
    const int fd = open("/dev/vsock", O_RDONLY);
    if (fd < 0 || ioctl(fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid))
        die("/dev/vsock");
    printf("%u\n", cid);
}

static void echo(unsigned port, int nr)
{
    const struct sockaddr_vm a = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = port};
    const int s = new_socket(AF_VSOCK, SOCK_STREAM);
    if (bind(s, (const struct sockaddr *)&a, sizeof(a)) || listen(s, 5))
        die("listen");
    while (nr--) {
        const int c = accept(s, NULL, NULL);
        if (c < 0)
            die("accept");
        copy(c, c);
        close(c);
    }
}

static void connect_to(unsigned port)
{
    const struct sockaddr_vm a = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = port};
    const int s = new_socket(AF_VSOCK, SOCK_STREAM);
    if (connect(s, (const struct sockaddr *)&a, sizeof(a)))
        die("connect");
    copy(0, s);
    shutdown(s, SHUT_WR);
    copy(s, 1);
}

static void print_datagram(int s)
{
    char buf[2000];
    const ssize_t n = recv(s, buf, sizeof(buf), 0);
    if (n < 0)
        die("recv");
    printf("%.*s\n", (int)n, buf);
}

static void ask(const char *host, unsigned port, const char *text)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    const int s = new_socket(AF_INET, SOCK_DGRAM);
    const struct timeval limit = {.tv_sec = 10};
    inet_pton(AF_INET, host, &a.sin_addr);
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (sendto(s, text, strlen(text), 0, (const struct sockaddr *)&a, sizeof(a)) < 0)
        die("sendto");
    print_datagram(s);
}

static void take(unsigned port)
{
    const struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    const int s = new_socket(AF_INET, SOCK_DGRAM);
    if (bind(s, (const struct sockaddr *)&a, sizeof(a)))
        die("bind");
    print_datagram(s);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    const unsigned port = argc > 2 ? (unsigned)atoi(argv[argc == 5 ? 3 : 2]) : 0;

    if (argc == 2 && !strcmp(what, "cid"))
        print_cid();
    else if (argc == 4 && !strcmp(what, "echo"))
        echo(port, atoi(argv[3]));
    else if (argc == 3 && !strcmp(what, "connect"))
        connect_to(port);
    else if (argc == 5 && !strcmp(what, "ask"))
        ask(argv[2], port, argv[4]);
    else if (argc == 3 && !strcmp(what, "take"))
        take(port);
    else
        return 2;
    return 0;
}
