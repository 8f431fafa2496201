#include "resolver.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <string.h>

enum { TRY_SECONDS = 1, TRIES = 2 };

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
    r->state.options |= RES_USE_EDNS0;
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
    if (head.qr && head.tc)
        return error_set(err, -EMSGSIZE,
                         "the DNS server's answer for %s is cut: it is too large for UDP, and the "
                         "server does not answer over TCP port 53",
                         name);
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

int resolver_ask(struct resolver *r, const char *name, int type, struct error *err)
{
    int n;

    r->size = 0;
    memset(r->answer, 0, sizeof(HEADER));
    errno = 0;
    n = res_nquery(&r->state, name, ns_c_in, type, r->answer, sizeof(r->answer));
    if (n >= 0 && (size_t)n >= sizeof(HEADER) && (size_t)n <= sizeof(r->answer)) {
        const HEADER *head = (const HEADER *)(const void *)r->answer;

        r->size = (size_t)n;
        return head->tc ? explain(r, 0, name, err) : 0;
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
