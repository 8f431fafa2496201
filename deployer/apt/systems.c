#include "systems.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void apt_systems_clear(struct apt_systems *s)
{
    for (size_t i = 0; i < s->count; i++)
        apt_system_clear(&s->items[i]);
    free(s->items);
    strings_clear(&s->unread);
    *s = (struct apt_systems){0};
}

int apt_systems_add(struct apt_systems *to, struct apt_system *s, struct error *err)
{
    struct apt_system *grown = reallocarray(to->items, to->count + 1, sizeof(*grown));

    if (!grown)
        return error_sys(err, -ENOMEM, "cannot list the systems");
    to->items = grown;
    to->items[to->count++] = *s;
    *s = (struct apt_system){0};
    return 0;
}

/* --- by name ------------------------------------------------------------------------ */

static int add_named(struct apt_systems *to, const char *codename, const char *suite,
                     const char *arch, struct error *err)
{
    CLEANUP(apt_system_clear) struct apt_system s = {0};
    int r = apt_system_named("/etc/apt", codename, suite, arch, &s, err);

    for (size_t i = 0; i < to->count && r == 0; i++)
        if (strcmp(to->items[i].name, s.name) == 0)
            return 0;
    return r < 0 ? r : apt_systems_add(to, &s, err);
}

int apt_systems_name(const struct strings *suites, const struct strings *arches,
                     struct apt_systems *ret, struct error *err)
{
    CLEANUP_FREE char *codename = NULL, *own = NULL;
    size_t n_suites = suites->count ? suites->count : 1;
    size_t n_arches = arches->count ? arches->count : 1;
    int r = apt_system_codename("/etc/os-release", &codename);

    if (r < 0)
        return error_sys(err, r, "cannot tell which release this controller runs");
    if (arches->count == 0)
        r = apt_system_arch(&own, err);
    for (size_t i = 0; i < n_suites * n_arches && r == 0; i++)
        r = add_named(ret, codename, suites->count ? suites->items[i / n_arches] : codename,
                      own ? own : arches->items[i % n_arches], err);
    return r;
}
