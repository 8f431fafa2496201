#include "replay.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/digest.h"
#include "discovery/base/file.h"
#include "experiment.h"
#include "solve.h"

enum { FILES_MAX = 16, SHOWN_DIGITS = 12, SHOWN_VALUES = 5 };

void replay_clear(struct replay *r)
{
    json_decref(r->receipt);
    strings_clear(&r->problem);
    strings_clear(&r->parameters);
    strings_clear(&r->agents);
    free(r->placement);
    free(r->scenario);
    *r = (struct replay){0};
}

static const char *string_of(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "";
}

/* --- reading --------------------------------------------------------------------- */

static int find_receipt(const char *path, char **ret, struct error *err)
{
    struct stat st;

    *ret = stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? path_join(path, "receipt.json")
                                                       : strdup(path);
    return *ret ? 0 : error_sys(err, -ENOMEM, "cannot read %s", path);
}

static int load(const char *path, json_t **ret, struct error *err)
{
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    json_error_t why;
    int r = file_read(path, REPLAY_RECEIPT_MAX, &bytes, err);

    if (r < 0)
        return r;
    *ret = json_loadb(text_str(&bytes), bytes.size, JSON_REJECT_DUPLICATES, &why);
    if (!*ret)
        return error_set(err, -EBADMSG, "%s:%d:%d: %s", path, why.line, why.column, why.text);
    if (json_integer_value(json_object_get(*ret, "version")) != 1)
        return error_set(err, -EBADMSG, "%s is not a receipt of this version of dcop-deploy", path);
    return 0;
}

/* Is the file beside the receipt what it was? */
static int check_bytes(const char *path, const json_t *file, size_t max, const char *what,
                       struct error *err)
{
    const char *then = string_of(file, "sha256");
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    char now[DIGEST_LENGTH + 1];
    int e = file_read(path, max, &bytes, err);

    if (e < 0)
        return e;
    digest_bytes(text_str(&bytes), bytes.size, now);
    if (strcmp(now, then) == 0)
        return 0;
    return error_set(err, -EINVAL, "%s is not the %s: its SHA-256 was %.*s… and is %.*s…", path,
                     what, SHOWN_DIGITS, then, SHOWN_DIGITS, now);
}

static int check_file(const char *folder, const json_t *file, struct replay *r, struct error *err)
{
    const char *name = string_of(file, "name");
    CLEANUP_TEXT struct text plain = TEXT_INIT;
    CLEANUP_TEXT struct text path = TEXT_INIT;
    int e;

    /* A receipt may come from anywhere. */
    if (strchr(name, '/') || *name == '.' || !*name)
        experiment_add_name(name, &plain);
    else
        text_adds(&plain, name);
    text_addf(&path, "%s/problem/%s", folder, text_str(&plain));
    e = check_bytes(text_str(&path), file, EXPERIMENT_PROBLEM_MAX, "problem that was solved", err);
    if (e < 0)
        return e;
    return strings_add(&r->problem, text_str(&path)) < 0
               ? error_sys(err, -ENOMEM, "cannot read %s", text_str(&path))
               : 0;
}

static int check_scenario(const char *folder, struct replay *r, struct error *err)
{
    const json_t *file = json_object_get(r->receipt, "scenario");

    if (!file)
        return 0;
    r->scenario = path_join(folder, EXPERIMENT_SCENARIO);
    return r->scenario ? check_bytes(r->scenario, file, EXPERIMENT_SCENARIO_MAX,
                                     "scenario that was played", err)
                       : error_sys(err, -ENOMEM, "cannot read the scenario");
}

static int check_files(const char *path, struct replay *r, struct error *err)
{
    json_t *files = json_object_get(json_object_get(r->receipt, "problem"), "files"), *file;
    CLEANUP_FREE char *folder = strdup(path);
    char *slash = folder ? strrchr(folder, '/') : NULL;
    size_t i;
    int e = folder ? 0 : error_sys(err, -ENOMEM, "cannot read %s", path);

    if (slash)
        *slash = '\0';
    if (e == 0 && json_array_size(files) > FILES_MAX)
        e = error_set(err, -EFBIG, "%s has more than %d files of a problem", path, FILES_MAX);
    json_array_foreach(files, i, file)
    {
        if (e == 0)
            e = check_file(slash ? folder : ".", file, r, err);
    }
    return e == 0 ? check_scenario(slash ? folder : ".", r, err) : e;
}

static int take_parameters(struct replay *r)
{
    const char *name;
    json_t *value;

    json_object_foreach(json_object_get(r->receipt, "parameters"), name, value)
    {
        CLEANUP_FREE char *text =
            json_is_string(value) ? strdup(json_string_value(value))
                                  : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
        CLEANUP_TEXT struct text word = TEXT_INIT;

        if (json_is_null(value))
            continue;
        text_addf(&word, "%s:%s", name, text ? text : "");
        if (!text || text_error(&word) < 0 || strings_add(&r->parameters, text_str(&word)) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* {computation: agent} as pyDCOP's file, {agent: [computation]}; JSON is YAML, too. */
static int take_placement(struct replay *r)
{
    json_t *agents = json_object(), *all = json_pack("{s:o}", "distribution", agents), *agent;
    const char *computation;

    json_object_foreach(json_object_get(r->receipt, "hosts"), computation, agent)
    {
        const char *name = json_string_value(agent);

        if (!name)
            continue;
        if (!json_object_get(agents, name))
            (void)json_object_set_new(agents, name, json_array());
        (void)json_array_append_new(json_object_get(agents, name), json_string(computation));
    }
    r->placement = json_dumps(all, JSON_COMPACT);
    json_decref(all);
    return r->placement ? 0 : -ENOMEM;
}

static int take_agents(struct replay *r)
{
    json_t *machine, *agent;
    size_t i, k;

    json_array_foreach(json_object_get(r->receipt, "machines"), i, machine)
    {
        json_array_foreach(json_object_get(machine, "agents"), k, agent)
        {
            if (json_is_string(agent) && strings_add(&r->agents, json_string_value(agent)) < 0)
                return -ENOMEM;
        }
    }
    return 0;
}

static int take(const char *path, struct replay *r, struct error *err)
{
    const json_t *seed = json_object_get(r->receipt, "seed");
    const json_t *limit = json_object_get(r->receipt, "time_limit");
    const json_t *replicas = json_object_get(r->receipt, "replicas");

    r->algorithm = string_of(r->receipt, "algorithm");
    r->distribution = string_of(r->receipt, "distribution");
    if (!*r->distribution || strcmp(r->distribution, "file") == 0)
        r->distribution = NULL;
    for (const char *c = r->distribution; c && *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_", *c))
            return error_set(err, -EBADMSG, "%s: its distribution is no name of one", path);
    r->time_limit = json_number_value(limit);
    r->seed = (long)json_integer_value(seed);
    r->replicas = (unsigned)json_integer_value(replicas);
    if (take_parameters(r) < 0 || take_placement(r) < 0 || take_agents(r) < 0)
        return error_sys(err, -ENOMEM, "cannot read %s", path);
    if (!*r->algorithm || r->agents.count == 0 || r->problem.count == 0 || !json_is_integer(seed) ||
        r->seed < 0 || r->seed > INT_MAX || json_integer_value(replicas) < 0 ||
        json_integer_value(replicas) > SOLVE_REPLICAS_MAX || !(r->time_limit >= 0.001) ||
        r->time_limit > 4e6 || json_object_size(json_object_get(r->receipt, "hosts")) == 0)
        return error_set(err, -EBADMSG,
                         "%s is not the receipt of a run that began: it must have an algorithm, "
                         "hosts, a seed, a time limit, machines and a problem",
                         path);
    return 0;
}

int replay_read(const char *path, struct replay *ret, struct error *err)
{
    CLEANUP_FREE char *receipt = NULL;
    int r = find_receipt(path, &receipt, err);

    *ret = (struct replay){0};
    if (r == 0)
        r = load(receipt, &ret->receipt, err);
    if (r == 0)
        r = check_files(receipt, ret, err);
    return r == 0 ? take(receipt, ret, err) : r;
}

/* --- then and now ---------------------------------------------------------------- */

static int add_words(struct strings *to, const struct text *words)
{
    return text_error(words) < 0 ? -ENOMEM : strings_add(to, text_str(words));
}

static const json_t *find_named(const json_t *list, const char *name)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        if (strcmp(string_of(item, "name"), name) == 0)
            return item;
    }
    return NULL;
}

/* The wheels that are not the same bytes. */
static void add_wheels(struct text *words, const json_t *then, const json_t *now)
{
    const json_t *wheel;
    size_t i;

    json_array_foreach(json_object_get(then, "wheels"), i, wheel)
    {
        const char *name = string_of(wheel, "name");
        const json_t *other = find_named(json_object_get(now, "wheels"), name);

        if (other && strcmp(string_of(wheel, "sha256"), string_of(other, "sha256")) == 0)
            continue;
        text_adds(words, "; the wheel ");
        text_add_shown(words, name);
        text_adds(words, other ? " has other bytes" : " is not used now");
    }
}

static int compare_pydcop(const json_t *receipt, const json_t *now, struct strings *stops)
{
    const json_t *then = json_object_get(receipt, "pydcop");
    const json_t *here = json_object_get(now, "pydcop");
    CLEANUP_TEXT struct text words = TEXT_INIT;

    if (strcmp(string_of(then, "sha256"), string_of(here, "sha256")) == 0)
        return 0;
    text_adds(&words, "pyDCOP was ");
    text_add_shown(&words, string_of(then, "version"));
    text_addf(&words, " (files %.*s…) and is ", SHOWN_DIGITS, string_of(then, "sha256"));
    text_add_shown(&words, string_of(here, "version"));
    text_addf(&words, " (files %.*s…)", SHOWN_DIGITS, string_of(here, "sha256"));
    add_wheels(&words, then, here);
    text_adds(&words, "; to have it back, deploy ");
    text_add_shown(&words, *string_of(then, "spec") ? string_of(then, "spec") : "it");
    text_adds(&words, " with -s");
    return add_words(stops, &words);
}

static const json_t *machine_of(const json_t *receipt, const char *agent)
{
    const json_t *machine, *name;
    size_t i, k;

    json_array_foreach(json_object_get(receipt, "machines"), i, machine)
    {
        json_array_foreach(json_object_get(machine, "agents"), k, name)
        {
            if (string_equal(json_string_value(name), agent))
                return machine;
        }
    }
    return NULL;
}

static int compare_machine(const char *agent, const json_t *then, const json_t *now,
                           struct strings *notes)
{
    static const struct {
        const char *key, *word;
    } facts[] = {{"id", "machine"},
                 {"hostkey", "host key"},
                 {"os", "system"},
                 {"arch", "architecture"},
                 {"python", "Python"}};
    CLEANUP_TEXT struct text words = TEXT_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
        const char *before = string_of(then, facts[i].key), *after = string_of(now, facts[i].key);

        if (!*before || strcmp(before, after) == 0)
            continue;
        if (words.size == 0)
            text_add_shown(&words, agent);
        text_addf(&words, "%s %s was ", words.size > 0 && strchr(text_str(&words), ':') ? "," : ":",
                  facts[i].word);
        text_add_shown(&words, before);
        text_adds(&words, " and is ");
        text_add_shown(&words, *after ? after : "unknown");
    }
    return words.size > 0 ? add_words(notes, &words) : 0;
}

static int compare_agents(const json_t *receipt, const json_t *now, struct strings *stops,
                          struct strings *notes)
{
    const json_t *machine, *agent;
    size_t i, k;
    int r = 0;

    json_array_foreach(json_object_get(receipt, "machines"), i, machine)
    {
        json_array_foreach(json_object_get(machine, "agents"), k, agent)
        {
            const char *name = json_string_value(agent);
            const json_t *here = name ? machine_of(now, name) : NULL;
            CLEANUP_TEXT struct text words = TEXT_INIT;

            if (!name || r < 0)
                continue;
            if (here) {
                r = compare_machine(name, machine, here, notes);
                continue;
            }
            text_adds(&words, "the agent ");
            text_add_shown(&words, name);
            text_adds(&words, " took part and does not now");
            r = add_words(stops, &words);
        }
    }
    return r;
}

static int compare_new_agents(const json_t *receipt, const json_t *now, struct strings *stops)
{
    const json_t *machine, *agent;
    size_t i, k;

    json_array_foreach(json_object_get(now, "machines"), i, machine)
    {
        json_array_foreach(json_object_get(machine, "agents"), k, agent)
        {
            const char *name = json_string_value(agent);
            CLEANUP_TEXT struct text words = TEXT_INIT;

            if (!name || machine_of(receipt, name))
                continue;
            text_adds(&words, "the agent ");
            text_add_shown(&words, name);
            text_adds(&words, " takes part and did not");
            if (add_words(stops, &words) < 0)
                return -ENOMEM;
        }
    }
    return 0;
}

static int compare_word(const json_t *receipt, const json_t *now, const char *key,
                        const char *subject, int digits, struct strings *notes)
{
    const char *before = string_of(receipt, key), *after = string_of(now, key);
    CLEANUP_TEXT struct text words = TEXT_INIT;

    if (strcmp(before, after) == 0)
        return 0;
    text_addf(&words, "%s was %.*s and is %.*s", subject, digits, *before ? before : "none", digits,
              *after ? after : "none");
    return add_words(notes, &words);
}

int replay_compare(const json_t *receipt, const json_t *now, struct strings *ret_stops,
                   struct strings *ret_notes)
{
    int r = compare_pydcop(receipt, now, ret_stops);

    if (r == 0)
        r = compare_agents(receipt, now, ret_stops, ret_notes);
    if (r == 0)
        r = compare_new_agents(receipt, now, ret_stops);
    if (r == 0)
        r = compare_word(receipt, now, "python", "this computer's Python", SHOWN_DIGITS, ret_notes);
    return r == 0 ? compare_word(receipt, now, "layer", "the layer of pyDCOP's dependencies",
                                 SHOWN_DIGITS, ret_notes)
                  : r;
}

/* --- the results ----------------------------------------------------------------- */

static bool is_same_value(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b)) {
        double x = json_number_value(a), y = json_number_value(b);

        return fabs(x - y) <= 1e-9 * fmax(fabs(x), fabs(y));
    }
    return json_equal(a, b);
}

static size_t add_other_values(const json_t *then, const json_t *now, struct text *ret)
{
    const char *name;
    const json_t *value;
    size_t n = 0;

    json_object_foreach((json_t *)(uintptr_t)then, name, value)
    {
        const json_t *other = json_object_get(now, name);

        if (is_same_value(value, other) || n++ >= SHOWN_VALUES)
            continue;
        text_adds(ret, n > 1 ? ", " : "");
        text_add_shown(ret, name);
        text_adds(ret, " was ");
        solve_add_value(value, ret);
        text_adds(ret, " and is ");
        solve_add_value(other ? other : json_null(), ret);
    }
    if (n > SHOWN_VALUES)
        text_addf(ret, " and %zu more", n - SHOWN_VALUES);
    return n;
}

int replay_compare_results(const json_t *receipt, const json_t *result, bool *ret_same,
                           struct text *ret)
{
    const json_t *then = json_object_get(receipt, "assignment");
    const json_t *now = json_object_get(result, "assignment");
    CLEANUP_TEXT struct text values = TEXT_INIT;
    size_t n = add_other_values(then, now, &values);

    *ret_same = n == 0 && json_object_size(then) > 0 &&
                json_object_size(then) == json_object_size(now) &&
                is_same_value(json_object_get(receipt, "cost"), json_object_get(result, "cost"));
    if (!*ret_same) {
        text_adds(ret, "The result is another one: cost ");
        solve_add_value(json_object_get(receipt, "cost") ?: json_null(), ret);
        text_adds(ret, " then, ");
        solve_add_value(json_object_get(result, "cost") ?: json_null(), ret);
        text_adds(ret, n > 0 ? " now; " : " now");
        text_adds(ret, text_str(&values));
    }
    return text_error(&values) < 0 ? -ENOMEM : text_error(ret);
}
