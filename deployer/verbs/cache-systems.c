#include "cache-systems.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What one machine says, piece by piece. */
struct answer {
    struct text wire;
    bool ended;
    enum job_outcome outcome; /* once it has ended */
    char *why;                /* likewise */
};

struct answers {
    struct answer *items;
    size_t count;
};

static void answers_clear(struct answers *a)
{
    for (size_t i = 0; i < a->count; i++) {
        text_clear(&a->items[i].wire);
        free(a->items[i].why);
    }
    free(a->items);
}

static void replace_string(char **where, const char *value)
{
    free(*where);
    *where = strdup(value);
}

static void take_event(size_t machine, const struct run_event *event, void *arg)
{
    struct answers *answers = arg;
    struct answer *a = &answers->items[machine];

    if (event->kind == RUN_STEP && event->step->kind == STEPWIRE_FACT &&
        strcmp(event->step->name, APT_SYSTEM_FACT) == 0 && a->wire.size <= APT_SYSTEM_WIRE_MAX)
        text_adds(&a->wire, event->step->detail);
    if (event->kind == RUN_MACHINE_ENDED) {
        a->ended = true;
        a->outcome = event->outcome;
        replace_string(&a->why, event->text);
    }
}

static const char *name_of(const struct target *t)
{
    return t->host ? t->host : t->id ? t->id : "a machine";
}

static int add_unread(struct apt_systems *to, const struct target *t, const char *why)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    text_add_printable(&words, name_of(t));
    text_adds(&words, ": ");
    text_add_printable(&words, why);
    return text_error(&words) < 0 ? -ENOMEM : strings_add(&to->unread, text_str(&words));
}

static int take_answer(struct apt_systems *to, const struct target *t, struct answer *a)
{
    CLEANUP(apt_system_clear) struct apt_system s = {0};
    CLEANUP_TEXT struct text name = TEXT_INIT;
    struct error why = {0};
    int r;

    text_add_printable(&name, name_of(t));
    if (text_error(&name) < 0)
        return -ENOMEM;
    if (!a->ended || a->outcome != JOB_OK)
        return add_unread(to, t,
                          a->why && *a->why ? a->why
                          : a->ended        ? job_outcome_name(a->outcome)
                                            : "not reached");
    r = apt_system_read(text_str(&name), &a->wire, &s, &why);
    if (r == -ENOMEM)
        return r;
    return r < 0 ? add_unread(to, t, why.text) : apt_systems_add(to, &s, NULL);
}

/* Who they are: the targets themselves move into the jobs. */
static int copy_names(const struct targets *from, struct targets *ret)
{
    ret->items = calloc(from->count + 1, sizeof(*ret->items));
    if (!ret->items)
        return -ENOMEM;
    for (; ret->count < from->count; ret->count++) {
        struct target *t = &ret->items[ret->count];
        const struct target *f = &from->items[ret->count];

        t->host = f->host ? strdup(f->host) : NULL;
        t->id = f->id ? strdup(f->id) : NULL;
        if ((f->host && !t->host) || (f->id && !t->id))
            return -ENOMEM;
    }
    return 0;
}

static int ask_machines(struct program *p, struct answers *answers, struct error *err)
{
    const struct action action = {
        .mode = "sources",
        .unrecorded = true,
        .no_recap = true,
        .listener = take_event,
        .arg = answers,
    };

    answers->items = calloc(p->targets.count + 1, sizeof(*answers->items));
    if (!answers->items)
        return error_sys(err, -ENOMEM, "cannot ask the machines");
    answers->count = p->targets.count;
    return program_act(p, &p->targets, &action, err);
}

int cache_systems_ask(struct program *p, struct apt_systems *ret, struct error *err)
{
    CLEANUP(answers_clear) struct answers answers = {0};
    CLEANUP(targets_clear) struct targets names = {0};
    const struct deploy_options *o = &p->options;
    int r = 0;

    if (o->problems.count == 0 && !o->inventory && o->limits.count == 0 &&
        strings_add(&p->options.limits, "all") < 0)
        r = error_sys(err, -ENOMEM, "cannot ask the machines");
    if (r == 0)
        r = program_find_targets(p, err);
    if (r == 0)
        r = program_identify(p, err);
    if (r == 0)
        r = program_pack_steps(p, NULL, err);
    if (r != 0)
        return r;
    if (copy_names(&p->targets, &names) < 0)
        return error_sys(err, -ENOMEM, "cannot ask the machines");
    r = ask_machines(p, &answers, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < answers.count; i++)
        if (take_answer(ret, &names.items[i], &answers.items[i]) < 0)
            return error_sys(err, -ENOMEM, "cannot ask the machines");
    return 0;
}
