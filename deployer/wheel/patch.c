#include "patch.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/digest.h"
#include "discovery/base/file.h"
#include "wheel.h"

enum { SCRIPT_MAX = 1024 * 1024 };

static const char *const scripts[] = {"setup.py", "setup.cfg", "pyproject.toml"};

/* --- what differs ------------------------------------------------------------ */

/* One line of a list of tree.h. */
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

/* A file that differs, and what becomes of it. */
struct change {
    char *path;
    char before[DIGEST_LENGTH + 1];
    struct text bytes; /* the new content */
    bool placed;
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

/* The listed file, which must still be as it was listed.  The folder is another
 * user's: no link is followed at its end, and a link elsewhere leads to bytes
 * that are not the listed ones. */
static int read_listed(const char *source, const char *path, const char *digest, struct text *ret)
{
    CLEANUP_FREE char *full = NULL;
    CLEANUP_CLOSE int fd = -1;
    char hex[DIGEST_LENGTH + 1], self[64];
    struct stat st;
    int r;

    if (asprintf(&full, "%s/%s", source, path) < 0) {
        full = NULL;
        return -ENOMEM;
    }
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

/* A module at the top that setup.py could mean when it says "import re". */
static bool hides_a_module(const char *path)
{
    CLEANUP_TEXT struct text statement = TEXT_INIT;

    text_adds(&statement, "import ");
    text_add(&statement, path, strcspn(path, "./"));
    return path[strcspn(path, "./")] != '\0' && text_error(&statement) == 0 &&
           wheel_script_is_plain("setup.py", text_str(&statement));
}

/* Looks at both lists side by side: they differ in digests of files alone. */
static int compare(const char *source, const char *before, const char *after, struct changes *ret)
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
        if (old.kind != new.kind || strcmp(old.path, new.path) != 0 || hides_a_module(new.path))
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

/* --- what no build looks at -------------------------------------------------- */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n > m && strcmp(s + n - m, end) == 0;
}

/* Or is no text, and may say anything. */
static bool says_version(const struct text *t)
{
    return strlen(text_str(t)) != t->size || strcasestr(text_str(t), "version");
}

/* By its name: a module, but none in which packages tell of themselves. */
static bool may_change(const char *path)
{
    const char *base = strrchr(path, '/');
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./";

    base = base ? base + 1 : path;
    return base != path && path[strspn(path, plain)] == '\0' && ends_with(base, ".py") &&
           strncmp(base, "__", 2) != 0 && !strcasestr(base, "version") &&
           strcmp(base, "setup.py") != 0 && !strstr(path, "-info/") && !strstr(path, ".data/");
}

/* Whether a script of the build speaks of one of them. */
static int check_scripts(const char *source, const struct changes *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
        CLEANUP_TEXT struct text words = TEXT_INIT;
        CLEANUP_FREE char *path = NULL;
        int r;

        if (asprintf(&path, "%s/%s", source, scripts[i]) < 0) {
            path = NULL;
            return -ENOMEM;
        }
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
            if (wheel_script_says(text_str(&words), stem))
                return -ENOTSUP;
        }
    }
    return 0;
}

/* --- the wheel --------------------------------------------------------------- */

struct patch {
    struct changes *changes;
    struct archive *to;
    struct text record; /* RECORD's lines for what is new */
    long shift;         /* bytes that a source path has before a member's; -1: not known */
};

static la_ssize_t write_block(struct archive *a, void *arg, const void *bytes, size_t size)
{
    struct text *to = arg;

    text_add(to, bytes, size);
    if (text_error(to) == 0)
        return (la_ssize_t)size;
    archive_set_error(a, ENOMEM, "out of memory");
    return -1;
}

static void read_free(struct archive **a)
{
    if (*a)
        (void)archive_read_free(*a);
}

static void write_free(struct archive **a)
{
    if (*a)
        (void)archive_write_free(*a);
}

static int read_member(struct archive *from, struct text *ret)
{
    char buffer[32768];

    text_reset(ret);
    for (;;) {
        la_ssize_t n = archive_read_data(from, buffer, sizeof(buffer));

        if (n < 0 || ret->size > WHEEL_SIZE_MAX)
            return -ENOTSUP;
        if (n == 0)
            return text_error(ret);
        text_add(ret, buffer, (size_t)n);
    }
}

/* The change that this member is to get, or NULL.  `path` is the source's, less
 * one folder at most ("src/"), and the same one for all. */
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
        /* The same bytes twice: whose would they be? */
        if (c->placed || *ret || n > size || strcmp(c->path + size - n, member) != 0)
            return -ENOTSUP;
        if (n != size && (size_t)(slash - c->path) + 1 != size - n)
            return -ENOTSUP;
        if (p->shift >= 0 && p->shift != (long)(size - n))
            return -ENOTSUP;
        p->shift = (long)(size - n);
        if (says_version(bytes) || says_version(&c->bytes))
            return -ENOTSUP;
        c->placed = true;
        *ret = c;
    }
    return 0;
}

/* "path,sha256=BASE64,SIZE", as the wheel format has it. */
static void add_record(struct text *to, const char *member, const struct text *bytes)
{
    uint8_t hash[DIGEST_SIZE];
    char words[DIGEST_BASE64_LENGTH + 1];

    digest_sha256(text_str(bytes), bytes->size, hash);
    digest_base64url(hash, words);
    text_addf(to, "%s,sha256=%s,%zu", member, words, bytes->size);
}

/* RECORD with the new lines in place of the old; -ENOTSUP when they were not
 * all in it, once. */
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

static int write_member(struct patch *p, struct archive_entry *e, const struct text *bytes)
{
    archive_entry_set_size(e, (la_int64_t)bytes->size);
    if (archive_write_header(p->to, e) != ARCHIVE_OK ||
        archive_write_data(p->to, text_str(bytes), bytes->size) != (la_ssize_t)bytes->size)
        return -ENOTSUP;
    return 0;
}

static int copy_member(struct patch *p, struct archive *from, struct archive_entry *e)
{
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    CLEANUP_TEXT struct text record = TEXT_INIT;
    const char *member = archive_entry_pathname(e);
    struct change *change = NULL;
    int r;

    if (!member || archive_entry_filetype(e) != AE_IFREG)
        return -ENOTSUP;
    r = read_member(from, &bytes);
    if (r == 0)
        r = find_change(p, member, &bytes, &change);
    if (r < 0)
        return r;
    if (change) {
        add_record(&p->record, member, &change->bytes);
        text_addc(&p->record, '\n');
        return write_member(p, e, &change->bytes);
    }
    if (!ends_with(member, ".dist-info/RECORD"))
        return write_member(p, e, &bytes);
    /* It is the last one, so all that changed was seen; else lines lack. */
    r = patch_record(p, &bytes, &record);
    for (size_t i = 0; i < p->changes->count; i++)
        if (!p->changes->items[i].placed)
            return -ENOTSUP;
    return r < 0 ? r : write_member(p, e, &record);
}

static int copy_members(struct patch *p, struct archive *from)
{
    struct archive_entry *e;
    bool recorded = false;
    int ra, r;

    while ((ra = archive_read_next_header(from, &e)) == ARCHIVE_OK) {
        if (recorded)
            return -ENOTSUP;
        recorded =
            archive_entry_pathname(e) && ends_with(archive_entry_pathname(e), ".dist-info/RECORD");
        r = copy_member(p, from, e);
        if (r < 0)
            return r;
    }
    return ra == ARCHIVE_EOF && recorded ? 0 : -ENOTSUP;
}

static int rewrite(struct changes *changes, const struct text *old, struct text *ret)
{
    CLEANUP(read_free) struct archive *from = archive_read_new();
    CLEANUP(write_free) struct archive *to = archive_write_new();
    struct patch p = {.changes = changes, .to = to, .shift = -1};
    int r;

    if (!from || !to || archive_read_support_format_zip_seekable(from) != ARCHIVE_OK ||
        archive_write_set_format_zip(to) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(to, 1) != ARCHIVE_OK ||
        archive_write_open(to, ret, NULL, write_block, NULL) != ARCHIVE_OK)
        return -ENOMEM;
    if (archive_read_open_memory(from, text_str(old), old->size) != ARCHIVE_OK)
        return -ENOTSUP;
    r = copy_members(&p, from);
    text_clear(&p.record);
    if (r < 0)
        return r;
    return archive_write_close(to) == ARCHIVE_OK ? text_error(ret) : -ENOTSUP;
}

int wheel_patch(const char *source, const char *before, const char *after, const struct text *old,
                struct text *ret)
{
    CLEANUP_FREE struct changes *changes = calloc(1, sizeof(*changes));
    int r;

    if (!changes)
        return -ENOMEM;
    r = compare(source, before, after, changes);
    for (size_t i = 0; i < changes->count && r == 0; i++)
        if (!may_change(changes->items[i].path))
            r = -ENOTSUP;
    if (r == 0)
        r = changes->count ? check_scripts(source, changes) : -ENOTSUP;
    if (r == 0)
        r = rewrite(changes, old, ret);
    changes_clear(changes);
    return r;
}
