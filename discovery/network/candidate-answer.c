#include "candidate-answer.h"

#include <string.h>

#include "discovery/base/text.h"
#include "host-name.h"

size_t candidate_question_write(uint16_t transaction, uint8_t ret[static MDNS_QUESTION_MAX])
{
    const char *types[CANDIDATE_BEACON];

    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        types[i] = candidate_service_type(i);
    return mdns_types_question_write(types, ARRAY_SIZE(types), transaction, ret);
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

bool candidate_mac_read(const char *instance, char ret[static CANDIDATE_MAC_MAX])
{
    const size_t size = CANDIDATE_MAC_MAX - 1;
    size_t n = strlen(instance);
    const char *mac;

    if (n < size + 2 || instance[n - 1] != ']' || instance[n - size - 2] != '[')
        return false;
    mac = instance + n - size - 1;
    for (size_t i = 0; i < size; i++)
        if (i % 3 == 2 ? mac[i] != ':' : !is_hex(mac[i]))
            return false;
    memcpy(ret, mac, size);
    ret[size] = '\0';
    return true;
}

/* The addresses that the packet tells of the host, as far as they can be its own; else the one
 * that it came from. */
static size_t find_addresses(const struct mdns_host *h, const struct address *from, int interface,
                             const struct links *links,
                             struct address ret[static MDNS_ADDRESSES_MAX])
{
    size_t count = 0;

    for (size_t i = 0; h && i < h->n_addresses; i++) {
        struct address a = h->addresses[i];

        if (a.family == AF_INET6 && address_is_link_local(&a))
            a.interface = (unsigned)interface;
        if (!links_refuse(links, &a, false))
            ret[count++] = a;
    }
    if (count == 0 && !h && !links_refuse(links, from, false))
        ret[count++] = *from;
    return count;
}

static bool take_service(struct candidates *c, const struct mdns_answer *answer,
                         const struct mdns_service *s, struct candidate_record *record,
                         const struct links *links)
{
    CLEANUP_FREE char *host = s->host[0] ? host_name_from_labels(s->host) : NULL;
    struct address addresses[MDNS_ADDRESSES_MAX];
    char mac[CANDIDATE_MAC_MAX];

    if (!host || !s->located || s->goodbye)
        return false;
    record->host = host;
    record->addresses = addresses;
    record->n_addresses = find_addresses(mdns_answer_host(answer, s->host), &record->from,
                                         record->interface, links, addresses);
    record->port =
        record->service == CANDIDATE_SSH || record->service == CANDIDATE_SFTP ? s->port : 0;
    record->mac = record->service == CANDIDATE_WORKSTATION && candidate_mac_read(s->instance, mac)
                      ? mac
                      : NULL;
    return (record->n_addresses > 0 || record->service == CANDIDATE_BEACON) &&
           candidates_see(c, record);
}

bool candidate_answer_take(struct candidates *c, const uint8_t *bytes, size_t size,
                           const struct address *from, int interface, const struct links *links)
{
    struct candidate_record record = {
        .interface = interface,
        .from = *from,
        .networks = links->networks,
        .n_networks = links->n_networks,
    };
    struct mdns_answer answer;
    bool news = false;

    for (size_t i = 0; i < CANDIDATE_SERVICES; i++) {
        record.service = i;
        if (!mdns_answer_parse_type(bytes, size, candidate_service_type(i), &answer))
            return false;
        for (size_t k = 0; k < answer.n_services; k++)
            news = take_service(c, &answer, &answer.services[k], &record, links) || news;
    }
    return news;
}
