#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deployer/base/folder.h"
#include "deployer/solve/replay.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/digest.h"
#include "discovery/base/file.h"

void batch_state_clear(struct batch_state *s)
{
    for (size_t i = 0; i < s->count; i++)
        json_decref(s->results[i]);
    free(s->results);
    free(s->folder);
    if (s->lock >= 0)
        close(s->lock);
    *s = (struct batch_state){.lock = -1};
}

static int no_memory(struct error *err)
{
    return error_sys(err, -ENOMEM, "cannot keep the batch");
}

static int write_file(const struct batch_state *s, const char *name, const struct text *bytes,
                      struct error *err)
{
    CLEANUP_FREE char *path = path_join(s->folder, name);

    if (!path || text_error(bytes) < 0)
        return no_memory(err);
    return file_write(path, text_str(bytes), bytes->size, 0644, err);
}

static bool exists(const char *path)
{
    struct stat st;

    return path && (lstat(path, &st) == 0 || errno != ENOENT);
}

/* NULL: it is damaged.  -ENOENT: there is none; other errors of file_read. */
static int load_json(const char *path, json_t **ret, struct error *err)
{
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    int r = path ? file_read(path, REPLAY_RECEIPT_MAX, &bytes, err) : no_memory(err);

    *ret = r == 0 ? json_loadb(text_str(&bytes), bytes.size, 0, NULL) : NULL;
    return r;
}

/* --- whose folder it is ---------------------------------------------------------- */

static int take_lock(struct batch_state *s, struct error *err)
{
    CLEANUP_FREE char *path = path_join(s->folder, "lock");

    s->lock = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644) : -1;
    if (s->lock < 0)
        return error_sys(err, path ? -errno : -ENOMEM, "cannot open %s/lock", s->folder);
    if (flock(s->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return error_sys(err, -errno, "cannot lock %s/lock", s->folder);
    return error_set(err, -EALREADY,
                     "another dcop-deploy runs this batch in %s; wait for its end, or stop it",
                     s->folder);
}

/* What we would write over must be a batch's.  batch.json is the first of all: asked last, so
 * that one who begins the folder at this moment is not mistaken. */
static int check_free(const char *folder, struct error *err)
{
    static const char *const names[] = {"batch.yaml", "results.csv", "plot.svg", "jobs",
                                        "batch.json"};
    const char *found = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEANUP_FREE char *path = path_join(folder, names[i]);

        if (!path)
            return no_memory(err);
        if (!exists(path))
            continue;
        if (i + 1 == ARRAY_SIZE(names))
            return 0;
        found = names[i];
    }
    return found ? error_set(err, -EINVAL,
                             "%s has a %s and no batch.json, so it is not the folder of a batch; "
                             "give another folder with -o",
                             folder, found)
                 : 0;
}

static int begin_folder(struct batch_state *s, const char *file, struct error *err)
{
    json_t *about =
        json_pack("{s:i, s:s, s:I}", "version", 1, "file", file, "seed", (json_int_t)s->seed);
    CLEANUP_FREE char *words = about ? json_dumps(about, JSON_INDENT(2)) : NULL;
    CLEANUP_TEXT struct text text = TEXT_INIT;

    json_decref(about);
    if (!words)
        return error_set(err, -EBADMSG, "the path %s is not UTF-8", file);
    text_adds(&text, words);
    text_addc(&text, '\n');
    return write_file(s, "batch.json", &text, err);
}

static int check_folder(struct batch_state *s, const json_t *about, const char *file, long seed,
                        bool seed_given, struct error *err)
{
    const char *its = json_string_value(json_object_get(about, "file"));
    json_int_t its_seed = json_integer_value(json_object_get(about, "seed"));

    if (!its || its_seed < 0 || its_seed > INT_MAX)
        return error_set(err, -EBADMSG, "%s/batch.json is damaged; give another folder with -o",
                         s->folder);
    if (strcmp(its, file) != 0)
        return error_set(err, -EINVAL, "%s holds the batch of %s; give another folder with -o",
                         s->folder, its);
    if (seed_given && its_seed != seed)
        return error_set(err, -EINVAL,
                         "the batch in %s has the seed %lld; give that, none, or another folder "
                         "with -o",
                         s->folder, (long long)its_seed);
    s->seed = (long)its_seed;
    return 0;
}

int batch_state_open(const char *folder, const char *file, long seed, bool seed_given,
                     struct batch_state *s, struct error *err)
{
    CLEANUP_FREE char *whole = realpath(file, NULL);
    CLEANUP_FREE char *path = path_join(folder, "batch.json");
    CLEANUP_TEXT struct text content = TEXT_INIT;
    json_t *about = NULL;
    int r;

    if (!whole)
        return error_sys(err, -errno, "cannot read %s", file);
    s->folder = strdup(folder);
    s->seed = seed;
    r = s->folder && path ? check_free(folder, err) : no_memory(err);
    if (r == 0)
        r = make_folders(folder, 0755, err);
    if (r == 0)
        r = take_lock(s, err);
    if (r == 0)
        r = file_read(whole, BATCH_FILE_MAX, &content, err);
    if (r < 0)
        return r;
    file_sweep(folder); /* what killed ones have left */
    r = load_json(path, &about, err);
    if (r == -ENOENT)
        r = begin_folder(s, whole, err);
    else if (r == 0)
        r = check_folder(s, about, whole, seed, seed_given, err);
    json_decref(about);
    return r == 0 ? write_file(s, "batch.yaml", &content, err) : r;
}

/* --- jobs ------------------------------------------------------------------------ */

static char *job_folder(const struct batch_state *s, const struct batch_job *j)
{
    char *path;

    return asprintf(&path, "%s/jobs/%s", s->folder, j->name) < 0 ? NULL : path;
}

/* What the table needs; a receipt has much more. */
static int load_result(const char *folder, json_t **ret, struct error *err)
{
    static const char *const keys[] = {"status",   "reason", "cost",      "violations",  "cycles",
                                       "messages", "time",   "algorithm", "distribution"};
    CLEANUP_FREE char *path = path_join(folder, "receipt.json");
    json_t *receipt, *result;
    int r = load_json(path, &receipt, err);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    result = json_is_object(receipt) ? json_object() : NULL;

    for (size_t i = 0; result && i < ARRAY_SIZE(keys); i++)
        if (json_object_get(receipt, keys[i]))
            (void)json_object_set(result, keys[i], json_object_get(receipt, keys[i]));
    json_decref(receipt);
    *ret = result;
    return 0;
}

int batch_state_reload(struct batch_state *s, const struct batch_plan *p, size_t job,
                       struct error *err)
{
    CLEANUP_FREE char *folder = job_folder(s, &p->jobs[job]);

    if (!folder)
        return no_memory(err);
    json_decref(s->results[job]);
    s->results[job] = NULL;
    return load_result(folder, &s->results[job], err);
}

int batch_state_load(struct batch_state *s, const struct batch_plan *p, struct error *err)
{
    int r = 0;

    s->results = calloc(p->count + 1, sizeof(*s->results));
    if (!s->results)
        return no_memory(err);
    s->count = p->count;
    for (size_t i = 0; i < p->count && r == 0; i++) {
        r = batch_state_settle(s, &p->jobs[i], err); /* one that was killed has not */
        if (r == 0)
            r = batch_state_reload(s, p, i, err);
    }
    return r;
}

/* Where an earlier try is while another goes on. */
static char *aside(const char *folder)
{
    char *path;

    return asprintf(&path, "%s.before", folder) < 0 ? NULL : path;
}

int batch_state_begin(const struct batch_state *s, const struct batch_job *j, char **ret,
                      struct error *err)
{
    CLEANUP_FREE char *folder = job_folder(s, j);
    CLEANUP_FREE char *before = folder ? aside(folder) : NULL;
    int r = before ? batch_state_settle(s, j, err) : no_memory(err);

    if (r < 0)
        return r;
    if (rename(folder, before) < 0 && errno != ENOENT)
        return error_sys(err, -errno, "cannot move %s aside", folder);
    r = make_folders(folder, 0755, err);
    if (r == 0)
        *ret = TAKE_PTR(folder);
    return r;
}

int batch_state_settle(const struct batch_state *s, const struct batch_job *j, struct error *err)
{
    CLEANUP_FREE char *folder = job_folder(s, j);
    CLEANUP_FREE char *before = folder ? aside(folder) : NULL;
    CLEANUP_FREE char *receipt = folder ? path_join(folder, "receipt.json") : NULL;

    if (!before || !receipt)
        return no_memory(err);
    if (!exists(before))
        return 0;
    if (exists(receipt)) {
        folder_remove(before);
        return 0;
    }
    folder_remove(folder);
    return rename(before, folder) < 0 ? error_sys(err, -errno, "cannot move %s back", before) : 0;
}

int batch_state_put(struct batch_state *s, const struct batch_plan *p, size_t job, json_t *receipt,
                    struct error *err)
{
    CLEANUP_FREE char *words = receipt ? json_dumps(receipt, JSON_INDENT(2)) : NULL;
    CLEANUP_FREE char *folder = job_folder(s, &p->jobs[job]);
    CLEANUP_FREE char *path = folder ? path_join(folder, "receipt.json") : NULL;
    int r = words && path ? make_folders(folder, 0755, err) : no_memory(err);

    json_decref(receipt);
    if (r == 0)
        r = file_write(path, words, strlen(words), 0644, err);
    return r == 0 ? batch_state_reload(s, p, job, err) : r;
}

int batch_state_refuse(struct batch_state *s, const struct batch_plan *p, size_t job, int why,
                       struct error *err)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    if (why != -EBADMSG && why != -EINVAL && why != -ENOENT && why != -EFBIG && why != -EEXIST)
        return why;
    text_add_printable(&words, err ? err->text : strerror(-why)); /* a receipt is UTF-8 */
    if (text_error(&words) < 0)
        return no_memory(err);
    return batch_state_put(
        s, p, job,
        json_pack("{s:i, s:s, s:s}", "version", 1, "status", "refused", "reason", text_str(&words)),
        err);
}

int batch_state_claim(const struct batch_state *s, const char *output, struct error *err)
{
    CLEANUP_FREE char *here = *output == '/' ? NULL : getcwd(NULL, 0);
    CLEANUP_FREE char *whole = *output == '/' ? strdup(output)
                               : here         ? path_join(here, output)
                                              : NULL;
    CLEANUP_FREE char *marks = path_join(s->folder, "outputs");
    CLEANUP_FREE char *mark = NULL;
    char digest[DIGEST_LENGTH + 1];
    int r;

    if (!whole || !marks)
        return no_memory(err);
    digest_bytes(whole, strlen(whole), digest);
    mark = path_join(marks, digest);
    if (!mark)
        return no_memory(err);
    if (exists(mark))
        return 0;
    if (exists(whole))
        return error_set(err, -EEXIST,
                         "%s exists, and this batch has not made it; move it away, or change "
                         "'output' or 'current_dir'",
                         output);
    r = make_folders(marks, 0755, err);
    return r == 0 ? file_write(mark, whole, strlen(whole), 0644, err) : r;
}

int batch_state_write(const struct batch_state *s, const struct batch_plan *p, const char *title,
                      struct error *err)
{
    CLEANUP_TEXT struct text csv = TEXT_INIT;
    CLEANUP_TEXT struct text svg = TEXT_INIT;
    int r;

    if (batch_table_csv(p, s->results, &csv) < 0 ||
        batch_table_plot(title, p, s->results, &svg) < 0)
        return no_memory(err);
    r = write_file(s, "results.csv", &csv, err);
    return r == 0 ? write_file(s, "plot.svg", &svg, err) : r;
}

size_t batch_state_done(const struct batch_state *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->count; i++)
        n += batch_result_is_done(s->results[i]);
    return n;
}
