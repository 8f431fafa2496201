#include "discovery-thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "discovery/base/queue.h"
#include "discovery/roster/machine.h"

enum { NEWS_WAITING_MAX = 65536, NEWS_AT_ONCE = 128 };

enum news_of { OF_MACHINE, OF_DAEMON, OF_DOMAIN, OF_KNOWN };

/* An event on its way to the caller's loop. */
struct news {
    enum news_of of;
    const void *key;
    struct machine machine;
    enum roster_change change;
    bool there;
    char *reason;
};

struct discovery_thread {
    struct discovery_thread_options options;
    struct queue *queue;
    sd_event_source *source;
    pthread_t thread;
    bool started;
    int stop; /* eventfd */
    /* Used by the thread only: */
    sd_event *loop;
    struct discovery *discovery;
    sd_event_source *stop_source;
    char *domain_words, *known_words; /* as told last; NULL: none */
};

static void news_free(void *item)
{
    struct news *n = item;

    machine_clear(&n->machine);
    free(n->reason);
    free(n);
}

/* --- in the thread ------------------------------------------------------------- */

/* Without memory the event is lost; the machine's next change makes up for it. */
static void push_news(struct discovery_thread *w, struct news *n)
{
    if (queue_push_wait(w->queue, n, NEWS_WAITING_MAX) < 0)
        news_free(n);
}

static void on_change(const struct machine *m, enum roster_change change, void *arg)
{
    struct news *n = calloc(1, sizeof(*n));

    if (!n)
        return;
    n->key = m;
    n->change = change;
    if (machine_copy(m, &n->machine) < 0)
        news_free(n);
    else
        push_news(arg, n);
}

static void on_daemon(bool there, const char *reason, void *arg)
{
    struct news *n = calloc(1, sizeof(*n));

    if (!n)
        return;
    n->of = OF_DAEMON;
    n->there = there;
    n->reason = reason ? strdup(reason) : NULL;
    push_news(arg, n);
}

/* Tells them if they are not what was told last. */
static void tell_words(struct discovery_thread *w, enum news_of of, const char *words, char **last)
{
    struct news *n;

    if (string_equal(words, *last))
        return;
    n = calloc(1, sizeof(*n));
    if (!n)
        return;
    free(*last);
    *last = words ? strdup(words) : NULL;
    n->of = of;
    n->reason = words ? strdup(words) : NULL;
    push_news(w, n);
}

static void on_progress(void *arg)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    struct discovery_thread *w = arg;
    struct discovery_status status;

    tell_words(w, OF_KNOWN, discovery_known_trouble(w->discovery), &w->known_words);
    discovery_status(w->discovery, &status);
    if (status.asking)
        return;
    (void)discovery_explain_domain(w->discovery, &words);
    tell_words(w, OF_DOMAIN, words.size > 0 ? text_str(&words) : NULL, &w->domain_words);
}

static int on_stop(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct discovery_thread *w = arg;

    (void)source, (void)fd, (void)events;
    return sd_event_exit(w->loop, 0);
}

static void *run_discovery_loop(void *arg)
{
    struct discovery_thread *w = arg;

    (void)sd_event_loop(w->loop);
    w->stop_source = sd_event_source_disable_unref(w->stop_source);
    discovery_free(TAKE_PTR(w->discovery));
    free(TAKE_PTR(w->domain_words));
    free(TAKE_PTR(w->known_words));
    w->loop = sd_event_unref(w->loop);
    return NULL;
}

/* --- on the caller's loop -------------------------------------------------------- */

static int on_queue(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct discovery_thread *w = arg;
    struct news *n;

    (void)source, (void)fd, (void)events;
    for (int i = 0; i < NEWS_AT_ONCE && (n = queue_pop(w->queue)); i++) {
        switch (n->of) {
        case OF_MACHINE:
            w->options.change(n->key, &n->machine, n->change, w->options.arg);
            break;
        case OF_DAEMON:
            w->options.daemon(n->there, n->reason, w->options.arg);
            break;
        case OF_DOMAIN:
            w->options.domain_trouble(n->reason, w->options.arg);
            break;
        case OF_KNOWN:
            w->options.known_trouble(n->reason, w->options.arg);
            break;
        }
        news_free(n);
    }
    return 0;
}

/* All is made here and then used by the new thread only: no two threads use it at once. */
static int start_thread(struct discovery_thread *w, struct error *err)
{
    const struct discovery_options options = {
        .fleet = w->options.fleet,
        .key = w->options.key,
        .known = w->options.known,
        .domain = w->options.domain,
        .keep = true,
        .change = on_change,
        .daemon = on_daemon,
        .progress = on_progress,
        .arg = w,
    };
    sigset_t all, before;
    int r = sd_event_new(&w->loop);

    if (r >= 0)
        r = sd_event_add_io(w->loop, &w->stop_source, w->stop, EPOLLIN, on_stop, w);
    if (r >= 0) /* before packets, however many there are */
        r = sd_event_source_set_priority(w->stop_source, SD_EVENT_PRIORITY_IMPORTANT - 2);
    if (r < 0)
        return error_sys(err, r, "cannot discover machines");
    r = discovery_new(w->loop, &options, &w->discovery, err);
    if (r < 0)
        return r;
    (void)sigfillset(&all); /* the main thread handles signals */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    r = -pthread_create(&w->thread, NULL, run_discovery_loop, w);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    w->started = r == 0;
    return r < 0 ? error_sys(err, r, "cannot discover machines") : 0;
}

int discovery_thread_new(sd_event *loop, const struct discovery_thread_options *options,
                         struct discovery_thread **ret, struct error *err)
{
    CLEANUP(discovery_thread_free_p) struct discovery_thread *w = calloc(1, sizeof(*w));
    int r;

    if (!w)
        return error_sys(err, -ENOMEM, "cannot discover machines");
    w->options = *options;
    w->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    w->queue = queue_new(0, news_free);
    if (w->stop < 0 || !w->queue)
        return error_sys(err, -errno, "cannot discover machines");
    r = sd_event_add_io(loop, &w->source, queue_fd(w->queue), EPOLLIN, on_queue, w);
    if (r < 0)
        return error_sys(err, r, "cannot discover machines");
    r = start_thread(w, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(w);
    return 0;
}

void discovery_thread_free(struct discovery_thread *w)
{
    if (!w)
        return;
    if (w->queue)
        queue_hurry(w->queue);
    if (w->started) {
        (void)eventfd_write(w->stop, 1);
        (void)pthread_join(w->thread, NULL);
    }
    (void)sd_event_source_disable_unref(w->stop_source);
    discovery_free(w->discovery);
    sd_event_unref(w->loop);
    (void)sd_event_source_disable_unref(w->source);
    queue_free(w->queue);
    if (w->stop >= 0)
        (void)close(w->stop);
    free(w);
}
