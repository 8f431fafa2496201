/* What answers say of instances, and what of it is handed over. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/advert/sign.h"
#include "host-name.h"
#include "querier-private.h"

enum {
    FLUSH_MS = 1000,         /* an address that the newer answer does not tell: RFC 6762 §10.2 */
    DOUBT_MS = 30 * 1000,    /* between two doubts about one instance */
    ADDRESS_MS = 120 * 1000, /* one whose protocol is not told at all: RFC 6762 §10 */
};

/* Adds the packet's addresses.  Those of the same protocol that were told more than
 * a second before, and not now, are no longer the host's (RFC 6762 §10.2). */
static void take_addresses(struct querier *q, struct instance *i, const struct packet *p)
{
    const struct mdns_host *h = i->host ? mdns_answer_host(&q->answer, i->host) : NULL;
    uint64_t now = querier_now_ms(q);
    size_t kept = 0;
    bool told[2] = {false, false};

    for (size_t k = 0; h && k < h->n_addresses; k++)
        told[h->addresses[k].family == AF_INET6] = true;
    for (size_t k = 0; k < i->n_addresses; k++)
        if (now < i->addresses[k].told +
                      (told[i->addresses[k].address.family == AF_INET6] ? FLUSH_MS : ADDRESS_MS))
            i->addresses[kept++] = i->addresses[k];
    i->n_addresses = kept;
    for (size_t k = 0; h && k < h->n_addresses; k++) {
        struct address a = h->addresses[k];
        size_t at = 0;

        if (a.family == AF_INET6 && address_is_link_local(&a))
            a.interface = (unsigned)p->interface;
        if (links_refuse(&q->links, &a, i->own)) {
            i->refused = a;
            i->is_refused = true;
            continue;
        }
        while (at < i->n_addresses && !address_equal(&i->addresses[at].address, &a))
            at++;
        if (at == MDNS_ADDRESSES_MAX)
            continue;
        if (at == i->n_addresses)
            i->n_addresses++;
        i->addresses[at] = (struct known_address){a, now};
    }
    i->is_refused = i->is_refused && i->n_addresses == 0;
}

/* Keeps what the packet says of an instance.  -ENOMEM, -EBADMSG: too long. */
static int take_records(struct instance *i, const struct mdns_service *s)
{
    if (s->txt_size > ADVERT_TXT_MAX)
        return -EBADMSG;
    if (s->txt) {
        uint8_t *txt = realloc(i->txt, s->txt_size + 1);

        if (!txt)
            return -ENOMEM;
        memcpy(txt, s->txt, s->txt_size);
        i->txt = txt;
        i->txt_size = s->txt_size;
    }
    if (s->located) {
        i->located = true;
        i->port = s->port;
        if (s->host[0] && (!i->host || strcmp(i->host, s->host) != 0)) {
            char *host = strdup(s->host);

            if (!host)
                return -ENOMEM;
            free(i->host);
            i->host = host;
        }
    }
    return 0;
}

/* Hands a complete instance over. */
static void report_instance(struct querier *q, const struct instance *i, const struct packet *p)
{
    CLEANUP(advert_clear) struct advert advert = ADVERT_INIT;
    struct address addresses[MDNS_ADDRESSES_MAX + 1];
    CLEANUP_FREE char *host = i->host ? host_name_from_labels(i->host) : NULL;
    struct error err = {0};
    struct sighting s = {
        .key = {instance_interface(i), SIGHTING_DIRECT, instance_name(i), "local"},
        .host = host,
        .addresses = addresses,
        .n_addresses = i->n_addresses,
        .own = i->own,
        .port = i->port,
        .advert = &advert,
        .verified = q->signed_only,
    };

    for (size_t k = 0; k < i->n_addresses; k++)
        addresses[k] = i->addresses[k].address;
    if (s.n_addresses == 0) /* without address records: where it came from */
        addresses[s.n_addresses++] = i->is_refused ? i->refused : p->from;
    /* Nobody else spoke for it.  From a network that is not this host's a probe says whether it
     * can be reached. */
    if (links_is_near(&q->links, &p->from))
        for (size_t k = 0; k < s.n_addresses; k++)
            if (address_equal(&addresses[k], &p->from))
                s.answered = &addresses[k];
    s.heard = s.answered != NULL;
    if (advert_parse(i->txt, i->txt_size, &advert, &err) < 0) {
        if (q->listener.unreadable)
            q->listener.unreadable(&s, err.text, q->listener.arg);
        return;
    }
    q->listener.seen(&s, q->listener.arg);
}

/* Is it a signed record of the fleet?  Under another name it is a replay.  The port is signed, too;
 * without the SRV record, SSH's default port is tried. */
static bool is_signed(const struct querier *q, const struct mdns_service *s)
{
    CLEANUP(advert_clear) struct advert advert = ADVERT_INIT;

    return s->txt && advert_parse(s->txt, s->txt_size, &advert, NULL) == 0 &&
           advert_is_name_of(s->instance, advert.id) &&
           advert_verify(s->txt, s->txt_size, s->located ? s->port : SSH_PORT, advert.id,
                         advert.hostkey, &q->fleet);
}

/* An unsigned record under a signed one's name: the machine has lost its key, or somebody
 * else says so, and decides how often. */
static void doubt(struct querier *q, const struct mdns_service *s, const struct packet *p)
{
    struct instance *i = s->txt && !p->own ? instance_find(q, p->interface, s->instance) : NULL;
    uint64_t now = querier_now_ms(q);
    struct confirm *confirm;

    if (!i || (i->doubted > 0 && now < i->doubted + DOUBT_MS))
        return;
    i->doubted = now;
    querier_confirm(q, s->instance);
    confirm = querier_find_confirm(q, s->instance);
    if (confirm)
        confirm->doubted = true;
}

static void take_service(struct querier *q, struct mdns_service *s, const struct packet *p)
{
    struct confirm *confirm;
    struct instance *i;

    if (q->signed_only) {
        if (!is_signed(q, s)) {
            q->unsigned_seen += !s->goodbye && !p->ours; /* not what our questions brought */
            doubt(q, s, p);
            return;
        }
        s->port = s->located ? s->port : SSH_PORT;
        s->located = true;
    }
    if (s->goodbye && !s->txt) {
        if (instance_find(q, p->interface, s->instance))
            querier_confirm(q, s->instance);
        return;
    }
    i = instance_make(q, p, s->instance);
    if (!i || take_records(i, s) < 0)
        return;
    i->own = i->own || p->own;
    take_addresses(q, i, p);
    if (p->ours) {
        q->answered = q->answered || !p->own;
        i->answered = true;
        if (instance_answers(i, p->round))
            q->heard_at = querier_now_ms(q);
    }
    instance_keep(q, i, s->ttl);
    if (!instance_is_complete(i))
        return;
    confirm = s->txt || s->located ? querier_find_confirm(q, s->instance) : NULL;
    if (confirm && confirm->asked > 1)
        querier_end_confirm(q, confirm);
    report_instance(q, i, p);
}

void querier_take_answer(struct querier *q, const struct packet *p)
{
    for (size_t i = 0; i < q->answer.n_services; i++)
        take_service(q, &q->answer.services[i], p);
}
