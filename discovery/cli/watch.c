#include "watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "discovery/base/terminal.h"
#include "discovery/match/match.h"
#include "discovery/report/roster-text.h"
#include "screen.h"

enum {
    DRAW_USEC = 15 * 1000,   /* changes within it share one drawing; the limit is 50 ms */
    MATCH_USEC = 100 * 1000, /* without changes for so long, the match is printed */
    COLUMNS_DEFAULT = 80,
    ROWS_DEFAULT = 24,
};

struct watch {
    sd_event *loop;
    const struct discover_options *options;
    const struct problem *problem;
    struct discovery *discovery;
    sd_event_source *timer, *reader;
    bool screen;   /* a terminal to draw on */
    bool drawn;    /* the cursor is hidden */
    char *trouble; /* the daemon's; NULL: none */
    char *domain;  /* what is amiss with it; NULL: nothing */
    char *known;   /* why it cannot be read which machines are; NULL: it can */
    bool too_many;
    char *lacks[DAEMON_LACKS]; /* sentences; NULL: the daemon does not lack it */
    unsigned said_lacks;       /* lines: a bit for each that was told */
    struct text change;        /* the last one, for the screen */
    time_t changed;
    struct text said; /* lines: the match as last printed */
};

static void write_text(struct watch *w, const struct text *t)
{
    int r = terminal_write(t);

    if (r < 0)
        (void)sd_event_exit(w->loop, r);
}

/* The present match.  -ENOMEM. */
static int make_match(const struct watch *w, struct match *ret)
{
    size_t n;
    const struct machine *const *machines = roster_machines(discovery_roster(w->discovery), &n);
    const struct match_holders holders = discovery_holders(w->discovery);
    int r = match_make(machines, n, w->problem, &holders, ret);

    return r < 0 ? r : match_explain(ret, machines, n);
}

/* Each line cleared to its end, and everything below.  No newline at the end, which
 * would scroll a full screen. */
static void add_screen(struct text *t, const char *content)
{
    text_adds(t, "\033[H");
    while (*content) {
        size_t n = strcspn(content, "\n");

        text_add(t, content, n);
        text_adds(t, "\033[K");
        content += n + (content[n] == '\n');
        text_adds(t, *content ? "\n" : "");
    }
    text_adds(t, "\033[J");
}

static void draw_screen(struct watch *w)
{
    CLEANUP(match_clear) struct match match = MATCH_INIT;
    CLEANUP_TEXT struct text content = TEXT_INIT;
    CLEANUP_TEXT struct text t = TEXT_INIT;
    size_t rows = terminal_height(STDOUT_FILENO);
    struct screen s = {
        .match = w->problem && make_match(w, &match) == 0 ? &match : NULL,
        .strict = w->options->strict,
        .trouble = w->trouble,
        .domain = w->domain,
        .known = w->known,
        .too_many = w->too_many,
        .lacks = (const char *const *)w->lacks,
        .n_lacks = DAEMON_LACKS,
        .change = w->change.size > 0 ? text_str(&w->change) : NULL,
        .changed = w->changed,
        .style = {.terminal = terminal_style(STDOUT_FILENO),
                  .now = time(NULL),
                  .verbose = w->options->verbose},
        .rows = rows ? rows : ROWS_DEFAULT,
    };

    s.machines = roster_machines(discovery_roster(w->discovery), &s.n);
    if (s.style.terminal.width == 0)
        s.style.terminal.width = COLUMNS_DEFAULT;
    if (screen_write(&s, &content) < 0)
        return;
    add_screen(&t, text_str(&content));
    write_text(w, &t);
}

/* Appends the present match for a pipe. */
static void add_match(const struct watch *w, struct text *ret)
{
    CLEANUP(match_clear) struct match m = MATCH_INIT;
    const struct report_style style = {.terminal = terminal_style(STDOUT_FILENO),
                                       .verbose = w->options->verbose};

    if (make_match(w, &m) < 0)
        return;
    if (w->options->json)
        (void)report_match_json(&m, w->options->strict, ret);
    else
        (void)report_match_text(&m, w->options->strict, &style, ret);
}

static void print_match(struct watch *w)
{
    CLEANUP_TEXT struct text now = TEXT_INIT;

    add_match(w, &now);
    if (string_equal(text_str(&now), text_str(&w->said)))
        return;
    write_text(w, &now);
    text_reset(&w->said);
    text_add(&w->said, text_str(&now), now.size);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
    struct watch *w = arg;

    (void)source, (void)usec;
    if (w->screen)
        draw_screen(w);
    else if (w->problem)
        print_match(w);
    return 0;
}

static void schedule_output(struct watch *w)
{
    int enabled = SD_EVENT_OFF;

    /* A due drawing stays due; the match waits until there are no changes. */
    (void)sd_event_source_get_enabled(w->timer, &enabled);
    if (enabled != SD_EVENT_OFF && w->screen)
        return;
    (void)sd_event_source_set_time_relative(w->timer, w->screen ? DRAW_USEC : MATCH_USEC);
    (void)sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT);
}

static const char *change_words(enum roster_change change)
{
    switch (change) {
    case ROSTER_APPEARED:
        return " is there";
    case ROSTER_CHANGED:
        return " has changed";
    case ROSTER_OFFLINE:
        return " is offline";
    }
    return "";
}

/* Keeps the change for the screen. */
static void keep_change(struct watch *w, const struct machine *m, enum roster_change change,
                        time_t when)
{
    text_reset(&w->change);
    report_add_machine(&w->change, m);
    text_adds(&w->change, change_words(change));
    w->changed = when;
}

static void on_change(const struct machine *m, enum roster_change change, void *arg)
{
    struct watch *w = arg;
    CLEANUP_TEXT struct text line = TEXT_INIT;
    const struct terminal_style style = terminal_style(STDOUT_FILENO);
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    schedule_output(w);
    if (w->screen) {
        keep_change(w, m, change, now.tv_sec);
        return;
    }
    if (w->options->json)
        (void)report_change_json(m, change, &now, &line);
    else
        (void)report_change_text(m, change, &style, &line);
    write_text(w, &line);
}

static void on_daemon(bool there, const char *reason, void *arg)
{
    struct watch *w = arg;
    bool news = !there || w->trouble; /* a daemon that runs at the start is not news */

    free(w->trouble);
    w->trouble = there ? NULL : strdup(reason);
    if (w->screen)
        schedule_output(w);
    else if (news && !w->options->quiet)
        fprintf(stderr, "dcop-discover: Avahi: %s\n", there ? "the daemon is back" : reason);
}

/* The screen follows; a line is said once, however often a lack comes and goes. */
static void on_lack(enum daemon_lack lack, const char *words, void *arg)
{
    struct watch *w = arg;
    CLEANUP_TEXT struct text line = TEXT_INIT;

    free(w->lacks[lack]);
    w->lacks[lack] = words ? strdup(words) : NULL;
    if (w->screen) {
        schedule_output(w);
    } else if (words && !w->options->quiet && !(w->said_lacks & 1U << lack)) {
        w->said_lacks |= 1U << lack;
        text_add_printable(&line, words);
        fprintf(stderr, "dcop-discover: %s\n", text_str(&line));
    }
}

/* On the screen as long as it lasts, in lines when it begins and ends. */
static void follow_trouble(struct watch *w, char **trouble, const char *words, const char *end)
{
    CLEANUP_TEXT struct text line = TEXT_INIT;

    free(*trouble);
    *trouble = words ? strdup(words) : NULL;
    if (w->screen) {
        schedule_output(w);
    } else if (!w->options->quiet) {
        text_add_printable(&line, words ? words : end);
        fprintf(stderr, "dcop-discover: %s\n", text_str(&line));
    }
}

static void on_domain(const char *words, void *arg)
{
    struct watch *w = arg;

    follow_trouble(w, &w->domain, words, "the domain answers");
}

static void on_known(const char *words, void *arg)
{
    struct watch *w = arg;

    follow_trouble(w, &w->known, words, "it can be read again which machines are known");
}

static void on_too_many(void *arg)
{
    struct watch *w = arg;

    if (w->too_many)
        return;
    w->too_many = true;
    if (w->screen)
        schedule_output(w);
    else
        fputs("dcop-discover: " DISCOVER_TOO_MANY "\n", stderr);
}

static void on_resized(void *arg)
{
    struct watch *w = arg;
    CLEANUP_TEXT struct text t = TEXT_INIT;

    if (!w->screen)
        return;
    text_adds(&t, "\033[2J"); /* the terminal wrapped lines again, so clear it */
    write_text(w, &t);
    schedule_output(w);
}

/* Notices a closed pipe at once, not at the next change. */
static int on_reader_gone(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct watch *w = arg;

    (void)source, (void)fd;
    if (events & (EPOLLERR | EPOLLHUP))
        (void)sd_event_exit(w->loop, -EPIPE);
    return 0;
}

static int on_begin(sd_event *loop, struct discovery *discovery, void *arg, struct error *err)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;
    struct watch *w = arg;
    int r;

    w->loop = sd_event_ref(loop);
    w->discovery = discovery;
    r = sd_event_add_time(loop, &w->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, w);
    if (r >= 0)
        r = sd_event_source_set_enabled(w->timer, SD_EVENT_OFF);
    if (r < 0)
        return error_sys(err, r, "cannot watch");
    /* Regular files cannot be polled and need not be. */
    (void)sd_event_add_io(loop, &w->reader, STDOUT_FILENO, 0, on_reader_gone, w);
    if (w->screen) {
        w->drawn = true;
        text_adds(&t, "\033[?25l\033[2J");
        write_text(w, &t);
    }
    schedule_output(w);
    return 0;
}

const struct look_listener watch_listener = {
    .begin = on_begin,
    .change = on_change,
    .daemon = on_daemon,
    .lack = on_lack,
    .domain = on_domain,
    .known = on_known,
    .too_many = on_too_many,
    .resized = on_resized,
};

struct watch *watch_new(const struct discover_options *options, const struct problem *problem)
{
    struct watch *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    w->options = options;
    w->problem = problem;
    w->screen = !options->json && terminal_takes_escapes(STDOUT_FILENO);
    return w;
}

void watch_free(struct watch *w)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;

    if (!w)
        return;
    if (w->drawn) {
        text_adds(&t, "\033[?25h");
        (void)terminal_write(&t);
    }
    sd_event_source_disable_unref(w->timer);
    sd_event_source_disable_unref(w->reader);
    sd_event_unref(w->loop);
    text_clear(&w->said);
    text_clear(&w->change);
    for (size_t i = 0; i < DAEMON_LACKS; i++)
        free(w->lacks[i]);
    free(w->trouble);
    free(w->domain);
    free(w->known);
    free(w);
}
