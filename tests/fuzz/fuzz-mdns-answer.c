/* Any bytes as a multicast DNS answer: what is read of it lies within it, and
 * is bounded. */
#include <stdlib.h>
#include <string.h>

#include "discovery/network/mdns-answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mdns_answer answer;

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
