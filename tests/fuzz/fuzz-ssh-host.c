/* What `ssh -G` says of a host: any bytes, no crash; what is taken can be no option, and an error
 * has words. */
#include <stdlib.h>
#include <string.h>

#include "deployer/base/destination.h"
#include "deployer/target/ssh-host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check(const struct ssh_host *h)
{
    require(h->port > 0 && destination_host_valid(h->hostname));
    require(!h->user || destination_user_valid(h->user));
    require(h->relay.count == 0 || h->relay.count >= 3);
    if (h->relay.count > 0 && strcmp(h->relay.items[0], "ssh") == 0)
        require(destination_host_valid(h->relay.items[h->relay.count - 1]) &&
                strcmp(h->relay.items[h->relay.count - 2], "--") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ssh_written written = {.host = "lab-1"};
    CLEANUP(ssh_host_clear) struct ssh_host h = {0};
    char *said = strndup((const char *)data, size);
    struct error err = {0};

    if (!said)
        return 0;
    if (ssh_host_parse(&written, said, "host host\nport 22\n", NULL, &h, &err) == 0)
        check(&h);
    else
        require(err.code < 0 && *err.text);
    free(said);
    return 0;
}
