#include "job.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "become.h"
#include "boot.h"
#include "forward.h"
#include "job-push.h"
#include "lines.h"
#include "session.h"

_Static_assert((int)GATE_TOKEN_LENGTH == (int)STEPWIRE_NONCE_LENGTH, "both are made by make_nonce");

enum { STDERR_KEPT = 2048, NOISE_KEPT = 512, ORCHESTRATOR_PORT = 9000 };

static const char *const outcome_names[] = {
    [JOB_OK] = "ok",
    [JOB_CHANGED] = "changed",
    [JOB_WOULD_CHANGE] = "would change",
    [JOB_FAILED] = "failed",
    [JOB_REFUSED] = "refused",
    [JOB_UNREACHABLE] = "unreachable",
    [JOB_CANCELLED] = "cancelled",
};

const char *job_outcome_name(enum job_outcome outcome)
{
    return outcome_names[outcome];
}

void job_clear(struct job *job)
{
    target_clear(&job->target);
    known_clear(&job->known);
    *job = (struct job){0};
}

/* A job while it runs. */
struct run {
    const struct job *job;
    struct session *session;
    job_listener *listener;
    void *arg;
    char nonce[STEPWIRE_NONCE_LENGTH + 1];
    struct stepwire wire;
    struct text settings;
    bool scanned;                          /* the host key is known, which is all that was wanted */
    bool may_have_password;                /* the machine's pin is one that passwords go by */
    bool password_sent;                    /* to sudo */
    struct text noise;                     /* the start of standard output, until the hello */
    struct text complaints;                /* the tail of standard error */
    struct text why;                       /* the words of the step that failed */
    struct text others;                    /* what answered at its addresses and was not it */
    struct lines output, errors;           /* of a command, once it streams */
    struct gate_rules gate;                /* of the forward to the caches */
    char token[STEPWIRE_NONCE_LENGTH + 1]; /* this run's and this machine's; "": not yet */
    unsigned port;                         /* of the machine, which leads to the caches */
    struct text caches;                    /* what it is told of them */
    struct text left;                      /* the steps that a stopped run has left */
    struct text stop;                      /* what tells the machine to stop */
    bool planned;                          /* it has steps, between which it can stop */
    bool at_work;                          /* on one of them */
    bool ended, changed, failed, would_change, stopped;
    bool whole;                  /* no delta this time */
    bool delta_sent;             /* and nothing was heard of the bundle's own since */
    int problem;                 /* negative errno from within a handler */
    struct unfetched *unfetched; /* filled instead of told; NULL: told */
    struct error error;
};

static void tell(struct run *run, const struct job_event *event)
{
    run->listener(event, run->arg);
}

static const char *user_of(const struct job *job)
{
    if (job->common->user)
        return job->common->user;
    return job->target.user ? job->target.user : "pi";
}

/* What answered before at another of its addresses is told once the machine
 * itself was found: alone it would be why it was refused. */
static void tell_others(struct run *run)
{
    struct stepwire_event note = {
        .kind = STEPWIRE_NOTE, .name = "", .detail = text_str(&run->others), .lines = ""};

    if (run->others.size > 0)
        tell(run, &(struct job_event){.kind = JOB_STEP, .step = &note});
}

static int check_hostkey(const char *fingerprint, const struct address *peer, bool *ret_password,
                         void *arg, struct error *err)
{
    struct run *run = arg;
    const struct job *job = run->job;
    struct trust trust = known_trust(&job->known, &job->target);
    char address[ADDRESS_TEXT_MAX];
    int r;

    if (job->common->scan) {
        run->scanned = true;
        tell(run, &(struct job_event){.kind = JOB_TRUSTED, .text = fingerprint});
        return error_set(err, -ECANCELED, "its host key is %s", fingerprint);
    }
    r = trust_check(&trust, fingerprint, err);
    run->may_have_password = r == 0 && trust_gets_passwords(trust_source(&trust));
    *ret_password = run->may_have_password;
    address_format(peer, address);
    if (r == 0) {
        tell(run, &(struct job_event){.kind = JOB_TRUSTED, .text = fingerprint});
        tell_others(run);
        return 0;
    }
    text_addf(&run->others, "%sat %s another machine answers for it, with the host key %s%s%s",
              run->others.size > 0 ? "; " : "", address, fingerprint,
              trust.pin ? " instead of " : "", trust.pin ? trust.pin : "");
    return error_prefix(err, "at %s", address);
}

/* An IPv4 address in words, or -EAFNOSUPPORT: pyDCOP splits what it is given at
 * ':', so it takes no other (pydcop/commands/agent.py). */
static int ipv4_text(const struct address *a, char ret[static INET_ADDRSTRLEN])
{
    if (!a || a->family != AF_INET || !inet_ntop(AF_INET, a->bytes, ret, INET_ADDRSTRLEN))
        return -EAFNOSUPPORT;
    return 0;
}

static const struct address *find_ipv4(const struct target *t)
{
    for (size_t i = 0; i < t->n_addresses; i++)
        if (t->addresses[i].family == AF_INET)
            return &t->addresses[i];
    return NULL;
}

void job_add_setting(struct text *t, const char *key, const char *value)
{
    text_addf(t, "%s ", key);
    text_add_percent(t, value);
    text_addc(t, '\n');
}

static int add_addresses(const struct job *job, const struct address *peer,
                         const struct address *local, struct text *ret, struct error *err)
{
    const char *orchestrator = job->common->orchestrator;
    char address[INET_ADDRSTRLEN], own[INET_ADDRSTRLEN + 8];

    if (ipv4_text(peer, address) < 0 && ipv4_text(find_ipv4(&job->target), address) < 0)
        return error_set(err, -EAFNOSUPPORT,
                         "it has no IPv4 address, and pyDCOP speaks nothing else");
    if (!orchestrator) {
        size_t n;

        if (ipv4_text(local, own) < 0)
            return error_set(err, -EAFNOSUPPORT,
                             "this controller has no IPv4 address towards it; "
                             "give one with --orchestrator");
        n = strlen(own);
        (void)snprintf(own + n, sizeof(own) - n, ":%d", ORCHESTRATOR_PORT);
        orchestrator = own;
    }
    job_add_setting(ret, "address", address);
    job_add_setting(ret, "orchestrator", orchestrator);
    return 0;
}

static void add_kept(const struct upstream *u, const char *key, const struct address *local,
                     struct text *ret)
{
    CLEANUP_TEXT struct text url = TEXT_INIT;

    if (u->size == 0)
        return;
    upstream_add_url(u, NULL, 0, local, &url);
    job_add_setting(ret, key, text_str(&url));
}

int job_settings(const struct job *job, const char *nonce, const struct address *peer,
                 const struct address *local, struct text *ret, struct error *err)
{
    const struct job_common *common = job->common;
    int r;

    job_add_setting(ret, "mode", common->mode);
    job_add_setting(ret, "who", common->who);
    if (common->version_digest)
        job_add_setting(ret, "digest", common->version_digest);
    if (job->target.id)
        job_add_setting(ret, "id", job->target.id);
    job_add_setting(ret, "login", user_of(job));
    if (job->target.named)
        text_adds(ret, "named yes\n");
    if (common->upstreams) {
        text_adds(ret, common->upstreams->apt.size ? "caches apt\n" : "");
        text_adds(ret, common->upstreams->pip.size ? "caches pip\n" : "");
    }
    if (common->upstreams && common->keep_proxy && local) {
        add_kept(&common->upstreams->apt, "keep_apt_proxy", local, ret);
        add_kept(&common->upstreams->pip, "keep_pip_index", local, ret);
    }
    if (common->looks)
        text_adds(ret, "looks yes\n");
    for (size_t i = 0; i < job->target.agents.count; i++)
        job_add_setting(ret, "agents", job->target.agents.items[i]);
    /* In the form in which dcop-beacon --print writes them on the machine. */
    for (size_t i = 0; i < job->target.names.count; i++) {
        CLEANUP_TEXT struct text printed = TEXT_INIT;

        text_add_printable(&printed, job->target.names.items[i]);
        if (text_error(&printed) < 0)
            return error_sys(err, -ENOMEM, "cannot write the settings");
        job_add_setting(ret, "names", text_str(&printed));
    }
    if (common->places_agents) {
        r = add_addresses(job, peer, local, ret, err);
        if (r < 0)
            return r;
    }
    text_add(ret, job->target.settings.data, job->target.settings.size);
    if (common->settings)
        text_add(ret, common->settings->data, common->settings->size);
    text_addf(ret, "time %lld\n", (long long)time(NULL));
    text_addf(ret, "end %s\n", nonce);
    r = text_error(ret);
    return r < 0 ? error_sys(err, r, "cannot write the settings") : 0;
}

/* Between two steps: what the machine is at is brought to its end. */
static bool on_stop(void *arg)
{
    struct run *run = arg;

    /* The line before may be unfinished, as far as the machine has read. */
    text_addf(&run->stop, "\nstop %s\n", run->nonce);
    return run->planned && !run->wire.streaming && text_error(&run->stop) == 0 &&
           session_send(run->session, run->stop.data, run->stop.size) == 0;
}

static void on_hello(struct run *run, const struct stepwire_event *event)
{
    const struct job_common *common = run->job->common;
    const struct bundle_delta *delta = NULL;
    const void *bytes;
    size_t size;
    struct address local;
    bool local_known = session_local(run->session, &local) == 0;

    session_begun(run->session);
    if (event->wanted && common->deltas && !run->whole)
        delta = bundle_deltas_find(common->deltas, event->detail);
    if (delta)
        text_addf(&run->settings, "base %s\n", delta->base);
    bytes = delta ? delta->bytes.data : common->bundle;
    size = delta ? delta->bytes.size : common->bundle_size;
    if (event->wanted)
        text_addf(&run->settings, "size %zu\n", size);
    if (job_settings(run->job, run->nonce, session_peer(run->session), local_known ? &local : NULL,
                     &run->settings, &run->error) < 0) {
        run->problem = run->error.code;
        return;
    }
    (void)session_send(run->session, run->settings.data, run->settings.size);
    if (event->wanted) {
        tell(run, &(struct job_event){.kind = JOB_SENDING});
        (void)session_send(run->session, bytes, size);
        run->delta_sent = delta != NULL;
    }
    if (common->payload)
        (void)session_send(run->session, common->payload, common->payload_size);
}

/* 128 bits in hexadecimal: a run's nonce, and its token. */
static int make_nonce(char ret[static STEPWIRE_NONCE_LENGTH + 1])
{
    unsigned char bytes[STEPWIRE_NONCE_LENGTH / 2];

    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        return -EIO;
    for (size_t i = 0; i < sizeof(bytes); i++)
        (void)snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

static void add_cache(struct run *run, const char *key, const struct upstream *u,
                      const struct address *local)
{
    CLEANUP_TEXT struct text url = TEXT_INIT;
    char userinfo[sizeof(GATE_USER) + 1 + GATE_TOKEN_LENGTH];

    if (u->size == 0)
        return;
    (void)snprintf(userinfo, sizeof(userinfo), GATE_USER ":%s", run->token);
    upstream_add_url(u, local ? NULL : userinfo, run->port, local, &url);
    job_add_setting(&run->caches, key, text_str(&url));
    memset(userinfo, 0, sizeof(userinfo));
    text_wipe(&url);
    url = TEXT_INIT;
}

static const char no_forwarding[] =
    "its sshd forwards no port (AllowTcpForwarding or PermitListen in sshd_config there), so the "
    "caches cannot be reached through the connection: set `AllowTcpForwarding remote` there, or "
    "deploy with --cache-direct, and it asks them over the network";

/* Tells the machine, which waits for it. */
static void on_forwarded(unsigned port, void *arg)
{
    struct run *run = arg;
    const struct upstreams *all = run->job->common->upstreams;
    struct address local;
    bool direct = port == 0 && all && all->direct && session_local(run->session, &local) == 0;

    run->port = port;
    if (port > 0 || direct) {
        add_cache(run, "apt_proxy", &all->apt, direct ? &local : NULL);
        add_cache(run, "pip_index", &all->pip, direct ? &local : NULL);
    } else if (all) {
        struct stepwire_event note = {
            .kind = STEPWIRE_NOTE, .name = "", .detail = no_forwarding, .lines = ""};

        tell(run, &(struct job_event){.kind = JOB_STEP, .step = &note});
        job_add_setting(&run->caches, "no_cache", no_forwarding);
    }
    text_addf(&run->caches, "end %s\n", run->nonce);
    (void)session_send(run->session, run->caches.data, run->caches.size);
}

/* The machine has something to fetch. */
static void on_want(struct run *run)
{
    const struct upstreams *all = run->job->common->upstreams;
    struct forward_options options = {.rules = &run->gate, .upstreams = all};

    if (run->caches.size > 0 || *run->token)
        return; /* it was told, or will be */
    if (!all || make_nonce(run->token) < 0) {
        on_forwarded(0, run);
        return;
    }
    run->gate = (struct gate_rules){.apt = all->apt.size > 0,
                                    .pip = all->pip.size > 0,
                                    .pip_host = all->pip_host,
                                    .own = &all->own};
    gate_credential(run->token, run->gate.credential);
    if (session_forward(run->session, &options) < 0)
        on_forwarded(0, run);
}

static void on_output_line(const char *line, void *arg)
{
    tell(arg, &(struct job_event){.kind = JOB_OUTPUT, .text = line});
}

static void on_error_line(const char *line, void *arg)
{
    tell(arg, &(struct job_event){.kind = JOB_OUTPUT, .text = line, .errors = true});
}

static void on_event(const struct stepwire_event *event, void *arg)
{
    struct run *run = arg;

    run->delta_sent = false;
    switch (event->kind) {
    case STEPWIRE_HELLO:
        on_hello(run, event);
        return;
    case STEPWIRE_ALIVE:
        session_beats(run->session);
        return;
    case STEPWIRE_WANT:
        if (strcmp(event->name, "cache") == 0)
            on_want(run);
        return;
    case STEPWIRE_CHECK:
    case STEPWIRE_RESULT:
        run->at_work = false;
        if (run->unfetched && unfetched_takes(run->unfetched, event))
            return;
        if (event->status == STEP_SKIPPED)
            text_addf(&run->left, "%s%s", run->left.size ? ", " : "", event->name);
        if (event->status == STEP_CHANGED)
            run->changed = true;
        if (event->status == STEP_FAILED && run->why.size == 0)
            text_addf(&run->why, "%s: %s", event->name, event->detail);
        break;
    case STEPWIRE_BUSY:
        text_addf(&run->why, "another run is at work on it: %s; deploy again when it has ended",
                  event->detail);
        break;
    case STEPWIRE_REFUSED:
        if (run->why.size == 0)
            text_adds(&run->why, event->detail);
        break;
    case STEPWIRE_END:
        run->ended = true;
        run->at_work = false;
        run->stopped = event->status == STEP_SKIPPED;
        run->failed = event->status == STEP_FAILED;
        run->would_change = event->status == STEP_CHANGE;
        break;
    case STEPWIRE_PLAN:
        run->planned = true;
        break;
    case STEPWIRE_START:
        run->at_work = true;
        break;
    case STEPWIRE_FACT:
    case STEPWIRE_DIFF:
    case STEPWIRE_NOTE:
        break;
    case STEPWIRE_STREAM:
        lines_feed(&run->output, event->bytes, event->size);
        return;
    }
    tell(run, &(struct job_event){.kind = JOB_STEP, .step = event});
}

static int on_output(const void *bytes, size_t size, void *arg, struct error *err)
{
    struct run *run = arg;
    int r;

    if (!run->wire.greeted && run->noise.size < NOISE_KEPT)
        text_add(&run->noise, bytes, size < NOISE_KEPT ? size : NOISE_KEPT);
    r = stepwire_feed(&run->wire, bytes, size, err);
    if (run->wire.streaming)
        session_streams(run->session);
    if (r == 0 && run->problem < 0) {
        *err = run->error;
        r = run->problem;
    }
    return r;
}

/* sudo asks: for the password, once; again is a refusal of it, and another
 * answer would be another guess. */
static int answer_sudo(struct run *run, struct error *err)
{
    const struct secret *password = run->job->common->become_password;

    if (run->wire.greeted || !password || !run->may_have_password)
        return 0;
    while (become_prompted(&run->complaints, run->nonce)) {
        if (run->password_sent)
            return become_refused(user_of(run->job), err);
        run->password_sent = true;
        (void)session_send(run->session, secret_line(password), secret_size(password) + 1);
    }
    return 0;
}

/* Keeps the end: that is where a shell says why it gave up. */
static int on_errors(const void *bytes, size_t size, void *arg, struct error *err)
{
    struct run *run = arg;
    struct text *t = &run->complaints;
    int r;

    if (run->wire.streaming) {
        lines_feed(&run->errors, bytes, size);
        return 0;
    }
    text_add(t, bytes, size);
    r = answer_sudo(run, err);
    if (t->size > STDERR_KEPT) {
        memmove(t->data, t->data + t->size - STDERR_KEPT, STDERR_KEPT + 1);
        t->size = STDERR_KEPT;
    }
    return r;
}

/* The last line that the machine said on standard error, for a person. */
static const char *last_complaint(struct run *run)
{
    char *text = run->complaints.data, *line;

    if (!text)
        return "it said nothing";
    while (run->complaints.size > 0 && text[run->complaints.size - 1] == '\n')
        text[--run->complaints.size] = '\0';
    line = strrchr(text, '\n');
    return line ? line + 1 : text;
}

/* The command ended before its hello. */
static int explain_silence(struct run *run, int status, struct error *err)
{
    const char *user = user_of(run->job);
    char address[ADDRESS_TEXT_MAX];
    int r = become_explain(
        &(struct become_refusal){
            .user = user,
            .status = status,
            .prompted = run->password_sent,
            .unseen = run->job->common->become_password && !run->may_have_password,
            .errors = text_str(&run->complaints),
            .output = text_str(&run->noise),
        },
        err);

    if (r < 0)
        return r;
    address_format(session_peer(run->session), address);
    return error_set(err, -EREMOTEIO,
                     "logged in, but no command could be begun (status %d: %s): the profile of "
                     "'%s' there (~/.bashrc, ~/.profile) ends it, or sudo does; "
                     "`ssh %s@%s sudo true` shows it",
                     status, last_complaint(run), user, user, address);
}

/* Before the steps can say why, there is the boot command, which writes to /run. */
static int explain_boot(struct run *run, int status, struct error *err)
{
    const char *said = text_str(&run->complaints);

    /* dash's printf says no more than that of a write. */
    if (strstr(said, "No space left on device") || strstr(said, "printf: I/O error"))
        return error_set(err, -EREMOTEIO,
                         "there is no room in /run on the machine for the bundle (%zu KiB, "
                         "packed); make room there (df -h /run), then deploy again",
                         run->job->common->bundle_size / 1024 + 1);
    if (strstr(said, "/run/dcop") && strstr(said, "Read-only file system"))
        return error_set(err, -EREMOTEIO,
                         "/run on the machine cannot be written: %s; reboot it, then deploy again",
                         last_complaint(run));
    if (!run->wire.greeted)
        return explain_silence(run, status, err);
    return error_set(err, -EREMOTEIO, "the machine gave up (status %d): %s; deploy again", status,
                     last_complaint(run));
}

/* Turns how the command ended into an outcome. */
static enum job_outcome conclude(struct run *run, int status, struct error *err)
{
    if (run->stopped) {
        (void)error_set(err, -ECANCELED, "stopped; left: %s", text_str(&run->left));
        return JOB_CANCELLED;
    }
    if (run->ended && !run->failed) {
        if (run->would_change)
            return JOB_WOULD_CHANGE;
        return run->changed ? JOB_CHANGED : JOB_OK;
    }
    if (run->wire.streaming) {
        lines_end(&run->output);
        lines_end(&run->errors);
        if (status == 0)
            return JOB_OK;
        (void)error_set(err, -EREMOTEIO,
                        status == SESSION_SIGNALLED ? "the command was ended by a signal"
                                                    : "the command ended with status %d",
                        status);
        return JOB_FAILED;
    }
    if (run->why.size > 0) {
        (void)error_set(err, -EREMOTEIO, "%s", text_str(&run->why));
        return JOB_FAILED;
    }
    (void)explain_boot(run, status, err);
    return JOB_FAILED;
}

static enum job_outcome outcome_of_error(int code)
{
    switch (code) {
    case -EKEYREJECTED:
        return JOB_REFUSED;
    case -ECANCELED:
        return JOB_CANCELLED;
    case -EACCES:
    case -EAFNOSUPPORT:
    case -EPROTO:
    case -EINVAL:
        return JOB_FAILED;
    default:
        return JOB_UNREACHABLE;
    }
}

/* A run on the machine does not end with the connection. */
static void tell_what_goes_on(const struct run *run, int code, struct error *err)
{
    char said[ERROR_TEXT_MAX];

    if (!run->at_work)
        return;
    (void)snprintf(said, sizeof(said), "%s", err->text);
    (void)error_set(err, code,
                    "%s; what is at work there goes on to its end, and `dcop-deploy --resume` "
                    "picks it up",
                    said);
}

static enum job_outcome execute(struct run *run, struct stop_fds stop, struct error *err)
{
    const struct job *job = run->job;
    struct session_options options = {
        .addresses = job->target.addresses,
        .n_addresses = job->target.n_addresses,
        .port = job->target.port,
        .user = user_of(job),
        .auth = job->common->auth,
        .timeout_ms = job->common->timeout_ms,
        .stop = stop,
        .check = check_hostkey,
        .arg = run,
    };
    struct session_handler handler = {.output = on_output,
                                      .errors = on_errors,
                                      .stop = on_stop,
                                      .forwarded = on_forwarded,
                                      .arg = run};
    CLEANUP_TEXT struct text command = TEXT_INIT;
    int status = -1, r;

    r = session_open(&options, &run->session, err);
    if (run->scanned)
        return JOB_OK;
    if (r == 0) {
        become_command(&command, options.user, run->nonce,
                       job->common->become_password && run->may_have_password);
        text_addf(&command, "sh -c '%s' dcop %s %s", boot_command, run->nonce,
                  job->common->bundle_digest);
        r = text_error(&command);
    }
    if (r == 0)
        r = session_run(run->session, text_str(&command), &handler, &status, err);
    if (r < 0)
        tell_what_goes_on(run, r, err);
    return r < 0 ? outcome_of_error(r) : conclude(run, status, err);
}

/* `ret_again` (may be NULL: the whole bundle is to go): a delta did not lead to
 * the bundle, as when the machine's copy of its base is damaged. */
static enum job_outcome run_once(const struct job *job, struct stop_fds stop,
                                 job_listener *listener, void *arg, bool *ret_again,
                                 struct unfetched *unfetched, struct error *err)
{
    struct run run = {
        .job = job, .listener = listener, .arg = arg, .whole = !ret_again, .unfetched = unfetched};
    enum job_outcome outcome = JOB_FAILED;

    run.output = (struct lines){.handler = on_output_line, .arg = &run};
    run.errors = (struct lines){.handler = on_error_line, .arg = &run};
    tell(&run, &(struct job_event){.kind = JOB_CONNECTING});
    if (make_nonce(run.nonce) < 0)
        (void)error_set(err, -EIO, "the system has no random numbers");
    else {
        stepwire_init(&run.wire, run.nonce, on_event, &run);
        outcome = execute(&run, stop, err);
        session_free(run.session);
        stepwire_clear(&run.wire);
    }
    if (ret_again)
        *ret_again = outcome == JOB_FAILED && run.delta_sent;
    text_wipe(&run.settings);
    text_wipe(&run.caches);
    explicit_bzero(run.token, sizeof(run.token));
    explicit_bzero(&run.gate, sizeof(run.gate));
    text_clear(&run.noise);
    text_clear(&run.complaints);
    text_clear(&run.why);
    text_clear(&run.left);
    text_clear(&run.stop);
    text_clear(&run.others);
    lines_clear(&run.output);
    lines_clear(&run.errors);
    return outcome;
}

enum job_outcome job_run_part(const struct job *job, struct stop_fds stop, job_listener *listener,
                              void *arg, struct unfetched *unfetched, struct error *err)
{
    bool again = false;
    enum job_outcome outcome = run_once(job, stop, listener, arg, &again, unfetched, err);

    if (again) {
        *err = (struct error){0};
        outcome = run_once(job, stop, listener, arg, NULL, unfetched, err);
    }
    return outcome;
}

void job_run(const struct job *job, struct stop_fds stop, job_listener *listener, void *arg)
{
    CLEANUP(unfetched_clear) struct unfetched unfetched = {0};
    struct error err = {0};
    enum job_outcome outcome =
        job_run_part(job, stop, listener, arg, job->common->push ? &unfetched : NULL, &err);

    if (outcome == JOB_FAILED && unfetched.step)
        outcome = job_push(job, stop, listener, arg, &unfetched, &err);
    listener(&(struct job_event){.kind = JOB_DONE, .outcome = outcome, .text = err.text}, arg);
}
