#include "local-host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "discovery/base/cleanup.h"
#include "lookup.h"

enum { HOST_MAX = LOOKUP_NAME_MAX };

static bool is_local_four(uint32_t a)
{
    return a >> 24 == 0 || a >> 24 == 127 || a >> 16 == 0xa9fe || a >> 28 >= 0xe;
}

static bool is_local_six(const struct in6_addr *a)
{
    uint32_t last;

    memcpy(&last, a->s6_addr + 12, sizeof(last));
    if (IN6_IS_ADDR_V4MAPPED(a) || IN6_IS_ADDR_V4COMPAT(a))
        return is_local_four(ntohl(last));
    return IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_UNSPECIFIED(a) || IN6_IS_ADDR_LINKLOCAL(a) ||
           IN6_IS_ADDR_MULTICAST(a);
}

bool local_address(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return is_local_four(ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr));
    return a->sa_family != AF_INET6 ||
           is_local_six(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

static bool is_local_name(const char *name)
{
    static const char *const names[] = {"localhost", "localhost.localdomain", "ip6-localhost",
                                        "ip6-loopback"};
    static const char below[] = ".localhost";
    size_t size = strlen(name), end = sizeof(below) - 1;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return size > end && strcasecmp(name + size - end, below) == 0;
}

/* Without dots at its end; false: no host at all. */
static bool copy_host(const char *host, char ret[static HOST_MAX + 1])
{
    size_t size = strlen(host);

    while (size > 0 && host[size - 1] == '.')
        size--;
    if (size == 0 || size > HOST_MAX)
        return false;
    memcpy(ret, host, size);
    ret[size] = '\0';
    return true;
}

static bool is_own(const struct addrinfo *a, const struct strings *own)
{
    char text[NI_MAXHOST];

    return own &&
           getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST) ==
               0 &&
           strings_has(own, text);
}

static bool is_any_local(const struct addrinfo *list, const struct strings *own)
{
    for (const struct addrinfo *a = list; a; a = a->ai_next)
        if (local_address(a->ai_addr) || is_own(a, own))
            return true;
    return false;
}

static bool is_local_number(const char *name)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    CLEANUP(freeaddrinfo_p) struct addrinfo *list = NULL;

    /* An address that cannot be read, e.g. of no link, is local, too. */
    return getaddrinfo(name, NULL, &hints, &list) == 0 ? is_any_local(list, NULL)
                                                       : strchr(name, ':') != NULL;
}

bool local_host(const char *host)
{
    char name[HOST_MAX + 1];

    return !copy_host(host, name) || is_local_name(name) || is_local_number(name);
}

int local_host_resolved(const char *host, const struct strings *own, unsigned timeout_ms,
                        int stop_fd)
{
    CLEANUP(freeaddrinfo_p) struct addrinfo *list = NULL;
    char name[HOST_MAX + 1];
    int r;

    if (local_host(host) || !copy_host(host, name))
        return 1;
    r = lookup_run(name, timeout_ms, stop_fd, &list, NULL);
    if (r == -ENOENT || r == -EIO)
        return 0;
    return r < 0 ? r : is_any_local(list, own);
}
