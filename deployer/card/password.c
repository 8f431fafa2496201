#include "password.h"

#include <crypt.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "discovery/base/cleanup.h"

int card_password_hash(const char *password, char **ret, struct error *err)
{
    CLEANUP_FREE struct crypt_data *data = calloc(1, sizeof(*data));
    CLEANUP_FREE char *salt = crypt_gensalt_ra("$y$", 0, NULL, 0);
    const char *hash;

    if (!data || !salt)
        return error_sys(err, -errno, "cannot hash the password");
    hash = crypt_rn(password, salt, data, sizeof(*data));
    *ret = hash ? strdup(hash) : NULL;
    sodium_memzero(data, sizeof(*data));
    return *ret ? 0 : error_set(err, -EINVAL, "the password cannot be hashed");
}
