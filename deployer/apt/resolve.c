#include "resolve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "errors.h"
#include "packages.h"

enum { FILE_SIZE_MAX = 2000 * 1000 * 1000 };

static void file_clear(struct apt_file *f)
{
    free(f->uri);
    free(f->name);
    free(f->package);
    free(f->version);
    *f = (struct apt_file){0};
}

void apt_files_clear(struct apt_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        file_clear(&files->items[i]);
    free(files->items);
    *files = (struct apt_files){0};
}

const struct apt_file *apt_files_find(const struct apt_files *files, const char *package)
{
    for (size_t i = 0; i < files->count; i++)
        if (strcmp(files->items[i].package, package) == 0)
            return &files->items[i];
    return NULL;
}

bool apt_files_has(const struct apt_files *files, const struct apt_file *file)
{
    for (size_t i = 0; i < files->count; i++)
        if (strcmp(files->items[i].uri, file->uri) == 0 &&
            strcmp(files->items[i].sha256, file->sha256) == 0)
            return true;
    return false;
}

static int add_file(struct apt_files *to, struct apt_file *f)
{
    struct apt_file *grown;

    if (apt_files_has(to, f))
        return 0;
    if (to->count >= APT_FILES_MAX)
        return -EFBIG;
    grown = reallocarray(to->items, to->count + 1, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    to->items = grown;
    to->items[to->count++] = *f;
    to->bytes += f->size;
    *f = (struct apt_file){0};
    return 0;
}

int apt_files_merge(struct apt_files *to, struct apt_files *from)
{
    for (size_t i = 0; i < from->count; i++) {
        int r = add_file(to, &from->items[i]);

        if (r < 0)
            return r;
    }
    return 0;
}

int apt_files_copy(const struct apt_files *from, struct apt_files *ret)
{
    CLEANUP(apt_files_clear) struct apt_files files = {0};

    for (size_t i = 0; i < from->count; i++) {
        const struct apt_file *f = &from->items[i];
        CLEANUP(file_clear) struct apt_file copy = *f;
        int r;

        copy.uri = strdup(f->uri);
        copy.name = strdup(f->name);
        copy.package = strdup(f->package);
        copy.version = strdup(f->version);
        r = copy.uri && copy.name && copy.package && copy.version ? add_file(&files, &copy)
                                                                  : -ENOMEM;
        if (r < 0)
            return r;
    }
    *ret = files;
    files = (struct apt_files){0};
    return 0;
}

/* --- print-uris ------------------------------------------------------------------- */

/* Splits PACKAGE_VERSION_ARCH.deb, where a colon in the version is written as %3a. */
static int split_name(struct apt_file *f)
{
    static const char fit[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                              ".+~:%_-";
    const char *first = strchr(f->name, '_'), *second = first ? strchr(first + 1, '_') : NULL;
    size_t n = strlen(f->name);
    const char *dot = n > 4 ? f->name + n - 4 : NULL;

    if (!second || !dot || strcmp(dot, ".deb") != 0 || n > APT_FILE_NAME_MAX ||
        !string_is_one_of(f->name, fit, 8, APT_FILE_NAME_MAX))
        return -EBADMSG;
    f->package = strndup(f->name, (size_t)(first - f->name));
    f->version = strndup(first + 1, (size_t)(second - first - 1));
    if (!f->package || !f->version)
        return -ENOMEM;
    return package_name_valid(f->package) ? percent_decode(f->version) : -EBADMSG;
}

static int parse_line(char *line, struct apt_file *f)
{
    char *quote = *line == '\'' ? strchr(line + 1, '\'') : NULL, *words[3] = {0}, *rest, *end;
    unsigned long long size;

    if (!quote)
        return -EBADMSG;
    *quote = '\0';
    rest = quote + 1;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        words[i] = strtok_r(NULL, " ", &rest);
    if (!words[2] || strtok_r(NULL, " ", &rest) || !apt_uri_valid(line + 1) ||
        strncmp(words[2], "SHA256:", 7) != 0 || *words[1] < '0' || *words[1] > '9')
        return -EBADMSG;
    errno = 0;
    size = strtoull(words[1], &end, 10);
    if (errno || *end || size > FILE_SIZE_MAX ||
        !string_is_one_of(words[2] + 7, "0123456789abcdef", APT_SHA256_LENGTH, APT_SHA256_LENGTH))
        return -EBADMSG;
    f->size = size;
    memcpy(f->sha256, words[2] + 7, APT_SHA256_LENGTH + 1);
    f->uri = strdup(line + 1);
    f->name = strdup(words[0]);
    return f->uri && f->name ? split_name(f) : -ENOMEM;
}

int apt_files_parse(const char *text, struct apt_files *ret, struct error *err)
{
    CLEANUP(apt_files_clear) struct apt_files files = {0};

    while (*text) {
        size_t n = strcspn(text, "\n");
        CLEANUP_FREE char *line = strndup(text, n);
        CLEANUP(file_clear) struct apt_file f = {0};
        int r;

        if (!line)
            return error_sys(err, -ENOMEM, "cannot read what apt says");
        if (n > 0) {
            r = parse_line(line, &f);
            if (r == 0)
                r = add_file(&files, &f);
            if (r < 0) {
                CLEANUP_TEXT struct text words = TEXT_INIT;
                CLEANUP_FREE char *whole = strndup(text, n < 200 ? n : 200);

                text_add_printable(&words, whole ? whole : "");
                return error_set(err, r, "apt names an invalid file: %s", text_str(&words));
            }
        }
        text += n + (text[n] == '\n');
    }
    *ret = files;
    files = (struct apt_files){0};
    return 0;
}

/* --- apt ---------------------------------------------------------------------------- */

int apt_resolve(const struct apt_root *root, const struct strings *packages, struct apt_files *ret,
                struct error *err)
{
    static const char *const head[] = {
        "apt-get",     "-qq",          "-y",     "--no-install-recommends",
        "--no-remove", "--print-uris", "install"};
    const char *argv[ARRAY_SIZE(head) + PACKAGES_MAX + 1];
    const struct apt_bounds bounds = {.timeout_ms = APT_ASK_MS, .file_max = APT_LIST_MAX};
    CLEANUP(process_result_clear) struct process_result result = {0};
    CLEANUP_TEXT struct text words = TEXT_INIT;
    size_t n = ARRAY_SIZE(head);
    int r;

    memcpy(argv, head, sizeof(head));
    for (size_t i = 0; i < packages->count && i < PACKAGES_MAX; i++)
        argv[n++] = packages->items[i];
    argv[n] = NULL;
    r = apt_root_run(root, argv, &bounds, &result, err);
    if (r < 0)
        return r;
    if (result.output_cut)
        return error_set(err, -EFBIG, "apt names too many files");
    if (result.status == 0)
        return apt_files_parse(text_str(&result.output), ret, err);
    apt_complaint(&result, &words);
    r = strstr(text_str(&result.errors), "Unable to locate package") ||
                strstr(text_str(&result.errors), "no installation candidate")
            ? -ENOENT
            : -ENOPKG;
    return error_set(err, r, "apt cannot resolve the packages that pyDCOP needs: %s",
                     text_str(&words));
}
