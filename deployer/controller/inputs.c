/* What is wanted, and where it comes from: the problem's files, the settings,
 * this computer's addresses; and when one of them changes. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "private.h"

/* --- the problem -------------------------------------------------------------------- */

int sources_read(struct controller *c, struct error *err)
{
    struct problem problem = PROBLEM_INIT;
    bool wanted = c->settings.deploy.problems.count > 0;
    int r = wanted ? problem_read(&c->settings.deploy.problems, &problem, err) : 0;

    controller_trouble(&c->problem_error, r < 0 ? err->text : NULL);
    if (r < 0)
        return r; /* what was read before stays in force */
    look_clear(c);
    problem_clear(&c->problem);
    c->problem = problem;
    c->has_problem = wanted;
    return 0;
}

/* --- the settings ---------------------------------------------------------------------- */

static bool same_spec(const struct controller_options *a, const struct controller_options *b)
{
    return string_equal(a->deploy.spec, b->deploy.spec);
}

/* The passwords, the folders, where it listens, the fleet and the forks are for
 * good: they are what the workers and the threads were made with. */
static void read_settings(struct controller *c)
{
    struct controller_options now;
    struct error err = {0};
    bool repack;

    if (controller_options_read(c->argc, c->argv, &now, &err) < 0) {
        if (!string_equal(c->settings_error, err.text))
            controller_say(c, "%s", err.text);
        controller_trouble(&c->settings_error, err.text);
        return;
    }
    controller_trouble(&c->settings_error, NULL);
    repack = !same_spec(&now, &c->settings);
    now.deploy.forks = c->settings.deploy.forks;
    controller_options_clear(&c->settings);
    c->settings = now;
    for (struct member *m = c->directory.members; m; m = m->hh.next)
        hear_standing(c, m);
    if (repack && c->packing)
        c->repack = true;
    else if (repack) {
        controller_trouble(&c->pack_error, NULL);
        packing_start(c);
    }
}

void sources_reread(struct controller *c)
{
    struct error err = {0};
    char *before = c->problem_error ? strdup(c->problem_error) : NULL;

    read_settings(c);
    if (sources_read(c, &err) < 0 && !string_equal(before, c->problem_error))
        controller_say(c, "%s", err.text);
    free(before);
    (void)sources_watch(c, NULL);
    look_clear(c);
    controller_look_soon(c);
}

/* --- when they change --------------------------------------------------------------------- */

/* A folder, by its name and by what had that name when it was found. */
struct watched {
    char *folder;
    sd_event_source *source;
    dev_t device;
    ino_t inode;
};

static int on_inotify(sd_event_source *source, const struct inotify_event *event, void *arg)
{
    (void)source, (void)event;
    sources_reread(arg);
    return 0;
}

static bool is_watched(const struct controller *c, const char *folder)
{
    for (size_t i = 0; i < c->n_watched; i++)
        if (strcmp(c->watched[i].folder, folder) == 0)
            return true;
    return false;
}

static int watch_folder(struct controller *c, const char *folder, uint32_t what)
{
    struct watched *grown = reallocarray(c->watched, c->n_watched + 1, sizeof(*grown));
    struct watched *w;
    struct stat st;
    int r;

    if (!grown)
        return -ENOMEM;
    c->watched = grown;
    w = &grown[c->n_watched];
    *w = (struct watched){0};
    r = sd_event_add_inotify(c->loop, &w->source, folder, what, on_inotify, c);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    w->folder = strdup(folder);
    if (!w->folder || stat(folder, &st) < 0) {
        r = w->folder ? 0 : -ENOMEM;
        free(w->folder);
        sd_event_source_unref(w->source);
        return r;
    }
    w->device = st.st_dev;
    w->inode = st.st_ino;
    c->n_watched++;
    return 0;
}

/* The folder, as a file may be replaced by another of its name. */
static int watch_folder_of(struct controller *c, const char *file, struct error *err)
{
    enum { WHAT = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE };
    char whole[PATH_MAX], folder[PATH_MAX];
    char *slash;
    int r;

    if (!realpath(file, whole)) {
        if (strlen(file) >= sizeof(whole))
            return 0;
        strcpy(whole, file);
    }
    strcpy(folder, whole);
    slash = strrchr(folder, '/');
    if (!slash)
        strcpy(folder, ".");
    else
        slash[slash == folder] = '\0';
    if (is_watched(c, folder))
        return 0;
    r = watch_folder(c, folder, WHAT);
    return r < 0 ? error_sys(err, r, "cannot watch %s", folder) : 0;
}

int sources_watch(struct controller *c, struct error *err)
{
    const struct strings *files = &c->settings.deploy.problems;
    int r = c->settings.file ? watch_folder_of(c, c->settings.file, err) : 0;

    for (size_t i = 0; i < files->count && r >= 0; i++)
        r = watch_folder_of(c, files->items[i], err);
    return r;
}

static void unwatch(struct watched *w)
{
    sd_event_source_disable_unref(w->source);
    free(w->folder);
}

void sources_unwatch(struct controller *c)
{
    while (c->n_watched > 0)
        unwatch(&c->watched[--c->n_watched]);
    free(TAKE_PTR(c->watched));
}

void sources_moved(struct controller *c)
{
    size_t kept = 0, before = c->n_watched;
    bool moved;

    for (size_t i = 0; i < before; i++) {
        struct watched *w = &c->watched[i];
        struct stat st;

        if (stat(w->folder, &st) == 0 && st.st_dev == w->device && st.st_ino == w->inode)
            c->watched[kept++] = *w;
        else
            unwatch(w);
    }
    c->n_watched = kept;
    moved = kept != before;
    (void)sources_watch(c, NULL);
    if (moved || c->n_watched != kept)
        sources_reread(c);
}

/* --- this computer's addresses ---------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void sources_addresses(struct controller *c)
{
    CLEANUP_STRINGS struct strings list = {0};
    CLEANUP_TEXT struct text all = TEXT_INIT;
    struct ifaddrs *first;
    char *now;

    if (getifaddrs(&first) < 0)
        return;
    for (const struct ifaddrs *i = first; i; i = i->ifa_next) {
        char text[INET_ADDRSTRLEN];
        struct sockaddr_in in;

        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || (i->ifa_flags & IFF_LOOPBACK) ||
            !(i->ifa_flags & IFF_UP))
            continue;
        memcpy(&in, i->ifa_addr, sizeof(in));
        if (inet_ntop(AF_INET, &in.sin_addr, text, sizeof(text)))
            (void)strings_add(&list, text);
    }
    freeifaddrs(first);
    if (list.count > 0)
        qsort(list.items, list.count, sizeof(*list.items), compare);
    for (size_t i = 0; i < list.count; i++)
        text_addf(&all, "%s ", list.items[i]);
    now = text_take(&all);
    if (!now || string_equal(now, c->addresses)) {
        free(now);
        return;
    }
    free(c->addresses);
    c->addresses = now;
    controller_look_soon(c);
}
