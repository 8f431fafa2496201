#include "layers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "wheels.h"

bool cache_layers_fit(const struct layers *l, const struct apt_system *s)
{
    const struct apt_files none = {0};
    char python[8];
    unsigned glibc;
    bool known = cache_wheels_python(&none, &s->status, python, &glibc) == 0;

    if (!known && s->machine)
        return false;
    return layers_have(l, known ? python : NULL, s->arch);
}

/* Without a layer a deploy uses apt, which was not primed for: that is told as missing. */
static int find_layer(struct layers *l, const char *key, struct cache_result *ret,
                      struct error *err)
{
    const struct layer *layer = NULL;
    struct error why = {0};
    int r = layers_get(l, key, -1, &layer, &why);

    if (r == 0) {
        ret->files = 1;
        ret->bytes = layer->size;
        return 0;
    }
    if (r == -ENOENT)
        text_addf(&ret->why, "there are no wheels for it; give --deps apt");
    else
        text_add_printable(&ret->why, why.text);
    return strings_add(&ret->missing, "Python packages") < 0
               ? error_sys(err, -ENOMEM, "cannot look at the layers")
               : 0;
}

int cache_layer_system(struct layers *l, const struct apt_system *s, const struct apt_files *files,
                       struct cache_results *results, struct error *err)
{
    CLEANUP_FREE char *name = NULL;
    char python[8], key[LAYER_KEY_MAX];
    struct cache_result *result;
    unsigned glibc;

    if (cache_wheels_python(files, &s->status, python, &glibc) < 0 ||
        (!cache_layers_fit(l, s) && !layers_have(l, python, s->arch)))
        return 0;
    (void)snprintf(key, sizeof(key), "%.7s-%.8s", python, s->arch);
    if (asprintf(&name, "%s, layer %s", s->name, key) < 0)
        name = NULL;
    result = name ? cache_results_add(results, name) : NULL;
    return result ? find_layer(l, key, result, err)
                  : error_sys(err, -ENOMEM, "cannot look at the layers");
}
