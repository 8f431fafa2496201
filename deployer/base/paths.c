#include "paths.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "discovery/base/file.h"
#include "discovery/base/key.h"

void paths_clear(struct paths *p)
{
    free(p->state);
    free(p->db);
    free(p->cache);
    free(p->pins);
    free(p->solve);
    free(p->steps);
    free(p->beacons);
    free(p->card);
    *p = (struct paths){0};
}

const char *paths_home(void)
{
    const char *value = getenv("HOME");
    const struct passwd *user;

    if (value && *value == '/')
        return value;
    user = getpwuid(geteuid());
    return user ? user->pw_dir : "/";
}

static char *default_state(void)
{
    const char *state = getenv("XDG_STATE_HOME");

    if (state && *state == '/')
        return path_join(state, "dcop");
    return path_join(paths_home(), ".local/state/dcop");
}

/* The path of a name beside this program's own file. */
char *paths_program(const char *name)
{
    char self[4096];
    ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash;

    if (size <= 0)
        return NULL;
    self[size] = '\0';
    slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    return path_join(self, name);
}

/* The first of two folders that holds `what`.  They are relative to this program's own
 * file, so that an installation under any prefix and a build tree both work. */
static char *find_beside(const char *const places[2], const char *what)
{
    for (size_t i = 0; i < 2; i++) {
        CLEANUP_FREE char *place = paths_program(places[i]);
        CLEANUP_FREE char *run = place ? path_join(place, what) : NULL;

        if (run && access(run, R_OK) == 0)
            return TAKE_PTR(place);
    }
    return NULL;
}

static char *find_steps(void)
{
    static const char *const places[2] = {"../share/dcop/steps", "../../deployer/steps"};

    return find_beside(places, "run");
}

static char *find_beacons(void)
{
    static const char *const places[2] = {"../share/dcop/beacon", "beacon"};

    return find_beside(places, ".");
}

static char *find_pins(void)
{
    static const char *const places[2] = {"../share/dcop/layers", "../../deployer/layer/pins"};

    return find_beside(places, "left-out");
}

static char *find_card(void)
{
    static const char *const places[2] = {"../share/dcop/card", "../../deployer/card"};

    return find_beside(places, "setup.sh");
}

static char *find_solve(void)
{
    static const char *const places[2] = {"../share/dcop/solve", "../../deployer/solve"};

    return find_beside(places, "pydcop_orchestrator.py");
}

int paths_find(const char *state_dir, struct paths *ret, struct error *err)
{
    CLEANUP(paths_clear) struct paths p = {0};
    int r;

    p.state = state_dir ? strdup(state_dir) : default_state();
    p.steps = find_steps();
    p.beacons = find_beacons();
    p.pins = find_pins();
    p.card = find_card();
    p.solve = find_solve();
    if (!p.steps)
        return error_set(err, -ENOENT,
                         "cannot find the deployment steps in ../share/dcop/steps beside this "
                         "program; install it with: make install");
    if (!p.state)
        return error_sys(err, -ENOMEM, "cannot find folders");
    p.db = path_join(p.state, "state.db");
    p.cache = path_join(p.state, "cache");
    if (!p.db || !p.cache)
        return error_sys(err, -ENOMEM, "cannot find folders");
    r = make_folders(p.state, 0700, err);
    if (r < 0)
        return r;
    *ret = p;
    p = (struct paths){0};
    return 0;
}

static int add_if_there(const char *key, struct strings *ret)
{
    return access(key, R_OK) == 0 ? strings_add(ret, key) : 0;
}

int paths_keys(const struct strings *named, const char *config, struct strings *ret,
               struct error *err)
{
    static const char *const usual[] = {".ssh/id_ed25519", ".ssh/id_ecdsa", ".ssh/id_rsa"};
    int r = 0;

    for (size_t i = 0; i < named->count; i++) {
        if (access(named->items[i], R_OK) < 0)
            return error_sys(err, -errno, "cannot read the key %s", named->items[i]);
        if (strings_add(ret, named->items[i]) < 0)
            r = -ENOMEM;
    }
    for (size_t i = 0; named->count == 0 && i < ARRAY_SIZE(usual); i++) {
        CLEANUP_FREE char *key = path_join(paths_home(), usual[i]);

        if (!key || add_if_there(key, ret) < 0)
            r = -ENOMEM;
    }
    if (named->count == 0) {
        CLEANUP_FREE char *folder = key_folder(config);
        CLEANUP_FREE char *key = folder ? path_join(folder, PATHS_SSH_KEY_FILE) : NULL;

        if (folder && (!key || add_if_there(key, ret) < 0))
            r = -ENOMEM;
    }
    return r < 0 ? error_sys(err, r, "cannot find keys") : 0;
}

enum { SWEEP_DEPTH = 4, SWEEP_FOLDERS = 1000 };

/* The folder's temporary files, and those of the folders in it.  Trees that are deeper (an
 * orchestrator's environment, apt-cacher-ng's files) have none of ours. */
static void sweep_below(const char *folder, unsigned depth, unsigned *left)
{
    DIR *d = *left > 0 ? opendir(folder) : NULL;
    const struct dirent *entry;

    if (!d)
        return;
    (*left)--;
    file_sweep(folder);
    while (depth < SWEEP_DEPTH && (entry = readdir(d))) {
        CLEANUP_FREE char *path = path_join(folder, entry->d_name);
        struct stat st;

        if (path && *entry->d_name != '.' && lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
            sweep_below(path, depth + 1, left);
    }
    (void)closedir(d);
}

int paths_begin(const struct paths *p, const char *config, const struct strings *keys,
                struct error *err)
{
    CLEANUP_STRINGS struct strings files = {0};
    CLEANUP_FREE char *settings = key_folder(config);
    unsigned folders = SWEEP_FOLDERS;
    int r = key_check_folder(config, err);

    if (r == 0 && keys->count > 0)
        r = paths_keys(keys, config, &files, err);
    if (r < 0)
        return r;
    sweep_below(p->state, 0, &folders);
    if (settings)
        file_sweep(settings);
    return 0;
}

int paths_hold(const struct paths *p, const char *program, struct error *err)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    CLEANUP_FREE char *path = path_join(p->state, "service.lock");
    CLEANUP_CLOSE int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;

    if (!path)
        return error_sys(err, -ENOMEM, "cannot lock %s", p->state);
    if (fd < 0)
        return error_sys(err, -errno, "cannot lock %s", path);
    if (fcntl(fd, F_SETLK, &whole) == 0) {
        fd = -1; /* stays open: closing any descriptor of the file would release the lock */
        return 0;
    }
    if (errno != EAGAIN && errno != EACCES)
        return error_sys(err, -errno, "cannot lock %s", path);
    if (fcntl(fd, F_GETLK, &whole) < 0 || whole.l_type == F_UNLCK)
        whole.l_pid = 0;
    return error_set(err, -EALREADY,
                     "another %s (process %ld) works with %s: stop it, or give this one a folder "
                     "of its own with --state-dir",
                     program, (long)whole.l_pid, p->state);
}
