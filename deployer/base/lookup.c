#include "lookup.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "discovery/base/clock.h"

/* Shared by the caller and the thread; the one that is done last frees it. */
struct lookup {
    atomic_int users;
    atomic_bool done; /* the thread has written `status`, `code` and `found` */
    int done_fd;      /* then readable, too */
    int status;       /* EAI_… */
    int code;         /* errno for EAI_SYSTEM */
    struct addrinfo *found;
    unsigned timeout_ms;
    int64_t deadline; /* CLOCK_MONOTONIC, ms */
    char name[LOOKUP_NAME_MAX + 1];
};

static void lookup_unref(struct lookup *l)
{
    if (atomic_fetch_sub(&l->users, 1) > 1)
        return;
    if (l->found)
        freeaddrinfo(l->found);
    if (l->done_fd >= 0)
        (void)close(l->done_fd);
    free(l);
}

static void *look_up(void *data)
{
    static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct lookup *l = data;
    struct addrinfo *found = NULL;

    l->status = getaddrinfo(l->name, NULL, &hints, &found);
    l->code = errno;
    l->found = l->status == 0 ? found : NULL;
    atomic_store(&l->done, true);
    (void)eventfd_write(l->done_fd, 1);
    lookup_unref(l);
    return NULL;
}

static int start_thread(struct lookup *l)
{
    pthread_attr_t attr;
    sigset_t all, before;
    pthread_t thread;
    int r;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    atomic_store(&l->users, 2);
    r = -pthread_create(&thread, &attr, look_up, l);
    if (r < 0)
        atomic_store(&l->users, 1);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return r;
}

int lookup_start(const char *name, unsigned timeout_ms, struct lookup **ret, struct error *err)
{
    size_t size = strlen(name);
    struct lookup *l;
    int r;

    if (size > LOOKUP_NAME_MAX)
        return error_set(err, -EINVAL, "cannot look up %.40s…: names have at most %d characters",
                         name, LOOKUP_NAME_MAX);
    l = calloc(1, sizeof(*l));
    if (!l)
        return error_sys(err, -ENOMEM, "cannot look up %s", name);
    memcpy(l->name, name, size + 1);
    l->timeout_ms = timeout_ms;
    l->deadline = clock_ms(CLOCK_MONOTONIC) + timeout_ms;
    atomic_init(&l->users, 1);
    l->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r = l->done_fd < 0 ? -errno : start_thread(l);
    if (r < 0) {
        lookup_unref(l);
        return error_sys(err, r, "cannot look up %s", name);
    }
    *ret = l;
    return 0;
}

static int wait_for_end(struct lookup *l, int stop_fd)
{
    struct pollfd fds[] = {{.fd = l->done_fd, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}};

    for (;;) {
        int64_t left = l->deadline - clock_ms(CLOCK_MONOTONIC);
        int n = poll(fds, 2, left > 0 ? (int)left : 0);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (atomic_load(&l->done))
            return 0;
        if (n > 0 && fds[1].revents)
            return -ECANCELED;
        if (n == 0 && left <= 0)
            return -ETIMEDOUT;
    }
}

static int take_result(struct lookup *l, struct addrinfo **ret, struct error *err)
{
    switch (l->status) {
    case 0:
        *ret = TAKE_PTR(l->found);
        return 0;
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        return error_set(
            err, -ENOENT,
            "cannot find the host %s: is its name spelled right, and is it switched on?", l->name);
    case EAI_MEMORY:
        return error_sys(err, -ENOMEM, "cannot look up %s", l->name);
    case EAI_SYSTEM:
        return error_sys(err, l->code > 0 ? -l->code : -EIO, "cannot look up %s", l->name);
    default:
        return error_set(
            err, -EIO,
            "cannot look up %s: %s; give its address instead, or check the name service (DNS)",
            l->name, gai_strerror(l->status));
    }
}

int lookup_end(struct lookup *l, int stop_fd, struct addrinfo **ret, struct error *err)
{
    int r = wait_for_end(l, stop_fd);

    if (r == 0)
        r = take_result(l, ret, err);
    else if (r == -ETIMEDOUT)
        (void)error_set(err, r,
                        "cannot look up %s: no answer in %u.%u s; give its address instead, or "
                        "check the name service (DNS)",
                        l->name, l->timeout_ms / 1000, l->timeout_ms % 1000 / 100);
    else
        (void)error_sys(err, r, "cannot look up %s", l->name);
    lookup_unref(l);
    return r;
}

int lookup_run(const char *name, unsigned timeout_ms, int stop_fd, struct addrinfo **ret,
               struct error *err)
{
    struct lookup *l = NULL;
    int r = lookup_start(name, timeout_ms, &l, err);

    return r < 0 ? r : lookup_end(l, stop_fd, ret, err);
}
