/* The reader of inventories: any bytes, no crash; an error has words, and what
 * is taken holds what hosts.h says. */
#include <stdlib.h>
#include <string.h>

#include "deployer/base/destination.h"
#include "deployer/inventory/hosts.h"
#include "discovery/advert/advert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool good)
{
    if (!good)
        abort();
}

static void expect_host(const struct host *h)
{
    expect(h->name && h->place && h->names.count > 0 && h->agents.count > 0);
    expect(destination_host_valid(h->address));
    expect(!h->user || destination_user_valid(h->user));
    for (size_t i = 0; i < h->agents.count; i++)
        expect(advert_agent_valid(h->agents.items[i], strlen(h->agents.items[i])));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_HOSTS struct hosts hosts = HOSTS_INIT;
    struct error err = {0};
    int r = hosts_parse("input", data, size, &hosts, &err);

    if (r < 0) {
        expect(err.code == r && *err.text && hosts.count == 0 && hosts.warnings.count == 0);
        return 0;
    }
    expect(hosts.count > 0 && hosts.warnings.count <= HOSTS_WARNINGS_MAX);
    for (size_t i = 0; i < hosts.count; i++)
        expect_host(&hosts.items[i]);
    for (size_t i = 0; i < hosts.warnings.count; i++)
        for (const char *c = hosts.warnings.items[i]; *c; c++)
            expect((unsigned char)*c >= ' ');
    return 0;
}
