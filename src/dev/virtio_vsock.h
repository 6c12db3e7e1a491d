/* virtio socket device: streams between programs of the guest and Unix sockets of the host (virtio 1.2, "Socket Device").
 *
 * As Firecracker has it: a program of the host connects to the socket at `path` and writes "CONNECT port\n"; when a program of the guest
 * listens at that port, "OK hostport\n" comes back, and then its bytes. A program of the guest that connects to port P of the host (context
 * 2) reaches the socket at path_P. */
#ifndef VIBE_DEV_VIRTIO_VSOCK_H
#define VIBE_DEV_VIRTIO_VSOCK_H

#include "dev/virtio_mmio.h"

struct err;
struct io_thread;

#define VSOCK_GUEST_CID 3u /* what the guest calls itself unless told otherwise */

/* For virtio_mmio_create(). The socket is made at once, and removed with the device; one that nobody listens at is replaced. t does not
 * run yet. path stays the caller's. Null with e set. */
struct virtio_device *virtio_vsock_create(const char *path, uint32_t guest_cid, struct io_thread *t,
                                          struct err *e);

#endif
