#include "url.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/base/cleanup.h"

/* What follows "http://" or "https://" (in lower case, as apt and pip are told it);
 * NULL: the URL begins with neither. */
static const char *after_scheme(const char *url)
{
    return strncmp(url, "http://", 7) == 0    ? url + 7
           : strncmp(url, "https://", 8) == 0 ? url + 8
                                              : NULL;
}

bool url_valid(const char *url)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/+%[]";
    const char *host = after_scheme(url);

    return host && *host && *host != '/' && *host != ':' && strlen(host) < URL_MAX &&
           host[strspn(host, allowed)] == '\0';
}

static void clear_handle(CURLU **u)
{
    curl_url_cleanup(*u);
}

static void clear_part(char **part)
{
    curl_free(*part);
}

static int get(CURLU *u, CURLUPart what, unsigned flags, char **ret)
{
    CURLUcode r = curl_url_get(u, what, ret, flags);

    return r == CURLUE_OUT_OF_MEMORY ? -ENOMEM : r == CURLUE_OK ? 0 : -EINVAL;
}

static int get_host(CURLU *u, char ret[static URL_HOST_MAX])
{
    CLEANUP(clear_part) char *host = NULL, *zone = NULL;
    int r = get(u, CURLUPART_HOST, 0, &host), size;

    if (r == 0 && get(u, CURLUPART_ZONEID, 0, &zone) == -ENOMEM)
        r = -ENOMEM;
    if (r < 0)
        return r;
    if (*host == '[') {
        host[strcspn(host, "]")] = '\0';
        size = snprintf(ret, URL_HOST_MAX, "%s%s%s", host + 1, zone ? "%" : "", zone ? zone : "");
    } else
        size = snprintf(ret, URL_HOST_MAX, "%s", host);
    return size > 0 && size < URL_HOST_MAX ? 0 : -EINVAL;
}

static int get_port(CURLU *u, struct url *to)
{
    CLEANUP(clear_part) char *port = NULL;
    int r = get(u, CURLUPART_PORT, 0, &port);

    to->has_port = r == 0;
    to->port = to->https ? 443 : 80;
    if (to->has_port)
        to->port = (uint16_t)strtoul(port, NULL, 10); /* libcurl has checked it */
    return r == -ENOMEM ? r : to->port > 0 ? 0 : -EINVAL;
}

/* libcurl has accepted the URL: here is a host, and maybe a port, and nothing else. */
static int get_spelled(const char *authority, struct url *to)
{
    size_t size = *authority == '[' ? strcspn(authority, "]") + 1 : strcspn(authority, ":/");

    if (size >= sizeof(to->spelled))
        return -EINVAL;
    memcpy(to->spelled, authority, size);
    to->spelled[size] = '\0';
    to->path = authority + strcspn(authority, "/");
    return 0;
}

int url_parse(const char *url, struct url *ret)
{
    const char *authority = after_scheme(url);
    CLEANUP(clear_handle) CURLU *u = NULL;
    struct url parsed = {.https = authority == url + 8};
    CURLUcode code;
    int r;

    /* libcurl finds a host behind three slashes too. */
    if (!authority || *authority == '/' || strpbrk(authority, "?#"))
        return -EINVAL;
    u = curl_url();
    if (!u)
        return -ENOMEM;
    code = curl_url_set(u, CURLUPART_URL, url, CURLU_PATH_AS_IS | CURLU_DISALLOW_USER);
    r = code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : code == CURLUE_OK ? 0 : -EINVAL;
    if (r == 0)
        r = get_host(u, parsed.host);
    if (r == 0)
        r = get_port(u, &parsed);
    if (r == 0)
        r = get_spelled(authority, &parsed);
    if (r == 0)
        *ret = parsed;
    return r;
}

/* Not what may stand in a user or password (RFC 3986, section 3.2.1), as a comma: rather too
 * much is masked. */
#define AUTHORITY_ENDS "/?# \t\r\n\"<>"

void url_add_masked(struct text *ret, const char *words)
{
    const char *colon;

    while ((colon = strstr(words, "://"))) {
        size_t size = strcspn(colon + 3, AUTHORITY_ENDS);
        const char *authority = colon + 3, *at = memrchr(authority, '@', size);

        text_add(ret, words, (size_t)(authority - words));
        text_adds(ret, at ? "***" : "");
        words = at ? at : authority;
    }
    text_adds(ret, words);
}

/* "git+https://" is https, too. */
static bool is_http(const char *words, const char *colon)
{
    size_t size = (size_t)(colon - words);

    return (size >= 4 && memcmp(colon - 4, "http", 4) == 0) ||
           (size >= 5 && memcmp(colon - 5, "https", 5) == 0);
}

void url_add_without_password(struct text *ret, const char *words)
{
    const char *colon;

    while ((colon = strstr(words, "://"))) {
        const char *authority = colon + 3;
        size_t size = strcspn(authority, AUTHORITY_ENDS);
        const char *at = memrchr(authority, '@', size), *kept = authority;

        text_add(ret, words, (size_t)(authority - words));
        if (at && !is_http(words, colon)) {
            kept = memchr(authority, ':', (size_t)(at - authority));
            kept = kept ? kept : at;
            text_add(ret, authority, (size_t)(kept - authority));
            text_addc(ret, '@');
        }
        words = at ? at + 1 : authority;
    }
    text_adds(ret, words);
}
