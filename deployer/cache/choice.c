#include "choice.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static int copy_string(const char *from, char **ret)
{
    *ret = from ? strdup(from) : NULL;
    return from && !*ret ? -ENOMEM : 0;
}

int cache_choice_copy(const struct cache_choice *from, struct cache_choice *ret)
{
    struct cache_choice c = {
        .offline = from->offline, .direct = from->direct, .keep_proxy = from->keep_proxy};

    if (copy_string(from->apt_proxy, &c.apt_proxy) < 0 ||
        copy_string(from->pip_index, &c.pip_index) < 0 ||
        copy_string(from->inventory_apt_proxy, &c.inventory_apt_proxy) < 0 ||
        copy_string(from->inventory_pip_index, &c.inventory_pip_index) < 0) {
        cache_choice_clear(&c);
        return -ENOMEM;
    }
    *ret = c;
    return 0;
}
