#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "attempt.h"
#include "become.h"
#include "boot.h"
#include "push.h"

enum { STDERR_KEPT = 2048, NOISE_KEPT = 512 };

_Static_assert((int)FORWARD_FILTER_TOKEN_LENGTH == (int)NONCE_LENGTH,
               "both are made by nonce_make");

/* Tells which other hosts answered at its addresses, once the machine itself was
 * found; if it is not found, that is the reason of the refusal. */
static void tell_other_machines(struct job_run *run)
{
    struct stepwire_event note = {
        .kind = STEPWIRE_NOTE, .name = "", .detail = text_str(&run->others), .lines = ""};

    if (run->others.size > 0)
        job_tell(run, &(struct job_event){.kind = JOB_STEP, .step = &note});
}

static int check_hostkey(const char *fingerprint, const struct address *peer, bool *ret_password,
                         void *arg, struct error *err)
{
    struct job_run *run = arg;
    const struct job *job = run->job;
    struct trust trust = known_machine_trust(&job->known, &job->target);
    char address[ADDRESS_TEXT_MAX];
    int r;

    if (job->common->scan) {
        run->scanned = true;
        job_tell(run, &(struct job_event){.kind = JOB_TRUSTED, .text = fingerprint});
        return error_set(err, -ECANCELED, "its host key is %s", fingerprint);
    }
    r = trust_check(&trust, fingerprint, err);
    run->may_have_password = r == 0 && trust_gets_passwords(trust_source(&trust));
    *ret_password = run->may_have_password;
    address_format(peer, address);
    if (r == 0) {
        job_tell(run, &(struct job_event){.kind = JOB_TRUSTED, .text = fingerprint});
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

static void on_hello(struct job_run *run, const struct stepwire_event *event)
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
        job_tell(run, &(struct job_event){.kind = JOB_SENDING});
        (void)session_send(run->session, bytes, size);
        run->delta_sent = delta != NULL;
    }
    if (common->payload)
        (void)session_send(run->session, common->payload, common->payload_size);
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
        break;
    case STEPWIRE_START:
        run->at_work = true;
        break;
    case STEPWIRE_FACT:
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
    if (run->wire.streaming)
        session_streams(run->session);
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
    int r;

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
    case -EINVAL:
        return JOB_FAILED;
    default:
        return JOB_UNREACHABLE;
    }
}

static enum job_outcome run_session(struct job_run *run, struct stop_fds stop, struct error *err)
{
    const struct job *job = run->job;
    struct session_options options = {
        .addresses = job->target.addresses,
        .n_addresses = job->target.n_addresses,
        .port = job->target.port,
        .user = job_user(job),
        .auth = job->common->auth,
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
                                      .arg = run};
    CLEANUP_TEXT struct text command = TEXT_INIT;
    int status = -1, r;

    r = session_open(&options, &run->session, err);
    if (run->scanned)
        return JOB_OK;
    if (r == 0) {
        become_command(&command, options.user, run->nonce,
                       job_become_password(job) && run->may_have_password);
        text_addf(&command, "sh -c '%s' dcop %s %s", boot_command, run->nonce,
                  job->common->bundle_digest);
        r = text_error(&command);
    }
    if (r == 0)
        r = session_run(run->session, text_str(&command), &handler, &status, err);
    if (r < 0)
        job_tell_what_goes_on(run, r, err);
    return r < 0 ? outcome_of_error(r) : outcome_of_command(run, status, err);
}

/* `ret_again` (may be NULL: the whole bundle is to go): a delta did not lead to
 * the bundle, as when the machine's copy of its base is damaged. */
static enum job_outcome run_attempt(const struct job *job, struct stop_fds stop,
                                    job_listener *listener, void *arg, bool *ret_again,
                                    struct unfetched *unfetched, struct error *err)
{
    struct job_run run = {
        .job = job, .listener = listener, .arg = arg, .whole = !ret_again, .unfetched = unfetched};
    enum job_outcome outcome = JOB_FAILED;

    run.output = (struct line_splitter){.handler = on_output_line, .arg = &run};
    run.errors = (struct line_splitter){.handler = on_error_line, .arg = &run};
    job_tell(&run, &(struct job_event){.kind = JOB_CONNECTING});
    if (nonce_make(run.nonce) < 0)
        (void)error_set(err, -EIO, "cannot get random numbers from the system");
    else {
        stepwire_init(&run.wire, run.nonce, on_event, &run);
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
    text_clear(&run.left);
    text_clear(&run.stop);
    text_clear(&run.others);
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
