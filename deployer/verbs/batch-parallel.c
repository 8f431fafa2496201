#include "batch-parallel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "deployer/batch/machines.h"
#include "deployer/solve/environment.h"
#include "deployer/solve/experiment.h"
#include "deployer/solve/port.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/clock.h"
#include "discovery/base/terminal.h"
#include "solve-machines.h"

/* How a job's process ends: with the answer of batching_do_job, or with one of these. */
enum { ENDED_STOPPED = 2, ENDED_FAILED = 3 };

/* The usual port, when a batch that was killed had it until now. */
enum { HOLD_TRIES = 20, HOLD_AGAIN_MS = 500 };

/* A job is tried once more when its machines were not ready: others may be. */
enum stage { WAITS, WAITS_AGAIN, RUNS, IS_OVER };

struct crew;

/* A job that runs. */
struct worker {
    struct crew *crew;
    unsigned port; /* of its orchestrator */
    pid_t pid;     /* 0: none */
    size_t job;
    bool again; /* it was not ready before */
    sd_event_source *end;
};

struct crew {
    struct batching *b;
    struct targets targets;         /* those that are ready */
    struct batch_machine *machines; /* the same */
    const struct worker **holders;  /* of each; NULL: it is free */
    enum stage *stages;             /* of each job */
    struct solve_environment environment;
    struct orchestrator *holder; /* of the usual port: no other run is to take machines meanwhile */
    struct worker workers[BATCH_PARALLEL_MAX];
    unsigned most;
    size_t running;
    sd_event *loop;
    sd_event_source *stop[2];
    bool stale; /* a machine is not ready any more: all are to be asked again */
    int signal; /* that was caught */
    int answer; /* not 0: no other job is begun */
    struct error *err;
};

static void forget_machines(struct crew *c)
{
    if (c->machines)
        batch_machines_clear(c->machines, c->targets.count);
    free(c->machines);
    free(c->holders);
    c->machines = NULL;
    c->holders = NULL;
    targets_clear(&c->targets);
}

/* --- Ctrl-C ------------------------------------------------------------------------- */

/* The first Ctrl-C stops the agents of all jobs; the second does not wait for what they have, and
 * for no process, whatever it does: its orchestrator stops the agents. */
static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    struct crew *c = arg;
    bool again = c->signal != 0;

    (void)source;
    c->signal = (int)info->ssi_signo;
    for (unsigned i = 0; i < c->most; i++)
        if (c->workers[i].pid > 0) {
            (void)kill(c->workers[i].pid, again ? SIGKILL : c->signal);
            (void)kill(c->workers[i].pid, SIGCONT);
        }
    return 0;
}

/* The jobs' processes are stopped by this one. */
static int hear_signals(struct crew *c)
{
    if (!c->stop[0] && (sd_event_add_signal(c->loop, &c->stop[0], SIGINT | SD_EVENT_SIGNAL_PROCMASK,
                                            on_stop, c) < 0 ||
                        sd_event_add_signal(c->loop, &c->stop[1],
                                            SIGTERM | SD_EVENT_SIGNAL_PROCMASK, on_stop, c) < 0))
        return error_set(c->err, -EIO, "cannot wait for events");
    return 0;
}

/* While none runs, signals end this process, as it is in what it shares with other verbs. */
static void leave_signals(struct crew *c)
{
    c->stop[0] = sd_event_source_disable_unref(c->stop[0]);
    c->stop[1] = sd_event_source_disable_unref(c->stop[1]);
}

/* --- which machines there are ------------------------------------------------------ */

/* All that -l selects, whatever their names are. */
static int find_machines(struct program *p, struct error *err)
{
    bool all = p->options.limits.count == 0;
    int r = p->state ? 0 : state_open(p->paths.db, &p->state, err);

    targets_clear(&p->targets);
    if (r == 0 && all && strings_add(&p->options.limits, "all") < 0)
        r = error_sys(err, -ENOMEM, "cannot choose machines");
    if (r == 0)
        r = program_find_targets(p, err);
    if (all)
        strings_clear(&p->options.limits);
    return r == 0 ? program_identify(p, err) : r;
}

/* What each job needs is made once. */
static int make_environment(struct crew *c)
{
    struct program *p = c->b->p;
    int r = program_pack_pydcop(p, NULL, c->err);

    solve_environment_clear(&c->environment);
    return r == 0 ? solve_environment_make(&p->paths, p->pack, &c->environment, c->err) : r;
}

static void show_ready(const struct crew *c, size_t left_out, const struct text *why)
{
    const struct deploy_options *o = &c->b->p->options;
    size_t agents = 0;

    if (left_out > 0)
        terminal_put(stderr, why);
    for (size_t i = 0; i < c->targets.count; i++)
        agents += c->machines[i].names.count;
    if (!o->quiet && !o->json)
        fprintf(stderr, "%zu machine%s with %zu agent%s ready%s.\n", c->targets.count,
                c->targets.count == 1 ? "" : "s", agents, agents == 1 ? " is" : "s are",
                left_out > 0 ? ", those above are left out" : "");
}

/* Of p->targets, those that are ready. */
static int keep_ready(struct crew *c, const struct solve_machines *m)
{
    struct program *p = c->b->p;
    const char *given = p->options.orchestrator;
    CLEANUP_FREE char *address = given ? strndup(given, strcspn(given, ":")) : NULL;
    CLEANUP_TEXT struct text why = TEXT_INIT;
    size_t left_out = 0, count = p->targets.count, kept = 0;

    c->targets = p->targets;
    p->targets = (struct targets){0};
    for (size_t i = 0; i < count; i++) {
        struct target *t = &c->targets.items[i];

        if (t->agents.count > 0 &&
            solve_machine_is_ready(&m->facts, i, &t->agents, p->pack->bundle.digest,
                                   solve_port(&p->options), address, &why)) {
            targets_keep(&c->targets, i, &kept);
            continue;
        }
        left_out += t->agents.count > 0;
        target_clear(t);
    }
    c->targets.count = kept;
    c->machines = calloc(kept + 1, sizeof(*c->machines));
    c->holders = calloc(kept + 1, sizeof(*c->holders));
    if (!c->machines || !c->holders || text_error(&why) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < kept; i++)
        if (strings_copy(&c->machines[i].names, &c->targets.items[i].agents) < 0)
            return -ENOMEM;
    show_ready(c, left_out, &why);
    return 0;
}

/* No job runs. */
static int survey(struct crew *c)
{
    CLEANUP(solve_machines_clear) struct solve_machines machines = {0};
    struct program *p = c->b->p;
    int r;

    leave_signals(c);
    forget_machines(c);
    c->stale = false;
    r = find_machines(p, c->err);
    if (r == 0)
        r = make_environment(c);
    if (r == 0)
        r = solve_machines_ask(p, &machines, 0, NULL, NULL, c->err);
    if (r == 0 && keep_ready(c, &machines) < 0)
        r = error_sys(c->err, -ENOMEM, "cannot choose machines");
    state_free(p->state); /* each job opens its own */
    p->state = NULL;
    return r;
}

/* --- a job's process ------------------------------------------------------------------- */

/* The results are the parent's to show, and questions were asked before: one now would stop this
 * process, which is not in the terminal's foreground. */
static int begin_process(struct program *p, pid_t parent, struct error *err)
{
    CLEANUP_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigset_t none;

    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setpgid(0, 0); /* Ctrl-C is the parent's */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
        return error_set(err, -ECANCELED, "the batch has ended");
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
        return error_sys(err, -errno, "cannot open /dev/null");
    p->options.quiet = true;
    p->options.json = false;
    return state_open(p->paths.db, &p->state, err);
}

static _Noreturn void work(struct batching *b, size_t job, const struct solve_cast *cast,
                           pid_t parent)
{
    struct error err = {0};
    int signal = 0, r = begin_process(b->p, parent, &err);

    b->cast = cast;
    if (!cast) /* it looks for machines again: a "y" was not for those that are new since */
        b->p->consent = (struct consent){.given = b->p->options.accept_new};
    if (r == 0)
        r = batching_do_job(b, job, &signal, &err);
    if (r < 0)
        fprintf(stderr, "dcop-deploy: job %zu: %s\n", job + 1, err.text);
    _exit(signal ? ENDED_STOPPED : r < 0 ? ENDED_FAILED : r);
}

static int on_end(sd_event_source *source, int fd, uint32_t events, void *arg);

/* The pipe's end is the process's. */
static int start_process(struct worker *w, const struct solve_cast *cast)
{
    struct crew *c = w->crew;
    CLEANUP_CLOSE int alive = -1;
    pid_t self = getpid();
    int fds[2], r = hear_signals(c);

    (void)fflush(NULL);
    if (r < 0)
        return r;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return error_sys(c->err, -errno, "cannot begin job %zu", w->job + 1);
    alive = fds[1];
    if (sd_event_add_io(c->loop, &w->end, fds[0], EPOLLIN, on_end, w) < 0) {
        close(fds[0]);
        return error_set(c->err, -EIO, "cannot wait for events");
    }
    (void)sd_event_source_set_io_fd_own(w->end, true);
    w->pid = fork();
    if (w->pid == 0)
        work(c->b, w->job, cast, self);
    if (w->pid < 0) {
        w->pid = 0;
        w->end = sd_event_source_disable_unref(w->end);
        return error_sys(c->err, -errno, "cannot begin job %zu", w->job + 1);
    }
    c->running++;
    return 0;
}

/* --- ports ------------------------------------------------------------------------------- */

static void leave_port(struct crew *c)
{
    orchestrator_free(c->holder);
    c->holder = NULL;
}

/* The usual port is this batch's, so that another run is told of it before it tells the machines
 * where it is.  1: it is somebody else's, who was told. */
static int hold_port(struct crew *c)
{
    unsigned port = solve_port(&c->b->p->options);
    CLEANUP_TEXT struct text about = TEXT_INIT;
    CLEANUP_TEXT struct text line = TEXT_INIT;
    CLEANUP_FREE char *why = NULL;
    int r = 1;

    if (c->holder && !orchestrator_has_ended(c->holder))
        return 0;
    leave_port(c);
    text_adds(&about, "batch ");
    text_add_printable(&about, c->b->file);
    text_addf(&about, " of %s, since ", c->b->p->who);
    experiment_add_time(clock_ms(CLOCK_REALTIME), &about);
    for (unsigned i = 0; i < HOLD_TRIES && r == 1; i++) {
        if (i > 0)
            (void)poll(NULL, 0, HOLD_AGAIN_MS);
        free(why);
        why = NULL;
        r = port_hold(&c->environment, port, text_str(&about), &c->holder, &why, c->err);
    }
    if (r == 1) {
        text_adds(&line, "No job can begin: ");
        text_add_printable(&line, why);
        text_adds(&line, ".\n");
        terminal_put(stderr, &line);
    }
    return r;
}

/* For the job's orchestrator: 0 and one that is free, or -EADDRINUSE. */
static int find_port(const struct crew *c, unsigned *ret)
{
    unsigned first = solve_port(&c->b->p->options) + BATCH_PARALLEL_PORTS_AFTER;
    unsigned used[BATCH_PARALLEL_MAX];
    size_t n = 0;

    for (unsigned i = 0; i < c->most; i++)
        if (c->workers[i].pid > 0)
            used[n++] = c->workers[i].port;
    *ret = port_find(first, BATCH_PARALLEL_MAX, used, n);
    return *ret ? 0
                : error_set(c->err, -EADDRINUSE,
                            "programs listen on all ports from %u on that the jobs may have; end "
                            "some of them, or give --orchestrator ADDRESS:PORT with another port",
                            first);
}

/* --- who does which job ------------------------------------------------------------------ */

/* A job's machines, and who takes part there (solve_cast). */
struct group {
    struct targets targets;
    struct strings *players; /* as many as targets */
};

static void group_clear(struct group *g)
{
    for (size_t i = 0; i < g->targets.count; i++)
        strings_clear(&g->players[i]);
    free(g->players);
    targets_clear(&g->targets);
}

static int take_group(const struct crew *c, struct group *ret)
{
    struct targets *to = &ret->targets;

    to->items = calloc(c->targets.count + 1, sizeof(*to->items));
    ret->players = calloc(c->targets.count + 1, sizeof(*ret->players));
    if (!to->items || !ret->players)
        return -ENOMEM;
    for (size_t i = 0; i < c->targets.count; i++) {
        const struct batch_machine *m = &c->machines[i];

        if (m->roles.count == 0)
            continue;
        if (target_copy(&c->targets.items[i], &to->items[to->count++]) < 0 ||
            strings_copy(&to->items[to->count - 1].agents, &m->roles) < 0 ||
            strings_copy(&ret->players[to->count - 1], &m->players) < 0)
            return -ENOMEM;
    }
    return 0;
}

static void hold(struct crew *c, const struct worker *w, bool all)
{
    for (size_t i = 0; i < c->targets.count; i++)
        if (all || c->machines[i].roles.count > 0) {
            c->machines[i].busy = true;
            c->holders[i] = w;
        }
}

static void release(struct crew *c, const struct worker *w)
{
    for (size_t i = 0; i < c->targets.count; i++)
        if (c->holders[i] == w) {
            c->machines[i].busy = false;
            c->holders[i] = NULL;
        }
}

/* The agents of its problem; none of a job that needs no machine, or whose problem is refused. */
static int read_agents(const struct batch_job *j, struct strings *ret)
{
    struct problem problem = PROBLEM_INIT;
    struct error ignored = {0};
    int r = j->command == BATCH_SOLVE ? problem_read(&j->files, &problem, &ignored) : -ENOENT;

    if (r == 0)
        r = strings_copy(ret, &problem.agents);
    problem_clear(&problem);
    return r == -ENOMEM ? r : 0;
}

static struct worker *free_worker(struct crew *c)
{
    for (unsigned i = 0; i < c->most; i++)
        if (c->workers[i].pid == 0)
            return &c->workers[i];
    return NULL;
}

/* Who takes part in the job.  1: `ret` does; 0: not now, there are too few machines. */
static int choose_machines(struct crew *c, size_t job, struct group *ret, bool *ret_alone)
{
    CLEANUP_STRINGS struct strings agents = {0};
    int r = read_agents(&c->b->plan.jobs[job], &agents);

    if (r == 0)
        r = batch_machines_cast(c->machines, c->targets.count, &agents);
    if (r == 0) {
        *ret_alone = c->running == 0; /* all machines are too few: it says which are missing */
        return *ret_alone;
    }
    if (r > 0 && take_group(c, ret) < 0)
        r = -ENOMEM;
    return r < 0 ? error_sys(c->err, r, "cannot begin job %zu", job + 1) : r;
}

/* A job that has machines of its own has a port of its own; the one alone, the usual one. 1: no job
 * can begin. */
static int choose_ports(struct crew *c, const struct group *g, bool alone, unsigned *ret)
{
    int r;

    *ret = 0;
    if (alone)
        leave_port(c);
    if (alone || g->targets.count == 0)
        return 0;
    r = hold_port(c);
    return r == 0 ? find_port(c, ret) : r;
}

/* 1: it runs; 0: not now, there are too few machines. */
static int start_job(struct crew *c, struct worker *w, size_t job)
{
    CLEANUP(group_clear) struct group group = {0};
    struct solve_cast cast = {.machines = &group.targets};
    bool alone = false;
    int r = choose_machines(c, job, &group, &alone);

    if (r <= 0)
        return r;
    r = choose_ports(c, &group, alone, &cast.port);
    if (r != 0) {
        c->answer = r;
        return r < 0 ? r : 0;
    }
    cast.players = group.players;
    w->job = job;
    w->port = cast.port;
    w->again = c->stages[job] == WAITS_AGAIN || alone;
    batching_show_job(c->b, job);
    hold(c, w, alone);
    r = start_process(w, group.targets.count > 0 ? &cast : NULL);
    if (r < 0)
        return r;
    c->stages[job] = RUNS;
    return 1;
}

static bool find_waiting(const struct crew *c, size_t *ret)
{
    for (*ret = 0; *ret < c->b->plan.count; ++*ret)
        if (c->stages[*ret] == WAITS || c->stages[*ret] == WAITS_AGAIN)
            return true;
    return false;
}

static int start_jobs(struct crew *c)
{
    size_t job;
    int r = 1;

    while (r > 0 && c->answer == 0 && c->signal == 0 && find_waiting(c, &job)) {
        struct worker *w = free_worker(c);

        if (c->stale && c->running > 0)
            break;
        r = c->stale ? survey(c) : 0;
        if (r != 0) /* 1: no machine is there */
            return r;
        r = w ? start_job(c, w, job) : 0;
    }
    return r < 0 ? r : 0;
}

/* --- events ------------------------------------------------------------------------------- */

static void not_ready(struct crew *c, const struct worker *w)
{
    c->stages[w->job] = WAITS_AGAIN;
    c->stale = true;
    if (!w->again)
        return;
    fprintf(stderr, "The machines are not ready for job %zu; the batch stops here.\n", w->job + 1);
    c->answer = c->answer ? c->answer : 1;
}

static int take_result(struct crew *c, size_t job)
{
    int r = batch_state_reload(&c->b->state, &c->b->plan, job, c->err);

    c->stages[job] = IS_OVER;
    return r == 0 ? batching_end_job(c->b, job, c->err) : r;
}

static int on_end(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct worker *w = arg;
    struct crew *c = w->crew;
    int status = 0, r = 0;

    (void)source, (void)fd, (void)events;
    w->end = sd_event_source_disable_unref(w->end);
    while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
        ;
    w->pid = 0;
    c->running--;
    release(c, w);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        r = take_result(c, w->job);
    else if (c->signal)
        return 0;
    else if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
        not_ready(c, w);
    else
        r = error_set(c->err, -EIO, "the process of job %zu has %s; the batch stops here",
                      w->job + 1, WIFEXITED(status) ? "failed" : "been ended");
    if (r < 0 && c->answer >= 0)
        c->answer = r;
    return 0;
}

static void crew_clear(struct crew *c)
{
    leave_signals(c);
    leave_port(c);
    solve_environment_clear(&c->environment);
    sd_event_unref(c->loop);
    forget_machines(c);
    free(c->stages);
}

static int crew_begin(struct crew *c)
{
    const struct batching *b = c->b;

    c->stages = calloc(b->plan.count + 1, sizeof(*c->stages));
    if (!c->stages)
        return error_sys(c->err, -ENOMEM, "cannot begin the batch");
    for (size_t i = 0; i < b->plan.count; i++)
        c->stages[i] = batch_result_is_done(b->state.results[i]) ? IS_OVER : WAITS;
    for (unsigned i = 0; i < c->most; i++)
        c->workers[i].crew = c;
    if (sd_event_new(&c->loop) < 0)
        return error_set(c->err, -EIO, "cannot wait for events");
    return 0;
}

int batch_parallel(struct batching *b, unsigned most, int *ret_signal, struct error *err)
{
    CLEANUP(crew_clear) struct crew c = {.b = b, .most = most, .stale = true, .err = err};
    int r = 0;

    if (solve_port(&b->p->options) + BATCH_PARALLEL_PORTS_AFTER + most > UINT16_MAX)
        return error_set(err, -EINVAL, "--orchestrator: after its port there are to be %u others",
                         BATCH_PARALLEL_PORTS_AFTER + most);
    r = crew_begin(&c);
    while (r == 0) {
        r = start_jobs(&c);
        if (r != 0 && c.answer == 0)
            c.answer = r;
        if (c.running == 0)
            break;
        r = sd_event_run(c.loop, UINT64_MAX) < 0 ? error_set(err, -EIO, "cannot wait for events")
                                                 : 0;
    }
    *ret_signal = c.signal;
    return r < 0 ? r : c.answer;
}
