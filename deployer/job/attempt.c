#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "attempt.h"
#include "become.h"
#include "boot.h"
#include "discovery/base/clock.h"
#include "push.h"

enum { STDERR_KEPT = 2048, NOISE_KEPT = 512 };

/* What sudo, the login shell and our driver may print on standard error: the output of
 * steps goes to files. */
enum { STDERR_MAX = 256 * 1024 };

_Static_assert((int)FORWARD_FILTER_TOKEN_LENGTH == (int)NONCE_LENGTH,
               "both are made by nonce_make");

/* Tells which other hosts answered at its addresses, once the machine itself was
 * found; if it is not found, that is the reason of the refusal. */
static void tell_other_machines(struct job_run *run)
{
    struct stepwire_event note = {.kind = STEPWIRE_NOTE,
                                  .name = STEPWIRE_IMPOSTOR,
                                  .detail = text_str(&run->others),
                                  .lines = ""};

    if (run->others.size > 0)
        job_tell(run, &(struct job_event){.kind = JOB_STEP, .step = &note});
}

/* One of its names that another machine than this one holds. */
static void find_other_holder(struct job *job, const char *id)
{
    const struct state_names *names = job->common->names;

    /* Borrowed, like all of this copy; only read. */
    job->known.agent = job->known.held_by = NULL;
    for (size_t i = 0; names && i < names->count; i++)
        if (names->items[i].now && !string_equal(names->items[i].id, id) &&
            strings_has(&job->target.names, names->items[i].agent)) {
            job->known.agent = names->items[i].agent;
            job->known.held_by = names->items[i].id;
            return;
        }
}

/* Another machine than the one that was last met at this address, if the key is one that is
 * pinned: the addresses have changed. */
static void find_moved_machine(struct job_run *run, const char *fingerprint)
{
    const struct job *job = run->job;
    const struct state_pin *pin;

    if (!job->target.guessed || !job->common->pins ||
        string_equal(fingerprint, known_machine_pin(&job->known)))
        return;
    pin = known_machine_by_key(job->common->pins, fingerprint);
    if (!pin)
        return;
    run->moved = *job;
    find_other_holder(&run->moved, pin->id);
    run->moved.target.id = known_machine_pin_has_id(pin) ? pin->id : NULL;
    run->moved.target.hostkey = pin->fingerprint;
    /* Borrowed, like all of this copy; only read. */
    run->moved.known.pins = (struct state_pins){.items = (struct state_pin *)pin, .count = 1};
    run->job = &run->moved;
}

/* A password that an inventory has for one host goes to no other that has taken its address. */
static int check_own_password(const struct job_run *run, struct error *err)
{
    const struct target *t = &run->job->target;
    const struct state_names *names = run->job->common->names;

    if (run->job != &run->moved || (!t->password && !t->become_password))
        return 0;
    for (size_t i = 0; names && i < names->count; i++)
        if (names->items[i].now &&
            string_equal(names->items[i].id, run->job->known.pins.items[0].id) &&
            strings_has(&t->agents, names->items[i].agent))
            return 0;
    return error_set(err, -EKEYREJECTED,
                     "machine %s answers there, and not the one that was met there before: it gets "
                     "no password that the inventory has for this host; correct the host's address",
                     run->job->known.pins.items[0].id);
}

static int check_hostkey(const char *fingerprint, const struct address *peer, bool *ret_password,
                         void *arg, struct error *err)
{
    struct job_run *run = arg;
    struct trust trust;
    char address[ADDRESS_TEXT_MAX];
    int r;

    if (run->job->common->scan) {
        run->scanned = true;
        job_tell(run, &(struct job_event){.kind = JOB_TRUSTED, .text = fingerprint});
        return error_set(err, -ECANCELED, "its host key is %s", fingerprint);
    }
    find_moved_machine(run, fingerprint);
    trust = known_machine_trust(&run->job->known, &run->job->target);
    trust.revoked = run->job->common->revoked;
    r = trust_check(&trust, fingerprint, err);
    if (r == 0)
        r = check_own_password(run, err);
    run->may_have_password = r == 0 && (trust_gets_passwords(trust_source(&trust)) ||
                                        trust_is_confirmed(&trust, fingerprint));
    *ret_password = run->may_have_password;
    address_format(peer, address);
    if (r == 0) {
        job_tell(run, &(struct job_event){.kind = JOB_TRUSTED, .text = fingerprint, .peer = *peer});
        tell_other_machines(run);
        return 0;
    }
    text_addf(&run->others, "%sat %s another machine answers for it, with the host key %s%s%s",
              run->others.size > 0 ? "; " : "", address, fingerprint,
              trust.pin ? " instead of " : "", trust.pin ? trust.pin : "");
    return error_prefix(err, "at %s", address);
}

/* The machine stops between two steps: it completes the running one. */
static bool on_stop(void *arg)
{
    struct job_run *run = arg;

    /* The line before it may be incomplete at the machine. */
    text_addf(&run->stop, "\nstop %s\n", run->nonce);
    return run->planned && !run->wire.streaming && text_error(&run->stop) == 0 &&
           session_send(run->session, run->stop.data, run->stop.size) == 0;
}

static void tell_hostkey(struct job_run *run)
{
    CLEANUP_TEXT struct text key = TEXT_INIT;

    if (session_hostkey(run->session, &key) == 0)
        job_tell(run, &(struct job_event){.kind = JOB_HOSTKEY, .text = text_str(&key)});
}

static void on_hello(struct job_run *run, const struct stepwire_event *event)
{
    const struct job_common *common = run->job->common;
    const struct bundle_delta *delta = NULL;
    const void *bytes;
    size_t size;
    struct address local;
    bool local_known = session_local(run->session, &local) == 0;

    session_begun(run->session);
    tell_hostkey(run);
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
        job_tell(run, &(struct job_event){.kind = JOB_SENDING});
        (void)session_send(run->session, bytes, size);
        run->delta_sent = delta != NULL;
    }
    if (common->payload)
        (void)session_send(run->session, common->payload, common->payload_size);
}

/* When this session must have ended.  Another one has its own time: the controller may have
 * fetched packages for the machine in between. */
static int64_t time_limit(const struct job_run *run)
{
    const struct job *job = run->job;
    int64_t steps_s = run->planned && job->common->output_max == 0 ? JOB_STEPS_MAX_S : 0;

    if (run->wire.streaming && job->common->output_max == STEPWIRE_STREAM_ENDLESS)
        return INT64_MAX;
    return run->began_ms + (JOB_REST_MAX_S + steps_s) * 1000;
}

static void on_output_line(const char *line, void *arg)
{
    job_tell(arg, &(struct job_event){.kind = JOB_OUTPUT, .text = line});
}

static void on_error_line(const char *line, void *arg)
{
    job_tell(arg, &(struct job_event){.kind = JOB_OUTPUT, .text = line, .errors = true});
}

static void on_event(const struct stepwire_event *event, void *arg)
{
    struct job_run *run = arg;

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
            job_on_want(run);
        if (strcmp(event->name, "layer") == 0)
            job_on_layer(run, event->detail);
        if (run->unfetched)
            (void)unfetched_takes(run->unfetched, event);
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
        text_addf(&run->why, "another run is in progress on it: %s; deploy again when it has ended",
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
        session_until(run->session, time_limit(run));
        break;
    case STEPWIRE_START:
        run->at_work = true;
        break;
    case STEPWIRE_FACT:
        if (strcmp(event->name, "at") == 0)
            (void)reach_parse(event->detail, &run->reach);
        break;
    case STEPWIRE_DIFF:
    case STEPWIRE_NOTE:
        break;
    case STEPWIRE_STREAM:
        line_splitter_feed(&run->output, event->bytes, event->size);
        return;
    }
    job_tell(run, &(struct job_event){.kind = JOB_STEP, .step = event});
}

static int on_output(const void *bytes, size_t size, void *arg, struct error *err)
{
    struct job_run *run = arg;
    int r;

    if (!run->wire.greeted && run->noise.size < NOISE_KEPT)
        text_add(&run->noise, bytes, size < NOISE_KEPT ? size : NOISE_KEPT);
    r = stepwire_feed(&run->wire, bytes, size, err);
    if (run->wire.streaming) {
        session_streams(run->session);
        session_until(run->session, time_limit(run));
    }
    if (r == 0 && run->problem < 0) {
        *err = run->error;
        r = run->problem;
    }
    return r;
}

/* Answers sudo's first prompt with the password.  A second prompt means that it was
 * refused, and another answer would be another failed attempt. */
static int answer_sudo(struct job_run *run, struct error *err)
{
    const struct secret *password = job_become_password(run->job);

    if (run->wire.greeted || !password || !run->may_have_password)
        return 0;
    while (become_prompted(&run->complaints, run->nonce)) {
        if (run->password_sent)
            return become_refused(job_user(run->job), err);
        run->password_sent = true;
        (void)session_send(run->session, secret_line(password), secret_size(password) + 1);
    }
    return 0;
}

/* Keeps the end: a shell prints there why it exited. */
static int on_errors(const void *bytes, size_t size, void *arg, struct error *err)
{
    struct job_run *run = arg;
    struct text *t = &run->complaints;
    uint64_t most = run->wire.streaming ? run->job->common->output_max : STDERR_MAX;
    int r;

    if (size > most || run->stderr_size > most - size)
        return error_set(err, -EPROTO,
                         "the machine printed more than %" PRIu64 " bytes on standard error; look "
                         "at what its login shell or sudo prints there",
                         most);
    run->stderr_size += size;
    if (run->wire.streaming) {
        line_splitter_feed(&run->errors, bytes, size);
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

/* Turns how the command ended into an outcome. */
static enum job_outcome outcome_of_command(struct job_run *run, int status, struct error *err)
{
    if (run->stopped) {
        (void)error_set(err, -ECANCELED, "stopped; steps not run: %s", text_str(&run->left));
        return JOB_CANCELLED;
    }
    if (run->ended && !run->failed) {
        if (run->would_change)
            return JOB_WOULD_CHANGE;
        return run->changed ? JOB_CHANGED : JOB_OK;
    }
    if (run->wire.streaming) {
        line_splitter_end(&run->output);
        line_splitter_end(&run->errors);
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
    (void)job_explain_boot(run, status, err);
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
    case -EBADMSG:
    case -EINVAL:
        return JOB_FAILED;
    default:
        return JOB_UNREACHABLE;
    }
}

/* That its agents listen is not enough: others must reach them. */
static enum job_outcome check_reach(struct job_run *run, enum job_outcome outcome,
                                    struct error *err)
{
    const struct target *t = &run->job->target;
    struct stepwire_event failed = {
        .kind = STEPWIRE_RESULT, .status = STEP_FAILED, .name = "reach", .lines = ""};
    unsigned agents = t->agents.count > 1 ? (unsigned)t->agents.count : 1;
    struct links links;
    int r;

    if ((outcome != JOB_OK && outcome != JOB_CHANGED) || run->reach.count == 0)
        return outcome;
    if (run->reach.count > agents)
        run->reach.count = agents;
    (void)snprintf(run->reach.name, sizeof(run->reach.name), "%s",
                   t->agents.count > 0 ? t->agents.items[0]
                   : t->host           ? t->host
                                       : "another machine");
    if (session_is_relayed(run->session))
        return outcome; /* nothing here is on its network */
    links_read(&links);
    r = reach_check(&run->reach, session_peer(run->session), t->agent_address, &links, err);
    if (r == 0)
        r = reach_try(&run->reach, run->job->common->reached, run->session, run->stop_fds.stop,
                      err);
    if (r == 0)
        return outcome;
    if (r == -ECANCELED)
        return JOB_CANCELLED;
    failed.detail = err->text;
    job_tell(run, &(struct job_event){.kind = JOB_STEP, .step = &failed});
    return JOB_FAILED;
}

static enum job_outcome run_session(struct job_run *run, struct stop_fds stop, struct error *err)
{
    const struct job *job = run->job;
    struct session_options options = {
        .addresses = job->target.addresses,
        .n_addresses = job->target.n_addresses,
        .port = job->target.port,
        .relay = &job->target.relay,
        .user = job_user(job),
        .auth = job->common->auth,
        .keys = &job->target.keys,
        .only_keys = job->target.only_keys,
        .password = job->target.password,
        .timeout_ms = job->common->timeout_ms,
        .stop = stop,
        .check = check_hostkey,
        .arg = run,
    };
    struct session_handler handler = {.output = on_output,
                                      .errors = on_errors,
                                      .stop = on_stop,
                                      .forwarded = job_on_forwarded,
                                      .arg = run,
                                      .until = time_limit(run)};
    CLEANUP_TEXT struct text command = TEXT_INIT;
    int status = -1, r;

    r = job->target.unfound && job->target.n_addresses == 0
            ? error_set(err, -EHOSTUNREACH, "%s", job->target.unfound)
            : session_open(&options, &run->session, err);
    if (run->scanned)
        return JOB_OK;
    if (r == 0) {
        become_command(&command, options.user, run->nonce,
                       job_become_password(job) && run->may_have_password);
        /* By the login shell: sudo does not pass the variable on. */
        text_addf(&command, "sh -c '%s' dcop %s %s \"$SSH_CONNECTION\"", boot_command, run->nonce,
                  job->common->bundle_digest);
        r = text_error(&command);
    }
    if (r == 0)
        r = session_run(run->session, text_str(&command), &handler, &status, err);
    if (r < 0)
        job_tell_what_goes_on(run, r, err);
    return r < 0 ? outcome_of_error(r)
                 : check_reach(run, outcome_of_command(run, status, err), err);
}

/* `ret_again` (may be NULL: the whole bundle is to go): a delta did not lead to
 * the bundle, as when the machine's copy of its base is damaged. */
static enum job_outcome run_attempt(const struct job *job, struct stop_fds stop,
                                    job_listener *listener, void *arg, bool *ret_again,
                                    struct unfetched *unfetched, struct error *err)
{
    struct job_run run = {.job = job,
                          .stop_fds = stop,
                          .listener = listener,
                          .arg = arg,
                          .began_ms = clock_ms(CLOCK_MONOTONIC),
                          .whole = !ret_again,
                          .unfetched = unfetched};
    enum job_outcome outcome = JOB_FAILED;

    run.output = (struct line_splitter){.handler = on_output_line, .arg = &run};
    run.errors = (struct line_splitter){.handler = on_error_line, .arg = &run};
    job_tell(&run, &(struct job_event){.kind = JOB_CONNECTING});
    if (nonce_make(run.nonce) < 0)
        (void)error_set(err, -EIO, "cannot get random numbers from the system");
    else {
        stepwire_init(&run.wire, run.nonce, job->common->output_max, on_event, &run);
        outcome = run_session(&run, stop, err);
        session_free(run.session);
        stepwire_clear(&run.wire);
    }
    if (ret_again)
        *ret_again = outcome == JOB_FAILED && run.delta_sent;
    text_wipe(&run.settings);
    text_wipe(&run.caches);
    explicit_bzero(run.token, sizeof(run.token));
    explicit_bzero(&run.filter, sizeof(run.filter));
    text_clear(&run.noise);
    text_clear(&run.complaints);
    text_clear(&run.why);
    text_clear(&run.layer);
    text_clear(&run.left);
    text_clear(&run.stop);
    text_clear(&run.others);
    strings_clear(&run.cache_hosts);
    line_splitter_clear(&run.output);
    line_splitter_clear(&run.errors);
    return outcome;
}

enum job_outcome job_run_part(const struct job *job, struct stop_fds stop, job_listener *listener,
                              void *arg, struct unfetched *unfetched, struct error *err)
{
    bool again = false;
    enum job_outcome outcome = run_attempt(job, stop, listener, arg, &again, unfetched, err);

    if (again) {
        *err = (struct error){0};
        outcome = run_attempt(job, stop, listener, arg, NULL, unfetched, err);
    }
    return outcome;
}
