#include "resolver.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "discovery/base/clock.h"

enum { TRY_SECONDS = 1, TRIES = 2, TCP_SECONDS = 3, TCP_MS = 10 * 1000, QUERY_MAX = 512 };

#define SERVERS "the DNS servers of /etc/resolv.conf"

struct resolver *resolver_new(void)
{
    struct resolver *r = calloc(1, sizeof(*r));

    if (!r)
        return NULL;
    if (res_ninit(&r->state) < 0) {
        free(r);
        return NULL;
    }
    r->state.options |= RES_USE_EDNS0 | RES_IGNTC; /* its own TCP waits for ever */
    r->state.retrans = TRY_SECONDS;
    r->state.retry = TRIES;
    return r;
}

void resolver_free(struct resolver *r)
{
    if (!r)
        return;
    res_nclose(&r->state);
    free(r);
}

static const char *type_name(int type)
{
    switch (type) {
    case ns_t_a:
        return "A";
    case ns_t_aaaa:
        return "AAAA";
    case ns_t_ptr:
        return "PTR";
    case ns_t_soa:
        return "SOA";
    case ns_t_srv:
        return "SRV";
    case ns_t_txt:
        return "TXT";
    default:
        return "such";
    }
}

/* No server's answer was a good one.  libresolv leaves the last one where it is, whatever
 * it says; the head of it (RFC 1035 §4.1.1) tells more than errno. */
static int explain(const struct resolver *r, int error, const char *name, struct error *err)
{
    HEADER head;

    memcpy(&head, r->answer, sizeof(head));
    if (head.qr && head.rcode == ns_r_refused)
        return error_set(err, -EACCES,
                         "the DNS server refuses to answer for %s: let it serve this computer",
                         name);
    if (head.qr && head.rcode != ns_r_noerror)
        return error_set(err, -EREMOTEIO,
                         "the DNS server fails for %s (code %u, RFC 1035 section 4.1.1)", name,
                         head.rcode);
    if (error == ECONNREFUSED)
        return error_set(err, -ECONNREFUSED,
                         "no DNS server runs where /etc/resolv.conf says, so %s is not known",
                         name);
    if (error == ENETUNREACH || error == EHOSTUNREACH)
        return error_sys(err, -error, SERVERS " cannot be reached for %s", name);
    return error_set(err, -ETIMEDOUT, SERVERS " do not answer for %s", name);
}

/* ---- over TCP: RFC 1035 §4.2.2, two bytes of length before each message ---- */

static int open_tcp(const struct __res_state *state, int i)
{
    const struct sockaddr *to = (const struct sockaddr *)&state->nsaddr_list[i];
    const struct timeval limit = {.tv_sec = TCP_SECONDS};
    socklen_t size = sizeof(struct sockaddr_in);
    CLEANUP_CLOSE int fd = -1;

    if (to->sa_family != AF_INET) { /* resolv.h: then it is among the extensions */
        to = (const struct sockaddr *)state->_u._ext.nsaddrs[i];
        size = sizeof(struct sockaddr_in6);
    }
    if (!to)
        return -1;
    fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
        connect(fd, to, size) < 0)
        return -1;
    return TAKE_FD(fd);
}

static bool receive_tcp(int fd, uint8_t *bytes, size_t size, int64_t deadline)
{
    for (size_t have = 0; have < size;) {
        ssize_t n = recv(fd, bytes + have, size - have, 0);

        if (n <= 0 || clock_ms(CLOCK_MONOTONIC) > deadline)
            return false;
        have += (size_t)n;
    }
    return true;
}

/* The answer's size; 0: none came. */
static size_t ask_tcp(struct resolver *r, int server, const uint8_t *query, size_t size)
{
    int64_t deadline = clock_ms(CLOCK_MONOTONIC) + TCP_MS;
    CLEANUP_CLOSE int fd = open_tcp(&r->state, server);
    uint8_t length[2];
    size_t n;

    if (fd < 0 || send(fd, query, size, MSG_NOSIGNAL) != (ssize_t)size ||
        !receive_tcp(fd, length, sizeof(length), deadline))
        return 0;
    n = (size_t)length[0] << 8 | length[1];
    if (n < sizeof(HEADER) || n > sizeof(r->answer) || !receive_tcp(fd, r->answer, n, deadline))
        return 0;
    /* The same transaction. */
    return memcmp(r->answer, query + sizeof(length), 2) == 0 && (r->answer[2] & 0x80) ? n : 0;
}

/* What did not fit into UDP, from the first server that answers. */
static bool ask_again(struct resolver *r, const char *name, int type)
{
    uint8_t query[2 + QUERY_MAX];
    int n = res_nmkquery(&r->state, ns_o_query, name, ns_c_in, type, NULL, 0, NULL, query + 2,
                         QUERY_MAX);

    if (n < 0)
        return false;
    query[0] = (uint8_t)(n >> 8);
    query[1] = (uint8_t)n;
    for (int i = 0; i < r->state.nscount && i < MAXNS; i++) {
        size_t size = ask_tcp(r, i, query, (size_t)n + 2);
        const HEADER *head = (const HEADER *)(const void *)r->answer;

        if (size == 0 || head->tc || head->rcode != ns_r_noerror)
            continue;
        r->size = size;
        return true;
    }
    return false;
}

int resolver_ask(struct resolver *r, const char *name, int type, struct error *err)
{
    HEADER head;
    int n;

    r->size = 0;
    memset(r->answer, 0, sizeof(HEADER));
    errno = 0;
    n = res_nquery(&r->state, name, ns_c_in, type, r->answer, sizeof(r->answer));
    memcpy(&head, r->answer, sizeof(head)); /* also of one that libresolv counts as none */
    if (head.qr && head.tc)
        return ask_again(r, name, type)
                   ? 0
                   : error_set(err, -EMSGSIZE,
                               "the DNS server's answer for %s is too large for UDP, and the "
                               "server does not answer over TCP port 53",
                               name);
    if (n >= 0 && (size_t)n >= sizeof(HEADER) && (size_t)n <= sizeof(r->answer)) {
        r->size = (size_t)n;
        return 0;
    }
    switch (r->state.res_h_errno) {
    case HOST_NOT_FOUND:
        return error_set(err, -ENOENT, "there is no name %s in DNS", name);
    case NO_DATA:
        return error_set(err, -ENODATA, "%s has no %s record", name, type_name(type));
    default:
        return explain(r, errno, name, err);
    }
}
