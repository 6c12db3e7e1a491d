/* A tap interface of the host's as the network: frames with their offloads as they are, the host's kernel does the rest. Linux alone. */
#ifndef VIBE_DEV_NET_TAP_H
#define VIBE_DEV_NET_TAP_H

#include "dev/net/backend.h"

struct err;
struct io_thread;

/* The interface has to be there, and to be ours to use. t does not run yet. Null with e set. */
struct net_backend *net_tap_create(const char *interface, struct io_thread *t, struct err *e);

#endif
