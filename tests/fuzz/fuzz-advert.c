/* Any bytes as a TXT record: what is accepted is bounded, valid, and means the
 * same after it was written again. */
#include <stdlib.h>
#include <string.h>

#include "discovery/advert/sign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(advert_clear) struct advert a = ADVERT_INIT, b = ADVERT_INIT;
    uint8_t txt[ADVERT_TXT_MAX];
    size_t txt_size;
    struct error err;

    const struct key fleet = {{1}};
    struct key machine;
    bool verified = advert_verify(data, size, 22, "0123456789abcdef", "SHA256:abc", &fleet);

    if (advert_parse(data, size, &a, &err) < 0)
        return 0;
    require(!verified || size >= ADVERT_TXT_MAX - ADVERT_SIGNED_MAX);
    if (advert_encode_within(&a, ADVERT_SIGNED_MAX, txt, &txt_size) >= 0) {
        key_derive(&fleet, a.id, "SHA256:abc", &machine);
        require(advert_sign(txt, &txt_size, 22, &machine) == 0 && txt_size <= sizeof(txt));
        require(advert_verify(txt, txt_size, 22, a.id, "SHA256:abc", &fleet));
    }
    require(advert_id_valid(a.id));
    for (size_t i = 0; i < a.agents.count; i++)
        require(advert_agent_valid(a.agents.items[i], strlen(a.agents.items[i])));
    require(!a.fleet || advert_fleet_valid(a.fleet));
    require(!a.user || advert_user_valid(a.user));
    if (advert_encode(&a, txt, &txt_size) != 0)
        return 0; /* our keys may be longer than the sender's: a name is left out */
    require(txt_size <= sizeof(txt));
    require(advert_parse(txt, txt_size, &b, &err) == 0);
    require(advert_equal(&a, &b));
    return 0;
}
