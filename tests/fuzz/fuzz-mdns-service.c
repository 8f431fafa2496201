/* Any bytes as a multicast DNS answer: what is read of it lies within it, and
 * is bounded. */
#include <stdlib.h>
#include <string.h>

#include "discovery/network/mdns-service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mdns_service services[MDNS_SERVICES_MAX];
    size_t n = mdns_services_read(data, size, services);

    require(n <= MDNS_SERVICES_MAX);
    for (size_t i = 0; i < n; i++) {
        const struct mdns_service *s = &services[i];
        size_t length = strlen(s->instance);

        require(length > 0 && length <= MDNS_LABEL_MAX);
        require(strlen(s->host) <= MDNS_NAME_MAX);
        require(!s->txt || (s->txt >= data && s->txt + s->txt_size <= data + size));
    }
    return 0;
}
