#include "domain.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>

#include "discovery/advert/sign.h"
#include "discovery/base/digest.h"
#include "discovery/base/queue.h"
#include "dns-answer.h"
#include "host-name.h"
#include "resolver.h"

enum { NAME_MAX_BYTES = 160 }; /* leaves room for an instance and the type in 255 */

/* One instance, as it was when it was last asked for. */
struct instance {
    char *name; /* as dn_expand writes it */
    char digest[DIGEST_LENGTH + 1];
};

struct instances {
    struct instance *items; /* in the order of their names */
    size_t count;
};

/* The queue, the two descriptors, `users`, `stop` and `n_failed` are shared; the rest
 * belongs to the thread once it runs.  Helpers read it, and write to the instances of their
 * lane. */
struct domain {
    struct queue *queue;
    int stop_fd; /* readable: the owner asks the thread to end */
    int done_fd; /* readable: the thread has ended, but for its last lines */
    pthread_t thread;
    atomic_int users; /* the owner and the thread; the last one frees */
    atomic_bool stop;
    atomic_size_t n_failed; /* instances that could not be asked for in this round */
    char *name, *type;
    struct key *key;
    bool again;
    struct instances before, now;
};

/* A helper's share: each DOMAIN_LANES'th instance. */
struct lane {
    struct domain *domain;
    size_t first;
    pthread_t thread;
};

void domain_event_free(struct domain_event *e)
{
    if (!e)
        return;
    free((char *)e->sighting.key.name);
    free((char *)e->sighting.key.domain);
    free((char *)e->sighting.host);
    advert_clear(&e->advert);
    free(e->reason);
    free(e);
}

static void destroy_event(void *event)
{
    domain_event_free(event);
}

int domain_check(const char *name, struct error *err)
{
    const char *label = name;

    for (;; label += strcspn(label, ".") + 1) {
        size_t n = strcspn(label, ".");

        if (n == 0 && !*label && label > name) /* one dot at the end */
            break;
        if (n == 0 || n > DNS_LABEL_MAX)
            return error_set(err, -EINVAL,
                             "'%s' is not a domain: labels have 1 to %d characters, with a dot "
                             "between",
                             name, DNS_LABEL_MAX);
        if (!label[n])
            break;
    }
    if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") !=
        strlen(name))
        return error_set(err, -EINVAL,
                         "'%s' is not a domain: write letters, digits, - and _; other letters in "
                         "the form that begins with xn--",
                         name);
    if (strlen(name) > NAME_MAX_BYTES)
        return error_set(err, -EINVAL, "the domain has more than %d characters", NAME_MAX_BYTES);
    if (strcasecmp(name, "local") == 0 || strcasecmp(name, "local.") == 0)
        return error_set(err, -EINVAL,
                         "'local' is this network itself, which is searched in any case");
    return 0;
}

/* ---- events ---- */

/* NULL without memory.  `name`: the instance, or NULL. */
static struct domain_event *make_event(const struct domain *d, enum domain_event_type type,
                                       const char *name)
{
    struct domain_event *e = calloc(1, sizeof(*e));
    char label[DNS_LABEL_MAX + 1] = "";

    if (!e)
        return NULL;
    if (name)
        (void)dns_instance_label(name, label);
    e->type = type;
    e->sighting.key = (struct sighting_key){-1, SIGHTING_DOMAIN, strdup(label), strdup(d->name)};
    e->sighting.addresses = e->addresses;
    if (e->sighting.key.name && e->sighting.key.domain)
        return e;
    domain_event_free(e);
    return NULL;
}

/* Takes the event.  Without memory, or where the user is far behind, it is lost, and is sent
 * no more. */
static void push_event(struct domain *d, struct domain_event *e)
{
    if (e && queue_push(d->queue, e) < 0)
        domain_event_free(e);
}

static void push_reason(struct domain *d, enum domain_event_type type, const char *name,
                        const char *reason, bool is_short)
{
    struct domain_event *e = make_event(d, type, name);

    if (e) {
        e->reason = reason ? strdup(reason) : NULL;
        e->is_short = is_short;
    }
    push_event(d, e);
}

/* ---- one instance ---- */

/* Was the server asked in vain, so that nothing is known? */
static bool is_unknown(int error)
{
    return error != -ENOENT && error != -ENODATA && error != -EBADMSG && error != -ELOOP;
}

/* The host's addresses of one family; having none is no error. */
static int find_addresses(struct resolver *r, const char *host, int family, struct sighting *s,
                          struct address *list, struct error *err)
{
    int n = resolver_ask(r, host, family == AF_INET ? ns_t_a : ns_t_aaaa, err);

    if (n == -ENODATA || n == -ENOENT)
        return 0;
    if (n < 0)
        return n;
    return dns_answer_addresses(r->answer, r->size, host, family, list, ROSTER_ADDRESSES_MAX,
                                &s->n_addresses, err);
}

/* Asks for all of an instance's records. */
static int find_records(const struct domain *d, struct resolver *r, const char *name,
                        struct domain_event *e, struct error *err)
{
    struct sighting *s = &e->sighting;
    char host[NS_MAXDNAME];
    uint8_t txt[DNS_TXT_MAX];
    size_t size;
    int n = resolver_ask(r, name, ns_t_srv, err);

    if (n >= 0)
        n = dns_answer_service(r->answer, r->size, name, host, &s->port, err);
    if (n >= 0)
        n = resolver_ask(r, name, ns_t_txt, err);
    if (n >= 0)
        n = dns_answer_txt(r->answer, r->size, name, txt, &size, err);
    if (n >= 0)
        n = advert_parse(txt, size, &e->advert, err);
    if (n < 0)
        return n;
    s->advert = &e->advert;
    s->host = host_name_from_escaped(host);
    s->verified =
        d->key && advert_verify(txt, size, s->port, e->advert.id, e->advert.hostkey, d->key);
    n = find_addresses(r, host, AF_INET, s, e->addresses, err);
    if (n >= 0)
        n = find_addresses(r, host, AF_INET6, s, e->addresses, err);
    return n;
}

/* What the event says, so that it is told once. */
static void digest_event(const struct domain_event *e, char ret[static DIGEST_LENGTH + 1])
{
    const struct sighting *s = &e->sighting;
    const struct advert *a = &e->advert;
    const char *const fields[] = {e->reason,  s->host,  a->id,       a->fleet,  a->user,
                                  a->hostkey, a->os,    a->arch,     a->python, a->model,
                                  a->pydcop,  a->error, a->signature};
    struct digest d;

    digest_init(&d);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        digest_adds(&d, fields[i] ? fields[i] : "");
    for (size_t i = 0; i < a->agents.count; i++)
        digest_adds(&d, a->agents.items[i]);
    digest_add(&d, &a->state, sizeof(a->state));
    digest_add(&d, &a->seq, sizeof(a->seq));
    digest_add(&d, &s->port, sizeof(s->port));
    for (size_t i = 0; i < s->n_addresses; i++)
        digest_add(&d, s->addresses[i].bytes, sizeof(s->addresses[i].bytes));
    digest_end(&d, ret);
}

static int compare_instances(const void *a, const void *b)
{
    return strcmp(((const struct instance *)a)->name, ((const struct instance *)b)->name);
}

static const struct instance *find_instance(const struct instances *all, const struct instance *i)
{
    if (all->count == 0)
        return NULL;
    return bsearch(i, all->items, all->count, sizeof(*i), compare_instances);
}

static void ask_for_instance(struct domain *d, struct resolver *r, struct instance *i)
{
    CLEANUP(domain_event_free_p)
    struct domain_event *e = make_event(d, DOMAIN_RECORD, i->name);
    const struct instance *before = find_instance(&d->before, i);
    struct error err = {0};
    int n = e ? find_records(d, r, i->name, e, &err) : -ENOMEM;

    if (n < 0 && is_unknown(n)) {
        atomic_fetch_add(&d->n_failed, 1);
        if (before) /* what was known of it stays */
            memcpy(i->digest, before->digest, sizeof(i->digest));
        return;
    }
    if (n < 0) {
        e->type = DOMAIN_UNREADABLE;
        e->reason = strdup(err.text);
        e->sighting.n_addresses = 0;
    }
    digest_event(e, i->digest);
    if (!before || strcmp(before->digest, i->digest) != 0)
        push_event(d, TAKE_PTR(e));
}

static void run_lane(struct domain *d, size_t first, struct resolver *r)
{
    for (size_t i = first; i < d->now.count && !atomic_load(&d->stop); i += DOMAIN_LANES)
        ask_for_instance(d, r, &d->now.items[i]);
}

static void *run_helper(void *arg)
{
    CLEANUP(resolver_free_p) struct resolver *r = resolver_new();
    const struct lane *l = arg;

    if (r)
        run_lane(l->domain, l->first, r);
    else
        atomic_fetch_add(&l->domain->n_failed, 1);
    return NULL;
}

/* ---- one round ---- */

static void clear_instances(struct instances *all)
{
    for (size_t i = 0; i < all->count; i++)
        free(all->items[i].name);
    free(all->items);
    *all = (struct instances){0};
}

/* Takes over the names. */
static int set_instances(struct instances *all, struct strings *names)
{
    all->items = calloc(names->count + 1, sizeof(*all->items));
    if (!all->items)
        return -ENOMEM;
    for (; all->count < names->count; all->count++)
        all->items[all->count].name = TAKE_PTR(names->items[all->count]);
    return 0;
}

/* The helpers run beside this thread, which has the first lane and those that got none. */
static void ask_for_instances(struct domain *d, struct resolver *r)
{
    struct lane lanes[DOMAIN_LANES];
    bool runs[DOMAIN_LANES] = {false};

    for (size_t i = 1; i < DOMAIN_LANES && i < d->now.count; i++) {
        lanes[i] = (struct lane){.domain = d, .first = i};
        runs[i] = pthread_create(&lanes[i].thread, NULL, run_helper, &lanes[i]) == 0;
    }
    for (size_t i = 0; i < DOMAIN_LANES; i++)
        if (!runs[i])
            run_lane(d, i, r);
    for (size_t i = 0; i < DOMAIN_LANES; i++)
        if (runs[i])
            pthread_join(lanes[i].thread, NULL);
}

static void push_gone(struct domain *d)
{
    for (size_t i = 0; i < d->before.count; i++)
        if (!find_instance(&d->now, &d->before.items[i]))
            push_event(d, make_event(d, DOMAIN_GONE, d->before.items[i].name));
}

/* The type has no instances: is it that there is no such domain? */
static void push_none(struct domain *d, struct resolver *r)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;
    struct error err = {0};
    int n = resolver_ask(r, d->name, ns_t_soa, &err);

    if (n == -ENOENT)
        text_addf(&t, "there is no domain %s in DNS", d->name);
    else
        text_addf(&t,
                  "the domain %s has no machines: its zone has no records of %s (dcop-discover "
                  "--zone writes them)",
                  d->name, d->type);
    push_reason(d, DOMAIN_TOLD, NULL, text_str(&t), n == -ENOENT);
}

static void push_end(struct domain *d, const struct error *too_many)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;
    size_t failed = atomic_load(&d->n_failed);

    if (failed > 0)
        text_addf(&t, "the DNS server did not answer for %zu of %zu machines of %s", failed,
                  d->now.count, d->name);
    else if (too_many->code)
        text_adds(&t, too_many->text);
    push_reason(d, DOMAIN_TOLD, NULL, t.size > 0 ? text_str(&t) : NULL, t.size > 0);
}

/* False: the domain could not be asked for its instances. */
static bool run_round(struct domain *d, struct resolver *r)
{
    CLEANUP_STRINGS struct strings names = {0};
    struct error err = {0};
    int n = resolver_ask(r, d->type, ns_t_ptr, &err);

    atomic_store(&d->n_failed, 0);
    if (n >= 0)
        n = dns_answer_instances(r->answer, r->size, d->type, &names, &err);
    if (n == -ENOSPC || n == -ENOENT || n == -ENODATA)
        n = set_instances(&d->now, &names) < 0 ? -ENOMEM : n;
    else if (n >= 0)
        n = set_instances(&d->now, &names);
    if (n < 0 && !d->now.items) { /* what was known stays */
        push_reason(d, DOMAIN_TOLD, NULL, err.text, true);
        return false;
    }
    ask_for_instances(d, r);
    if (atomic_load(&d->stop))
        return true;
    push_gone(d);
    if (d->now.count == 0)
        push_none(d, r);
    else
        push_end(d, &err);
    clear_instances(&d->before);
    d->before = d->now;
    d->now = (struct instances){0};
    return true;
}

/* ---- the thread ---- */

static void drop_user(struct domain *d)
{
    if (atomic_fetch_sub(&d->users, 1) != 1)
        return;
    queue_free(d->queue);
    if (d->stop_fd >= 0)
        close(d->stop_fd);
    if (d->done_fd >= 0)
        close(d->done_fd);
    clear_instances(&d->before);
    clear_instances(&d->now);
    free(d->name);
    free(d->type);
    if (d->key)
        key_clear(d->key);
    free(d->key);
    free(d);
}

/* res_ninit reads /etc/resolv.conf, which may change: each round reads it anew. */
static void *run_thread(void *arg)
{
    struct domain *d = arg;
    struct pollfd stop = {.fd = d->stop_fd, .events = POLLIN};
    bool asked = false;

    do {
        CLEANUP(resolver_free_p) struct resolver *r = resolver_new();

        asked = r && run_round(d, r);
        if (!r)
            push_reason(d, DOMAIN_TOLD, NULL, "out of memory", true);
    } while (d->again && !atomic_load(&d->stop) &&
             poll(&stop, 1, asked ? DOMAIN_EVERY_MS : DOMAIN_RETRY_MS) <= 0);
    (void)eventfd_write(d->done_fd, 1);
    drop_user(d);
    return NULL;
}

/* Signals are for the program's own loop. */
static int start_thread(struct domain *d)
{
    sigset_t all, before;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&d->thread, NULL, run_thread, d);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -r;
}

static bool copy_names(struct domain *d, const char *name, const struct key *key)
{
    size_t n = strlen(name);

    d->name = strndup(name, n > 0 && name[n - 1] == '.' ? n - 1 : n);
    if (!d->name || asprintf(&d->type, ADVERT_TYPE ".%s", d->name) < 0) {
        d->type = NULL;
        return false;
    }
    if (!key)
        return true;
    d->key = malloc(sizeof(*d->key));
    if (d->key)
        *d->key = *key;
    return d->key != NULL;
}

int domain_new(const char *name, const struct key *key, bool again, struct domain **ret,
               struct error *err)
{
    struct domain *d;
    int r = domain_check(name, err);

    if (r < 0)
        return r;
    r = -ENOMEM;
    d = calloc(1, sizeof(*d));
    if (!d)
        return error_sys(err, r, "cannot ask for the domain %s", name);
    d->again = again;
    atomic_init(&d->users, 1);
    d->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    d->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    d->queue = queue_new(DOMAIN_QUEUE_MAX, destroy_event);
    if (d->stop_fd >= 0 && d->done_fd >= 0 && d->queue && copy_names(d, name, key)) {
        atomic_store(&d->users, 2);
        r = start_thread(d);
        if (r == 0) {
            *ret = d;
            return 0;
        }
        atomic_store(&d->users, 1);
    }
    drop_user(d);
    return error_sys(err, r, "cannot ask for the domain %s", name);
}

void domain_free(struct domain *d)
{
    struct pollfd done;

    if (!d)
        return;
    done = (struct pollfd){.fd = d->done_fd, .events = POLLIN};
    atomic_store(&d->stop, true);
    (void)eventfd_write(d->stop_fd, 1);
    if (poll(&done, 1, DOMAIN_STOP_MS) > 0)
        pthread_join(d->thread, NULL);
    else
        pthread_detach(d->thread);
    drop_user(d);
}

int domain_fd(const struct domain *d)
{
    return queue_fd(d->queue);
}

struct domain_event *domain_take(struct domain *d)
{
    return queue_pop(d->queue);
}
