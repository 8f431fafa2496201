#include "avahi-poll.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <time.h>

struct avahi_poll {
    AvahiPoll api; /* its userdata is the avahi_poll */
    sd_event *loop;
};

/* Avahi declares these two types and leaves their content to us. */
struct AvahiWatch {
    sd_event_source *source;
    int fd; /* as Avahi gave it; the loop has a duplicate */
    AvahiWatchEvent happened;
    AvahiWatchCallback callback;
    void *userdata;
};

struct AvahiTimeout {
    sd_event_source *source;
    AvahiTimeoutCallback callback;
    void *userdata;
};

enum {
    /* sd-event may delay a timer by its accuracy, 250 ms by default. */
    TIMER_ACCURACY_US = 1000,
};

static uint32_t to_epoll(AvahiWatchEvent events)
{
    return ((events & AVAHI_WATCH_IN) ? (uint32_t)EPOLLIN : 0) |
           ((events & AVAHI_WATCH_OUT) ? (uint32_t)EPOLLOUT : 0) |
           ((events & AVAHI_WATCH_ERR) ? (uint32_t)EPOLLERR : 0) |
           ((events & AVAHI_WATCH_HUP) ? (uint32_t)EPOLLHUP : 0);
}

static AvahiWatchEvent from_epoll(uint32_t events)
{
    return (AvahiWatchEvent)(((events & EPOLLIN) ? AVAHI_WATCH_IN : 0) |
                             ((events & EPOLLOUT) ? AVAHI_WATCH_OUT : 0) |
                             ((events & EPOLLERR) ? AVAHI_WATCH_ERR : 0) |
                             ((events & EPOLLHUP) ? AVAHI_WATCH_HUP : 0));
}

static int on_watch(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    AvahiWatch *w = userdata;

    (void)source;
    (void)fd;
    w->happened = from_epoll(revents);
    w->callback(w, w->fd, w->happened, w->userdata); /* may have freed w */
    return 0;
}

static void watch_free(AvahiWatch *w)
{
    sd_event_source_disable_unref(w->source);
    free(w);
}

static AvahiWatch *watch_new(const AvahiPoll *api, int fd, AvahiWatchEvent events,
                             AvahiWatchCallback callback, void *userdata)
{
    struct avahi_poll *p = api->userdata;
    CLEANUP_CLOSE int duplicate = -1;
    AvahiWatch *w;

    /* libdbus has one watch for reading and one for writing on the same
     * descriptor, and epoll takes each descriptor once: epoll_ctl(2), EEXIST. */
    duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (duplicate < 0)
        return NULL;
    w = calloc(1, sizeof(*w));
    if (!w)
        return NULL;
    w->fd = fd;
    w->callback = callback;
    w->userdata = userdata;
    if (sd_event_add_io(p->loop, &w->source, duplicate, to_epoll(events), on_watch, w) < 0) {
        free(w);
        return NULL;
    }
    (void)sd_event_source_set_io_fd_own(w->source, 1); /* fails for another's source only */
    duplicate = -1;
    return w;
}

static void watch_update(AvahiWatch *w, AvahiWatchEvent events)
{
    (void)sd_event_source_set_io_events(w->source, to_epoll(events));
}

static AvahiWatchEvent watch_get_events(AvahiWatch *w)
{
    return w->happened;
}

static int64_t now_us(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Avahi's timeouts are times of day (avahi_elapse_time()).  The loop's are
 * monotonic, so that setting the clock does not move a waiting timeout. */
static uint64_t to_monotonic(const struct timeval *tv)
{
    enum { YEAR = 366 * 24 * 3600 };
    int64_t now = now_us(CLOCK_REALTIME), wait;

    if (tv->tv_sec <= now / 1000000 - 1)
        wait = 0;
    else if (tv->tv_sec >= now / 1000000 + YEAR)
        wait = (int64_t)YEAR * 1000000;
    else
        wait = (int64_t)tv->tv_sec * 1000000 + tv->tv_usec - now;
    return (uint64_t)(now_us(CLOCK_MONOTONIC) + (wait > 0 ? wait : 0));
}

/* A one-shot source is off before its callback runs, which may set it again. */
static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
    AvahiTimeout *t = userdata;

    (void)source;
    (void)usec;
    t->callback(t, t->userdata); /* may have freed t */
    return 0;
}

static void timeout_update(AvahiTimeout *t, const struct timeval *tv)
{
    if (!tv) {
        (void)sd_event_source_set_enabled(t->source, SD_EVENT_OFF);
        return;
    }
    (void)sd_event_source_set_time(t->source, to_monotonic(tv));
    (void)sd_event_source_set_enabled(t->source, SD_EVENT_ONESHOT);
}

static void timeout_free(AvahiTimeout *t)
{
    sd_event_source_disable_unref(t->source);
    free(t);
}

static AvahiTimeout *timeout_new(const AvahiPoll *api, const struct timeval *tv,
                                 AvahiTimeoutCallback callback, void *userdata)
{
    struct avahi_poll *p = api->userdata;
    AvahiTimeout *t = calloc(1, sizeof(*t));

    if (!t)
        return NULL;
    t->callback = callback;
    t->userdata = userdata;
    if (sd_event_add_time(p->loop, &t->source, CLOCK_MONOTONIC, UINT64_MAX, TIMER_ACCURACY_US,
                          on_timeout, t) < 0) {
        free(t);
        return NULL;
    }
    timeout_update(t, tv);
    return t;
}

int avahi_poll_new(sd_event *loop, struct avahi_poll **ret)
{
    struct avahi_poll *p = calloc(1, sizeof(*p));

    if (!p)
        return -ENOMEM;
    p->loop = sd_event_ref(loop);
    p->api = (AvahiPoll){
        .userdata = p,
        .watch_new = watch_new,
        .watch_update = watch_update,
        .watch_get_events = watch_get_events,
        .watch_free = watch_free,
        .timeout_new = timeout_new,
        .timeout_update = timeout_update,
        .timeout_free = timeout_free,
    };
    *ret = p;
    return 0;
}

void avahi_poll_free(struct avahi_poll *p)
{
    if (!p)
        return;
    sd_event_unref(p->loop);
    free(p);
}

const AvahiPoll *avahi_poll_get(const struct avahi_poll *p)
{
    return &p->api;
}
