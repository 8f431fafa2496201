#include "admission.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "discovery/base/digest.h"

/* RFC 9110 §7.2: host, and the port unless it is the scheme's default. */
static bool is_ours(const struct admission *a, const char *host, size_t size)
{
    for (size_t i = 0; i < a->hosts->count; i++) {
        const char *ours = a->hosts->items[i];

        if (strlen(ours) == size && strncasecmp(ours, host, size) == 0)
            return true;
    }
    return false;
}

/* Our name with our port. */
static bool is_direct(const struct admission *a, const char *host)
{
    const char *bracket = strchr(host, ']'), *colon = strchr(bracket ? bracket : host, ':');
    size_t size = colon ? (size_t)(colon - host) : strlen(host);
    char ours[8];

    (void)snprintf(ours, sizeof(ours), "%u", (unsigned)a->port);
    return strcmp(colon ? colon + 1 : "80", ours) == 0 && is_ours(a, host, size);
}

/* A proxy's, which has kept the browser's Host; `origin` NULL: of either scheme. */
static bool is_proxied(const struct admission *a, const char *host, const char *origin)
{
    for (size_t i = 0; i < a->hosts->count; i++) {
        const char *ours = a->hosts->items[i], *name = strstr(ours, "://");

        if (name && strcasecmp(name + 3, host) == 0 && (!origin || strcasecmp(ours, origin) == 0))
            return true;
    }
    return false;
}

unsigned admission_host(const struct admission *a, const char *host)
{
    if (!host || !*host)
        return 400;
    return is_direct(a, host) || is_proxied(a, host, NULL) ? 0 : 421;
}

unsigned admission_origin(const struct admission *a, const char *origin, const char *host)
{
    static const char scheme[] = "http://";
    size_t size = sizeof(scheme) - 1;

    if (!origin || is_proxied(a, host, origin))
        return 0;
    /* "null" is another's, too */
    return strncmp(origin, scheme, size) == 0 && strcasecmp(origin + size, host) == 0 &&
                   is_direct(a, host)
               ? 0
               : 403;
}

unsigned admission_token(const struct admission *a, const char *authorization)
{
    static const char scheme[] = "Bearer ";
    uint8_t given[DIGEST_SIZE], ours[DIGEST_SIZE];

    if (!authorization || strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0)
        return 401;
    authorization += sizeof(scheme) - 1;
    /* Digests are compared, so that time reveals neither the length nor the first difference. */
    digest_sha256(authorization, strlen(authorization), given);
    digest_sha256(a->token, strlen(a->token), ours);
    return digest_equal(given, ours, sizeof(ours)) ? 0 : 401;
}
