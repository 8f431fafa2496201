#include "paths.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "discovery/base/file.h"

void paths_clear(struct paths *p)
{
    free(p->state);
    free(p->db);
    free(p->cache);
    free(p->steps);
    free(p->beacons);
    *p = (struct paths){0};
}

static const char *find_home(void)
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
    return path_join(find_home(), ".local/state/dcop");
}

/* The first of two folders that holds `what`.  They are relative to this program's own
 * file, so that an installation under any prefix and a build tree both work. */
static char *find_beside(const char *const places[2], const char *what)
{
    char self[4096];
    ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash;

    if (size > 0) {
        self[size] = '\0';
        slash = strrchr(self, '/');
        if (slash)
            *slash = '\0';
        for (size_t i = 0; i < 2; i++) {
            CLEANUP_FREE char *place = path_join(self, places[i]);
            CLEANUP_FREE char *run = place ? path_join(place, what) : NULL;

            if (run && access(run, R_OK) == 0)
                return TAKE_PTR(place);
        }
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

int paths_find(const char *state_dir, struct paths *ret, struct error *err)
{
    CLEANUP(paths_clear) struct paths p = {0};
    int r;

    p.state = state_dir ? strdup(state_dir) : default_state();
    p.steps = find_steps();
    p.beacons = find_beacons();
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

int paths_keys(const struct strings *named, struct strings *ret, struct error *err)
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
        CLEANUP_FREE char *key = path_join(find_home(), usual[i]);

        if (!key || (access(key, R_OK) == 0 && strings_add(ret, key) < 0))
            r = -ENOMEM;
    }
    return r < 0 ? error_sys(err, r, "cannot find keys") : 0;
}
