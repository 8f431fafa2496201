#include "fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "discovery/base/digest.h"
#include "discovery/base/file.h"
#include "errors.h"

enum { CHUNK = 8, AT_ONCE_MAX = 16, TICK_MS = 200, SLACK = 16 * 1024 * 1024 };

static const char helper[] = "/usr/lib/apt/apt-helper";

bool apt_file_is_whole(const char *path, const struct apt_file *file)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char buffer[65536], hex[DIGEST_LENGTH + 1];
    struct digest d;
    struct stat st;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != file->size)
        return false;
    digest_init(&d);
    while ((n = read(fd, buffer, sizeof(buffer))) > 0)
        digest_add(&d, buffer, (size_t)n);
    digest_end(&d, hex);
    return n == 0 && strcmp(hex, file->sha256) == 0;
}

/* What the workers share: each takes the next chunk and writes the results of its own
 * files only. */
struct work {
    const struct apt_fetch *fetch;
    bool *whole; /* one for each file */
    atomic_size_t next, done;
    atomic_ullong bytes;
    atomic_bool given_up;
    struct apt_bounds bounds;
};

struct worker {
    struct work *work;
    pthread_t thread;
    bool running;
    int failure; /* 0, or the negative errno that ended this worker */
    struct error error;
    struct text why;
};

/* No mirror or no DNS server: the other files would wait for the same timeout. */
static bool is_unreachable(const struct process_result *result)
{
    static const char *const words[] = {"Could not connect", "Unable to connect",
                                        "Connection failed", "Connection timed out",
                                        "Could not resolve", "Temporary failure resolving",
                                        "Connection refused"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strstr(text_str(&result->errors), words[i]))
            return true;
    return false;
}

static char *file_path(const struct apt_fetch *fetch, const struct apt_file *file)
{
    return path_join(fetch->folder, file->name);
}

/* Runs download-file of apt-helper(1) with the URI, path and hash of each file.  `anew`: a
 * cache on the way must ask its origin again (no-cache, RFC 9111 §5.2.1.4). */
static int run_helper(struct worker *w, size_t first, size_t last, bool anew,
                      struct process_result *result, struct error *err)
{
    const struct apt_fetch *fetch = w->work->fetch;
    const char *argv[5 + 3 * CHUNK];
    char *owned[2 * CHUNK] = {0};
    size_t n = 0, own = 0;
    int r = 0;

    argv[n++] = helper;
    argv[n++] = "-o";
    argv[n++] = anew ? "Acquire::http::No-Cache=true" : "Acquire::http::No-Cache=false";
    argv[n++] = "download-file";
    for (size_t i = first; i < last && r == 0; i++) {
        const struct apt_file *file = &fetch->files->items[i];
        CLEANUP_FREE char *whole = file_path(fetch, file);
        char *path = owned[own++] = whole ? apt_root_inside(fetch->root, whole) : NULL;
        char *hash = NULL;

        if (asprintf(&hash, "SHA256:%s", file->sha256) < 0)
            hash = NULL;
        owned[own++] = hash;
        r = path && hash ? 0 : -ENOMEM;
        argv[n++] = file->uri;
        argv[n++] = path;
        argv[n++] = hash;
    }
    argv[n] = NULL;
    if (r == 0)
        r = apt_root_run(fetch->root, argv, &w->work->bounds, result, err);
    for (size_t i = 0; i < own; i++)
        free(owned[i]);
    return r;
}

/* Runs apt's downloader once for some files and marks the complete ones. */
static int download_files(struct worker *w, size_t first, size_t last, bool anew, bool *ret_any,
                          struct error *err)
{
    CLEANUP(process_result_clear) struct process_result result = {0};
    struct work *work = w->work;
    const struct apt_fetch *fetch = work->fetch;
    int r = run_helper(w, first, last, anew, &result, err);

    if (r < 0 && r != -ETIMEDOUT)
        return r;
    for (size_t i = first; i < last; i++) {
        const struct apt_file *file = &fetch->files->items[i];
        CLEANUP_FREE char *path = file_path(fetch, file);

        work->whole[i] = path && apt_file_is_whole(path, file);
        if (work->whole[i]) {
            *ret_any = true;
            work->done++;
            work->bytes += file->size;
        }
        if (path && (fetch->throw_away || !work->whole[i]))
            (void)unlink(path);
    }
    if (result.status != 0 && w->why.size == 0)
        apt_complaint(&result, &w->why);
    if (!*ret_any && is_unreachable(&result))
        work->given_up = true;
    return 0;
}

/* Downloads a chunk, then tries the missing files one by one: one missing file may have
 * ended the download of the others, and a newer apt may read its command line in another
 * way. */
static int download_chunk(struct worker *w, size_t first, size_t last)
{
    bool any = false;
    bool repair = w->work->fetch->repair;
    int r = download_files(w, first, last, false, &any, &w->error);

    for (size_t i = first; i < last && r == 0 && !w->work->given_up; i++)
        if (!w->work->whole[i] && (repair || last - first > 1))
            r = download_files(w, i, i + 1, repair, &any, &w->error);
    return r;
}

static void *run_worker(void *arg)
{
    struct worker *w = arg;
    size_t count = w->work->fetch->files->count, first;

    while (!w->work->given_up && (first = atomic_fetch_add(&w->work->next, CHUNK)) < count) {
        w->failure = download_chunk(w, first, first + CHUNK < count ? first + CHUNK : count);
        if (w->failure < 0)
            w->work->given_up = true;
    }
    return NULL;
}

static void await_worker(struct worker *w)
{
    const struct apt_fetch *fetch = w->work->fetch;

    for (;;) {
        struct timespec until;

        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += TICK_MS * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (pthread_timedjoin_np(w->thread, NULL, &until) == 0)
            return;
        if (fetch->progress)
            fetch->progress(w->work->done, w->work->bytes, fetch->arg);
    }
}

static int list_missing(const struct work *work, struct strings *ret)
{
    const struct apt_files *files = work->fetch->files;

    for (size_t i = 0; i < files->count; i++) {
        CLEANUP_TEXT struct text words = TEXT_INIT;

        if (work->whole[i])
            continue;
        text_addf(&words, "%s %s", files->items[i].package, files->items[i].version);
        if (text_error(&words) < 0 || strings_add(ret, text_str(&words)) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* What may be written: what apt says of the files, beside those that are there already. */
static int set_bounds(const struct apt_fetch *fetch, struct apt_bounds *ret, struct error *err)
{
    uint64_t largest = 0, bytes = 0;

    for (size_t i = 0; i < fetch->files->count; i++) {
        uint64_t size = fetch->files->items[i].size;

        bytes += size;
        largest = size > largest ? size : largest;
    }
    if (bytes > APT_FETCH_BYTES_MAX)
        return error_set(err, -EFBIG,
                         "the packages have %llu MB, and at most %llu MB are fetched for a system",
                         (unsigned long long)bytes >> 20, APT_FETCH_BYTES_MAX >> 20);
    *ret = (struct apt_bounds){.timeout_ms = APT_FETCH_MS,
                               .file_max = largest + SLACK,
                               .folder = fetch->folder,
                               .folder_max = apt_root_size(fetch->folder) + bytes + SLACK};
    return 0;
}

int apt_fetch(const struct apt_fetch *fetch, struct strings *ret_missing, struct text *ret_why,
              struct error *err)
{
    CLEANUP_FREE bool *whole = calloc(fetch->files->count + 1, sizeof(*whole));
    struct work work = {.fetch = fetch, .whole = whole};
    struct worker workers[AT_ONCE_MAX] = {0};
    unsigned at_once = fetch->at_once ? fetch->at_once : APT_FETCH_AT_ONCE;
    int r = set_bounds(fetch, &work.bounds, err);

    if (!whole)
        return error_sys(err, -ENOMEM, "cannot fetch packages");
    for (unsigned i = 0; i < at_once && i < AT_ONCE_MAX && r == 0; i++) {
        workers[i].work = &work;
        r = -pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]);
        workers[i].running = r == 0;
        if (r < 0)
            r = error_sys(err, r, "cannot fetch packages");
    }
    for (unsigned i = 0; i < AT_ONCE_MAX; i++) {
        struct worker *w = &workers[i];

        if (w->running)
            await_worker(w);
        if (r == 0 && w->failure < 0)
            r = error_set(err, w->failure, "%s", w->error.text);
        if (ret_why->size == 0)
            text_adds(ret_why, text_str(&w->why));
        text_clear(&w->why);
    }
    if (fetch->progress)
        fetch->progress(work.done, work.bytes, fetch->arg);
    if (r == 0 && list_missing(&work, ret_missing) < 0)
        r = error_sys(err, -ENOMEM, "cannot fetch packages");
    return r;
}
