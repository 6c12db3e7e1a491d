/* Arrays of buffers, as readv() takes them, seen as one run of bytes. Pure; any thread. */
#ifndef VIBE_BASE_IOV_H
#define VIBE_BASE_IOV_H

#include <stddef.h>
#include <sys/uio.h>

/* Copy bytes from off on out of the buffers, or into them; the bytes that there were. */
size_t iov_read(const struct iovec *iov, unsigned nr, size_t off, void *to, size_t len);
size_t iov_write(const struct iovec *iov, unsigned nr, size_t off, const void *from, size_t len);

/* Zeroes bytes from off on; the bytes that there were. */
size_t iov_zero(const struct iovec *iov, unsigned nr, size_t off, size_t len);

/* The part [off, off + len) of the buffers, as an array of its own in out. Returns its entries: fewer bytes where the buffers or the room for
 * entries end before. */
unsigned iov_slice(struct iovec *out, unsigned room, const struct iovec *iov, unsigned nr,
                   size_t off, size_t len);

/* Bytes in all. */
size_t iov_len(const struct iovec *iov, unsigned nr);

#endif
