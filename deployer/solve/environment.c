#include "environment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deployer/base/content.h"
#include "deployer/base/folder.h"
#include "deployer/base/prune.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"
#include "discovery/base/process.h"

#define PYTHON "/usr/bin/python3"

enum { ASK_MS = 20 * 1000, COMPILE_MS = 120 * 1000, PROGRAM_MAX = 1024 * 1024 };

static const char *const programs[] = {"pydcop_orchestrator.py", "dcop_cost.py",
                                       "dcop_early.py",          "dcop_heal.py",
                                       "dcop_scenario.py",       "pydcop_generate.py"};

void solve_environment_clear(struct solve_environment *e)
{
    free(e->folder);
    *e = (struct solve_environment){0};
}

/* --- which one ---------------------------------------------------------------- */

static const char *debian_arch(const char *machine)
{
    return strcmp(machine, "x86_64") == 0    ? "amd64"
           : strcmp(machine, "aarch64") == 0 ? "arm64"
                                             : "";
}

/* "3.11" and "3.11-amd64", as layers are called. */
static int ask_python(char ret_version[static LAYER_KEY_MAX], char ret_key[static LAYER_KEY_MAX],
                      struct error *err)
{
    static const char *const argv[] = {
        PYTHON,
        "-I",
        "-S",
        "-c",
        "import os, sys; print('%d.%d' % sys.version_info[:2], os.uname().machine)",
        NULL};
    const struct process_options options = {.argv = argv, .timeout_ms = ASK_MS, .cancel_fd = -1};
    CLEANUP(process_result_clear) struct process_result result = {0};
    char version[8], machine[16];
    int r = process_run(&options, &result, err);

    if (r == -ENOENT ||
        (r == 0 && (result.status != 0 ||
                    sscanf(text_str(&result.output), "%7s %15s", version, machine) != 2)))
        return error_set(err, -ENOPKG,
                         "the orchestrator needs " PYTHON " on this computer: apt install python3");
    if (r < 0)
        return r;
    (void)snprintf(ret_version, LAYER_KEY_MAX, "%s", version);
    (void)snprintf(ret_key, LAYER_KEY_MAX, "%s-%s", version, debian_arch(machine));
    return 0;
}

static int read_programs(const struct paths *paths, struct content *c, struct error *err)
{
    int r = 0;

    if (!paths->solve)
        return error_set(err, -ENOENT,
                         "cannot find the orchestrator's program in ../share/dcop/solve beside "
                         "this program; install it with: make install");
    for (size_t i = 0; i < ARRAY_SIZE(programs) && r == 0; i++) {
        CLEANUP_FREE char *path = path_join(paths->solve, programs[i]);
        CLEANUP_TEXT struct text bytes = TEXT_INIT;

        r = path ? file_read(path, PROGRAM_MAX, &bytes, err)
                 : error_sys(err, -ENOMEM, "cannot prepare the orchestrator");
        if (r == 0)
            r = content_add(c, programs[i], 0644, text_str(&bytes), bytes.size, err);
    }
    return r;
}

/* `layer`: its digest, or "". */
static void make_name(const struct content *own, const struct pack *pack, const char *layer,
                      const char *python, char ret[static DIGEST_LENGTH + 1])
{
    struct digest d;

    digest_init(&d);
    digest_adds(&d, pack->bundle.digest);
    digest_adds(&d, layer);
    digest_adds(&d, python);
    for (size_t i = 0; i < own->count; i++) {
        digest_adds(&d, own->files[i].path);
        digest_add(&d, own->files[i].data, own->files[i].size);
    }
    digest_end(&d, ret);
}

/* --- laying it out ---------------------------------------------------------------- */

static int write_one(const char *folder, const char *place, const struct content_file *f,
                     struct error *err)
{
    CLEANUP_FREE char *path = NULL;
    CLEANUP_CLOSE int fd = -1;
    char *slash;
    int r;

    if (asprintf(&path, "%s/%s%s", folder, place, f->path) < 0) {
        path = NULL;
        return error_sys(err, -ENOMEM, "cannot prepare the orchestrator");
    }
    slash = strrchr(path, '/');
    *slash = '\0';
    r = make_folders(path, 0755, err);
    *slash = '/';
    if (r < 0)
        return r;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    r = fd < 0 ? -errno : file_write_all(fd, f->data, f->size);
    /* Another user reads it, whatever our umask is. */
    if (r == 0 && fchmod(fd, 0644) < 0)
        r = -errno;
    return r < 0 ? error_sys(err, r, "cannot write %s", path) : 0;
}

/* `only`: what begins so; NULL: all. */
static int write_content(const struct content *c, const char *only, const char *folder,
                         const char *place, struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < c->count && r == 0; i++)
        if (!only || strncmp(c->files[i].path, only, strlen(only)) == 0)
            r = write_one(folder, place, &c->files[i], err);
    return r;
}

static int write_tar(const void *bytes, size_t size, const char *only, const char *folder,
                     const char *place, struct error *err)
{
    CLEANUP(content_clear) struct content c = {0};
    int r = content_read_tar(&c, bytes, size);

    return r < 0 ? error_sys(err, r, "cannot unpack pyDCOP for the orchestrator")
                 : write_content(&c, only, folder, place, err);
}

/* Without byte code Python would compile at each start.  A failure costs only that. */
static void compile_site(const char *folder)
{
    CLEANUP(process_result_clear) struct process_result result = {0};
    CLEANUP_FREE char *site = path_join(folder, "site");
    const char *const argv[] = {PYTHON,
                                "-I",
                                "-S",
                                "-W",
                                "ignore",
                                "-m",
                                "compileall",
                                "-q",
                                "--invalidation-mode",
                                "unchecked-hash",
                                site,
                                NULL};
    const struct process_options options = {
        .argv = argv, .timeout_ms = COMPILE_MS, .cancel_fd = -1};

    if (site)
        (void)process_run(&options, &result, NULL);
}

static int lay_out(const struct content *own, const struct pack *pack, const struct layer *layer,
                   const char *folder, struct error *err)
{
    int r = write_content(own, NULL, folder, "", err);

    if (r == 0)
        r = write_tar(pack->bytes.data, pack->bytes.size, "site/", folder, "", err);
    if (r == 0 && layer)
        r = write_tar(layer->bytes, layer->size, NULL, folder, "layer/", err);
    if (r == 0)
        compile_site(folder);
    return r;
}

/* For the other user who runs it, whatever our umask is: Python makes folders, too. */
static int lay_out_readable(const struct content *own, const struct pack *pack,
                            const struct layer *layer, const char *folder, struct error *err)
{
    mode_t mask = umask(022);
    int r = lay_out(own, pack, layer, folder, err);

    (void)umask(mask);
    return r;
}

/* All of it is on the disk before it gets its name, by which it is never looked at again. */
static int flush(const char *folder, struct error *err)
{
    CLEANUP_CLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 || syncfs(fd) < 0 ? error_sys(err, -errno, "cannot flush %s", folder) : 0;
}

/* Whole or not at all; another process may make the same one. */
static int make_folder(const struct content *own, const struct pack *pack,
                       const struct layer *layer, const char *parent, const char *folder,
                       struct error *err)
{
    CLEANUP_FREE char *fresh = path_join(parent, "new.XXXXXX");
    CLEANUP_CLOSE int lock = -1;
    int r = fresh ? make_folders(parent, 0755, err)
                  : error_sys(err, -ENOMEM, "cannot prepare the orchestrator");

    if (r < 0)
        return r;
    folder_sweep(parent, "new.");
    if (!mkdtemp(fresh))
        return error_sys(err, -errno, "cannot create %s", fresh);
    lock = folder_lock(fresh);
    r = chmod(fresh, 0755) < 0 ? error_sys(err, -errno, "cannot change %s", fresh)
                               : lay_out_readable(own, pack, layer, fresh, err);
    if (r == 0)
        r = flush(fresh, err);
    if (r == 0 && rename(fresh, folder) < 0 && errno != EEXIST && errno != ENOTEMPTY)
        r = error_sys(err, -errno, "cannot create %s", folder);
    folder_remove(fresh);
    return r;
}

/* The folder of this layer, in e->folder; whether it is there. */
static int find_folder(const struct content *own, const struct pack *pack, const char *parent,
                       struct solve_environment *e, bool *ret_found, struct error *err)
{
    char name[DIGEST_LENGTH + 1];

    make_name(own, pack, e->layer, e->python, name);
    free(e->folder);
    e->folder = path_join(parent, name);
    if (!e->folder)
        return error_sys(err, -ENOMEM, "cannot prepare the orchestrator");
    e->has_layer = *e->layer != '\0';
    *ret_found = access(e->folder, F_OK) == 0;
    return 0;
}

/* One that is there was made from the whole layer: that is not read again. */
static int find_or_make(const struct paths *paths, const struct content *own,
                        const struct pack *pack, const char *key, const char *parent,
                        struct solve_environment *e, struct error *err)
{
    const struct layer *layer = NULL;
    bool found = false;
    int r = layers_recall(pack->layers, key, e->layer);

    r = r == 0 ? find_folder(own, pack, parent, e, &found, err) : 0;
    if (r < 0 || found)
        return r;
    r = layers_get(pack->layers, key, -1, &layer, err);
    if (r == -ENOENT && paths->solve) { /* for this Python; it may have the packages itself */
        layer = NULL;
        r = 0;
    }
    if (r < 0)
        return r;
    (void)snprintf(e->layer, sizeof(e->layer), "%s", layer ? layer->digest : "");
    r = find_folder(own, pack, parent, e, &found, err);
    return r == 0 && !found ? make_folder(own, pack, layer, parent, e->folder, err) : r;
}

int solve_environment_make(const struct paths *paths, const struct pack *pack,
                           struct solve_environment *ret, struct error *err)
{
    CLEANUP(content_clear) struct content own = {0};
    CLEANUP(solve_environment_clear) struct solve_environment e = {0};
    CLEANUP_FREE char *parent = path_join(paths->cache, "orchestrators");
    char key[LAYER_KEY_MAX];
    int r = parent ? ask_python(e.python, key, err)
                   : error_sys(err, -ENOMEM, "cannot prepare the orchestrator");

    if (r == 0)
        r = read_programs(paths, &own, err);
    if (r == 0)
        r = find_or_make(paths, &own, pack, key, parent, &e, err);
    if (r < 0)
        return r;
    prune_used(e.folder);
    prune_oldest(parent, "", SOLVE_ENVIRONMENTS_KEPT);
    *ret = e;
    e = (struct solve_environment){0};
    return 0;
}
