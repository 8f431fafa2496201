#include "forward-filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "deployer/base/local-host.h"

/* The parts of a request that are checked; they point into the head. */
struct request {
    char *target, *version;
    char *host;      /* of the Host header; NULL: none */
    char *authority; /* of a target in absolute form; NULL: a path alone */
    const char *path;
    const char *credential; /* base64; NULL: none */
    size_t n_headers;
    bool length_seen;
};

void forward_filter_credential(const char token[static FORWARD_FILTER_TOKEN_LENGTH + 1],
                               char ret[static FORWARD_FILTER_CREDENTIAL_LENGTH + 1])
{
    char plain[sizeof(FORWARD_FILTER_USER) + 1 + FORWARD_FILTER_TOKEN_LENGTH];

    (void)snprintf(plain, sizeof(plain), FORWARD_FILTER_USER ":%s", token);
    (void)sodium_bin2base64(ret, FORWARD_FILTER_CREDENTIAL_LENGTH + 1, (const unsigned char *)plain,
                            strlen(plain), sodium_base64_VARIANT_ORIGINAL);
    sodium_memzero(plain, sizeof(plain));
}

void forward_filter_init(struct forward_filter *g, const struct forward_filter_rules *rules)
{
    *g = (struct forward_filter){.rules = rules};
}

static int refuse_request(struct forward_filter *g, unsigned status, const char *why)
{
    g->status = status;
    g->why = why;
    return -EACCES;
}

/* --- hosts and paths that a request may name -------------------------------------- */

/* Is it this controller or a local address, in any form that a resolver accepts ("127.1",
 * "0x7f000001")? */
static bool is_own(const struct forward_filter_rules *rules, const char *host)
{
    struct in_addr four, own_four;
    struct in6_addr six, own_six;
    bool is_four = inet_aton(host, &four) == 1, is_six = inet_pton(AF_INET6, host, &six) == 1;

    if (is_six && IN6_IS_ADDR_V4MAPPED(&six)) {
        memcpy(&four, six.s6_addr + 12, 4);
        is_four = true;
    }
    if (local_host(host))
        return true;
    for (size_t i = 0; rules->own && i < rules->own->count; i++) {
        const char *own = rules->own->items[i];

        if (strcasecmp(host, own) == 0 ||
            (is_four && inet_pton(AF_INET, own, &own_four) == 1 &&
             own_four.s_addr == four.s_addr) ||
            (is_six && inet_pton(AF_INET6, own, &own_six) == 1 &&
             memcmp(&own_six, &six, sizeof(six)) == 0))
            return true;
    }
    return false;
}

/* Is there a repository on that port of that host? */
static bool is_served(const struct forward_filter_rules *rules, const char *authority)
{
    for (size_t i = 0; rules->ports && i < rules->ports->count; i++)
        if (strcasecmp(rules->ports->items[i], authority) == 0)
            return true;
    return false;
}

/* Checks "host", "host:80", "[address]:80" without changing it. */
static int check_authority(struct forward_filter *g, const char *authority)
{
    char host[256];
    const char *end, *port, *whole = authority;
    bool bracketed = *authority == '[';

    end = bracketed ? strchr(authority, ']') : authority + strcspn(authority, ":");
    if (!end)
        return refuse_request(g, 400, "the host name is not valid");
    port = end + bracketed;
    authority += bracketed;
    if (end == authority || (size_t)(end - authority) >= sizeof(host))
        return refuse_request(g, 400, "the host name is not valid");
    memcpy(host, authority, (size_t)(end - authority));
    host[end - authority] = '\0';
    if (host[strspn(host, bracketed ? "0123456789abcdefABCDEF:."
                                    : "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789-._")])
        return refuse_request(g, 400, "the host name is not valid");
    while (end > authority && host[end - authority - 1] == '.') {
        end--;
        host[end - authority] = '\0'; /* "localhost." is the same host as "localhost" */
    }
    if (!*host)
        return refuse_request(g, 400, "the host name is not valid");
    if (*port && strcmp(port, ":80") != 0 && !is_served(g->rules, whole))
        return refuse_request(g, 403, "the package cache does not serve this port");
    if (is_own(g->rules, host) || (g->rules->may_ask && !g->rules->may_ask(host, g->rules->arg)))
        return refuse_request(g, 403,
                              "the package cache does not serve addresses of the controller");
    return 0;
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* A segment of a path, decoded once. */
static int check_segment(struct forward_filter *g, const char *segment, bool pip)
{
    static const char *const pages[] = {"+simple", "+f", "+e"}; /* devpi's, for pip */

    if (strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0)
        return refuse_request(g, 403, "the path is not allowed");
    if (strncasecmp(segment, "acng-", 5) == 0)
        return refuse_request(g, 403, "the cache's own pages are not served");
    if (!pip || *segment != '+')
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
        if (strcmp(segment, pages[i]) == 0)
            return 0;
    return refuse_request(g, 403, "the index's own pages are not served");
}

static int check_path(struct forward_filter *g, const char *path, bool pip)
{
    char segment[FORWARD_FILTER_HEAD_MAX];
    size_t n = 0;

    for (const char *at = path + 1;; at++) {
        char c = *at;

        if (c == '/' || c == '?' || c == '\0') {
            int r;

            segment[n] = '\0';
            n = 0;
            r = check_segment(g, segment, pip);
            if (r < 0 || c != '/')
                return r;
            continue;
        }
        if (c == '%') {
            int high = hex_value(at[1]), low = high < 0 ? -1 : hex_value(at[2]);

            if (low < 0)
                return refuse_request(g, 400, "the path is not valid");
            c = (char)(high << 4 | low);
            at += 2;
            if (c == '\0' || c == '/' || c == '\\' || c == '%')
                return refuse_request(g, 403, "the path is not allowed");
        }
        if (c == '#' || c == '\\')
            return refuse_request(g, 403, "the path is not allowed");
        segment[n++] = c;
    }
}

/* --- a request --------------------------------------------------------------------- */

/* Splits "METHOD target HTTP/1.1" in place. */
static int read_start(struct forward_filter *g, char *line, struct request *q)
{
    char *space = strchr(line, ' ');

    if (!space)
        return refuse_request(g, 400, "this is not a valid HTTP request");
    *space = '\0';
    if (strcmp(line, "GET") != 0 && strcmp(line, "HEAD") != 0)
        return refuse_request(g, 405, "only GET and HEAD are served here");
    q->target = space + 1;
    space = strchr(q->target, ' ');
    if (!space)
        return refuse_request(g, 400, "this is not a valid HTTP request");
    *space = '\0';
    q->version = space + 1;
    if (strcmp(q->version, "HTTP/1.1") != 0 && strcmp(q->version, "HTTP/1.0") != 0)
        return refuse_request(g, 505, "only HTTP/1.0 and HTTP/1.1 are supported");
    for (const unsigned char *c = (unsigned char *)q->target; *c; c++)
        if (*c <= 0x20 || *c >= 0x7f)
            return refuse_request(g, 400, "the path is not valid");
    if (*q->target == '/') {
        q->path = q->target;
        return 0;
    }
    if (strncasecmp(q->target, "http://", 7) != 0)
        return refuse_request(g, 403, "only http:// is served here");
    q->authority = q->target + 7;
    q->path = strchr(q->authority, '/');
    return q->path ? 0 : refuse_request(g, 400, "the path is not valid");
}

/* 0: the header is passed on; 1: it is dropped. */
static int read_header(struct forward_filter *g, const char *name, char *value, struct request *q)
{
    const char *credential = q->authority ? "proxy-authorization" : "authorization";

    if (strcasecmp(name, "host") == 0) {
        if (q->host)
            return refuse_request(g, 400, "the request has two hosts");
        q->host = value;
        return 1;
    }
    if (strcasecmp(name, credential) == 0) {
        if (q->credential)
            return refuse_request(g, 400, "the request has two credentials");
        if (strncasecmp(value, "basic ", 6) != 0)
            return refuse_request(g, 403, "the credential does not belong to this run");
        q->credential = value + 6;
        return 1;
    }
    if (strcasecmp(name, "content-length") == 0) {
        if (q->length_seen || strcmp(value, "0") != 0)
            return refuse_request(g, 400, "requests with a body and upgrades are not supported");
        q->length_seen = true;
        return 1;
    }
    if (strcasecmp(name, "transfer-encoding") == 0 || strcasecmp(name, "expect") == 0 ||
        strcasecmp(name, "upgrade") == 0 || strcasecmp(name, "trailer") == 0)
        return refuse_request(g, 400, "requests with a body and upgrades are not supported");
    /* Hop-by-hop headers: passed on only if they just say whether the connection stays open
     * (RFC 9110 §7.6.1). */
    if (strcasecmp(name, "connection") == 0 || strcasecmp(name, "proxy-connection") == 0)
        return strcasecmp(value, "close") != 0 && strcasecmp(value, "keep-alive") != 0;
    return strncasecmp(name, "proxy-", 6) == 0 || strcasecmp(name, "te") == 0 ||
           strcasecmp(name, "keep-alive") == 0;
}

static int split_header(struct forward_filter *g, char *line, char **ret_value)
{
    static const char token[] =
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    char *colon = line + strspn(line, token), *value;
    size_t size;

    if (*line == ' ' || *line == '\t')
        return refuse_request(g, 400, "folded headers are not supported");
    if (colon == line || *colon != ':')
        return refuse_request(g, 400, "a header is not valid");
    *colon = '\0';
    value = colon + 1;
    value += strspn(value, " \t");
    size = strlen(value);
    while (size > 0 && (value[size - 1] == ' ' || value[size - 1] == '\t'))
        value[--size] = '\0';
    for (const unsigned char *c = (unsigned char *)value; *c; c++)
        if ((*c < 0x20 && *c != '\t') || *c == 0x7f)
            return refuse_request(g, 400, "a header is not valid");
    *ret_value = value;
    return 0;
}

static bool is_credential(const struct forward_filter_rules *rules, const char *said)
{
    return *rules->credential && strlen(said) == FORWARD_FILTER_CREDENTIAL_LENGTH &&
           sodium_memcmp(said, rules->credential, FORWARD_FILTER_CREDENTIAL_LENGTH) == 0;
}

static int check_request(struct forward_filter *g, const struct request *q)
{
    enum forward_filter_to to = q->authority ? FORWARD_FILTER_APT : FORWARD_FILTER_PIP;

    if (!q->credential)
        return refuse_request(g, q->authority ? 407 : 401, "the credential of the run is required");
    if (!is_credential(g->rules, q->credential))
        return refuse_request(g, 403, "the credential does not belong to this run");
    if (g->rules->left && *g->rules->left == 0)
        return refuse_request(g, 403, "this machine has fetched all that it may in this run");
    if (!(to == FORWARD_FILTER_APT ? g->rules->apt : g->rules->pip))
        return refuse_request(g, 403, "there is no such cache");
    if (g->to != FORWARD_FILTER_UNKNOWN && g->to != to)
        return refuse_request(g, 400, "one connection can use one cache only");
    if (!q->host)
        return refuse_request(g, 400, "the request names no host");
    g->to = to;
    return check_path(g, q->path, to == FORWARD_FILTER_PIP);
}

static int check_host(struct forward_filter *g, const char *host)
{
    if (!*host || host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789-._:[]")])
        return refuse_request(g, 400, "the host name is not valid");
    return 0;
}

/* The next line, without its CR LF; a bare newline does not end a line. */
static int next_line(struct forward_filter *g, char **at, char **ret)
{
    char *end = strstr(*at, "\r\n");

    if (!end)
        return refuse_request(g, 400, "this is not a valid HTTP request");
    *ret = *at;
    *end = '\0';
    *at = end + 2;
    return strpbrk(*ret, "\r\n") ? refuse_request(g, 400, "a line contains a bare CR or LF") : 0;
}

/* Checks one complete head, which ends with an empty line, and appends the rewritten head. */
static int pass_request(struct forward_filter *g, char *head, struct text *ret)
{
    CLEANUP_TEXT struct text headers = TEXT_INIT;
    struct request q = {0};
    char *at = head, *line;
    int r = next_line(g, &at, &line);

    if (r == 0)
        r = read_start(g, line, &q);
    while (r == 0) {
        char *value;

        r = next_line(g, &at, &line);
        if (r < 0 || !*line)
            break;
        if (++q.n_headers > FORWARD_FILTER_HEADERS_MAX)
            return refuse_request(g, 431, "there are too many headers");
        r = split_header(g, line, &value);
        if (r == 0)
            r = read_header(g, line, value, &q);
        if (r == 0)
            text_addf(&headers, "%s: %s\r\n", line, value);
        if (r == 1)
            r = 0;
    }
    if (r == 0)
        r = check_request(g, &q);
    if (r == 0 && q.authority) {
        /* The part between the scheme and the path. */
        CLEANUP_FREE char *authority = strndup(q.authority, (size_t)(q.path - q.authority));

        if (!authority)
            return -ENOMEM;
        r = check_authority(g, authority);
        if (r == 0)
            text_addf(ret, "%s %s %s\r\nHost: %s\r\n", head, q.target, q.version, authority);
    } else if (r == 0) {
        r = check_host(g, q.host);
        if (r == 0)
            text_addf(ret, "%s %s %s\r\nHost: %s\r\n", head, q.target, q.version,
                      g->rules->pip_host ? g->rules->pip_host : q.host);
    }
    if (r == 0)
        text_addf(ret, "%s\r\n", text_str(&headers));
    if (r == 0 && (text_error(ret) < 0 || text_error(&headers) < 0))
        r = -ENOMEM;
    return r;
}

int forward_filter_feed(struct forward_filter *g, const void *bytes, size_t size, struct text *ret)
{
    const char *at = bytes, *end = at + size;
    int r = 0;

    if (g->status)
        return -EACCES;
    while (at < end && r == 0) {
        if (*at == '\0')
            return refuse_request(g, 400, "this is not a valid HTTP request");
        if (g->size == FORWARD_FILTER_HEAD_MAX)
            return refuse_request(g, 431, "the request is too long");
        g->head[g->size++] = *at++;
        if (g->size < 4 || memcmp(g->head + g->size - 4, "\r\n\r\n", 4) != 0)
            continue;
        g->head[g->size] = '\0';
        r = pass_request(g, g->head, ret);
        sodium_memzero(g->head, g->size); /* it has the credential */
        g->size = 0;
    }
    return r;
}

void forward_filter_answer(unsigned status, const char *why, struct text *ret)
{
    text_addf(ret,
              "HTTP/1.1 %u %s\r\n%sContent-Type: text/plain\r\nContent-Length: %zu\r\n"
              "Connection: close\r\n\r\n%s\n",
              status, why,
              status == 407   ? "Proxy-Authenticate: Basic realm=\"dcop\"\r\n"
              : status == 401 ? "WWW-Authenticate: Basic realm=\"dcop\"\r\n"
                              : "",
              strlen(why) + 1, why);
}
