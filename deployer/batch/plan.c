#include "plan.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "definition.h"
#include "deployer/inventory/nodes.h"
#include "deployer/solve/experiment.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/digest.h"
#include "discovery/base/file.h"
#include "discovery/base/keyset.h"
#include "discovery/base/options.h"
#include "expand.h"
#include "files.h"

static void job_clear(struct batch_job *j)
{
    free(j->set);
    free(j->batch);
    free(j->problem);
    free(j->algorithm);
    free(j->distribution);
    free(j->output);
    free(j->name);
    strings_clear(&j->files);
    strings_clear(&j->options);
    strings_clear(&j->values);
    strings_clear(&j->parameters);
    strings_clear(&j->arguments);
    *j = (struct batch_job){0};
}

void batch_plan_clear(struct batch_plan *p)
{
    for (size_t i = 0; i < p->count; i++)
        job_clear(&p->jobs[i]);
    free(p->jobs);
    strings_clear(&p->columns);
    strings_clear(&p->choices);
    strings_clear(&p->notes);
    *p = (struct batch_plan){0};
}

const char *batch_job_value(const struct batch_job *j, const char *option)
{
    for (size_t i = 0; i < j->options.count; i++)
        if (strcmp(j->options.items[i], option) == 0)
            return j->values.items[i];
    return NULL;
}

static int out_of_memory(struct error *err)
{
    return error_sys(err, -ENOMEM, "cannot read the batch");
}

/* --- jobs ------------------------------------------------------------------------ */

/* What a job is made of. */
struct making {
    struct batch_plan *plan;
    struct expand_context context;
    const char *set;
    const struct batch_match *match; /* NULL: the set has no files */
    unsigned iteration;
    long seed;
    struct error *err;
};

static int expand_node(const struct making *m, const struct hosts_node *n, char **ret)
{
    CLEANUP_TEXT struct text text = TEXT_INIT;
    struct error why = {0};

    if (expand_words(n->text, &m->context, &text, &why) < 0)
        return hosts_node_fail(n, m->err, "%s", why.text);
    free(*ret);
    *ret = text_take(&text);
    return *ret ? 0 : out_of_memory(m->err);
}

static const struct hosts_node *global_option(const struct batch_group *g, const char *name)
{
    const struct hosts_node *own = g->own ? hosts_node_get(g->own, name) : NULL;

    return own ? own : g->global ? hosts_node_get(g->global, name) : NULL;
}

static int set_time_limit(const struct making *m, const struct batch_group *g, struct batch_job *j)
{
    const struct hosts_node *n = global_option(g, "timeout");
    CLEANUP_FREE char *words = NULL;
    struct error why = {0};
    int r = n ? expand_node(m, n, &words) : 0;

    if (!n || r < 0)
        return r;
    if (parse_seconds(words, &j->time_limit_ms, &why) < 0)
        return hosts_node_fail(n, m->err, "'timeout': %s", why.text);
    return j->time_limit_ms == 0
               ? hosts_node_fail(n, m->err, "'timeout': a run needs more than 0 s")
               : 0;
}

static int add_parameter(struct batch_job *j, const char *name, const char *value)
{
    CLEANUP_TEXT struct text word = TEXT_INIT;

    text_addf(&word, "%s:%s", name, value);
    return text_error(&word) < 0 ? -ENOMEM : strings_add(&j->parameters, text_str(&word));
}

static int set_solve_option(const struct making *m, const struct batch_option *o,
                            const struct hosts_node *n, char **value, struct batch_job *j)
{
    struct error why = {0};
    long seed;

    if (strcmp(o->name, "algo") == 0)
        j->algorithm = TAKE_PTR(*value);
    else if (strcmp(o->name, "distribution") == 0)
        j->distribution = TAKE_PTR(*value);
    else if (o->member)
        return add_parameter(j, o->member, *value);
    else if (strcmp(o->name, "seed") == 0) {
        if (parse_number(*value, 0, INT_MAX - BATCH_ITERATIONS_MAX, &seed, &why) < 0)
            return hosts_node_fail(n, m->err, "'seed': %s", why.text);
        j->seed = seed + m->iteration;
    }
    return 0;
}

static int add_argument(const struct batch_option *o, const char *value, struct batch_job *j)
{
    CLEANUP_TEXT struct text name = TEXT_INIT;
    CLEANUP_TEXT struct text word = TEXT_INIT;

    text_addf(&name, "--%s", o->name);
    if (o->member)
        text_addf(&word, "%s:", o->member);
    text_adds(&word, value);
    if (text_error(&name) < 0 || text_error(&word) < 0 ||
        strings_add(&j->arguments, text_str(&name)) < 0)
        return -ENOMEM;
    return word.size > 0 ? strings_add(&j->arguments, text_str(&word)) : 0;
}

/* Each option gets its value; `choice`: the index of it. */
static int set_options(const struct making *m, const struct batch_group *g, const size_t *choice,
                       struct batch_job *j)
{
    for (size_t i = 0; i < g->n_options; i++) {
        const struct batch_option *o = &g->options[i];
        const struct hosts_node *n = o->values[choice[i]];
        CLEANUP_TEXT struct text name = TEXT_INIT;
        CLEANUP_FREE char *value = NULL;
        int r;

        if (g->kind == BATCH_SOLVE && batch_option_is_unused(o->name))
            continue;
        r = expand_node(m, n, &value);
        if (r < 0)
            return r;
        batch_option_add_name(o, &name);
        if (text_error(&name) < 0 || strings_add(&j->options, text_str(&name)) < 0 ||
            strings_add(&j->values, value) < 0 ||
            (!strings_has(&m->plan->columns, text_str(&name)) &&
             strings_add(&m->plan->columns, text_str(&name)) < 0))
            return out_of_memory(m->err);
        r = g->kind == BATCH_SOLVE ? set_solve_option(m, o, n, &value, j)
                                   : add_argument(o, value, j);
        if (r < 0)
            return r == -ENOMEM ? out_of_memory(m->err) : r;
    }
    return 0;
}

/* CURRENT_DIR/OUTPUT, as far as there are both. */
static int set_output(const struct making *m, const struct batch_group *g, struct batch_job *j)
{
    const struct hosts_node *output = global_option(g, "output");
    CLEANUP_FREE char *folder = NULL;
    CLEANUP_FREE char *name = NULL;
    const char *home = getenv("HOME");
    CLEANUP_TEXT struct text path = TEXT_INIT;
    int r = output ? expand_node(m, output, &name) : 0;

    if (r == 0 && g->current_dir)
        r = expand_node(m, g->current_dir, &folder);
    if (r < 0 || !output)
        return r;
    if (folder && *folder && *name != '/' && *name != '~') {
        text_adds(&path, folder);
        text_addc(&path, '/');
    }
    text_adds(&path, name);
    if (strncmp(text_str(&path), "~/", 2) == 0 && home) {
        CLEANUP_TEXT struct text whole = TEXT_INIT;

        text_addf(&whole, "%s%s", home, text_str(&path) + 1);
        j->output = text_take(&whole);
    } else
        j->output = text_take(&path);
    return j->output ? 0 : out_of_memory(m->err);
}

static int add_words(const char *words, struct strings *to)
{
    while (*(words += strspn(words, " \t"))) {
        size_t size = strcspn(words, " \t");

        if (strings_addn(to, words, size) < 0)
            return -ENOMEM;
        words += size;
    }
    return 0;
}

/* --- a job's name ---------------------------------------------------------------- */

static void digest_strings(struct digest *d, const struct strings *s)
{
    digest_adds(d, "list");
    for (size_t i = 0; i < s->count; i++)
        digest_adds(d, s->items[i]);
}

/* What is in a file may change between two runs of a batch: then it is another job. */
static int digest_files(struct digest *d, const struct strings *files, struct error *err)
{
    for (size_t i = 0; i < files->count; i++) {
        CLEANUP_TEXT struct text bytes = TEXT_INIT;
        int r = file_read(files->items[i], EXPERIMENT_PROBLEM_MAX, &bytes, err);

        if (r < 0)
            return r;
        digest_add(d, text_str(&bytes), bytes.size);
    }
    return 0;
}

static int name_job(struct batch_job *j, struct error *err)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    CLEANUP_TEXT struct text name = TEXT_INIT;
    CLEANUP_TEXT struct text numbers = TEXT_INIT;
    char digest[DIGEST_LENGTH + 1];
    struct digest d;
    int r;

    digest_init(&d);
    digest_adds(&d, j->set);
    digest_adds(&d, j->batch);
    text_addf(&numbers, "%d %u %u %ld", j->command, j->iteration, j->time_limit_ms, j->seed);
    digest_adds(&d, text_str(&numbers));
    digest_adds(&d, j->output ? j->output : "");
    digest_strings(&d, &j->options);
    digest_strings(&d, &j->values);
    digest_strings(&d, &j->arguments);
    digest_strings(&d, &j->files);
    r = digest_files(&d, &j->files, err);
    digest_end(&d, digest);
    if (r < 0)
        return r;
    memcpy(j->key, digest, BATCH_KEY_LENGTH);
    text_addf(&words, "%s-%s-%u-%s", j->set, j->problem, j->iteration, j->batch);
    experiment_add_name(text_str(&words), &name);
    text_addf(&name, "-%s", j->key);
    j->name = text_take(&name);
    return j->name ? 0 : out_of_memory(err);
}

/* --- expansion ------------------------------------------------------------------- */

static int add_job(struct batch_plan *p, struct batch_job *j)
{
    if (p->count == p->room) {
        size_t room = p->room ? 2 * p->room : 64;
        struct batch_job *jobs = reallocarray(p->jobs, room, sizeof(*jobs));

        if (!jobs)
            return -ENOMEM;
        p->jobs = jobs;
        p->room = room;
    }
    p->jobs[p->count++] = *j;
    *j = (struct batch_job){0};
    return 0;
}

/* {name} is what is written, before it is expanded itself, as in pyDCOP. */
static int set_context(struct making *m, const struct batch_group *g, const size_t *choice)
{
    int r = expand_context_set(&m->context, "batch", g->name);

    for (size_t k = 0; k < 2; k++) {
        const struct hosts_node *map = k ? g->own : g->global;

        for (size_t i = 0; map && i < map->count && r == 0; i += 2)
            r = expand_context_set(&m->context, map->items[i]->text, map->items[i + 1]->text);
    }
    for (size_t i = 0; i < g->n_options && r == 0; i++) {
        CLEANUP_TEXT struct text name = TEXT_INIT;

        batch_option_add_name(&g->options[i], &name);
        r = expand_context_set(&m->context, text_str(&name), g->options[i].values[choice[i]]->text);
    }
    return r;
}

static int make_job(struct making *m, const struct batch_group *g, const size_t *choice)
{
    CLEANUP(job_clear) struct batch_job j = {.command = g->kind, .iteration = m->iteration};
    const char *file = m->match ? m->match->files.items[0] : "";
    const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file;
    const char *dot = strrchr(base, '.');
    size_t before = m->context.names.count;
    int r;

    j.set = strdup(m->set);
    j.batch = strdup(g->name);
    j.problem = strndup(base, dot && dot != base ? (size_t)(dot - base) : strlen(base));
    j.seed = m->seed + m->iteration;
    if (!j.set || !j.batch || !j.problem ||
        (m->match && strings_copy(&j.files, &m->match->files) < 0) ||
        (g->generator && add_words(g->generator, &j.arguments) < 0) ||
        set_context(m, g, choice) < 0)
        return out_of_memory(m->err);
    r = set_options(m, g, choice, &j);
    if (r == 0 && g->kind == BATCH_SOLVE)
        r = set_time_limit(m, g, &j);
    if (r == 0 && g->kind == BATCH_GENERATE)
        r = set_output(m, g, &j);
    expand_context_cut(&m->context, before);
    if (r == 0)
        r = name_job(&j, m->err);
    if (r == 0 && m->plan->count >= BATCH_JOBS_MAX)
        r = hosts_node_fail(g->node, m->err, "the batch has more than %d jobs", BATCH_JOBS_MAX);
    return r == 0 && add_job(m->plan, &j) < 0 ? out_of_memory(m->err) : r;
}

/* All combinations; the last option changes first. */
static int make_combinations(struct making *m, const struct batch_group *g)
{
    size_t choice[BATCH_OPTIONS_MAX] = {0};
    int r;

    do {
        size_t i = g->n_options;

        r = make_job(m, g, choice);
        while (i > 0 && ++choice[i - 1] == g->options[i - 1].count)
            choice[--i] = 0;
        if (i == 0)
            return r;
    } while (r == 0);
    return r;
}

static int check_fit(const struct batch_group *g, const struct hosts_node *set, const char *name,
                     struct error *err)
{
    bool has_files = batch_set_has_files(set);

    if (g->kind == BATCH_SOLVE && !has_files)
        return hosts_node_fail(set, err,
                               "the set '%.60s' has no 'path', and the batch '%.60s' solves "
                               "problems",
                               name, g->name);
    if (g->kind == BATCH_GENERATE && has_files)
        return hosts_node_fail(set, err,
                               "the set '%.60s' has files, and the batch '%.60s' generates some: "
                               "give it 'iterations' alone",
                               name, g->name);
    return 0;
}

static int set_file_context(struct making *m)
{
    const char *file = m->match->files.items[0], *slash = strrchr(file, '/');
    const char *base = slash ? slash + 1 : file, *dot = strrchr(base, '.');
    CLEANUP_FREE char *folder = strndup(file, slash ? (size_t)(slash - file) : 0);
    CLEANUP_FREE char *name =
        strndup(base, dot && dot != base ? (size_t)(dot - base) : strlen(base));
    int r = folder && name ? 0 : -ENOMEM;

    for (size_t i = 0; i < m->match->names.count && r == 0; i++)
        r = expand_context_set(&m->context, m->match->names.items[i], m->match->texts.items[i]);
    if (r == 0)
        r = expand_context_set(&m->context, "file_path", file);
    if (r == 0)
        r = expand_context_set(&m->context, "dir_path", folder);
    if (r == 0)
        r = expand_context_set(&m->context, "file_basename", base);
    return r == 0 ? expand_context_set(&m->context, "file_name", name) : r;
}

static int make_iterations(struct making *m, unsigned iterations, const struct batch_group *groups,
                           size_t n_groups)
{
    size_t before = m->context.names.count;
    int r = m->match && set_file_context(m) < 0 ? out_of_memory(m->err) : 0;

    for (m->iteration = 0; m->iteration < iterations && r == 0; m->iteration++) {
        size_t here = m->context.names.count;
        char number[16];

        (void)snprintf(number, sizeof(number), "%u", m->iteration);
        if (expand_context_set(&m->context, "iteration", number) < 0)
            r = out_of_memory(m->err);
        for (size_t i = 0; i < n_groups && r == 0; i++)
            r = make_combinations(m, &groups[i]);
        expand_context_cut(&m->context, here);
    }
    expand_context_cut(&m->context, before);
    return r;
}

static int make_set(struct making *m, const struct hosts_node *set,
                    const struct batch_group *groups, size_t n_groups)
{
    CLEANUP(batch_matches_clear) struct batch_matches files = {0};
    const struct hosts_node *env = hosts_node_get(set, "env");
    size_t before = m->context.names.count;
    unsigned iterations;
    int r = batch_definition_iterations(set, &iterations, m->err);

    if (r == 0)
        r = expand_context_set(&m->context, "set", m->set);
    for (size_t i = 0; env && i < env->count && r == 0; i += 2)
        r = expand_context_set(&m->context, env->items[i]->text, env->items[i + 1]->text);
    for (size_t i = 0; i < n_groups && r == 0; i++)
        r = check_fit(&groups[i], set, m->set, m->err);
    if (r == 0 && batch_set_has_files(set))
        r = batch_files_find(set, &files, &m->plan->notes, m->err);
    for (size_t i = 0; i < files.count && r == 0; i++) {
        m->match = &files.items[i];
        r = make_iterations(m, iterations, groups, n_groups);
    }
    m->match = NULL;
    if (r == 0 && files.count == 0)
        r = make_iterations(m, iterations, groups, n_groups);
    expand_context_cut(&m->context, before);
    return r == -ENOMEM ? out_of_memory(m->err) : r;
}

static int expand(const struct hosts_node *sets, const struct batch_group *groups, size_t n_groups,
                  long seed, struct batch_plan *p, struct error *err)
{
    struct making m = {.plan = p, .seed = seed, .err = err};
    int r = 0;

    for (size_t i = 0; i < sets->count && r == 0; i += 2) {
        m.set = sets->items[i]->text;
        r = make_set(&m, sets->items[i + 1], groups, n_groups);
    }
    expand_context_clear(&m.context);
    return r;
}

/* Each would write over the other's. */
static int check_outputs(const struct batch_plan *p, const char *file, struct error *err)
{
    CLEANUP_KEYSET struct keyset seen = {0};

    for (size_t i = 0; i < p->count; i++) {
        char *output = p->jobs[i].output;
        void **slot = output ? keyset_slot(&seen, output, strlen(output)) : NULL;

        if (!output)
            continue;
        if (!slot)
            return out_of_memory(err);
        if (*slot)
            return error_set(err, -EINVAL,
                             "%s: several jobs would write %s; put {iteration} and the names of "
                             "the options into 'output' or 'current_dir'",
                             file, output);
        *slot = output;
    }
    return 0;
}

static bool differs(const struct batch_plan *p, const char *option)
{
    const char *first = p->count > 0 ? batch_job_value(&p->jobs[0], option) : NULL;

    for (size_t i = 1; i < p->count; i++)
        if (!string_equal(batch_job_value(&p->jobs[i], option), first))
            return true;
    return false;
}

static int find_choices(struct batch_plan *p, struct error *err)
{
    for (size_t k = 0; k < p->columns.count; k++)
        if (differs(p, p->columns.items[k]) && strings_add(&p->choices, p->columns.items[k]) < 0)
            return out_of_memory(err);
    return 0;
}

/* --- all of it ------------------------------------------------------------------- */

static int read_tree(const struct hosts_node *root, const char *file, long seed,
                     struct batch_plan *p, struct error *err)
{
    CLEANUP(batch_definition_clear) struct batch_definition d = {0};
    int r = batch_definition_read(root, file, &d, &p->notes, err);

    if (r == 0)
        r = expand(d.sets, d.groups, d.n_groups, seed, p, err);
    if (r == 0)
        r = check_outputs(p, file, err);
    return r == 0 ? find_choices(p, err) : r;
}

int batch_plan_read(const char *file, long seed, struct batch_plan *ret, struct error *err)
{
    CLEANUP_HOSTS_SOURCE struct hosts_source *source = NULL;
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    int r = file_read(file, BATCH_FILE_MAX, &bytes, err);

    *ret = (struct batch_plan){0};
    if (r == 0)
        r = hosts_source_new(file, &source, err);
    if (r == 0)
        r = hosts_source_read_yaml(source, text_str(&bytes), bytes.size, err);
    return r == 0 ? read_tree(source->root, file, seed, ret, err) : r;
}
