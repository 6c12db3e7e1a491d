/* What a Linux guest gets of its network and its shared folder; a line for each measurement, NAME VALUE.
 *   sharing net HOST PORT   with bench/sharing.py's server there: MB/s each way, round trips and connections a second
 *   sharing share DIR       MB/s each way, files made, looked at, read and removed a second, listings a second */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SECONDS 2.0
#define NR_FILES 500
#define FILE_LEN (16u << 20)
#define CHUNK (256u << 10)

static char buf[CHUNK];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* --- Network ---------------------------------------------------------------------------------------------------------- */

static struct sockaddr_in server;

/* A connection of the kind that the server knows by a letter. */
static int call(char kind)
{
    const int s = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (s < 0 || connect(s, (struct sockaddr *)&server, sizeof(server)) || write(s, &kind, 1) != 1)
        die("connect");
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return s;
}

static void stream(const char *name, char kind)
{
    const int s = call(kind);
    double start = 0, t = 0;
    unsigned long long done = 0;
    while (t < SECONDS) {
        const ssize_t n = kind == 'd' ? read(s, buf, sizeof(buf)) : write(s, buf, sizeof(buf));
        if (n <= 0)
            die(name);
        if (!start)
            start = now(); /* not the connection's first steps */
        else
            done += (unsigned long long)n;
        t = now() - start;
    }
    close(s);
    printf("%s %.1f\n", name, (double)done / 1e6 / t);
}

static void round_trips(void)
{
    const int s = call('e');
    const double start = now();
    unsigned n = 0;
    do {
        if (write(s, "x", 1) != 1 || read(s, buf, 1) != 1)
            die("round trips");
        n++;
    } while (now() - start < SECONDS);
    printf("round-trips %.0f\n", n / (now() - start));
    close(s);
}

static void connections(void)
{
    const double start = now();
    unsigned n = 0;
    do {
        const int s = call('e');
        if (read(s, buf, 1) != 1)
            die("connections");
        close(s);
        n++;
    } while (now() - start < SECONDS);
    printf("connections %.0f\n", n / (now() - start));
}

/* --- Shared folder ---------------------------------------------------------------------------------------------------- */

static void file_stream(const char *name, int out)
{
    const double start = now();
    unsigned long long done = 0;
    do {
        const int fd = open("large", out ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY, 0644);
        if (fd < 0)
            die("large");
        for (unsigned at = 0; at < FILE_LEN; at += CHUNK)
            if ((out ? write(fd, buf, CHUNK) : read(fd, buf, CHUNK)) != CHUNK)
                die(name);
        close(fd);
        done += FILE_LEN;
    } while (now() - start < SECONDS);
    printf("%s %.1f\n", name, (double)done / 1e6 / (now() - start));
}

static void files(const char *name, void (*fn)(const char *path))
{
    const double start = now();
    for (unsigned i = 0; i < NR_FILES; i++) {
        char path[32];
        snprintf(path, sizeof(path), "files/f%u", i);
        fn(path);
    }
    printf("%s %.0f\n", name, NR_FILES / (now() - start));
}

static void make(const char *path)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0 || write(fd, buf, 4096) != 4096 || close(fd))
        die(path);
}

static void look(const char *path)
{
    struct stat st;
    if (stat(path, &st) || st.st_size != 4096)
        die(path);
}

static void read_file(const char *path)
{
    const int fd = open(path, O_RDONLY);
    if (fd < 0 || read(fd, buf, 4096) != 4096 || close(fd))
        die(path);
}

static void remove_file(const char *path)
{
    if (unlink(path))
        die(path);
}

static void listings(void)
{
    const double start = now();
    unsigned n = 0;
    do {
        unsigned seen = 0;
        DIR *d = opendir("files");
        while (d && readdir(d))
            seen++;
        if (seen != NR_FILES + 2)
            die("files");
        closedir(d);
        n++;
    } while (now() - start < SECONDS);
    printf("listings %.1f\n", n / (now() - start));
}

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "net")) {
        server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[3]))};
        inet_pton(AF_INET, argv[2], &server.sin_addr);
        stream("download", 'd');
        stream("upload", 'u');
        round_trips();
        connections();
        return 0;
    }
    if (argc != 3 || chdir(argv[2]) || mkdir("files", 0755))
        die("sharing net HOST PORT | share DIR");
    file_stream("file-write", 1);
    file_stream("file-read", 0);
    files("make", make);
    files("look", look);
    files("read", read_file);
    listings();
    files("remove", remove_file);
    rmdir("files");
    return 0;
}
