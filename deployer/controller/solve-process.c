#include "solve-process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>

#include "deployer/base/line-splitter.h"
#include "discovery/base/clock.h"
#include "discovery/base/process.h"
#include "discovery/base/text.h"

struct solve_process {
    struct solve_process_options options;
    struct process_child child;
    sd_event_source *output, *errors, *end, *kill;
    struct text line;
    bool skips; /* the rest of a line that is too long */
    bool stopped;
    unsigned long left_out;
    struct line_splitter words;
};

/* --- what it prints ----------------------------------------------------------------- */

static void on_line(struct solve_process *p)
{
    json_t *event = NULL;

    if (!p->skips && text_error(&p->line) == 0)
        event = json_loadb(text_str(&p->line), p->line.size, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_string(json_object_get(event, "event")))
        p->options.on_event(event, p->options.arg);
    else
        p->left_out++;
    json_decref(event);
    p->skips = false;
    text_clear(&p->line); /* one long line does not keep its memory */
}

static void on_bytes(struct solve_process *p, const char *bytes, size_t size)
{
    while (size > 0) {
        const char *newline = memchr(bytes, '\n', size);
        size_t part = newline ? (size_t)(newline - bytes) : size;

        if (p->line.size + part > SOLVE_PROCESS_LINE_MAX) {
            p->skips = true;
            text_clear(&p->line);
        }
        if (!p->skips)
            text_add(&p->line, bytes, part);
        if (!newline)
            return;
        on_line(p);
        bytes = newline + 1;
        size -= part + 1;
    }
}

static void on_words_line(const char *line, void *arg)
{
    struct solve_process *p = arg;

    p->options.on_words(line, p->options.arg);
}

/* How many bytes came; 0: no more for now; negative: the stream has ended. */
static ssize_t read_some(struct solve_process *p, bool errors)
{
    char chunk[SOLVE_PROCESS_CHUNK];
    ssize_t n = read(errors ? p->child.errors : p->child.output, chunk, sizeof(chunk));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return -1;
    if (errors)
        line_splitter_feed(&p->words, chunk, (size_t)n);
    else
        on_bytes(p, chunk, (size_t)n);
    return n;
}

static int on_output(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    (void)fd, (void)events;
    return read_some(arg, false) < 0 ? sd_event_source_set_enabled(source, SD_EVENT_OFF) : 0;
}

static int on_errors(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    (void)fd, (void)events;
    return read_some(arg, true) < 0 ? sd_event_source_set_enabled(source, SD_EVENT_OFF) : 0;
}

/* --- its end ------------------------------------------------------------------------ */

/* What the pipes still hold, which is bounded: nobody writes to them any more, unless another
 * process has inherited them. */
static void read_rest(struct solve_process *p)
{
    enum { REST_MAX = 16 };

    for (unsigned i = 0; i < REST_MAX && read_some(p, false) > 0; i++)
        ;
    for (unsigned i = 0; i < REST_MAX && read_some(p, true) > 0; i++)
        ;
    if (p->line.size > 0 || p->skips)
        on_line(p);
    line_splitter_end(&p->words);
}

static void drop_sources(struct solve_process *p)
{
    p->output = sd_event_source_disable_unref(p->output);
    p->errors = sd_event_source_disable_unref(p->errors);
    p->end = sd_event_source_disable_unref(p->end);
    p->kill = sd_event_source_disable_unref(p->kill);
}

static int on_end(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct solve_process *p = arg;
    int status = 0;

    (void)source, (void)fd, (void)events;
    if (process_child_reap(&p->child, &status) < 0)
        status = PROCESS_SIGNALLED;
    read_rest(p);
    drop_sources(p);
    p->options.on_end(status, p->left_out, p->options.arg);
    return 0;
}

static int on_kill(sd_event_source *source, uint64_t usec, void *arg)
{
    const struct solve_process *p = arg;

    (void)source, (void)usec;
    if (p->child.pid > 0)
        (void)kill(-p->child.pid, SIGKILL);
    return 0;
}

void solve_process_stop(struct solve_process *p)
{
    unsigned ms = p->options.stop_ms ? p->options.stop_ms : SOLVE_PROCESS_STOP_MS;

    if (p->stopped || p->child.pid <= 0)
        return;
    p->stopped = true;
    (void)kill(p->child.pid, SIGINT);
    (void)sd_event_source_set_time_relative(p->kill, ms * 1000ull);
    (void)sd_event_source_set_enabled(p->kill, SD_EVENT_ONESHOT);
}

/* Reads on meanwhile, so that it is not held up by a full pipe. */
static void wait_for_end(const struct process_child *child, int64_t deadline)
{
    struct pollfd fds[] = {{.fd = child->output, .events = POLLIN},
                           {.fd = child->errors, .events = POLLIN},
                           {.fd = child->pidfd, .events = POLLIN}};
    char chunk[4096];

    while (!fds[2].revents) {
        int64_t left = deadline - clock_ms(CLOCK_MONOTONIC);

        if (left <= 0 || (poll(fds, ARRAY_SIZE(fds), (int)left) < 0 && errno != EINTR))
            return;
        for (size_t i = 0; i < 2; i++)
            if (fds[i].revents && read(fds[i].fd, chunk, sizeof(chunk)) == 0)
                fds[i].fd = -1;
    }
}

void solve_process_free(struct solve_process *p)
{
    if (!p)
        return;
    drop_sources(p);
    if (p->child.pid > 0) {
        if (!p->stopped)
            (void)kill(p->child.pid, SIGINT);
        wait_for_end(&p->child, clock_ms(CLOCK_MONOTONIC) + SOLVE_PROCESS_FREE_MS);
    }
    process_child_end(&p->child);
    text_clear(&p->line);
    line_splitter_clear(&p->words);
    free(p);
}

/* --- its start ---------------------------------------------------------------------- */

static int watch(struct solve_process *p, sd_event *loop)
{
    int r = sd_event_add_io(loop, &p->output, p->child.output, EPOLLIN, on_output, p);

    if (r >= 0)
        r = sd_event_add_io(loop, &p->errors, p->child.errors, EPOLLIN, on_errors, p);
    if (r >= 0)
        r = sd_event_add_io(loop, &p->end, p->child.pidfd, EPOLLIN, on_end, p);
    if (r >= 0)
        r = sd_event_add_time(loop, &p->kill, CLOCK_MONOTONIC, 0, 0, on_kill, p);
    if (r >= 0)
        r = sd_event_source_set_enabled(p->kill, SD_EVENT_OFF);
    return r;
}

int solve_process_start(sd_event *loop, const struct solve_process_options *options,
                        struct solve_process **ret, struct error *err)
{
    const struct process_options how = {
        .argv = options->argv,
        .env = options->env,
        .no_terminal = true,
        .death_signal = SIGINT,
    };
    CLEANUP(solve_process_free_p) struct solve_process *p = calloc(1, sizeof(*p));
    int r;

    if (!p)
        return error_sys(err, -ENOMEM, "cannot run %s", options->argv[0]);
    p->options = *options;
    p->options.argv = p->options.env = NULL; /* the caller's */
    p->child = PROCESS_CHILD_INIT;
    p->words = (struct line_splitter){.handler = on_words_line, .arg = p};
    r = process_start(&how, &p->child, err);
    if (r < 0)
        return r;
    r = watch(p, loop);
    if (r < 0)
        return error_sys(err, r, "cannot watch %s", options->argv[0]);
    *ret = TAKE_PTR(p);
    return 0;
}
