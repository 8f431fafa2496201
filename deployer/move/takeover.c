#include "takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "discovery/base/digest.h"
#include "discovery/base/file.h"
#include "pending.h"

void takeover_result_clear(struct takeover_result *r)
{
    free(r->copy);
    free(r->spec);
    free(r->ssh_key);
    *r = (struct takeover_result){0};
}

/* --- this computer's keys --------------------------------------------------------------- */

/* What is here, and where. */
struct home {
    char *fleet_path, *ssh_path;
    bool has_fleet_key;
    struct key fleet_key;
    char *ssh_key; /* of sodium_malloc(); NULL: none */
    size_t ssh_key_size;
};

static void home_clear(struct home *h)
{
    free(h->fleet_path);
    free(h->ssh_path);
    key_clear(&h->fleet_key);
    sodium_free(h->ssh_key);
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

static int read_home(const char *folder, struct home *ret, struct error *err)
{
    struct error none = {0};
    int r;

    ret->fleet_path = path_join(folder, KEY_FLEET_FILE);
    ret->ssh_path = path_join(folder, PATHS_SSH_KEY_FILE);
    if (!ret->fleet_path || !ret->ssh_path)
        return error_sys(err, -ENOMEM, "cannot read the keys");
    r = key_read_fleet(folder, &ret->fleet_key, err);
    if (r < 0)
        return r;
    ret->has_fleet_key = r > 0;
    r = parcel_read_ssh_key(ret->ssh_path, &ret->ssh_key, &ret->ssh_key_size, &none);
    return r < 0 && r != -ENOENT ? error_set(err, r, "%s", none.text) : 0;
}

/* -EEXIST: a key is here that would be lost. */
static int compare_keys(const struct home *h, const struct parcel *p, struct error *err)
{
    if (h->has_fleet_key && !p->has_fleet_key)
        return error_set(err, -EEXIST, "this computer has a fleet key, and the file has none");
    if (h->has_fleet_key && !digest_equal(h->fleet_key.bytes, p->fleet_key.bytes, KEY_SIZE))
        return error_set(err, -EEXIST, "this computer has another fleet key");
    if (p->ssh_key && h->ssh_key &&
        (h->ssh_key_size != p->ssh_key_size ||
         memcmp(h->ssh_key, p->ssh_key, p->ssh_key_size) != 0))
        return error_set(err, -EEXIST, "this computer has another SSH key in %s", h->ssh_path);
    return 0;
}

/* --- a copy of what is here --------------------------------------------------------------- */

static int copy_ssh_key(const struct home *h, const char *folder, struct error *err)
{
    CLEANUP_FREE char *path = path_join(folder, PATHS_SSH_KEY_FILE);

    if (!path)
        return error_sys(err, -ENOMEM, "cannot keep a copy");
    return file_write(path, h->ssh_key, h->ssh_key_size, 0600, err);
}

/* The copy owns nothing of this import. */
static int copy_state(struct state *s, const char *to, struct error *err)
{
    CLEANUP(state_free_p) struct state *copy = NULL;
    int r = state_copy(s, to, err);

    if (r == 0)
        r = state_open(to, &copy, err);
    return r == 0 ? transfer_announce(copy, &TEXT_INIT, err) : r;
}

static int copy_here(struct state *s, const struct home *h, const char *folder, struct error *err)
{
    CLEANUP_FREE char *db = path_join(folder, "state.db"), *key = path_join(folder, KEY_FLEET_FILE);
    int r = db && key ? copy_state(s, db, err) : error_sys(err, -ENOMEM, "cannot keep a copy");

    if (r == 0 && h->has_fleet_key)
        r = key_write(key, &h->fleet_key, err);
    if (r == 0 && h->ssh_key)
        r = copy_ssh_key(h, folder, err);
    if (r == 0)
        r = file_sync(folder);
    return r;
}

/* --- files that are to come ----------------------------------------------------------------- */

struct work {
    struct state *s;
    const struct takeover *t;
    const struct home *home;
    struct transfer_count before;
    struct pending pending;
    const char *folder; /* of the settings */
    char *copy;         /* NULL: none is made */
};

static int write_fleet_key(const struct work *w, struct text *words, struct error *err)
{
    CLEANUP_FREE char *beside = pending_beside(&w->pending, w->home->fleet_path);
    const struct parcel *p = w->t->parcel;
    int r = 0;

    if (!beside)
        return error_sys(err, -ENOMEM, "cannot write the fleet key");
    if (p->has_fleet_key)
        r = key_write(beside, &p->fleet_key, err);
    else if (w->home->has_fleet_key)
        r = file_write(beside, "", 0, 0600, err);
    if (r == 0 && (p->has_fleet_key || w->home->has_fleet_key))
        pending_add(words, p->has_fleet_key ? "put" : "remove", "fleet", &w->pending);
    return r;
}

static int write_ssh_key(const struct work *w, struct text *words, struct error *err)
{
    CLEANUP_FREE char *beside = pending_beside(&w->pending, w->home->ssh_path);
    const struct parcel *p = w->t->parcel;
    bool goes = w->t->replace && !p->ssh_key && w->home->ssh_key;
    int r = 0;

    if (!beside)
        return error_sys(err, -ENOMEM, "cannot write the SSH key");
    if (p->ssh_key)
        r = file_write(beside, p->ssh_key, p->ssh_key_size, 0600, err);
    else if (goes)
        r = file_write(beside, "", 0, 0600, err);
    if (r == 0 && (p->ssh_key || goes))
        pending_add(words, p->ssh_key ? "put" : "remove", "ssh", &w->pending);
    return r;
}

static int make_copy(const struct work *w, struct error *err)
{
    if (mkdir(w->copy, 0700) < 0)
        return error_sys(err, -errno, "cannot keep a copy in %s", w->copy);
    return copy_here(w->s, w->home, w->copy, err);
}

/* --- taking over ------------------------------------------------------------------------------ */

/* In the transaction: no other program writes. */
static int prepare(void *with, struct text *words, struct error *err)
{
    const struct work *w = with;
    CLEANUP_TEXT struct text keys = TEXT_INIT;
    int r = w->copy ? make_copy(w, err) : 0;

    if (r == 0)
        r = write_fleet_key(w, &keys, err);
    if (r == 0)
        r = write_ssh_key(w, &keys, err);
    if (r == 0 && (r = file_sync(w->folder)) < 0)
        r = error_sys(err, r, "cannot write %s to the disk", w->folder);
    if (r == 0 && keys.size > 0) {
        pending_add_folder(words, w->folder);
        text_add(words, keys.data, keys.size);
    }
    return r;
}

/* In front of the first file: that it is to go, unless all is done. */
static int announce(const struct work *w, struct error *err)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    pending_add_folder(&words, w->folder);
    pending_add_drop(&words, &w->pending);
    return transfer_announce(w->s, &words, err);
}

struct place {
    const char *folder, *state;
};

static int settle(void *with, const char *words, struct error *err)
{
    const struct place *at = with;

    return pending_settle(words, at->folder, at->state, err);
}

/* The folder is locked. */
static int settle_in(struct state *s, const char *folder, const struct paths *paths,
                     struct error *err)
{
    struct place at = {folder, paths->state};
    int r = transfer_settle(s, settle, &at, err);

    return r < 0 ? r : 0;
}

static int begin(struct work *w, struct error *err)
{
    const struct home *h = w->home;
    bool empty;
    int r = w->t->replace ? 0 : compare_keys(h, w->t->parcel, err);

    if (r == 0)
        r = transfer_count(w->s, &w->before, err);
    if (r == 0)
        r = pending_begin(&w->pending, err);
    if (r < 0)
        return r;
    empty = w->before.machines == 0 && !h->has_fleet_key && !h->ssh_key;
    if (w->t->replace && !empty) {
        w->copy = pending_copy(&w->pending, w->t->paths->state);
        if (!w->copy)
            return error_sys(err, -ENOMEM, "cannot keep a copy");
    }
    return announce(w, err);
}

static int take(struct work *w, char **ret_spec, struct error *err)
{
    const struct transfer transfer = {
        .json = w->t->parcel->state,
        .size = w->t->parcel->state_size,
        .replace = w->t->replace,
        .prepare = prepare,
        .with = w,
    };
    int r = transfer_take(w->s, &transfer, ret_spec, err);

    if (r < 0)
        (void)settle_in(w->s, w->folder, w->t->paths, NULL); /* else the next program does it */
    return r;
}

/* The folder is locked. */
static int take_over(struct state *s, const struct takeover *t, const char *folder,
                     struct takeover_result *ret, struct error *err)
{
    CLEANUP_HOME struct home home = {0};
    struct work work = {.s = s, .t = t, .home = &home, .folder = folder};
    int r = settle_in(s, folder, t->paths, err);

    if (r == 0)
        r = read_home(folder, &home, err);
    if (r == 0)
        r = begin(&work, err);
    if (r == 0)
        r = take(&work, &ret->spec, err);
    if (r < 0) {
        free(work.copy);
        return r;
    }
    ret->taken = true;
    ret->copy = work.copy;
    if (t->parcel->ssh_key || (home.ssh_key && !t->replace))
        ret->ssh_key = TAKE_PTR(home.ssh_path);
    ret->ssh_key_went = home.ssh_key && !ret->ssh_key;
    r = settle_in(s, folder, t->paths, err);
    return r == 0 ? transfer_count(s, &ret->count, err) : r;
}

int takeover_lock(const char *config, struct error *err)
{
    CLEANUP_FREE char *folder = NULL;
    int r = find_folder(config, &folder, err);

    return r < 0 ? r : pending_lock(folder, err);
}

int takeover_run(struct state *s, const struct takeover *t, struct takeover_result *ret,
                 struct error *err)
{
    CLEANUP_FREE char *folder = NULL;
    CLEANUP_CLOSE int lock = -1;
    int r = find_folder(t->config, &folder, err);

    if (r < 0)
        return r;
    lock = pending_lock(folder, err);
    return lock < 0 ? lock : take_over(s, t, folder, ret, err);
}

int takeover_settle(struct state *s, const struct paths *paths, const char *config,
                    struct error *err)
{
    CLEANUP_FREE char *named = key_folder(config), *folder = NULL;
    CLEANUP_CLOSE int lock = -1;
    struct error why = {0};
    int r = transfer_is_pending(s, err);

    if (r <= 0)
        return r;
    folder = named ? realpath(named, NULL) : NULL;
    if (folder) {
        lock = pending_lock(folder, err);
        if (lock < 0)
            return lock;
    }
    r = settle_in(s, folder, paths, &why);
    if (r == -EPERM) /* of the folder, not of a key that others may read */
        r = -EACCES;
    return r < 0 ? error_set(err, r, "an import was interrupted: %s", why.text) : 0;
}
