#include "apply.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "deployer/base/folder.h"
#include "discovery/base/file.h"

#define UNDO CARD_FOLDER "/undo"
/* In UNDO: the names of all that was replaced, added or removed at the top. */
#define WRITTEN "written"
#define FLEET_KEY "dcop-fleet.key"

static bool is_top(const char *path)
{
    return !strchr(path, '/');
}

static char *path_in(const char *folder, const char *below, const char *name)
{
    char *path;

    return asprintf(&path, "%s/%s%s%s", folder, below, *below ? "/" : "", name) < 0 ? NULL : path;
}

static int flush(const char *folder, struct error *err)
{
    CLEANUP_CLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 || syncfs(fd) < 0 ? error_sys(err, -errno, "cannot flush %s", folder) : 0;
}

/* What it will take, and 64 KiB for folders and the log of the first boot. */
static int check_room(const char *folder, const struct content *plan, struct error *err)
{
    uint64_t needed = 64 * 1024, unit;
    struct statvfs fs;

    if (statvfs(folder, &fs) < 0)
        return error_sys(err, -errno, "cannot look at %s", folder);
    if (fs.f_flag & ST_RDONLY)
        return error_set(err, -EROFS,
                         "%s is read-only: slide the card's lock back, or mount it for writing",
                         folder);
    unit = fs.f_frsize > 0 ? fs.f_frsize : 512;
    for (size_t i = 0; i < plan->count; i++)
        needed += (plan->files[i].size / unit + 2) * unit;
    if ((uint64_t)fs.f_bavail * unit < needed)
        return error_set(err, -ENOSPC,
                         "%s is full: %llu KiB are needed, %llu KiB are free; remove files that "
                         "are not the image's, or write the image again",
                         folder, (unsigned long long)needed / 1024,
                         (unsigned long long)((uint64_t)fs.f_bavail * unit / 1024));
    return 0;
}

static int write_file(const char *folder, const struct content_file *f, struct error *err)
{
    CLEANUP_FREE char *path = path_in(folder, "", f->path);
    CLEANUP_FREE char *parent = path ? strdup(path) : NULL;
    int r;

    if (!parent)
        return error_sys(err, -ENOMEM, "cannot write %s", f->path);
    *strrchr(parent, '/') = '\0';
    r = make_folders(parent, 0755, err);
    return r < 0 ? r : file_write(path, f->data, f->size, f->mode, err);
}

/* Keeps what is there now, for card_undo.  0 when there is nothing. */
static int keep(const char *folder, const char *name, struct error *err)
{
    CLEANUP_FREE char *from = path_in(folder, "", name);
    CLEANUP_FREE char *to = path_in(folder, UNDO, name);
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    int r;

    if (!from || !to)
        return error_sys(err, -ENOMEM, "cannot keep %s", name);
    if (access(from, F_OK) < 0)
        return 0;
    r = file_read(from, CARD_FILE_MAX, &bytes, err);
    return r < 0 ? r : file_write(to, text_str(&bytes), bytes.size, 0644, err);
}

static int note_written(const char *folder, const struct strings *names, struct error *err)
{
    CLEANUP_FREE char *path = path_in(folder, UNDO, WRITTEN);
    CLEANUP_FREE char *lines = strings_join(names, "\n");

    if (!path || !lines)
        return error_sys(err, -ENOMEM, "cannot keep files");
    return file_write(path, lines, strlen(lines), 0644, err);
}

/* The list comes last: without it nothing at the top has been changed yet. */
static int keep_all(const char *folder, const struct card_look *look, const struct content *plan,
                    struct error *err)
{
    CLEANUP_FREE char *undo = path_in(folder, "", UNDO);
    CLEANUP_STRINGS struct strings names = {0};
    int r = undo ? make_folders(undo, 0755, err) : error_sys(err, -ENOMEM, "cannot keep files");

    if (r < 0)
        return r;
    if (strings_copy(&names, &look->strays) < 0)
        return error_sys(err, -ENOMEM, "cannot keep files");
    for (size_t i = 0; i < plan->count; i++)
        if (is_top(plan->files[i].path) && !strings_has(&names, plan->files[i].path) &&
            strings_add(&names, plan->files[i].path) < 0)
            return error_sys(err, -ENOMEM, "cannot keep files");
    for (size_t i = 0; i < names.count && r == 0; i++)
        if (strcmp(names.items[i], FLEET_KEY) != 0) /* one copy of it is enough */
            r = keep(folder, names.items[i], err);
    if (r == 0)
        r = flush(folder, err);
    return r == 0 ? note_written(folder, &names, err) : r;
}

static int strip_cmdline(const char *folder, const struct card_look *look, struct error *err)
{
    CLEANUP_FREE char *path = path_in(folder, "", "cmdline.txt");
    CLEANUP_TEXT struct text stripped = TEXT_INIT;

    card_cmdline_strip(text_str(&look->cmdline), &stripped);
    text_addc(&stripped, '\n');
    if (!path || text_error(&stripped) < 0)
        return error_sys(err, -ENOMEM, "cannot write cmdline.txt");
    return file_write(path, text_str(&stripped), stripped.size, 0644, err);
}

/* Strays that a plan does not replace. */
static int drop_strays(const char *folder, const struct card_look *look, struct error *err)
{
    for (size_t i = 0; i < look->strays.count; i++) {
        const char *name = look->strays.items[i];
        CLEANUP_FREE char *path = path_in(folder, "", name);
        int r = 0;

        if (!path)
            return error_sys(err, -ENOMEM, "cannot remove %s", name);
        if (strcmp(name, "cmdline.txt") == 0)
            r = strip_cmdline(folder, look, err);
        else if (strcmp(name, "user-data") != 0 && unlink(path) < 0 && errno != ENOENT)
            r = error_sys(err, -errno, "cannot remove %s", path);
        if (r < 0)
            return r;
    }
    return 0;
}

/* From now on the folder is ours, whatever happens. */
static int mark_unfinished(const char *folder, struct error *err)
{
    char path[] = CARD_MARK, mark[] = CARD_UNFINISHED "\n";
    struct content_file f = {.path = path, .data = mark, .size = sizeof(mark) - 1, .mode = 0644};
    int r = write_file(folder, &f, err);

    return r == 0 ? flush(folder, err) : r;
}

/* The mark that it is complete comes after all, also after the file that starts it. */
static int write_all(const char *folder, const struct card_look *look, const struct content *plan,
                     struct error *err)
{
    const struct content_file *mark = content_find(plan, CARD_MARK);
    int r = mark_unfinished(folder, err);

    if (r == 0)
        r = keep_all(folder, look, plan, err);
    for (size_t i = 0; i + 1 < plan->count && r == 0; i++)
        if (&plan->files[i] != mark)
            r = write_file(folder, &plan->files[i], err);
    if (r == 0)
        r = flush(folder, err);
    if (r == 0)
        r = drop_strays(folder, look, err);
    if (r == 0)
        r = write_file(folder, &plan->files[plan->count - 1], err);
    if (r == 0)
        r = flush(folder, err);
    if (r == 0 && mark)
        r = write_file(folder, mark, err);
    return r == 0 ? flush(folder, err) : r;
}

/* What a killed writer has left may hold the fleet key or a password. */
static int sweep(const char *folder, struct error *err)
{
    static const char *const places[] = {".", CARD_FOLDER, UNDO};

    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        CLEANUP_FREE char *place = path_in(folder, "", places[i]);

        if (!place)
            return error_sys(err, -ENOMEM, "cannot erase temporary files in %s", folder);
        file_sweep(place);
    }
    return 0;
}

int card_apply(const char *folder, const struct card_look *look, const struct content *plan,
               struct error *err)
{
    struct card_look now = {.prepared = true, .format = look->format}; /* not booted */
    int r = sweep(folder, err);

    if (r == 0)
        r = check_room(folder, plan, err);
    if (r < 0)
        return r;
    r = write_all(folder, look, plan, err);
    if (r < 0) {
        struct error why = {0};

        if (card_undo(folder, &now, &why) < 0)
            return error_set(err, r, "%s; and it cannot be taken back: %s", err ? err->text : "",
                             why.text);
    }
    return r;
}

/* --- undo ---------------------------------------------------------------------------- */

/* Overwritten, then removed. */
static int erase(const char *folder, const char *below, const char *name, struct error *err)
{
    CLEANUP_FREE char *path = path_in(folder, below, name);
    CLEANUP_CLOSE int fd = path ? open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;

    if (!path)
        return error_sys(err, -ENOMEM, "cannot erase %s", name);
    if (fd >= 0)
        file_overwrite(fd);
    if (unlink(path) < 0 && errno != ENOENT)
        return error_sys(err, -errno, "cannot remove %s", path);
    return 0;
}

static int restore(const char *folder, const char *name, struct error *err)
{
    CLEANUP_FREE char *path = path_in(folder, "", name);
    CLEANUP_FREE char *kept = path_in(folder, UNDO, name);
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    int r;

    if (!path || !kept)
        return error_sys(err, -ENOMEM, "cannot restore %s", name);
    if (access(kept, F_OK) < 0)
        return erase(folder, "", name, err);
    r = file_read(kept, CARD_FILE_MAX, &bytes, err);
    return r < 0 ? r : file_write(path, text_str(&bytes), bytes.size, 0644, err);
}

/* The names come from the card: only those that we write or remove count. */
static bool is_ours(const char *name)
{
    static const char *const files[] = {
        "cmdline.txt", "user-data",    "meta-data", "rpi-preseed.toml", "firstrun.sh",
        "custom.toml", "userconf.txt", "userconf",  "dcop-agent.conf",  FLEET_KEY,
    };

    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        if (strcmp(files[i], name) == 0)
            return true;
    return false;
}

static int restore_unbooted(const char *folder, struct error *err)
{
    CLEANUP_FREE char *path = path_in(folder, UNDO, WRITTEN);
    CLEANUP_TEXT struct text names = TEXT_INIT;
    int r;

    if (!path)
        return error_sys(err, -ENOMEM, "cannot restore %s", folder);
    if (access(path, F_OK) < 0)
        return 0;
    r = file_read(path, CARD_FILE_MAX, &names, err);
    if (r < 0 || !names.data)
        return r;
    for (char *rest = names.data, *name; r == 0 && (name = strsep(&rest, "\n"));)
        if (is_ours(name))
            r = restore(folder, name, err);
    return r;
}

/* What the image was before its first boot would set it up again: its files stay as they are
 * but for what is ours. */
static int restore_booted(const char *folder, const struct card_look *look, struct error *err)
{
    static const char empty[] = "#cloud-config\n";
    CLEANUP_FREE char *user_data = path_in(folder, "", "user-data");
    int r = strip_cmdline(folder, look, err);

    if (r == 0)
        r = erase(folder, "", "dcop-agent.conf", err);
    if (r == 0)
        r = erase(folder, "", FLEET_KEY, err);
    if (r == 0 && !user_data)
        r = error_sys(err, -ENOMEM, "cannot restore %s", folder);
    if (r == 0 && look->format == CARD_CLOUD_INIT)
        r = file_write(user_data, empty, sizeof(empty) - 1, 0644, err);
    return r;
}

/* Without the mark the rest would be somebody else's, when this is broken off. */
static void remove_but_mark(const char *ours)
{
    static const char *const below[] = {"beacon", "undo"};
    DIR *d = opendir(ours);

    for (size_t i = 0; i < ARRAY_SIZE(below); i++) {
        CLEANUP_FREE char *path = path_join(ours, below[i]);

        if (path)
            folder_remove(path);
    }
    for (struct dirent *e; d && (e = readdir(d));)
        if (strcmp(e->d_name, strrchr(CARD_MARK, '/') + 1) != 0)
            (void)unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        (void)closedir(d);
}

int card_undo(const char *folder, const struct card_look *look, struct error *err)
{
    CLEANUP_FREE char *ours = path_in(folder, "", CARD_FOLDER);
    int r = sweep(folder, err);

    if (r == 0)
        r = look->booted ? restore_booted(folder, look, err) : restore_unbooted(folder, err);
    if (r == 0)
        r = erase(folder, CARD_FOLDER, "settings", err);
    if (r == 0)
        r = flush(folder, err);
    if (r < 0)
        return r;
    if (!ours)
        return error_sys(err, -ENOMEM, "cannot restore %s", folder);
    remove_but_mark(ours);
    r = flush(folder, err);
    if (r < 0)
        return r;
    folder_remove(ours);
    if (access(ours, F_OK) == 0)
        return error_set(err, -EIO, "cannot remove %s", ours);
    return flush(folder, err);
}
