#include "pack.h"

#include <errno.h>
#include <string.h>

#include "deployer/cache/caches.h"
#include "discovery/base/file.h"

enum { BUNDLE_BYTES_MAX = 64 * 1024 * 1024 };

struct pack *pack_ref(struct pack *p)
{
    if (p)
        p->refs++;
    return p;
}

struct pack *pack_unref(struct pack *p)
{
    if (!p || --p->refs > 0)
        return NULL;
    text_clear(&p->bytes);
    bundle_deltas_clear(&p->deltas);
    bundle_clear(&p->bundle);
    wheel_set_clear(&p->wheels);
    free(p->spec);
    free(p);
    return NULL;
}

/* pip asks the cache's index, where there is one. */
static int prepare(struct pack *p, const struct ways *ways, const struct paths *paths,
                   int cancel_fd, struct error *err)
{
    CLEANUP(caches_clear) struct caches caches = {0};
    int r = caches_find(&ways->options, paths, &caches, err);

    if (r < 0)
        return r;
    return wheel_prepare_from(p->spec,
                              caches.pip_index        ? caches.pip_index
                              : ways->options.offline ? ""
                                                      : NULL,
                              paths->cache, cancel_fd, &p->wheels, err);
}

int pack_make(const char *spec, const struct ways *ways, const struct paths *paths, int cancel_fd,
              struct pack **ret, struct error *err)
{
    struct pack *p = calloc(1, sizeof(*p));
    int r = 0;

    if (!p)
        return error_sys(err, -ENOMEM, "cannot pack what is sent");
    p->refs = 1;
    if (spec) {
        p->spec = strdup(spec);
        r = p->spec ? prepare(p, ways, paths, cancel_fd, err)
                    : error_sys(err, -ENOMEM, "cannot pack what is sent");
    } else {
        p->wheels.version = strdup("none");
        if (!p->wheels.version)
            r = error_sys(err, -ENOMEM, "cannot pack the steps");
    }
    if (r == 0)
        r = bundle_make(&p->wheels, paths->steps, NULL, paths->cache, &p->bundle, err);
    if (r == 0) {
        bundle_deltas_make(&p->bundle, paths->cache, &p->deltas);
        r = file_read(p->bundle.path, BUNDLE_BYTES_MAX, &p->bytes, err);
    }
    if (r < 0) {
        pack_unref(p);
        return r;
    }
    *ret = p;
    return 0;
}
