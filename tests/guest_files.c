/* The guest's side of the shared folder tests, for what busybox does not do:
 *   files lock FILE    locks it, whole and in part; another process is kept out and sees who keeps it
 *   files map FILE     writes through a shared mapping, and reads what was written behind its back
 * Prints "good" and succeeds, or says what went wrong. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void check(int good, const char *what)
{
    if (!good) {
        printf("wrong: %s\n", what);
        exit(1);
    }
}

static int set(int fd, int cmd, short type, off_t start, off_t len)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    return fcntl(fd, cmd, &l);
}

/* What another process sees of the two kinds, one after the other: on 9P Linux makes both of one. */
static void other_posix(const char *path, pid_t owner)
{
    const int fd = open(path, O_RDWR);
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 15, .l_len = 1};

    check(set(fd, F_SETLK, F_WRLCK, 0, 10) == 0, "lock of another part");
    check(set(fd, F_SETLK, F_RDLCK, 12, 1) == -1, "lock of the same part");
    check(fcntl(fd, F_GETLK, &l) == 0 && l.l_type == F_WRLCK && l.l_pid == owner, "who has the lock");
}

static void other_flock(const char *path, pid_t owner)
{
    (void)owner;
    check(flock(open(path, O_RDWR), LOCK_EX | LOCK_NB) == -1, "flock");
}

static void in_child(void (*fn)(const char *path, pid_t owner), const char *path)
{
    const pid_t self = getpid(), child = fork();
    int status;

    if (!child) {
        fn(path, self);
        exit(0);
    }
    check(waitpid(child, &status, 0) == child && status == 0, "the other process");
}

static void locks(const char *path)
{
    const int fd = open(path, O_RDWR), second = open(path, O_RDWR);

    if (fd < 0 || second < 0)
        die(path);
    check(set(fd, F_SETLKW, F_WRLCK, 10, 10) == 0, "lock");
    check(set(second, F_SETLK, F_WRLCK, 10, 10) == 0, "a process does not keep itself out");
    in_child(other_posix, path);
    check(set(fd, F_SETLK, F_UNLCK, 0, 0) == 0, "unlock");
    check(flock(fd, LOCK_EX) == 0, "flock alone");
    in_child(other_flock, path);
    check(flock(fd, LOCK_UN) == 0 && flock(second, LOCK_EX | LOCK_NB) == 0, "flock again");
}

static void map(const char *path)
{
    const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    char buf[8];

    if (fd < 0 || ftruncate(fd, 10000))
        die(path);
    char *p = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        die("mmap");
    memcpy(p + 4090, "across pages", 12);
    check(msync(p, 10000, MS_SYNC) == 0, "msync");
    check(pread(fd, buf, 6, 4090) == 6 && !memcmp(buf, "across", 6), "what was written");
    check(munmap(p, 10000) == 0 && fsync(fd) == 0 && close(fd) == 0, "the end");
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    if (!strcmp(argv[1], "lock"))
        locks(argv[2]);
    else
        map(argv[2]);
    puts("good");
    return 0;
}
