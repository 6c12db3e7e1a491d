/* A compile-only stand-in for macOS's headers: ../README.md. */
#ifndef MACOS_SYS_TYPES_H
#define MACOS_SYS_TYPES_H
#include <stddef.h>
#include <stdint.h>

#define MAC_NORETURN __attribute__((noreturn))
#define MAC_PRINTF(f, a) __attribute__((format(printf, f, a)))

typedef long ssize_t;
typedef int64_t off_t, blkcnt_t;
typedef int32_t pid_t, blksize_t, dev_t, suseconds_t;
typedef uint32_t uid_t, gid_t, useconds_t;
typedef uint16_t mode_t, nlink_t;
typedef uint64_t ino_t;
typedef long time_t;
typedef unsigned long clock_t;
typedef unsigned char u_char;
typedef unsigned short u_short;
typedef unsigned int u_int;
typedef unsigned long u_long;
typedef char *caddr_t;
typedef uint8_t sa_family_t;
typedef uint32_t socklen_t;
typedef uint32_t fsblkcnt_t, fsfilcnt_t;

#define major(d) ((int32_t)(((uint32_t)(d) >> 24) & 0xff))
#define minor(d) ((int32_t)((d)&0xffffff))
#define makedev(a, b) ((dev_t)((a) << 24 | (b)))
#endif
