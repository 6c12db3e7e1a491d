/* What the guest shares with the host: folders, networks, sockets. Before any thread starts. */
#include "cli/options_internal.h"

#include "base/err.h"
#include "dev/virtio_9p.h"
#include "dev/virtio_vsock.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int check_tag(const struct vm_options *v, const char *tag, struct err *e)
{
    if (!*tag || strlen(tag) > VIRTIO_9P_MAX_TAG)
        return err_set(e, EINVAL, "the tag \"%.80s\" must have 1 to %u characters", tag,
                       VIRTIO_9P_MAX_TAG);
    for (unsigned i = 0; i < v->nr_shares; i++)
        if (!strcmp(v->share[i].tag, tag))
            return err_set(e, EEXIST,
                           "%.80s is shared with the tag \"%s\" already; give another, as ,tag=more",
                           v->share[i].path, tag);
    return 0;
}

int set_share(struct options *o, const char *text, struct err *e)
{
    struct vm_share *s = &o->vm.share[o->vm.nr_shares];
    const char *part, *value;

    if (o->vm.nr_shares == VM_MAX_SHARES)
        return err_set(e, E2BIG, "given more than %d times", VM_MAX_SHARES);
    char *rest = option_keep(o, text, strlen(text), e);
    if (!rest)
        return -ENOMEM;
    *s = (struct vm_share){.path = option_next_part(&rest), .tag = "share"};
    if (!*s->path)
        return err_set(e, EINVAL, "the name of the folder is empty");
    while ((part = option_next_part(&rest))) {
        if ((value = option_value(part, "tag")))
            s->tag = value;
        else if (!strcmp(part, "ro"))
            s->read_only = true;
        else
            return err_set(e, EINVAL,
                           "\"%.80s\" is neither tag=T nor ro (a comma in the folder's name is written twice)",
                           part);
    }
    const int r = check_tag(&o->vm, s->tag, e);
    if (!r)
        o->vm.nr_shares++;
    return r;
}

/* --- Networks -------------------------------------------------------------------------------------------------------- */

/* Six bytes, each of one or two hexadecimal digits, with colons between. */
static bool scan_mac(const char *p, uint8_t mac[NET_MAC_LEN])
{
    for (unsigned i = 0; i < NET_MAC_LEN; i++) {
        char *end;
        if (!isxdigit((unsigned char)*p))
            return false;
        const unsigned long n = strtoul(p, &end, 16);
        if (end - p > 2 || *end != (i + 1 < NET_MAC_LEN ? ':' : 0))
            return false;
        mac[i] = (uint8_t)n;
        p = end + 1;
    }
    return true;
}

static int parse_mac(const char *text, uint8_t mac[NET_MAC_LEN], struct err *e)
{
    static const uint8_t none[NET_MAC_LEN];

    if (!scan_mac(text, mac))
        return err_set(e, EINVAL, "mac=%.80s: write it like mac=52:54:00:12:34:56", text);
    if (!memcmp(mac, none, NET_MAC_LEN))
        return err_set(e, EINVAL, "mac=%s is no address", text);
    if (mac[0] & 1)
        return err_set(e, EINVAL, "mac=%s is an address of a group: the first byte must be even", text);
    return 0;
}

/* "ADDR:PORT" at *p, up to the character end, behind which *p is then. An empty ADDR leaves *addr as it is. */
static bool scan_endpoint(const char **p, char end, uint32_t *addr, uint16_t *port)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr in;
    uint64_t n;
    const size_t len = strcspn(*p, ":");

    if (len >= sizeof(text) || (*p)[len] != ':')
        return false;
    memcpy(text, *p, len);
    text[len] = 0;
    if (len && inet_pton(AF_INET, text, &in) != 1)
        return false;
    if (len)
        *addr = ntohl(in.s_addr);
    *p += len + 1;
    if (option_scan_number(p, &n) < 0 || n < 1 || n > UINT16_MAX || **p != end)
        return false;
    *port = (uint16_t)n;
    *p += end != 0;
    return true;
}

static int add_forward(struct vm_net *n, const char *text, struct err *e)
{
    struct net_forward *f = &n->forward[n->nr_forwards];
    const char *p = text + 4;

    if (n->nr_forwards == VM_MAX_FORWARDS)
        return err_set(e, E2BIG, "hostfwd= is given more than %d times", VM_MAX_FORWARDS);
    *f = (struct net_forward){.udp = !strncmp(text, "udp:", 4), .host = INADDR_LOOPBACK};
    if ((!f->udp && strncmp(text, "tcp:", 4) != 0) || !scan_endpoint(&p, '-', &f->host, &f->host_port) ||
        !scan_endpoint(&p, 0, &f->guest, &f->guest_port))
        return err_set(e, EINVAL,
                       "hostfwd=%.80s: write it like hostfwd=tcp:127.0.0.1:8080-:80 (ports are 1 to 65535)",
                       text);
    n->nr_forwards++;
    return 0;
}

#define MAX_INTERFACE 15u

static int set_network(struct vm_net *n, const char *text, struct err *e)
{
    n->tap = option_value(text, "tap");
    if (!n->tap && strcmp(text, "user") != 0)
        return err_set(e, EINVAL, "\"%.80s\" is neither user nor tap=IF", text);
    if (n->tap && (!*n->tap || strlen(n->tap) > MAX_INTERFACE))
        return err_set(e, EINVAL, "tap=%.80s: an interface's name has 1 to %u characters", n->tap,
                       MAX_INTERFACE);
    return 0;
}

int set_net(struct options *o, const char *text, struct err *e)
{
    struct vm_net *n = &o->vm.net[o->vm.nr_nets];
    const char *part, *value;

    if (o->vm.nr_nets == VM_MAX_NETS)
        return err_set(e, E2BIG, "given more than %d times", VM_MAX_NETS);
    char *rest = option_keep(o, text, strlen(text), e);
    if (!rest)
        return -ENOMEM;
    *n = (struct vm_net){0};
    int r = set_network(n, option_next_part(&rest), e);
    while (!r && (part = option_next_part(&rest))) {
        if ((value = option_value(part, "mac"))) {
            r = parse_mac(value, n->mac, e);
            n->mac_given = true;
        } else if ((value = option_value(part, "hostfwd")) && !n->tap) {
            r = add_forward(n, value, e);
        } else {
            r = err_set(e, EINVAL, "\"%.80s\" is not %s", part,
                        n->tap ? "mac=MAC" : "hostfwd=... or mac=MAC");
        }
    }
    if (!r)
        o->vm.nr_nets++;
    return r;
}

/* --- Sockets ---------------------------------------------------------------------------------------------------------- */

/* 0 to 2 are the hypervisor's, the guest's own and the host's; the last stands for any. */
#define FIRST_CID 3u
#define LAST_CID (UINT32_MAX - 1)

int set_vsock(struct options *o, const char *text, struct err *e)
{
    const char *part;
    char *rest = option_keep(o, text, strlen(text), e);

    if (!rest)
        return -ENOMEM;
    o->vm.vsock_cid = VSOCK_GUEST_CID;
    int r = option_parse_file(option_next_part(&rest), &o->vm.vsock, e);
    while (!r && (part = option_next_part(&rest))) {
        const char *p = option_value(part, "cid");
        uint64_t cid;
        if (!p)
            return err_set(e, EINVAL,
                           "\"%.80s\" is not cid=N (a comma in the socket's name is written twice)",
                           part);
        if (option_scan_number(&p, &cid) < 0 || *p || cid < FIRST_CID || cid > LAST_CID)
            return err_set(e, EINVAL, "%.80s: must be a number from %u to %u", part, FIRST_CID, LAST_CID);
        o->vm.vsock_cid = (uint32_t)cid;
    }
    return r;
}
