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

unsigned admission_host(const struct admission *a, const char *host)
{
    const char *bracket, *colon;
    char port[8] = "80";
    size_t size;

    if (!host || !*host)
        return 400;
    bracket = strchr(host, ']');
    colon = strchr(bracket ? bracket : host, ':');
    size = colon ? (size_t)(colon - host) : strlen(host);
    if (colon && (strlen(colon + 1) < 1 || strlen(colon + 1) > 5))
        return 421;
    if (colon)
        (void)snprintf(port, sizeof(port), "%s", colon + 1);
    {
        char ours[8];

        (void)snprintf(ours, sizeof(ours), "%u", (unsigned)a->port);
        if (strcmp(port, ours) != 0)
            return 421;
    }
    return is_ours(a, host, size) ? 0 : 421;
}

unsigned admission_origin(const char *origin, const char *host)
{
    static const char scheme[] = "http://";

    if (!origin)
        return 0;
    if (strncmp(origin, scheme, sizeof(scheme) - 1) != 0)
        return 403; /* "null", too */
    return strcasecmp(origin + sizeof(scheme) - 1, host) == 0 ? 0 : 403;
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
