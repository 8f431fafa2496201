#include "canary.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void hear(size_t machine, const struct run_event *event, void *arg)
{
    bool *changes = arg; /* in the order of the targets */

    if (event->kind == RUN_MACHINE_ENDED)
        changes[machine] = event->outcome == JOB_WOULD_CHANGE || event->busy;
}

/* Which targets would change. */
static int look(struct program *p, const struct action *action, bool **ret, struct error *err)
{
    CLEANUP(targets_clear) struct targets targets = {0};
    bool *changes = *ret = calloc(p->targets.count + 1, sizeof(*changes));
    const struct action looking = {
        .mode = "check",
        .settings = action->settings,
        .unrecorded = true,
        .no_recap = true,
        .ahead = true,
        .listener = hear,
        .arg = changes,
    };
    int answer;

    if (!changes || targets_copy(&p->targets, &targets) < 0)
        return error_sys(err, -ENOMEM, "cannot choose the first machines");
    answer = program_act(p, &targets, &looking, err);
    return answer < 0 ? answer : 0;
}

/* Its first agent; of a machine without agents, its name. */
static const char *label_of(const struct target *t)
{
    return t->agents.count > 0 ? t->agents.items[0] : t->host ? t->host : t->id ? t->id : "";
}

/* "a2" is before "a10". */
static int compare(const void *a, const void *b)
{
    const struct target *const *one = a, *const *other = b;

    return strverscmp(label_of(*one), label_of(*other));
}

/* Moves those of the waves to the front; the others stay in their order. */
static int move_to_front(struct targets *targets, const bool *changes, const struct waves *waves,
                         size_t ret[static WAVES_MAX], size_t *ret_count)
{
    CLEANUP_FREE struct target **sorted = calloc(targets->count + 1, sizeof(struct target *));
    struct target *items = calloc(targets->count + 1, sizeof(*items));
    size_t found = 0, next, n;

    if (!sorted || !items) {
        free(items);
        return -ENOMEM;
    }
    for (size_t i = 0; i < targets->count; i++)
        if (changes[i])
            sorted[found++] = &targets->items[i];
    qsort(sorted, found, sizeof(struct target *), compare);
    n = waves_sizes(waves, found, ret, ret_count);
    for (next = 0; next < n; next++) {
        items[next] = *sorted[next];
        *sorted[next] = (struct target){0};
    }
    for (size_t i = 0; i < targets->count; i++) {
        bool moved = false;

        for (size_t k = 0; k < n && !moved; k++)
            moved = sorted[k] == &targets->items[i];
        if (!moved)
            items[next++] = targets->items[i];
    }
    free(targets->items);
    targets->items = items;
    return 0;
}

/* The first wave by name, of the others how many they are. */
static void tell(const struct program *p, const size_t *waves, size_t n, unsigned seconds)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    size_t others = p->targets.count;

    if (p->options.quiet || p->options.json || n == 0)
        return;
    others -= waves[0];
    for (size_t i = 0; i < waves[0]; i++) {
        text_adds(&words, i > 0 ? ", " : "");
        text_add_printable(&words, label_of(&p->targets.items[i]));
    }
    text_addf(&words, ": first, and watched for %u s", seconds);
    for (size_t i = 1; i < n; i++) {
        text_addf(&words, "; then %zu", waves[i]);
        others -= waves[i];
    }
    if (others > 0 && n > 1)
        text_addf(&words, "; then the other %zu", others);
    else if (others > 0)
        text_addf(&words, "; %zu other%s until then", others, others == 1 ? " waits" : "s wait");
    fprintf(stderr, "%s.\n", text_str(&words));
}

int canary_choose(struct program *p, const struct action *action, size_t ret[static WAVES_MAX],
                  size_t *ret_count, struct error *err)
{
    const struct deploy_options *o = &p->options;
    unsigned seconds = o->healthy_s ? o->healthy_s : HEALTHY_DEFAULT_S;
    CLEANUP_FREE bool *changes = NULL;
    struct waves waves;
    size_t watched = 0;
    int r = waves_parse(o->canary, &waves, err);

    *ret_count = 0;
    if (r == 0)
        r = look(p, action, &changes, err);
    if (r == 0 && move_to_front(&p->targets, changes, &waves, ret, ret_count) < 0)
        r = error_sys(err, -ENOMEM, "cannot choose the first machines");
    for (size_t i = 0; i < *ret_count; i++)
        watched += ret[i];
    for (size_t i = 0; i < watched && r == 0; i++) {
        struct text *settings = &p->targets.items[i].settings;

        text_addf(settings, "healthy %u\n", seconds);
        if (text_error(settings) < 0)
            r = error_sys(err, -ENOMEM, "cannot choose the first machines");
    }
    if (r < 0)
        return r;
    tell(p, ret, *ret_count, seconds);
    return 0;
}
