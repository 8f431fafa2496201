#include "deploy.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bundle.h"
#include "deployment.h"
#include "discovery/base/file.h"
#include "discovery/output.h"
#include "discovery/report.h"
#include "fleet.h"
#include "options.h"
#include "paths.h"
#include "progress.h"
#include "verbs.h"
#include "wheel.h"

enum { BUNDLE_BYTES_MAX = 64 * 1024 * 1024 };

/* Everything that one run of the program holds. */
struct program {
    struct deploy_options options;
    struct paths paths;
    sd_event *loop;
    struct problem problem;
    struct fleet *fleet;
    struct match match;
    struct state *state;
    struct strings keys;
    const char **key_list; /* of keys, NULL-terminated */
    char *spec;
    struct wheel_set wheels;
    struct bundle bundle;
    struct text bundle_bytes;
    struct targets targets;
    struct progress *progress;
    char who[128];
};

static void program_clear(struct program *p)
{
    progress_free(p->progress);
    targets_clear(&p->targets);
    text_clear(&p->bundle_bytes);
    bundle_clear(&p->bundle);
    wheel_set_clear(&p->wheels);
    free(p->spec);
    free(p->key_list);
    strings_clear(&p->keys);
    state_free(p->state);
    match_clear(&p->match);
    fleet_free(p->fleet);
    problem_clear(&p->problem);
    sd_event_unref(p->loop);
    paths_clear(&p->paths);
    deploy_options_clear(&p->options);
}

static void put(FILE *to, const struct text *t)
{
    (void)fwrite(text_str(t), 1, t->size, to);
    (void)fflush(to);
}

static bool wants_color(int fd)
{
    const char *no = getenv("NO_COLOR"); /* no-color.org: set and not empty */

    return isatty(fd) && !(no && *no);
}

static struct report_style style_of(int fd)
{
    struct winsize size = {0};

    if (!isatty(fd) || ioctl(fd, TIOCGWINSZ, &size) < 0)
        size.ws_col = 0;
    return (struct report_style){.width = size.ws_col, .color = wants_color(fd)};
}

/* Without a problem nothing can be meant: says which machines there are. */
static int refuse_without_targets(struct program *p, struct error *err)
{
    CLEANUP_TEXT struct text table = TEXT_INIT;
    struct report_style style = style_of(STDERR_FILENO);
    const struct machine *const *machines;
    size_t n;

    if (fleet_find(&p->options, NULL, &p->fleet, NULL) == 0) {
        machines = fleet_machines(p->fleet, &n);
        if (report_roster_text(machines, n, &style, &table) == 0)
            put(stderr, &table);
    }
    return error_set(err, -EINVAL,
                     "say which machines are meant: -p PROBLEM takes those that hold its agents");
}

/* The machines that hold the problem's agents; 1 when the match says no. */
static int find_targets(struct program *p, struct error *err)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    struct report_style style = style_of(STDERR_FILENO);
    const struct machine *const *machines;
    size_t n;
    int r;

    r = problem_read(&p->options.problems, &p->problem, err);
    if (r == 0)
        r = fleet_find(&p->options, &p->problem, &p->fleet, err);
    if (r < 0)
        return r;
    if (fleet_signal(p->fleet))
        end_by_signal(fleet_signal(p->fleet));
    machines = fleet_machines(p->fleet, &n);
    r = match_make(machines, n, &p->problem, &p->match);
    if (r == 0)
        r = match_explain(&p->match, machines, n);
    if (r == 0 && !match_ok(&p->match, false)) {
        r = report_match_text(&p->match, false, &style, &words);
        put(stderr, &words);
        if (r == 0 && !(p->options.partial && p->match.n_matched > 0)) {
            fprintf(stderr, p->match.n_matched > 0
                                ? "Nothing was deployed; --partial deploys to those that match.\n"
                                : "Nothing was deployed.\n");
            return 1;
        }
    }
    if (r == 0)
        r = targets_from_match(&p->match, &p->targets);
    if (r < 0)
        return error_sys(err, r, "cannot match");
    /* Targets are copies: nothing is heard of the network from here on. */
    match_clear(&p->match);
    fleet_free(TAKE_PTR(p->fleet));
    return 0;
}

/* Makes what is to be sent, or finds it in the cache. */
static int prepare_bundle(struct program *p, struct error *err)
{
    int r = 0;

    if (p->options.spec)
        p->spec = strdup(p->options.spec);
    else
        r = state_setting_get(p->state, STATE_SETTING_SPEC, &p->spec, err);
    if (r == -ENOENT)
        p->spec = strdup("pydcop");
    else if (r < 0)
        return r;
    if (!p->spec)
        return error_sys(err, -ENOMEM, "cannot prepare pyDCOP");
    r = wheel_prepare(p->spec, p->paths.cache, -1, &p->wheels, err);
    if (r == 0)
        r = bundle_make(&p->wheels, p->paths.steps, p->paths.cache, &p->bundle, err);
    if (r == 0)
        r = file_read(p->bundle.path, BUNDLE_BYTES_MAX, &p->bundle_bytes, err);
    if (r < 0)
        return r;
    if (p->wheels.unrefreshed && !p->options.quiet)
        fprintf(stderr, "The Python index does not answer; %s %s from the cache is used.\n",
                p->wheels.name, p->wheels.version);
    return p->options.check ? 0 : state_setting_set(p->state, STATE_SETTING_SPEC, p->spec, err);
}

/* Machines that have no pin yet: their fingerprints and one question for all.
 * 1 when the answer is no.  What cannot be asked is refused later, machine by
 * machine, with the command that accepts it. */
static int ask_about_new(struct program *p, struct error *err)
{
    CLEANUP_TEXT struct text list = TEXT_INIT;
    char answer[8] = "";
    size_t new = 0;

    if (p->options.accept_new || p->options.from || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return 0;
    for (size_t i = 0; i < p->targets.count; i++) {
        const struct target *t = &p->targets.items[i];
        CLEANUP(state_pin_clear) struct state_pin pin = {0};
        int r = t->id ? state_pin_get(p->state, t->id, &pin, err) : -ENOENT;

        if (r < 0 && r != -ENOENT)
            return r;
        if (r == 0)
            continue;
        new ++;
        text_adds(&list, "  ");
        text_add_printable(&list, t->host);
        text_addf(&list, "  %s\n", t->hostkey ? t->hostkey : "(says no host key)");
    }
    if (new == 0)
        return 0;
    put(stderr, &list);
    fprintf(stderr, "%zu machine%s new here. Are these the host keys of your machines? [y/N] ", new,
            new == 1 ? " is" : "s are");
    if (!fgets(answer, sizeof(answer), stdin) || (answer[0] != 'y' && answer[0] != 'Y'))
        return 1;
    p->options.accept_new = true;
    return 0;
}

static void write_progress(const char *bytes, size_t size, void *arg)
{
    FILE *to = arg;

    (void)fwrite(bytes, 1, size, to);
    (void)fflush(to);
}

static int start_progress(struct program *p, struct error *err)
{
    struct winsize size = {0};
    bool terminal = isatty(STDERR_FILENO) && !p->options.quiet;
    struct progress_options options = {
        .format = p->options.json ? PROGRESS_JSON
                  : terminal      ? PROGRESS_TERMINAL
                                  : PROGRESS_PLAIN,
        .colour = wants_color(STDERR_FILENO),
        .quiet = p->options.quiet,
        .verbose = p->options.verbose,
        .write = write_progress,
        .arg = p->options.json ? stdout : stderr,
    };

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0) {
        options.width = size.ws_col;
        options.height = size.ws_row;
    }
    p->progress = progress_new(&options);
    return p->progress ? 0 : error_sys(err, -ENOMEM, "cannot show progress");
}

static int list_keys(struct program *p, struct error *err)
{
    int r = paths_keys(&p->options.keys, &p->keys, err);

    if (r < 0)
        return r;
    p->key_list = calloc(p->keys.count + 1, sizeof(*p->key_list));
    if (!p->key_list)
        return error_sys(err, -ENOMEM, "cannot find keys");
    for (size_t i = 0; i < p->keys.count; i++)
        p->key_list[i] = p->keys.items[i];
    return 0;
}

/* user@host, for the lock on the machine. */
static void describe_self(struct program *p)
{
    char host[64] = "controller";
    const char *user = getenv("SUDO_USER");

    (void)gethostname(host, sizeof(host) - 1);
    if (!user)
        user = getenv("USER");
    (void)snprintf(p->who, sizeof(p->who), "%s@%s", user ? user : "root", host);
}

static int execute(struct program *p, struct error *err)
{
    struct job_common common = {
        .user = p->options.user,
        .keys = p->key_list,
        .agent = p->options.keys.count == 0,
        .timeout_ms = p->options.timeout_ms,
        .accept_new = p->options.accept_new,
        .check_only = p->options.check,
        .orchestrator = p->options.orchestrator,
        .who = p->who,
        .version_digest = p->bundle.digest,
        .bundle_digest = p->bundle.bundle_digest,
        .bundle = p->bundle_bytes.data,
        .bundle_size = p->bundle_bytes.size,
    };
    struct deployment d = {
        .targets = &p->targets,
        .common = &common,
        .forks = p->options.forks,
        .state = p->state,
        .record = {.verb = (char *)p->options.verb,
                   .spec = p->spec,
                   .bundle_digest = p->bundle.bundle_digest,
                   .files = p->problem.files},
        .progress = p->progress,
        .ticking = !p->options.json && !p->options.quiet && isatty(STDERR_FILENO),
    };
    CLEANUP_TEXT struct text recap = TEXT_INIT;
    struct progress_counts counts;
    int signal = 0, r;

    r = deployment_run(&d, p->loop, &signal, err);
    if (r < 0)
        return r;
    if (progress_recap(p->progress, &recap) == 0)
        put(stdout, &recap);
    if (signal) {
        fprintf(stderr, "Interrupted. The same command again does what is left.\n");
        end_by_signal(signal);
    }
    progress_count(p->progress, &counts);
    return counts.failed || counts.unreachable || counts.skipped || counts.interrupted ? 1 : 0;
}

static int verb_deploy(struct program *p, struct error *err)
{
    int r;

    if (p->options.n_arguments > 0)
        return error_set(err, -EINVAL, "'deploy' takes no argument such as '%s'; see --help",
                         p->options.arguments[0]);
    if (p->options.problems.count == 0)
        return refuse_without_targets(p, err);
    r = list_keys(p, err);
    if (r == 0)
        r = find_targets(p, err);
    if (r == 0)
        r = state_open(p->paths.db, &p->state, err);
    if (r == 0)
        r = ask_about_new(p, err);
    if (r == 0)
        r = prepare_bundle(p, err);
    if (r == 0)
        r = start_progress(p, err);
    if (r == 0)
        r = execute(p, err);
    return r;
}

static int verb_trust_here(struct program *p, struct error *err)
{
    CLEANUP_TEXT struct text said = TEXT_INIT;
    int r = state_open(p->paths.db, &p->state, err);

    if (r == 0)
        r = verb_trust(p->state, p->options.arguments, p->options.n_arguments, &said, err);
    put(stdout, &said);
    return r;
}

/* The verbs drive help and run alike. */
static const struct verb {
    const char *name, *arguments, *help;
    int (*run)(struct program *p, struct error *err);
} verbs[] = {
    {"deploy", "", "deploy pyDCOP, start the agents (the default)", verb_deploy},
    {"trust", "[ID [FINGERPRINT]]", "show the pinned host keys, or accept a machine's",
     verb_trust_here},
};

static int show_help(void)
{
    CLEANUP_TEXT struct text help = TEXT_INIT;

    text_adds(&help, "usage: dcop-deploy [OPTIONS] [VERB [ARGUMENT...]]\n\n"
                     "Deploys pyDCOP over SSH to the machines that hold a problem's agents.\n\n");
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        CLEANUP_TEXT struct text usage = TEXT_INIT;

        text_addf(&usage, "%s %s", verbs[i].name, verbs[i].arguments);
        text_addf(&help, "  %-27s %s\n", text_str(&usage), verbs[i].help);
    }
    text_addc(&help, '\n');
    deploy_options_help(&help);
    text_adds(&help, "\nExit codes: 0 done, 1 a machine failed or the names do not match,\n"
                     "2 bad usage or input, 3 it cannot be done here.\n");
    put(stdout, &help);
    return 0;
}

static int run_verb(struct program *p, struct error *err)
{
    int r;

    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        if (strcmp(p->options.verb, verbs[i].name) != 0)
            continue;
        r = sd_event_new(&p->loop);
        if (r < 0)
            return error_sys(err, r, "cannot wait for events");
        r = paths_find(p->options.state_dir, &p->paths, err);
        return r < 0 ? r : verbs[i].run(p, err);
    }
    return error_set(err, -EINVAL, "there is no verb '%s'; see --help", p->options.verb);
}

/* Bad input is 2; what this controller lacks is 3. */
static int exit_code(int r)
{
    switch (r) {
    case -EINVAL:
    case -ENOENT:
    case -EBADMSG:
    case -EISDIR:
    case -EFBIG:
        return 2;
    default:
        return r < 0 ? 3 : r;
    }
}

int deploy_main(int argc, char **argv)
{
    CLEANUP(program_clear) struct program p = {0};
    struct error err = {0};
    int r;

    (void)setlocale(LC_CTYPE, "");
    (void)signal(SIGPIPE, SIG_IGN);
    describe_self(&p);
    r = deploy_options_parse(argc, argv, &p.options, &err);
    if (r == 0 && p.options.help)
        return show_help();
    if (r == 0 && p.options.version) {
        printf("dcop-deploy %s\n", DCOP_VERSION);
        return 0;
    }
    if (r == 0)
        r = run_verb(&p, &err);
    if (r < 0) {
        CLEANUP_TEXT struct text words = TEXT_INIT;

        text_add_printable(&words, err.text);
        fprintf(stderr, "dcop-deploy: %s\n", text_str(&words));
    }
    return exit_code(r);
}
