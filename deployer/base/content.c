#include "content.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"
#include "discovery/base/text.h"

enum { STEPS_DEPTH_MAX = 4 };

void content_clear(struct content *c)
{
    for (size_t i = 0; i < c->count; i++) {
        free(c->files[i].path);
        free(c->files[i].data);
    }
    free(c->files);
    *c = (struct content){0};
}

/* sha256sum(1) escapes a backslash and a newline: such names would not compare. */
static bool path_is_fit(const char *path)
{
    size_t size = strlen(path);

    if (size == 0 || size > CONTENT_PATH_MAX || !utf8_valid(path, size))
        return false;
    for (const char *p = path; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '\\')
            return false;
    for (const char *part = path;;) {
        size_t n = strcspn(part, "/");

        if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && strncmp(part, "..", 2) == 0))
            return false;
        if (part[n] == '\0')
            return true;
        part += n + 1;
    }
}

static int grow_files(struct content *c)
{
    struct content_file *files;
    size_t room = c->room ? 2 * c->room : 64;

    if (c->count < c->room)
        return 0;
    files = reallocarray(c->files, room, sizeof(*files));
    if (!files)
        return -ENOMEM;
    c->files = files;
    c->room = room;
    return 0;
}

int content_add(struct content *c, const char *path, mode_t mode, const void *data, size_t size,
                struct error *err)
{
    CLEANUP_FREE char *name = NULL;
    char *copy;

    if (!path_is_fit(path)) {
        CLEANUP_TEXT struct text printable = TEXT_INIT;

        text_add_printable(&printable, path);
        return error_set(err, -EBADMSG, "it contains a path that is not allowed: \"%s\"",
                         text_str(&printable));
    }
    if (c->count >= CONTENT_FILES_MAX)
        return error_set(err, -EFBIG, "more than %d files", CONTENT_FILES_MAX);
    if (size > CONTENT_FILE_MAX || size > CONTENT_MAX - c->bytes)
        return error_set(err, -EFBIG, "too large to send, with %s", path);
    name = strdup(path);
    copy = malloc(size ? size : 1);
    if (!name || !copy || grow_files(c) < 0) {
        free(copy);
        return error_sys(err, -ENOMEM, "cannot take %s", path);
    }
    if (size)
        memcpy(copy, data, size);
    c->files[c->count] = (struct content_file){
        .path = TAKE_PTR(name), .data = copy, .size = size, .mode = mode, .order = c->count};
    c->count++;
    c->bytes += size;
    return 0;
}

static int compare_files(const void *a, const void *b)
{
    const struct content_file *x = a, *y = b;
    int r = strcmp(x->path, y->path);

    return r ? r : x->order < y->order ? -1 : 1;
}

int content_sort(struct content *c, struct error *err)
{
    size_t kept = 0;

    if (c->count)
        qsort(c->files, c->count, sizeof(*c->files), compare_files);
    for (size_t i = 0; i < c->count; i++) {
        struct content_file *f = &c->files[i], *last = kept ? &c->files[kept - 1] : NULL;

        if (!last || strcmp(last->path, f->path) != 0) {
            if (kept != i) {
                c->files[kept] = *f;
                *f = (struct content_file){0};
            }
            kept++;
            continue;
        }
        if (last->size != f->size || (f->size && memcmp(last->data, f->data, f->size) != 0))
            return error_set(err, -EBADMSG, "it contains %s twice, with different content",
                             f->path);
        free(TAKE_PTR(f->path));
        free(TAKE_PTR(f->data));
        c->bytes -= f->size;
    }
    c->count = kept;
    return 0;
}

const struct content_file *content_find(const struct content *c, const char *path)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->files[i].path, path) == 0)
            return &c->files[i];
    return NULL;
}

static bool is_below(const char *path, const char *const *folders)
{
    for (; *folders; folders++)
        if (strncmp(path, *folders, strlen(*folders)) == 0)
            return true;
    return false;
}

void content_digest(const struct content *c, const char *const *folders,
                    char ret[static DIGEST_LENGTH + 1])
{
    struct digest d;

    digest_init(&d);
    for (size_t i = 0; i < c->count; i++) {
        const struct content_file *f = &c->files[i];
        char head[64];

        if (!is_below(f->path, folders))
            continue;
        (void)snprintf(head, sizeof(head), "%o %zu", (unsigned)f->mode, f->size);
        digest_adds(&d, head);
        digest_adds(&d, f->path);
        digest_add(&d, f->data, f->size);
    }
    digest_end(&d, ret);
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n > m && strcmp(s + n - m, end) == 0;
}

static int add_folder(struct content *c, const char *folder, const char *place, unsigned depth,
                      struct error *err);

static int add_entry(struct content *c, const char *path, const char *place, const char *name,
                     unsigned depth, struct error *err)
{
    bool to_site = depth == 0 && (ends_with(name, ".py") || ends_with(name, ".pth"));
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    CLEANUP_FREE char *target = NULL;
    struct stat st;
    int r;

    if (asprintf(&target, "%s%s", to_site ? "site/" : place, name) < 0) {
        target = NULL;
        return error_sys(err, -ENOMEM, "cannot read %s", path);
    }
    if (stat(path, &st) < 0)
        return error_sys(err, -errno, "cannot read %s", path);
    if (S_ISDIR(st.st_mode)) {
        CLEANUP_FREE char *below = NULL;

        if (asprintf(&below, "%s/", target) < 0) {
            below = NULL;
            return error_sys(err, -ENOMEM, "cannot read %s", path);
        }
        return add_folder(c, path, below, depth + 1, err);
    }
    if (!S_ISREG(st.st_mode))
        return 0;
    r = file_read(path, CONTENT_FILE_MAX, &bytes, err);
    if (r < 0)
        return r;
    r = content_add(c, target, !to_site && (st.st_mode & S_IXUSR) ? 0755 : 0644, text_str(&bytes),
                    bytes.size, err);
    return r < 0 ? error_prefix(err, "%s", path) : 0;
}

static int add_folder(struct content *c, const char *folder, const char *place, unsigned depth,
                      struct error *err)
{
    struct dirent **names = NULL;
    int n = depth > STEPS_DEPTH_MAX ? 0 : scandir(folder, &names, NULL, NULL), r = 0;

    if (n < 0)
        return error_sys(err, -errno, "cannot read %s", folder);
    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name;
        CLEANUP_FREE char *path = NULL;

        if (r == 0 && name[0] != '.' && strcmp(name, "__pycache__") != 0 &&
            name[strlen(name) - 1] != '~') {
            if (asprintf(&path, "%s/%s", folder, name) < 0) {
                path = NULL;
                r = error_sys(err, -ENOMEM, "cannot read %s", folder);
            } else
                r = add_entry(c, path, place, name, depth, err);
        }
        free(names[i]);
    }
    free(names);
    return r;
}

int content_add_folder(struct content *c, const char *folder, const char *place, struct error *err)
{
    return add_folder(c, folder, place, 1, err);
}

int content_add_steps(struct content *c, const char *folder, struct error *err)
{
    int r = add_folder(c, folder, "", 0, err);

    if (r == 0 && !content_find(c, "run"))
        return error_set(err, -ENOENT, "%s does not hold the deployment's steps (no \"run\" in it)",
                         folder);
    return r;
}
