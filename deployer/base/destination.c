#include "destination.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/text.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

enum { LABEL_MAX = 63 };

static bool is_ipv6(const char *host)
{
    char address[INET6_ADDRSTRLEN + 1] = "";
    const char *zone = strchr(host, '%');
    size_t size = zone ? (size_t)(zone - host) : strlen(host);
    struct in6_addr in;

    if (size > INET6_ADDRSTRLEN)
        return false;
    memcpy(address, host, size);
    if (inet_pton(AF_INET6, address, &in) != 1)
        return false;
    return !zone || (IN6_IS_ADDR_LINKLOCAL(&in) &&
                     string_is_one_of(zone + 1, LETTERS DIGITS "-_.@", 1, IF_NAMESIZE - 1));
}

/* RFC 1123 §2.1, with the "_" that some networks use; a last label of only digits
 * would be read as part of an address. */
static bool is_name(const char *host)
{
    size_t length = strlen(host);
    const char *label = host;

    if (length == 0 || length > DESTINATION_HOST_MAX)
        return false;
    for (;;) {
        size_t n = strcspn(label, ".");

        if (n == 0 || n > LABEL_MAX || label[0] == '-' || label[n - 1] == '-' ||
            strspn(label, LETTERS DIGITS "-_") < n)
            return false;
        if (!label[n])
            return strspn(label, DIGITS) < n;
        if (!label[n + 1]) /* the root's dot */
            return strspn(label, DIGITS) < n;
        label += n + 1;
    }
}

bool destination_host_valid(const char *host)
{
    struct in_addr in;

    return inet_pton(AF_INET, host, &in) == 1 || is_ipv6(host) || is_name(host);
}

bool destination_user_valid(const char *user)
{
    return *user && strchr(LETTERS DIGITS "_", *user) && user[strspn(user, DIGITS)] &&
           string_is_one_of(user, LETTERS DIGITS "_.-@", 1, DESTINATION_USER_MAX);
}

uint16_t destination_port(const char *text)
{
    unsigned port = 0;

    if (*text == '0' || !string_is_one_of(text, DIGITS, 1, 5))
        return 0;
    for (; *text; text++)
        port = port * 10 + (unsigned)(*text - '0');
    return port <= 65535 ? (uint16_t)port : 0;
}

static int refuse_destination(const char *text, struct error *err, const char *what)
{
    CLEANUP_TEXT struct text shown = TEXT_INIT;

    text_add_shown(&shown, text);
    return error_set(err, -EINVAL, "\"%s\": %s", text_str(&shown), what);
}

/* Splits HOST[:PORT]; the host's end, and where the port begins or NULL. */
static const char *split_host(const char **from, size_t *ret_size, const char **ret_port)
{
    const char *host = *from, *colon;

    *ret_port = NULL;
    if (*host == '[') {
        const char *end = strchr(++host, ']');

        if (!end)
            return "a \"[\" without a \"]\"";
        if (end[1] && end[1] != ':')
            return "only \":\" and a port can follow \"]\"";
        *ret_port = end[1] ? end + 2 : NULL;
        *from = host;
        *ret_size = (size_t)(end - host);
        return NULL;
    }
    colon = strchr(host, ':');
    *ret_size = strlen(host);
    if (colon && !strchr(colon + 1, ':')) {
        *ret_port = colon + 1;
        *ret_size = (size_t)(colon - host);
    }
    return NULL;
}

int destination_parse(const char *text, struct destination *ret, struct error *err)
{
    struct destination p = {0};
    const char *at = strchr(text, '@'), *host = text, *port, *what;
    size_t size;

    if (strncmp(text, "ssh://", 6) == 0 || strchr(text, '/'))
        return refuse_destination(text, err, "not an address: write [USER@]HOST[:PORT]");
    /* An interface may have an "@" in its name, after the "%". */
    if (at && !memchr(text, '%', (size_t)(at - text))) {
        size = (size_t)(at - text);
        if (size < sizeof(p.user))
            memcpy(p.user, text, size);
        if (!destination_user_valid(p.user))
            return refuse_destination(
                text, err, "what is before \"@\" is not a user name (" DESTINATION_USER_RULE ")");
        host = at + 1;
    }
    what = split_host(&host, &size, &port);
    if (what)
        return refuse_destination(text, err, what);
    if (size == 0)
        return refuse_destination(text, err, "it names no host");
    if (size > DESTINATION_HOST_MAX)
        return refuse_destination(text, err, "the host name is too long");
    memcpy(p.host, host, size);
    if (port && (p.port = destination_port(port)) == 0)
        return refuse_destination(text, err, "what follows \":\" is not a port (1 to 65535)");
    if (host > text && host[-1] == '[' && !strchr(p.host, ':'))
        return refuse_destination(text, err, "brackets are for IPv6 addresses");
    if (!destination_host_valid(p.host))
        return refuse_destination(
            text, err,
            strchr(p.host, ':') ? "not an IPv6 address"
            : p.host[strspn(p.host, DIGITS ".")]
                ? "not a host name (letters, digits, - and ., none at either end of a label)"
                : "not an IPv4 address");
    *ret = p;
    return 0;
}
