/*
 * `enroll`: a machine without a beacon gets the controller's public key, the
 * beacon, its name; and, where there is a fleet key, its own key.
 *
 * In two actions, as the machine's key is made from its id, which only its
 * beacon knows, and its host key: first the beacon; then a look that reads the id,
 * and the key.  What a machine says of its id is no proof: an id that is known with
 * another host key gets no key without a person's word.
 * With --all, machines that say of themselves that one can log in to them are taken by a
 * pattern.
 * At the end it waits until discovery sees the machine, and tells when it does not.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "deployer/cli/choose.h"
#include "deployer/cli/facts.h"
#include "deployer/cli/identify.h"
#include "deployer/cli/public-key.h"
#include "deployer/target/fleet.h"
#include "discovery/advert/advert.h"
#include "discovery/base/clock.h"
#include "discovery/base/key.h"
#include "discovery/base/process.h"
#include "discovery/base/terminal.h"
#include "verbs.h"

enum { SEEN_WITHIN_MS = 20000 };

OPTION_ONE(struct deploy_options, agent)
OPTION_FLAG(struct deploy_options, all)
OPTION_FLAG(struct deploy_options, replace_key)

static const struct option_row options[] = {
    {0, "agent", OPTION_REQUIRED, "NAME", "the agent name; for one machine only", set_agent},
    {'a', "all", OPTION_NONE, NULL,
     "PATTERNs instead of ADDRESSes: machines without\na beacon that dcop-discover --all lists",
     set_all},
    {0, "replace-key", OPTION_NONE, NULL, "replace a key of another fleet with ours",
     set_replace_key},
    {0, NULL, OPTION_NONE, NULL, NULL, NULL},
};

/* --- which machines ----------------------------------------------------------------- */

/* Machines by a pattern.  They have one password: that to log in with is sudo's, too, unless
 * sudo's is given. */
static int find_candidates(struct program *p, struct error *err)
{
    const struct deploy_options *o = &p->options;
    CLEANUP_STRINGS struct strings patterns = {0};
    int r = 0;

    if (o->limits.count > 0 || o->inventory || o->problems.count > 0 || o->from || o->domain)
        return error_set(err, -EINVAL,
                         "--all looks on this network for machines without a beacon; it cannot be "
                         "used with %s",
                         o->limits.count > 0     ? "-l: give the patterns behind it"
                         : o->inventory          ? "-i"
                         : o->problems.count > 0 ? "-p: enroll them, then `assign` the names"
                         : o->from               ? "--from"
                                                 : "--domain");
    if (o->n_arguments == 0)
        return error_set(err, -EINVAL,
                         "say which machines: enroll --all PATTERN, as 'raspberrypi*'; "
                         "dcop-discover --all lists them");
    for (int i = 0; i < o->n_arguments && r == 0; i++)
        r = strings_add(&patterns, o->arguments[i]);
    if (r < 0)
        return error_sys(err, r, "cannot choose machines");
    r = choose_candidates(p, &patterns, err);
    return r == 0 ? passwords_share(&p->passwords, err) : r;
}

static int find_given(struct program *p, struct error *err)
{
    const struct deploy_options *o = &p->options;
    bool others = o->limits.count > 0 || o->inventory || o->problems.count > 0;
    int r = 0;

    if (o->n_arguments > 0 && others)
        return error_set(err, -EINVAL, "enroll takes addresses, or -l or -i; not both");
    if (o->n_arguments == 0 && !others)
        return error_set(err, -EINVAL,
                         "say which machine: enroll [USER@]ADDRESS[:PORT], or -l, -i");
    if (others)
        r = program_find_targets(p, err);
    for (int i = 0; i < o->n_arguments && r == 0; i++)
        r = choose_address(p, o->arguments[i], err);
    return r;
}

static int find_machines(struct program *p, struct error *err)
{
    const struct deploy_options *o = &p->options;
    int r;

    if (o->agent && !advert_agent_valid(o->agent, strlen(o->agent)))
        return error_set(err, -EINVAL, "'%s' is not an agent name", o->agent);
    r = o->all ? find_candidates(p, err) : find_given(p, err);
    if (r == 0 && o->agent && p->targets.count != 1)
        return error_set(err, -EINVAL, "--agent is for one machine, but %zu were given",
                         p->targets.count);
    return r;
}

static bool shares_address(const struct target *a, const struct target *b)
{
    for (size_t i = 0; i < a->n_addresses; i++)
        for (size_t k = 0; k < b->n_addresses; k++)
            if (address_equal(&a->addresses[i], &b->addresses[k]))
                return true;
    return false;
}

/* It may be a copy of the other one's card on another link: that is for a person to see. */
static void tell_twin(const struct target *kept, const struct target *left)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    char address[ADDRESS_TEXT_MAX], other[ADDRESS_TEXT_MAX];

    if (kept->n_addresses == 0 || left->n_addresses == 0 || shares_address(kept, left))
        return;
    address_format(&left->addresses[0], address);
    address_format(&kept->addresses[0], other);
    text_add_printable(&words, left->host);
    text_addf(&words,
              ": %s is left out, as the machine at %s has the same name and host key and is taken "
              "for the same; if it is another one, a copy, give it host keys of its own\n",
              address, other);
    terminal_put(stderr, &words);
}

/* A machine that two links show under one name is one machine, which its key says. */
static void drop_twins(struct targets *targets)
{
    size_t kept = 0;

    for (size_t i = 0; i < targets->count; i++) {
        struct target *t = &targets->items[i];
        const struct target *twin = NULL;

        for (size_t k = 0; k < kept && t->hostkey && !twin; k++)
            if (string_equal(targets->items[k].hostkey, t->hostkey) &&
                string_equal(targets->items[k].host, t->host))
                twin = &targets->items[k];
        if (twin) {
            tell_twin(twin, t);
            target_clear(t);
            continue;
        }
        targets_keep(targets, i, &kept);
    }
    targets->count = kept;
}

/* Names from the inventory or --agent are written to the machine; names that its
 * beacon advertises stay as they are. */
static int name_machines(struct program *p, struct error *err)
{
    for (size_t i = 0; i < p->targets.count; i++) {
        struct target *t = &p->targets.items[i];

        if (p->options.agent) {
            strings_clear(&t->agents);
            strings_clear(&t->names);
            t->named = true;
            if (strings_add(&t->agents, p->options.agent) < 0 ||
                strings_add(&t->names, p->options.agent) < 0)
                return error_sys(err, -ENOMEM, "cannot name the machine");
        } else if (!t->named)
            strings_clear(&t->agents);
    }
    return 0;
}

/* --- the two actions ------------------------------------------------------------------ */

static int hand_over_beacon(struct program *p, struct facts *facts, struct error *err)
{
    CLEANUP_FREE char *public_key = NULL;
    CLEANUP_TEXT struct text settings = TEXT_INIT;
    const struct bundle_extra extras[] = {{p->paths.beacons, "beacon/"}, {NULL, NULL}};
    struct action action = {
        .mode = "enroll",
        .settings = &settings,
        .packages = p->options.check ? NULL : "BEACON",
        .looks = p->options.check,
        .unrecorded = p->options.check,
        .is_repeated = true,
        .listener = facts_hear,
        .arg = facts,
    };
    int r;

    if (!p->paths.beacons)
        return error_set(
            err, -ENXIO,
            "cannot find the beacon to install on machines (in share/dcop/beacon, or in the build, "
            "beside dcop-deploy): run `make`, or install dcop completely");
    r = public_key_read(&p->options, &public_key, err);
    if (r < 0)
        return r;
    job_add_setting(&settings, "public_key", public_key);
    r = program_pack_steps(p, extras, err);
    if (r < 0)
        return r;
    return program_act(p, &p->targets, &action, err);
}

/* Excludes those that failed: without id and host key they are not asked further.  One that said
 * nothing may have refused a password, which is not tried twice.  The others have the host key
 * that they have just shown. */
static int drop_failed(struct targets *targets, const struct facts *facts)
{
    for (size_t i = 0; i < targets->count; i++) {
        const struct machine_facts *m = &facts->machines[i];
        struct target *t = &targets->items[i];

        if (m->ended &&
            (m->outcome == JOB_OK || m->outcome == JOB_CHANGED || m->outcome == JOB_WOULD_CHANGE) &&
            m->hostkey) {
            free(t->hostkey);
            t->hostkey = strdup(m->hostkey);
            if (!t->hostkey)
                return -ENOMEM;
            continue;
        }
        free(TAKE_PTR(t->id));
        free(TAKE_PTR(t->hostkey));
        t->guessed = t->guessed && m->keys.count > 0;
    }
    return 0;
}

/* Drops those that have no id: they failed, and were told. */
static void keep_identified(struct targets *targets)
{
    size_t kept = 0;

    for (size_t i = 0; i < targets->count; i++) {
        if (!targets->items[i].id) {
            target_clear(&targets->items[i]);
            continue;
        }
        targets_keep(targets, i, &kept);
    }
    targets->count = kept;
}

/* --- whose id is it? -------------------------------------------------------------------- */

/* The host key of another machine that is known to have the target's id: in the state,
 * `ret_where` "met before", or on the network; NULL: there is none, or a person has said that
 * the id belongs to this host key. */
static int find_rightful(struct program *p, struct fleet *fleet, const struct target *t,
                         char **ret_hostkey, const char **ret_where, struct error *err)
{
    CLEANUP(state_pin_clear) struct state_pin pin = {0};
    CLEANUP(state_machine_clear) struct state_machine met = {0};
    const struct machine *const *machines;
    const char *other = NULL;
    size_t n;
    int r = state_pin_get(p->state, t->id, &pin, err);

    if (r == 0 && pin.source == PIN_TRUST && strcmp(pin.fingerprint, t->hostkey) == 0)
        return 0;
    if (r == 0 && strcmp(pin.fingerprint, t->hostkey) != 0)
        other = pin.fingerprint;
    if (r == 0 || r == -ENOENT)
        r = state_machine_get(p->state, t->id, &met, err);
    if (r < 0 && r != -ENOENT)
        return r;
    if (!other && met.fingerprint && strcmp(met.fingerprint, t->hostkey) != 0)
        other = met.fingerprint;
    *ret_where = "was met before";
    machines = fleet_machines(fleet, &n);
    for (size_t i = 0; i < n && !other; i++) {
        const struct machine *m = machines[i];

        if (m->beacon && strcmp(m->advert.id, t->id) == 0 && m->advert.hostkey &&
            strcmp(m->advert.hostkey, t->hostkey) != 0) {
            other = m->advert.hostkey;
            *ret_where = "is on the network";
        }
    }
    if (!other)
        return 0;
    *ret_hostkey = strdup(other);
    return *ret_hostkey ? 0 : error_sys(err, -ENOMEM, "cannot compare host keys");
}

static void tell_claimant(const struct target *t, const char *rightful, const char *seen)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    text_add_printable(&words, t->host ? t->host : t->id);
    text_addf(&words,
              " says that its id is %s, but the machine of that id, which %s, has the host key %s, "
              "and this one has %s: it gets no key. If it is that machine with a new host key, say "
              "so: dcop-deploy trust %s %s; then enroll it again\n",
              t->id, seen, rightful, t->hostkey, t->id, t->hostkey);
    terminal_put(stderr, &words);
}

/* Drops machines that say the id of another one; 1 if there are any.  A claim of an id is
 * all that there is: whoever has it must not get the other machine's key. */
static int drop_claimants(struct program *p, struct error *err)
{
    const struct fleet_options where = {.fleet = p->options.fleet,
                                        .known = p->paths.db,
                                        .domain = p->options.domain,
                                        .config_dir = p->options.config_dir,
                                        .timeout_ms = 1000};
    CLEANUP(fleet_free_p) struct fleet *fleet = NULL;
    size_t kept = 0, count = p->targets.count;
    int r = fleet_find(&where, NULL, &fleet, err);

    if (r < 0)
        return r;
    if (fleet_signal(fleet))
        process_end_by_signal(fleet_signal(fleet));
    for (size_t i = 0; i < count; i++) {
        struct target *t = &p->targets.items[i];
        CLEANUP_FREE char *rightful = NULL;
        const char *seen = NULL;

        r = t->id && t->hostkey ? find_rightful(p, fleet, t, &rightful, &seen, err) : 0;
        if (r < 0)
            return r;
        if (rightful) {
            tell_claimant(t, rightful, seen);
            target_clear(t);
        } else {
            targets_keep(&p->targets, i, &kept);
        }
    }
    p->targets.count = kept;
    return kept < count ? 1 : 0;
}

/* The key is made of the id and the host key: only machines that have told and shown
 * theirs over SSH. */
static int add_machine_keys(struct program *p, const struct key *fleet, struct error *err)
{
    for (size_t i = 0; i < p->targets.count; i++) {
        CLEANUP(key_clear) struct key key = {{0}};
        struct target *t = &p->targets.items[i];
        char hex[KEY_HEX_LENGTH + 1];

        key_derive(fleet, t->id, t->hostkey, &key);
        for (size_t k = 0; k < KEY_SIZE; k++)
            (void)snprintf(hex + 2 * k, 3, "%02x", key.bytes[k]);
        text_addf(&t->settings, "machine_key %s\n", hex);
        explicit_bzero(hex, sizeof(hex));
        if (text_error(&t->settings) < 0)
            return error_sys(err, -ENOMEM, "cannot make the machine's key");
    }
    return 0;
}

static int hand_over_keys(struct program *p, const struct key *fleet, struct error *err)
{
    CLEANUP_TEXT struct text settings = TEXT_INIT;
    struct action action = {
        .mode = "enroll-key",
        .settings = &settings,
        .looks = p->options.check,
        .unrecorded = p->options.check,
        .is_repeated = true,
    };
    int r;

    if (p->options.replace_key)
        text_adds(&settings, "replace_key yes\n");
    r = add_machine_keys(p, fleet, err);
    if (r == 0)
        r = program_pack_steps(p, NULL, err);
    if (r < 0)
        return r;
    return program_act(p, &p->targets, &action, err);
}

/* --- is it seen? ------------------------------------------------------------------------ */

static const struct machine *find_seen(struct fleet *fleet, const char *id, bool verified)
{
    size_t n;
    const struct machine *const *machines = fleet_machines(fleet, &n);

    for (size_t i = 0; i < n; i++)
        if (machines[i]->beacon && machine_is_there(machines[i]) &&
            strcmp(machines[i]->advert.id, id) == 0 && (machines[i]->verified || !verified))
            return machines[i];
    return NULL;
}

static void tell_seen(const struct machine *m)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    report_add_label(&words, m);
    text_adds(&words, " is in the roster");
    for (size_t i = 0; i < m->advert.agents.count; i++) {
        text_adds(&words, i ? ", " : " as ");
        report_add_name(&words, m->advert.agents.items[i]);
    }
    text_adds(&words, m->verified ? ", verified\n" : "\n");
    terminal_put(stdout, &words);
}

/* Waits until discovery sees all of them, for a bounded time; 1: not all. */
static int await_adverts(struct program *p, struct targets *enrolled, bool verified,
                         struct error *err)
{
    const struct fleet_options where = {.fleet = p->options.fleet,
                                        .known = p->paths.db,
                                        .domain = p->options.domain,
                                        .config_dir = p->options.config_dir,
                                        .timeout_ms = 1000};
    int64_t deadline = clock_ms(CLOCK_MONOTONIC) + SEEN_WITHIN_MS;
    size_t left = enrolled->count;

    for (;;) {
        CLEANUP(fleet_free_p) struct fleet *fleet = NULL;
        int r = fleet_find(&where, NULL, &fleet, err);

        if (r < 0)
            return r;
        if (fleet_signal(fleet))
            process_end_by_signal(fleet_signal(fleet));
        for (size_t i = 0; i < enrolled->count; i++) {
            struct target *t = &enrolled->items[i];
            const struct machine *m = t->id ? find_seen(fleet, t->id, verified) : NULL;

            if (!m || (t->agents.count > 0 && !strings_equal(&m->advert.agents, &t->agents)))
                continue;
            tell_seen(m);
            left--;
            free(TAKE_PTR(t->id)); /* told */
        }
        if (left == 0)
            return 0;
        if (clock_ms(CLOCK_MONOTONIC) >= deadline)
            break;
    }
    for (size_t i = 0; i < enrolled->count; i++)
        if (enrolled->items[i].id)
            fprintf(stderr,
                    "discovery does not see %s%s: is it on this link? dcop-discover lists the "
                    "machines that are.\n",
                    enrolled->items[i].host, verified ? " as verified" : "");
    return 1;
}

/* --- all of it --------------------------------------------------------------------------- */

static int enroll_machines(struct program *p, const struct key *fleet, struct error *err)
{
    CLEANUP(targets_clear) struct targets again = {0};
    CLEANUP(facts_clear) struct facts facts = {0};
    int answer, worst, claimed = fleet ? drop_claimants(p, err) : 0, r;

    if (claimed < 0 || p->targets.count == 0)
        return claimed;
    r = targets_copy(&p->targets, &again);
    if (r == 0)
        r = facts_init(&facts, &p->targets);
    if (r < 0)
        return error_sys(err, r, "cannot plan");
    answer = hand_over_beacon(p, &facts, err);
    if (answer < 0)
        return answer;
    worst = answer ? answer : claimed;
    targets_clear(&p->targets);
    p->targets = again;
    again = (struct targets){0};
    r = drop_failed(&p->targets, &facts);
    r = r < 0 ? error_sys(err, r, "cannot plan") : identify_look(p, err);
    keep_identified(&p->targets);
    if (r >= 0 && fleet) {
        r = drop_claimants(p, err);
        worst = r > 0 ? r : worst;
    }
    if (r >= 0 && targets_copy(&p->targets, &again) < 0)
        r = error_sys(err, -ENOMEM, "cannot plan");
    if (r < 0 || p->targets.count == 0)
        return r < 0 ? r : worst;
    if (fleet) {
        answer = hand_over_keys(p, fleet, err);
        if (answer < 0)
            return answer;
        worst = answer ? answer : worst;
    }
    if (p->options.check)
        return worst;
    answer = worst ? 0 : await_adverts(p, &again, fleet != NULL, err);
    return answer ? answer : worst;
}

static int run_enroll(struct program *p, struct error *err)
{
    CLEANUP(key_clear) struct key key = {{0}};
    int fleet = key_read_fleet(p->options.config_dir, &key, err);
    int r = fleet < 0 ? fleet : find_machines(p, err);

    if (r == 0)
        r = name_machines(p, err);
    if (r == 0)
        r = program_identify(p, err);
    if (r == 0 && p->options.all)
        drop_twins(&p->targets);
    return r == 0 ? enroll_machines(p, fleet > 0 ? &key : NULL, err) : r;
}

const struct verb verb_enroll = {
    .name = "enroll",
    .arguments = "ADDRESS...",
    .help = "give machines a beacon, our SSH key, their own key",
    .options = options,
    .foresees = true,
    .run = run_enroll,
};
