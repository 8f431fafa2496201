/* The doctor's parser of names that are claimed: anybody on the link may send one. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "discovery/doctor/claims.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct claims c = {0};
    const struct address from = {.family = AF_INET, .bytes = {10, 0, 0, 3}};
    const struct links links = {
        .networks = {{.address = {.family = AF_INET, .bytes = {10, 0, 0, 1}}, .prefix = 24}},
        .n_networks = 1,
    };

    claims_take(&c, &links, data, size, &from);
    if (c.count > 1 || (c.count == 1 && !memchr(c.items[0].name, '\0', VIEW_CLAIM_MAX)))
        abort();
    return 0;
}
