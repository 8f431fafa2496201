#include "reconcile.h"

#include <stdio.h>
#include <string.h>

#include "discovery/base/text.h"

const char *work_state_name(enum work_state state)
{
    static const char *const names[] = {
        [WORK_IDLE] = "idle",         [WORK_WAITING] = "waiting", [WORK_QUEUED] = "queued",
        [WORK_PACKING] = "packing",   [WORK_RUNNING] = "running", [WORK_OK] = "ok",
        [WORK_RETRYING] = "retrying", [WORK_STUCK] = "stuck",
    };

    return names[state];
}

int64_t reconcile_delay_ms(unsigned failures)
{
    static const int64_t delays[] = {5000, 15000, 45000, 135000, 300000};
    size_t n = ARRAY_SIZE(delays);

    return delays[failures < 1 ? 0 : failures > n ? n - 1 : failures - 1];
}

void ledger_reset(struct ledger *l)
{
    struct ledger now = {.appeared_ms = l->appeared_ms, .held = l->held, .reached = l->reached};

    memcpy(now.trial, l->trial, sizeof(now.trial));
    *l = now;
}

/* What was deployed before it went away may be lost (another card, a power cut in the
 * middle of it): a deploy that finds nothing to do is cheap. */
void ledger_appeared(struct ledger *l, int64_t now_ms)
{
    *l = (struct ledger){.appeared_ms = now_ms, .held = l->held};
}

static void copy_wish(char to[static RECONCILE_WISH_LENGTH + 1], const char *wish)
{
    (void)snprintf(to, RECONCILE_WISH_LENGTH + 1, "%s", wish);
}

void ledger_begin(struct ledger *l, const char *wish)
{
    if (strcmp(l->tried, wish) != 0)
        l->failures = 0;
    copy_wish(l->tried, wish);
    l->failed = l->hopeless = l->busy = l->held = false;
    *l->why = '\0';
}

void ledger_begin_trial(struct ledger *l, const char *version)
{
    l->unhealthy = false;
    if (strcmp(l->trial, version ? version : "") == 0)
        return;
    l->reached = false;
    copy_wish(l->trial, version ? version : "");
}

/* A step that fails before these leaves the version before as it was. */
static bool is_step_of_version(const char *step)
{
    static const char *const steps[] = {"pydcop", "proof", "names", "unit",
                                        "ui",     "start", "alive", "healthy"};

    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        if (strcmp(step, steps[i]) == 0)
            return true;
    return false;
}

void ledger_note_step(struct ledger *l, const char *step, bool failed)
{
    l->reached = l->reached || is_step_of_version(step);
    l->unhealthy = l->unhealthy || (failed && strcmp(step, "healthy") == 0);
}

enum ledger_end ledger_end_trial(struct ledger *l, enum ledger_end end,
                                 char proven[static RECONCILE_WISH_LENGTH + 1])
{
    if (!*l->trial)
        return end;
    if (end == LEDGER_DONE)
        copy_wish(proven, l->trial);
    else if (l->unhealthy)
        return LEDGER_HOPELESS;
    if (end == LEDGER_DONE || !l->reached)
        *l->trial = '\0';
    return end;
}

bool reconcile_is_trial(const struct reconcile *r, const char *version, const struct ledger *l,
                        bool first)
{
    return version && strcmp(version, r->proven) != 0 && (first || strcmp(version, l->trial) == 0);
}

void ledger_end(struct ledger *l, enum ledger_end end, const char *why, int64_t now_ms)
{
    l->ended_ms = now_ms;
    l->failed = end != LEDGER_DONE;
    l->hopeless = end == LEDGER_HOPELESS;
    l->busy = end == LEDGER_BUSY;
    (void)snprintf(l->why, sizeof(l->why), "%s", why ? why : "");
    if (end == LEDGER_DONE)
        copy_wish(l->done, l->tried);
    else
        *l->done = '\0';
    if (end == LEDGER_FAILED || end == LEDGER_HOPELESS)
        l->failures++;
}

static void wake_at(struct reconcile *r, int64_t when_ms)
{
    if (when_ms < r->next_ms)
        r->next_ms = when_ms;
}

static void set_verdict(struct reconcile_machine *m, enum work_state state, const char *why)
{
    m->state = state;
    m->why = why;
}

/* The deploy was successful, but the machine's own record now says that it has failed. */
static void check_relapse(struct reconcile *r, struct reconcile_machine *m, int64_t now_ms)
{
    struct ledger *l = m->ledger;
    int64_t since = l->ended_ms;

    if (m->unit != ADVERT_STATE_FAILED && m->unit != ADVERT_STATE_NEW)
        return;
    if (now_ms - since <
        RECONCILE_RELAPSE_MS) { /* the record from after the deploy may not have arrived yet */
        wake_at(r, since + RECONCILE_RELAPSE_MS);
        return;
    }
    ledger_end(l, LEDGER_FAILED,
               m->unit == ADVERT_STATE_NEW ? "what was deployed is no longer there"
                                           : "its agents have failed since they were deployed",
               now_ms);
}

/* A try has failed: decides when the next one is. */
static void judge_failure(struct reconcile *r, struct reconcile_machine *m, int64_t now_ms)
{
    const struct ledger *l = m->ledger;
    int64_t delay = l->busy ? RECONCILE_BUSY_MS : reconcile_delay_ms(l->failures);

    if (l->hopeless || l->failures >= RECONCILE_FAILURES_MAX) {
        set_verdict(m, WORK_STUCK, l->why);
        return;
    }
    m->again_ms = l->ended_ms + delay;
    if (m->again_ms <= now_ms) {
        m->deploy = true;
        return;
    }
    set_verdict(m, WORK_RETRYING, l->why);
    wake_at(r, m->again_ms);
}

/* There is no obstacle: does the machine need a deploy? */
static void judge_need(struct reconcile *r, struct reconcile_machine *m, int64_t now_ms)
{
    struct ledger *l = m->ledger;

    if (strcmp(l->done, m->wish) == 0)
        check_relapse(r, m, now_ms);
    if (strcmp(l->done, m->wish) == 0) {
        if (now_ms - l->ended_ms >= RECONCILE_STEADY_MS)
            l->failures = 0;
        set_verdict(m, WORK_OK, NULL);
        return;
    }
    if (l->failed && strcmp(l->tried, m->wish) == 0) {
        judge_failure(r, m, now_ms);
        return;
    }
    if (now_ms - l->appeared_ms < RECONCILE_SETTLE_MS) {
        set_verdict(m, WORK_WAITING, NULL);
        wake_at(r, l->appeared_ms + RECONCILE_SETTLE_MS);
        return;
    }
    m->deploy = true;
}

static void judge_machine(struct reconcile *r, struct reconcile_machine *m, int64_t now_ms)
{
    m->deploy = m->trial = false;
    m->again_ms = 0;
    if (m->at_work) {
        set_verdict(m, WORK_RUNNING, NULL);
        return;
    }
    if (!m->wish) {
        set_verdict(m, m->obstacle ? WORK_WAITING : WORK_IDLE, m->obstacle);
        return;
    }
    if (!m->online)
        set_verdict(m, WORK_WAITING, "it is offline");
    else if (m->obstacle)
        set_verdict(m, WORK_WAITING, m->obstacle);
    else if (m->ledger->held)
        set_verdict(m, WORK_IDLE,
                    "a person stopped it or rolled it back; deploy or start it to go on");
    else {
        set_verdict(m, WORK_WAITING, NULL);
        judge_need(r, m, now_ms);
        if (!m->deploy)
            return;
        if (!r->automatic) {
            m->deploy = false;
            set_verdict(m, m->ledger->failed ? WORK_STUCK : WORK_WAITING,
                        m->ledger->failed ? m->ledger->why : "it needs a deploy");
        } else if (r->paused) {
            m->deploy = false;
            set_verdict(m, WORK_WAITING, RECONCILE_PAUSED);
        } else if (!r->reached) {
            m->deploy = false;
            set_verdict(m, WORK_WAITING,
                        "it waits until as many machines are present as --quorum says");
        } else
            set_verdict(m, WORK_QUEUED, NULL);
    }
}

/* Nothing but a try is between this machine and the version. */
static bool is_candidate(const struct reconcile_machine *m)
{
    return m->at_work || (m->online && m->wish && !m->obstacle && !m->ledger->held);
}

/* The one that has it already, else the first that is to get it. */
static struct reconcile_machine *choose_first(const struct reconcile *r,
                                              struct reconcile_machine *machines, size_t n)
{
    struct reconcile_machine *first = NULL;

    for (size_t i = 0; i < n; i++)
        if (is_candidate(&machines[i]) && strcmp(machines[i].ledger->trial, r->version) == 0)
            return &machines[i];
    for (size_t i = 0; i < n && !first; i++)
        if (machines[i].deploy)
            first = &machines[i];
    return first;
}

/* What the others are told, in r->waits. */
static void explain_first(struct reconcile *r, const struct reconcile_machine *first)
{
    const char *name = first->name ? first->name : "another machine";

    if (!first->ledger->failed)
        (void)snprintf(r->waits, sizeof(r->waits), "%s tries this version first", name);
    else
        (void)snprintf(r->waits, sizeof(r->waits), "%s tried this version first and failed; %s",
                       name,
                       first->state == WORK_STUCK ? "retry it, or give another version"
                                                  : "it is tried again there first");
}

static void hold_others(struct reconcile *r, struct reconcile_machine *machines, size_t n)
{
    struct reconcile_machine *first;

    if (!r->version || strcmp(r->version, r->proven) == 0)
        return;
    first = choose_first(r, machines, n);
    if (first)
        explain_first(r, first);
    for (size_t i = 0; i < n; i++) {
        struct reconcile_machine *m = &machines[i];

        m->trial = m == first && m->deploy;
        if (!m->deploy || m == first)
            continue;
        m->deploy = false;
        set_verdict(m, WORK_WAITING, r->waits);
    }
}

void reconcile(struct reconcile *r, struct reconcile_machine *machines, size_t n, int64_t now_ms)
{
    r->next_ms = INT64_MAX;
    r->present = 0;
    for (size_t i = 0; i < n; i++)
        r->present += machines[i].counts;
    r->reached = r->reached || r->present >= r->quorum;
    for (size_t i = 0; i < n; i++)
        judge_machine(r, &machines[i], now_ms);
    hold_others(r, machines, n);
}
