/* User-mode networking: a network of the guest's own behind the VMM, by libslirp. No rights needed.
 *
 * 10.0.2.0/24 and fec0::/64: the guest gets 10.0.2.15 by DHCP; 10.0.2.2 is the gateway and the host's loopback, 10.0.2.3 a DNS server that asks
 * the host's. */
#ifndef VIBE_DEV_NET_USER_H
#define VIBE_DEV_NET_USER_H

#include "dev/net/backend.h"

struct err;
struct io_thread;

/* A port of the host's that leads to one of the guest's. Addresses as numbers: 127.0.0.1 is 0x7f000001. */
struct net_forward {
    bool udp;
    uint32_t host, guest; /* guest 0: the address that it gets by DHCP */
    uint16_t host_port, guest_port;
};

/* Forwards are set up at once; f stays the caller's. t does not run yet. Null with e set; also in a build without libslirp. */
struct net_backend *net_user_create(const struct net_forward *f, unsigned nr, struct io_thread *t,
                                    struct err *e);

/* The library's version; null: not in this build. */
const char *net_user_version(void);

#endif
