/* Arrays of buffers. Any thread. */
#include "base/iov.h"

#include "base/bits.h"

#include <string.h>

unsigned iov_slice(struct iovec *out, unsigned room, const struct iovec *iov, unsigned nr,
                   size_t off, size_t len)
{
    unsigned n = 0;

    for (unsigned i = 0; i < nr && len && n < room; i++) {
        if (off >= iov[i].iov_len) {
            off -= iov[i].iov_len;
            continue;
        }
        const size_t part = MIN(len, iov[i].iov_len - off);
        out[n++] = (struct iovec){(char *)iov[i].iov_base + off, part};
        len -= part;
        off = 0;
    }
    return n;
}

enum what { READ, WRITE, ZERO };

static size_t copy(const struct iovec *iov, unsigned nr, size_t off, unsigned char *buf, size_t len,
                   enum what what)
{
    size_t done = 0;

    for (unsigned i = 0; i < nr && done < len; i++) {
        struct iovec part;
        if (!iov_slice(&part, 1, &iov[i], 1, off, len - done)) {
            off -= iov[i].iov_len;
            continue;
        }
        switch (what) {
        case READ: memcpy(buf + done, part.iov_base, part.iov_len); break;
        case WRITE: memcpy(part.iov_base, buf + done, part.iov_len); break;
        case ZERO: memset(part.iov_base, 0, part.iov_len); break;
        }
        done += part.iov_len;
        off = 0;
    }
    return done;
}

size_t iov_read(const struct iovec *iov, unsigned nr, size_t off, void *to, size_t len)
{
    return copy(iov, nr, off, to, len, READ);
}

/* The cast is safe: WRITE only reads buf. */
size_t iov_write(const struct iovec *iov, unsigned nr, size_t off, const void *from, size_t len)
{
    return copy(iov, nr, off, (unsigned char *)(size_t)from, len, WRITE);
}

size_t iov_zero(const struct iovec *iov, unsigned nr, size_t off, size_t len)
{
    return copy(iov, nr, off, NULL, len, ZERO);
}

size_t iov_len(const struct iovec *iov, unsigned nr)
{
    size_t len = 0;

    for (unsigned i = 0; i < nr; i++)
        len += iov[i].iov_len;
    return len;
}
