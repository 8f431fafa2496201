#include "sign.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "discovery/base/digest.h"

/* The shortest string with its length byte has two bytes. */
enum { PAIRS_MAX = ADVERT_TXT_MAX / 2, MESSAGE_MAX = 16 + 2 * ADVERT_TXT_MAX };

static const char signature_key[] = "sig=";
enum { SIGNATURE_KEY_SIZE = sizeof(signature_key) - 1 };

/* One string of the record. */
struct pair {
    const uint8_t *bytes;
    size_t size, key_size;
};

struct pairs {
    struct pair items[PAIRS_MAX];
    size_t count;
    struct pair signature; /* kept apart; size 0: there is none */
};

static bool key_is_sig(const struct pair *p)
{
    return p->key_size == SIGNATURE_KEY_SIZE - 1 &&
           strncasecmp((const char *)p->bytes, signature_key, p->key_size) == 0;
}

static int compare_keys(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    size_t n = x->key_size < y->key_size ? x->key_size : y->key_size;

    for (size_t i = 0; i < n; i++) {
        /* ASCII alone, whatever the locale: RFC 6763 §6.4. */
        int c = x->bytes[i] | (x->bytes[i] >= 'A' && x->bytes[i] <= 'Z' ? 0x20 : 0);
        int d = y->bytes[i] | (y->bytes[i] >= 'A' && y->bytes[i] <= 'Z' ? 0x20 : 0);

        if (c != d)
            return c - d;
    }
    return (x->key_size > y->key_size) - (x->key_size < y->key_size);
}

static int compare_bytes(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int order = memcmp(x->bytes, y->bytes, x->size < y->size ? x->size : y->size);

    return order ? order : (x->size > y->size) - (x->size < y->size);
}

/* Splits off the signature and sorts the other pairs.  False: wrong lengths, or
 * a key given twice. */
static bool split_pairs(const uint8_t *txt, size_t size, struct pairs *ret)
{
    ret->count = 0;
    ret->signature.size = 0;
    if (size > ADVERT_TXT_MAX)
        return false;
    for (size_t at = 0; at < size; at += 1 + (size_t)txt[at]) {
        struct pair p = {.bytes = txt + at + 1, .size = txt[at]};
        const uint8_t *equals;

        if (p.size >= size - at)
            return false;
        if (p.size == 0)
            continue;
        equals = memchr(p.bytes, '=', p.size);
        p.key_size = equals ? (size_t)(equals - p.bytes) : p.size;
        if (!key_is_sig(&p))
            ret->items[ret->count++] = p;
        else if (ret->signature.size > 0)
            return false;
        else
            ret->signature = p;
    }
    qsort(ret->items, ret->count, sizeof(*ret->items), compare_keys);
    for (size_t i = 1; i < ret->count; i++)
        if (compare_keys(&ret->items[i - 1], &ret->items[i]) == 0)
            return false;
    qsort(ret->items, ret->count, sizeof(*ret->items), compare_bytes);
    return true;
}

static void put_number(uint8_t **at, size_t number)
{
    *(*at)++ = (uint8_t)(number >> 8);
    *(*at)++ = (uint8_t)number;
}

static void compute_signature(const struct pairs *pairs, uint16_t port, const struct key *machine,
                              char ret[static DIGEST_BASE64_LENGTH + 1])
{
    static const char label[] = "dcop-advert-1"; /* with its NUL */
    uint8_t message[MESSAGE_MAX], mac[DIGEST_SIZE], *at = message;

    memcpy(at, label, sizeof(label));
    at += sizeof(label);
    put_number(&at, port);
    for (size_t i = 0; i < pairs->count; i++) {
        put_number(&at, pairs->items[i].size);
        memcpy(at, pairs->items[i].bytes, pairs->items[i].size);
        at += pairs->items[i].size;
    }
    digest_hmac(machine->bytes, sizeof(machine->bytes), message, (size_t)(at - message), mac);
    digest_base64url(mac, ret);
}

int advert_sign(uint8_t txt[static ADVERT_TXT_MAX], size_t *size, uint16_t port,
                const struct key *machine)
{
    char signature[DIGEST_BASE64_LENGTH + 1];
    struct pairs pairs;

    if (!split_pairs(txt, *size, &pairs) || pairs.signature.size > 0)
        return -EBADMSG;
    if (*size > ADVERT_SIGNED_MAX)
        return -ENOSPC;
    compute_signature(&pairs, port, machine, signature);
    txt[*size] = SIGNATURE_KEY_SIZE + DIGEST_BASE64_LENGTH;
    memcpy(txt + *size + 1, signature_key, SIGNATURE_KEY_SIZE);
    memcpy(txt + *size + 1 + SIGNATURE_KEY_SIZE, signature, DIGEST_BASE64_LENGTH);
    *size += 1 + SIGNATURE_KEY_SIZE + DIGEST_BASE64_LENGTH;
    return 0;
}

bool advert_verify(const uint8_t *txt, size_t size, uint16_t port, const char *id,
                   const char *hostkey, const struct key *fleet)
{
    CLEANUP(key_clear) struct key machine;
    char signature[DIGEST_BASE64_LENGTH + 1];
    struct pairs pairs;

    if (!hostkey || !split_pairs(txt, size, &pairs) ||
        pairs.signature.size != SIGNATURE_KEY_SIZE + DIGEST_BASE64_LENGTH)
        return false;
    key_derive(fleet, id, hostkey, &machine);
    compute_signature(&pairs, port, &machine, signature);
    return digest_equal(signature, pairs.signature.bytes + SIGNATURE_KEY_SIZE,
                        DIGEST_BASE64_LENGTH);
}
