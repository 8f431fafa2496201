#include "deployer/caches.h"

#include <errno.h>
#include <string.h>

void caches_clear(struct caches *c)
{
    free(c->apt_proxy);
    free(c->pip_index);
    *c = (struct caches){0};
}

bool caches_url_valid(const char *url)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/+%[]";
    const char *host = strncmp(url, "http://", 7) == 0    ? url + 7
                       : strncmp(url, "https://", 8) == 0 ? url + 8
                                                          : NULL;

    return host && *host && *host != '/' && *host != ':' && strlen(host) < CACHES_URL_MAX &&
           host[strspn(host, allowed)] == '\0';
}

static int take(const char *from, char **to)
{
    if (!from || *to)
        return 0;
    *to = strdup(from);
    return *to ? 0 : -ENOMEM;
}

int caches_find(const struct deploy_options *o, const struct paths *p, struct caches *ret,
                struct error *err)
{
    CLEANUP(caches_clear) struct caches c = {0};

    (void)p;
    if (take(o->apt_proxy, &c.apt_proxy) < 0 || take(o->pip_index, &c.pip_index) < 0 ||
        take(o->inventory_apt_proxy, &c.apt_proxy) < 0 ||
        take(o->inventory_pip_index, &c.pip_index) < 0)
        return error_sys(err, -ENOMEM, "cannot find the caches");
    *ret = c;
    c = (struct caches){0};
    return 0;
}

int caches_add_repositories(const struct paths *p, const struct strings *uris, struct error *err)
{
    (void)p, (void)uris;
    return error_set(err, -ENOSYS, "not built yet");
}

int caches_add_repository(const struct paths *p, const char *uri, struct error *err)
{
    CLEANUP_STRINGS struct strings one = {0};

    if (strings_add(&one, uri) < 0)
        return error_sys(err, -ENOMEM, "cannot add %s", uri);
    return caches_add_repositories(p, &one, err);
}
