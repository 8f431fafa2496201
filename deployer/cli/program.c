#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "deployer/cache/caches.h"
#include "discovery/base/file.h"
#include "discovery/base/process.h"
#include "discovery/base/terminal.h"

void program_clear(struct program *p)
{
    targets_clear(&p->targets);
    resumption_clear(&p->resumed);
    pack_unref(p->pack);
    strings_clear(&p->confirmed);
    passwords_clear(&p->passwords);
    for (size_t i = 0; i < p->n_secrets; i++)
        secret_free(p->secrets[i]);
    free(p->secrets);
    state_free(p->state);
    problem_clear(&p->problem);
    sd_event_unref(p->loop);
    paths_clear(&p->paths);
    deploy_options_clear(&p->options);
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

int program_open(struct program *p, struct error *err)
{
    int r = sd_event_new(&p->loop);

    if (r < 0)
        return error_sys(err, r, "cannot wait for events");
    describe_self(p);
    r = passwords_take(&p->options, &p->passwords, err);
    if (r < 0)
        return r;
    r = paths_find(p->options.state_dir, &p->paths, err);
    return r < 0 ? r : state_open(p->paths.db, &p->state, err);
}

/* --- trust ----------------------------------------------------------------------- */

/* A line for a machine that has no pin, nor a signature instead of one; 1 when
 * there is nothing to ask. */
static int add_new(struct program *p, const struct target *t, struct text *list, struct error *err)
{
    CLEANUP(known_clear) struct known known = {0};
    int r = known_get(p->state, t, (struct consent){0}, &known, err);

    if (r < 0)
        return r;
    if (known_pin(&known) || (known.verified && !known.held_by))
        return 1;
    if (t->hostkey && !known.held_by && strings_has(&p->confirmed, t->hostkey))
        return 1;
    text_adds(list, "  ");
    text_add_printable(list, t->host ? t->host : t->id);
    text_addf(list, "  %s", t->hostkey ? t->hostkey : "(says no host key)");
    if (known.held_by) {
        text_adds(list, "  has the name '");
        text_add_printable(list, known.agent);
        text_addf(list, "', which %s held", known.held_by);
    }
    text_addc(list, '\n');
    return 0;
}

int program_ask_about_new(struct program *p, struct error *err)
{
    CLEANUP_TEXT struct text list = TEXT_INIT;
    char answer[8] = "";
    size_t new = 0;

    p->consent.given = p->consent.given || p->options.accept_new;
    if (p->options.accept_new || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return 0;
    for (size_t i = 0; i < p->targets.count; i++) {
        int r = add_new(p, &p->targets.items[i], &list, err);

        if (r < 0)
            return r;
        new += r == 0;
    }
    if (new == 0)
        return 0;
    terminal_put(stderr, &list);
    fprintf(stderr, "%zu machine%s new here. Are these the host keys of your machines? [y/N] ", new,
            new == 1 ? " is" : "s are");
    if (!fgets(answer, sizeof(answer), stdin) || (answer[0] != 'y' && answer[0] != 'Y'))
        return 1;
    p->consent = (struct consent){.given = true, .asked = true};
    for (size_t i = 0; i < p->targets.count; i++)
        if (p->targets.items[i].hostkey &&
            strings_add(&p->confirmed, p->targets.items[i].hostkey) < 0)
            return error_sys(err, -ENOMEM, "cannot remember the answer");
    return 0;
}

/* --- what is sent ------------------------------------------------------------- */

int program_choose_spec(struct program *p, char **ret, struct error *err)
{
    int r = p->options.spec ? -ENOENT : state_setting_get(p->state, STATE_SETTING_SPEC, ret, err);

    if (r != -ENOENT)
        return r;
    *ret = strdup(p->options.spec ? p->options.spec : "pydcop");
    return *ret ? 0 : error_sys(err, -ENOMEM, "cannot prepare pyDCOP");
}

/* What was packed before is dropped. */
static int pack(struct program *p, const char *spec, const char *index,
                const struct bundle_extra *extras, struct error *err)
{
    p->pack = pack_unref(p->pack);
    return pack_make(spec, index, extras, &p->paths, -1, &p->pack, err);
}

int program_pack_steps(struct program *p, const struct bundle_extra *extras, struct error *err)
{
    return pack(p, NULL, NULL, extras, err);
}

int program_pack_pydcop(struct program *p, const struct bundle_extra *extras, struct error *err)
{
    CLEANUP(caches_clear) struct caches caches = {0};
    CLEANUP_FREE char *spec = NULL;
    int r = program_choose_spec(p, &spec, err);

    if (r == 0)
        r = caches_find(&p->options.caches, &p->paths, &caches, err);
    if (r == 0)
        r = pack(p, spec, caches_index(&caches, &p->options.caches), extras, err);
    if (r < 0)
        return r;
    if (p->pack->wheels.unrefreshed && !p->options.quiet)
        fprintf(stderr, "The Python index does not answer; %s %s from the cache is used.\n",
                p->pack->wheels.name, p->pack->wheels.version);
    return p->options.check ? 0 : state_setting_set(p->state, STATE_SETTING_SPEC, spec, err);
}

/* --- doing it ------------------------------------------------------------------ */

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

/* `silent`: the verb itself tells what becomes of the machines. */
static int start_progress(const struct deploy_options *o, bool silent, struct progress **ret,
                          struct error *err)
{
    struct winsize size = {0};
    bool terminal = isatty(STDERR_FILENO) && !o->quiet;
    struct progress_options options = {
        .format = o->json    ? PROGRESS_JSON
                  : terminal ? PROGRESS_TERMINAL
                             : PROGRESS_PLAIN,
        .colour = terminal_wants_color(STDERR_FILENO),
        .quiet = o->quiet,
        .verbose = o->verbose,
        .recap_apart = !isatty(STDOUT_FILENO),
        .write = silent ? write_nothing : write_progress,
        .arg = o->json ? stdout : stderr,
    };

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0) {
        options.width = size.ws_col;
        options.height = size.ws_row;
    }
    *ret = progress_new(&options);
    return *ret ? 0 : error_sys(err, -ENOMEM, "cannot show progress");
}

static int read_keys(struct program *p, struct auth **ret, struct error *err)
{
    CLEANUP_STRINGS struct strings files = {0};
    int r = paths_keys(&p->options.keys, &files, err);

    return r < 0 ? r : auth_new(&files, p->options.keys.count > 0, p->passwords.login, ret, err);
}

static int conclude(struct program *p, const struct action *action, const struct progress *progress,
                    int signal)
{
    CLEANUP_TEXT struct text recap = TEXT_INIT;
    struct progress_counts counts;
    bool bad;

    progress_count(progress, &counts);
    bad = p->absent || counts.failed || counts.unreachable || counts.skipped || counts.interrupted;
    if (!action->no_recap && progress_recap(progress, &recap) == 0) {
        if (bad && !signal && !action->unrecorded && !p->options.json)
            text_adds(&recap, "\ndcop-deploy --resume does what is left.\n");
        terminal_put(stdout, &recap);
    }
    if (signal) {
        fprintf(stderr, "Interrupted: %u of %u machines %s left.%s\n", counts.interrupted,
                counts.machines, counts.interrupted == 1 ? "is" : "are",
                action->unrecorded || counts.interrupted == 0
                    ? ""
                    : " dcop-deploy --resume does what is left.");
        program_clear(p);
        process_end_by_signal(signal);
    }
    return bad ? 1 : 0;
}

/* Cards that were cloned, host key and all, are told of; they work.  What cannot
 * be compared is no reason to call the run a failure. */
static void warn_of_clones(const struct program *p, const struct state_targets *planned)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    if (p->pack && p->pack->spec && !p->options.quiet &&
        known_shared_keys(p->state, planned, &words, NULL) == 0 && words.size > 0)
        fprintf(stderr, "Warning: %s", text_str(&words));
}

/* Whom the run is for, so that a machine that is never reached is known as left. */
static int plan(const struct targets *targets, struct state_targets *ret, struct error *err)
{
    ret->items = calloc(targets->count + 1, sizeof(*ret->items));
    if (!ret->items)
        return error_sys(err, -ENOMEM, "cannot plan");
    for (; ret->count < targets->count; ret->count++) {
        const struct target *t = &targets->items[ret->count];
        CLEANUP_TEXT struct text agents = TEXT_INIT;
        char key[TARGET_KEY_MAX];

        for (size_t i = 0; i < t->agents.count; i++)
            text_addf(&agents, "%s%s", i ? " " : "", t->agents.items[i]);
        ret->items[ret->count] = (struct state_target){
            .machine = strdup(target_key(t, key)),
            .host = t->host ? strdup(t->host) : NULL,
            .agents = text_take(&agents),
        };
    }
    return 0;
}

/* The caches that machines are led to. */
static int find_caches(struct program *p, struct upstreams *ret, bool *ret_any, struct error *err)
{
    CLEANUP(caches_clear) struct caches caches = {0};
    int r = caches_find(&p->options.caches, &p->paths, &caches, err);

    *ret_any = r == 0 && (caches.apt_proxy || caches.pip_index);
    return *ret_any ? upstreams_find(caches.apt_proxy, caches.pip_index, &caches.ports,
                                     p->options.caches.direct, ret, err)
                    : r;
}

/* The list of packages.sh that this mode installs from; NULL: none. */
static const char *packages_of(const char *mode, const struct deploy_options *o)
{
    if (strcmp(mode, "enroll") == 0)
        return "BEACON";
    if (strcmp(mode, "deploy") == 0)
        return o->deps && strcmp(o->deps, "pip") == 0 ? "PIP" : "APT";
    return NULL;
}

static int name_errand(struct program *p, struct error *err)
{
    int r = nonce_make(p->errand);

    if (r < 0)
        return error_sys(err, r, "cannot name the run");
    p->options.errand = p->errand;
    return 0;
}

int program_act(struct program *p, const struct action *action, struct error *err)
{
    CLEANUP(progress_free_p) struct progress *progress = NULL;
    const struct deploy_options *o = &p->options;
    const struct pack *pack = p->pack;
    const char *spec = pack ? pack->spec : NULL;
    CLEANUP_STRINGS struct strings wish = {0};
    CLEANUP(state_targets_clear) struct state_targets planned = {0};
    CLEANUP(upstreams_clear) struct upstreams upstreams = {0};
    bool caches = false;
    int signal = 0;
    CLEANUP(auth_free_p) struct auth *auth = NULL;
    int r = read_keys(p, &auth, err);

    /* A loop that has ended takes no more: each action has its own. */
    p->loop = sd_event_unref(p->loop);
    if (r == 0 && sd_event_new(&p->loop) < 0)
        r = error_sys(err, -ENOMEM, "cannot wait for events");
    if (r == 0 && !o->errand)
        r = name_errand(p, err);
    if (r == 0)
        r = resume_wish(o, &wish, err);
    if (r == 0)
        r = plan(&p->targets, &planned, err);
    if (r == 0)
        r = start_progress(o, action->no_recap, &progress, err);
    if (r == 0 && action->fetches)
        r = find_caches(p, &upstreams, &caches, err);
    if (r < 0)
        return r;
    {
        const struct apt_push push = {
            .choice = &o->caches, .paths = &p->paths, .list = packages_of(action->mode, o)};
        struct job_common common = {
            .user = o->user,
            .auth = auth,
            .become_password = p->passwords.become,
            .timeout_ms = o->timeout_ms,
            .mode = action->mode,
            .scan = action->scan,
            .looks = action->looks,
            .settings = action->settings,
            .places_agents = spec != NULL,
            .orchestrator = o->orchestrator,
            .who = p->who,
            .errand = o->errand,
            .version_digest = spec ? pack->bundle.digest : NULL,
            .bundle_digest = pack ? pack->bundle.bundle_digest : NULL,
            .bundle = pack ? pack->bytes.data : NULL,
            .bundle_size = pack ? pack->bytes.size : 0,
            .keep_proxy = o->caches.keep_proxy,
            .upstreams = caches ? &upstreams : NULL,
            .deltas = pack ? &pack->deltas : NULL,
            .push = push.list && !action->looks ? &push : NULL,
        };
        struct deployment d = {
            .targets = &p->targets,
            .common = &common,
            .consent = p->consent,
            .forks = o->forks,
            .state = p->state,
            .record = {.verb = action->unrecorded ? NULL : (char *)o->verb,
                       .spec = (char *)(uintptr_t)spec,
                       .bundle_digest = spec ? (char *)(uintptr_t)pack->bundle.bundle_digest : NULL,
                       .files = p->problem.files,
                       .wish = wish,
                       .targets = planned},
            .progress = progress,
            .listener = action->listener,
            .arg = action->arg,
            .ticking = !o->json && !o->quiet && !action->no_recap && isatty(STDERR_FILENO),
        };

        r = deployment_run(&d, p->loop, &signal, err);
    }
    if (r == 0)
        warn_of_clones(p, &planned);
    return r < 0 ? r : conclude(p, action, progress, signal);
}

int program_takes_arguments(const struct program *p, int most, struct error *err)
{
    const struct deploy_options *o = &p->options;

    if (o->n_arguments <= most)
        return 0;
    return error_set(err, -EINVAL, "'%s' takes no argument such as '%s'; see --help", o->verb,
                     o->arguments[most]);
}
