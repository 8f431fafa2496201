#include "lone-run.h"

#include <stdlib.h>
#include <string.h>

static void expect(bool good)
{
    if (!good)
        abort();
}

static void ignore(const struct run_event *event, void *arg)
{
    (void)event, (void)arg;
}

void lone_run_begin(struct lone_run *l, struct state *state, const struct target *t,
                    struct consent consent)
{
    struct run *r = calloc(1, sizeof(*r));
    struct member *m = calloc(1, sizeof(*m));

    *l = (struct lone_run){.run = r};
    l->runner.options = (struct runner_options){.state = state, .listener = ignore};
    l->runner.members = l->members;
    l->runner.n_members = l->runner.at_work = 1;
    expect(r && m && record_new(state, &l->runner.record) == 0);
    r->runner = &l->runner;
    r->at = &l->runner.runs;
    l->runner.runs = r;
    r->verb = "deploy";
    r->record.verb = (char *)(uintptr_t)r->verb;
    r->consent = consent;
    r->left = 1;
    expect(state_run_begin(state, &r->record, &r->number, NULL) == 0 &&
           state_pin_list(state, NULL, &r->pins, NULL) == 0 &&
           state_name_list(state, "default", &r->names, NULL) == 0);
    l->number = r->number;
    m->run = r;
    m->host = strdup("rpi-1");
    m->agents = strdup("a1");
    (void)target_key(t, m->machine);
    expect(m->host && m->agents && target_copy(t, &m->target) == 0 &&
           known_machine_get(state, t, consent, &m->known, NULL) == 0);
    l->members[0] = m;
}

void lone_run_hear(struct lone_run *l, const struct job_event *event)
{
    runner_on_job_event(0, event, &l->runner);
}

void lone_run_end(struct lone_run *l)
{
    expect(!l->members[0] && !l->runner.runs && l->runner.at_work == 0);
    record_free(l->runner.record);
}
