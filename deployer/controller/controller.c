#include "controller.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "deployer/controller/http/listen.h"
#include "deployer/move/takeover.h"
#include "discovery/base/clock.h"
#include "private.h"

enum { LATENCY_USEC = 1000 * 1000 };

/* --- timers and signals ------------------------------------------------------------- */

static int on_evaluate(sd_event_source *source, uint64_t usec, void *arg)
{
    struct controller *c = arg;

    (void)source, (void)usec;
    if (c->inputs.changed) {
        c->inputs.changed = false;
        inputs_reread(c);
    }
    evaluate(c);
    return 0;
}

/* Has any process, this one included, written to the database since the last call? */
static bool state_changed(struct controller *c)
{
    CLEANUP_FREE char *wal = NULL;
    struct stat st;
    int64_t now = 0;

    if (asprintf(&wal, "%s-wal", c->paths.db) < 0) {
        wal = NULL;
        return true;
    }
    if (stat(c->paths.db, &st) == 0)
        now = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    if (stat(wal, &st) == 0)
        now ^= (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec + st.st_size;
    if (now == c->state_seen)
        return false;
    c->state_seen = now;
    return true;
}

/* Runs are rare: tests whether the next one can be recorded again. */
static void try_to_record(struct controller *c)
{
    if (!c->troubles.record || runner_catch_up(c->runner, NULL) < 0 ||
        state_setting_set(c->state, STATE_SETTING_TRIED, "", NULL) < 0)
        return;
    controller_set_trouble(&c->troubles.record, NULL);
    publish_status(c);
}

/* After a failure, try again; a source folder may have changed. */
static bool needs_repack(const struct controller *c)
{
    const char *spec = c->packs.pack ? c->packs.pack->spec : NULL;

    return (c->packs.error || (spec && wheel_spec_kind(spec) == WHEEL_SPEC_DIRECTORY)) &&
           clock_ms(CLOCK_MONOTONIC) - c->packs.ended_ms >= REPACK_MS;
}

/* If the service listens on all addresses, browsers may use each of them. */
static int update_hosts(struct controller *c)
{
    struct strings hosts = {0};
    int r = listen_hosts(c->web.listens_on, &c->settings.hosts, &hosts);

    if (r < 0) {
        strings_clear(&hosts);
        return r;
    }
    strings_clear(&c->web.hosts);
    c->web.hosts = hosts;
    return 0;
}

/* Checks what sends no event when it changes: pins that other processes write, our
 * addresses, a source folder of pyDCOP. */
static int on_poll(sd_event_source *source, uint64_t usec, void *arg)
{
    struct controller *c = arg;
    (void)usec;
    if (state_changed(c))
        for (struct member *m = c->directory.members; m; m = m->hh.next)
            model_find_standing(c, m);
    try_to_record(c);
    inputs_addresses(c);
    inputs_fleet(c);
    update_hosts(c);
    inputs_check_files(c);
    if (c->settings.automatic && needs_repack(c))
        packing_start(c);
    model_clear(c);
    controller_evaluate_soon(c);
    (void)sd_event_source_set_time_relative(source, POLL_USEC);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_latency(sd_event_source *source, uint64_t usec, void *arg)
{
    struct controller *c = arg;
    uint64_t now = usec;

    (void)sd_event_now(c->loop, CLOCK_MONOTONIC, &now);
    metrics_loop(&c->metrics, now > usec ? (double)(now - usec) / 1e6 : 0);
    (void)sd_event_source_set_time(source, now + LATENCY_USEC);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    struct controller *c = arg;

    (void)source, (void)info;
    return sd_event_exit(c->loop, 0);
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
    (void)source, (void)info;
    inputs_reread(arg);
    return 0;
}

static int add_sources(struct controller *c, struct error *err)
{
    int r =
        sd_event_add_time(c->loop, &c->sources.evaluate, CLOCK_MONOTONIC, 0, 1000, on_evaluate, c);

    if (r >= 0)
        r = sd_event_add_time(c->loop, &c->sources.again, CLOCK_MONOTONIC, 0, 50 * 1000,
                              on_evaluate, c);
    if (r >= 0)
        r = sd_event_source_set_enabled(c->sources.again, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_time_relative(c->loop, &c->sources.poll, CLOCK_MONOTONIC, POLL_USEC, 0,
                                       on_poll, c);
    if (r >= 0)
        r = sd_event_add_time_relative(c->loop, &c->sources.latency, CLOCK_MONOTONIC, LATENCY_USEC,
                                       1, on_latency, c);
    if (r >= 0)
        r = sd_event_add_signal(c->loop, &c->sources.signals[0], SIGTERM | SD_EVENT_SIGNAL_PROCMASK,
                                on_signal, c);
    if (r >= 0)
        r = sd_event_add_signal(c->loop, &c->sources.signals[1], SIGINT | SD_EVENT_SIGNAL_PROCMASK,
                                on_signal, c);
    if (r >= 0)
        r = sd_event_add_signal(c->loop, &c->sources.signals[2], SIGHUP | SD_EVENT_SIGNAL_PROCMASK,
                                on_hangup, c);
    for (size_t i = 0; i < ARRAY_SIZE(c->sources.signals) && r >= 0; i++)
        r = sd_event_source_set_priority(c->sources.signals[i], SD_EVENT_PRIORITY_IMPORTANT);
    if (r >= 0)
        r = sd_event_set_watchdog(c->loop, true);
    return r < 0 ? error_sys(err, r, "cannot run the event loop") : 0;
}

/* --- its parts, one after another ------------------------------------------------------ */

static void describe_self(struct controller *c)
{
    char host[64] = "controller";

    (void)gethostname(host, sizeof(host) - 1);
    (void)snprintf(c->who, sizeof(c->who), "dcop-controller@%s", host);
}

static int open_state(struct controller *c, struct error *err)
{
    const struct deploy_options *o = &c->settings.deploy;
    int r = passwords_take(o, &c->passwords, err);

    if (r == 0)
        r = paths_find(o->state_dir, &c->paths, err);
    if (r == 0)
        r = paths_hold(&c->paths, "dcop-controller", err);
    if (r == 0)
        r = paths_begin(&c->paths, o->config_dir, &o->keys, err);
    if (r == 0)
        r = state_open(c->paths.db, &c->state, err);
    if (r == 0)
        r = takeover_settle(c->state, &c->paths, o->config_dir, err);
    if (r < 0)
        return r;
    r = key_read_fleet(o->config_dir, &c->key, err);
    c->has_key = r > 0;
    return r < 0 ? r : 0;
}

/* The dashboard's folder is beside this program, as the steps are. */
static char *find_dashboard(const struct controller *c)
{
    char *path;

    if (c->settings.dashboard)
        return strdup(c->settings.dashboard);
    if (asprintf(&path, "%s/../dashboard", c->paths.steps) < 0)
        return NULL;
    if (access(path, R_OK) == 0)
        return path;
    free(path);
    return asprintf(&path, "%s/../controller/dashboard", c->paths.steps) < 0 ? NULL : path;
}

static int make_events(struct controller *c, struct error *err)
{
    uint8_t random[4];
    char boot[9];

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return error_sys(err, -errno, "cannot get random bytes for event ids");
    (void)snprintf(boot, sizeof(boot), "%02x%02x%02x%02x", random[0], random[1], random[2],
                   random[3]);
    c->web.events = events_new(boot);
    return c->web.events ? 0 : error_sys(err, -ENOMEM, "cannot allocate the event buffer");
}

static void print_address(const struct controller *c, const char *host)
{
    if (isatty(STDOUT_FILENO)) /* a token must not get into a log */
        printf("Dashboard: http://%s:%u/#token=%s\n", host, c->web.admission.port,
               c->web.admission.token);
    else
        printf("Dashboard: http://%s:%u/ (its token is in %s/token)\n", host, c->web.admission.port,
               c->paths.state);
    (void)fflush(stdout);
}

static int open_http(struct controller *c, struct error *err)
{
    CLEANUP_FREE char *dashboard = find_dashboard(c), *token = NULL;
    struct http_options options = {
        .socket = -1,
        .admission = &c->web.admission,
        .handle = api_handle,
        .snapshot = api_snapshot,
        .arg = c,
    };
    int r;

    if (!dashboard || asprintf(&token, "%s/token", c->paths.state) < 0) {
        token = NULL;
        return error_sys(err, -ENOMEM, "cannot serve the dashboard");
    }
    r = token_read(token, c->web.admission.token, err);
    if (r == 0)
        r = files_load(dashboard, &c->web.files, err);
    if (r == 0)
        r = make_events(c, err);
    if (r == 0)
        r = listen_open(c->settings.listen, SETTINGS_PORT, &options.socket, &c->web.admission.port,
                        &c->web.listens_on, err);
    if (r < 0)
        return r;
    if (update_hosts(c) < 0) {
        (void)close(options.socket);
        return error_sys(err, -ENOMEM, "cannot serve the dashboard");
    }
    c->web.admission.hosts = &c->web.hosts;
    options.events = c->web.events;
    options.files = c->web.files;
    r = http_new(c->loop, &options, &c->web.http, err);
    if (r == 0)
        print_address(c, c->web.listens_on);
    return r;
}

static int open_runner(struct controller *c, struct error *err)
{
    const struct runner_options options = {
        .forks = c->settings.deploy.forks,
        .state = c->state,
        .paths = &c->paths,
        .who = c->who,
        .keys = &c->settings.deploy.keys,
        .config = c->settings.deploy.config_dir,
        .password = c->passwords.login,
        .become_password = c->passwords.become,
        .listener = actions_on_run_event,
        .arg = c,
    };

    int r = runner_new(c->loop, &options, &c->runner, err);

    return r < 0 ? r : follows_new(c->loop, &c->follows, err);
}

static int open_discovery(struct controller *c, struct error *err)
{
    const struct discovery_thread_options options = {
        .fleet = c->settings.deploy.fleet,
        .key = c->has_key ? &c->key : NULL,
        .known = c->paths.db,
        .domain = c->settings.deploy.domain,
        .change = discovered_change,
        .daemon = discovered_daemon,
        .domain_trouble = discovered_domain_trouble,
        .known_trouble = discovered_known,
        .arg = c,
    };

    return discovery_thread_new(c->loop, &options, &c->discovery, err);
}

static int run_service(struct controller *c, struct error *err)
{
    int r = sd_event_new(&c->loop);

    if (r < 0)
        return error_sys(err, r, "cannot run the event loop");
    describe_self(c);
    r = open_state(c, err);
    if (r == 0)
        r = add_sources(c, err);
    if (r == 0)
        r = inputs_watch(c, err); /* first: what is written after it was read is read again */
    if (r == 0)
        r = inputs_read(c, err);
    if (r == 0)
        r = open_http(c, err);
    if (r == 0)
        r = open_runner(c, err);
    if (r < 0)
        return r;
    inputs_addresses(c);
    inputs_fleet(c);
    packing_start(c);
    r = open_discovery(c, err);
    if (r < 0)
        return r;
    (void)sd_notify(0, "READY=1");
    r = sd_event_loop(c->loop);
    (void)sd_notify(0, "STOPPING=1");
    return r < 0 ? error_sys(err, r, "cannot run the event loop") : 0;
}

static void controller_clear(struct controller *c)
{
    solving_clear(c);
    api_experiments_stop(c);
    discovery_thread_free(c->discovery);
    follows_free(c->follows);
    runner_free(c->runner);
    packing_stop(c);
    later_stop(c);
    hook_stop(c);
    http_free(c->web.http);
    events_free(c->web.events);
    files_free(c->web.files);
    model_clear(c);
    json_decref(c->published.match);
    members_clear(&c->directory);
    problem_clear(&c->problem);
    (void)sd_event_source_disable_unref(c->sources.evaluate);
    (void)sd_event_source_disable_unref(c->sources.again);
    (void)sd_event_source_disable_unref(c->sources.poll);
    (void)sd_event_source_disable_unref(c->sources.latency);
    (void)sd_event_source_disable_unref(c->sources.signals[0]);
    (void)sd_event_source_disable_unref(c->sources.signals[1]);
    (void)sd_event_source_disable_unref(c->sources.signals[2]);
    sd_event_unref(c->loop);
    state_free(c->state);
    paths_clear(&c->paths);
    key_clear(&c->key);
    passwords_clear(&c->passwords);
    free(c->troubles.problem);
    free(c->troubles.settings);
    free(c->troubles.avahi);
    free(c->troubles.domain);
    free(c->troubles.state);
    free(c->troubles.known);
    free(c->troubles.record);
    free(c->troubles.queue);
    free(c->packs.error);
    free(c->published.status);
    free(c->inputs.addresses);
    free(c->inputs.fleet);
    free(c->web.listens_on);
    strings_clear(&c->web.hosts);
    inputs_unwatch(c);
    text_clear(&c->published.inventory);
    controller_options_clear(&c->settings);
}

/* --- the program -------------------------------------------------------------------------- */

static int show_help(void)
{
    CLEANUP_TEXT struct text help = TEXT_INIT;

    text_adds(&help, "usage: dcop-controller [OPTIONS]\n\n"
                     "Discovers machines, deploys pyDCOP to the machines of a problem, and serves "
                     "a\ndashboard and an API.  Options can also be set in " SETTINGS_FILE
                     ", without the\ndashes.\n\n");
    controller_options_help(&help);
    text_adds(&help, "\nExit codes: 0 ended by SIGINT or SIGTERM, 2 bad usage or input, 3 not "
                     "possible\non this computer.\n");
    fputs(text_str(&help), stdout);
    return 0;
}

static int run_program(struct controller *c, struct error *err)
{
    int r = controller_options_read(c->argc, c->argv, &c->settings, err);

    if (r < 0)
        return r;
    if (c->settings.deploy.help)
        return show_help();
    if (c->settings.deploy.version) {
        printf("dcop-controller %s\n", DCOP_VERSION);
        return 0;
    }
    return run_service(c, err);
}

int controller_main(int argc, char **argv)
{
    CLEANUP(controller_clear) struct controller c = {.argc = argc, .argv = argv};
    struct error err = {0};
    int r;

    (void)setlocale(LC_CTYPE, "");
    (void)signal(SIGPIPE, SIG_IGN);
    r = run_program(&c, &err);
    if (r < 0) {
        CLEANUP_TEXT struct text words = TEXT_INIT;

        text_add_printable(&words, err.text);
        fprintf(stderr, "dcop-controller: %s\n", text_str(&words));
    }
    return deploy_exit_code(r);
}
