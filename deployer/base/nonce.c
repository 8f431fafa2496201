#include "nonce.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/random.h>

int nonce_make(char ret[static NONCE_LENGTH + 1])
{
    unsigned char bytes[NONCE_LENGTH / 2];

    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        return -EIO;
    for (size_t i = 0; i < sizeof(bytes); i++)
        (void)snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}
