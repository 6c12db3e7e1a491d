/* ../README.md */
#ifndef MACOS_FCNTL_H
#define MACOS_FCNTL_H
#include <sys/types.h>
#define O_RDONLY 0
#define O_WRONLY 1
#define O_RDWR 2
#define O_ACCMODE 3
#define O_NONBLOCK 4
#define O_APPEND 8
#define O_SYNC 0x80
#define O_NOFOLLOW 0x100
#define O_CREAT 0x200
#define O_TRUNC 0x400
#define O_EXCL 0x800
#define O_NOCTTY 0x20000
#define O_DIRECTORY 0x100000
#define O_DSYNC 0x400000
#define O_CLOEXEC 0x1000000
#define AT_FDCWD (-2)
#define AT_EACCESS 0x10
#define AT_SYMLINK_NOFOLLOW 0x20
#define AT_SYMLINK_FOLLOW 0x40
#define AT_REMOVEDIR 0x80
#define FD_CLOEXEC 1
#define F_DUPFD 0
#define F_GETFD 1
#define F_SETFD 2
#define F_GETFL 3
#define F_SETFL 4
#define F_GETLK 7
#define F_SETLK 8
#define F_SETLKW 9
#define F_FULLFSYNC 51
#define F_DUPFD_CLOEXEC 67
#define F_BARRIERFSYNC 85
#define F_PUNCHHOLE 99
#define F_RDLCK 1
#define F_UNLCK 2
#define F_WRLCK 3
struct flock {
    off_t l_start, l_len;
    pid_t l_pid;
    short l_type, l_whence;
};
typedef struct fpunchhole {
    unsigned int fp_flags, reserved;
    off_t fp_offset, fp_length;
} fpunchhole_t;
int fcntl(int, int, ...);
int open(const char *, int, ...);
int openat(int, const char *, int, ...);
#endif
