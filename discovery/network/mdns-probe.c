#include "mdns-probe.h"

#include <string.h>

enum { HEADER_SIZE = 12, TYPE_SRV = 33, CLASS_IN = 1 };

static void add_label(uint8_t *to, size_t *at, const char *label)
{
    size_t n = strnlen(label, MDNS_PROBE_LABEL_MAX);

    to[(*at)++] = (uint8_t)n;
    memcpy(to + *at, label, n);
    *at += n;
}

size_t mdns_probe_write(const char *instance, uint16_t transaction,
                        uint8_t ret[static MDNS_PROBE_MAX])
{
    static const uint8_t tail[] = {0, 0, TYPE_SRV, 0, CLASS_IN};
    size_t at = HEADER_SIZE;

    memset(ret, 0, HEADER_SIZE);
    ret[0] = (uint8_t)(transaction >> 8);
    ret[1] = (uint8_t)transaction;
    ret[5] = 1; /* one question */
    add_label(ret, &at, instance);
    add_label(ret, &at, "_dcop-agent"); /* ADVERT_TYPE, label by label */
    add_label(ret, &at, "_tcp");
    add_label(ret, &at, "local");
    memcpy(ret + at, tail, sizeof(tail));
    return at + sizeof(tail);
}

bool mdns_answer_read(const uint8_t *bytes, size_t size, uint16_t *ret_transaction)
{
    if (size < HEADER_SIZE)
        return false;
    if ((bytes[2] & 0xf8) != 0x80) /* a response, opcode 0 */
        return false;
    if ((bytes[3] & 0x0f) != 0) /* rcode */
        return false;
    if (bytes[6] == 0 && bytes[7] == 0) /* no answer record */
        return false;
    *ret_transaction = (uint16_t)(bytes[0] << 8 | bytes[1]);
    return true;
}
