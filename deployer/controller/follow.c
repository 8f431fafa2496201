#include "follow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "deployer/base/paths.h"
#include "deployer/run/executor.h"

enum { SWEEP_USEC = 1000 * 1000 };

struct item {
    struct item *next;
    char ref[REF_MAX + 1];
    enum follow_of of;
    enum follow_state state;
    char *why;
    uint64_t number, asked_usec;
    struct backlog backlog;
    struct executor *executor;
    struct auth *auth;
    struct pack *steps;
    struct text settings;
    char *user;
    struct job_common common;
};

struct follows {
    sd_event *loop;
    sd_event_source *sweep;
    struct item *items;
    size_t count;
    uint64_t numbers; /* the last number given; starts at a random one */
};

const char *follow_of_name(enum follow_of of)
{
    static const char *const names[] = {[FOLLOW_STEP] = "step", [FOLLOW_AGENT] = "agent"};

    return names[of];
}

const char *follow_state_name(enum follow_state state)
{
    static const char *const names[] = {[FOLLOW_CONNECTING] = "connecting",
                                        [FOLLOW_FOLLOWING] = "following",
                                        [FOLLOW_ENDED] = "ended"};

    return names[state];
}

static void item_free(struct item *i)
{
    if (!i)
        return;
    executor_free(i->executor); /* waits for its thread, which uses the members below */
    auth_free(i->auth);
    pack_unref(i->steps);
    text_clear(&i->settings);
    backlog_clear(&i->backlog);
    free(i->user);
    free(i->why);
    free(i);
}
DEFINE_CLEANUP(struct item *, item_free);

static uint64_t now_usec(const struct follows *f)
{
    uint64_t usec = 0;

    (void)sd_event_now(f->loop, CLOCK_MONOTONIC, &usec);
    return usec;
}

static void drop_item(struct follows *f, struct item **at)
{
    struct item *i = *at;

    *at = i->next;
    f->count--;
    item_free(i);
}

static int on_sweep(sd_event_source *source, uint64_t usec, void *arg)
{
    struct follows *f = arg;

    for (struct item **at = &f->items; *at;)
        if (usec > (*at)->asked_usec + (uint64_t)FOLLOW_KEPT_MS * 1000)
            drop_item(f, at);
        else
            at = &(*at)->next;
    (void)sd_event_source_set_time_relative(source, SWEEP_USEC);
    return sd_event_source_set_enabled(source, f->items ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

int follows_new(sd_event *loop, struct follows **ret, struct error *err)
{
    CLEANUP(follows_free_p) struct follows *f = calloc(1, sizeof(*f));
    uint32_t random;
    int r;

    if (!f)
        return error_sys(err, -ENOMEM, "cannot follow logs");
    f->loop = sd_event_ref(loop);
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return error_sys(err, -errno, "cannot get random bytes for log cursors");
    f->numbers = random; /* a cursor from before a restart of the service must not match */
    r = sd_event_add_time(loop, &f->sweep, CLOCK_MONOTONIC, 0, 0, on_sweep, f);
    if (r >= 0)
        r = sd_event_source_set_enabled(f->sweep, SD_EVENT_OFF);
    if (r < 0)
        return error_sys(err, r, "cannot follow logs");
    *ret = TAKE_PTR(f);
    return 0;
}

void follows_free(struct follows *f)
{
    if (!f)
        return;
    while (f->items)
        drop_item(f, &f->items);
    (void)sd_event_source_disable_unref(f->sweep);
    sd_event_unref(f->loop);
    free(f);
}

/* --- events of jobs --------------------------------------------------------------- */

static void on_job_event(size_t index, const struct job_event *event, void *arg)
{
    struct item *i = arg;

    (void)index;
    switch (event->kind) {
    case JOB_OUTPUT:
        i->state = FOLLOW_FOLLOWING;
        (void)backlog_add(&i->backlog, event->text);
        break;
    case JOB_DONE:
        i->state = FOLLOW_ENDED;
        if (event->outcome != JOB_OK && event->text && *event->text)
            i->why = strdup(event->text);
        break;
    case JOB_STEP: /* connected; the log may stay silent for long */
        i->state = FOLLOW_FOLLOWING;
        break;
    case JOB_CONNECTING:
    case JOB_TRUSTED:
    case JOB_HOSTKEY:
    case JOB_SENDING:
        break;
    }
}

/* --- starting --------------------------------------------------------------------- */

static int prepare_item(struct follows *f, struct item *i, const struct follow_options *o,
                        struct error *err)
{
    CLEANUP_STRINGS struct strings files = {0};
    int r = paths_keys(o->keys, o->config, &files, err);

    if (r == 0)
        r = auth_new(&files, o->keys->count > 0, o->password, &i->auth, err);
    if (r == 0)
        r = executor_new(f->loop, 1, on_job_event, i, &i->executor, err);
    if (r < 0)
        return r;
    i->user = o->user ? strdup(o->user) : NULL;
    if (o->user && !i->user)
        return error_sys(err, -ENOMEM, "cannot follow a log");
    text_addf(&i->settings, "lines %d\nfollow yes\n", FOLLOW_LINES);
    i->common = (struct job_common){
        .user = i->user,
        .auth = i->auth,
        .become_password = o->become_password,
        .timeout_ms = o->timeout_ms,
        .mode = i->of == FOLLOW_STEP ? "watch" : "logs",
        .settings = &i->settings,
        .output_max = STEPWIRE_STREAM_ENDLESS, /* until nobody asks for it */
        .who = o->who,
        .bundle_digest = i->steps->bundle.bundle_digest,
        .bundle = i->steps->bytes.data,
        .bundle_size = i->steps->bytes.size,
        .deltas = &i->steps->deltas,
    };
    return text_error(&i->settings) < 0 ? error_sys(err, -ENOMEM, "cannot follow a log") : 0;
}

static int start_job(struct item *i, const struct follow_options *o, struct target *target,
                     struct error *err)
{
    CLEANUP(job_clear) struct job job = {.common = &i->common};
    size_t index;
    int r = known_machine_get(o->state, target, o->consent, &job.known, err);

    if (r < 0)
        return r;
    job.target = *target;
    *target = (struct target){0};
    r = executor_add(i->executor, &job, &index);
    return r < 0 ? error_sys(err, r, "cannot follow a log") : 0;
}

static struct item **find_item(struct follows *f, const char *ref, enum follow_of of)
{
    struct item **at = &f->items;

    while (*at && ((*at)->of != of || strcmp((*at)->ref, ref) != 0))
        at = &(*at)->next;
    return at;
}

static void describe_item(const struct item *i, struct follow *ret)
{
    *ret = (struct follow){
        .why = i->why, .state = i->state, .backlog = &i->backlog, .number = i->number};
}

bool follows_find(struct follows *f, const char *ref, enum follow_of of, struct follow *ret)
{
    struct item *i = *find_item(f, ref, of);

    if (!i)
        return false;
    i->asked_usec = now_usec(f);
    describe_item(i, ret);
    return true;
}

int follows_begin(struct follows *f, const struct follow_options *options, const char *ref,
                  enum follow_of of, struct target *target, struct pack *steps, struct follow *ret,
                  struct error *err)
{
    CLEANUP(item_free_p) struct item *i = NULL;
    struct item **at = find_item(f, ref, of);
    int r;

    if (*at)
        drop_item(f, at);
    if (f->count >= FOLLOWS_MAX)
        return error_set(err, -EBUSY, "%d logs are already followed; close one, or wait a moment",
                         FOLLOWS_MAX);
    i = calloc(1, sizeof(*i));
    if (!i)
        return error_sys(err, -ENOMEM, "cannot follow a log");
    (void)snprintf(i->ref, sizeof(i->ref), "%s", ref);
    i->of = of;
    i->number = ++f->numbers;
    i->asked_usec = now_usec(f);
    i->steps = pack_ref(steps);
    r = prepare_item(f, i, options, err);
    if (r == 0)
        r = start_job(i, options, target, err);
    if (r < 0)
        return r;
    describe_item(i, ret);
    i->next = f->items;
    f->items = TAKE_PTR(i);
    f->count++;
    (void)sd_event_source_set_time_relative(f->sweep, SWEEP_USEC);
    (void)sd_event_source_set_enabled(f->sweep, SD_EVENT_ONESHOT);
    return 0;
}

/* --- cursors ----------------------------------------------------------------------- */

void follow_cursor(const struct follow *f, char ret[static FOLLOW_CURSOR_MAX])
{
    (void)snprintf(ret, FOLLOW_CURSOR_MAX, "%" PRIu64 "-%" PRIu64, f->number, f->backlog->last);
}

/* Only digits, and at most 18 of them, so that nothing overflows. */
static bool parse_cursor_number(const char **at, char end, uint64_t *ret)
{
    size_t size = strspn(*at, "0123456789");

    if (size == 0 || size > 18 || (*at)[size] != end)
        return false;
    *ret = strtoull(*at, NULL, 10);
    *at += size + 1;
    return true;
}

uint64_t follow_after(const struct follow *f, const char *cursor)
{
    uint64_t number, line;

    if (!cursor || !parse_cursor_number(&cursor, '-', &number) ||
        !parse_cursor_number(&cursor, '\0', &line) || number != f->number ||
        line < f->backlog->first || line > f->backlog->last)
        return 0;
    return line;
}
