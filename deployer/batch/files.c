#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"
#include "expand.h"
#include "pattern.h"

enum { PARTS_MAX = 32, VISITED_MAX = 100000 };

/* Names of folders that were read for a set; neither glob nor scandir have an argument for it. */
static _Thread_local size_t visited;

static int check_visited(const struct hosts_node *at, struct error *err)
{
    return visited <= VISITED_MAX
               ? 0
               : hosts_node_fail(at, err,
                                 "more than %d names in the folders to look in; name them "
                                 "more closely",
                                 VISITED_MAX);
}

static void match_clear(struct batch_match *m)
{
    strings_clear(&m->files);
    strings_clear(&m->names);
    strings_clear(&m->texts);
}

void batch_matches_clear(struct batch_matches *m)
{
    for (size_t i = 0; i < m->count; i++)
        match_clear(&m->items[i]);
    free(m->items);
    *m = (struct batch_matches){0};
}

bool batch_set_has_files(const struct hosts_node *set)
{
    return hosts_node_get(set, "path") || hosts_node_get(set, "path_re") ||
           hosts_node_get(set, "file_re");
}

/* Takes the match over. */
static int add_match(struct batch_matches *to, struct batch_match *m)
{
    struct batch_match *items = to->count < BATCH_FILES_MAX
                                    ? reallocarray(to->items, to->count + 1, sizeof(*to->items))
                                    : NULL;

    if (!items)
        return -ENOMEM;
    to->items = items;
    to->items[to->count++] = *m;
    *m = (struct batch_match){0};
    return 0;
}

static int fail_to_add(const struct hosts_node *at, const struct batch_matches *to,
                       struct error *err)
{
    if (to->count >= BATCH_FILES_MAX)
        return hosts_node_fail(at, err, "more than %d files", BATCH_FILES_MAX);
    return error_sys(err, -ENOMEM, "cannot list the files of the batch");
}

static bool is_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* --- a pattern of the shell ------------------------------------------------------ */

static void *open_counted(const char *path)
{
    return opendir(path);
}

static struct dirent *read_counted(void *folder)
{
    return ++visited > VISITED_MAX ? NULL : readdir(folder);
}

static void close_counted(void *folder)
{
    (void)closedir(folder);
}

static int find_by_glob(const struct hosts_node *path, struct batch_matches *ret, struct error *err)
{
    glob_t found = {.gl_opendir = open_counted,
                    .gl_readdir = read_counted,
                    .gl_closedir = close_counted,
                    .gl_stat = stat,
                    .gl_lstat = lstat};
    int failed = glob(path->text, GLOB_TILDE | GLOB_ALTDIRFUNC, NULL, &found);
    int r = check_visited(path, err);

    if (r == 0 && failed && failed != GLOB_NOMATCH)
        r = hosts_node_fail(path, err, "cannot look for %s", path->text);
    for (size_t i = 0; i < found.gl_pathc && r == 0; i++) {
        struct batch_match m = {0};

        if (!is_file(found.gl_pathv[i]))
            continue;
        if (strings_add(&m.files, found.gl_pathv[i]) < 0 || add_match(ret, &m) < 0)
            r = fail_to_add(path, ret, err);
        match_clear(&m);
    }
    globfree(&found);
    return r;
}

/* --- regular expressions --------------------------------------------------------- */

static int compile(const struct hosts_node *node, const char *words, struct pattern *ret,
                   struct error *err)
{
    struct error why = {0};
    int r = pattern_compile(words, ret, &why);

    return r < 0 ? hosts_node_fail(node, err, "%s", why.text) : 0;
}

static int is_visible(const struct dirent *entry)
{
    return ++visited <= VISITED_MAX && strcmp(entry->d_name, ".") != 0 &&
           strcmp(entry->d_name, "..") != 0;
}

struct search {
    const struct hosts_node *set, *at;
    struct batch_matches *ret;
    struct strings *notes;
    struct error *err;
};

/* The companions of a file; 1: one is missing, which is noted. */
static int add_extras(const struct search *s, const char *folder, struct batch_match *m)
{
    const struct hosts_node *extras = hosts_node_get(s->set, "extras_files");
    const struct expand_context context = {m->names, m->texts};

    for (size_t i = 0; extras && i < extras->count; i++) {
        CLEANUP_TEXT struct text name = TEXT_INIT;
        CLEANUP_FREE char *path = NULL;
        struct error why = {0};

        if (expand_words(extras->items[i]->text, &context, &name, &why) < 0)
            return hosts_node_fail(extras->items[i], s->err, "%s", why.text);
        path = path_join(folder, text_str(&name));
        if (!path)
            return -ENOMEM;
        if (!is_file(path)) {
            CLEANUP_TEXT struct text note = TEXT_INIT;

            text_addf(&note, "%s is left out: there is no %s", m->files.items[0], path);
            return strings_add(s->notes, text_str(&note)) < 0 ? -ENOMEM : 1;
        }
        if (strings_add(&m->files, path) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int take_file(const struct search *s, const char *folder, const char *name,
                     const struct batch_match *above, const struct pattern *p)
{
    CLEANUP(match_clear) struct batch_match m = {0};
    CLEANUP_FREE char *path = path_join(folder, name);
    bool matches = false;
    int r = path && strings_copy(&m.names, &above->names) == 0 &&
                    strings_copy(&m.texts, &above->texts) == 0
                ? pattern_match(p, name, &matches, &m.names, &m.texts)
                : -ENOMEM;

    if (r < 0 || !matches || !is_file(path))
        return r;
    r = strings_add(&m.files, path);
    if (r == 0)
        r = add_extras(s, folder, &m);
    if (r != 0)
        return r < 0 ? r : 0;
    return add_match(s->ret, &m) < 0 ? fail_to_add(s->at, s->ret, s->err) : 0;
}

static int find_in_folder(const struct search *s, const char *folder,
                          const struct batch_match *above, const struct pattern *p)
{
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, is_visible, alphasort), r = 0;

    if (n < 0)
        return hosts_node_fail(s->at, s->err, "cannot read %s: %s", folder, strerror(errno));
    r = check_visited(s->at, s->err);
    for (int i = 0; i < n; i++) {
        if (r == 0)
            r = take_file(s, folder, entries[i]->d_name, above, p);
        free(entries[i]);
    }
    free(entries);
    return r;
}

/* The parts of `path_re` below `folder`, one level a call: at most PARTS_MAX. */
static int find_below(const struct search *s, const char *folder, const struct batch_match *above,
                      const struct pattern *parts, size_t n_parts, const struct pattern *p);

static int take_folder(const struct search *s, const char *folder, const char *name,
                       const struct batch_match *above, const struct pattern *parts, size_t n_parts,
                       const struct pattern *p)
{
    CLEANUP(match_clear) struct batch_match m = {0};
    CLEANUP_FREE char *path = path_join(folder, name);
    bool matches = false;
    struct stat st;
    int r = path && strings_copy(&m.names, &above->names) == 0 &&
                    strings_copy(&m.texts, &above->texts) == 0
                ? pattern_match(&parts[0], name, &matches, &m.names, &m.texts)
                : -ENOMEM;

    if (r < 0 || !matches || stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return r;
    return find_below(s, path, &m, parts + 1, n_parts - 1, p);
}

static int find_below(const struct search *s, const char *folder, const struct batch_match *above,
                      const struct pattern *parts, size_t n_parts, const struct pattern *p)
{
    struct dirent **entries = NULL;
    int n, r = 0;

    if (n_parts == 0)
        return find_in_folder(s, folder, above, p);
    n = scandir(folder, &entries, is_visible, alphasort);
    r = check_visited(s->at, s->err);
    for (int i = 0; i < n; i++) {
        if (r == 0)
            r = take_folder(s, folder, entries[i]->d_name, above, parts, n_parts, p);
        free(entries[i]);
    }
    free(entries);
    return r;
}

/* "/a/b_(?P<n>.+)/": the first part is a folder's name, each further one an expression. */
static int find_by_folders(const struct search *s, const char *words, const struct pattern *p)
{
    struct pattern parts[PARTS_MAX] = {0};
    CLEANUP_FREE char *copy = strdup(words);
    CLEANUP_FREE char *top = NULL;
    const struct batch_match none = {0};
    size_t n = 0;
    char *state = NULL;
    int r = copy ? 0 : -ENOMEM;

    if (r == 0 && *words != '/') {
        char *first = strtok_r(copy, "/", &state);

        top = strdup(first ? first : ".");
    } else if (r == 0)
        top = strdup("/");
    for (char *part; r == 0 && (part = strtok_r(state ? NULL : copy, "/", &state)); n++)
        r = n < PARTS_MAX ? compile(s->at, part, &parts[n], s->err)
                          : hosts_node_fail(s->at, s->err, "more than %d folders", PARTS_MAX);
    if (r == 0)
        r = top ? find_below(s, top, &none, parts, n, p) : -ENOMEM;
    for (size_t i = 0; i < PARTS_MAX; i++)
        pattern_clear(&parts[i]);
    return r;
}

/* "~" and "~/…" are the home folder's. */
static char *expand_home(const char *path)
{
    const char *home = getenv("HOME");
    char *whole;

    if (*path != '~' || (path[1] && path[1] != '/') || !home)
        return strdup(path);
    return asprintf(&whole, "%s%s", home, path + 1) < 0 ? NULL : whole;
}

int batch_files_find(const struct hosts_node *set, struct batch_matches *ret, struct strings *notes,
                     struct error *err)
{
    const struct hosts_node *path = hosts_node_get(set, "path"),
                            *path_re = hosts_node_get(set, "path_re"),
                            *file_re = hosts_node_get(set, "file_re");
    const struct hosts_node *at = path_re ? path_re : path ? path : file_re;
    const struct batch_match none = {0};
    struct search s = {.set = set, .at = at, .ret = ret, .notes = notes, .err = err};
    struct pattern p = {0};
    int r;

    visited = 0;
    r = file_re ? compile(file_re, file_re->text, &p, err) : 0;

    if (r == 0 && path_re)
        r = find_by_folders(&s, path_re->text, &p);
    else if (r == 0 && file_re) {
        CLEANUP_FREE char *folder = expand_home(path->text);
        size_t size = folder ? strlen(folder) : 0;

        while (size > 1 && folder[size - 1] == '/')
            folder[--size] = '\0';
        r = folder ? find_in_folder(&s, folder, &none, &p) : -ENOMEM;
    } else if (r == 0)
        r = find_by_glob(path, ret, err);
    pattern_clear(&p);
    if (r == -ENOMEM)
        return error_sys(err, r, "cannot list the files of the batch");
    if (r == 0 && ret->count == 0)
        r = hosts_node_fail(at, err,
                            "no file matches; a relative path begins in the folder where "
                            "dcop-deploy is run");
    return r;
}
