#include "table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "deployer/solve/plot.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/keyset.h"

static const char *string_of(const json_t *result, const char *key)
{
    const char *value = json_string_value(json_object_get(result, key));

    return value ? value : "";
}

bool batch_result_is_done(const json_t *result)
{
    const char *status = string_of(result, "status");

    return strcmp(status, "finished") == 0 || strcmp(status, "timeout") == 0 ||
           strcmp(status, "generated") == 0;
}

/* --- CSV ------------------------------------------------------------------------- */

static void add_field(struct text *t, const char *value)
{
    if (value[strcspn(value, ",\"\r\n")] == '\0') {
        text_adds(t, value);
        return;
    }
    text_addc(t, '"');
    for (; *value; value++) {
        if (*value == '"')
            text_addc(t, '"');
        text_addc(t, *value);
    }
    text_addc(t, '"');
}

static void add_value(struct text *t, const json_t *result, const char *key)
{
    const json_t *value = json_object_get(result, key);
    CLEANUP_FREE char *number =
        json_is_number(value) ? json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)) : NULL;

    text_addc(t, ',');
    add_field(t, number ? number : json_is_string(value) ? json_string_value(value) : "");
}

static const char *const result_columns[] = {"status",   "cost", "violations", "cycles",
                                             "messages", "time", "algorithm",  "distribution"};

/* An option whose value is in a column anyhow. */
static bool is_column(const char *option)
{
    for (size_t k = 0; k < ARRAY_SIZE(result_columns); k++)
        if (strcmp(option, result_columns[k]) == 0)
            return true;
    return strcmp(option, "seed") == 0;
}

static void add_row(struct text *t, const struct batch_plan *p, size_t i, const json_t *result)
{
    const struct batch_job *j = &p->jobs[i];

    text_addf(t, "%zu,", i + 1);
    add_field(t, j->set);
    text_addc(t, ',');
    add_field(t, j->batch);
    text_addc(t, ',');
    add_field(t, j->problem);
    text_addf(t, ",%u,%ld", j->iteration, j->seed);
    for (size_t k = 0; k < ARRAY_SIZE(result_columns); k++)
        add_value(t, result, result_columns[k]);
    for (size_t k = 0; k < p->columns.count; k++) {
        const char *value = batch_job_value(j, p->columns.items[k]);

        if (is_column(p->columns.items[k]))
            continue;
        text_addc(t, ',');
        add_field(t, value ? value : "");
    }
    text_addc(t, ',');
    add_field(t, j->name);
    add_value(t, result, "reason");
    text_addc(t, '\n');
}

int batch_table_csv(const struct batch_plan *p, json_t *const *results, struct text *ret)
{
    text_adds(ret, "job,set,batch,problem,iteration,seed");
    for (size_t k = 0; k < ARRAY_SIZE(result_columns); k++)
        text_addf(ret, ",%s", result_columns[k]);
    for (size_t k = 0; k < p->columns.count; k++) {
        if (is_column(p->columns.items[k]))
            continue;
        text_addc(ret, ',');
        add_field(ret, p->columns.items[k]);
    }
    text_adds(ret, ",folder,reason\n");
    for (size_t i = 0; i < p->count; i++)
        if (results[i])
            add_row(ret, p, i, results[i]);
    return text_error(ret);
}

/* --- the plot -------------------------------------------------------------------- */

void batch_table_choice(const struct batch_plan *p, const struct batch_job *j, struct text *ret)
{
    size_t before = ret->size;

    for (size_t k = 0; k < p->choices.count; k++) {
        const char *option = p->choices.items[k], *value = batch_job_value(j, option);
        const char *dot = strchr(option, '.');

        if (!value || !*value || strcmp(option, "seed") == 0)
            continue;
        text_adds(ret, ret->size > before ? " " : "");
        if (dot)
            text_addf(ret, "%s:", dot + 1);
        text_adds(ret, value);
    }
    if (ret->size == before)
        text_adds(ret, j->algorithm ? j->algorithm : j->batch);
}

/* Costs of one choice on one problem. */
struct heap {
    size_t n;
    double squares; /* of deviations from the mean so far (Welford's method) */
    double mean;
};

static void add_cost(struct heap *h, double cost)
{
    double off = cost - h->mean;

    h->n++;
    h->mean += off / (double)h->n;
    h->squares += off * (cost - h->mean);
}

/* The index of a word in the list; `seen` has a key for each, and as its value, where the index
 * is kept: that of the first job with it. */
static int find_or_add(struct strings *s, struct keyset *seen, const char *word, size_t *ret)
{
    size_t *first = keyset_find(seen, word, strlen(word));
    void **slot;

    *ret = first ? *first : s->count;
    if (first)
        return 0;
    if (strings_add(s, word) < 0)
        return -ENOMEM;
    word = s->items[s->count - 1];
    slot = keyset_slot(seen, word, strlen(word));
    if (!slot)
        return -ENOMEM;
    *slot = ret;
    return 0;
}

/* Each job's choice and problem by number; with too many problems they are all one. */
struct grouping {
    struct strings choices, problems;
    size_t *choice, *problem;
};

static void grouping_clear(struct grouping *g)
{
    strings_clear(&g->choices);
    strings_clear(&g->problems);
    free(g->choice);
    free(g->problem);
}

static int group_jobs(const struct batch_plan *p, struct grouping *g)
{
    CLEANUP_KEYSET struct keyset choices = {0};
    CLEANUP_KEYSET struct keyset problems = {0};

    g->choice = calloc(p->count + 1, sizeof(*g->choice));
    g->problem = calloc(p->count + 1, sizeof(*g->problem));
    if (!g->choice || !g->problem)
        return -ENOMEM;
    for (size_t i = 0; i < p->count; i++) {
        CLEANUP_TEXT struct text choice = TEXT_INIT;

        if (p->jobs[i].command != BATCH_SOLVE)
            continue;
        batch_table_choice(p, &p->jobs[i], &choice);
        if (text_error(&choice) < 0 ||
            find_or_add(&g->choices, &choices, text_str(&choice), &g->choice[i]) < 0 ||
            find_or_add(&g->problems, &problems, p->jobs[i].problem, &g->problem[i]) < 0)
            return -ENOMEM;
    }
    if (g->problems.count <= PLOT_SERIES_MAX)
        return 0;
    memset(g->problem, 0, p->count * sizeof(*g->problem));
    strings_clear(&g->problems);
    return strings_add(&g->problems, "all problems");
}

static int draw(const char *title, const struct grouping *g, const struct heap *heaps,
                struct text *ret)
{
    size_t n_choices = g->choices.count, n_problems = g->problems.count;
    CLEANUP_FREE struct plot_point *points = calloc(n_choices * n_problems + 1, sizeof(*points));
    CLEANUP_FREE struct plot_series *series = calloc(n_problems + 1, sizeof(*series));
    const struct plot plot = {.title = title,
                              .x = "parameters",
                              .y = "cost: mean and standard deviation",
                              .series = series,
                              .n_series = n_problems,
                              .ticks = (const char *const *)g->choices.items,
                              .n_ticks = n_choices};

    if (!points || !series)
        return -ENOMEM;
    for (size_t i = 0; i < n_problems; i++) {
        series[i] =
            (struct plot_series){.name = g->problems.items[i], .points = &points[i * n_choices]};
        for (size_t k = 0; k < n_choices; k++) {
            const struct heap *h = &heaps[i * n_choices + k];
            /* Beside each other, so that none hides another. */
            double x = (double)k + ((double)i + 0.5) / (double)n_problems * 0.6 - 0.3;

            if (h->n > 0)
                points[i * n_choices + series[i].count++] = (struct plot_point){
                    x, h->mean, h->n > 1 ? sqrt(h->squares / (double)(h->n - 1)) : 0};
        }
    }
    return plot_svg(&plot, ret);
}

int batch_table_plot(const char *title, const struct batch_plan *p, json_t *const *results,
                     struct text *ret)
{
    CLEANUP(grouping_clear) struct grouping g = {0};
    CLEANUP_FREE struct heap *heaps = NULL;
    int r = group_jobs(p, &g);

    if (r < 0)
        return r;
    heaps = calloc(g.choices.count * g.problems.count + 1, sizeof(*heaps));
    if (!heaps)
        return -ENOMEM;
    for (size_t i = 0; i < p->count; i++) {
        const json_t *cost = json_object_get(results[i], "cost");

        if (p->jobs[i].command == BATCH_SOLVE && json_is_number(cost) &&
            batch_result_is_done(results[i]))
            add_cost(&heaps[g.problem[i] * g.choices.count + g.choice[i]], json_number_value(cost));
    }
    return draw(title, &g, heaps, ret);
}
