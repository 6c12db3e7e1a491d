/* What differs between host operating systems; os_linux.c and os_macos.c implement it, nothing else has an OS #if. */
#ifndef VIBE_BASE_OS_H
#define VIBE_BASE_OS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* Monotonic host time in nanoseconds. Any thread; about 20 ns a call. */
uint64_t os_now_ns(void);

/* CPU time that the calling thread has used, in nanoseconds. */
uint64_t os_thread_cpu_ns(void);

/* A shared memory object of len bytes, sparse: pages cost nothing until touched. Returns a descriptor or -errno. */
int os_shm_create(const char *name, uint64_t len, struct err *e);

/* Whole pages of a shared memory object, off and len bytes, mapped at host: they go back to the system, from all mappings. 0 or -errno. */
int os_shm_discard(int fd, void *host, uint64_t off, uint64_t len);

/* Host page size, bytes. */
size_t os_page_size(void);

/* Processors that the host runs threads on, at least 1. */
unsigned os_nr_cpus(void);

/* Physical memory of the host, bytes; 0 when unknown. */
uint64_t os_host_memory(void);

/* Lets the process open as many descriptors as the system grants it: shared folders and networks need some for each file and connection of the
 * guest's. */
void os_raise_fd_limit(void);

/* A pipe within the process, by which threads wake each other: neither end blocks, none is inherited. 0, or -errno and both -1. */
int os_pipe(int fd[2], struct err *e);

/* Fills buf with random bytes from the host. */
void os_random(void *buf, size_t len);

/* Keeps other processes, and other opens of this one, from locking the file: all of them, or (not exclusive) those that write. Ends when
 * fd is closed. 0; -EAGAIN: another has it; else -errno, where the file system has no locks. */
int os_file_lock(int fd, bool exclusive);

/* What was written is on stable storage when this returns 0; -errno. */
int os_file_sync(int fd);

/* [off, off + len) of the file reads as zeros afterwards; os_file_punch() gives its space back to the file system, os_file_zero() keeps it.
 * The length of the file stays. -EOPNOTSUPP: the file system cannot. */
int os_file_punch(int fd, uint64_t off, uint64_t len);
int os_file_zero(int fd, uint64_t off, uint64_t len);

/* When the file was last modified, in nanoseconds of the host's real time. */
struct stat;
uint64_t os_file_mtime_ns(const struct stat *st);

/* Length of a block device in bytes. 0 or -errno. */
int os_block_device_len(int fd, uint64_t *len);

/* A condition variable whose waits end at an os_now_ns() time (UINT64_MAX: never by themselves). The mutex is held; spurious wake-ups happen. */
int os_cond_init(pthread_cond_t *cond);
void os_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns);

/* In a loop that waits for another thread: leaves the core's resources to others for some tens of cycles. */
static inline void os_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#endif
}

/* Names the calling thread, at most 15 bytes. */
void os_thread_name(const char *name);

/* The calling thread's waits end when they are due, not when it saves the host a wake-up. */
void os_thread_exact_timers(void);

#endif
