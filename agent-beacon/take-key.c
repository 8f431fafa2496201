#include "take-key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"
#include "discovery/base/key.h"
#include "identity.h"
#include "machine.h"

const char *const take_key_fleet_files[] = {
    "/boot/firmware/dcop-fleet.key", /* since Debian 12 */
    "/boot/dcop-fleet.key",
    NULL,
};

static int overwrite_key(const char *path)
{
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    const char zeros[KEY_FILE_MAX] = {0}; /* key_load has refused what is longer */
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (file_write_all(fd, zeros, st.st_size < KEY_FILE_MAX ? (size_t)st.st_size : KEY_FILE_MAX) <
            0 ||
        fsync(fd) < 0)
        return -errno;
    return 0;
}

/* A flash card may still keep the old block; we cannot erase that. */
static int erase_key(const char *path, struct error *err)
{
    int r = overwrite_key(path);

    if (unlink(path) < 0 && r == 0)
        r = -errno;
    if (r < 0)
        return error_sys(err, r, "cannot erase the fleet key in %s, delete it by hand", path);
    sync(); /* a FAT folder cannot always be synced by itself */
    return 0;
}

static int take_key_from(const char *path, const char *root, const char *state_folder,
                         struct error *err)
{
    CLEANUP(key_clear) struct key fleet = {{0}};
    CLEANUP(key_clear) struct key machine = {{0}};
    CLEANUP_FREE char *folder = NULL, *file = NULL, *hostkey = NULL;
    struct identity identity;
    int r = key_load(path, &fleet, err);

    if (r < 0)
        return r;
    r = identity_read(root, state_folder, true, &identity, err);
    if (r < 0)
        return r;
    hostkey = machine_hostkey(root);
    if (!hostkey)
        return error_set(
            err, -ENOENT,
            "the machine has no SSH host key yet, to which its key is bound; the fleet "
            "key in %s waits for the next start",
            path);
    if (asprintf(&folder, "%s/etc/dcop", root) < 0)
        folder = NULL;
    if (asprintf(&file, "%s" TAKE_KEY_MACHINE_FILE, root) < 0)
        file = NULL;
    if (!folder || !file)
        return error_sys(err, -ENOMEM, "cannot take the fleet key");
    r = make_folders(folder, 0755, err);
    if (r < 0)
        return r;
    file_sweep(folder);
    key_derive(&fleet, identity.id, hostkey, &machine);
    r = key_write(file, &machine, err);
    return r < 0 ? r : erase_key(path, err);
}

int take_key(const char *root, const char *state_folder, struct error *err)
{
    int taken = 0;

    for (const char *const *name = take_key_fleet_files; *name; name++) {
        CLEANUP_FREE char *path = NULL;
        int r;

        if (asprintf(&path, "%s%s", root, *name) < 0) {
            path = NULL;
            return error_sys(err, -ENOMEM, "cannot take the fleet key");
        }
        if (access(path, F_OK) < 0)
            continue;
        r = take_key_from(path, root, state_folder, err);
        if (r < 0)
            return r;
        taken = 1;
    }
    return taken;
}
