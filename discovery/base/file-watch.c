#include "file-watch.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "cleanup.h"

/* Events of the folder itself: it was removed or replaced, or events
 * were lost. */
#define FOLDER_GONE (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT | IN_Q_OVERFLOW)

enum {
    FOLDER_MASK = IN_ONLYDIR | IN_DELETE_SELF | IN_MOVE_SELF | IN_CREATE | IN_MOVED_TO | IN_ATTRIB,
    FILE_MASK = FOLDER_MASK | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_DELETE,
};

struct file_watch {
    sd_event *loop;
    sd_event_source *source;
    char *path;
    size_t folder; /* length of the part of `path` that is watched; 0: the root */
    file_watch_callback changed;
    void *userdata;
};

static int on_event(sd_event_source *source, const struct inotify_event *event, void *userdata);

/* End of the component after `from`, which is the index of a slash. */
static size_t component_end(const struct file_watch *w, size_t from)
{
    return from + 1 + strcspn(w->path + from + 1, "/");
}

static bool holds_file(const struct file_watch *w)
{
    return w->path[component_end(w, w->folder)] == '\0';
}

/* Watches the folder that the first `size` bytes of the path name. */
static int watch_folder(struct file_watch *w, size_t size)
{
    sd_event_source *source = NULL;
    CLEANUP_FREE char *folder = size > 0 ? strndup(w->path, size) : strdup("/");
    uint32_t mask = w->path[component_end(w, size)] == '\0' ? FILE_MASK : FOLDER_MASK;
    int r;

    if (!folder)
        return -ENOMEM;
    r = sd_event_add_inotify(w->loop, &source, folder, mask, on_event, w);
    if (r < 0)
        return r;
    sd_event_source_disable_unref(w->source);
    w->source = source;
    w->folder = size;
    return 0;
}

/* Goes up to the nearest folder that exists, then down again as far as folders
 * have been created meanwhile. */
static int watch_nearest_folder(struct file_watch *w)
{
    size_t at = (size_t)(strrchr(w->path, '/') - w->path);
    int r;

    for (;;) {
        r = watch_folder(w, at);
        if (r >= 0)
            break;
        if (at == 0 || r == -ENOSPC || r == -ENOMEM)
            return r;
        at = (size_t)((char *)memrchr(w->path, '/', at) - w->path);
    }
    while (!holds_file(w))
        if (watch_folder(w, component_end(w, w->folder)) < 0)
            break;
    return 0;
}

/* Is a file that was just created complete?  A regular file is still open and
 * empty; a link is complete at once. */
static bool is_complete(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && (!S_ISREG(st.st_mode) || st.st_nlink > 1);
}

static int on_event(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
    struct file_watch *w = userdata;
    size_t start = w->folder + 1, end = component_end(w, w->folder);

    (void)source;
    if (event->mask & FOLDER_GONE) {
        (void)watch_nearest_folder(w);
        w->changed(w->userdata);
        return 0;
    }
    if (event->len == 0 || strlen(event->name) != end - start ||
        memcmp(event->name, w->path + start, end - start) != 0)
        return 0;
    if (!holds_file(w))
        (void)watch_nearest_folder(w);
    else if ((event->mask & IN_CREATE) && !is_complete(w->path))
        return 0;
    w->changed(w->userdata);
    return 0;
}

int file_watch_new(sd_event *loop, const char *path, file_watch_callback changed, void *userdata,
                   struct file_watch **ret, struct error *err)
{
    struct file_watch *w;
    int r;

    if (path[0] != '/' || strlen(path) >= PATH_MAX)
        return error_set(err, -EINVAL, "cannot watch %s: not an absolute path", path);
    w = calloc(1, sizeof(*w));
    if (!w || !(w->path = strdup(path))) {
        free(w);
        return error_sys(err, -ENOMEM, "cannot watch %s", path);
    }
    w->loop = sd_event_ref(loop);
    w->changed = changed;
    w->userdata = userdata;
    r = watch_nearest_folder(w);
    if (r < 0) {
        file_watch_free(w);
        return error_sys(err, r, "cannot watch %s", path);
    }
    *ret = w;
    return 0;
}

void file_watch_again(struct file_watch *w)
{
    (void)watch_nearest_folder(w);
}

void file_watch_free(struct file_watch *w)
{
    if (!w)
        return;
    sd_event_source_disable_unref(w->source);
    sd_event_unref(w->loop);
    free(w->path);
    free(w);
}
