/* The verbs whose result is a command's own output, a line at a time as it
 * comes: `exec` and `logs`. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deployer/cli/facts.h"
#include "deployer/job/job.h"
#include "deployer/progress/json.h"
#include "discovery/base/clock.h"
#include "discovery/base/terminal.h"
#include "verbs.h"

/* What printing a line needs: the machines and how wide their labels are. */
struct stream {
    struct facts machines; /* who they are; what they say is not kept */
    size_t width;          /* of the widest label */
    bool json;
    int64_t begun_ms; /* CLOCK_MONOTONIC */
};

/* Colours that can be read on black and on white (ECMA-48, SGR). */
static const char *colour_of(size_t machine)
{
    static const char *const colours[] = {"36", "33", "32", "35", "34",
                                          "31", "96", "93", "92", "95"};

    return colours[machine % ARRAY_SIZE(colours)];
}

/* Its agents, as one label; a machine without any by its name. */
static const char *label_of(const struct machine_facts *m)
{
    return *m->agents ? m->agents : m->host ? m->host : m->id ? m->id : "?";
}

static size_t width_of(const struct machine_facts *m)
{
    CLEANUP_TEXT struct text label = TEXT_INIT;

    text_add_printable(&label, label_of(m));
    return text_width(text_str(&label));
}

static void print_text(const struct stream *s, size_t machine, const char *line, FILE *to)
{
    const struct machine_facts *m = &s->machines.machines[machine];
    CLEANUP_TEXT struct text out = TEXT_INIT;
    bool colour = terminal_wants_color(fileno(to));
    size_t width = width_of(m);

    if (colour)
        text_addf(&out, "\033[%sm", colour_of(machine));
    text_add_printable(&out, label_of(m));
    text_addf(&out, "%*s |%s ", (int)(s->width - width), "", colour ? "\033[0m" : "");
    text_add_printable(&out, line);
    text_addc(&out, '\n');
    terminal_put(to, &out);
}

static void print_json(const struct stream *s, size_t machine, const char *stream,
                       const char *value)
{
    const struct machine_facts *m = &s->machines.machines[machine];
    CLEANUP_FREE char *text = NULL;
    json_t *event = json_pack("{s:i, s:s, s:s, s:o}", "version", 1, "event", "output", "stream",
                              stream, "text", progress_json_text(value));

    progress_json_add(event, "machine", m->id);
    progress_json_add(event, "host", m->host);
    if (event)
        (void)json_object_set_new(
            event, "at", json_real((double)(clock_ms(CLOCK_MONOTONIC) - s->begun_ms) / 1000));
    text = event ? json_dumps(event, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
    json_decref(event);
    if (text)
        puts(text);
    (void)fflush(stdout);
}

/* Lines as they come, and at the end why a machine did not end well. */
static void print_event(size_t machine, const struct run_event *event, void *arg)
{
    struct stream *s = arg;
    bool why = event->kind == RUN_MACHINE_ENDED && *event->text;

    if (event->kind != RUN_OUTPUT && !why)
        return;
    if (s->json)
        print_json(s, machine, why ? "why" : event->errors ? "stderr" : "stdout", event->text);
    else
        print_text(s, machine, event->text, why || event->errors ? stderr : stdout);
}

static int stream_output(struct program *p, const struct text *settings, struct error *err)
{
    struct stream s = {.json = p->options.json, .begun_ms = clock_ms(CLOCK_MONOTONIC)};
    struct action action = {
        .mode = p->options.verb,
        .settings = settings,
        .output_max = STEPWIRE_STREAM_ENDLESS, /* a person sees it, and ends it */
        .unrecorded = true,
        .no_recap = true,
        .recap_as_json = true,
        .listener = print_event,
        .arg = &s,
    };
    int r = program_find_targets(p, err);

    if (r == 0)
        r = program_identify(p, err);
    if (r == 0)
        r = program_pack_steps(p, NULL, err);
    if (r == 0 && facts_init(&s.machines, &p->targets) < 0)
        r = error_sys(err, -ENOMEM, "cannot show the output of the machines");
    for (size_t i = 0; i < s.machines.count; i++) {
        size_t width = width_of(&s.machines.machines[i]);

        s.width = width > s.width ? width : s.width;
    }
    /* `logs -f` follows all machines at once, however many. */
    if (p->options.forks < p->targets.count && p->options.follow)
        p->options.forks = (unsigned)p->targets.count;
    if (r == 0)
        r = program_act(p, &p->targets, &action, err);
    facts_clear(&s.machines);
    return r;
}

/* --- exec ----------------------------------------------------------------------- */

OPTION_FLAG(struct deploy_options, become)

static const struct option_row exec_options[] = {
    {'b', "become", OPTION_NONE, NULL, "as root, instead of the user that logs in", set_become},
    {0, NULL, OPTION_NONE, NULL, NULL, NULL},
};

/* As ssh(1) does: the words with blanks between, for the machine's shell. */
static int run_exec(struct program *p, struct error *err)
{
    const struct deploy_options *o = &p->options;
    CLEANUP_TEXT struct text command = TEXT_INIT;
    CLEANUP_TEXT struct text settings = TEXT_INIT;

    for (int i = 0; i < o->n_arguments; i++)
        text_addf(&command, "%s%s", i ? " " : "", o->arguments[i]);
    if (command.size == 0)
        return error_set(err, -EINVAL, "say what to run: dcop-deploy -l all exec -- uname -a");
    job_add_setting(&settings, "command", text_str(&command));
    job_add_setting(&settings, "as", o->become ? "root" : "user");
    if (text_error(&command) < 0 || text_error(&settings) < 0)
        return error_sys(err, -ENOMEM, "cannot run a command");
    return stream_output(p, &settings, err);
}

const struct verb verb_exec = {
    .name = "exec",
    .arguments = "[-b] -- COMMAND",
    .help = "run a command on the machines, show its output",
    .options = exec_options,
    .run = run_exec,
};

/* --- logs ----------------------------------------------------------------------- */

OPTION_FLAG(struct deploy_options, follow)

static int set_lines(void *into, const char *value, struct error *err)
{
    long lines;
    int r = parse_number(value, 0, 100000, &lines, err);

    if (r == 0)
        ((struct deploy_options *)into)->lines = (unsigned)lines;
    return r;
}

static const struct option_row logs_options[] = {
    {'f', "follow", OPTION_NONE, NULL, "continue with new lines as they come, until Ctrl-C",
     set_follow},
    {'n', "lines", OPTION_REQUIRED, "N", "start with the last N lines; default 20", set_lines},
    {0, NULL, OPTION_NONE, NULL, NULL, NULL},
};

static int run_logs(struct program *p, struct error *err)
{
    CLEANUP_TEXT struct text settings = TEXT_INIT;
    int r = program_takes_arguments(p, 0, err);

    if (r < 0)
        return r;
    text_addf(&settings, "lines %u\nfollow %s\n", p->options.lines,
              p->options.follow ? "yes" : "no");
    if (text_error(&settings) < 0)
        return error_sys(err, -ENOMEM, "cannot show the logs");
    return stream_output(p, &settings, err);
}

const struct verb verb_logs = {
    .name = "logs",
    .arguments = "[-f] [-n N]",
    .help = "the agents' journals",
    .options = logs_options,
    .run = run_logs,
};
