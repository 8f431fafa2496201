/* The one parser of liveness: any datagram may come to its port. */
#include <stdlib.h>

#include "discovery/network/mdns-probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint16_t transaction = 0;

    if (mdns_answer_read(data, size, &transaction) && (size < 12 || data[0] != transaction >> 8))
        abort();
    return 0;
}
