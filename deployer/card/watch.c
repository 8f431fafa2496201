#include "watch.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "discovery/base/clock.h"
#include "discovery/base/file.h"

#define BLOCK "/sys/class/block"

enum { DISKS_MAX = 256, SETTLE_MS = 3000, NAME_MAX_LENGTH = 31 };

struct disk {
    char name[NAME_MAX_LENGTH + 1];
    uint64_t medium; /* changes with it; 0: none is in */
    int64_t since_ms;
    bool done;
    bool seen; /* in this scan */
};

struct watch {
    struct disk disks[DISKS_MAX];
    size_t count;
    const struct card_watch_events *events;
    void *arg;
};

static uint64_t read_number(const char *sys, const char *name, const char *what)
{
    CLEANUP_FREE char *path = NULL;
    CLEANUP_TEXT struct text number = TEXT_INIT;

    if (asprintf(&path, "%s/%s/%s", sys, name, what) < 0) {
        path = NULL;
        return 0;
    }
    if (access(path, F_OK) < 0 || file_read(path, 32, &number, NULL) < 0)
        return 0;
    return strtoull(text_str(&number), NULL, 10);
}

/* The folder of a disk in sysfs names the buses on its way: .../usb1/1-2/..., .../mmc_host/mmc0/
 * A disk on USB does not always say that it is removable. */
static bool is_on_reader_bus(const char *sys, const char *name)
{
    CLEANUP_FREE char *link = path_join(sys, name);
    CLEANUP_FREE char *real = link ? realpath(link, NULL) : NULL;

    return real && (strstr(real, "/usb") || strstr(real, "/mmc"));
}

static bool is_of_test(const char *sys, const char *name)
{
    const char *folder = getenv("DCOP_TEST_CARDS");
    CLEANUP_FREE char *path = NULL;
    CLEANUP_TEXT struct text file = TEXT_INIT;
    size_t size = folder ? strlen(folder) : 0;

    if (size == 0 || asprintf(&path, "%s/%s/loop/backing_file", sys, name) < 0) {
        path = NULL;
        return false;
    }
    return access(path, F_OK) == 0 && file_read(path, 4096, &file, NULL) == 0 &&
           strncmp(text_str(&file), folder, size) == 0 && text_str(&file)[size] == '/';
}

bool card_watch_takes(const char *sys, const char *name)
{
    return read_number(sys, name, "partition") == 0 &&
           (read_number(sys, name, "removable") == 1 || is_on_reader_bus(sys, name) ||
            is_of_test(sys, name));
}

/* diskseq is another for each medium (Linux 5.15); before, a card is told by its size alone. */
static uint64_t read_medium(const char *name)
{
    uint64_t size = read_number(BLOCK, name, "size");
    uint64_t sequence = read_number(BLOCK, name, "diskseq");

    return size == 0 ? 0 : sequence > 0 ? sequence : size;
}

static struct disk *find_disk(struct watch *w, const char *name)
{
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->disks[i].name, name) == 0)
            return &w->disks[i];
    if (w->count == DISKS_MAX)
        return NULL;
    w->disks[w->count] = (struct disk){.done = true};
    (void)snprintf(w->disks[w->count].name, sizeof(w->disks[0].name), "%s", name);
    return &w->disks[w->count++];
}

static void drop_gone(struct watch *w)
{
    size_t kept = 0;

    for (size_t i = 0; i < w->count; i++)
        if (w->disks[i].seen)
            w->disks[kept++] = w->disks[i];
    w->count = kept;
}

/* What is in which disk now. */
static int scan(struct watch *w, bool begin, struct error *err)
{
    DIR *d = opendir(BLOCK);

    if (!d)
        return error_sys(err, -errno, "cannot look at " BLOCK);
    for (size_t i = 0; i < w->count; i++)
        w->disks[i].seen = false;
    for (struct dirent *e; (e = readdir(d));) {
        struct disk *disk;
        uint64_t medium;

        if (*e->d_name == '.' || strlen(e->d_name) > NAME_MAX_LENGTH ||
            !card_watch_takes(BLOCK, e->d_name))
            continue;
        disk = find_disk(w, e->d_name);
        if (!disk)
            continue;
        medium = read_medium(e->d_name);
        disk->seen = true;
        if (medium == disk->medium)
            continue;
        disk->medium = medium;
        disk->since_ms = clock_ms(CLOCK_MONOTONIC);
        disk->done = begin || medium == 0;
    }
    (void)closedir(d);
    drop_gone(w);
    return 0;
}

/* 1: that was the last; else 0, and whether one is still waited for. */
static int work(struct watch *w, bool *ret_pending, struct error *err)
{
    *ret_pending = false;
    for (size_t i = 0; i < w->count; i++) {
        struct disk *disk = &w->disks[i];
        int r;

        if (disk->done)
            continue;
        r = w->events->on_card(disk->name, w->arg, err);
        if (r == -EAGAIN && clock_ms(CLOCK_MONOTONIC) - disk->since_ms < SETTLE_MS) {
            *ret_pending = true;
            continue;
        }
        if (r == -EAGAIN)
            w->events->on_strange(disk->name, w->arg);
        disk->done = true;
        if (r != 0 && r != -EAGAIN)
            return r;
    }
    return 0;
}

static int open_events(struct error *err)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1}; /* the kernel's */
    CLEANUP_CLOSE int fd =
        socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return error_sys(err, -errno, "cannot hear of new cards");
    return TAKE_FD(fd);
}

/* What they say does not matter, nor who sent them: the disks are looked at. */
static void drop_events(int fd)
{
    enum { EVENTS_MAX = 1024 };
    char buffer[8192];

    for (int i = 0;
         i < EVENTS_MAX && (recv(fd, buffer, sizeof(buffer), 0) >= 0 || errno == ENOBUFS); i++)
        ;
}

static int run_watch(struct watch *w, int fd, const sigset_t *before, struct error *err)
{
    int r = scan(w, true, err);

    if (r == 0)
        w->events->on_begin(w->arg);
    while (r == 0) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        struct timespec soon = {.tv_nsec = 200 * 1000 * 1000};
        bool pending;

        r = work(w, &pending, err);
        if (r != 0)
            break;
        if (ppoll(&p, 1, pending ? &soon : NULL, before) < 0 && errno != EINTR)
            return error_sys(err, -errno, "cannot wait for cards");
        drop_events(fd);
        r = scan(w, false, err);
    }
    return r < 0 ? r : 0;
}

int card_watch(const struct card_watch_events *events, void *arg, struct error *err)
{
    CLEANUP_FREE struct watch *w = calloc(1, sizeof(*w));
    CLEANUP_CLOSE int fd = w ? open_events(err) : -1;
    sigset_t held, before;
    int r;

    if (!w)
        return error_sys(err, -ENOMEM, "cannot wait for cards");
    if (fd < 0)
        return fd;
    w->events = events;
    w->arg = arg;
    (void)sigemptyset(&held);
    (void)sigaddset(&held, SIGINT);
    (void)sigaddset(&held, SIGTERM);
    (void)sigaddset(&held, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &held, &before) < 0)
        return error_sys(err, -errno, "cannot wait for cards");
    r = run_watch(w, fd, &before, err);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return r;
}
