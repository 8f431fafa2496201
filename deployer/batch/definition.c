#include "definition.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/options.h"

void batch_definition_clear(struct batch_definition *d)
{
    free(d->groups);
    *d = (struct batch_definition){0};
}

static int out_of_memory(struct error *err)
{
    return error_sys(err, -ENOMEM, "cannot read the batch");
}

/* --- the shape of the file ------------------------------------------------------- */

static bool is_known(const char *key, const char *const *known)
{
    for (; *known; known++)
        if (strcmp(key, *known) == 0)
            return true;
    return false;
}

/* `what`: "a set".  Keys are strings and known, NULL: any. */
static int check_map(const struct hosts_node *map, const char *what, const char *const *known,
                     struct error *err)
{
    if (map->kind != YAML_KIND_MAP)
        return hosts_node_fail(map, err, "%s must be a map", what);
    for (size_t i = 0; i < map->count; i += 2) {
        const struct hosts_node *key = map->items[i];
        CLEANUP_TEXT struct text all = TEXT_INIT;

        if (key->kind != YAML_KIND_SCALAR || key->size == 0 || strlen(key->text) != key->size)
            return hosts_node_fail(key, err, "a key of %s must be a word", what);
        if (!known || is_known(key->text, known))
            continue;
        for (size_t k = 0; known[k]; k++)
            text_addf(&all, "%s%s", k ? ", " : "", known[k]);
        return hosts_node_fail(key, err, "%s has no '%.60s'; it can have %s", what, key->text,
                               text_str(&all));
    }
    return 0;
}

static int check_scalar(const struct hosts_node *n, const char *key, struct error *err)
{
    if (n->kind != YAML_KIND_SCALAR || hosts_node_is_null(n))
        return hosts_node_fail(n, err, "'%s' must have one value", key);
    if (strlen(n->text) != n->size || !utf8_valid(n->text, n->size))
        return hosts_node_fail(n, err, "'%s' must be text", key);
    return 0;
}

static int check_strings(const struct hosts_node *map, const char *const *keys, struct error *err)
{
    int r = 0;

    for (; *keys && r == 0; keys++) {
        const struct hosts_node *n = hosts_node_get(map, *keys);

        r = n ? check_scalar(n, *keys, err) : 0;
    }
    return r;
}

static int check_members(const struct hosts_node *map, struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < map->count && r == 0; i += 2)
        r = check_scalar(map->items[i + 1], map->items[i]->text, err);
    return r;
}

static int check_set(const struct hosts_node *set, struct error *err)
{
    static const char *const keys[] = {"path",       "path_re", "file_re", "extras_files",
                                       "iterations", "env",     NULL};
    static const char *const words[] = {"path", "path_re", "file_re", "iterations", NULL};
    const struct hosts_node *extras, *env;
    int r = check_map(set, "a set", keys, err);

    if (r == 0)
        r = check_strings(set, words, err);
    if (r < 0)
        return r;
    extras = hosts_node_get(set, "extras_files");
    env = hosts_node_get(set, "env");
    if (extras && extras->kind != YAML_KIND_LIST)
        return hosts_node_fail(extras, err, "'extras_files' must be a list");
    for (size_t i = 0; extras && i < extras->count && r == 0; i++)
        r = check_scalar(extras->items[i], "extras_files", err);
    if (r == 0 && env)
        r = check_map(env, "'env'", NULL, err);
    if (r == 0 && env)
        r = check_members(env, err);
    if (r < 0)
        return r;
    if (hosts_node_get(set, "file_re") && !hosts_node_get(set, "path") &&
        !hosts_node_get(set, "path_re"))
        return hosts_node_fail(set, err, "'file_re' needs 'path' or 'path_re', the folder");
    if (hosts_node_get(set, "path_re") && !hosts_node_get(set, "file_re"))
        return hosts_node_fail(set, err, "'path_re' needs 'file_re', for the files in it");
    if (hosts_node_get(set, "path_re") && hosts_node_get(set, "path"))
        return hosts_node_fail(set, err, "'path' and 'path_re' exclude each other");
    if (extras && !hosts_node_get(set, "file_re"))
        return hosts_node_fail(extras, err, "'extras_files' needs 'file_re'");
    return 0;
}

int batch_definition_iterations(const struct hosts_node *set, unsigned *ret, struct error *err)
{
    const struct hosts_node *n = hosts_node_get(set, "iterations");
    struct error why = {0};
    long value = 1;

    if (n && parse_number(n->text, 1, BATCH_ITERATIONS_MAX, &value, &why) < 0)
        return hosts_node_fail(n, err, "'iterations': %s", why.text);
    *ret = (unsigned)value;
    return 0;
}

/* --- a batch's options ----------------------------------------------------------- */

/* What pyDCOP's `solve` has and a run on machines keeps, or does, in any case. */
static const char *const unused[] = {
    "mode",           "collect_on", "period", "run_metrics", "end_metrics", "delay",
    "strict_timeout", "output",     "log",    "verbose",     "v",           NULL};

static int note(struct strings *notes, const char *words)
{
    return strings_has(notes, words) ? 0 : strings_add(notes, words);
}

static int note_unused(struct strings *notes, const char *option)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    text_addf(&words, "'%s' is not used: each job's folder has its result, metrics and log",
              option);
    return note(notes, text_str(&words));
}

static int check_values(const struct batch_option *o, struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < o->count && r == 0; i++) {
        r = check_scalar(o->values[i], o->name, err);
        for (size_t k = 0; k < i && r == 0; k++)
            if (strcmp(o->values[i]->text, o->values[k]->text) == 0)
                r = hosts_node_fail(o->values[i], err, "'%s' has the value %.60s twice", o->name,
                                    o->values[i]->text);
    }
    return r;
}

static int add_option(struct batch_group *g, const struct hosts_node *key, const char *member,
                      struct hosts_node *value, struct error *err)
{
    struct batch_option *o = &g->options[g->n_options];

    if (g->n_options >= BATCH_OPTIONS_MAX)
        return hosts_node_fail(key, err, "more than %d options", BATCH_OPTIONS_MAX);
    *o = (struct batch_option){.name = key->text, .member = member, .at = key, .one = value};
    o->values = value->kind == YAML_KIND_LIST ? value->items : &o->one;
    o->count = value->kind == YAML_KIND_LIST ? value->count : 1;
    if (o->count == 0 || o->count > BATCH_VALUES_MAX)
        return hosts_node_fail(value, err, "'%s' must have 1 to %d values", o->name,
                               BATCH_VALUES_MAX);
    g->n_options++;
    return check_values(o, err);
}

static int add_options(struct batch_group *g, const struct hosts_node *map, struct error *err)
{
    int r = check_map(map, "'command_options'", NULL, err);

    for (size_t i = 0; i < map->count && r == 0; i += 2) {
        struct hosts_node *value = map->items[i + 1];

        if (value->kind != YAML_KIND_MAP) {
            r = add_option(g, map->items[i], NULL, value, err);
            continue;
        }
        r = check_map(value, map->items[i]->text, NULL, err);
        for (size_t k = 0; k < value->count && r == 0; k += 2)
            r = add_option(g, map->items[i], value->items[k]->text, value->items[k + 1], err);
    }
    return r;
}

static int check_solve_option(struct strings *notes, const struct batch_option *o,
                              struct error *err)
{
    static const char *const known[] = {"algo", "distribution", "seed", NULL};

    if (strcmp(o->name, "algo_params") == 0)
        return o->member ? 0
                         : hosts_node_fail(o->at, err, "'algo_params' must be a map of parameters");
    if (o->member)
        return hosts_node_fail(o->at, err, "'%s' must have values, not a map", o->name);
    if (is_known(o->name, known))
        return 0;
    if (!is_known(o->name, unused))
        return hosts_node_fail(o->at, err,
                               "the option '%.60s' of solve is not supported; algo, algo_params, "
                               "distribution and seed are",
                               o->name);
    if (o->count > 1)
        return hosts_node_fail(o->at, err, "'%s' changes nothing on machines: give it one value",
                               o->name);
    return note_unused(notes, o->name);
}

static int check_solve(struct strings *notes, const struct batch_group *g, struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < g->n_options && r == 0; i++)
        r = check_solve_option(notes, &g->options[i], err);
    return r;
}

static int check_global(struct strings *notes, const struct hosts_node *map, struct error *err)
{
    int r = map ? check_map(map, "'global_options'", NULL, err) : 0;

    if (map && r == 0)
        r = check_members(map, err);
    for (size_t i = 0; map && i < map->count && r == 0; i += 2) {
        const char *name = map->items[i]->text;

        if (strcmp(name, "timeout") == 0 || strcmp(name, "output") == 0)
            continue;
        r = is_known(name, unused)
                ? note_unused(notes, name)
                : hosts_node_fail(map->items[i], err,
                                  "the global option '%.60s' is not supported; timeout is", name);
    }
    return r;
}

static int read_command(struct batch_group *g, const struct hosts_node *command, struct error *err)
{
    const char *words = command->text;

    if (strcmp(words, "solve") == 0) {
        g->kind = BATCH_SOLVE;
        return 0;
    }
    if (strncmp(words, "generate ", 9) != 0)
        return hosts_node_fail(
            command, err, "the command '%.60s' is not supported: solve and generate are", words);
    g->kind = BATCH_GENERATE;
    g->generator = words + 9;
    return 0;
}

static int read_group(struct strings *notes, const char *name, const struct hosts_node *node,
                      const struct hosts_node *global, struct batch_group *ret, struct error *err)
{
    static const char *const keys[] = {"command", "command_options", "global_options",
                                       "current_dir", NULL};
    static const char *const words[] = {"command", "current_dir", NULL};
    const struct hosts_node *options, *command;
    int r = check_map(node, "a batch", keys, err);

    if (r == 0)
        r = check_strings(node, words, err);
    if (r < 0)
        return r;
    command = hosts_node_get(node, "command");
    options = hosts_node_get(node, "command_options");
    *ret = (struct batch_group){.name = name,
                                .node = node,
                                .global = global,
                                .own = hosts_node_get(node, "global_options"),
                                .current_dir = hosts_node_get(node, "current_dir")};
    if (!command)
        return hosts_node_fail(node, err, "the batch '%.60s' has no 'command'", name);
    r = read_command(ret, command, err);
    if (r == 0 && options)
        r = add_options(ret, options, err);
    if (r == 0)
        r = check_global(notes, ret->own, err);
    return r == 0 && ret->kind == BATCH_SOLVE ? check_solve(notes, ret, err) : r;
}

/* --- all of it ---------- */

static int read_sections(const struct hosts_node *root, const char *file, struct strings *notes,
                         const struct hosts_node **ret_sets, const struct hosts_node **ret_batches,
                         struct error *err)
{
    static const char *const keys[] = {"sets", "batches", "global_options", "parallel", NULL};
    int r = root ? check_map(root, "a batch file", keys, err)
                 : error_set(err, -EBADMSG, "%s is empty; it must have 'sets' and 'batches'", file);

    if (r < 0)
        return r;
    *ret_sets = hosts_node_get(root, "sets");
    *ret_batches = hosts_node_get(root, "batches");
    if (!*ret_sets || !*ret_batches)
        return hosts_node_fail(root, err, "there is no '%s'", *ret_sets ? "batches" : "sets");
    r = check_map(*ret_sets, "'sets'", NULL, err);
    if (r == 0)
        r = check_map(*ret_batches, "'batches'", NULL, err);
    for (size_t i = 0; r == 0 && i < (*ret_sets)->count; i += 2)
        r = check_set((*ret_sets)->items[i + 1], err);
    if (r == 0 && ((*ret_sets)->count == 0 || (*ret_batches)->count == 0))
        return hosts_node_fail(root, err, "'%s' is empty", (*ret_sets)->count ? "batches" : "sets");
    if (r == 0 && hosts_node_get(root, "parallel") &&
        note(notes, "'parallel' is not used: one job runs after another") < 0)
        return out_of_memory(err);
    return r;
}

bool batch_option_is_unused(const char *name)
{
    return is_known(name, unused);
}

void batch_option_add_name(const struct batch_option *o, struct text *ret)
{
    text_adds(ret, o->name);
    if (o->member)
        text_addf(ret, ".%s", o->member);
}

static int read_groups(const struct hosts_node *batches, const struct hosts_node *global,
                       struct batch_definition *ret, struct strings *notes, struct error *err)
{
    size_t n = batches->count / 2;
    int r = 0;

    if (n > BATCH_GROUPS_MAX)
        return hosts_node_fail(batches, err, "more than %d batches", BATCH_GROUPS_MAX);
    ret->groups = calloc(n + 1, sizeof(*ret->groups));
    if (!ret->groups)
        return out_of_memory(err);
    for (; ret->n_groups < n && r == 0; ret->n_groups++)
        r = read_group(notes, batches->items[2 * ret->n_groups]->text,
                       batches->items[2 * ret->n_groups + 1], global, &ret->groups[ret->n_groups],
                       err);
    return r;
}

int batch_definition_read(const struct hosts_node *root, const char *file,
                          struct batch_definition *ret, struct strings *notes, struct error *err)
{
    const struct hosts_node *batches, *global;
    int r;

    *ret = (struct batch_definition){0};
    r = read_sections(root, file, notes, &ret->sets, &batches, err);
    if (r < 0)
        return r;
    global = hosts_node_get(root, "global_options");
    r = check_global(notes, global, err);
    return r == 0 ? read_groups(batches, global, ret, notes, err) : r;
}
