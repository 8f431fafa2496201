#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "discovery/base/digest.h"
#include "discovery/base/file.h"

struct files {
    struct served_file items[FILES_MAX];
    size_t count;
};

static const char *type_of(const char *name)
{
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".ico", "image/x-icon"},
        {".woff2", "font/woff2"},
        {".webmanifest", "application/manifest+json"},
    };
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < ARRAY_SIZE(types); i++)
        if (strcmp(dot, types[i][0]) == 0)
            return types[i][1];
    return NULL;
}

static int load_file(struct served_file *f, struct error *err)
{
    char digest[DIGEST_LENGTH + 1];
    struct stat st;
    int r;

    if (stat(f->path, &st) < 0)
        return error_sys(err, -errno, "cannot read %s", f->path);
    text_reset(&f->bytes);
    r = file_read(f->path, FILES_BYTES_MAX, &f->bytes, err);
    if (r < 0)
        return r;
    digest_bytes(f->bytes.data, f->bytes.size, digest);
    (void)snprintf(f->tag, sizeof(f->tag), "\"%.32s\"", digest);
    f->changed = st.st_mtim;
    return 0;
}

static int add_file(struct files *files, const char *folder, const char *name, struct error *err)
{
    struct served_file *f = &files->items[files->count];
    const char *type = type_of(name);

    if (!type || *name == '.' ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") != strlen(name))
        return 0;
    if (files->count == FILES_MAX)
        return error_set(err, -EFBIG, "%s holds more than %d files", folder, FILES_MAX);
    files->count++;
    f->type = type;
    f->name = strdup(name);
    if (!f->name || asprintf(&f->path, "%s/%s", folder, name) < 0) {
        f->path = NULL;
        return error_sys(err, -ENOMEM, "cannot read %s", folder);
    }
    return load_file(f, err);
}

int files_load(const char *folder, struct files **ret, struct error *err)
{
    CLEANUP(files_free_p) struct files *files = calloc(1, sizeof(*files));
    DIR *dir;
    int r = 0;

    if (!files)
        return error_sys(err, -ENOMEM, "cannot read %s", folder);
    dir = opendir(folder);
    if (!dir && errno != ENOENT)
        return error_sys(err, -errno, "cannot read %s", folder);
    for (struct dirent *d; dir && r == 0 && (d = readdir(dir));)
        r = add_file(files, folder, d->d_name, err);
    if (dir)
        (void)closedir(dir);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(files);
    return 0;
}

void files_free(struct files *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++) {
        free(f->items[i].name);
        free(f->items[i].path);
        text_clear(&f->items[i].bytes);
    }
    free(f);
}

/* Reads it again if it has changed; if it cannot be read, the old bytes stay. */
static void refresh_file(struct served_file *f)
{
    struct served_file now = {.path = f->path};
    struct stat st;

    if (stat(f->path, &st) < 0 ||
        (st.st_mtim.tv_sec == f->changed.tv_sec && st.st_mtim.tv_nsec == f->changed.tv_nsec))
        return;
    if (load_file(&now, NULL) < 0) {
        text_clear(&now.bytes);
        return;
    }
    text_clear(&f->bytes);
    f->bytes = now.bytes;
    memcpy(f->tag, now.tag, sizeof(f->tag));
    f->changed = now.changed;
}

const struct served_file *files_find(struct files *f, const char *path)
{
    const char *name = strcmp(path, "/") == 0 ? "index.html" : path + 1;

    for (size_t i = 0; i < f->count && *path == '/'; i++) {
        if (strcmp(f->items[i].name, name) != 0)
            continue;
        refresh_file(&f->items[i]);
        return &f->items[i];
    }
    return NULL;
}
