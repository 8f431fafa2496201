#include "solve-repeat.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "deployer/solve/solve.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/terminal.h"
#include "solve-once.h"
#include "solve-show.h"

/* What one of the runs came to. */
struct figure {
    long seed;
    double cost;
};

struct repeating {
    struct program *p;
    struct figure *figures; /* of the runs whose result has a cost */
    size_t n_figures;
    unsigned good, begun;
    long seed; /* of the first */
};

static void show_begin(const struct repeating *s, long seed)
{
    if (s->p->options.json)
        solve_show_json(json_pack("{s:s, s:i, s:i, s:I}", "event", "run_began", "run",
                                  (int)s->begun, "of", (int)s->p->options.repeat, "seed",
                                  (json_int_t)seed));
}

/* "2/5 seed 8: cost 2, violated constraints 0; finished after 0.1 s; experiment FOLDER" */
static void show_run(const struct repeating *s, long seed, const struct solve_outcome *outcome)
{
    CLEANUP_TEXT struct text line = TEXT_INIT;

    if (s->p->options.json)
        return; /* the run's last event said it */
    text_addf(&line, "%u/%u seed %ld: ", s->begun, s->p->options.repeat, seed);
    solve_result_line(outcome->result, &line);
    if (outcome->folder) {
        text_adds(&line, "; experiment ");
        text_add_printable(&line, outcome->folder);
    }
    text_addc(&line, '\n');
    terminal_put(stdout, &line);
    (void)fflush(stdout);
}

static int compare(const void *a, const void *b)
{
    const struct figure *x = a, *y = b;

    return (x->cost > y->cost) - (x->cost < y->cost);
}

/* Of an even number the lower one of the two in the middle: a cost that a run had. */
static void show_end(struct repeating *s)
{
    const struct figure *f = s->figures;
    size_t last = s->n_figures - 1;
    CLEANUP_TEXT struct text line = TEXT_INIT;

    if (s->n_figures > 0)
        qsort(s->figures, s->n_figures, sizeof(*s->figures), compare);
    if (s->p->options.json) {
        solve_show_json(json_pack("{s:s, s:i, s:i, s:o*}", "event", "repeated", "runs",
                                  (int)s->begun, "good", (int)s->good, "cost",
                                  s->n_figures == 0
                                      ? NULL
                                      : json_pack("{s:f, s:f, s:f}", "lowest", f[0].cost, "median",
                                                  f[last / 2].cost, "highest", f[last].cost)));
        return;
    }
    text_addf(&line, "%u of %u runs have a result", s->good, s->p->options.repeat);
    if (s->n_figures > 0)
        text_addf(&line, "; cost: lowest %.6g (seed %ld), median %.6g, highest %.6g (seed %ld)",
                  f[0].cost, f[0].seed, f[last / 2].cost, f[last].cost, f[last].seed);
    text_addc(&line, '\n');
    terminal_put(stdout, &line);
    (void)fflush(stdout);
}

/* 0: it ran; else the exit code of a run that was refused, or a negative errno. */
static int run_one(struct repeating *s, const char *output, int *ret_signal, struct error *err)
{
    CLEANUP(solve_outcome_clear) struct solve_outcome outcome = {0};
    CLEANUP_TEXT struct text folder = TEXT_INIT;
    long seed = s->seed + s->begun++;
    char digits[24];
    int r;

    (void)snprintf(digits, sizeof(digits), "%ld", seed);
    if (output)
        text_addf(&folder, "%s/seed-%ld", output, seed);
    if (text_error(&folder) < 0)
        return error_sys(err, -ENOMEM, "cannot begin the run");
    s->p->options.seed = digits;
    s->p->options.output = output ? text_str(&folder) : NULL;
    show_begin(s, seed);
    r = solve_once(s->p, SOLVE_REPEATED, NULL, &outcome, err);
    s->p->options.seed = s->p->options.output = NULL; /* they borrow ours */
    *ret_signal = outcome.signal;
    if (outcome.how != SOLVE_RAN)
        return r;
    show_run(s, seed, &outcome);
    s->good += solve_result_is_good(outcome.result);
    if (solve_result_is_good(outcome.result) &&
        json_is_number(json_object_get(outcome.result, "cost")))
        s->figures[s->n_figures++] =
            (struct figure){seed, json_number_value(json_object_get(outcome.result, "cost"))};
    return r < 0 ? r : 0;
}

int solve_repeat(struct program *p, int *ret_signal, struct error *err)
{
    const char *output = p->options.output;
    struct repeating s = {
        .p = p,
        .figures = calloc(p->options.repeat, sizeof(*s.figures)),
        .seed = solve_seed(&p->options),
    };
    int r = s.figures ? 0 : error_sys(err, -ENOMEM, "cannot begin the runs");

    if (r == 0 && s.seed > INT_MAX - (long)p->options.repeat)
        r = error_set(err, -EINVAL, "--seed: %d at most with --repeat %u",
                      INT_MAX - (int)p->options.repeat, p->options.repeat);

    while (r == 0 && *ret_signal == 0 && s.begun < p->options.repeat)
        r = run_one(&s, output, ret_signal, err);
    if (s.good > 0 || r == 0)
        show_end(&s);
    free(s.figures);
    return r != 0 ? r : s.good < p->options.repeat;
}
