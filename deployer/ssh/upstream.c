#include "upstream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deployer/base/lookup.h"
#include "deployer/base/url.h"

static void clear_one(struct upstream *u)
{
    free(u->https);
    free(u->host);
    free(u->path);
    *u = (struct upstream){0};
}

void upstreams_clear(struct upstreams *u)
{
    clear_one(&u->apt);
    clear_one(&u->pip);
    free(u->pip_host);
    strings_clear(&u->own);
    strings_clear(&u->ports);
    *u = (struct upstreams){0};
}

static bool is_loopback(const struct sockaddr *a)
{
    const struct sockaddr_in *four = (const void *)a;
    const struct sockaddr_in6 *six = (const void *)a;

    return a->sa_family == AF_INET ? ntohl(four->sin_addr.s_addr) >> 24 == 127
                                   : IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

static void set_port(struct sockaddr_storage *a, unsigned port)
{
    if (a->ss_family == AF_INET)
        ((struct sockaddr_in *)a)->sin_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in6 *)a)->sin6_port = htons((uint16_t)port);
}

static int find_one(const char *url, const struct upstreams_wait *wait, struct upstream *u,
                    struct error *err)
{
    CLEANUP(freeaddrinfo_p) struct addrinfo *list = NULL;
    struct url parsed;
    int r;

    if (!url)
        return 0;
    r = url_parse(url, &parsed);
    if (r == 0 && parsed.https) {
        u->https = strdup(url);
        return u->https ? 0 : error_sys(err, -ENOMEM, "cannot use %s", url);
    }
    if (r == 0) {
        u->host = strdup(parsed.host);
        u->path = strdup(parsed.path);
        u->port = parsed.port;
        r = u->host && u->path ? 0 : -ENOMEM;
    }
    if (r < 0)
        return error_set(err, r,
                         "the cache %s has no address that machines can use; give http://HOST:PORT",
                         url);
    r = lookup_run(u->host, wait->timeout_ms, wait->stop_fd, &list, err);
    if (r < 0)
        return error_prefix(err, "the cache %s cannot be found", url);
    memcpy(&u->address, list->ai_addr, list->ai_addrlen);
    set_port(&u->address, u->port);
    u->size = list->ai_addrlen;
    u->loopback = is_loopback(list->ai_addr);
    return 0;
}

static int add_own(struct strings *own)
{
    char text[INET6_ADDRSTRLEN], name[256] = "", local[300];
    struct ifaddrs *list = NULL;
    int r = 0;

    (void)gethostname(name, sizeof(name) - 1);
    (void)snprintf(local, sizeof(local), "%.*s.local", (int)strcspn(name, "."), name);
    if (*name && (strings_add(own, name) < 0 || strings_add(own, local) < 0))
        return -ENOMEM;
    if (getifaddrs(&list) < 0)
        return -errno;
    for (const struct ifaddrs *i = list; i && r == 0; i = i->ifa_next) {
        const void *bytes = NULL;

        if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET)
            bytes = &((struct sockaddr_in *)(void *)i->ifa_addr)->sin_addr;
        if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET6)
            bytes = &((struct sockaddr_in6 *)(void *)i->ifa_addr)->sin6_addr;
        if (bytes && inet_ntop(i->ifa_addr->sa_family, bytes, text, sizeof(text)))
            r = strings_add(own, text);
    }
    freeifaddrs(list);
    return r;
}

int upstreams_find(const char *apt_proxy, const char *pip_index, const struct strings *ports,
                   bool direct, const struct upstreams_wait *wait, struct upstreams *ret,
                   struct error *err)
{
    struct upstreams u = {.direct = direct};
    int r = find_one(apt_proxy, wait, &u.apt, err);

    if (r == 0)
        r = find_one(pip_index, wait, &u.pip, err);
    if (r == 0 && strings_copy(&u.ports, ports) < 0)
        r = error_sys(err, -ENOMEM, "cannot use %s", apt_proxy);
    if (r == 0 && add_own(&u.own) < 0)
        r = error_sys(err, -ENOMEM, "cannot list this controller's addresses");
    if (r == 0 && u.pip.size > 0 && !u.pip.loopback &&
        asprintf(&u.pip_host, "%s:%u", u.pip.host, u.pip.port) < 0) {
        u.pip_host = NULL;
        r = error_sys(err, -ENOMEM, "cannot use %s", pip_index);
    }
    if (r < 0)
        upstreams_clear(&u);
    else
        *ret = u;
    return r;
}

bool upstreams_forwarded(const struct upstreams *u)
{
    return u->apt.size > 0 || u->pip.size > 0;
}

void upstream_add_url(const struct upstream *u, const char *userinfo, unsigned port,
                      const struct address *local, struct text *ret)
{
    char own[ADDRESS_TEXT_MAX] = "127.0.0.1";
    const char *host = own;

    if (u->https) {
        text_adds(ret, u->https);
        return;
    }
    if (local) {
        port = u->port;
        address_format(local, own);
        own[strcspn(own, "%")] = '\0';
        if (!u->loopback)
            host = u->host;
    }
    text_addf(ret, strchr(host, ':') ? "http://%s%s[%s]:%u%s" : "http://%s%s%s:%u%s",
              userinfo ? userinfo : "", userinfo ? "@" : "", host, port, u->path);
}
