#include "caches.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "acng.h"
#include "deployer/base/local-host.h"
#include "deployer/base/url.h"
#include "discovery/base/cleanup.h"
#include "http.h"
#include "running.h"
#include "services.h"
#include "start.h"
#include "store.h"

enum { ANSWER_MS = 2000, LOOKUP_MS = 5000 };

void caches_clear(struct caches *c)
{
    free(c->apt_proxy);
    free(c->pip_index);
    strings_clear(&c->ports);
    *c = (struct caches){0};
}

static int copy_unless_set(const char *from, char **to)
{
    if (!from || *to)
        return 0;
    *to = strdup(from);
    return *to ? 0 : -ENOMEM;
}

int caches_copy(const struct caches *from, struct caches *ret)
{
    CLEANUP(caches_clear) struct caches c = {.own_apt = from->own_apt};

    if (copy_unless_set(from->apt_proxy, &c.apt_proxy) < 0 ||
        copy_unless_set(from->pip_index, &c.pip_index) < 0 ||
        strings_copy(&c.ports, &from->ports) < 0)
        return -ENOMEM;
    *ret = c;
    c = (struct caches){0};
    return 0;
}

/* Is the URL's host an address of this controller?  `ret` is its port. */
static bool is_on_controller(const char *url, uint16_t *ret)
{
    struct sockaddr_in here = {.sin_family = AF_INET};
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct url parsed;

    if (url_parse(url, &parsed) < 0 || parsed.https || !parsed.has_port ||
        inet_pton(AF_INET, parsed.host, &here.sin_addr) != 1)
        return false;
    *ret = parsed.port;
    /* Only an address of this controller can be bound. */
    return fd >= 0 && bind(fd, (struct sockaddr *)&here, sizeof(here)) == 0;
}

/* dcop-discover writes this controller's address and the default ports into every
 * inventory, even when there are no caches: so a cache on this controller must answer. */
static int take_from_inventory(const char *url, bool (*answers)(uint16_t port, unsigned timeout_ms),
                               char **to)
{
    uint16_t port;

    if (!url || *to)
        return 0;
    if (is_on_controller(url, &port) && !(cache_port_is_trusted(port) && answers(port, ANSWER_MS)))
        return 0;
    return copy_unless_set(url, to);
}

/* Adds the ports of the repositories.  A damaged list is ignored here, and reported when it
 * is changed. */
static int take_ports(const struct paths *p, struct strings *ret)
{
    CLEANUP_STRINGS struct strings list = {0};

    if (acng_repositories_read(p, &list, NULL) < 0)
        return 0;
    for (size_t i = 0; i < list.count; i++) {
        char authority[URL_HOST_MAX + 8];
        struct url url;
        int r = url_parse(list.items[i], &url);

        if (r == -ENOMEM)
            return r;
        if (r < 0 || !url.has_port)
            continue;
        (void)snprintf(authority, sizeof(authority), "%s:%u", url.spelled, url.port);
        if (strings_add(ret, authority) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* Our own caches, if they answer. */
static int take_from_own(const struct paths *p, struct caches *c)
{
    struct cache_running now = {0};

    if ((c->apt_proxy && c->pip_index) || cache_look(p, &now, NULL) < 0)
        return 0;
    if (now.apt && !c->apt_proxy) {
        c->own_apt = true;
        if (!(c->apt_proxy = cache_apt_url(&now.settings)) || take_ports(p, &c->ports) < 0)
            return -ENOMEM;
    }
    if (now.pip && !c->pip_index && !(c->pip_index = cache_pip_url(&now.settings)))
        return -ENOMEM;
    return 0;
}

/* A service of the system, on the port of its settings. */
static int take_from_system(struct caches *c)
{
    uint16_t port;

    if (!c->apt_proxy && (port = cache_system_apt()) > 0 &&
        asprintf(&c->apt_proxy, "http://127.0.0.1:%u", port) < 0)
        return c->apt_proxy = NULL, -ENOMEM;
    if (!c->pip_index && (port = cache_system_pip()) > 0 &&
        asprintf(&c->pip_index, "http://127.0.0.1:%u/root/pypi/+simple/", port) < 0)
        return c->pip_index = NULL, -ENOMEM;
    return 0;
}

int caches_find(const struct cache_choice *choice, const struct paths *p, struct caches *ret,
                struct error *err)
{
    CLEANUP(caches_clear) struct caches c = {0};

    if (copy_unless_set(choice->apt_proxy, &c.apt_proxy) < 0 ||
        copy_unless_set(choice->pip_index, &c.pip_index) < 0 ||
        take_from_inventory(choice->inventory_apt_proxy, acng_answers, &c.apt_proxy) < 0 ||
        take_from_inventory(choice->inventory_pip_index, devpi_answers, &c.pip_index) < 0 ||
        take_from_own(p, &c) < 0 || take_from_system(&c) < 0)
        return error_sys(err, -ENOMEM, "cannot find the caches");
    *ret = c;
    c = (struct caches){0};
    return 0;
}

const char *caches_index(const struct caches *c, const struct cache_choice *choice)
{
    return c->pip_index ? c->pip_index : choice->offline ? "" : NULL;
}

/* Writes the list, and makes a cache that runs serve it.  The caller holds the lock of
 * cache_busy. */
static int use_list(const struct paths *p, const struct strings *list, struct error *err)
{
    struct cache_running now = {0};
    int r = acng_repositories_write(p, list, err);

    if (r == 0)
        r = cache_look(p, &now, err);
    if (r < 0 || !now.running) /* `cache up` will read the list */
        return r;
    r = acng_configure(p, now.settings.apt_port, now.settings.offline, list, err);
    return r == 0 ? cache_reread(p, &now.settings, err) : r;
}

static int check_host(const char *uri, struct error *err)
{
    struct url url;

    /* What is no URL is refused with the list's own words. */
    if (url_parse(uri, &url) < 0 || local_host_resolved(url.host, NULL, LOOKUP_MS, -1) <= 0)
        return 0;
    return error_set(err, -EINVAL,
                     "%.200s: its host is an address of this computer's loopback or of its link, "
                     "which caches do not fetch from",
                     uri);
}

int caches_check_repository(const char *uri, struct error *err)
{
    CLEANUP_STRINGS struct strings none = {0};
    int r = check_host(uri, err);

    if (r == 0)
        r = acng_repositories_add(&none, uri, err);
    return r < 0 ? r : 0;
}

int caches_add_repositories(const struct paths *p, const struct strings *uris, struct error *err)
{
    CLEANUP_STRINGS struct strings list = {0};
    CLEANUP_CLOSE int busy = -1;
    bool more = false;
    int r = cache_busy(p, &busy, err);

    if (r == 0)
        r = acng_repositories_read(p, &list, err);
    for (size_t i = 0; i < uris->count && r >= 0; i++) {
        r = check_host(uris->items[i], err);
        if (r == 0)
            r = acng_repositories_add(&list, uris->items[i], err);
        more = more || r > 0;
    }
    if (r >= 0 && more)
        r = use_list(p, &list, err);
    return r < 0 ? r : more;
}

int caches_forget_repositories(const struct paths *p, const struct strings *uris,
                               struct strings *ret_forgotten, struct error *err)
{
    CLEANUP_STRINGS struct strings list = {0};
    CLEANUP_CLOSE int busy = -1;
    int r = cache_busy(p, &busy, err);

    if (r == 0)
        r = acng_repositories_read(p, &list, err);
    for (size_t i = 0; i < uris->count && r == 0; i++)
        if (acng_repositories_remove(&list, uris->items[i]) > 0 &&
            strings_add(ret_forgotten, uris->items[i]) < 0)
            r = error_sys(err, -ENOMEM, "cannot forget %s", uris->items[i]);
    if (r == 0 && ret_forgotten->count > 0)
        r = use_list(p, &list, err);
    return r < 0 ? r : 0;
}

int caches_allowed(const struct paths *p, struct strings *ret, struct error *err)
{
    int r = acng_repositories_read(p, ret, err);

    return r < 0 ? r : acng_own_repositories(ret, err);
}

enum apt_https caches_https(const struct caches *c)
{
    return c->own_apt ? APT_HTTPS_FOR_CACHE : c->apt_proxy ? APT_HTTPS_AS_HTTP : APT_HTTPS_KEPT;
}
