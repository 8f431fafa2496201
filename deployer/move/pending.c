#include "pending.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "deployer/base/paths.h"
#include "discovery/base/file.h"
#include "discovery/base/key.h"

#define LOCK_FILE "import.lock"

static const struct kind {
    const char *word, *file;
} kinds[] = {{"fleet", KEY_FLEET_FILE}, {"ssh", PATHS_SSH_KEY_FILE}};

/* --- words ------------------------------------------------------------------------------- */

int pending_begin(struct pending *ret, struct error *err)
{
    time_t now = time(NULL);
    uint64_t random;
    struct tm tm;
    size_t size;

    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        return error_set(err, -EIO, "cannot import: no random bytes");
    (void)gmtime_r(&now, &tm);
    size = strftime(ret->token, sizeof(ret->token), "%Y%m%dT%H%M%SZ", &tm);
    (void)snprintf(ret->token + size, sizeof(ret->token) - size, "-%016" PRIx64, random);
    return 0;
}

static bool is_token(const char *word)
{
    return word && string_is_one_of(word, "0123456789abcdefTZ-", PENDING_TOKEN_LENGTH,
                                    PENDING_TOKEN_LENGTH);
}

char *pending_beside(const struct pending *p, const char *path)
{
    char *beside;

    return asprintf(&beside, "%s.import-%s", path, p->token) < 0 ? NULL : beside;
}

char *pending_copy(const struct pending *p, const char *state)
{
    char *copy;

    return asprintf(&copy, "%s/before-import-%s", state, p->token) < 0 ? NULL : copy;
}

void pending_add_folder(struct text *words, const char *folder)
{
    text_adds(words, "in ");
    text_add_percent(words, folder);
    text_addc(words, '\n');
}

void pending_add(struct text *words, const char *action, const char *kind, const struct pending *p)
{
    text_addf(words, "%s %s %s\n", action, kind, p->token);
}

void pending_add_drop(struct text *words, const struct pending *p)
{
    text_addf(words, "drop %s\n", p->token);
}

/* --- files ------------------------------------------------------------------------------- */

int pending_lock(const char *folder, struct error *err)
{
    CLEANUP_FREE char *path = path_join(folder, LOCK_FILE);
    CLEANUP_CLOSE int fd =
        path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600) : -1;

    if (!path)
        return error_sys(err, -ENOMEM, "cannot lock %s", folder);
    if (fd < 0)
        return error_sys(err, -errno, "cannot lock %s", path);
    while (flock(fd, LOCK_EX) < 0)
        if (errno != EINTR)
            return error_sys(err, -errno, "cannot lock %s", path);
    return TAKE_FD(fd);
}

/* 0 also when it is not there. */
static int remove_at(int folder, const char *name)
{
    CLEANUP_CLOSE int fd =
        openat(folder, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

    if (fd >= 0)
        file_overwrite(fd);
    return unlinkat(folder, name, 0) == 0 || errno == ENOENT ? 0 : -errno;
}

static int remove_file(const char *path)
{
    return remove_at(AT_FDCWD, path);
}

/* The files in it, which are all of ours, and SQLite's beside them. */
static void remove_copy(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;

    while (d && (entry = readdir(d)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)remove_at(fd, entry->d_name);
    if (d)
        (void)closedir(d);
    else if (fd >= 0)
        (void)close(fd);
    (void)rmdir(folder);
}

/* --- settling ------------------------------------------------------------------------------ */

struct place {
    const char *folder, *state; /* of this run */
    char *meant;                /* the import's folder, to tell */
    bool is_here;               /* they are one */
    bool stays;                 /* there may be something to drop elsewhere */
};

static void place_clear(struct place *p)
{
    free(p->meant);
}

static int refuse_words(struct error *err)
{
    return error_set(err, -EBADMSG, "what the state database says of it is not valid");
}

static int refuse_folder(const struct place *at, const char *file, bool comes, struct error *err)
{
    if (!at->is_here)
        return error_set(
            err, -ENOENT, "an import was interrupted, and its keys are in %s: give --config %s",
            at->meant ? at->meant : "another folder", at->meant ? at->meant : "FOLDER");
    return comes
               ? error_set(err, -ENOENT, "its %s is missing in %s: copy the other computer's there",
                           file, at->folder)
               : error_set(err, -ENOENT, "it should have removed %s in %s: move it away", file,
                           at->folder);
}

/* The key has its new content, or is away. */
static int settle_key(const struct place *at, const struct kind *kind, bool comes,
                      const struct pending *p, struct error *err)
{
    CLEANUP_FREE char *path = at->folder ? path_join(at->folder, kind->file) : NULL;
    CLEANUP_FREE char *beside = path ? pending_beside(p, path) : NULL;
    int r;

    if (!at->folder)
        return refuse_folder(at, kind->file, comes, err);
    if (!beside)
        return error_sys(err, -ENOMEM, "cannot end an import");
    if (access(beside, F_OK) < 0) {
        if (errno != ENOENT)
            return error_sys(err, -errno, "cannot read %s", beside);
        /* Done already, or not here. */
        return at->is_here && (access(path, F_OK) == 0) == comes
                   ? 0
                   : refuse_folder(at, kind->file, comes, err);
    }
    if (comes) {
        r = rename(beside, path) < 0 ? -errno : 0;
    } else {
        r = remove_file(path);
        if (r == 0)
            r = file_sync(at->folder); /* before what says so goes */
        if (r == 0)
            r = remove_file(beside);
    }
    return r < 0 ? error_sys(err, r, "cannot %s %s", comes ? "write" : "remove", path) : 0;
}

static int drop(struct place *at, const struct pending *p, struct error *err)
{
    CLEANUP_FREE char *copy = pending_copy(p, at->state);

    if (!copy)
        return error_sys(err, -ENOMEM, "cannot end an import");
    remove_copy(copy);
    for (size_t i = 0; i < ARRAY_SIZE(kinds) && at->folder; i++) {
        CLEANUP_FREE char *path = path_join(at->folder, kinds[i].file);
        CLEANUP_FREE char *beside = path ? pending_beside(p, path) : NULL;
        int r = beside ? remove_file(beside) : -ENOMEM;

        if (r < 0)
            return error_sys(err, r, "cannot remove %s", beside ? beside : "a file");
    }
    at->stays = !at->is_here;
    return 0;
}

static int read_folder(struct place *at, char *percent, struct error *err)
{
    if (percent_decode(percent) < 0 || at->meant)
        return refuse_words(err);
    at->meant = strdup(percent);
    at->is_here = at->folder && strcmp(at->folder, percent) == 0;
    return at->meant ? 0 : error_sys(err, -ENOMEM, "cannot end an import");
}

static int settle_line(struct place *at, char *line, struct error *err)
{
    const char *action = strsep(&line, " ");
    char *word = strsep(&line, " "), *token = line;
    struct pending p;

    if (word && !token && strcmp(action, "in") == 0)
        return read_folder(at, word, err);
    if (is_token(word) && !token && strcmp(action, "drop") == 0) {
        memcpy(p.token, word, sizeof(p.token));
        return drop(at, &p, err);
    }
    if (!is_token(token) || (strcmp(action, "put") != 0 && strcmp(action, "remove") != 0))
        return refuse_words(err);
    memcpy(p.token, token, sizeof(p.token));
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strcmp(word, kinds[i].word) == 0)
            return settle_key(at, &kinds[i], *action == 'p', &p, err);
    return refuse_words(err);
}

int pending_settle(const char *words, const char *folder, const char *state, struct error *err)
{
    CLEANUP(place_clear) struct place at = {.folder = folder, .state = state};
    CLEANUP_FREE char *lines = strdup(words);
    char *rest = lines, *line;
    int r = 0;

    if (!lines)
        return error_sys(err, -ENOMEM, "cannot end an import");
    while (r == 0 && (line = strsep(&rest, "\n")))
        r = *line ? settle_line(&at, line, err) : 0;
    if (r == 0 && folder && !at.stays && (r = file_sync(folder)) < 0)
        r = error_sys(err, r, "cannot write %s to the disk", folder);
    return r == 0 ? at.stays : r;
}
