#include "look.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "discovery.h"
#include "discovery/match/match.h"

/* A look ends when nothing new has come for this long. */
enum {
    QUIET_YES_MS = 100,      /* every agent of the problem is there, or all have answered us */
    QUIET_MS = 500,          /* a list that only Avahi gives, within its first second … */
    QUIET_LATE_MS = 300,     /* … and after it */
    CHECK_MS = 20,           /* until the look is judged again while questions are under way */
    PENDING_MS = 1000,       /* for records that only Avahi has, when machines have answered us */
    PENDING_ALONE_MS = 2500, /* … and when none has */
    LACKS_MS = 1000,         /* between two looks at what the daemon lacks */
    CANDIDATES_MS = 300,     /* after the last new candidate */
    PATIENCE_MS = 10000,     /* at most, while machines still answer for the first time */
};

struct look {
    const struct look_options *options;
    const struct problem *problem;
    sd_event *loop;
    struct discovery *discovery;
    sd_event_source *check, *signals[4];
    uint64_t check_due;       /* ms */
    uint64_t start, deadline; /* ms; UINT64_MAX: none */
    bool was_there;           /* the daemon has run at some time */
    bool is_short;            /* time was up before the list was complete */
    bool without_daemon;      /* likewise; and it did not answer */
    int signal;
    char *domain_words; /* that the listener knows; NULL: none */
    char *known_words;  /* likewise */
    unsigned lacks;     /* of the daemon, that the listener knows */
    uint64_t lacks_due; /* ms: when they are looked for again */
    struct error *err;
};

static const int watched_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};

static uint64_t now_ms(const struct look *l)
{
    uint64_t usec = 0;

    (void)sd_event_now(l->loop, CLOCK_MONOTONIC, &usec);
    return usec / 1000;
}

static int no_daemon(struct error *err, const char *reason)
{
    return error_set(err, -ENOTCONN,
                     "no Avahi daemon (%s); start it: systemctl start avahi-daemon, "
                     "or install it first: apt install avahi-daemon",
                     reason);
}

static int silent_daemon(struct error *err)
{
    return error_set(err, -ETIMEDOUT,
                     "the Avahi daemon does not answer; restart it: "
                     "systemctl restart avahi-daemon");
}

/* Is the answer a definite yes?  A machine that is only in the daemon's cache
 * does not count: a match takes those that have answered. */
static bool is_yes(const struct look *l)
{
    CLEANUP(match_clear) struct match m = MATCH_INIT;
    size_t n;
    const struct machine *const *machines = roster_machines(discovery_roster(l->discovery), &n);

    const struct match_holders holders = discovery_holders(l->discovery);

    return match_make(machines, n, l->problem, &holders, &m) == 0 &&
           match_ok(&m, l->options->strict);
}

/* Have all that are there been heard?  A machine that is only a name in Avahi's
 * cache is not waited for long. */
static bool is_complete(const struct look *l, const struct discovery_status *s)
{
    struct querier_counts counts;
    uint64_t patience;

    discovery_count(l->discovery, &counts);
    if (s->asking || (counts.machines > 0 && !discovery_is_settled(l->discovery)))
        return false;
    patience = counts.machines > 0 ? PENDING_MS : PENDING_ALONE_MS;
    return s->unprobed == 0 &&
           (now_ms(l) >= l->start + patience || discovery_pending(l->discovery) == 0);
}

static bool is_listed(const struct look *l, const struct discovery_status *s)
{
    size_t n;

    (void)roster_machines(discovery_roster(l->discovery), &n);
    if (l->options->candidates && now_ms(l) < s->new_candidate + CANDIDATES_MS)
        return false;
    return n > 0 && !s->flooded && (s->there || !s->told || l->options->domain) &&
           is_complete(l, s) && (!l->options->compare || discovery_is_compared(l->discovery));
}

static uint64_t quiet_ms(const struct look *l, const struct discovery_status *s)
{
    if (l->problem || discovery_is_settled(l->discovery))
        return QUIET_YES_MS;
    return s->all_for_now ? QUIET_LATE_MS : QUIET_MS;
}

static void schedule_check(struct look *l, uint64_t ms)
{
    l->check_due = ms;
    (void)sd_event_source_set_time(l->check, (ms < l->deadline ? ms : l->deadline) * 1000);
    (void)sd_event_source_set_enabled(l->check, SD_EVENT_ONESHOT);
}

/* For when it will have been quiet for long enough.  How long that is changes with time
 * alone, as our questions get their answers: so soon, and no later for what comes
 * meanwhile. */
static void schedule_next_check(struct look *l, const struct discovery_status *s)
{
    uint64_t due = s->news + quiet_ms(l, s), soon = now_ms(l) + CHECK_MS;

    due = due < soon ? due : soon;
    if (due < l->check_due)
        schedule_check(l, due);
}

static int time_is_up(struct look *l, const struct discovery_status *s)
{
    size_t n;
    int r = 0;

    (void)roster_machines(discovery_roster(l->discovery), &n);
    l->is_short = (n > 0 || s->asking) && !is_complete(l, s);
    l->without_daemon = n > 0 && !(s->told && s->there);
    if (l->options->domain) /* which told what it has, or why not */
        return sd_event_exit(l->loop, 0);
    if (l->without_daemon) /* a flood keeps it busy, or it hangs: machines answered us */
        return sd_event_exit(l->loop, 0);
    if (!s->told)
        r = silent_daemon(l->err);
    else if (!s->there)
        r = no_daemon(l->err, "it has stopped");
    return sd_event_exit(l->loop, r);
}

/* Machines still answer for the first time: more time, unless a person set it. */
static bool is_to_go_on(const struct look *l, uint64_t now)
{
    struct querier_counts counts;

    discovery_count(l->discovery, &counts);
    return l->options->patient && !l->problem && counts.machines > 0 &&
           !discovery_is_settled(l->discovery) && now < l->start + PATIENCE_MS;
}

static int on_check(sd_event_source *source, uint64_t usec, void *arg)
{
    struct look *l = arg;
    struct discovery_status s;
    uint64_t now = now_ms(l);

    (void)source, (void)usec;
    l->check_due = UINT64_MAX;
    discovery_status(l->discovery, &s);
    if (now >= l->deadline && is_to_go_on(l, now))
        l->deadline = now + CHECK_MS;
    if (now >= l->deadline)
        return time_is_up(l, &s);
    if (now < s.news + quiet_ms(l, &s))
        schedule_next_check(l, &s);
    else if (l->problem ? is_yes(l) : is_listed(l, &s))
        return sd_event_exit(l->loop, 0);
    else
        schedule_check(l, l->problem ? l->deadline : now + CHECK_MS);
    return 0;
}

static void report_lack(const struct look *l, enum daemon_lack lack, bool there)
{
    CLEANUP_STRINGS struct strings words = {0};

    if (there && discovery_explain_lacks(l->discovery, 1U << lack, &words) < 0)
        return;
    l->options->listener->lack(lack, words.count > 0 ? words.items[0] : NULL, l->options->arg);
}

static void report_lacks(struct look *l)
{
    unsigned before = l->lacks;

    if (now_ms(l) < l->lacks_due)
        return;
    l->lacks_due = now_ms(l) + LACKS_MS;
    l->lacks = discovery_daemon_lacks(l->discovery);
    for (enum daemon_lack i = 0; i < DAEMON_LACKS; i++)
        if ((l->lacks ^ before) & 1U << i)
            report_lack(l, i, l->lacks & 1U << i);
}

/* Tells `words` (NULL: all is well) when they are others than `told`. */
static void report_words(struct look *l, const char *words, char **told,
                         void (*tell)(const char *words, void *arg))
{
    char *copy = NULL;

    if (string_equal(words, *told) || (words && !(copy = strdup(words))))
        return;
    tell(words, l->options->arg);
    free(*told);
    *told = copy;
}

static void report_domain(struct look *l, const struct discovery_status *s)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;

    if (s->asking)
        return;
    (void)discovery_explain_domain(l->discovery, &t);
    report_words(l, t.size > 0 ? text_str(&t) : NULL, &l->domain_words,
                 l->options->listener->domain);
}

static void on_progress(void *arg)
{
    struct look *l = arg;
    struct discovery_status s;

    discovery_status(l->discovery, &s);
    if (l->options->listener) {
        if (s.too_many)
            l->options->listener->too_many(l->options->arg);
        report_lacks(l);
        report_domain(l, &s);
        report_words(l, discovery_known_trouble(l->discovery), &l->known_words,
                     l->options->listener->known);
        return;
    }
    schedule_next_check(l, &s);
}

static void on_change(const struct machine *m, enum roster_change change, void *arg)
{
    struct look *l = arg;

    if (l->options->listener)
        l->options->listener->change(m, change, l->options->arg);
}

static void on_daemon(bool there, const char *reason, void *arg)
{
    struct look *l = arg;
    struct discovery_status s;
    bool first = !l->was_there;

    discovery_status(l->discovery, &s);
    l->was_there = l->was_there || there;
    /* Machines, and the domain, answer us without the daemon: wait until time is up. */
    if (!there && first && (l->options->key || l->options->domain || s.silent) &&
        !l->options->listener)
        return;
    if (!there && first && !l->options->domain)
        (void)sd_event_exit(l->loop, s.silent ? silent_daemon(l->err) : no_daemon(l->err, reason));
    else if (l->options->listener)
        l->options->listener->daemon(there, reason, l->options->arg);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    struct look *l = arg;

    (void)source;
    if (info->ssi_signo == SIGWINCH) {
        if (l->options->listener)
            l->options->listener->resized(l->options->arg);
        return 0;
    }
    l->signal = (int)info->ssi_signo;
    return sd_event_exit(l->loop, 0);
}

/* A person's Ctrl-C and the deadline come before packets, however many there are. */
static int put_first(sd_event_source *source)
{
    return sd_event_source_set_priority(source, SD_EVENT_PRIORITY_IMPORTANT - 2);
}

static int add_signal(struct look *l, size_t which)
{
    int r = sd_event_add_signal(l->loop, &l->signals[which], watched_signals[which], on_signal, l);

    return r < 0 ? r : put_first(l->signals[which]);
}

/* Blocks the signals before any thread is made, so that only the loop gets
 * them. */
static int take_signals(struct look *l)
{
    sigset_t set;
    int r = 0;

    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_SIZE(watched_signals); i++)
        sigaddset(&set, watched_signals[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    for (size_t i = 0; i < ARRAY_SIZE(watched_signals) && r >= 0; i++)
        r = add_signal(l, i);
    return r;
}

static int set_up_look(struct look *l)
{
    const struct look_options *o = l->options;
    const struct discovery_options d = {
        .fleet = o->fleet,
        .key = o->key,
        .known = o->known,
        .domain = o->domain,
        .keep = o->listener != NULL || o->keep,
        .candidates = o->candidates,
        .change = on_change,
        .daemon = on_daemon,
        .progress = on_progress,
        .arg = l,
    };
    int r;

    r = sd_event_new(&l->loop);
    if (r >= 0)
        r = take_signals(l);
    if (r >= 0)
        r = sd_event_add_time(l->loop, &l->check, CLOCK_MONOTONIC, 0, 1000, on_check, l);
    if (r >= 0)
        r = put_first(l->check);
    if (r < 0)
        return error_sys(l->err, r, "cannot search the network");
    l->start = now_ms(l);
    l->deadline = o->listener ? UINT64_MAX / 1000 : now_ms(l) + o->timeout_ms;
    r = discovery_new(l->loop, &d, &l->discovery, l->err);
    if (r < 0)
        return r;
    if (o->listener) {
        (void)sd_event_source_set_enabled(l->check, SD_EVENT_OFF);
        return o->listener->begin(l->loop, l->discovery, o->arg, l->err);
    }
    schedule_check(l, l->deadline);
    return 0;
}

int look_run(const struct look_options *options, const struct problem *problem, struct look **ret,
             struct error *err)
{
    struct look *l = calloc(1, sizeof(*l));
    int r;

    if (!l)
        return error_sys(err, -ENOMEM, "cannot search the network");
    l->options = options;
    l->problem = problem;
    l->err = err;
    *ret = l;
    r = set_up_look(l);
    if (r < 0)
        return r;
    return sd_event_loop(l->loop);
}

void look_free(struct look *l)
{
    if (!l)
        return;
    discovery_free(l->discovery);
    sd_event_source_disable_unref(l->check);
    for (size_t i = 0; i < ARRAY_SIZE(l->signals); i++)
        sd_event_source_disable_unref(l->signals[i]);
    sd_event_unref(l->loop);
    free(l->domain_words);
    free(l->known_words);
    free(l);
}

const struct machine *const *look_machines(struct look *l, size_t *ret_count)
{
    return roster_machines(discovery_roster(l->discovery), ret_count);
}

int look_signal(const struct look *l)
{
    return l->signal;
}

const struct discovery *look_discovery(const struct look *l)
{
    return l->discovery;
}

bool look_is_without_daemon(const struct look *l)
{
    return l->without_daemon;
}

bool look_is_short(const struct look *l)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;

    return l->is_short || discovery_refused(l->discovery) > 0 ||
           discovery_explain_domain(l->discovery, &t);
}

bool look_time_was_up(const struct look *l)
{
    return l->is_short;
}

bool look_too_many(const struct look *l)
{
    struct discovery_status s;

    discovery_status(l->discovery, &s);
    return s.too_many;
}
