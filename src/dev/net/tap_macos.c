/* dev/net/tap.h on macOS, which has no tap interfaces of its own. */
#include "dev/net/tap.h"

#include "base/err.h"

#include <errno.h>
#include <stddef.h>

struct net_backend *net_tap_create(const char *interface, struct io_thread *t, struct err *e)
{
    (void)t;
    err_set(e, ENOTSUP, "this host has no tap interfaces, so no %s; use --net user", interface);
    return NULL;
}
