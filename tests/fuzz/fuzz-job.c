/*
 * The machine's whole side of a job, as a script (machine-end.h): which host key it has,
 * what it writes in which order and how often, when a person stops the run, how the command
 * ends.  What the job tells goes on to the run and into a database, as in the programs.
 * The first line of the input has letters, see `setting`; the rest is the script.
 */
#include <stdlib.h>
#include <string.h>

#include "lone-run.h"
#include "machine-end.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ID "0123456789abcdef"
#define OTHER_ID "fedcba9876543210"
#define KEY "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define OTHER_KEY "SHA256:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
#define FOREIGN_KEY "SHA256:CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC"
#define PASSWORD "chalk and blackboard"

enum {
    OUTPUT_MAX = 1000,
    OWN_NOTES = 8, /* what the job itself says in a session */
    WORDS_MAX = 4 * 1024 * 1024 + 64 * 1024,
};

static void expect(bool good)
{
    if (!good)
        abort();
}

/* --- what is told ------------------------------------------------------------------------ */

static struct told {
    unsigned steps[STEPWIRE_KINDS], trusted, done;
    size_t words, output;
    bool endless;
    struct lone_run *run;
} told;

static void count_step(const struct stepwire_event *step)
{
    unsigned *n = told.steps;

    n[step->kind]++;
    told.words += strlen(step->name) + strlen(step->detail) + strlen(step->lines);
    expect(utf8_valid(step->name, strlen(step->name)) &&
           utf8_valid(step->detail, strlen(step->detail)) &&
           utf8_valid(step->lines, strlen(step->lines)));
    expect(told.words <= WORDS_MAX && n[STEPWIRE_RESULT] <= STEPWIRE_STEPS_MAX + 1 &&
           n[STEPWIRE_CHECK] <= STEPWIRE_STEPS_MAX && n[STEPWIRE_START] <= STEPWIRE_STEPS_MAX &&
           n[STEPWIRE_FACT] <= STEPWIRE_FACTS_MAX && n[STEPWIRE_DIFF] <= STEPWIRE_DIFFS_MAX &&
           n[STEPWIRE_NOTE] <= STEPWIRE_NOTES_MAX + OWN_NOTES && n[STEPWIRE_END] <= 1 &&
           n[STEPWIRE_PLAN] <= STEPWIRE_OTHERS_MAX && n[STEPWIRE_ALIVE] == 0);
}

static void on_job(const struct job_event *event, void *arg)
{
    (void)arg;
    expect(told.done == 0);
    switch (event->kind) {
    case JOB_CONNECTING:
        memset(told.steps, 0, sizeof(told.steps));
        told.words = told.output = told.trusted = 0;
        break;
    case JOB_TRUSTED:
        expect(told.trusted++ == 0 && strcmp(event->text, machine_end.key) == 0 &&
               strcmp(event->text, FOREIGN_KEY) != 0);
        break;
    case JOB_HOSTKEY:
    case JOB_SENDING:
        expect(told.trusted == 1);
        break;
    case JOB_STEP:
        count_step(event->step);
        break;
    case JOB_OUTPUT:
        told.output += strlen(event->text);
        expect(told.endless || told.output <= 2 * OUTPUT_MAX);
        break;
    case JOB_DONE:
        told.done++;
        expect(event->text && strlen(event->text) < sizeof(((struct error *)0)->text));
        break;
    }
    lone_run_hear(told.run, event);
}

/* --- the controller ------------------------------------------------------------------------ */

static bool setting(const char *line, size_t size, char letter)
{
    return memchr(line, letter, size) != NULL;
}

static struct target make_target(const char *line, size_t size)
{
    struct target t = {.host = strdup("rpi-1"), .port = 22, .n_addresses = 1};

    t.id = setting(line, size, 'n') ? NULL : strdup(ID); /* n: without an id */
    t.hostkey = t.id ? NULL : strdup(KEY);
    t.guessed = setting(line, size, 'g'); /* g: the machine that was last met there */
    /* a: its agents are a person's word; what has no record has a person's or none. */
    t.named = setting(line, size, 'a');
    t.advertised = !t.guessed && t.id && !t.named;
    t.addresses = calloc(1, sizeof(*t.addresses));
    expect(t.host && t.addresses && address_parse("192.0.2.7", t.addresses) == 0);
    if (t.advertised || t.named)
        expect(strings_add(&t.agents, "a1") == 0 && strings_add(&t.names, "a1") == 0);
    return t;
}

static void put_machine(struct state *state, const char *id, const char *key,
                        enum pin_source source, const char *agent)
{
    struct strings names = {0};
    const struct state_pin pin = {
        .id = (char *)(uintptr_t)id, .fingerprint = (char *)(uintptr_t)key, .source = source};

    expect(strings_add(&names, agent) == 0 && state_pin_put(state, &pin, NULL) == 0 &&
           state_names_set(state, "default", id, &names, NULL) == 0);
    strings_clear(&names);
}

/* Who was pinned is still pinned, and has its name. */
static void check_machine(struct state *state, const char *id, const char *key, const char *agent)
{
    struct state_pin pin;
    char *holder = NULL;
    bool now = false;

    expect(state_pin_get(state, id, &pin, NULL) == 0 && strcmp(pin.fingerprint, key) == 0);
    state_pin_clear(&pin);
    expect(state_name_holder(state, "default", agent, &holder, &now, NULL) == 0 && now);
    /* A machine that is known by its key alone may say its id. */
    expect(strcmp(holder, id) == 0);
    free(holder);
}

static void check_record(struct state *state, int64_t number)
{
    struct state_results results = {0};
    size_t words = 0;

    expect(state_result_list(state, number, &results, NULL) == 0 &&
           results.count <= (STEPWIRE_STEPS_MAX + 2) * MACHINE_END_SESSIONS_MAX);
    for (size_t i = 0; i < results.count; i++)
        if (*results.items[i].step)
            words += strlen(results.items[i].detail ? results.items[i].detail : "") +
                     strlen(results.items[i].output ? results.items[i].output : "");
    expect(words <= MEMBER_RECORD_MAX);
    state_results_clear(&results);
}

static void run_script(const char *line, size_t size, struct state *state)
{
    static const char bundle[] = "a bundle";
    CLEANUP(secret_free_p) struct secret *password = NULL;
    struct upstreams caches = {.apt = {.host = (char *)(uintptr_t) "localhost", .size = 1}};
    struct job job = {.target = make_target(line, size)};
    struct job_common common = {.mode = "deploy",
                                .who = "teacher@desk",
                                .bundle_digest = "abc",
                                .bundle = bundle,
                                .bundle_size = sizeof(bundle),
                                .places_agents = true};
    struct lone_run run;

    expect(secret_new(PASSWORD, strlen(PASSWORD), &password, NULL) == 0);
    lone_run_begin(&run, state, &job.target, (struct consent){0});
    common.pins = &run.run->pins;
    common.names = &run.run->names;
    common.become_password = setting(line, size, 'p') ? password : NULL; /* p: sudo has one */
    told.endless = setting(line, size, 'e');                             /* e: logs -f */
    common.output_max = told.endless               ? STEPWIRE_STREAM_ENDLESS
                        : setting(line, size, 'o') ? OUTPUT_MAX /* o: exec */
                                                   : 0;
    common.upstreams = setting(line, size, 'c') ? &caches : NULL; /* c: there are caches */
    expect(known_machine_get(state, &job.target, (struct consent){0}, &job.known, NULL) == 0);
    job.common = &common;
    told.run = &run;
    job_run(&job, (struct stop_fds){-1, -1}, on_job, NULL);
    expect(told.done == 1);
    lone_run_end(&run);
    check_record(state, run.number);
    job_clear(&job);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(state_free_p) struct state *state = NULL;
    const char *text = (const char *)data;
    const char *stop = memchr(text, '\n', size);
    size_t head = stop ? (size_t)(stop - text) : size;

    expect(state_open(":memory:", &state, NULL) == 0);
    /* q: accepted unseen; no password goes there. */
    put_machine(state, ID, KEY, setting(text, head, 'q') ? PIN_ACCEPT : PIN_QUESTION, "a1");
    put_machine(state, OTHER_ID, OTHER_KEY, PIN_TRUST, "a2");
    machine_end = (struct machine_end){.at = stop ? stop + 1 : text + size, .end = text + size};
    machine_end.password = PASSWORD;
    machine_end.key = setting(text, head, 'f')   ? FOREIGN_KEY /* f: a machine that nobody knows */
                      : setting(text, head, '2') ? OTHER_KEY   /* 2: another one of ours */
                                                 : KEY;
    told = (struct told){0};
    run_script(text, head, state);
    check_machine(state, ID, KEY, "a1");
    check_machine(state, OTHER_ID, OTHER_KEY, "a2");
    machine_end_clear();
    return 0;
}
