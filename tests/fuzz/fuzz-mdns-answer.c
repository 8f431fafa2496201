/* Any bytes as a multicast DNS answer: what is read of it lies within it, and
 * is bounded.  So are the candidates in it. */
#include <stdlib.h>
#include <string.h>

#include "discovery/network/candidate-answer.h"
#include "discovery/network/mdns-answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void take_candidates(const uint8_t *data, size_t size)
{
    CLEANUP(candidates_free_p) struct candidates *c = candidates_new();
    CLEANUP(candidate_list_clear) struct candidate_list l = CANDIDATE_LIST_INIT;
    const struct address from = {.family = AF_INET, .bytes = {10, 0, 0, 7}};
    const struct links links = {.count = 0};

    if (!c)
        return;
    (void)candidate_answer_take(c, data, size, &from, 1, &links);
    require(candidates_list(c, NULL, 0, &l) == 0);
    require(l.count <= (size_t)CANDIDATE_SERVICES * MDNS_SERVICES_MAX);
    for (size_t i = 0; i < l.count; i++)
        require(l.pointers[i]->n_addresses > 0 && *l.pointers[i]->host);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mdns_answer answer;

    take_candidates(data, size);

    if (!mdns_answer_parse(data, size, &answer))
        return 0;
    require(answer.n_services <= MDNS_SERVICES_MAX && answer.n_hosts <= MDNS_HOSTS_MAX);
    for (size_t i = 0; i < answer.n_services; i++) {
        const struct mdns_service *s = &answer.services[i];
        size_t length = strlen(s->instance);

        require(length > 0 && length <= MDNS_LABEL_MAX);
        require(strlen(s->host) <= MDNS_NAME_MAX);
        require(!s->txt || (s->txt >= data && s->txt + s->txt_size <= data + size));
    }
    for (size_t i = 0; i < answer.n_hosts; i++) {
        require(strlen(answer.hosts[i].name) <= MDNS_NAME_MAX);
        require(answer.hosts[i].n_addresses <= MDNS_ADDRESSES_MAX);
    }
    return 0;
}
