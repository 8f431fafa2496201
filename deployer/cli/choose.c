/* Selects the machines: by -p, by -i, by -l; without any of them, none. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "choose.h"
#include "deployer/state/report.h"
#include "deployer/target/fleet.h"
#include "deployer/trust/holder.h"
#include "discovery/base/process.h"
#include "discovery/base/terminal.h"
#include "program.h"

enum { DISCOVERY_MS = 3000 }; /* without --discovery-timeout */

static int find_fleet(const struct program *p, const struct problem *problem, bool candidates,
                      struct fleet **ret, struct error *err)
{
    const struct deploy_options *o = &p->options;
    const struct fleet_options options = {
        .from = o->from,
        .fleet = o->fleet,
        .known = p->paths.db,
        .domain = o->domain,
        .config_dir = o->config_dir,
        .timeout_ms = o->discovery_ms ? o->discovery_ms : DISCOVERY_MS,
        .patient = !o->discovery_ms,
        .candidates = candidates,
    };
    int r = fleet_find(&options, problem, ret, err);

    if (r == 0 && fleet_signal(*ret))
        process_end_by_signal(fleet_signal(*ret));
    return r;
}

int program_find_fleet(const struct program *p, const struct problem *problem, struct fleet **ret,
                       struct error *err)
{
    return find_fleet(p, problem, false, ret, err);
}

int choose_fleet_with_candidates(const struct program *p, struct fleet **ret, struct error *err)
{
    return find_fleet(p, NULL, true, ret, err);
}

/* No option selects machines: shows which machines there are. */
static int refuse_without_targets(struct program *p, struct error *err)
{
    CLEANUP(fleet_free_p) struct fleet *fleet = NULL;
    CLEANUP_TEXT struct text table = TEXT_INIT;
    const struct report_style style = {.terminal = terminal_style(STDERR_FILENO),
                                       .now = time(NULL)};
    const struct machine *const *machines;
    size_t n;

    if (program_find_fleet(p, NULL, &fleet, NULL) == 0) {
        machines = fleet_machines(fleet, &n);
        if (report_roster_text(machines, n, &style, &table) == 0)
            terminal_put(stderr, &table);
    }
    return error_set(err, -EINVAL,
                     "say which machines to use: -p PROBLEM selects those that hold its agents, -l "
                     "PATTERN those with a matching name (-l all: every machine)");
}

enum { UNVERIFIED_SHOWN_MAX = 5 };

/* With a fleet key: machines whose records it has not signed are left out. */
static void tell_unverified(const struct program *p, const struct machine *const *machines,
                            size_t n)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    size_t unverified = 0;

    for (size_t i = 0; i < n; i++) {
        const struct machine *m = machines[i];
        char address[ADDRESS_TEXT_MAX] = "no address";

        if (!m->untrusted || !m->online || unverified++ >= UNVERIFIED_SHOWN_MAX)
            continue;
        if (m->n_addresses > 0)
            address_format(&m->addresses[0], address);
        text_adds(&words, unverified > 1 ? ", " : "");
        report_add_label(&words, m);
        text_addf(&words, " (%s, host key %s)", address,
                  m->advert.hostkey ? m->advert.hostkey : "not advertised");
    }
    if (unverified > UNVERIFIED_SHOWN_MAX)
        text_addf(&words, " and %zu more", unverified - UNVERIFIED_SHOWN_MAX);
    if (unverified > 0 && !p->options.quiet)
        fprintf(
            stderr,
            "Left out, because their records are not signed with this fleet's key: %s. If they are "
            "yours, give them a key: dcop-deploy enroll ADDRESS.\n",
            text_str(&words));
}

/* --- --resume ------------------------------------------------------------------- */

static bool is_left(const struct program *p, const struct target *t)
{
    for (size_t i = 0; i < p->resumed.left.count; i++)
        if (target_has_key(t, p->resumed.left.items[i].machine))
            return true;
    return false;
}

static bool is_target(const struct program *p, const struct state_target *left)
{
    for (size_t i = 0; i < p->targets.count; i++)
        if (target_has_key(&p->targets.items[i], left->machine))
            return true;
    return false;
}

int choose_left(struct program *p)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    size_t kept = 0;

    for (size_t i = 0; i < p->targets.count; i++) {
        struct target *t = &p->targets.items[i];

        if (!is_left(p, t)) {
            target_clear(t);
            continue;
        }
        targets_keep(&p->targets, i, &kept);
    }
    p->targets.count = kept;
    for (size_t i = 0; i < p->resumed.left.count; i++) {
        const struct state_target *left = &p->resumed.left.items[i];

        if (is_target(p, left))
            continue;
        text_add_printable(&words, left->host ? left->host : left->machine);
        text_adds(&words, " (");
        text_add_printable(&words, left->agents);
        text_adds(&words, ") was not finished by the last run, and cannot be found now.\n");
    }
    terminal_put(stderr, &words);
    p->absent = words.size > 0;
    return kept > 0 ? 0 : 1;
}

/* --- who is not there ------------------------------------------------------------- */

enum { LAST_SEEN_SHOWN = 10 };

/* Where these were last, as far as they were ever contacted: the network has forgotten
 * them. */
static void tell_last_seen(const struct program *p, const char *const *words, size_t n)
{
    CLEANUP_TEXT struct text lines = TEXT_INIT;

    for (size_t i = 0; i < n && i < LAST_SEEN_SHOWN; i++)
        if (state_report_last_seen(p->state, words[i], &lines, NULL) < 0)
            return;
    terminal_put(stderr, &lines);
}

/* --- -p -------------------------------------------------------------------------- */

/* Who says a name that is another machine's. */
static void tell_claims(struct program *p, const struct match *match)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    const struct report_style style = {.terminal = terminal_style(STDERR_FILENO)};

    p->impostor = p->impostor || match->n_claims > 0;
    if (report_claims_text(match, &style, &words) == 0)
        terminal_put(stderr, &words);
}

/* Shows what is missing for a match; 1 when nothing must be done then. */
static int tell_shortfall(const struct program *p, const struct match *match, struct error *err)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    const struct report_style style = {.terminal = terminal_style(STDERR_FILENO),
                                       .verbose = p->options.verbose};
    int r = report_match_text(match, false, &style, &words);

    if (r < 0)
        return error_sys(err, r, "cannot match");
    terminal_put(stderr, &words);
    tell_last_seen(p, match->missing, match->n_missing);
    if (p->options.partial && p->targets.count > 0)
        return 0;
    if (match->n_missing + match->n_offline > 0 && !p->options.quiet &&
        strcmp(p->options.verb, "doctor") != 0)
        fputs("`dcop-deploy doctor` looks for the cause when a machine is missing.\n", stderr);
    fprintf(stderr, p->targets.count > 0
                        ? "Nothing was done; --partial continues with those that match.\n"
                        : "Nothing was done.\n");
    return 1;
}

/* With --later, who is away is no shortfall; agents that nobody holds are told, and the others
 * are done. */
static int choose_with_away(struct program *p, const struct match *match,
                            const struct machine *const *machines, size_t n, struct error *err)
{
    CLEANUP_STRINGS struct strings lone = {0};
    struct match rest = *match; /* borrows */
    bool lacks = false;
    int r = choose_away_of_match(p, match, machines, n, &lone, err);

    rest.missing = (const char **)lone.items;
    rest.n_missing = lone.count;
    rest.n_offline = 0;
    if (r == 0 && p->options.limits.count > 0)
        r = choose_limited_with_away(p, &rest, &lacks, NULL, err);
    if (r < 0)
        return r;
    if (match->n_duplicates + match->n_without_ipv4 > 0)
        return tell_shortfall(p, match, err);
    if (p->options.limits.count == 0 || lacks)
        choose_tell_lone(&lone);
    p->absent = p->options.limits.count > 0 ? lacks : lone.count > 0;
    return 0;
}

static int choose_by_problem(struct program *p, const struct machine *const *machines, size_t n,
                             struct error *err)
{
    CLEANUP(match_clear) struct match match = MATCH_INIT;
    const struct match_holders holders = holders_of(p->state);
    bool falls_short;
    int r = match_make(machines, n, &p->problem, &holders, &match);

    if (r == 0)
        r = match_explain(&match, machines, n);
    if (r == 0)
        r = targets_from_match(&match, &p->targets);
    if (r < 0)
        return error_sys(err, r, "cannot match");
    if (match_ok(&match, false)) { /* else tell_shortfall lists them, too */
        tell_unverified(p, machines, n);
        tell_claims(p, &match);
    }
    if (p->options.resume)
        return choose_left(p);
    if (p->options.later)
        return choose_with_away(p, &match, machines, n, err);
    falls_short = !match_ok(&match, false);
    if (p->options.limits.count > 0)
        r = choose_limited(&p->options.limits, &p->targets, &match, &falls_short, NULL, err);
    return r == 0 && falls_short ? tell_shortfall(p, &match, err) : r;
}

/* --- -l -------------------------------------------------------------------------- */

/* Machines that are known to be off, and those that are there, in this order. */
static int list_all(const struct machine *const *machines, size_t n, struct targets *ret,
                    size_t *ret_off)
{
    CLEANUP(targets_clear) struct targets all = {.items = calloc(n + 1, sizeof(*all.items))};

    if (!all.items)
        return -ENOMEM;
    for (int there = 0; there < 2; there++)
        for (size_t i = 0; i < n; i++) {
            struct target *t = &all.items[all.count];

            if (!machines[i]->beacon || machines[i]->untrusted ||
                machine_is_there(machines[i]) != (there == 1))
                continue;
            if (target_from_machine(machines[i], t) < 0)
                return -ENOMEM;
            t->guessed = !there; /* a mark: nobody acts on this list */
            all.count++;
            if (strings_copy(&t->agents, &t->names) < 0)
                return -ENOMEM;
            *ret_off += there == 0;
        }
    *ret = all;
    all = (struct targets){0};
    return 0;
}

/* The patterns match nothing that is there.  Do they match what is off?  1, and says so. */
static int tell_if_off(const struct program *p, const struct machine *const *machines, size_t n)
{
    CLEANUP(targets_clear) struct targets all = {0};
    CLEANUP_TEXT struct text words = TEXT_INIT;
    struct error ignored = {0};
    size_t off = 0;

    if (list_all(machines, n, &all, &off) < 0 || off == 0 ||
        choose_limited(&p->options.limits, &all, &MATCH_INIT, NULL, NULL, &ignored) < 0)
        return 0;
    for (size_t i = 0; i < all.count && i < off; i++) {
        CLEANUP_FREE char *agents = strings_join(&all.items[i].agents, " ");

        if (!all.items[i].guessed)
            break;
        text_adds(&words, words.size ? ", " : "Offline: ");
        text_add_printable(&words, all.items[i].host);
        if (agents && *agents) {
            text_adds(&words, " (");
            text_add_printable(&words, agents);
            text_addc(&words, ')');
        }
    }
    if (words.size == 0)
        return 0;
    text_adds(&words, ". Is the machine on, and its network cable in?  Nothing was done.\n");
    terminal_put(stderr, &words);
    return 1;
}

static int choose_by_name(struct program *p, struct fleet *fleet, struct error *err)
{
    const struct deploy_options *o = &p->options;
    const struct machine *const *machines;
    bool open;
    size_t n;
    int r;

    machines = fleet_machines(fleet, &n);
    tell_unverified(p, machines, n);
    r = targets_from_machines(machines, n, &p->targets);
    if (r < 0)
        return error_sys(err, r, "cannot list the machines");
    if (o->resume)
        return choose_left(p);
    if (o->later)
        r = choose_away_known(p, machines, n, err);
    if (r == 0)
        r = o->later ? choose_limited_with_away(p, &MATCH_INIT, NULL, &open, err)
                     : choose_limited(&o->limits, &p->targets, &MATCH_INIT, NULL, &open, err);
    if (r < 0)
        tell_last_seen(p, (const char *const *)o->limits.items, o->limits.count);
    if (r == -EINVAL && tell_if_off(p, machines, n))
        return 1;
    if (r < 0 || !open || !fleet_why_short(fleet))
        return r;
    fprintf(stderr, "There may be more machines: %s.\n", fleet_why_short(fleet));
    p->incomplete = !o->partial;
    return 0;
}

/* --- all of it ------------------------------------------------------------------- */

int program_find_targets(struct program *p, struct error *err)
{
    CLEANUP(fleet_free_p) struct fleet *fleet = NULL;
    const struct deploy_options *o = &p->options;
    bool of_problem = o->problems.count > 0;
    const struct machine *const *machines;
    size_t n;
    int r = 0;

    if (o->inventory)
        return choose_by_inventory(p, err);
    if (!of_problem && o->limits.count == 0)
        return refuse_without_targets(p, err);
    if (of_problem)
        r = problem_read(&o->problems, &p->problem, err);
    if (r == 0)
        r = program_find_fleet(p, of_problem ? &p->problem : NULL, &fleet, err);
    if (r < 0)
        return r;
    if (!of_problem)
        return choose_by_name(p, fleet, err);
    machines = fleet_machines(fleet, &n);
    return choose_by_problem(p, machines, n, err);
}
