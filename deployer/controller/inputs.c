/* The inputs: the problem files, the settings, this computer's addresses; and their
 * changes. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deployer/target/fleet-networks.h"
#include "private.h"

/* --- the problem -------------------------------------------------------------------- */

int inputs_read(struct controller *c, struct error *err)
{
    struct problem problem = PROBLEM_INIT;
    bool wanted = c->settings.deploy.problems.count > 0;
    int r = wanted ? problem_read(&c->settings.deploy.problems, &problem, err) : 0;

    controller_set_trouble(&c->troubles.problem, r < 0 ? err->text : NULL);
    if (r < 0)
        return r; /* what was read before stays in use */
    model_clear(c);
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

/* The passwords, the folders, the listening address, the fleet and the forks do not
 * change before a restart: the workers and threads were made with them. */
static void read_settings(struct controller *c)
{
    struct controller_options now;
    struct error err = {0};
    bool repack;

    if (controller_options_read(c->argc, c->argv, &now, &err) < 0) {
        if (!string_equal(c->troubles.settings, err.text))
            controller_log(c, "%s", err.text);
        controller_set_trouble(&c->troubles.settings, err.text);
        return;
    }
    controller_set_trouble(&c->troubles.settings, NULL);
    repack = !same_spec(&now, &c->settings);
    now.deploy.forks = c->settings.deploy.forks;
    controller_options_clear(&c->settings);
    c->settings = now;
    for (struct member *m = c->directory.members; m; m = m->hh.next)
        model_find_standing(c, m);
    if (repack && c->packs.packing)
        c->packs.repack = true;
    else if (repack) {
        controller_set_trouble(&c->packs.error, NULL);
        packing_start(c);
    }
}

void inputs_reread(struct controller *c)
{
    struct error err = {0};
    char *before = c->troubles.problem ? strdup(c->troubles.problem) : NULL;

    read_settings(c);
    /* First watched, then read: what is written in between is read again. */
    (void)inputs_watch(c, NULL);
    if (inputs_read(c, &err) < 0 && !string_equal(before, c->troubles.problem))
        controller_log(c, "%s", err.text);
    free(before);
    model_clear(c);
    controller_evaluate_soon(c);
}

/* --- when they change --------------------------------------------------------------------- */

/* Reads nothing here: reading changes the set of watches, one of which calls this. */
static void on_file_changed(void *arg)
{
    struct controller *c = arg;

    c->inputs.changed = true;
    controller_evaluate_soon(c);
}

/* A path, and which file it led to when the watch was made. */
struct watched_file {
    struct file_watch *watch;
    char *path;
    dev_t device; /* both 0: there was none */
    ino_t inode;
};

static bool is_same_file(const struct watched_file *f)
{
    struct stat st;

    if (stat(f->path, &st) < 0)
        return f->inode == 0;
    return st.st_dev == f->device && st.st_ino == f->inode;
}

static int add_watch(struct controller *c, const char *path, struct error *err)
{
    struct watched_file *grown =
        reallocarray(c->inputs.files, c->inputs.n_files + 1, sizeof(*grown));
    struct watched_file *f;
    struct stat st;
    int r;

    if (!grown)
        return error_sys(err, -ENOMEM, "cannot watch %s", path);
    c->inputs.files = grown;
    f = &grown[c->inputs.n_files];
    *f = (struct watched_file){.path = strdup(path)};
    if (!f->path)
        return error_sys(err, -ENOMEM, "cannot watch %s", path);
    r = file_watch_new(c->loop, path, on_file_changed, c, &f->watch, err);
    if (r < 0) {
        free(f->path);
        return r;
    }
    if (stat(path, &st) == 0) {
        f->device = st.st_dev;
        f->inode = st.st_ino;
    }
    c->inputs.n_files++;
    return 0;
}

/* The path as given and, if it contains a symbolic link, also its present target. */
static int watch_file(struct controller *c, const char *file, struct error *err)
{
    char real[PATH_MAX], here[PATH_MAX] = "";
    CLEANUP_FREE char *path = NULL;
    int r;

    if (*file != '/' && !getcwd(here, sizeof(here)))
        return error_sys(err, -errno, "cannot watch %s", file);
    if (asprintf(&path, "%s%s%s", here, *file == '/' ? "" : "/", file) < 0) {
        path = NULL;
        return error_sys(err, -ENOMEM, "cannot watch %s", file);
    }
    r = add_watch(c, path, err);
    return r == 0 && realpath(path, real) && strcmp(real, path) != 0 ? add_watch(c, real, err) : r;
}

int inputs_watch(struct controller *c, struct error *err)
{
    const struct strings *files = &c->settings.deploy.problems;
    int r;

    inputs_unwatch(c);
    r = c->settings.file ? watch_file(c, c->settings.file, err) : 0;
    for (size_t i = 0; i < files->count && r == 0; i++)
        r = watch_file(c, files->items[i], err);
    return r;
}

void inputs_unwatch(struct controller *c)
{
    for (size_t i = 0; i < c->inputs.n_files; i++) {
        file_watch_free(c->inputs.files[i].watch);
        free(c->inputs.files[i].path);
    }
    free(TAKE_PTR(c->inputs.files));
    c->inputs.n_files = 0;
}

void inputs_check_files(struct controller *c)
{
    for (size_t i = 0; i < c->inputs.n_files; i++)
        if (!is_same_file(&c->inputs.files[i]))
            c->inputs.changed = true;
    if (c->inputs.changed)
        controller_evaluate_soon(c);
}

/* --- this computer's addresses ---------------------------------------------------------------- */

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void inputs_addresses(struct controller *c)
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
        qsort(list.items, list.count, sizeof(*list.items), compare_strings);
    for (size_t i = 0; i < list.count; i++)
        text_addf(&all, "%s ", list.items[i]);
    now = text_take(&all);
    if (!now || string_equal(now, c->inputs.addresses)) {
        free(now);
        return;
    }
    free(c->inputs.addresses);
    c->inputs.addresses = now;
    controller_evaluate_soon(c);
}

void inputs_fleet(struct controller *c)
{
    CLEANUP(state_machines_clear) struct state_machines known = {0};
    CLEANUP_TEXT struct text networks = TEXT_INIT;
    const struct target any = {.fleet = (char *)(uintptr_t)c->settings.deploy.fleet};
    const struct target *const targets[] = {&any};
    struct links links;
    char *now;

    links_read(&links);
    if (state_machine_list(c->state, &known, NULL) < 0 ||
        fleet_networks(targets, 1, &known, &links, &networks) < 0)
        return;
    if (!strchr(text_str(&networks), ',')) /* each machine reaches its own network anyway */
        text_clear(&networks);
    now = text_take(&networks);
    if (!now)
        return;
    free(c->inputs.fleet);
    c->inputs.fleet = now;
}
