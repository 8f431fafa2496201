#include "lay-out-wheel.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "deployer/base/archive.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/text.h"

/* Files of .dist-info that an installer writes or that identify the build tool. */
static const char *const left_out[] = {
    "RECORD", "RECORD.jws", "RECORD.p7s", "WHEEL", "INSTALLER", "REQUESTED", "direct_url.json",
};

struct wheel {
    struct content *to;
    const char *name;
    const struct wheel_layout *layout;
    bool has_metadata; /* WHEEL has been read, and allows it */
    size_t entries;
    struct text data;
    struct error *err;
};

/* The value of "Key: value" in a header line, or NULL. */
static const char *header_value(const char *line, const char *key)
{
    size_t n = strlen(key);

    if (strncasecmp(line, key, n) != 0 || line[n] != ':')
        return NULL;
    line += n + 1;
    return line + strspn(line, " \t");
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && strcmp(s + n - m, end) == 0;
}

/* WHEEL: Root-Is-Purelib, and a tag for any platform in each Tag line. */
static int check_metadata(struct wheel *w, char *text)
{
    bool pure = false, foreign = false;
    char *save = NULL;

    for (char *line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
        const char *value = header_value(line, "Root-Is-Purelib");
        const char *tag = header_value(line, "Tag");

        if (value)
            pure = strncasecmp(value, "true", 4) == 0;
        foreign = foreign || (tag && !ends_with(tag, "-none-any"));
    }
    if (!w->layout->native && (!pure || foreign))
        return error_set(
            w->err, -EBADMSG,
            "%s contains code compiled for one platform; only pure Python wheels can be deployed",
            w->name);
    if (w->has_metadata)
        return error_set(w->err, -EBADMSG, "%s has two WHEEL files", w->name);
    w->has_metadata = true;
    return 0;
}

static bool is_identifier(const char *s, const char *more)
{
    static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

    if (*s == '\0')
        return false;
    for (; *s; s++)
        if (!strchr(chars, *s) && !strchr(more, *s))
            return false;
    return true;
}

/* Adds the script that pip would write for "name = module:attribute [extras]". */
static int add_entry_point(struct wheel *w, char *line)
{
    char *equals = strchr(line, '='), *name = line, *module, *function, *end;
    CLEANUP_TEXT struct text script = TEXT_INIT;
    CLEANUP_TEXT struct text path = TEXT_INIT;

    if (!equals)
        return error_set(w->err, -EBADMSG, "%s: entry_points.txt cannot be read", w->name);
    *equals = '\0';
    for (end = equals; end > name && strchr(" \t", end[-1]);)
        *--end = '\0';
    module = equals + 1 + strspn(equals + 1, " \t");
    module[strcspn(module, " \t[")] = '\0';
    function = strchr(module, ':');
    if (function)
        *function++ = '\0';
    if (!function || !is_identifier(name, ".-") || !is_identifier(module, ".") ||
        !is_identifier(function, "."))
        return error_set(w->err, -EBADMSG, "%s: entry_points.txt cannot be read", w->name);
    text_addf(&path, "scripts/%s", name);
    text_addf(&script, "#!python\nimport sys\nfrom %s import %.*s\nsys.exit(%s())\n", module,
              (int)strcspn(function, "."), function, function);
    if (text_error(&path) < 0 || text_error(&script) < 0)
        return error_sys(w->err, -ENOMEM, "cannot read %s", w->name);
    return content_add(w->to, path.data, 0755, script.data, script.size, w->err);
}

static int add_entry_points(struct wheel *w, char *text)
{
    bool console = false;
    char *save = NULL;
    int r = 0;

    for (char *line = strtok_r(text, "\r\n", &save); line && r == 0;
         line = strtok_r(NULL, "\r\n", &save)) {
        line += strspn(line, " \t");
        if (*line == '[')
            console = strncmp(line, "[console_scripts]", 17) == 0;
        else if (console && *line && *line != '#' && *line != ';')
            r = add_entry_point(w, line);
    }
    return r;
}

/* NAME.dist-info/FILE */
static int add_dist_info_file(struct wheel *w, const char *path, const char *file)
{
    CLEANUP_FREE char *target = NULL;
    char *text = w->data.data;
    int r = 0;

    /* Parsing changes the text, so these two are parsed in a copy. */
    if (text && (strcmp(file, "WHEEL") == 0 || strcmp(file, "entry_points.txt") == 0)) {
        CLEANUP_FREE char *copy = strdup(text);

        if (!copy)
            return error_sys(w->err, -ENOMEM, "cannot read %s", w->name);
        r = file[0] == 'W' ? check_metadata(w, copy) : add_entry_points(w, copy);
    }
    for (size_t i = 0; i < ARRAY_SIZE(left_out); i++)
        if (strcmp(file, left_out[i]) == 0)
            return r;
    if (r == 0 && asprintf(&target, "site/%s", path) < 0) {
        target = NULL;
        r = error_sys(w->err, -ENOMEM, "cannot read %s", w->name);
    }
    return r < 0 ? r : content_add(w->to, target, 0644, text, w->data.size, w->err);
}

/* NAME.data/KIND/REST */
static int add_data(struct wheel *w, const char *below)
{
    CLEANUP_FREE char *target = NULL;
    const char *rest = strchr(below, '/'), *folder = NULL;
    size_t n = rest ? (size_t)(rest - below) : 0;
    bool script = n == 7 && strncmp(below, "scripts", n) == 0;

    if (script)
        folder = "scripts";
    else if (n == 7 && (strncmp(below, "purelib", n) == 0 || strncmp(below, "platlib", n) == 0))
        folder = "site";
    if (!folder || (script && strchr(rest + 1, '/')))
        return error_set(
            w->err, -EBADMSG,
            "%s installs files outside of Python's own folders, which is not supported", w->name);
    if (asprintf(&target, "%s%s", folder, rest) < 0) {
        target = NULL;
        return error_sys(w->err, -ENOMEM, "cannot read %s", w->name);
    }
    return content_add(w->to, target, script ? 0755 : 0644, w->data.data, w->data.size, w->err);
}

static int add_file(struct wheel *w, const char *path)
{
    const char *slash = strchr(path, '/');
    CLEANUP_FREE char *target = NULL, *top = NULL;

    if (slash) {
        top = strndup(path, (size_t)(slash - path));
        if (!top)
            return error_sys(w->err, -ENOMEM, "cannot read %s", w->name);
        if (ends_with(top, ".dist-info"))
            return add_dist_info_file(w, path, slash + 1);
        if (ends_with(top, ".data"))
            return add_data(w, slash + 1);
    }
    if (asprintf(&target, "site/%s", path) < 0) {
        target = NULL;
        return error_sys(w->err, -ENOMEM, "cannot read %s", w->name);
    }
    return content_add(w->to, target, 0644, w->data.data, w->data.size, w->err);
}

static bool is_left_out(const struct wheel *w, const char *path)
{
    const struct strings *patterns = w->layout->left_out;

    for (size_t i = 0; patterns && i < patterns->count; i++)
        if (fnmatch(patterns->items[i], path, 0) == 0)
            return true;
    return false;
}

static int read_data(struct wheel *w, struct archive_reader *a)
{
    int r = archive_reader_data(a, CONTENT_FILE_MAX, &w->data);

    if (r == -EBADMSG)
        return error_set(w->err, r, "%s is damaged: %s", w->name,
                         archive_reader_words(a) ? archive_reader_words(a) : "cannot unpack");
    if (r == -EFBIG)
        return error_set(w->err, r, "%s holds a file of more than %d MiB", w->name,
                         CONTENT_FILE_MAX >> 20);
    return r < 0 ? error_sys(w->err, r, "cannot read %s", w->name) : 0;
}

static int read_entry(struct wheel *w, struct archive_reader *a)
{
    const char *path = archive_reader_path_utf8(a);
    size_t size;
    int r;

    if (!path) /* not UTF-8, or the locale has none: the bytes as they are */
        path = archive_reader_path(a);
    if (!path)
        return error_set(w->err, -EBADMSG, "%s has a file whose name cannot be read", w->name);
    if (++w->entries > CONTENT_FILES_MAX)
        return error_set(w->err, -EFBIG, "%s has more than %d files", w->name, CONTENT_FILES_MAX);
    size = strlen(path);
    if (archive_reader_is_folder(a) || (size && path[size - 1] == '/'))
        return 0; /* folders follow from the paths of files */
    if (is_left_out(w, path))
        return 0;
    if (!archive_reader_is_file(a) || archive_reader_is_link(a))
        return error_set(w->err, -EBADMSG, "%s holds a link or a device", w->name);
    r = read_data(w, a);
    if (r < 0)
        return r;
    r = add_file(w, path);
    if (r < 0 && w->err && !strstr(w->err->text, w->name))
        return error_prefix(w->err, "%s", w->name);
    return r;
}

int lay_out_wheel(struct content *c, const char *name, const void *bytes, size_t size,
                  const struct wheel_layout *layout, struct error *err)
{
    CLEANUP_ARCHIVE_READER struct archive_reader *a = NULL;
    struct error words = {0};
    struct wheel w = {.to = c, .name = name, .layout = layout, .err = err ? err : &words};
    int r = archive_reader_open_zip(bytes, size, &a), more = 0;

    if (r == -EBADMSG)
        return error_set(err, r, "%s is not a wheel: it is not a zip archive", name);
    if (r < 0)
        return error_sys(err, r, "cannot read %s", name);
    while (r == 0 && (more = archive_reader_next(a, NULL)) > 0)
        r = read_entry(&w, a);
    text_clear(&w.data);
    if (r < 0)
        return r;
    if (more < 0)
        return error_set(err, more, "%s is damaged: %s", name,
                         archive_reader_words(a) ? archive_reader_words(a) : "not a zip archive");
    if (!w.has_metadata)
        return error_set(err, -EBADMSG, "%s is not a wheel: it has no WHEEL file", name);
    return 0;
}
