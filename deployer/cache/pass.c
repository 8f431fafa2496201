#include "pass.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "acng.h"
#include "deployer/base/folder.h"
#include "deployer/base/url.h"
#include "discovery/base/file.h"

enum { HTTPS_PORT = 443 };

struct progress_of_pass {
    const struct cache_pass *pass;
    const char *system;
    size_t of;
};

static void report_progress(size_t files, uint64_t bytes, void *arg)
{
    const struct progress_of_pass *t = arg;

    if (t->pass->progress)
        t->pass->progress(t->system, files, t->of, bytes, t->pass->arg);
}

static int add_origin(struct strings *to, const char *uri)
{
    char name[URL_HOST_MAX + 8];
    struct url url;
    int r = url_parse(uri, &url), size;

    if (r < 0)
        return r == -ENOMEM ? r : 0;
    size = snprintf(name, sizeof(name), "%s", url.spelled);
    if (url.has_port && url.port != HTTPS_PORT) /* apt_uri_for_cache names it */
        (void)snprintf(name + size, sizeof(name) - (size_t)size, ":%u", url.port);
    return strings_has(to, name) ? 0 : strings_add(to, name);
}

static bool is_kept(const struct cache_pass *pass, const struct apt_file *f)
{
    CLEANUP_FREE char *path =
        pass->kept ? acng_path_of(pass->kept, pass->repositories, f->uri) : NULL;

    return path && apt_file_is_whole(path, f);
}

/* The files that this pass has not seen complete yet; the strings are borrowed from `files`. */
static int list_unseen(const struct cache_pass *pass, const struct apt_files *files,
                       struct apt_files *ret)
{
    ret->items = calloc(files->count + 1, sizeof(*ret->items));
    if (!ret->items)
        return -ENOMEM;
    for (size_t i = 0; i < files->count; i++) {
        const struct apt_file *f = &files->items[i];

        if (apt_files_has(&pass->whole, f) || is_kept(pass, f))
            continue;
        ret->items[ret->count++] = *f;
        ret->bytes += f->size;
    }
    return 0;
}

static int fetch_unseen(struct cache_pass *pass, const struct apt_system *s,
                        const struct apt_root *root, const struct apt_files *files,
                        struct cache_result *ret, struct error *err)
{
    struct progress_of_pass progress = {.pass = pass, .system = s->name};
    struct apt_files unseen = {0};
    CLEANUP_FREE char *folder = NULL, *made = NULL;
    struct apt_fetch fetch = {.root = root,
                              .files = &unseen,
                              .throw_away = true,
                              .repair = pass->repair,
                              .progress = report_progress,
                              .arg = &progress};
    int r;

    folder = path_join(root->folder, "passing");
    if (!folder)
        return error_sys(err, -ENOMEM, "cannot fetch packages");
    if (list_unseen(pass, files, &unseen) < 0)
        return error_sys(err, -ENOMEM, "cannot fetch packages");
    if (unseen.count == 0) {
        free(unseen.items);
        return 0;
    }
    progress.of = unseen.count;
    /* A killed run may have left files. */
    folder_remove(folder);
    fetch.folder = folder;
    r = apt_root_folder(root, "passing", &made, err);
    if (r == 0)
        r = apt_fetch(&fetch, &ret->missing, &ret->why, err);
    folder_remove(folder);
    free(unseen.items);
    if (ret->missing.count == 0)
        text_reset(&ret->why);
    return r;
}

/* Downloads the lists, once a pass for all systems that share them. */
static int update_lists(struct cache_pass *pass, const struct apt_root *root,
                        struct cache_result *ret, struct error *err)
{
    int r;

    if (strings_has(&pass->updated, root->folder))
        return 0;
    r = apt_root_update(root, false, &ret->warnings, err);
    if (pass->repair && (r == -ENETUNREACH || (r == 0 && ret->warnings.count > 0))) {
        strings_clear(&ret->warnings);
        r = apt_root_update(root, true, &ret->warnings, err);
    }
    if (r == 0 && strings_add(&pass->updated, root->folder) < 0)
        r = error_sys(err, -ENOMEM, "cannot fetch packages");
    return r;
}

static int open_root(const struct cache_pass *pass, const struct apt_system *s,
                     struct apt_root *ret, struct error *err)
{
    CLEANUP_FREE char *name = NULL, *folder = NULL;

    if (apt_root_name(s, &name) < 0 || asprintf(&folder, "%s/%s", pass->base, name) < 0) {
        folder = NULL;
        return error_sys(err, -ENOMEM, "cannot check %s", s->name);
    }
    return apt_root_open(pass->base, s, &pass->way,
                         pass->fresh && !strings_has(&pass->updated, folder), ret, err);
}

/* Is it a result for this system, such as a package that no source has, and not a failure of
 * the whole pass? */
static int is_result_of_system(int r)
{
    return r == -ENETUNREACH || r == -ENOENT || r == -ENOPKG || r == -EBADMSG || r == -EFBIG;
}

static int pass_through(struct cache_pass *pass, const struct apt_system *s,
                        struct cache_result *ret, struct apt_files *files, struct error *err)
{
    CLEANUP(apt_root_clear) struct apt_root root = {.lock = -1};
    int r = open_root(pass, s, &root, err);

    if (r == 0)
        r = update_lists(pass, &root, ret, err);
    if (r == 0)
        r = apt_resolve(&root, pass->packages, files, err);
    for (size_t i = 0; i < root.passed_over.count && r == 0; i++)
        if (strings_add(&ret->warnings, root.passed_over.items[i]) < 0)
            r = error_sys(err, -ENOMEM, "cannot check %s", s->name);
    for (size_t i = 0; i < files->count && r == 0; i++)
        if (add_origin(&ret->origins, files->items[i].uri) < 0)
            r = error_sys(err, -ENOMEM, "cannot check %s", s->name);
    if (r < 0)
        return r;
    ret->files = files->count;
    ret->bytes = files->bytes;
    return fetch_unseen(pass, s, &root, files, ret, err);
}

void cache_pass_clear(struct cache_pass *pass)
{
    strings_clear(&pass->updated);
    apt_files_clear(&pass->whole);
}

int cache_system(struct cache_pass *pass, const struct apt_system *s, struct cache_result *ret,
                 struct apt_files *ret_files, struct error *err)
{
    CLEANUP(apt_files_clear) struct apt_files files = {0};
    struct error why = {0};
    int r = pass_through(pass, s, ret, &files, &why);

    if (r < 0 && is_result_of_system(r)) {
        text_add_printable(&ret->why, why.text);
        r = 0;
    } else if (r < 0) {
        return error_set(err, r, "%s: %s", s->name, why.text);
    }
    if (r == 0 && ret_files)
        r = apt_files_copy(&files, ret_files);
    if (r == 0 && ret->missing.count == 0)
        r = apt_files_merge(&pass->whole, &files);
    if (r == 0)
        r = text_error(&ret->why);
    return r < 0 ? error_sys(err, r, "cannot check %s", s->name) : 0;
}
