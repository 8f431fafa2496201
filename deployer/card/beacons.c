#include "beacons.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/base/cleanup.h"

#define PACKAGE "dcop-beacon_"

/* The architecture of the beacon that is `path`, NULL: it is none.  `ret_release` is 0 for one
 * that is no package.  The caller frees it. */
static char *parse(const char *path, unsigned *ret_release)
{
    const char *name = strrchr(path, '/');
    int n = 0;

    *ret_release = 0;
    if (!name++)
        return NULL;
    if (strcmp(name, "dcop-beacon") == 0 && strcspn(path, "/") == (size_t)(name - 1 - path))
        return strndup(path, strcspn(path, "/"));
    if (sscanf(path, "debian-%4u/%n", ret_release, &n) == 1 && n > 0 && path + n == name &&
        strncmp(name, PACKAGE, strlen(PACKAGE)) == 0) {
        const char *architecture = strrchr(name, '_') + 1;
        size_t size = strlen(architecture);

        if (architecture > name + strlen(PACKAGE) && size > 4 &&
            strcmp(architecture + size - 4, ".deb") == 0)
            return strndup(architecture, size - 4);
    }
    return NULL;
}

static int compare_numbers(const void *a, const void *b)
{
    const unsigned *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void add_releases(const struct content *files, const char *architecture, struct text *ret)
{
    enum { RELEASES_MAX = 32 };
    unsigned releases[RELEASES_MAX];
    size_t count = 0;

    for (size_t i = 0; i < files->count && count < RELEASES_MAX; i++) {
        CLEANUP_FREE char *other = parse(files->files[i].path, &releases[count]);

        if (other && strcmp(other, architecture) == 0 && releases[count] > 0)
            count++;
    }
    qsort(releases, count, sizeof(releases[0]), compare_numbers);
    for (size_t i = 0; i < count; i++)
        text_addf(ret, "%s%u", i == 0 ? " (Debian " : ", ", releases[i]);
    text_adds(ret, count > 0 ? ")" : "");
}

int card_beacons_add(const struct content *files, struct text *ret)
{
    CLEANUP_STRINGS struct strings told = {0};

    for (size_t i = 0; i < files->count; i++) {
        unsigned release;
        CLEANUP_FREE char *architecture = parse(files->files[i].path, &release);

        if (!architecture || strings_has(&told, architecture))
            continue;
        text_adds(ret, told.count > 0 ? ", " : "");
        text_add_printable(ret, architecture);
        add_releases(files, architecture, ret);
        if (strings_add(&told, architecture) < 0)
            return -ENOMEM;
    }
    return told.count == 0 ? -ENOENT : text_error(ret) < 0 ? -ENOMEM : 0;
}
