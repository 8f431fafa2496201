#include "facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/advert/advert.h"

/* Limits for one machine; more is ignored. */
enum { FACTS_MAX = 256, DIFF_MAX = 1024 * 1024 };

static char *copy_string(const char *string, bool *failed)
{
    char *copied = string ? strdup(string) : NULL;

    *failed = *failed || (string && !copied);
    return copied;
}

int facts_init(struct facts *f, const struct targets *targets)
{
    CLEANUP(facts_clear) struct facts all = {0};
    bool failed = false;

    all.machines = calloc(targets->count + 1, sizeof(*all.machines));
    if (!all.machines)
        return -ENOMEM;
    for (; all.count < targets->count; all.count++) {
        const struct target *t = &targets->items[all.count];

        all.machines[all.count] = (struct machine_facts){
            .id = copy_string(t->id, &failed),
            .host = copy_string(t->host, &failed),
            .agents = strings_join(&t->agents, " "),
        };
        failed = failed || !all.machines[all.count].agents;
    }
    if (failed)
        return -ENOMEM;
    *f = all;
    all = (struct facts){0};
    return 0;
}

void facts_clear(struct facts *f)
{
    for (size_t i = 0; i < f->count; i++) {
        struct machine_facts *m = &f->machines[i];

        free(m->id);
        free(m->host);
        free(m->agents);
        free(m->hostkey);
        free(m->why);
        text_clear(&m->diff);
        strings_clear(&m->keys);
        strings_clear(&m->values);
    }
    free(f->machines);
    *f = (struct facts){0};
}

static void add_fact(struct machine_facts *m, const char *key, const char *value)
{
    if (m->keys.count >= FACTS_MAX || strings_add(&m->keys, key) < 0)
        return;
    if (strings_add(&m->values, value) < 0)
        free(m->keys.items[--m->keys.count]);
}

static void replace_string(char **to, const char *text)
{
    free(*to);
    *to = *text ? strdup(text) : NULL;
}

void facts_hear(size_t machine, const struct run_event *event, void *arg)
{
    struct facts *f = arg;
    struct machine_facts *m = &f->machines[machine];

    switch (event->kind) {
    case RUN_TRUSTED:
        replace_string(&m->hostkey, event->text);
        break;
    case RUN_STEP:
        if (event->step->kind == STEPWIRE_FACT && strcmp(event->step->name, "id") == 0 &&
            advert_id_valid(event->step->detail))
            replace_string(&m->id, event->step->detail);
        if (event->step->kind == STEPWIRE_FACT)
            add_fact(m, event->step->name, event->step->detail);
        else if (event->step->kind == STEPWIRE_DIFF && m->diff.size < DIFF_MAX)
            text_adds(&m->diff, event->step->detail);
        break;
    case RUN_MACHINE_ENDED:
        m->ended = true;
        m->outcome = event->outcome;
        replace_string(&m->why, event->text);
        break;
    case RUN_BEGAN:
    case RUN_NOT_BEGUN:
    case RUN_CONNECTING:
    case RUN_SENDING:
    case RUN_OUTPUT:
    case RUN_ENDED:
    case RUN_NOT_TOUCHED:
    case RUN_UNRECORDED:
        break;
    }
}

const char *facts_get(const struct machine_facts *m, const char *key)
{
    for (size_t i = m->keys.count; i-- > 0;)
        if (strcmp(m->keys.items[i], key) == 0)
            return m->values.items[i];
    return NULL;
}

bool facts_get_number(const struct machine_facts *m, const char *key, long long *ret)
{
    const char *text = facts_get(m, key);
    const char *digits = text && *text == '-' ? text + 1 : text;

    /* 18 digits fit. */
    if (!text || !string_is_one_of(digits, "0123456789", 1, 18))
        return false;
    *ret = strtoll(text, NULL, 10);
    return true;
}

int facts_join(const struct machine_facts *m, const char *key, struct text *ret)
{
    bool first = true;

    for (size_t i = 0; i < m->keys.count; i++) {
        if (strcmp(m->keys.items[i], key) != 0)
            continue;
        text_addf(ret, "%s%s", first ? "" : " ", m->values.items[i]);
        first = false;
    }
    return text_error(ret);
}
