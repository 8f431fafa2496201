#include "experiment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "deployer/base/url.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"

enum { NAME_MAX_KEPT = 60, SAME_SECOND_MAX = 100, SAME_NAME_MAX = 1000 };

void experiment_clear(struct experiment *e)
{
    free(e->folder);
    json_decref(e->files);
    text_clear(&e->problem);
    *e = (struct experiment){0};
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

void experiment_add_name(const char *name, struct text *ret)
{
    size_t size = strlen(name);

    for (size_t i = 0; i < size && i < NAME_MAX_KEPT; i++)
        text_addc(ret, is_plain(name[i]) && !(i == 0 && name[i] == '.') ? name[i] : '_');
    if (size == 0)
        text_addc(ret, '_');
}

void experiment_add_time(int64_t ms, struct text *ret)
{
    time_t seconds = (time_t)(ms / 1000);
    char text[sizeof("2026-01-01T00:00:00Z")] = "";
    struct tm tm;

    if (gmtime_r(&seconds, &tm))
        (void)strftime(text, sizeof(text), "%FT%TZ", &tm);
    text_adds(ret, text);
}

void experiment_add_command(const struct strings *words, struct text *ret)
{
    for (size_t i = 0; i < words->count; i++) {
        CLEANUP_TEXT struct text masked = TEXT_INIT;
        const char *word;
        bool plain;

        url_add_masked(&masked, words->items[i]);
        word = text_str(&masked);
        plain = *word && word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                           "0123456789_-./:=,@+")] == '\0';

        if (i > 0)
            text_addc(ret, ' ');
        if (plain) {
            text_adds(ret, word);
            continue;
        }
        text_addc(ret, '\'');
        for (; *word; word++)
            if (*word == '\'')
                text_adds(ret, "'\\''");
            else
                text_addc(ret, *word);
        text_addc(ret, '\'');
    }
}

/* --- the folder -------------------------------------------------------------------- */

/* A folder of its own for each, also for two in one second. */
static int make_own_folder(const char *parent, const char *name, char **ret, struct error *err)
{
    for (unsigned i = 1; i <= SAME_SECOND_MAX; i++) {
        CLEANUP_FREE char *folder = NULL;
        int n = i == 1 ? asprintf(&folder, "%s/%s", parent, name)
                       : asprintf(&folder, "%s/%s-%u", parent, name, i);

        if (n < 0) {
            folder = NULL;
            return error_sys(err, -ENOMEM, "cannot keep the experiment");
        }
        if (mkdir(folder, 0755) == 0) {
            *ret = TAKE_PTR(folder);
            return 0;
        }
        if (errno != EEXIST)
            return error_sys(err, -errno, "cannot create %s", folder);
    }
    return error_set(err, -EEXIST, "cannot create a folder for the experiment in %s", parent);
}

static void add_default_name(const char *problem, int64_t now_ms, struct text *ret)
{
    experiment_add_time(now_ms, ret);
    text_addc(ret, '-');
    experiment_add_name(problem ? problem : "problem", ret);
}

static int open_default(const struct paths *paths, const char *problem, int64_t now_ms, char **ret,
                        struct error *err)
{
    CLEANUP_FREE char *parent = path_join(paths->state, "experiments");
    CLEANUP_TEXT struct text name = TEXT_INIT;
    int r;

    add_default_name(problem, now_ms, &name);
    if (!parent || text_error(&name) < 0)
        return error_sys(err, -ENOMEM, "cannot keep the experiment");
    r = make_folders(parent, 0755, err);
    return r < 0 ? r : make_own_folder(parent, text_str(&name), ret, err);
}

static int open_named(const char *output, char **ret, struct error *err)
{
    CLEANUP_FREE char *receipt = path_join(output, "receipt.json");
    int r;

    *ret = strdup(output);
    if (!receipt || !*ret)
        return error_sys(err, -ENOMEM, "cannot keep the experiment");
    r = make_folders(output, 0755, err);
    if (r == 0 && access(receipt, F_OK) == 0)
        r = error_set(err, -EINVAL, "%s holds an experiment already; give another folder with -o",
                      output);
    return r;
}

int experiment_open(const struct paths *paths, const char *output, const char *problem_name,
                    int64_t now_ms, struct experiment *ret, struct error *err)
{
    int r;

    *ret = (struct experiment){.files = json_array()};
    if (!ret->files)
        return error_sys(err, -ENOMEM, "cannot keep the experiment");
    r = output ? open_named(output, &ret->folder, err)
               : open_default(paths, problem_name, now_ms, &ret->folder, err);
    return r;
}

void experiment_link(const struct experiment *e, const struct paths *paths,
                     const char *problem_name, int64_t now_ms)
{
    CLEANUP_FREE char *parent = path_join(paths->state, "experiments");
    CLEANUP_FREE char *folder = realpath(e->folder, NULL);
    CLEANUP_TEXT struct text name = TEXT_INIT;

    add_default_name(problem_name, now_ms, &name);
    if (!parent || !folder || make_folders(parent, 0755, NULL) < 0)
        return;
    for (unsigned i = 1; i <= SAME_SECOND_MAX; i++) {
        CLEANUP_TEXT struct text path = TEXT_INIT;

        text_addf(&path, "%s/%s", parent, text_str(&name));
        if (i > 1)
            text_addf(&path, "-%u", i);
        if (symlink(folder, text_str(&path)) == 0 || errno != EEXIST)
            return;
    }
}

/* --- its files ------------------------------------------------------------------------ */

typedef int writer(const char *path, const void *data, size_t size, mode_t mode, struct error *err);

static int write_with(writer *write, const struct experiment *e, const char *name,
                      const void *bytes, size_t size, struct error *err)
{
    CLEANUP_FREE char *path = path_join(e->folder, name);
    char *slash = path ? strrchr(path, '/') : NULL;
    int r = 0;

    if (!path)
        return error_sys(err, -ENOMEM, "cannot keep the experiment");
    *slash = '\0';
    r = make_folders(path, 0755, err);
    *slash = '/';
    return r < 0 ? r : write(path, bytes, size, 0644, err);
}

int experiment_write(const struct experiment *e, const char *name, const void *bytes, size_t size,
                     struct error *err)
{
    return write_with(file_write, e, name, bytes, size, err);
}

int experiment_write_json(const struct experiment *e, const char *name, const json_t *value,
                          struct error *err)
{
    CLEANUP_FREE char *text = json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    CLEANUP_TEXT struct text lines = TEXT_INIT;

    text_adds(&lines, text ? text : "");
    text_addc(&lines, '\n');
    if (!text || text_error(&lines) < 0)
        return error_sys(err, -ENOMEM, "cannot keep %s", name);
    return experiment_write(e, name, text_str(&lines), lines.size, err);
}

/* Machines may have one name, or names that become one. */
int experiment_write_log(const struct experiment *e, const char *machine, const struct text *log,
                         struct error *err)
{
    int r = -EEXIST;

    for (unsigned i = 1; i <= SAME_NAME_MAX && r == -EEXIST; i++) {
        CLEANUP_TEXT struct text name = TEXT_INIT;

        text_adds(&name, "logs/");
        experiment_add_name(machine, &name);
        if (i > 1)
            text_addf(&name, "-%u", i);
        text_adds(&name, ".log");
        if (text_error(&name) < 0 || text_error(log) < 0)
            return error_sys(err, -ENOMEM, "cannot keep the log of %s", machine);
        r = write_with(file_write_new, e, text_str(&name), text_str(log), log->size, err);
    }
    return r;
}

static int take_file(struct experiment *e, const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    CLEANUP_TEXT struct text name = TEXT_INIT;
    char digest[DIGEST_LENGTH + 1];
    int r = file_read(path, EXPERIMENT_PROBLEM_MAX, &bytes, err);

    if (r < 0)
        return r;
    if (!utf8_valid(text_str(&bytes), bytes.size))
        return error_set(err, -EBADMSG, "%s is not UTF-8, which pyDCOP wants", path);
    digest_bytes(text_str(&bytes), bytes.size, digest);
    /* Two files of different folders may have one name. */
    text_adds(&name, "problem/");
    if (json_array_size(e->files) > 0)
        text_addf(&name, "%zu-", json_array_size(e->files) + 1);
    experiment_add_name(strcmp(base, "-") == 0 ? "stdin.yaml" : base, &name);
    text_add(&e->problem, text_str(&bytes), bytes.size);
    if (text_error(&name) < 0 || text_error(&e->problem) < 0)
        return error_sys(err, -ENOMEM, "cannot read %s", path);
    (void)json_array_append_new(
        e->files, json_pack("{s:s, s:s}", "name", text_str(&name) + 8, "sha256", digest));
    return experiment_write(e, text_str(&name), text_str(&bytes), bytes.size, err);
}

int experiment_take_problem(struct experiment *e, const struct strings *files, struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < files->count && r == 0; i++)
        r = take_file(e, files->items[i], err);
    return r;
}
