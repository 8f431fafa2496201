#include "cache-need.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cache-systems.h"
#include "deployer/apt/packages.h"
#include "deployer/cache/layers.h"
#include "deployer/cache/store.h"
#include "deployer/cache/wheels.h"
#include "deployer/wheel/requires.h"
#include "deployer/wheel/wheel.h"
#include "discovery/base/digest.h"
#include "discovery/base/file.h"

enum { RECORD_MAX = 32 * 1024 * 1024, SYSTEMS_MAX = 2000 };

void cache_need_clear(struct cache_need *need)
{
    apt_systems_clear(&need->systems);
    strings_clear(&need->packages);
    strings_clear(&need->with_layer);
}

static int find_packages(struct program *p, struct cache_need *ret, struct error *err)
{
    const struct {
        const char *list;
        struct strings *to;
    } lists[] = {{deploy_options_packages(&p->options), &ret->packages},
                 {"BEACON", &ret->packages},
                 {"LAYER", &ret->with_layer},
                 {"BEACON", &ret->with_layer}};
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(lists) && r == 0; i++)
        r = packages_read(p->paths.steps, lists[i].list, lists[i].to, err);
    return r;
}

const struct strings *cache_need_packages(const struct cache_need *need,
                                          const struct layers *layers, const struct apt_system *s)
{
    return layers && cache_layers_fit(layers, s) ? &need->with_layer : &need->packages;
}

int cache_need_layers(struct program *p, const char *index, struct layers **ret, struct error *err)
{
    CLEANUP(wheel_set_clear) struct wheel_set wheels = {0};
    CLEANUP_STRINGS struct strings requires = {0};
    CLEANUP_FREE char *spec = NULL;
    int r;

    *ret = NULL;
    if (strcmp(deploy_options_deps(&p->options), "layer") != 0)
        return 0;
    r = program_choose_spec(p, &spec, err);
    /* A pyDCOP that cannot be had is told by itself (cache_need_pydcop). */
    if (r == 0 && wheel_prepare_from(spec, index, p->paths.cache, -1, &wheels, NULL) == 0)
        r = wheel_requires(wheels.paths.items[0], &requires, err);
    return r < 0 ? r : layers_open(&p->paths, index, &requires, ret, err);
}

int cache_need_find(struct program *p, struct cache_need *ret, struct error *err)
{
    const struct deploy_options *o = &p->options;
    bool named = o->suites.count + o->archs.count > 0;
    int r = find_packages(p, ret, err);

    if (r < 0)
        return r;
    if (named)
        r = apt_systems_name(&o->suites, &o->archs, &ret->systems, err);
    if (r == 0 && (!named || o->problems.count > 0 || o->inventory || o->limits.count > 0))
        r = cache_systems_ask(p, &ret->systems, err);
    return r;
}

int cache_need_pydcop(struct program *p, const char *index, struct cache_result *ret,
                      struct error *err)
{
    CLEANUP_FREE char *spec = NULL;
    int r = program_choose_spec(p, &spec, err);

    return r < 0 ? r : cache_wheels_pydcop(&p->paths, spec, index, ret, err);
}

/* --- from one run to the next ------------------------------------------------------- */

/* SYSTEM.tar of a machine, SYSTEM.named of one that was named: the name is the
 * machine's own, so a digest of it. */
static char *record_path(const char *folder, const struct apt_system *s)
{
    char digest[DIGEST_LENGTH + 1], *path;

    digest_bytes(s->name, strlen(s->name), digest);
    return asprintf(&path, "%s/%.32s.%s", folder, digest, s->machine ? "tar" : "named") < 0 ? NULL
                                                                                            : path;
}

static int write_record(const char *folder, const struct apt_system *s, struct error *err)
{
    CLEANUP_FREE char *path = record_path(folder, s);
    CLEANUP_TEXT struct text record = TEXT_INIT;
    int r = 0;

    /* One line, and then what it is. */
    text_addf(&record, "%s\n", s->name);
    if (s->machine)
        r = apt_system_to_tar(s, &record, err);
    else
        text_addf(&record, "%s\n%s\n", s->suite, s->arch);
    if (r < 0)
        return r;
    if (!path || text_error(&record) < 0)
        return error_sys(err, -ENOMEM, "cannot remember %s", s->name);
    return file_write(path, record.data, record.size, 0600, err);
}

int cache_need_remember(const struct program *p, const struct cache_need *need, struct error *err)
{
    CLEANUP_FREE char *folder = cache_path(&p->paths, "systems");
    int r = folder ? make_folders(folder, 0700, err) : error_sys(err, -ENOMEM, "no memory");

    for (size_t i = 0; i < need->systems.count && r == 0; i++)
        r = write_record(folder, &need->systems.items[i], err);
    return r;
}

static int read_named_record(char *lines, struct apt_systems *ret, struct error *err)
{
    CLEANUP_STRINGS struct strings suites = {0}, arches = {0};
    char *suite = strtok_r(NULL, "\n", &lines), *arch = strtok_r(NULL, "\n", &lines);

    if (!suite || !arch)
        return 0;
    if (strings_add(&suites, suite) < 0 || strings_add(&arches, arch) < 0)
        return error_sys(err, -ENOMEM, "cannot recall %s", suite);
    return apt_systems_name(&suites, &arches, ret, err);
}

static int read_record(const char *path, bool machine, struct apt_systems *ret, struct error *err)
{
    CLEANUP_TEXT struct text record = TEXT_INIT;
    CLEANUP(apt_system_clear) struct apt_system s = {0};
    char *end;
    int r = file_read(path, RECORD_MAX, &record, err);

    end = r == 0 && record.size > 0 ? memchr(record.data, '\n', record.size) : NULL;
    if (!end)
        return r;
    *end++ = '\0';
    if (!machine)
        return read_named_record(end, ret, err);
    r = apt_system_from_tar(record.data, end, record.size - (size_t)(end - record.data), &s, err);
    return r < 0 ? r : apt_systems_add(ret, &s, err);
}

static int is_record(const struct dirent *e)
{
    const char *dot = strrchr(e->d_name, '.');

    return dot && (strcmp(dot, ".tar") == 0 || strcmp(dot, ".named") == 0);
}

int cache_need_recall(struct program *p, struct cache_need *ret, struct error *err)
{
    CLEANUP_FREE char *folder = cache_path(&p->paths, "systems");
    struct dirent **names = NULL;
    int n, r = find_packages(p, ret, err);

    if (!folder)
        return error_sys(err, -ENOMEM, "cannot recall what was primed");
    n = scandir(folder, &names, is_record, alphasort);
    for (int i = 0; i < n; i++) {
        CLEANUP_FREE char *path = NULL;

        if (r == 0 && i < SYSTEMS_MAX && asprintf(&path, "%s/%s", folder, names[i]->d_name) < 0) {
            path = NULL;
            r = error_sys(err, -ENOMEM, "cannot recall what was primed");
        }
        /* A record that cannot be read (of another version of this program) is skipped. */
        if (r == 0 && path &&
            read_record(path, strstr(names[i]->d_name, ".tar") != NULL, &ret->systems, err) ==
                -ENOMEM)
            r = -ENOMEM;
        free(names[i]);
    }
    free(names);
    return r;
}
