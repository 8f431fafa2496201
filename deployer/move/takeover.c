#include "takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "discovery/base/digest.h"
#include "discovery/base/file.h"

#define BESIDE ".import" /* behind the name of a file that is to come */

void takeover_result_clear(struct takeover_result *r)
{
    free(r->copy);
    free(r->ssh_key);
    *r = (struct takeover_result){0};
}

/* --- this computer's keys --------------------------------------------------------------- */

/* What is here, and where. */
struct home {
    char *fleet_path, *ssh_path;
    bool has_fleet_key;
    struct key fleet_key;
    struct text ssh_key;
};

static void home_clear(struct home *h)
{
    free(h->fleet_path);
    free(h->ssh_path);
    key_clear(&h->fleet_key);
    text_wipe(&h->ssh_key);
}
#define CLEANUP_HOME CLEANUP(home_clear)

/* Absolute, as a later program has another working directory. */
static int find_folder(const char *config, char **ret, struct error *err)
{
    CLEANUP_FREE char *folder = key_folder(config);
    int r;

    if (!folder)
        return error_set(err, -ENOENT, "there is no home folder for the fleet key; give --config");
    r = make_folders(folder, 0700, err);
    if (r < 0)
        return r;
    *ret = realpath(folder, NULL);
    return *ret ? 0 : error_sys(err, -errno, "cannot use the settings in %s", folder);
}

static int read_home(const char *config, struct home *ret, struct error *err)
{
    CLEANUP_FREE char *folder = NULL;
    struct error none = {0};
    int r = find_folder(config, &folder, err);

    if (r < 0)
        return r;
    ret->fleet_path = path_join(folder, KEY_FLEET_FILE);
    ret->ssh_path = path_join(folder, PATHS_SSH_KEY_FILE);
    if (!ret->fleet_path || !ret->ssh_path)
        return error_sys(err, -ENOMEM, "cannot read the keys");
    r = key_read_fleet(folder, &ret->fleet_key, err);
    if (r < 0)
        return r;
    ret->has_fleet_key = r > 0;
    r = file_read(ret->ssh_path, PARCEL_SSH_KEY_MAX, &ret->ssh_key, &none);
    return r < 0 && r != -ENOENT ? error_set(err, r, "%s", none.text) : 0;
}

/* -EEXIST: a key is here that would be lost. */
static int compare_keys(const struct home *h, const struct parcel *p, struct error *err)
{
    if (h->has_fleet_key && !p->has_fleet_key)
        return error_set(err, -EEXIST, "this computer has a fleet key, and the file has none");
    if (h->has_fleet_key && !digest_equal(h->fleet_key.bytes, p->fleet_key.bytes, KEY_SIZE))
        return error_set(err, -EEXIST, "this computer has another fleet key");
    if (p->ssh_key && h->ssh_key.size > 0 &&
        (h->ssh_key.size != p->ssh_key_size ||
         memcmp(h->ssh_key.data, p->ssh_key, p->ssh_key_size) != 0))
        return error_set(err, -EEXIST, "this computer has another SSH key in %s", h->ssh_path);
    return 0;
}

/* --- a copy of what is here --------------------------------------------------------------- */

/* A new folder below the state's, named by the time (UTC). */
static int make_copy_folder(const struct paths *paths, char **ret, struct error *err)
{
    time_t now = time(NULL);
    char name[64];
    struct tm tm;

    (void)gmtime_r(&now, &tm);
    (void)strftime(name, sizeof(name), "before-import-%Y%m%dT%H%M%SZ", &tm);
    for (int n = 1; n < 1000; n++) {
        CLEANUP_FREE char *path = NULL;

        if (asprintf(&path, n > 1 ? "%s/%s-%d" : "%s/%s", paths->state, name, n) < 0) {
            path = NULL;
            return error_sys(err, -ENOMEM, "cannot keep a copy");
        }
        if (mkdir(path, 0700) == 0) {
            *ret = TAKE_PTR(path);
            return 0;
        }
        if (errno != EEXIST)
            return error_sys(err, -errno, "cannot keep a copy in %s", path);
    }
    return error_sys(err, -EEXIST, "cannot keep a copy in %s", paths->state);
}

static int copy_ssh_key(const struct home *h, const char *folder, struct error *err)
{
    CLEANUP_FREE char *path = path_join(folder, PATHS_SSH_KEY_FILE);

    if (!path)
        return error_sys(err, -ENOMEM, "cannot keep a copy");
    return file_write(path, h->ssh_key.data, h->ssh_key.size, 0600, err);
}

static int copy_here(struct state *s, const struct home *h, const char *folder, struct error *err)
{
    CLEANUP_FREE char *db = path_join(folder, "state.db"), *key = path_join(folder, KEY_FLEET_FILE);
    int r = db && key ? state_copy(s, db, err) : error_sys(err, -ENOMEM, "cannot keep a copy");

    if (r == 0 && h->has_fleet_key)
        r = key_write(key, &h->fleet_key, err);
    if (r == 0 && h->ssh_key.size > 0)
        r = copy_ssh_key(h, folder, err);
    if (r == 0)
        r = file_sync(folder);
    return r;
}

/* Files of ours, and no folders. */
static void remove_copy(const char *folder)
{
    static const char *const names[] = {"state.db", KEY_FLEET_FILE, PATHS_SSH_KEY_FILE};

    for (size_t i = 0; folder && i < ARRAY_SIZE(names); i++) {
        CLEANUP_FREE char *path = path_join(folder, names[i]);

        if (path)
            (void)unlink(path);
    }
    if (folder)
        (void)rmdir(folder);
}

/* --- files that are to come ----------------------------------------------------------------- */

static char *path_beside(const char *path)
{
    char *beside;

    return asprintf(&beside, "%s" BESIDE, path) < 0 ? NULL : beside;
}

static void remove_beside(const char *path)
{
    CLEANUP_FREE char *beside = path_beside(path);
    CLEANUP_CLOSE int fd = beside ? open(beside, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;

    if (fd < 0)
        return;
    file_overwrite(fd);
    (void)unlink(beside);
}

static void add_word(struct text *words, const char *word, const char *path)
{
    text_adds(words, word);
    text_addc(words, ' ');
    text_add_percent(words, path);
    text_addc(words, '\n');
}

static int write_fleet_key(const struct home *h, const struct parcel *p, struct text *words,
                           struct error *err)
{
    CLEANUP_FREE char *beside = path_beside(h->fleet_path);
    int r = 0;

    if (!beside)
        return error_sys(err, -ENOMEM, "cannot write the fleet key");
    if (p->has_fleet_key)
        r = key_write(beside, &p->fleet_key, err);
    if (r == 0 && (p->has_fleet_key || h->has_fleet_key))
        add_word(words, p->has_fleet_key ? "put" : "remove", h->fleet_path);
    return r;
}

static int write_ssh_key(const struct home *h, const struct parcel *p, struct text *words,
                         struct error *err)
{
    CLEANUP_FREE char *beside = path_beside(h->ssh_path);
    int r;

    if (!p->ssh_key)
        return 0;
    if (!beside)
        return error_sys(err, -ENOMEM, "cannot write the SSH key");
    r = file_write(beside, p->ssh_key, p->ssh_key_size, 0600, err);
    if (r == 0)
        add_word(words, "put", h->ssh_path);
    return r;
}

/* --- taking over ------------------------------------------------------------------------------ */

struct work {
    struct state *s;
    const struct takeover *t;
    const struct home *home;
    struct transfer_count before;
    char *copy;
};

/* In the transaction: no other program writes, and settles nothing of this. */
static int prepare(void *with, struct text *words, struct error *err)
{
    struct work *w = with;
    bool empty = w->before.machines == 0 && !w->home->has_fleet_key && w->home->ssh_key.size == 0;
    int r = 0;

    if (w->t->replace && !empty)
        r = make_copy_folder(w->t->paths, &w->copy, err);
    if (r == 0 && w->copy)
        r = copy_here(w->s, w->home, w->copy, err);
    if (r == 0)
        r = write_fleet_key(w->home, w->t->parcel, words, err);
    return r == 0 ? write_ssh_key(w->home, w->t->parcel, words, err) : r;
}

int takeover_run(struct state *s, const struct takeover *t, struct takeover_result *ret,
                 struct error *err)
{
    CLEANUP_HOME struct home home = {.ssh_key = TEXT_INIT};
    struct work work = {.s = s, .t = t, .home = &home};
    const struct transfer transfer = {
        .json = t->parcel->state,
        .size = t->parcel->state_size,
        .replace = t->replace,
        .prepare = prepare,
        .with = &work,
    };
    int r = read_home(t->config, &home, err);

    if (r == 0 && !t->replace)
        r = compare_keys(&home, t->parcel, err);
    if (r == 0)
        r = transfer_count(s, &work.before, err);
    if (r < 0)
        return r;
    r = transfer_take(s, &transfer, err);
    if (r < 0) {
        remove_beside(home.fleet_path);
        remove_beside(home.ssh_path);
        remove_copy(work.copy);
        free(work.copy);
        return r;
    }
    ret->copy = work.copy;
    ret->ssh_key = t->parcel->ssh_key ? TAKE_PTR(home.ssh_path) : NULL;
    r = takeover_settle(s, t->config, err);
    return r == 0 ? transfer_count(s, &ret->count, err) : r;
}

/* --- what is left of one that was killed -------------------------------------------------------
 */

static int sync_folder_of(char *path)
{
    char *slash = strrchr(path, '/');

    if (!slash)
        return -EINVAL;
    slash[slash == path] = '\0';
    return file_sync(path);
}

/* A file that is not there has been moved already. */
static int settle_line(char *line, struct error *err)
{
    char *path = strchr(line, ' ');
    CLEANUP_FREE char *beside = NULL;
    bool comes = strncmp(line, "put ", 4) == 0;
    int r;

    if (!path || percent_decode(++path) < 0 || !(beside = path_beside(path)))
        return error_sys(err, -EBADMSG, "cannot end an import");
    r = comes ? rename(beside, path) : unlink(path);
    if (r < 0 && errno != ENOENT)
        return error_sys(err, -errno, "cannot end an import: cannot %s %s",
                         comes ? "write" : "remove", path);
    r = sync_folder_of(path);
    return r < 0 ? error_sys(err, r, "cannot end an import: cannot use the folder %s", path) : 0;
}

static int settle(void *with, const char *words, struct error *err)
{
    const struct home *h = with;
    CLEANUP_FREE char *lines = strdup(words ? words : "");
    char *rest = lines, *line;
    int r = 0;

    if (!lines)
        return error_sys(err, -ENOMEM, "cannot end an import");
    while (r == 0 && (line = strsep(&rest, "\n")))
        r = *line ? settle_line(line, err) : 0;
    if (r == 0 && h->fleet_path) {
        remove_beside(h->fleet_path);
        remove_beside(h->ssh_path);
    }
    return r;
}

static bool is_beside(const char *path)
{
    CLEANUP_FREE char *beside = path_beside(path);

    return beside && access(beside, F_OK) == 0;
}

int takeover_settle(struct state *s, const char *config, struct error *err)
{
    CLEANUP_FREE char *folder = key_folder(config);
    CLEANUP_HOME struct home home = {.ssh_key = TEXT_INIT};
    int r = transfer_is_pending(s, err);

    if (folder) {
        home.fleet_path = path_join(folder, KEY_FLEET_FILE);
        home.ssh_path = path_join(folder, PATHS_SSH_KEY_FILE);
        if (!home.fleet_path || !home.ssh_path)
            return error_sys(err, -ENOMEM, "cannot end an import");
    }
    if (r == 0 && (!folder || (!is_beside(home.fleet_path) && !is_beside(home.ssh_path))))
        return 0;
    return r < 0 ? r : transfer_settle(s, settle, &home, err);
}
