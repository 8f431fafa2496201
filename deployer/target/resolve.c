#include "resolve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "deployer/base/destination.h"
#include "deployer/base/lookup.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/text.h"

static int collect_addresses(const char *host, const struct addrinfo *found, struct address **ret,
                             size_t *ret_count, struct error *err)
{
    CLEANUP_FREE struct address *list = calloc(RESOLVE_ADDRESSES_MAX, sizeof(*list));
    size_t count = 0;

    if (!list)
        return error_sys(err, -ENOMEM, "cannot look up %s", host);
    for (const struct addrinfo *i = found; i && count < RESOLVE_ADDRESSES_MAX; i = i->ai_next) {
        struct sockaddr_storage from = {0};
        bool known = false;

        memcpy(&from, i->ai_addr, i->ai_addrlen < sizeof(from) ? i->ai_addrlen : sizeof(from));
        if (address_from_sockaddr(&from, &list[count]) < 0)
            continue;
        for (size_t j = 0; j < count; j++)
            known = known || address_equal(&list[j], &list[count]);
        count += known ? 0 : 1;
    }
    if (count == 0)
        return error_set(err, -ENOENT, "%s has neither an IPv4 nor an IPv6 address", host);
    *ret = TAKE_PTR(list);
    *ret_count = count;
    return 0;
}

static bool is_link_local(const struct address *a)
{
    return a->family == AF_INET6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

/* 1: the host is an address, which is stored in `ret`; 0: it needs a look-up. */
static int parse_numeric_host(const char *host, struct address **ret, size_t *ret_count,
                              struct error *err)
{
    CLEANUP_FREE struct address *a = calloc(1, sizeof(*a));

    if (!a)
        return error_sys(err, -ENOMEM, "cannot look up %s", host);
    if (address_parse(host, a) < 0) {
        if (strchr(host, '%'))
            return error_set(err, -EINVAL, "%s: there is no interface %s on this computer", host,
                             strchr(host, '%') + 1);
        return 0;
    }
    if (is_link_local(a) && a->interface == 0)
        return error_set(err, -EINVAL,
                         "%s is a link-local address and needs its interface: %s%%INTERFACE", host,
                         host);
    *ret = TAKE_PTR(a);
    *ret_count = 1;
    return 1;
}

/* *ret stays NULL when the host needs no look-up. */
static int begin_lookup(const char *host, unsigned timeout_ms, struct resolved *found,
                        struct lookup **ret)
{
    CLEANUP_TEXT struct text shown = TEXT_INIT;
    struct error *err = &found->err;
    int r;

    if (!destination_host_valid(host)) {
        text_add_printable(&shown, host);
        return error_set(err, -EINVAL, "\"%.80s\" is neither an address nor a host name",
                         text_str(&shown));
    }
    r = parse_numeric_host(host, &found->addresses, &found->count, err);
    if (r != 0)
        return r < 0 ? r : 0;
    return lookup_start(host, timeout_ms, ret, err);
}

static int end_lookup(struct lookup *l, const char *host, struct resolved *found)
{
    CLEANUP(freeaddrinfo_p) struct addrinfo *list = NULL;
    int r = lookup_end(l, -1, &list, &found->err);

    return r < 0 ? r : collect_addresses(host, list, &found->addresses, &found->count, &found->err);
}

void resolve_hosts(const char *const *hosts, size_t count, unsigned timeout_ms,
                   struct resolved *found)
{
    struct lookup *pending[RESOLVE_AT_ONCE] = {0};

    for (size_t i = 0; i < count + RESOLVE_AT_ONCE; i++) {
        struct lookup **slot = &pending[i % RESOLVE_AT_ONCE];

        if (*slot) {
            size_t old = i - RESOLVE_AT_ONCE;

            found[old].code = end_lookup(TAKE_PTR(*slot), hosts[old], &found[old]);
        }
        if (i < count) {
            found[i] = (struct resolved){0};
            found[i].code = begin_lookup(hosts[i], timeout_ms, &found[i], slot);
        }
    }
}

int resolve_host(const char *host, unsigned timeout_ms, struct address **ret, size_t *ret_count,
                 struct error *err)
{
    struct resolved found;

    resolve_hosts(&host, 1, timeout_ms, &found);
    if (found.code < 0) {
        if (err)
            *err = found.err;
        return found.code;
    }
    *ret = found.addresses;
    *ret_count = found.count;
    return 0;
}
