#include "avahi-limit.h"

#include <stddef.h>

#include <avahi-common/error.h>

#define LIMIT_WORDS(setting, refused)                                                              \
    "Avahi's limit " setting " is reached, so it refused " refused "; raise it "                   \
    "in " AVAHI_LIMIT_FILE

enum avahi_limit avahi_limit_of(int error)
{
    switch (error) {
    case AVAHI_ERR_TOO_MANY_CLIENTS:
        return AVAHI_LIMIT_CLIENTS;
    case AVAHI_ERR_TOO_MANY_OBJECTS:
        return AVAHI_LIMIT_OBJECTS;
    case AVAHI_ERR_TOO_MANY_ENTRIES:
        return AVAHI_LIMIT_ENTRIES;
    }
    return AVAHI_LIMIT_NONE;
}

const char *avahi_limit_words(enum avahi_limit limit)
{
    switch (limit) {
    case AVAHI_LIMIT_CLIENTS:
        return LIMIT_WORDS("clients-max", "another client");
    case AVAHI_LIMIT_OBJECTS:
        return LIMIT_WORDS("objects-per-client-max", "a request of this program");
    case AVAHI_LIMIT_ENTRIES:
        return LIMIT_WORDS("entries-per-entry-group-max", "a record of this machine");
    case AVAHI_LIMIT_NONE:
    case AVAHI_LIMITS:
        break;
    }
    return NULL;
}
