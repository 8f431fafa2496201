/* What happens in a run, and the runner; how a run begins is in begin.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/base/clock.h"
#include "private.h"

void run_member_free(struct member *m)
{
    if (!m)
        return;
    free(m->host);
    free(m->agents);
    free(m->hostkey);
    target_clear(&m->target);
    known_machine_clear(&m->known);
    free(m);
}

void run_free(struct run *r)
{
    task_free(r->finding);
    if (r->next)
        r->next->at = r->at;
    *r->at = r->next;
    for (size_t i = 0; i < r->n_targets; i++)
        target_clear(&r->targets[i].target);
    free(r->targets);
    pack_unref(r->pack);
    text_wipe(&r->settings);
    text_clear(&r->fleet);
    reach_place_clear(&r->reached);
    auth_free(r->auth);
    cache_choice_clear(&r->choice);
    caches_clear(&r->caches);
    upstreams_clear(&r->upstreams);
    state_pins_clear(&r->pins);
    state_names_clear(&r->names);
    state_targets_clear(&r->record.targets);
    strings_clear(&r->record.files);
    strings_clear(&r->record.wish);
    free(r->user);
    free(r->orchestrator);
    free(r->broken);
    free(r);
}

void run_tell(const struct run *r, struct run_event event)
{
    const struct runner *all = r->runner;

    event.run = r->number;
    event.verb = r->verb;
    if (!all->ending)
        all->options.listener(&event, all->options.arg);
}

static void tell_member(const struct member *m, struct run_event event)
{
    event.key = m->key;
    run_tell(m->run, event);
}

/* --- the record -------------------------------------------------------------------- */

/* A result that cannot be recorded does not stop a run: a repeat finds on the machine
 * itself what was done. */
static void record_step(struct member *m, const char *step, const char *status, const char *detail,
                        const char *output)
{
    size_t size = (detail ? strlen(detail) : 0) + (output ? strlen(output) : 0);
    bool fits = m->recorded + size <= MEMBER_RECORD_MAX || !*step;
    const struct state_result result = {
        .machine = (char *)(uintptr_t)m->machine,
        .host = m->host,
        .agent = m->agents,
        .step = (char *)(uintptr_t)step,
        .status = (char *)(uintptr_t)status,
        .detail = (char *)(uintptr_t)(fits ? detail : NULL),
        .output = (char *)(uintptr_t)(fits ? output : NULL),
        .started_ms = m->step_started_ms,
        .ended_ms = clock_ms(CLOCK_REALTIME),
    };
    struct error err;

    m->recorded += fits ? size : 0;
    if (m->run->number && record_result(m->run->runner->record, m->run->number, &result, &err) < 0)
        tell_member(m, (struct run_event){.kind = RUN_UNRECORDED, .text = err.text});
}

/* What a person wished earlier for these machines, to be done when they appear, is no longer
 * wished: this run decides what is on them. */
static int end_earlier_wishes(const struct run *r, struct error *err)
{
    bool decides = strcmp(r->verb, "deploy") == 0 || strcmp(r->verb, "rollback") == 0 ||
                   strcmp(r->verb, "uninstall") == 0;
    int q = 0;

    for (size_t i = 0; i < r->record.targets.count && decides && !r->queued && q == 0; i++) {
        q = state_later_drop(r->runner->options.state, r->record.targets.items[i].machine, err);
        q = q == -ENOENT ? 0 : q;
    }
    return q;
}

int run_record_begin(struct run *r, struct error *err)
{
    int q =
        r->unrecorded ? 0 : state_run_begin(r->runner->options.state, &r->record, &r->number, err);

    if (q == 0 && !r->unrecorded)
        q = end_earlier_wishes(r, err);
    if (q < 0)
        run_tell(r, (struct run_event){.kind = RUN_UNRECORDED, .text = err->text});
    return q;
}

void run_end(struct run *r)
{
    enum run_status status = r->runner->ending || r->cancelled ? RUN_INTERRUPTED
                             : r->bad                          ? RUN_FAILED
                                                               : RUN_DONE;
    struct error err;

    if (r->number && record_end(r->runner->record, r->number, status, &err) < 0)
        run_tell(r, (struct run_event){.kind = RUN_UNRECORDED, .text = err.text});
    run_tell(r, (struct run_event){.kind = RUN_ENDED});
    run_free(r);
}

/* --- what a machine says ------------------------------------------------------------- */

static struct state *state_of(const struct member *m)
{
    return m->run->runner->options.state;
}

/* Tells why nothing is remembered of a machine under the id that it says. */
static void tell_not_adopted(const struct member *m, const char *id, const struct error *why)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    struct stepwire_event note = {.kind = STEPWIRE_NOTE, .name = "", .lines = ""};

    text_addf(&words, "not remembered as machine %s, the id that it says: %s", id, why->text);
    note.detail = text_str(&words);
    tell_member(m, (struct run_event){.kind = RUN_STEP, .step = &note});
}

/* Takes the id that the machine says, or that its host key is pinned for; what is known of it
 * must not contradict the key, and it must be accepted as what it says: with the pinned key of
 * one id it takes neither another id nor a name that is held.  A failure leaves it unknown: it
 * is asked again next time. */
static void adopt_id(struct member *m, const char *id)
{
    CLEANUP(known_machine_clear) struct known_machine known = {0};
    CLEANUP(target_clear) struct target t = {0};
    struct known_machine before;
    struct trust trust;
    struct error err;
    const char *pin;

    if (target_copy(&m->target, &t) < 0)
        return;
    free(t.id);
    free(t.hostkey);
    t.id = advert_id_valid(id) ? strdup(id) : NULL;
    t.hostkey = strdup(m->fingerprint);
    if ((advert_id_valid(id) && !t.id) || !t.hostkey ||
        known_machine_get(state_of(m), &t, m->known.consent, &known, &err) < 0)
        return;
    pin = known_machine_pin(&known);
    if ((pin && strcmp(pin, m->fingerprint) != 0) || (!pin && known.pins.count > 0))
        return;
    trust = known_machine_trust(&known, &t);
    if (trust_check(&trust, m->fingerprint, &err) < 0) {
        tell_not_adopted(m, id, &err);
        return;
    }
    free(m->target.id);
    m->target.id = TAKE_PTR(t.id);
    if (m->target.guessed) { /* a key that a person was shown stays told from one that was not */
        free(m->target.hostkey);
        m->target.hostkey = TAKE_PTR(t.hostkey);
    }
    m->target.guessed = false;
    before = m->known;
    m->known = known;
    known = before;
}

/* A pinned key at an address where another machine was last met. */
static void notice_moved_machine(struct member *m)
{
    const struct state_pin *pin;

    if (!m->target.guessed || string_equal(known_machine_pin(&m->known), m->fingerprint))
        return;
    pin = known_machine_by_key(&m->run->pins, m->fingerprint);
    if (pin)
        adopt_id(m, pin->id);
}

/* Keeps the whole key beside its fingerprint: known_hosts needs it. */
static int keep_hostkey(const struct member *m, struct error *err)
{
    const struct state_pin *known = m->known.pins.count > 0 ? &m->known.pins.items[0] : NULL;
    char *blank = m->hostkey ? strchr(m->hostkey, ' ') : NULL;
    struct state_pin pin = {.id = m->target.id ? m->target.id : (char *)(uintptr_t)m->fingerprint,
                            .fingerprint = (char *)(uintptr_t)m->fingerprint,
                            .key_type = m->hostkey,
                            .key_base64 = blank ? blank + 1 : NULL,
                            .source = PIN_ACCEPT}; /* leaves a better one as it is */
    int r;

    if (!blank || (known && known->key_base64 && string_equal(known->id, pin.id)))
        return 0;
    *blank = '\0';
    r = state_pin_put(state_of(m), &pin, err);
    *blank = ' ';
    return r;
}

/* It has said over SSH that it is the machine that was meant, and did not refuse: its
 * names are those that were meant, too. */
static void learn_machine(struct member *m)
{
    const struct known_machine_met met = {
        .fingerprint = m->fingerprint,
        .peer = m->is_met ? &m->peer : NULL,
        .hostname = *m->hostname ? m->hostname : NULL,
        .agents_address = *m->agents_address ? m->agents_address : NULL,
    };
    struct stepwire_event note = {.kind = STEPWIRE_NOTE, .name = "", .lines = ""};
    struct error err;

    if (m->learnt || !*m->fingerprint)
        return;
    m->learnt = true;
    note.detail = err.text;
    if (known_machine_learn(m->run->runner->options.state, &m->target, &m->known, &met, &err) < 0 ||
        keep_hostkey(m, &err) < 0)
        tell_member(m, (struct run_event){.kind = RUN_STEP, .step = &note});
}

/* After its facts the machine compares id and names with those that were meant, and says
 * either "refused" or what it does (steps/channel.sh). */
static bool is_past_refusal(const struct stepwire_event *step)
{
    switch (step->kind) {
    case STEPWIRE_HELLO:
    case STEPWIRE_FACT:
    case STEPWIRE_ALIVE:
    case STEPWIRE_REFUSED:
        return false;
    case STEPWIRE_END:
        return step->status != STEP_FAILED;
    case STEPWIRE_PLAN:
    case STEPWIRE_CHECK:
    case STEPWIRE_START:
    case STEPWIRE_RESULT:
    case STEPWIRE_BUSY:
    case STEPWIRE_DIFF:
    case STEPWIRE_NOTE:
    case STEPWIRE_STREAM:
    case STEPWIRE_WANT:
        break;
    }
    return true;
}

/* It may be known by the machine's word alone: behind a jump host, or over IPv6. */
static void note_agents_address(struct member *m, const char *said)
{
    struct address a;

    if (address_parse(said, &a) == 0 && a.family == AF_INET && address_is_unicast(&a))
        address_format(&a, m->agents_address);
}

static void on_step(struct member *m, const struct stepwire_event *step)
{
    if (m->is_intended && is_past_refusal(step))
        learn_machine(m);
    switch (step->kind) {
    case STEPWIRE_FACT:
        if (strcmp(step->name, "hostname") == 0 && strlen(step->detail) < sizeof(m->hostname))
            strcpy(m->hostname, step->detail);
        if (strcmp(step->name, "address") == 0)
            note_agents_address(m, step->detail);
        if (strcmp(step->name, "id") != 0)
            break;
        m->has_id = true;
        if (*m->fingerprint && advert_id_valid(step->detail) &&
            (!m->target.id || (m->target.guessed && !string_equal(m->target.id, step->detail))))
            adopt_id(m, step->detail);
        m->is_intended = string_equal(m->target.id, step->detail);
        break;
    case STEPWIRE_PLAN:
        /* All facts have arrived: a machine without a beacon is known by its host key. */
        if (!m->target.id && !m->has_id)
            learn_machine(m);
        break;
    case STEPWIRE_START:
        m->step_started_ms = clock_ms(CLOCK_REALTIME);
        break;
    case STEPWIRE_RESULT:
        record_step(m, step->name, step_status_name(step->status), step->detail, step->lines);
        m->step_started_ms = clock_ms(CLOCK_REALTIME);
        m->results++;
        break;
    case STEPWIRE_BUSY:
        m->busy = true;
        break;
    case STEPWIRE_CHECK:
    case STEPWIRE_NOTE:
    case STEPWIRE_DIFF:
    case STEPWIRE_REFUSED:
    case STEPWIRE_HELLO:
    case STEPWIRE_ALIVE:
    case STEPWIRE_END:
    case STEPWIRE_WANT:
    case STEPWIRE_STREAM:
        break;
    }
    tell_member(m, (struct run_event){.kind = RUN_STEP,
                                      .step = step,
                                      .number = m->results + (step->kind == STEPWIRE_START)});
}

static bool is_good(enum job_outcome outcome)
{
    return outcome == JOB_OK || outcome == JOB_CHANGED || outcome == JOB_WOULD_CHANGE;
}

static void on_done(struct member *m, const struct job_event *event)
{
    struct run *r = m->run;

    if (m->is_intended && is_good(event->outcome))
        learn_machine(m);
    m->step_started_ms = 0;
    record_step(m, "", job_outcome_name(event->outcome), event->text, NULL);
    r->bad = r->bad || !is_good(event->outcome);
    if (!is_good(event->outcome) && !r->broken)
        r->broken = strdup(*m->agents ? m->agents : m->host);
    r->cancelled = r->cancelled || event->outcome == JOB_CANCELLED;
    tell_member(m, (struct run_event){.kind = RUN_MACHINE_ENDED,
                                      .outcome = event->outcome,
                                      .text = event->text,
                                      .busy = m->busy});
    r->runner->at_work--;
    if (--r->left == 0)
        run_go_on(r);
}

void runner_on_job_event(size_t index, const struct job_event *event, void *arg)
{
    struct runner *all = arg;
    struct member *m = all->members[index];

    switch (event->kind) {
    case JOB_CONNECTING:
        m->is_intended = false;
        m->step_started_ms = clock_ms(CLOCK_REALTIME);
        tell_member(m, (struct run_event){.kind = RUN_CONNECTING});
        break;
    case JOB_TRUSTED:
        (void)snprintf(m->fingerprint, sizeof(m->fingerprint), "%s", event->text);
        m->peer = event->peer;
        /* Behind a jump host an address is another network's, and found from here no more. */
        m->is_met = event->peer.family != 0 && m->target.relay.count == 0;
        notice_moved_machine(m);
        tell_member(m, (struct run_event){.kind = RUN_TRUSTED, .text = event->text});
        break;
    case JOB_HOSTKEY:
        free(m->hostkey);
        m->hostkey = strdup(event->text);
        break;
    case JOB_SENDING:
        tell_member(m, (struct run_event){.kind = RUN_SENDING});
        break;
    case JOB_STEP:
        on_step(m, event->step);
        break;
    case JOB_OUTPUT:
        if (m->is_intended)
            learn_machine(m);
        tell_member(m, (struct run_event){
                           .kind = RUN_OUTPUT, .errors = event->errors, .text = event->text});
        break;
    case JOB_DONE:
        on_done(m, event);
        run_member_free(TAKE_PTR(all->members[index]));
        break;
    }
}

/* --- the runner ---------------------------------------------------------------------- */

int runner_new(sd_event *loop, const struct runner_options *options, struct runner **ret,
               struct error *err)
{
    CLEANUP(runner_free_p) struct runner *all = calloc(1, sizeof(*all));
    int q;

    if (!all)
        return error_sys(err, -ENOMEM, "cannot start workers");
    all->options = *options;
    all->loop = sd_event_ref(loop);
    q = record_new(options->state, &all->record);
    if (q < 0)
        return error_sys(err, q, "cannot start workers");
    q = executor_new(loop, options->forks, runner_on_job_event, all, &all->executor, err);
    if (q < 0)
        return q;
    *ret = TAKE_PTR(all);
    return 0;
}

void runner_free(struct runner *all)
{
    if (!all)
        return;
    all->ending = true;
    executor_free(all->executor);
    for (size_t i = 0; i < all->n_members; i++) {
        if (!all->members[i])
            continue;
        record_step(all->members[i], "", job_outcome_name(JOB_CANCELLED), "interrupted", NULL);
        run_member_free(all->members[i]);
    }
    while (all->runs)
        run_end(all->runs);
    record_free(all->record);
    free(all->members);
    sd_event_unref(all->loop);
    free(all);
}

void runner_stop(struct runner *all)
{
    executor_stop(all->executor);
}

void runner_cancel(struct runner *all)
{
    executor_cancel(all->executor);
}

static void tell_ended(int64_t number, void *arg)
{
    struct runner *all = arg;

    all->options.listener(&(struct run_event){.kind = RUN_ENDED, .run = number}, all->options.arg);
}

int runner_catch_up(struct runner *all, struct error *err)
{
    return record_catch_up(all->record, tell_ended, all, err);
}
