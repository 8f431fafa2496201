#include "pack.h"

#include <errno.h>
#include <string.h>

#include "deployer/wheel/requires.h"
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
    layers_free(p->layers);
    free(p->spec);
    free(p);
    return NULL;
}

int pack_make(const char *spec, const char *index, const struct bundle_extra *extras,
              const struct paths *paths, int cancel_fd, struct pack **ret, struct error *err)
{
    CLEANUP_STRINGS struct strings requires = {0};
    struct pack *p = calloc(1, sizeof(*p));
    struct error why = {0};
    bool unfit = false;
    int r = 0;

    if (!p)
        return error_sys(err, -ENOMEM, "cannot prepare the bundle");
    p->refs = 1;
    if (spec) {
        p->spec = strdup(spec);
        r = p->spec ? wheel_prepare_from(spec, index, paths->cache, cancel_fd, &p->wheels, err)
                    : error_sys(err, -ENOMEM, "cannot prepare the bundle");
    } else {
        p->wheels.version = strdup("none");
        if (!p->wheels.version)
            r = error_sys(err, -ENOMEM, "cannot pack the steps");
    }
    if (r == 0 && spec)
        unfit = wheel_requires(p->wheels.paths.items[0], &requires, &why) < 0;
    if (r == 0 && spec)
        r = layers_open(paths, index, &requires, &p->layers, err);
    if (r == 0 && unfit)
        layers_refuse(p->layers, why.text);
    if (r == 0)
        r = bundle_make(&p->wheels, paths->steps, extras, paths->cache, &p->bundle, err);
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

void pack_add_deps(const struct pack *p, const char *deps, struct text *settings)
{
    text_addf(settings, "deps %s\n", deps);
    if (p->layers && strcmp(deps, "layer") == 0)
        layers_add_settings(p->layers, settings);
}
