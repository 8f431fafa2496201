#include "patch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "deployer/base/archive.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/digest.h"
#include "discovery/base/file.h"
#include "wheel.h"

enum { SCRIPT_MAX = 1024 * 1024 };

static const char *const scripts[] = {"setup.py", "setup.cfg", "pyproject.toml"};

/* --- what differs ------------------------------------------------------------ */

/* One line of a list by folder_read. */
struct line {
    char kind;
    char digest[DIGEST_LENGTH + 1];
    char *path;
};

static void line_clear(struct line *l)
{
    free(TAKE_PTR(l->path));
}

/* Steps to the next line.  0 at the end, 1 for a line, -EINVAL, -ENOMEM. */
static int next_line(const char **at, struct line *ret)
{
    size_t size = strcspn(*at, "\n");
    const char *line = *at;

    line_clear(ret);
    if (*line == '\0')
        return 0;
    if (size < DIGEST_LENGTH + 4 || line[1] != ' ' || line[DIGEST_LENGTH + 2] != ' ')
        return -EINVAL;
    ret->kind = line[0];
    memcpy(ret->digest, line + 2, DIGEST_LENGTH);
    ret->digest[DIGEST_LENGTH] = '\0';
    ret->path = strndup(line + DIGEST_LENGTH + 3, size - DIGEST_LENGTH - 3);
    if (!ret->path)
        return -ENOMEM;
    *at = line + size + (line[size] == '\n');
    return percent_decode(ret->path) < 0 ? -EINVAL : 1;
}

/* A file that differs. */
struct change {
    char *path;
    char before[DIGEST_LENGTH + 1]; /* the digest of its old content */
    struct text bytes;              /* the new content */
    bool placed;                    /* its member in the wheel has been found */
};

struct changes {
    struct change items[WHEEL_PATCH_FILES_MAX];
    size_t count;
};

static void changes_clear(struct changes *c)
{
    for (size_t i = 0; i < c->count; i++) {
        free(c->items[i].path);
        text_clear(&c->items[i].bytes);
    }
    c->count = 0;
}

/* Reads a listed file, which must still have the listed digest.  The folder may be
 * another user's: a symbolic link as the last part of the path is not followed,
 * and what is read through one in another part must have the listed digest, too. */
static int read_listed(const char *source, const char *path, const char *digest, struct text *ret)
{
    CLEANUP_FREE char *full = NULL;
    CLEANUP_CLOSE int fd = -1;
    char hex[DIGEST_LENGTH + 1], self[64];
    struct stat st;
    int r;

    full = path_join(source, path);
    if (!full)
        return -ENOMEM;
    fd = open(full, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -ENOTSUP;
    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    r = file_read(self, WHEEL_SIZE_MAX, ret, NULL);
    if (r < 0)
        return r;
    digest_bytes(text_str(ret), ret->size, hex);
    return strcmp(hex, digest) == 0 ? 0 : -ENOTSUP;
}

static int add_change(struct changes *c, const char *source, const struct line *old,
                      const struct line *new)
{
    struct change *change;

    if (c->count == WHEEL_PATCH_FILES_MAX || new->kind == 'l')
        return -ENOTSUP;
    change = &c->items[c->count];
    change->path = strdup(new->path);
    if (!change->path)
        return -ENOMEM;
    c->count++;
    memcpy(change->before, old->digest, sizeof(change->before));
    return read_listed(source, new->path, new->digest, &change->bytes);
}

/* Does this file belong to a top-level module that setup.py would import in place
 * of a harmless one ("import re")? */
static bool shadows_allowed_import(const char *path)
{
    CLEANUP_TEXT struct text statement = TEXT_INIT;

    text_adds(&statement, "import ");
    text_add(&statement, path, strcspn(path, "./"));
    return path[strcspn(path, "./")] != '\0' && text_error(&statement) == 0 &&
           wheel_script_is_plain("setup.py", text_str(&statement));
}

/* Compares both lists, which may differ only in the digests of files (else
 * -ENOTSUP), and reads the changed files. */
static int compare_lists(const char *source, const char *before, const char *after,
                         struct changes *ret)
{
    CLEANUP(line_clear) struct line old = {0}, new = {0};
    CLEANUP_TEXT struct text words = TEXT_INIT;
    int r;

    for (;;) {
        r = next_line(&before, &old);
        if (r < 0 || next_line(&after, &new) != r)
            return r < 0 ? r : -ENOTSUP;
        if (r == 0)
            return 0;
        if (old.kind != new.kind || strcmp(old.path, new.path) != 0 ||
            shadows_allowed_import(new.path))
            return -ENOTSUP;
        for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
            if (strcmp(new.path, scripts[i]) != 0)
                continue;
            text_reset(&words);
            r = read_listed(source, new.path, new.digest, &words);
            if (r < 0)
                return r;
            if (strlen(text_str(&words)) != words.size || words.size > SCRIPT_MAX ||
                !wheel_script_is_plain(scripts[i], text_str(&words)))
                return -ENOTSUP;
        }
        if (strcmp(old.digest, new.digest) == 0)
            continue;
        r = add_change(ret, source, &old, &new);
        if (r < 0)
            return r;
    }
}

/* --- what a build does not read ---------------------------------------------- */

/* Also true for content with a NUL, which is not searched. */
static bool mentions_version(const struct text *t)
{
    return strlen(text_str(t)) != t->size || strcasestr(text_str(t), "version");
}

/* By its name: a module, but not one where packages keep their version or other
 * metadata. */
static bool path_is_patchable(const char *path)
{
    const char *base = strrchr(path, '/');
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./";

    base = base ? base + 1 : path;
    return base != path && path[strspn(path, plain)] == '\0' && string_ends_with(base, ".py") &&
           strncmp(base, "__", 2) != 0 && !strcasestr(base, "version") &&
           strcmp(base, "setup.py") != 0 && !strstr(path, "-info/") && !strstr(path, ".data/");
}

/* -ENOTSUP when a script of the build names one of the changed modules. */
static int check_scripts(const char *source, const struct changes *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
        CLEANUP_TEXT struct text words = TEXT_INIT;
        CLEANUP_FREE char *path = NULL;
        int r;

        path = path_join(source, scripts[i]);
        if (!path)
            return -ENOMEM;
        r = file_read(path, SCRIPT_MAX, &words, NULL);
        if (r == -ENOENT)
            continue;
        if (r < 0)
            return r;
        for (size_t k = 0; k < c->count; k++) {
            const char *base = strrchr(c->items[k].path, '/') + 1;
            CLEANUP_FREE char *stem = strndup(base, strlen(base) - strlen(".py"));

            if (!stem)
                return -ENOMEM;
            if (wheel_script_contains_word(text_str(&words), stem))
                return -ENOTSUP;
        }
    }
    return 0;
}

/* --- the wheel --------------------------------------------------------------- */

struct patch {
    struct changes *changes;
    struct archive_reader *from;
    struct archive_writer *to;
    struct text record; /* RECORD's lines for the changed members */
    long shift; /* bytes of a source path that its member lacks ("src/"); -1: not known yet */
};

/* The change for this member, by the digest of its old content; NULL: none.  The
 * member's path must be the source's, without at most one folder in front ("src/"),
 * whose length is the same for all; else -ENOTSUP. */
static int find_change(struct patch *p, const char *member, const struct text *bytes,
                       struct change **ret)
{
    char hex[DIGEST_LENGTH + 1];

    *ret = NULL;
    digest_bytes(text_str(bytes), bytes->size, hex);
    for (size_t i = 0; i < p->changes->count; i++) {
        struct change *c = &p->changes->items[i];
        size_t size = strlen(c->path), n = strlen(member);
        const char *slash = strchr(c->path, '/');

        if (strcmp(hex, c->before) != 0)
            continue;
        /* The same content twice, or under another path: not certain which. */
        if (c->placed || *ret || n > size || strcmp(c->path + size - n, member) != 0)
            return -ENOTSUP;
        if (n != size && (size_t)(slash - c->path) + 1 != size - n)
            return -ENOTSUP;
        if (p->shift >= 0 && p->shift != (long)(size - n))
            return -ENOTSUP;
        p->shift = (long)(size - n);
        if (mentions_version(bytes) || mentions_version(&c->bytes))
            return -ENOTSUP;
        c->placed = true;
        *ret = c;
    }
    return 0;
}

/* A line of RECORD: "path,sha256=BASE64,SIZE" (the binary distribution format). */
static void add_record(struct text *to, const char *member, const struct text *bytes)
{
    uint8_t hash[DIGEST_SIZE];
    char words[DIGEST_BASE64_LENGTH + 1];

    digest_sha256(text_str(bytes), bytes->size, hash);
    digest_base64url(hash, words);
    text_addf(to, "%s,sha256=%s,%zu", member, words, bytes->size);
}

/* Copies RECORD, with the lines of changed members replaced; -ENOTSUP unless it
 * has each of them once. */
static int patch_record(const struct patch *p, const struct text *old, struct text *ret)
{
    size_t replaced = 0, wanted = 0;
    const char *at = text_str(old);

    for (size_t i = 0; i < p->record.size; i++)
        wanted += p->record.data[i] == '\n';
    while (*at) {
        size_t size = strcspn(at, "\n"), key = strcspn(at, ",\n");
        const char *line = text_str(&p->record);

        while (*line && (strcspn(line, ",") != key || strncmp(line, at, key) != 0))
            line += strcspn(line, "\n") + 1;
        if (*line) {
            text_add(ret, line, strcspn(line, "\n"));
            if (size && at[size - 1] == '\r')
                text_addc(ret, '\r');
            replaced++;
        } else
            text_add(ret, at, size);
        text_add(ret, "\n", at[size] == '\n');
        at += size + (at[size] == '\n');
    }
    return replaced == wanted ? text_error(ret) : -ENOTSUP;
}

static int write_member(struct patch *p, const struct text *bytes)
{
    return archive_writer_add_like(p->to, p->from, text_str(bytes), bytes->size) < 0 ? -ENOTSUP : 0;
}

static int copy_member(struct patch *p)
{
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    CLEANUP_TEXT struct text record = TEXT_INIT;
    const char *member = archive_reader_path(p->from);
    struct change *change = NULL;
    int r;

    if (!member || !archive_reader_is_file(p->from))
        return -ENOTSUP;
    r = archive_reader_data(p->from, WHEEL_SIZE_MAX, &bytes);
    if (r == -EBADMSG || r == -EFBIG)
        r = -ENOTSUP;
    if (r == 0)
        r = find_change(p, member, &bytes, &change);
    if (r < 0)
        return r;
    if (change) {
        add_record(&p->record, member, &change->bytes);
        text_addc(&p->record, '\n');
        return write_member(p, &change->bytes);
    }
    if (!string_ends_with(member, ".dist-info/RECORD"))
        return write_member(p, &bytes);
    /* RECORD is the last member (see copy_members): each change must have been placed. */
    r = patch_record(p, &bytes, &record);
    for (size_t i = 0; i < p->changes->count; i++)
        if (!p->changes->items[i].placed)
            return -ENOTSUP;
    return r < 0 ? r : write_member(p, &record);
}

static int copy_members(struct patch *p)
{
    bool recorded = false, warned;
    int more, r;

    while ((more = archive_reader_next(p->from, &warned)) > 0) {
        const char *member = archive_reader_path(p->from);

        if (recorded || warned)
            return -ENOTSUP;
        recorded = member && string_ends_with(member, ".dist-info/RECORD");
        r = copy_member(p);
        if (r < 0)
            return r;
    }
    return more == 0 && recorded ? 0 : -ENOTSUP;
}

static int rewrite_wheel(struct changes *changes, const struct text *old, struct text *ret)
{
    CLEANUP_ARCHIVE_READER struct archive_reader *from = NULL;
    CLEANUP_ARCHIVE_WRITER struct archive_writer *to = NULL;
    struct patch p = {.changes = changes, .shift = -1};
    int r;

    if (archive_writer_open_zip(ret, &to) < 0)
        return -ENOMEM;
    r = archive_reader_open_zip(text_str(old), old->size, &from);
    if (r < 0)
        return r == -EBADMSG ? -ENOTSUP : r;
    p.from = from;
    p.to = to;
    r = copy_members(&p);
    text_clear(&p.record);
    if (r == 0)
        r = archive_writer_close(to);
    return r == -EIO ? -ENOTSUP : r;
}

int wheel_patch(const char *source, const char *before, const char *after, const struct text *old,
                struct text *ret)
{
    CLEANUP_FREE struct changes *changes = calloc(1, sizeof(*changes));
    int r;

    if (!changes)
        return -ENOMEM;
    r = compare_lists(source, before, after, changes);
    for (size_t i = 0; i < changes->count && r == 0; i++)
        if (!path_is_patchable(changes->items[i].path))
            r = -ENOTSUP;
    if (r == 0)
        r = changes->count ? check_scripts(source, changes) : -ENOTSUP;
    if (r == 0)
        r = rewrite_wheel(changes, old, ret);
    changes_clear(changes);
    return r;
}
