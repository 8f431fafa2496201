#include "act.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "choose-ssh.h"
#include "clocks.h"
#include "deployer/progress/progress.h"
#include "deployer/trust/known-machine.h"
#include "discovery/base/clock.h"
#include "discovery/base/process.h"
#include "discovery/base/terminal.h"
#include "program.h"

/* One machine as shown on the screen; its address is its key in the run. */
struct machine_display {
    bool stopped;                     /* between two steps, on request */
    bool step_failed;                 /* the progress knows why it failed */
    char step[STEPWIRE_NAME_MAX + 1]; /* that is running there */
    struct clock_vote clock;
};

struct run_display {
    struct program *p;
    const struct action *action;
    sd_event *loop;
    struct runner *runner;
    struct progress *progress;
    struct machine_display *machines; /* in the order of the targets */
    size_t count;
    struct strings keys; /* likewise: their keys in the record */
    bool looks_only;     /* only checks run, so what they find is the result */
    bool begun;          /* its caches are found, and it is in the record */
    int signal;
    bool cancelled;
    struct error *err; /* why the run could not begin */
    sd_event_source *tick, *stop[2], *resize;
};

/* --- what is shown ------------------------------------------------------------------ */

static void show_event(struct run_display *a, size_t index, enum progress_kind kind,
                       const char *detail)
{
    progress_event(a->progress,
                   &(struct progress_event){.machine = index, .kind = kind, .detail = detail},
                   (uint64_t)clock_ms(CLOCK_MONOTONIC));
}

#define STOPPING "stopping after the step %s, which is running; Ctrl-C again quits at once"

static void show_step_at_work(struct run_display *a, size_t index, const char *format)
{
    char words[STEPWIRE_NAME_MAX + 100];

    (void)snprintf(words, sizeof(words), format, a->machines[index].step);
    show_event(a, index, PROGRESS_NOTE, words);
}

/* Shows what happens to the machines on which a step is running. */
static void show_steps_at_work(struct run_display *a, const char *format)
{
    for (size_t i = 0; i < a->count; i++)
        if (*a->machines[i].step)
            show_step_at_work(a, i, format);
}

static enum progress_result result_of(enum step_status status)
{
    switch (status) {
    case STEP_OK:
        return PROGRESS_OK;
    case STEP_CHANGE:
        return PROGRESS_CHANGE;
    case STEP_CHANGED:
        return PROGRESS_CHANGED;
    case STEP_FAILED:
        return PROGRESS_FAILED;
    case STEP_SKIPPED:
        break;
    }
    return PROGRESS_SKIPPED;
}

/* deployer/steps/steps/10-clock says it where the clocks differ. */
static void hear_clock(struct machine_display *m, const struct stepwire_event *fact)
{
    if (strcmp(fact->name, "clock") == 0)
        m->clock.ahead_s = strtoll(fact->detail, NULL, 10);
    if (strcmp(fact->name, "clock_synchronised") == 0)
        m->clock.synchronised = true;
}

static void on_step(struct run_display *a, size_t index, const struct stepwire_event *step)
{
    struct machine_display *m = &a->machines[index];
    struct progress_event event = {
        .machine = index,
        .number = step->number,
        .step = step->name,
        .detail = step->detail,
        .lines = step->lines,
        .result = result_of(step->status),
    };

    switch (step->kind) {
    case STEPWIRE_PLAN:
        event.kind = PROGRESS_PLAN;
        m->clock.counts = true;
        break;
    case STEPWIRE_START:
        event.kind = PROGRESS_START;
        (void)snprintf(m->step, sizeof(m->step), "%s", step->name);
        break;
    case STEPWIRE_RESULT:
        event.kind = PROGRESS_RESULT;
        *m->step = '\0';
        m->stopped = m->stopped || (step->status == STEP_SKIPPED && !m->step_failed);
        m->step_failed = m->step_failed || step->status == STEP_FAILED;
        break;
    case STEPWIRE_CHECK:
        if (!a->looks_only || step->status != STEP_CHANGE)
            return;
        event.kind = PROGRESS_RESULT;
        break;
    case STEPWIRE_NOTE:
        event.kind = PROGRESS_NOTE;
        a->p->impostor = a->p->impostor || strcmp(step->name, STEPWIRE_IMPOSTOR) == 0;
        break;
    case STEPWIRE_FACT:
        hear_clock(m, step);
        return;
    case STEPWIRE_BUSY:
    case STEPWIRE_REFUSED: /* told once, as why the job ended */
    case STEPWIRE_DIFF:
    case STEPWIRE_HELLO:
    case STEPWIRE_ALIVE:
    case STEPWIRE_WANT:
    case STEPWIRE_END:
    case STEPWIRE_STREAM:
        return;
    }
    progress_event(a->progress, &event, (uint64_t)clock_ms(CLOCK_MONOTONIC));
    /* The step had started before Ctrl-C was pressed; its event arrived later. */
    if (step->kind == STEPWIRE_START && a->signal == SIGINT && !a->cancelled)
        show_step_at_work(a, index, STOPPING);
}

static void on_machine_ended(struct run_display *a, size_t index, const struct run_event *event)
{
    static const enum progress_kind ends[] = {
        [JOB_OK] = PROGRESS_DONE,           [JOB_CHANGED] = PROGRESS_DONE,
        [JOB_WOULD_CHANGE] = PROGRESS_DONE, [JOB_FAILED] = PROGRESS_BROKEN,
        [JOB_REFUSED] = PROGRESS_BROKEN,    [JOB_UNREACHABLE] = PROGRESS_UNREACHABLE,
        [JOB_CANCELLED] = PROGRESS_NOTE,
    };
    struct machine_display *m = &a->machines[index];

    *m->step = '\0';
    /* A cancelled machine is "interrupted": progress_finish marks machines that
     * have not ended so. */
    if (event->outcome == JOB_FAILED && m->step_failed)
        show_event(a, index, PROGRESS_DONE, NULL);
    else if (event->outcome != JOB_CANCELLED || m->stopped)
        show_event(a, index, ends[event->outcome], event->text);
}

static void on_machine_event(struct run_display *a, size_t index, const struct run_event *event)
{
    switch (event->kind) {
    case RUN_CONNECTING:
        show_event(a, index, PROGRESS_CONNECTING, NULL);
        break;
    case RUN_TRUSTED:
        show_event(a, index, PROGRESS_CHECKING, NULL);
        break;
    case RUN_SENDING:
        show_event(a, index, PROGRESS_SENDING, NULL);
        break;
    case RUN_STEP:
        on_step(a, index, event->step);
        break;
    case RUN_MACHINE_ENDED:
        on_machine_ended(a, index, event);
        break;
    case RUN_NOT_TOUCHED:
        show_event(a, index, PROGRESS_SKIP, event->text);
        break;
    case RUN_UNRECORDED:
        show_event(a, index, PROGRESS_NOTE, event->text);
        break;
    case RUN_OUTPUT:
    case RUN_BEGAN:
    case RUN_NOT_BEGUN:
    case RUN_ENDED:
        break;
    }
    if (a->action->listener)
        a->action->listener(index, event, a->action->arg);
}

static void on_run_event(const struct run_event *event, void *arg)
{
    struct run_display *a = arg;

    if (event->kind == RUN_BEGAN) {
        a->begun = true;
        (void)sd_event_source_set_enabled(a->tick, SD_EVENT_ONESHOT);
    } else if (event->kind == RUN_NOT_BEGUN)
        (void)error_set(a->err, event->code, "%s", event->text);
    else if (event->kind == RUN_ENDED)
        (void)sd_event_exit(a->loop, a->err->code);
    else if (event->key && a->begun)
        on_machine_event(a, (size_t)((const struct machine_display *)event->key - a->machines),
                         event);
}

/* --- signals and the clock ------------------------------------------------------------- */

static int on_tick(sd_event_source *source, uint64_t usec, void *arg)
{
    struct run_display *a = arg;

    progress_tick(a->progress, (uint64_t)clock_ms(CLOCK_MONOTONIC));
    (void)sd_event_source_set_time(source, usec + PROGRESS_REDRAW_MS * UINT64_C(1000));
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void __attribute__((noreturn)) end_by_signal(const struct action *action, int signal)
{
    if (action->interrupted)
        action->interrupted(action->interrupted_arg);
    process_end_by_signal(signal);
}

/* The first Ctrl-C stops after the running step.  The second one, and any other signal
 * that ends programs (its sender does not wait), stops at once. */
static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    struct run_display *a = arg;
    bool first = a->signal == 0;

    (void)source;
    a->signal = (int)info->ssi_signo;
    if (!a->begun) { /* a look-up of the caches is not waited for */
        fprintf(stderr, "Interrupted before any machine was contacted; nothing was done.\n");
        end_by_signal(a->action, a->signal);
    }
    if (first && a->signal == SIGINT) {
        show_steps_at_work(a, STOPPING);
        runner_stop(a->runner);
        return 0;
    }
    if (a->cancelled)
        return sd_event_exit(a->loop, 0);
    a->cancelled = true;
    show_steps_at_work(a, "left while the step %s is running; it continues there to its end");
    runner_cancel(a->runner);
    return 0;
}

static int on_resize(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    struct run_display *a = arg;
    struct winsize size;

    (void)source;
    (void)info;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0)
        progress_resize(a->progress, size.ws_col, size.ws_row);
    return 0;
}

static int add_sources(struct run_display *a)
{
    const struct deploy_options *o = &a->p->options;
    bool draws =
        !o->json && !o->quiet && !a->action->no_recap && terminal_takes_escapes(STDERR_FILENO);
    int q;

    q = sd_event_add_signal(a->loop, &a->stop[0], SIGINT | SD_EVENT_SIGNAL_PROCMASK, on_stop, a);
    if (q >= 0)
        q = sd_event_add_signal(a->loop, &a->stop[1], SIGTERM | SD_EVENT_SIGNAL_PROCMASK, on_stop,
                                a);
    /* A signal is looked at before what machines say. */
    for (size_t i = 0; i < ARRAY_SIZE(a->stop) && q >= 0; i++)
        q = sd_event_source_set_priority(a->stop[i], SD_EVENT_PRIORITY_IMPORTANT);
    if (q >= 0 && draws)
        q = sd_event_add_signal(a->loop, &a->resize, SIGWINCH | SD_EVENT_SIGNAL_PROCMASK, on_resize,
                                a);
    if (q >= 0 && draws)
        q = sd_event_add_time(a->loop, &a->tick, CLOCK_MONOTONIC,
                              (uint64_t)clock_ms(CLOCK_MONOTONIC) * 1000, 0, on_tick, a);
    if (q >= 0 && draws)
        q = sd_event_source_set_enabled(a->tick, SD_EVENT_OFF); /* until it has begun */
    return q;
}

/* --- progress ----------------------------------------------------------------------------- */

static void write_progress(const char *bytes, size_t size, void *arg)
{
    FILE *to = arg;

    (void)fwrite(bytes, 1, size, to);
    (void)fflush(to);
}

static void write_nothing(const char *bytes, size_t size, void *arg)
{
    (void)bytes, (void)size, (void)arg;
}

static int start_progress(struct run_display *a, struct error *err)
{
    const struct deploy_options *o = &a->p->options;
    struct winsize size = {0};
    bool terminal = terminal_takes_escapes(STDERR_FILENO) && !o->quiet;
    struct progress_options options = {
        .format = o->json    ? PROGRESS_JSON
                  : terminal ? PROGRESS_TERMINAL
                             : PROGRESS_PLAIN,
        .colour = terminal_wants_color(STDERR_FILENO),
        .quiet = o->quiet,
        .verbose = o->verbose,
        .recap_apart = !isatty(STDOUT_FILENO),
        .write = a->action->no_recap ? write_nothing : write_progress,
        .arg = o->json ? stdout : stderr,
    };

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0) {
        options.width = size.ws_col;
        options.height = size.ws_row;
    }
    a->progress = progress_new(&options);
    return a->progress ? 0 : error_sys(err, -ENOMEM, "cannot show progress");
}

static int show_target(struct run_display *a, const struct target *t)
{
    CLEANUP_FREE char *agents = strings_join(&t->agents, " ");
    char key[TARGET_KEY_MAX];
    size_t index;

    if (!agents || strings_add(&a->keys, target_key(t, key)) < 0)
        return -ENOMEM;
    return progress_add_machine(a->progress,
                                *agents   ? agents
                                : t->id   ? t->id
                                : t->host ? t->host
                                          : "",
                                t->host ? t->host : "", &index);
}

/* --- the run ---------------------------------------------------------------------------------- */

static int begin_run(struct run_display *a, struct run_target *run_targets, struct targets *targets,
                     struct error *err)
{
    struct program *p = a->p;
    const struct deploy_options *o = &p->options;
    CLEANUP_STRINGS struct strings wish = {0};
    struct run_plan plan = {
        .verb = o->verb,
        .mode = a->action->mode,
        .pack = p->pack,
        .consent = p->consent,
        .files = p->problem.files,
        .id = o->resume ? state_wish_get(&p->resumed.run.wish, STATE_WISH_RUN_ID, 0) : NULL,
        .user = o->user,
        .orchestrator = o->orchestrator,
        .packages = a->action->packages,
        .choice = &o->caches,
        .caches = p->has_caches ? &p->caches : NULL,
        .timeout_ms = o->timeout_ms,
        .output_max = a->action->output_max,
        .scan = a->action->scan,
        .looks = a->action->looks,
        .asks = a->action->asks,
        .unrecorded = a->action->unrecorded,
        .queued = a->action->queued,
        .targets = run_targets,
        .waves = a->action->waves,
        .n_waves = a->action->n_waves,
    };
    int q = resume_wish(o, &wish, err);

    if (q < 0)
        return q;
    plan.wish = wish;
    if (o->force)
        text_adds(&plan.settings, "force yes\n");
    if (a->action->settings)
        text_add(&plan.settings, a->action->settings->data, a->action->settings->size);
    for (; plan.count < targets->count; plan.count++) {
        struct run_target *t = &run_targets[plan.count];

        q = show_target(a, &targets->items[plan.count]);
        if (q < 0)
            break;
        t->key = &a->machines[plan.count];
        t->target = targets->items[plan.count];
        targets->items[plan.count] = (struct target){0};
    }
    q = q < 0 ? error_sys(err, q, "cannot plan the run") : runner_begin(a->runner, &plan, err);
    text_wipe(&plan.settings);
    return q;
}

/* sshd drops logins when more than ten are under way (MaxStartups), and each machine behind a
 * jump host is a login there. */
static unsigned choose_forks(const struct program *p, const struct targets *targets)
{
    enum { RELAYED_FORKS = 8 };

    if (p->options.forks > 0)
        return p->options.forks;
    for (size_t i = 0; i < targets->count; i++)
        if (targets->items[i].relay.count > 0)
            return RELAYED_FORKS;
    return FORKS_DEFAULT;
}

static int run_action(struct run_display *a, struct targets *targets, struct error *err)
{
    CLEANUP_FREE struct run_target *run_targets = calloc(targets->count + 1, sizeof(*run_targets));
    struct program *p = a->p;
    const struct runner_options options = {
        .forks = choose_forks(p, targets),
        .state = p->state,
        .paths = &p->paths,
        .who = p->who,
        .keys = &p->options.keys,
        .config = p->options.config_dir,
        .password = p->passwords.login,
        .become_password = p->passwords.become,
        .revoked = &p->revoked,
        .listener = on_run_event,
        .arg = a,
    };
    int q = choose_read_revoked(p, err);

    if (q < 0)
        return q;
    a->machines = calloc(targets->count + 1, sizeof(*a->machines));
    a->count = targets->count;
    if (!run_targets || !a->machines)
        return error_sys(err, -ENOMEM, "cannot plan the run");
    if (sd_event_new(&a->loop) < 0)
        return error_sys(err, -ENOMEM, "cannot wait for events");
    q = start_progress(a, err);
    if (q == 0)
        q = runner_new(a->loop, &options, &a->runner, err);
    if (q < 0)
        return q;
    if (add_sources(a) < 0)
        return error_set(err, -EIO, "cannot wait for events");
    q = begin_run(a, run_targets, targets, err);
    for (size_t i = 0; i < a->count; i++)
        target_clear(&run_targets[i].target);
    if (q == 0)
        q = sd_event_loop(a->loop);
    if (q < 0 && err->code == 0)
        q = error_set(err, -EIO, "cannot wait for events");
    if (a->begun)
        progress_finish(a->progress, (uint64_t)clock_ms(CLOCK_MONOTONIC));
    /* A disk that was full may have room now; else the record lacks the end, which is told. */
    return q == 0 ? runner_catch_up(a->runner, err) : q;
}

static void acting_clear(struct run_display *a)
{
    runner_free(a->runner);
    progress_free(a->progress);
    free(a->machines);
    strings_clear(&a->keys);
    (void)sd_event_source_disable_unref(a->tick);
    (void)sd_event_source_disable_unref(a->stop[0]);
    (void)sd_event_source_disable_unref(a->stop[1]);
    (void)sd_event_source_disable_unref(a->resize);
    sd_event_unref(a->loop);
}

/* --- its end -------------------------------------------------------------------------------- */

/* Warns of cards that were cloned with their host key; they work.  When the keys
 * cannot be compared, the run has still succeeded. */
static void warn_of_clones(const struct run_display *a)
{
    const struct program *p = a->p;
    CLEANUP_TEXT struct text words = TEXT_INIT;

    if (p->pack && p->pack->spec && !p->options.quiet &&
        known_machine_shared_keys(p->state, &a->keys, &words, NULL) == 0 && words.size > 0)
        fprintf(stderr, "Warning: %s", text_str(&words));
}

static void warn_of_our_clock(const struct run_display *a)
{
    CLEANUP_FREE struct clock_vote *votes = calloc(a->count + 1, sizeof(*votes));
    int64_t ahead;

    for (size_t i = 0; votes && i < a->count; i++)
        votes[i] = a->machines[i].clock;
    if (votes && !a->p->options.quiet && clocks_doubt_ours(votes, a->count, &ahead))
        fprintf(stderr,
                "Warning: this computer's clock is probably wrong: the machines' are %lld s %s "
                "it.  Compare `date` with another clock, and correct this one.\n",
                (long long)llabs((long long)ahead), ahead > 0 ? "ahead of" : "behind");
}

static const char *how_to_continue(const struct run_display *a)
{
    return a->action->is_repeated ? "The same command again" : "dcop-deploy --resume";
}

static int print_recap(const struct run_display *a, struct text *recap)
{
    struct progress_counts counts;
    bool bad;

    progress_count(a->progress, &counts);
    bad = a->p->absent || (a->p->options.strict && a->p->impostor) || counts.failed ||
          counts.unreachable || counts.skipped || counts.interrupted;
    if ((!a->action->no_recap || (a->action->recap_as_json && a->p->options.json)) &&
        progress_recap(a->progress, recap) == 0) {
        if (counts.skipped && a->action->n_waves > 0 && !a->p->options.json)
            text_addf(recap, "\n%u machine%s not touched.\n", counts.skipped,
                      counts.skipped == 1 ? " was" : "s were");
        if (bad && !a->signal && !a->action->unrecorded && !a->action->queued &&
            !a->p->options.json)
            text_addf(recap, "\n%s does what is left.\n", how_to_continue(a));
        terminal_put(stdout, recap);
    }
    if (a->signal) {
        bool told = !a->action->unrecorded && counts.interrupted > 0;

        fprintf(stderr, "Interrupted: %u of %u machines %s left.%s%s%s\n", counts.interrupted,
                counts.machines, counts.interrupted == 1 ? "is" : "are", told ? " " : "",
                told ? how_to_continue(a) : "", told ? " does what is left." : "");
    }
    return bad || a->p->incomplete ? 1 : 0;
}

int program_act(struct program *p, struct targets *targets, const struct action *action,
                struct error *err)
{
    struct run_display a = {
        .p = p,
        .action = action,
        .err = err,
        .looks_only = action->looks || strcmp(action->mode, "check") == 0 ||
                      strcmp(action->mode, "diff") == 0,
    };
    CLEANUP_TEXT struct text recap = TEXT_INIT;
    int signal, q;

    err->code = 0;
    q = run_action(&a, targets, err);
    if (q == 0 && !action->ahead) {
        warn_of_clones(&a);
        warn_of_our_clock(&a);
    }
    if (q == 0)
        q = print_recap(&a, &recap);
    signal = q < 0 ? 0 : a.signal;
    acting_clear(&a);
    if (signal) {
        if (action->interrupted)
            action->interrupted(action->interrupted_arg);
        program_clear(p);
        process_end_by_signal(signal);
    }
    return q;
}
