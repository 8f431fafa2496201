#include "systems.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void apt_systems_clear(struct apt_systems *s)
{
    for (size_t i = 0; i < s->count; i++)
        apt_system_clear(&s->items[i]);
    free(s->items);
    strings_clear(&s->unread);
    *s = (struct apt_systems){0};
}

int apt_systems_add(struct apt_systems *to, struct apt_system *s, struct error *err)
{
    struct apt_system *grown = reallocarray(to->items, to->count + 1, sizeof(*grown));

    if (!grown)
        return error_sys(err, -ENOMEM, "cannot list the systems");
    to->items = grown;
    to->items[to->count++] = *s;
    *s = (struct apt_system){0};
    return 0;
}

/* --- by name ------------------------------------------------------------------------ */

static int add_named(struct apt_systems *to, const char *codename, const char *suite,
                     const char *arch, struct error *err)
{
    CLEANUP(apt_system_clear) struct apt_system s = {0};
    int r = apt_system_named("/etc/apt", codename, suite, arch, &s, err);

    for (size_t i = 0; i < to->count && r == 0; i++)
        if (strcmp(to->items[i].name, s.name) == 0)
            return 0;
    return r < 0 ? r : apt_systems_add(to, &s, err);
}

int apt_systems_name(const struct strings *suites, const struct strings *arches,
                     struct apt_systems *ret, struct error *err)
{
    CLEANUP_FREE char *codename = NULL, *own = NULL;
    size_t n_suites = suites->count ? suites->count : 1;
    size_t n_arches = arches->count ? arches->count : 1;
    int r = apt_system_codename("/etc/os-release", &codename);

    if (r < 0)
        return error_sys(err, r, "cannot tell which release this controller runs");
    if (arches->count == 0)
        r = apt_system_arch(&own, err);
    for (size_t i = 0; i < n_suites * n_arches && r == 0; i++)
        r = add_named(ret, codename, suites->count ? suites->items[i / n_arches] : codename,
                      own ? own : arches->items[i % n_arches], err);
    return r;
}

/* --- machines ------------------------------------------------------------------------ */

/* What one machine says, piece by piece. */
struct answer {
    struct text wire;
    char *outcome, *why;
};

struct answers {
    struct answer *items;
    size_t count;
};

static void answers_clear(struct answers *a)
{
    for (size_t i = 0; i < a->count; i++) {
        text_clear(&a->items[i].wire);
        free(a->items[i].outcome);
        free(a->items[i].why);
    }
    free(a->items);
}

static void replace(char **where, const char *value)
{
    free(*where);
    *where = strdup(value);
}

static void hear(size_t machine, const char *key, const char *value, void *arg)
{
    struct answers *answers = arg;
    struct answer *a = machine < answers->count ? &answers->items[machine] : NULL;

    if (!a)
        return;
    if (strcmp(key, APT_SYSTEM_FACT) == 0 && a->wire.size <= APT_SYSTEM_WIRE_MAX)
        text_adds(&a->wire, value);
    if (strcmp(key, "outcome") == 0)
        replace(&a->outcome, value);
    if (strcmp(key, "why") == 0)
        replace(&a->why, value);
}

static const char *name_of(const struct target *t)
{
    return t->host ? t->host : t->id ? t->id : "a machine";
}

static int unread(struct apt_systems *to, const struct target *t, const char *why)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    text_add_printable(&words, name_of(t));
    text_adds(&words, ": ");
    text_add_printable(&words, why);
    return text_error(&words) < 0 ? -ENOMEM : strings_add(&to->unread, text_str(&words));
}

static int take(struct apt_systems *to, const struct target *t, struct answer *a)
{
    CLEANUP(apt_system_clear) struct apt_system s = {0};
    CLEANUP_TEXT struct text name = TEXT_INIT;
    struct error why = {0};
    int r;

    text_add_printable(&name, name_of(t));
    if (text_error(&name) < 0)
        return -ENOMEM;
    if (!a->outcome || strcmp(a->outcome, job_outcome_name(JOB_OK)) != 0)
        return unread(to, t, a->why ? a->why : a->outcome ? a->outcome : "not reached");
    r = apt_system_read(text_str(&name), &a->wire, &s, &why);
    if (r == -ENOMEM)
        return r;
    return r < 0 ? unread(to, t, why.text) : apt_systems_add(to, &s, NULL);
}

/* Who they are, in case that the targets have moved into the jobs. */
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

static int ask(struct program *p, struct answers *answers, struct error *err)
{
    const struct action action = {
        .mode = "sources",
        .unrecorded = true,
        .no_recap = true,
        .listener = hear,
        .arg = answers,
    };

    answers->items = calloc(p->targets.count + 1, sizeof(*answers->items));
    if (!answers->items)
        return error_sys(err, -ENOMEM, "cannot ask the machines");
    answers->count = p->targets.count;
    return program_act(p, &action, err);
}

int apt_systems_ask(struct program *p, struct apt_systems *ret, struct error *err)
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
        r = program_ask_about_new(p, err);
    if (r == 0)
        r = program_pack_steps(p, NULL, err);
    if (r != 0)
        return r;
    if (copy_names(&p->targets, &names) < 0)
        return error_sys(err, -ENOMEM, "cannot ask the machines");
    r = ask(p, &answers, err);
    program_unpack(p);
    if (r < 0)
        return r;
    for (size_t i = 0; i < answers.count; i++)
        if (take(ret, &names.items[i], &answers.items[i]) < 0)
            return error_sys(err, -ENOMEM, "cannot ask the machines");
    return 0;
}
