#include "unresolved.h"

#include <stdlib.h>
#include <string.h>

struct unresolved *unresolved_find(struct unresolved *all, const char *name)
{
    struct unresolved *u;

    HASH_FIND_STR(all, name, u);
    return u;
}

void unresolved_add(struct unresolved **all, const char *name, int interface)
{
    size_t size = strlen(name) + 1;
    struct unresolved *u = unresolved_find(*all, name) ? NULL : calloc(1, sizeof(*u) + size);

    if (!u)
        return;
    memcpy(u->name, name, size);
    u->interface = interface;
    HASH_ADD_STR(*all, name, u);
    if (!HASH_WAS_ADDED(u))
        free(u);
}

void unresolved_end(struct unresolved **all, const char *name)
{
    struct unresolved *u = unresolved_find(*all, name);

    if (!u)
        return;
    HASH_DEL(*all, u); /* NOLINT(clang-analyzer-core.NullDereference): it is in there */
    free(u);
}

void unresolved_clear(struct unresolved **all)
{
    struct unresolved *u, *next;

    HASH_ITER(hh, *all, u, next)
    {
        HASH_DEL(*all, u);
        free(u);
    }
}
