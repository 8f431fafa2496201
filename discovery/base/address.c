#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static size_t address_size(const struct address *a)
{
    return a->family == AF_INET ? 4 : 16;
}

void address_format(const struct address *a, char ret[static ADDRESS_TEXT_MAX])
{
    char name[IF_NAMESIZE];
    size_t used;

    if (!inet_ntop(a->family, a->bytes, ret, INET6_ADDRSTRLEN)) {
        ret[0] = '\0';
        return;
    }
    if (a->interface == 0)
        return;
    used = strlen(ret);
    if (if_indextoname(a->interface, name))
        snprintf(ret + used, ADDRESS_TEXT_MAX - used, "%%%s", name);
    else /* the interface has gone: its number is a zone as well (RFC 4007 §11.2) */
        snprintf(ret + used, ADDRESS_TEXT_MAX - used, "%%%u", a->interface);
}

static int parse_zone(const char *zone, unsigned *ret)
{
    unsigned index = if_nametoindex(zone);
    unsigned long number = 0;

    if (index > 0) {
        *ret = index;
        return 0;
    }
    if (!*zone || strlen(zone) > 9)
        return -EINVAL;
    for (; *zone; zone++) {
        if (*zone < '0' || *zone > '9')
            return -EINVAL;
        number = number * 10 + (unsigned long)(*zone - '0');
    }
    *ret = (unsigned)number;
    return number > 0 ? 0 : -EINVAL;
}

int address_parse(const char *text, struct address *ret)
{
    char copy[ADDRESS_TEXT_MAX];
    struct address a = {.family = AF_INET};
    char *zone;
    size_t size = strlen(text) + 1;

    if (size > sizeof(copy))
        return -EINVAL;
    memcpy(copy, text, size);
    if (inet_pton(AF_INET, copy, a.bytes) == 1) {
        *ret = a;
        return 0;
    }
    a.family = AF_INET6;
    zone = strchr(copy, '%');
    if (zone)
        *zone++ = '\0';
    if (inet_pton(AF_INET6, copy, a.bytes) != 1)
        return -EINVAL;
    if (zone && parse_zone(zone, &a.interface) < 0)
        return -EINVAL;
    *ret = a;
    return 0;
}

bool address_equal(const struct address *a, const struct address *b)
{
    return a->family == b->family && a->interface == b->interface &&
           memcmp(a->bytes, b->bytes, address_size(a)) == 0;
}

struct address address_key(const struct address *a)
{
    struct address key = {.family = a->family, .interface = a->interface};

    _Static_assert(sizeof(key) == sizeof(key.family) + sizeof(key.bytes) + sizeof(key.interface),
                   "no padding");
    memcpy(key.bytes, a->bytes, a->family == AF_INET ? 4 : sizeof(key.bytes));
    return key;
}

bool address_is_link_local(const struct address *a)
{
    if (a->family == AF_INET)
        return a->bytes[0] == 169 && a->bytes[1] == 254;
    return a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

bool address_is_unicast(const struct address *a)
{
    static const uint8_t loopback[16] = {[15] = 1};
    static const uint8_t none[16];
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (a->family == AF_INET) /* 0/8, 127/8, 224/4, 240/4: RFC 6890 */
        return a->bytes[0] != 0 && a->bytes[0] != 127 && a->bytes[0] < 224;
    return a->bytes[0] != 0xff && memcmp(a->bytes, none, 16) != 0 &&
           memcmp(a->bytes, loopback, 16) != 0 && memcmp(a->bytes, mapped, 12) != 0;
}

bool network_has(const struct network *n, const struct address *a)
{
    unsigned whole = n->prefix / 8, rest = n->prefix % 8;
    unsigned mask = 0xff00u >> rest;

    if (a->family != n->address.family || n->prefix > 8 * address_size(a) ||
        (a->interface && a->interface != n->address.interface))
        return false;
    return memcmp(a->bytes, n->address.bytes, whole) == 0 &&
           (rest == 0 || ((a->bytes[whole] ^ n->address.bytes[whole]) & mask & 0xff) == 0);
}

socklen_t address_to_sockaddr(const struct address *a, uint16_t port, struct sockaddr_storage *ret)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

    memset(ret, 0, sizeof(*ret));
    if (a->family == AF_INET) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        memcpy(&v4->sin_addr, a->bytes, 4);
        return sizeof(*v4);
    }
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    v6->sin6_scope_id = a->interface;
    memcpy(&v6->sin6_addr, a->bytes, 16);
    return sizeof(*v6);
}

int address_from_sockaddr(const struct sockaddr_storage *from, struct address *ret)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;

    *ret = (struct address){.family = from->ss_family};
    if (from->ss_family == AF_INET) {
        memcpy(ret->bytes, &v4->sin_addr, 4);
    } else if (from->ss_family == AF_INET6) {
        memcpy(ret->bytes, &v6->sin6_addr, 16);
        if (IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr))
            ret->interface = v6->sin6_scope_id;
    } else {
        return -EAFNOSUPPORT;
    }
    return 0;
}
