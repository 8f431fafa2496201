#include "discover.h"

#include <arpa/inet.h>
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/base/file.h"
#include "discovery/base/options.h"
#include "discovery/base/output.h"
#include "discovery/base/process.h"
#include "discovery/base/terminal.h"
#include "discovery/doctor/doctor.h"
#include "discovery/inventory/zone.h"
#include "discovery/known/known.h"
#include "discovery/match/addresses.h"
#include "discovery/match/match.h"
#include "discovery/network/discovery.h"
#include "discovery/network/domain.h"
#include "discovery/network/look.h"
#include "discovery/problem/problem.h"
#include "discovery/report/roster-text.h"
#include "notices.h"
#include "watch.h"

enum { TIMEOUT_MS = 3000, TIMEOUT_WAIT_MS = 60000, SHOW_HELP = 1, SHOW_VERSION = 2 };

#define PROGRAM "dcop-discover"

/* ---- options ---- */

OPTION_FLAG(struct discover_options, strict)
OPTION_FLAG(struct discover_options, wait)
OPTION_FLAG(struct discover_options, watch)
OPTION_FLAG(struct discover_options, json)
OPTION_FLAG(struct discover_options, all)
OPTION_FLAG(struct discover_options, quiet)
OPTION_FLAG(struct discover_options, verbose)
OPTION_FLAG(struct discover_options, partial)
OPTION_FLAG(struct discover_options, doctor)
OPTION_FLAG(struct discover_options, zone)
OPTION_ONE(struct discover_options, host)
OPTION_ONE(struct discover_options, from)
OPTION_ONE(struct discover_options, output)
OPTION_ONE(struct discover_options, state_dir)
OPTION_LIST(struct discover_options, problems)

static int set_inventory(void *into, const char *value, struct error *err)
{
    struct discover_options *o = into;

    o->inventory = true;
    o->format = INVENTORY_YAML;
    o->format_given = value != NULL;
    return value ? inventory_format_from_name(value, &o->format, err) : 0;
}

static int set_list(void *into, const char *value, struct error *err)
{
    struct discover_options *o = into;

    (void)value, (void)err;
    o->inventory = o->format_given = true;
    o->format = INVENTORY_LIST;
    return 0;
}

static int set_fleet(void *into, const char *value, struct error *err)
{
    if (!advert_fleet_valid(value))
        return error_set(err, -EINVAL, "'%s' is not a fleet name (2 to 62 of a-z, 0-9 and -)",
                         value);
    ((struct discover_options *)into)->fleet = value;
    return 0;
}

static int set_domain(void *into, const char *value, struct error *err)
{
    ((struct discover_options *)into)->domain = value;
    return domain_check(value, err);
}

static int set_config(void *into, const char *value, struct error *err)
{
    (void)err;
    ((struct discover_options *)into)->config = value;
    return 0;
}

static int set_timeout(void *into, const char *value, struct error *err)
{
    struct discover_options *o = into;

    o->timeout_given = true;
    return parse_seconds(value, &o->timeout_ms, err);
}

static int show_help(void *into, const char *value, struct error *err)
{
    (void)into, (void)value, (void)err;
    return SHOW_HELP;
}

static int show_version(void *into, const char *value, struct error *err)
{
    (void)into, (void)value, (void)err;
    return SHOW_VERSION;
}

static const struct option_row rows[] = {
    {'m', "match", OPTION_REQUIRED, "PROBLEM",
     "compare with the agents of this DCOP file;\nmay be repeated", set_problems},
    {0, "strict", OPTION_NONE, NULL, "unexpected and unassigned machines count as a no",
     set_strict},
    {0, "wait", OPTION_NONE, NULL, "with --match: wait until every agent is there", set_wait},
    {0, "inventory", OPTION_OPTIONAL, "FORMAT",
     "write yaml (default), ini, json, ssh-config\nor hosts", set_inventory},
    {0, "list", OPTION_NONE, NULL, "write Ansible's dynamic inventory", set_list},
    {0, "host", OPTION_REQUIRED, "NAME", "write the variables of one host of it", set_host},
    {0, "zone", OPTION_NONE, NULL,
     "write records for a DNS zone, so that other\nsubnets find the machines: see --domain",
     set_zone},
    {0, "partial", OPTION_NONE, NULL, "write an inventory although machines may be\nmissing",
     set_partial},
    {'w', "watch", OPTION_NONE, NULL, "keep showing changes", set_watch},
    {0, "doctor", OPTION_NONE, NULL,
     "say why machines are not seen or do not answer;\nof one: --doctor MACHINE, or its ADDRESS",
     set_doctor},
    {'t', "timeout", OPTION_REQUIRED, "S", "search for S seconds at most: 3; with --wait, 60",
     set_timeout},
    {'f', "fleet", OPTION_REQUIRED, "NAME", "this fleet only", set_fleet},
    {'a', "all", OPTION_NONE, NULL,
     "machines without a beacon, too, that say they\ncan be logged in to: dcop-deploy enroll --all",
     set_all},
    {0, "domain", OPTION_REQUIRED, "NAME",
     "machines of this domain, too, by unicast DNS: for\nother subnets, see --zone", set_domain},
    {0, "config", OPTION_REQUIRED, "DIR",
     "settings instead of ~/.config/dcop: with a\nfleet.key in it, machines must be verified",
     set_config},
    {0, "state-dir", OPTION_REQUIRED, "DIR",
     "dcop-deploy's state instead of\n~/.local/state/dcop: machines in it are asked for\nby name",
     set_state_dir},
    {0, "from", OPTION_REQUIRED, "FILE",
     "a roster saved from --json instead of the\nnetwork; - is standard input", set_from},
    {'o', "output", OPTION_REQUIRED, "FILE",
     "write to FILE, completely or not at all; into a\ndevice or FIFO; - is standard output",
     set_output},
    {0, "json", OPTION_NONE, NULL, "JSON, for programs: one document; with\n--watch, one a line",
     set_json},
    {'q', "quiet", OPTION_NONE, NULL, "no messages but errors", set_quiet},
    {'v', "verbose", OPTION_NONE, NULL, "more messages, and lists in full", set_verbose},
    {'h', "help", OPTION_NONE, NULL, "show this help", show_help},
    {'V', "version", OPTION_NONE, NULL, "show the version", show_version},
    {0, NULL, OPTION_NONE, NULL, NULL, NULL},
};

bool discover_is_document(const struct discover_options *o)
{
    return o->inventory || o->host || o->zone;
}

/* Refuses options that cannot be combined. */
static int check_options(struct discover_options *o, struct error *err)
{
    bool document = discover_is_document(o);

    if (o->json && o->inventory && !o->format_given)
        o->format = INVENTORY_JSON;
    if (o->json && o->inventory && o->format != INVENTORY_JSON && o->format != INVENTORY_LIST)
        return error_set(err, -EINVAL, "--json cannot be used with an inventory that is not JSON");
    if (o->zone && (o->json || o->inventory || o->host))
        return error_set(err, -EINVAL, "--zone cannot be used with %s",
                         o->json ? "--json" : "an inventory");
    if ((o->strict || o->wait) && o->problems.count == 0)
        return error_set(err, -EINVAL, "--%s needs --match", o->strict ? "strict" : "wait");
    if (o->watch && (document || o->output || o->from || o->wait))
        return error_set(err, -EINVAL, "--watch can be used with --match and --json, not with %s",
                         o->zone     ? "--zone"
                         : document  ? "an inventory"
                         : o->output ? "--output"
                         : o->from   ? "--from"
                                     : "--wait");
    if (o->doctor && (document || o->from || o->watch || o->problems.count > 0))
        return error_set(err, -EINVAL, "--doctor cannot be used with %s",
                         o->zone                 ? "--zone"
                         : document              ? "an inventory"
                         : o->from               ? "--from"
                         : o->problems.count > 0 ? "--match"
                                                 : "--watch");
    if (o->domain && o->from)
        return error_set(err, -EINVAL, "--domain cannot be used with --from");
    if (o->all && (document || o->from || o->watch || o->doctor || o->problems.count > 0))
        return error_set(err, -EINVAL, "--all lists machines once; it cannot be used with %s",
                         o->zone                 ? "--zone"
                         : document              ? "an inventory"
                         : o->from               ? "--from"
                         : o->doctor             ? "--doctor"
                         : o->problems.count > 0 ? "--match"
                                                 : "--watch");
    if (o->from && o->wait)
        return error_set(err, -EINVAL,
                         "--wait cannot be used with --from: it waits for machines on the network");
    if (!o->timeout_given)
        o->timeout_ms = o->wait ? TIMEOUT_WAIT_MS : TIMEOUT_MS;
    return 0;
}

/* ---- results ---- */

static int write_output(const struct discover_options *o, const struct text *t, struct error *err)
{
    int r;

    if (text_error(t) < 0)
        return error_sys(err, -ENOMEM, "cannot write the result");
    if (o->output)
        return output_write(o->output, text_str(t), t->size, err);
    r = terminal_write(t);
    if (r == -EPIPE)
        process_end_by_signal(SIGPIPE);
    return r < 0 ? error_sys(err, r, "cannot write to standard output") : 0;
}

/* The table; on a terminal, where its beginning may be out of sight, with a sum. */
static int write_list(const struct machine *const *machines, size_t n,
                      const struct report_style *style, struct text *ret)
{
    int r = report_roster_text(machines, n, style, ret);

    if (r < 0 || n == 0 || style->terminal.width == 0)
        return r;
    report_add_sum_line(machines, n, 0, style, ret);
    return text_error(ret);
}

/* Writes the requested document.  With an inventory, the match is printed on
 * standard error. */
static int write_result(const struct discover_options *o, const struct machine *const *machines,
                        size_t n, const struct match *match, struct text *ret, struct error *err)
{
    struct report_style style = {.now = time(NULL), .verbose = o->verbose};
    char controller[INET_ADDRSTRLEN];
    int r;

    if (!o->output)
        style.terminal = terminal_style(STDOUT_FILENO);
    if (o->host) {
        r = inventory_write_host(machines, n, o->host, ret);
        return r == -ENOENT ? error_set(err, r, "no host has the name '%s'", o->host) : r;
    }
    if (o->zone)
        return zone_write(machines, n, o->key, ret);
    if (o->inventory) {
        inventory_find_controller(machines, n, controller);
        return inventory_write(machines, n, o->format, *controller ? controller : NULL, ret);
    }
    if (match)
        return o->json ? report_match_json(match, o->strict, ret)
                       : report_match_text(match, o->strict, &style, ret);
    return o->json ? report_roster_json(machines, n, ret) : write_list(machines, n, &style, ret);
}

/* The machines, and behind them the candidates, which are no machines to another program. */
static int write_all(const struct discover_options *o, const struct machine *const *machines,
                     size_t n, const struct candidate_list *candidates, struct text *ret)
{
    CLEANUP_FREE const struct machine **all = calloc(n + candidates->count + 1, sizeof(*all));
    const struct report_style style = {
        .terminal = o->output ? (struct terminal_style){0} : terminal_style(STDOUT_FILENO),
        .now = time(NULL),
        .verbose = o->verbose,
    };

    if (!all)
        return -ENOMEM;
    if (o->json)
        return report_all_json(machines, n, candidates, ret);
    if (n > 0)
        memcpy(all, machines, n * sizeof(*all));
    if (candidates->count > 0)
        memcpy(all + n, candidates->pointers, candidates->count * sizeof(*all));
    return write_list(all, n + candidates->count, &style, ret);
}

static void print_match(const struct discover_options *o, const struct match *match)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;

    if (o->quiet || !discover_is_document(o) || match_ok(match, o->strict))
        return;
    if (report_match_text(match, o->strict, &(struct report_style){.verbose = o->verbose}, &t) == 0)
        fputs(text_str(&t), stderr);
}

static int print_error(const struct error *err, int code)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;

    text_add_printable(&t, err->text);
    fprintf(stderr, PROGRAM ": %s\n", text_str(&t));
    return code;
}

/* Without any machine, standard error has why. */
static int explain_match(struct match *match, const struct machine *const *machines, size_t n,
                         const struct look *look)
{
    CLEANUP_TEXT struct text port = TEXT_INIT;
    int r = match_explain(match, machines, n);

    if (r >= 0 && look)
        r = notices_of_daemon(look, &match->warnings);
    if (r >= 0 && look && n > 0 && match->n_missing + match->n_offline > 0)
        discovery_explain_port(look_discovery(look), &port);
    return r >= 0 && port.size > 0 ? strings_add(&match->warnings, text_str(&port)) : r;
}

/* Writes the result for these machines and returns the exit code.  `is_short`:
 * there may be more of them.  `look`: where they were found; NULL: in a saved roster. */
static int report_machines(const struct discover_options *o, const struct problem *problem,
                           const struct machine *const *machines, size_t n, bool is_short,
                           const struct look *look)
{
    CLEANUP(match_clear) struct match match = MATCH_INIT;
    CLEANUP_TEXT struct text t = TEXT_INIT;
    struct match_holders holders;
    struct error err = {0};
    int r = 0;

    if (problem) {
        if (look)
            holders = discovery_holders(look_discovery(look));
        r = match_make(machines, n, problem, look ? &holders : NULL, &match);
        if (r >= 0)
            r = explain_match(&match, machines, n, discover_is_document(o) ? NULL : look);
    }
    if (r >= 0)
        r = write_result(o, machines, n, problem ? &match : NULL, &t, &err);
    if (r == -ENOENT && o->host)
        return print_error(&err, EXIT_NO);
    if (r < 0 && !err.code)
        error_sys(&err, r, "cannot make the report");
    if (r >= 0)
        r = write_output(o, &t, &err);
    if (r < 0)
        return print_error(&err, EXIT_HERE);
    if (!problem)
        return is_short && !o->partial ? EXIT_NO : EXIT_DONE;
    print_match(o, &match);
    if (look && !o->quiet && match.n_missing + match.n_offline > 0)
        fputs(PROGRAM ": " PROGRAM " --doctor looks for the cause when a machine is missing\n",
              stderr);
    return match_ok(&match, o->strict) ? EXIT_DONE : EXIT_NO;
}

static int report_all(const struct discover_options *o, struct look *look, bool is_short)
{
    CLEANUP(candidate_list_clear) struct candidate_list candidates = CANDIDATE_LIST_INIT;
    CLEANUP_TEXT struct text t = TEXT_INIT;
    struct error err = {0};
    size_t n;
    const struct machine *const *machines = look_machines(look, &n);
    int r = discovery_candidates(look_discovery(look), &candidates);

    if (r >= 0)
        r = write_all(o, machines, n, &candidates, &t);
    r = r < 0 ? error_sys(&err, r, "cannot make the report") : write_output(o, &t, &err);
    if (r < 0)
        return print_error(&err, EXIT_HERE);
    return is_short && !o->partial ? EXIT_NO : EXIT_DONE;
}

/* ---- where machines come from ---- */

static int from_file(const struct discover_options *o, const struct problem *problem)
{
    CLEANUP(machine_list_clear) struct machine_list list = MACHINE_LIST_INIT;
    CLEANUP_TEXT struct text json = TEXT_INIT;
    CLEANUP_STRINGS struct strings notices = {0};
    const char *name = string_equal(o->from, "-") ? "standard input" : o->from;
    struct error err = {0};
    size_t n = 0;
    int r;

    r = file_read(o->from, REPORT_JSON_MAX, &json, &err);
    if (r >= 0)
        r = report_roster_read(text_str(&json), json.size, name, &list, &err);
    if (r < 0)
        return print_error(&err, EXIT_USAGE);
    for (size_t i = 0; i < list.count; i++) {
        /* The file's "verified" is trusted: the file is local, and SSH checks
         * the host key in any case. */
        list.items[i].untrusted = o->key && !list.items[i].verified;
        if (!o->fleet || string_equal(machine_fleet(list.pointers[i]), o->fleet))
            list.pointers[n++] = list.pointers[i];
    }
    notices_of_machines(o, list.pointers, n, &notices);
    notices_print(o, &notices);
    return report_machines(o, problem, list.pointers, n, false, NULL);
}

/* Is nothing found because the domain could not be asked? */
static bool is_domain_unknown(const struct look *look, struct error *err)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    if (!discovery_explain_domain(look_discovery(look), &words))
        return false;
    error_set(err, -EREMOTEIO, "%s; and no machine was found on this network", text_str(&words));
    return true;
}

static int from_network(const struct discover_options *o, const struct problem *problem)
{
    CLEANUP(look_free_p) struct look *look = NULL;
    CLEANUP_STRINGS struct strings notices = {0};
    CLEANUP_FREE char *known = known_path(o->state_dir);
    CLEANUP(watch_free_p) struct watch *watch = o->watch ? watch_new(o, problem) : NULL;
    const struct look_options options = {
        .fleet = o->fleet,
        .key = o->key,
        .known = known,
        .domain = o->domain,
        .timeout_ms = o->timeout_ms,
        .patient = !o->timeout_given,
        .keep = o->wait,
        .compare = o->verbose,
        .strict = o->strict,
        .candidates = o->all,
        .listener = watch ? &watch_listener : NULL,
        .arg = watch,
    };
    const struct machine *const *machines;
    struct error err = {0};
    bool is_short;
    size_t n;
    int r = o->watch && !watch ? -ENOMEM : look_run(&options, problem, &look, &err);

    watch_free(TAKE_PTR(watch)); /* restores the terminal before anything is printed */
    if (r == -EPIPE)
        process_end_by_signal(SIGPIPE);
    if (r < 0 && !err.code)
        error_sys(&err, r, "cannot search the network");
    if (r < 0)
        return print_error(&err, EXIT_HERE);
    if (look_signal(look)) {
        r = look_signal(look);
        look_free(TAKE_PTR(look));
        process_end_by_signal(r);
    }
    machines = look_machines(look, &n);
    if (n == 0 && is_domain_unknown(look, &err))
        return print_error(&err, EXIT_HERE);
    notices_of_look(o, look, &notices);
    notices_print(o, &notices);
    is_short = look_is_short(look) || look_too_many(look);
    if (is_short && discover_is_document(o) && !o->partial) {
        error_set(&err, -EAGAIN,
                  "no %s was written, as machines may be missing in it; %stake it as it is "
                  "with --partial",
                  o->zone ? "zone" : "inventory",
                  look_time_was_up(look) ? "search longer with --timeout, or " : "");
        return print_error(&err, EXIT_NO);
    }
    if (o->all)
        return report_all(o, look, is_short);
    return report_machines(o, problem, machines, n, is_short, look);
}

static int examine(const struct discover_options *o)
{
    CLEANUP(doctor_report_clear) struct doctor_report report = {0};
    CLEANUP_FREE char *state = known_path(o->state_dir);
    const struct doctor_options options = {
        .fleet = o->fleet,
        .domain = o->domain,
        .key = o->key,
        .target = o->patient,
        .state = state,
        .timeout_ms = o->timeout_ms,
        .listen_ms = o->timeout_given ? o->timeout_ms : 0,
    };
    CLEANUP_TEXT struct text t = TEXT_INIT;
    struct error err = {0};
    int r = doctor_run(&options, &report, &err);

    if (r < 0)
        return print_error(&err, EXIT_HERE);
    if (report.signal) {
        r = report.signal;
        doctor_report_clear(&report);
        process_end_by_signal(r);
    }
    r = o->json ? findings_write_json(&report.findings, &t) : findings_write(&report.findings, &t);
    if (report.findings.count == 0 && !o->json)
        text_addf(&t,
                  "Nothing is wrong as far as can be seen from here; machines that answer: %zu.\n",
                  report.n_machines);
    if (r < 0)
        error_sys(&err, r, "cannot make the report");
    else
        r = write_output(o, &t, &err);
    if (r < 0)
        return print_error(&err, EXIT_HERE);
    if (!report.rights && !o->quiet)
        fputs(PROGRAM ": lost packets, their size, and addresses in use twice were not looked for: "
                      "that takes root\n",
              stderr);
    return report.findings.count > 0 ? EXIT_NO : EXIT_DONE;
}

/* The caller owns `key`, because o->key may still point to it after the
 * return. */
static int run_discover(struct discover_options *o, struct key *key)
{
    CLEANUP_PROBLEM struct problem problem = PROBLEM_INIT;
    struct error err = {0};
    bool given = o->problems.count > 0;
    int r = key_read_fleet(o->config, key, &err);

    if (r < 0)
        return print_error(&err, EXIT_USAGE);
    o->key = r > 0 ? key : NULL;
    if (o->doctor)
        return examine(o);

    if (given && problem_read(&o->problems, &problem, &err) < 0)
        return print_error(&err, EXIT_USAGE);
    return o->from ? from_file(o, given ? &problem : NULL)
                   : from_network(o, given ? &problem : NULL);
}

static int print_help(void)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;

    text_adds(&t,
              "usage: " PROGRAM " [OPTION...]\n"
              "       " PROGRAM " --doctor [MACHINE|ADDRESS]\n"
              "Lists the machines that run pyDCOP agents, and compares them with a problem.\n\n");
    options_help(rows, &t);
    text_adds(&t, "\nExit codes: 0 done; 1 the answer is no; 2 bad usage or bad input;\n"
                  "3 it cannot be done here (no Avahi daemon, no permission).\n");
    return terminal_write(&t) < 0 ? EXIT_HERE : EXIT_DONE;
}

int discover_main(int argc, char **argv)
{
    CLEANUP(key_clear) struct key key = {{0}};
    struct discover_options o = {0};
    struct error err = {0};
    int first, r;

    (void)setlocale(LC_CTYPE, ""); /* for the width of characters */
    r = options_parse(rows, argc, argv, &o, &first, &err);
    if (r == SHOW_HELP) {
        r = print_help();
    } else if (r == SHOW_VERSION) {
        r = puts(PROGRAM " " DCOP_VERSION) < 0 ? EXIT_HERE : EXIT_DONE;
    } else if (r < 0 || check_options(&o, &err) < 0) {
        r = print_error(&err, EXIT_USAGE);
    } else if (first < argc - (o.doctor ? 1 : 0)) {
        error_set(&err, -EINVAL, "unexpected argument '%s'; see --help",
                  argv[first + (o.doctor ? 1 : 0)]);
        r = print_error(&err, EXIT_USAGE);
    } else {
        o.patient = first < argc ? argv[first] : NULL;
        r = run_discover(&o, &key);
    }
    strings_clear(&o.problems);
    return terminal_end(stdout, &err) < 0 ? print_error(&err, EXIT_HERE) : r;
}
