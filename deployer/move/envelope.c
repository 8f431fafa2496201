#include "envelope.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/base/digest.h"

#define MARK "dcop-export "
static const char first_line[] = MARK "1\n";

enum {
    AT_PASSES = sizeof(first_line) - 1,
    AT_MEMORY = AT_PASSES + 4,
    AT_SALT = AT_MEMORY + 4,
    AT_NONCE = AT_SALT + crypto_pwhash_SALTBYTES,
    AT_CONTENT = AT_NONCE + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    MAC_SIZE = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    KEY_BYTES = crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
    AROUND = AT_CONTENT + MAC_SIZE + DIGEST_SIZE,
};
_Static_assert(ENVELOPE_FILE_MAX == ENVELOPE_CONTENT_MAX + (int)AROUND, "as envelope.h says");

const struct envelope_cost envelope_cost_usual = {3, 256 * 1024};

static void put_number(unsigned char *to, uint32_t n)
{
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(n >> (24 - 8 * i));
}

static uint32_t get_number(const unsigned char *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static void free_key(unsigned char **key)
{
    sodium_free(*key);
}
#define CLEANUP_KEY CLEANUP(free_key)

/* By what the header says, which is in bounds. */
static int derive_key(const struct secret *passphrase, const unsigned char *header,
                      unsigned char **ret, struct error *err)
{
    CLEANUP_KEY unsigned char *key = sodium_init() < 0 ? NULL : sodium_malloc(KEY_BYTES);
    uint32_t memory = get_number(header + AT_MEMORY);

    if (!key || crypto_pwhash(key, KEY_BYTES, secret_text(passphrase), secret_size(passphrase),
                              header + AT_SALT, get_number(header + AT_PASSES),
                              (size_t)memory * 1024, crypto_pwhash_ALG_ARGON2ID13) != 0)
        return error_set(err, -ENOMEM,
                         "there is not enough memory to work out the key: it takes %" PRIu32 " MiB",
                         memory / 1024);
    *ret = TAKE_PTR(key);
    return 0;
}

int envelope_seal(const void *content, size_t size, const struct secret *passphrase,
                  const struct envelope_cost *cost, struct text *ret, struct error *err)
{
    CLEANUP_FREE unsigned char *file = NULL;
    CLEANUP_KEY unsigned char *key = NULL;
    int r;

    if (size > ENVELOPE_CONTENT_MAX)
        return error_set(err, -EFBIG, "there is more to export than %d MiB",
                         ENVELOPE_CONTENT_MAX / 1024 / 1024);
    file = malloc(size + AROUND);
    if (!file || sodium_init() < 0)
        return error_sys(err, -ENOMEM, "cannot encrypt");
    memcpy(file, first_line, AT_PASSES);
    put_number(file + AT_PASSES, cost->passes);
    put_number(file + AT_MEMORY, cost->memory_kib);
    randombytes_buf(file + AT_SALT, AT_CONTENT - AT_SALT);
    r = derive_key(passphrase, file, &key, err);
    if (r < 0)
        return r;
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(file + AT_CONTENT, NULL, content, size, file,
                                                     AT_CONTENT, NULL, file + AT_NONCE, key);
    size += AT_CONTENT + MAC_SIZE;
    digest_sha256(file, size, file + size);
    text_add(ret, file, size + DIGEST_SIZE);
    return text_error(ret) < 0 ? error_sys(err, -ENOMEM, "cannot encrypt") : 0;
}

static int check_cost(const char *name, const unsigned char *header, struct error *err)
{
    uint32_t passes = get_number(header + AT_PASSES), memory = get_number(header + AT_MEMORY);

    if (passes >= crypto_pwhash_argon2id_OPSLIMIT_MIN && passes <= ENVELOPE_PASSES_MAX &&
        memory >= crypto_pwhash_argon2id_MEMLIMIT_MIN / 1024 && memory <= ENVELOPE_MEMORY_MAX)
        return 0;
    return error_set(err, -EBADMSG,
                     "%s is refused: to open it would take %" PRIu32 " passes over %" PRIu32
                     " KiB of memory; at most %d over %d are done",
                     name, passes, memory, ENVELOPE_PASSES_MAX, ENVELOPE_MEMORY_MAX);
}

int envelope_check(const char *name, const void *bytes, size_t size, struct error *err)
{
    const unsigned char *file = bytes;
    const size_t mark = sizeof(MARK) - 1;
    unsigned char digest[DIGEST_SIZE];

    if (size < mark || memcmp(file, MARK, mark) != 0)
        return error_set(err, -EBADMSG, "%s is not a file that `dcop-deploy export` has written",
                         name);
    if (size > ENVELOPE_FILE_MAX)
        return error_set(err, -EBADMSG, "%s is refused: it has more than %d MiB", name,
                         ENVELOPE_CONTENT_MAX / 1024 / 1024);
    if (size >= AT_PASSES && memcmp(file, first_line, AT_PASSES) != 0)
        return error_set(err, -EBADMSG,
                         "%s has a format that this dcop does not know (it knows version 1): "
                         "a newer one has written it, or it is damaged",
                         name);
    if (size < AROUND)
        return error_set(err, -EBADMSG, "%s is cut: copy it again", name);
    digest_sha256(file, size - DIGEST_SIZE, digest);
    if (memcmp(digest, file + size - DIGEST_SIZE, DIGEST_SIZE) != 0)
        return error_set(err, -EBADMSG, "%s is cut or damaged: copy it again", name);
    return check_cost(name, file, err);
}

int envelope_open(const char *name, const void *bytes, size_t size, const struct secret *passphrase,
                  unsigned char **ret, size_t *ret_size, struct error *err)
{
    const unsigned char *file = bytes;
    CLEANUP_KEY unsigned char *key = NULL, *content = NULL;
    int r = envelope_check(name, bytes, size, err);

    if (r == 0)
        r = derive_key(passphrase, file, &key, err);
    if (r < 0)
        return r;
    size -= AROUND;
    content = sodium_malloc(size + 1);
    if (!content)
        return error_sys(err, -ENOMEM, "cannot decrypt %s", name);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(content, NULL, NULL, file + AT_CONTENT,
                                                   size + MAC_SIZE, file, AT_CONTENT,
                                                   file + AT_NONCE, key) != 0)
        return error_set(err, -EINVAL, "the passphrase is not the one of %s", name);
    *ret = TAKE_PTR(content);
    *ret_size = size;
    return 0;
}
