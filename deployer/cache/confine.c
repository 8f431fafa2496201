#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "discovery/base/cleanup.h"
#include "store.h"

static int enter_namespace(const char *folder)
{
    if (mkdir(CACHE_CONFINED, 0755) < 0 && errno != EEXIST)
        return -errno;
    if (unshare(CLONE_NEWNS) < 0)
        return -errno;
    /* Mounts made outside appear inside, but not the other way round. */
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
        mount(folder, CACHE_CONFINED, NULL, MS_BIND, NULL) < 0)
        return -errno;
    return 0;
}

/* These folders may only be traversed; the state folder blocks access to them from
 * outside. */
static int open_folders(void)
{
    static const char *const folders[] = {
        CACHE_CONFINED,
        CACHE_CONFINED "/apt",
        CACHE_CONFINED "/apt/conf",
        CACHE_CONFINED "/pip",
    };

    for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
        if (chmod(folders[i], i == 2 ? 0755 : 0711) < 0)
            return -errno;
    return 0;
}

/* Can the user run devpi-server?  Not if Python is below a home folder, or if the virtual
 * environment was made with a strict umask. */
static bool can_run(const struct cache_user *user)
{
    bool can;

    if (setegid(user->gid) < 0)
        return false;
    if (seteuid(user->uid) < 0) {
        (void)!setegid(0);
        return false;
    }
    can = faccessat(AT_FDCWD, CACHE_CONFINED "/pip/venv/bin/python", X_OK, AT_EACCESS) == 0 &&
          faccessat(AT_FDCWD, CACHE_CONFINED "/pip/venv/bin/devpi-server", R_OK, AT_EACCESS) == 0;
    return seteuid(0) == 0 && setegid(0) == 0 && can;
}

struct cache_user cache_confine(const struct paths *p)
{
    CLEANUP_FREE char *folder = cache_path(p, "");
    const struct passwd *pw = geteuid() == 0 ? getpwnam("apt-cacher-ng") : NULL;
    struct cache_user user = {0};

    if (!folder || !pw || pw->pw_uid == 0)
        return user;
    user.uid = pw->pw_uid;
    user.gid = pw->pw_gid;
    user.drop = enter_namespace(folder) == 0 && open_folders() == 0 && can_run(&user);
    return user;
}

static void change_owner(const char *path, const struct cache_user *user)
{
    char *const roots[] = {(char *)(uintptr_t)path, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);

    if (!tree)
        return;
    for (FTSENT *e; (e = fts_read(tree));)
        if (e->fts_info != FTS_DP && e->fts_statp->st_uid != user->uid)
            (void)!lchown(e->fts_path, user->uid, user->gid);
    (void)fts_close(tree);
}

void cache_confine_files(const struct cache_user *user)
{
    static const char *const places[] = {
        CACHE_CONFINED "/apt/conf/acng.conf",
        CACHE_CONFINED "/apt/cache",
        CACHE_CONFINED "/apt/log",
        CACHE_CONFINED "/pip/server",
        CACHE_CONFINED "/pip/logger.json",
    };

    for (size_t i = 0; i < ARRAY_SIZE(places) && user->drop; i++)
        change_owner(places[i], user);
}

int cache_confine_become(const struct cache_user *user)
{
    if (!user->drop)
        return 0;
    if (setgroups(0, NULL) < 0 || setresgid(user->gid, user->gid, user->gid) < 0 ||
        setresuid(user->uid, user->uid, user->uid) < 0)
        return -errno;
    return 0;
}
