#include "device.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "discovery/base/file.h"
#include "discovery/base/process.h"

enum { PARTITIONS_MAX = 128, MOUNT_MS = 60000 };

static void close_folder(DIR **d)
{
    if (*d)
        (void)closedir(*d);
}

/* The signature at the sector's end, and the type's name (Microsoft FAT specification 1.03,
 * BS_FilSysType): a partition table has the first and not the second.  1: yes, 0: no, or
 * there is nothing to read; else a negative errno. */
static int holds_fat(const char *node)
{
    CLEANUP_CLOSE int fd = open(node, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    uint8_t sector[512];
    ssize_t n = fd < 0 ? -1 : pread(fd, sector, sizeof(sector), 0);

    /* Not there yet, or not any more, or a reader without a card. */
    if (n < 0 && (errno == ENOENT || errno == ENXIO || errno == ENOMEDIUM || errno == ENODEV))
        return 0;
    if (n < 0)
        return -errno;
    return n == (ssize_t)sizeof(sector) && sector[510] == 0x55 && sector[511] == 0xaa &&
           (memcmp(sector + 54, "FAT", 3) == 0 || memcmp(sector + 82, "FAT32", 5) == 0);
}

static int partition_number(const char *sys, const char *disk, const char *name)
{
    CLEANUP_FREE char *path = NULL;
    CLEANUP_TEXT struct text number = TEXT_INIT;

    if (asprintf(&path, "%s/%s/%s/partition", sys, disk, name) < 0) {
        path = NULL;
        return 0;
    }
    if (access(path, F_OK) < 0 || file_read(path, 16, &number, NULL) < 0)
        return 0;
    return atoi(text_str(&number));
}

/* The FAT partition with the lowest number.  1: found; 0: there is none; else why one of them
 * cannot be read, and none was found. */
static int find_partition(const char *sys, const char *dev, const char *disk, char **ret)
{
    CLEANUP_FREE char *folder = path_join(sys, disk);
    CLEANUP(close_folder) DIR *d = folder ? opendir(folder) : NULL;
    int lowest = PARTITIONS_MAX + 1, why = 0;

    for (struct dirent *e; d && (e = readdir(d));) {
        int number = *e->d_name == '.' ? 0 : partition_number(sys, disk, e->d_name), r;
        CLEANUP_FREE char *node = number > 0 ? path_join(dev, e->d_name) : NULL;

        if (number <= 0 || number >= lowest || !node)
            continue;
        r = holds_fat(node);
        if (r < 0)
            why = r;
        if (r <= 0)
            continue;
        lowest = number;
        free(*ret);
        *ret = TAKE_PTR(node);
    }
    return *ret ? 1 : why;
}

int card_device_find(const char *sys, const char *dev, const char *name, char **ret,
                     struct error *err)
{
    CLEANUP_FREE char *node = path_join(dev, name);
    int r;

    *ret = NULL;
    if (!node)
        return error_sys(err, -ENOMEM, "cannot look at %s", name);
    r = find_partition(sys, dev, name, ret);
    if (r == 0)
        r = holds_fat(node);
    if (r == -EACCES || r == -EPERM)
        return error_set(err, r,
                         "only root can read %s: use sudo -E, or give the folder where the card is "
                         "mounted",
                         node);
    if (r < 0)
        return error_sys(err, r, "cannot read %s", node);
    if (r == 0)
        return error_set(err, -ENOENT,
                         "%s has no boot partition (FAT): write an image of Raspberry Pi OS to the "
                         "card first",
                         node);
    if (!*ret)
        *ret = TAKE_PTR(node);
    return 0;
}

/* proc_pid_mountinfo(5): the third field is the device, the fifth the folder. */
static bool parse_mount(char *line, unsigned *ret_major, unsigned *ret_minor, char **ret_folder)
{
    char *rest = NULL, *field = strtok_r(line, " ", &rest);

    for (int i = 0; i < 2 && field; i++)
        field = strtok_r(NULL, " ", &rest);
    if (!field || sscanf(field, "%u:%u", ret_major, ret_minor) != 2)
        return false;
    for (int i = 0; i < 2 && field; i++)
        field = strtok_r(NULL, " ", &rest);
    *ret_folder = field;
    return field != NULL;
}

/* Blanks and the like are \NNN. */
static void decode_octal(char *s)
{
    char *to = s;

    for (unsigned byte; *s; s++) {
        if (*s == '\\' && sscanf(s + 1, "%3o", &byte) == 1) {
            *to++ = (char)byte;
            s += 3;
        } else
            *to++ = *s;
    }
    *to = '\0';
}

static bool is_own(const char *folder)
{
    static const char *const own[] = {"/", "/boot", "/boot/firmware", "/boot/efi", "/efi"};

    for (size_t i = 0; i < ARRAY_SIZE(own); i++)
        if (strcmp(own[i], folder) == 0)
            return true;
    return false;
}

int card_device_mounted(const char *node, char **ret, struct error *err)
{
    enum { MOUNTS_MAX = 4 * 1024 * 1024 };
    CLEANUP_TEXT struct text mounts = TEXT_INIT;
    struct stat st;
    int r;

    *ret = NULL;
    if (stat(node, &st) < 0)
        return error_sys(err, -errno, "cannot look at %s", node);
    r = file_read("/proc/self/mountinfo", MOUNTS_MAX, &mounts, err);
    if (r < 0 || !mounts.data)
        return r;
    for (char *rest = mounts.data, *line; (line = strsep(&rest, "\n"));) {
        unsigned major, minor;
        char *folder;

        if (!parse_mount(line, &major, &minor, &folder) || major != major(st.st_rdev) ||
            minor != minor(st.st_rdev))
            continue;
        decode_octal(folder);
        if (is_own(folder))
            return error_set(err, -EINVAL,
                             "%s is mounted on %s: this computer starts from it, it is no card to "
                             "prepare",
                             node, folder);
        if (!*ret && !(*ret = strdup(folder)))
            return error_sys(err, -ENOMEM, "cannot look at %s", node);
    }
    return 0;
}

static int run(const char *const *argv, const char *what, const char *node, struct error *err)
{
    CLEANUP(process_result_clear) struct process_result result = {0};
    struct process_options options = {.argv = argv, .timeout_ms = MOUNT_MS, .cancel_fd = -1};
    int r = process_run(&options, &result, err);

    if (r == 0 && result.status != 0) {
        if (result.errors.size > 0)
            result.errors.data[strcspn(result.errors.data, "\n")] = '\0';
        return error_set(err, -EIO, "cannot %s %s: %s", what, node, text_str(&result.errors));
    }
    return r;
}

/* A mount namespace of this process, whose mounts the rest of the system does not get. */
static int make_private(struct error *err)
{
    static bool done; /* once is for always */

    if (done)
        return 0;
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return errno == EPERM ? error_set(err, -EPERM,
                                          "only root can mount a card: use sudo -E, or give the "
                                          "folder where it is mounted")
                              : error_sys(err, -errno, "cannot mount the card privately");
    done = true;
    return 0;
}

int card_device_mount(const char *node, char **ret_folder, struct error *err)
{
    CLEANUP_FREE char *folder = strdup("/tmp/dcop-card.XXXXXX");
    const char *argv[] = {"mount", "-t", "vfat", "-o", "nosuid,nodev,noexec", node, NULL, NULL};
    int r = make_private(err);

    if (r < 0)
        return r;
    if (!folder || !mkdtemp(folder))
        return error_sys(err, folder ? -errno : -ENOMEM, "cannot mount %s", node);
    argv[6] = folder;
    r = run(argv, "mount", node, err);
    if (r < 0) {
        (void)rmdir(folder);
        return r;
    }
    *ret_folder = TAKE_PTR(folder);
    return 0;
}

int card_device_unmount(char *folder, struct error *err)
{
    CLEANUP_FREE char *mine = folder;
    const char *argv[] = {"umount", mine, NULL};
    int r = run(argv, "unmount", mine, err);

    if (r == 0)
        (void)rmdir(mine);
    return r;
}
