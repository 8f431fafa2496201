#include "resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "deployer/base/destination.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/text.h"

/* Shared by the caller and the thread; the one that is done last frees it. */
struct lookup {
    pthread_mutex_t lock;
    pthread_cond_t done_changed;
    bool done, abandoned;
    struct timespec end; /* the deadline, by CLOCK_MONOTONIC */
    int status;          /* EAI_… */
    int code;            /* errno for EAI_SYSTEM */
    struct addrinfo *found;
    char host[DESTINATION_HOST_MAX + 1];
};

static void lookup_free(struct lookup *l)
{
    if (l->found)
        freeaddrinfo(l->found);
    pthread_cond_destroy(&l->done_changed);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static struct lookup *lookup_new(const char *host)
{
    struct lookup *l = calloc(1, sizeof(*l));
    pthread_condattr_t clock;

    if (!l)
        return NULL;
    memcpy(l->host, host, strlen(host) + 1); /* destination_host_valid bounds it */
    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&l->done_changed, &clock);
    pthread_condattr_destroy(&clock);
    return l;
}

static void *look_up(void *data)
{
    static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct lookup *l = data;
    struct addrinfo *found = NULL;
    int status = getaddrinfo(l->host, NULL, &hints, &found);
    int code = errno;
    bool abandoned;

    pthread_mutex_lock(&l->lock);
    l->status = status;
    l->code = code;
    l->found = status == 0 ? found : NULL;
    l->done = true;
    abandoned = l->abandoned;
    pthread_cond_signal(&l->done_changed);
    pthread_mutex_unlock(&l->lock);
    if (abandoned)
        lookup_free(l);
    return NULL;
}

static int start_thread(struct lookup *l)
{
    pthread_attr_t attr;
    pthread_t thread;
    int r;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    r = pthread_create(&thread, &attr, look_up, l);
    pthread_attr_destroy(&attr);
    return -r;
}

/* True when the look-up is done; otherwise the thread will free it. */
static bool wait_for_lookup(struct lookup *l)
{
    bool done;
    int r = 0;

    pthread_mutex_lock(&l->lock);
    while (!l->done && r == 0)
        r = pthread_cond_timedwait(&l->done_changed, &l->lock, &l->end);
    done = l->done;
    l->abandoned = !done;
    pthread_mutex_unlock(&l->lock);
    return done;
}

static int explain_failure(const struct lookup *l, struct error *err)
{
    switch (l->status) {
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        return error_set(
            err, -ENOENT,
            "cannot find the host %s: is its name spelled right, and is it switched on?", l->host);
    case EAI_MEMORY:
        return error_sys(err, -ENOMEM, "cannot look up %s", l->host);
    case EAI_SYSTEM:
        return error_sys(err, l->code > 0 ? -l->code : -EIO, "cannot look up %s", l->host);
    default:
        return error_set(
            err, -EIO,
            "cannot look up %s: %s; give its address instead, or check the name service (DNS)",
            l->host, gai_strerror(l->status));
    }
}

static int collect_addresses(const struct lookup *l, struct address **ret, size_t *ret_count,
                             struct error *err)
{
    CLEANUP_FREE struct address *list = calloc(RESOLVE_ADDRESSES_MAX, sizeof(*list));
    size_t count = 0;

    if (!list)
        return error_sys(err, -ENOMEM, "cannot look up %s", l->host);
    for (const struct addrinfo *i = l->found; i && count < RESOLVE_ADDRESSES_MAX; i = i->ai_next) {
        struct sockaddr_storage from = {0};
        bool known = false;

        memcpy(&from, i->ai_addr, i->ai_addrlen < sizeof(from) ? i->ai_addrlen : sizeof(from));
        if (address_from_sockaddr(&from, &list[count]) < 0)
            continue;
        for (size_t j = 0; j < count; j++)
            known = known || address_equal(&list[j], &list[count]);
        count += known ? 0 : 1;
    }
    if (count == 0)
        return error_set(err, -ENOENT, "%s has neither an IPv4 nor an IPv6 address", l->host);
    *ret = TAKE_PTR(list);
    *ret_count = count;
    return 0;
}

static bool is_link_local(const struct address *a)
{
    return a->family == AF_INET6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

/* 1: the host is an address, which is stored in `ret`; 0: it needs a look-up. */
static int parse_numeric_host(const char *host, struct address **ret, size_t *ret_count,
                              struct error *err)
{
    CLEANUP_FREE struct address *a = calloc(1, sizeof(*a));

    if (!a)
        return error_sys(err, -ENOMEM, "cannot look up %s", host);
    if (address_parse(host, a) < 0) {
        if (strchr(host, '%'))
            return error_set(err, -EINVAL, "%s: there is no interface %s on this computer", host,
                             strchr(host, '%') + 1);
        return 0;
    }
    if (is_link_local(a) && a->interface == 0)
        return error_set(err, -EINVAL,
                         "%s is a link-local address and needs its interface: %s%%INTERFACE", host,
                         host);
    *ret = TAKE_PTR(a);
    *ret_count = 1;
    return 1;
}

static struct timespec time_in_ms(unsigned ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += (time_t)(ms / 1000);
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

/* *ret stays NULL when the host needs no look-up. */
static int begin_lookup(const char *host, unsigned timeout_ms, struct resolved *found,
                        struct lookup **ret)
{
    CLEANUP_TEXT struct text shown = TEXT_INIT;
    struct error *err = &found->err;
    struct lookup *l;
    int r;

    if (!destination_host_valid(host)) {
        text_add_printable(&shown, host);
        return error_set(err, -EINVAL, "\"%.80s\" is neither an address nor a host name",
                         text_str(&shown));
    }
    r = parse_numeric_host(host, &found->addresses, &found->count, err);
    if (r != 0)
        return r < 0 ? r : 0;
    l = lookup_new(host);
    if (!l)
        return error_sys(err, -ENOMEM, "cannot look up %s", host);
    l->end = time_in_ms(timeout_ms);
    r = start_thread(l);
    if (r < 0) {
        lookup_free(l);
        return error_sys(err, r, "cannot look up %s", host);
    }
    *ret = l;
    return 0;
}

static int end_lookup(struct lookup *l, const char *host, unsigned timeout_ms,
                      struct resolved *found)
{
    int r;

    if (!wait_for_lookup(l))
        return error_set(&found->err, -ETIMEDOUT,
                         "cannot look up %s: no answer in %u.%u s; give its address instead, or "
                         "check the name service (DNS)",
                         host, timeout_ms / 1000, timeout_ms % 1000 / 100);
    r = l->status == 0 ? collect_addresses(l, &found->addresses, &found->count, &found->err)
                       : explain_failure(l, &found->err);
    lookup_free(l);
    return r;
}

void resolve_hosts(const char *const *hosts, size_t count, unsigned timeout_ms,
                   struct resolved *found)
{
    struct lookup *pending[RESOLVE_AT_ONCE] = {0};

    for (size_t i = 0; i < count + RESOLVE_AT_ONCE; i++) {
        struct lookup **slot = &pending[i % RESOLVE_AT_ONCE];

        if (*slot) {
            size_t old = i - RESOLVE_AT_ONCE;

            found[old].code = end_lookup(TAKE_PTR(*slot), hosts[old], timeout_ms, &found[old]);
        }
        if (i < count) {
            found[i] = (struct resolved){0};
            found[i].code = begin_lookup(hosts[i], timeout_ms, &found[i], slot);
        }
    }
}

int resolve_host(const char *host, unsigned timeout_ms, struct address **ret, size_t *ret_count,
                 struct error *err)
{
    struct resolved found;

    resolve_hosts(&host, 1, timeout_ms, &found);
    if (found.code < 0) {
        if (err)
            *err = found.err;
        return found.code;
    }
    *ret = found.addresses;
    *ret_count = found.count;
    return 0;
}
