/* `deploy`, with --check and --diff: what would change, and how. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "deployer/cli/facts.h"
#include "discovery/base/terminal.h"
#include "verbs.h"

/* --- --diff ---------------------------------------------------------------------- */

/* The pieces that the machine sent, put together again. */
static int join_diff(const struct machine_facts *m, struct text *ret)
{
    for (size_t i = 0; i < m->keys.count; i++)
        if (strcmp(m->keys.items[i], "diff") == 0)
            text_adds(ret, m->values.items[i]);
    return text_error(ret);
}

/* As git colours it; the text is the machine's, so each line is escaped. */
static void add_line(struct text *out, const char *line, size_t size, bool color)
{
    CLEANUP_FREE char *copy = strndup(line, size);
    const char *tone = !color         ? NULL
                       : *line == '+' ? "32"
                       : *line == '-' ? "31"
                       : *line == '@' ? "36"
                                      : NULL;

    if (!copy)
        return;
    if (tone)
        text_addf(out, "\033[%sm", tone);
    for (char *tab = copy; (tab = strchr(tab, '\t'));)
        *tab = ' ';
    text_add_printable(out, copy);
    text_adds(out, tone ? "\033[0m\n" : "\n");
}

static void add_diff(struct text *out, const char *diff, bool color)
{
    while (*diff) {
        size_t size = strcspn(diff, "\n");

        add_line(out, diff, size, color);
        diff += size + (diff[size] == '\n');
    }
}

/* Machines with the same difference share one: thirty cards, one page. */
static int print_diffs(const struct facts *f, struct error *err)
{
    CLEANUP_TEXT struct text out = TEXT_INIT;
    struct text *diffs = calloc(f->count + 1, sizeof(*diffs));
    bool color = terminal_wants_color(STDOUT_FILENO);
    int r = diffs ? 0 : -ENOMEM;

    for (size_t i = 0; i < f->count && r == 0; i++)
        r = join_diff(&f->machines[i], &diffs[i]);
    for (size_t i = 0; i < f->count && r == 0; i++) {
        if (diffs[i].size == 0)
            continue;
        for (size_t k = i; k < f->count; k++) {
            if (k > i && strcmp(text_str(&diffs[k]), text_str(&diffs[i])) != 0)
                continue;
            text_adds(&out, k == i ? "" : ", ");
            text_add_printable(&out,
                               f->machines[k].host ? f->machines[k].host : f->machines[k].agents);
            if (k > i)
                text_reset(&diffs[k]);
        }
        text_adds(&out, ":\n");
        add_diff(&out, text_str(&diffs[i]), color);
        text_addc(&out, '\n');
    }
    for (size_t i = 0; diffs && i < f->count; i++)
        text_clear(&diffs[i]);
    free(diffs);
    if (r == 0)
        r = text_error(&out);
    if (r < 0)
        return error_sys(err, r, "cannot show the differences");
    terminal_put(stdout, &out);
    return 0;
}

/* --- --ui ------------------------------------------------------------------------ */

/* pydcop-ui as it is served: a folder with an index.html. */
static int check_ui(const struct deploy_options *o, struct error *err)
{
    CLEANUP_FREE char *index = NULL;

    if (!o->ui)
        return o->browser ? error_set(err, -EINVAL, "--browser wants --ui DIR") : 0;
    if (asprintf(&index, "%s/index.html", o->ui) < 0) {
        index = NULL;
        return error_sys(err, -ENOMEM, "cannot look at %s", o->ui);
    }
    if (access(index, R_OK) < 0)
        return error_set(err, -EINVAL,
                         "--ui: %s has no index.html; give pydcop-ui's dist folder, as its build "
                         "leaves it",
                         o->ui);
    return 0;
}

/* --- all of it ------------------------------------------------------------------- */

static int run(struct program *p, struct error *err)
{
    const struct deploy_options *o = &p->options;
    CLEANUP(facts_clear) struct facts facts = {0};
    CLEANUP_TEXT struct text settings = TEXT_INIT;
    struct action action = {
        .mode = o->diff    ? "diff"
                : o->check ? "check"
                           : "deploy",
        .settings = &settings,
        .fetches = !o->check,
        .unrecorded = o->check,
    };
    const struct bundle_extra extras[] = {{o->ui, "ui/"}, {NULL, NULL}};
    int answer, r = program_takes_arguments(p, 0, err);

    text_addf(&settings, "deps %s\nui %s\nbrowser %s\n", o->deps ? o->deps : "apt",
              o->ui ? "yes" : "no", o->browser ? "yes" : "no");
    if (r == 0)
        r = check_ui(o, err);
    if (r == 0)
        r = program_find_targets(p, err);
    if (r == 0)
        r = program_ask_about_new(p, err);
    if (r == 0)
        r = program_pack_pydcop(p, extras, err);
    if (r == 0 && o->diff && facts_init(&facts, &p->targets) < 0)
        r = error_sys(err, -ENOMEM, "cannot show the differences");
    if (r != 0)
        return r;
    if (o->diff) {
        action.listener = facts_hear;
        action.arg = &facts;
    }
    answer = program_act(p, &action, err);
    if (answer >= 0 && o->diff && !o->json)
        r = print_diffs(&facts, err);
    return r < 0 ? r : answer;
}

const struct verb verb_deploy = {
    .name = "deploy",
    .arguments = "",
    .help = "deploy pyDCOP, start the agents (the default)",
    .foresees = true,
    .run = run,
};
