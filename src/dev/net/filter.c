/* The network card's filter. Threading and specification: dev/net/filter.h. */
#include "dev/net/filter.h"

#include "base/bits.h"

#include <string.h>

enum { CLASS_RX = 0, CLASS_MAC = 1 };
enum { RX_PROMISC, RX_ALLMULTI, RX_ALLUNI, RX_NOMULTI, RX_NOUNI, RX_NOBCAST };
enum { MAC_TABLE_SET, MAC_ADDR_SET };

void net_filter_reset(struct net_filter *f, const uint8_t mac[NET_MAC_LEN])
{
    *f = (struct net_filter){.promisc = true};
    memcpy(f->mac, mac, NET_MAC_LEN);
}

static bool in_table(const struct net_macs *t, const uint8_t *dst)
{
    for (unsigned i = 0; i < t->nr; i++)
        if (!memcmp(t->mac[i], dst, NET_MAC_LEN))
            return true;
    return t->all;
}

bool net_filter_takes(const struct net_filter *f, const uint8_t dst[NET_MAC_LEN])
{
    static const uint8_t broadcast[NET_MAC_LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    if (f->promisc)
        return true;
    if (!memcmp(dst, broadcast, NET_MAC_LEN))
        return !f->nobcast;
    if (dst[0] & 1)
        return !f->nomulti && (f->allmulti || in_table(&f->multi, dst));
    return !f->nouni && (f->alluni || !memcmp(dst, f->mac, NET_MAC_LEN) || in_table(&f->uni, dst));
}

static bool set_mode(struct net_filter *f, uint8_t cmd, const uint8_t *data, size_t len)
{
    bool *const mode[] = {
        [RX_PROMISC] = &f->promisc, [RX_ALLMULTI] = &f->allmulti, [RX_ALLUNI] = &f->alluni,
        [RX_NOMULTI] = &f->nomulti, [RX_NOUNI] = &f->nouni,       [RX_NOBCAST] = &f->nobcast};

    if (cmd >= ARRAY_LEN(mode) || len != 1)
        return false;
    *mode[cmd] = data[0];
    return true;
}

/* One table out of *data, which moves behind it. */
static bool take_table(struct net_macs *t, const uint8_t **data, size_t *len)
{
    uint32_t nr;

    if (*len < sizeof(nr))
        return false;
    memcpy(&nr, *data, sizeof(nr));
    *data += sizeof(nr);
    *len -= sizeof(nr);
    if (nr > *len / NET_MAC_LEN)
        return false;
    t->all = nr > NET_MAX_MACS;
    t->nr = t->all ? 0 : nr;
    memcpy(t->mac, *data, t->nr * (size_t)NET_MAC_LEN);
    *data += nr * (size_t)NET_MAC_LEN;
    *len -= nr * (size_t)NET_MAC_LEN;
    return true;
}

static bool set_macs(struct net_filter *f, uint8_t cmd, const uint8_t *data, size_t len)
{
    struct net_macs uni, multi;

    if (cmd == MAC_ADDR_SET && len == NET_MAC_LEN) {
        memcpy(f->mac, data, NET_MAC_LEN);
        return true;
    }
    if (cmd != MAC_TABLE_SET || !take_table(&uni, &data, &len) || !take_table(&multi, &data, &len) || len)
        return false;
    f->uni = uni;
    f->multi = multi;
    return true;
}

bool net_filter_control(struct net_filter *f, const uint8_t *cmd, size_t len)
{
    if (len < 2)
        return false;
    switch (cmd[0]) {
    case CLASS_RX: return set_mode(f, cmd[1], cmd + 2, len - 2);
    case CLASS_MAC: return set_macs(f, cmd[1], cmd + 2, len - 2);
    default: return false;
    }
}
