#include "facts.h"

#include <errno.h>
#include <string.h>

enum { FACTS_MAX = 256 }; /* of one machine; more are passed over */

static char *copy(const char *string, bool *failed)
{
    char *copied = string ? strdup(string) : NULL;

    *failed = *failed || (string && !copied);
    return copied;
}

static char *join(const struct strings *names)
{
    CLEANUP_TEXT struct text joined = TEXT_INIT;

    for (size_t i = 0; i < names->count; i++)
        text_addf(&joined, "%s%s", i ? " " : "", names->items[i]);
    return text_take(&joined);
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
            .id = copy(t->id, &failed),
            .host = copy(t->host, &failed),
            .agents = join(&t->agents),
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
        strings_clear(&m->keys);
        strings_clear(&m->values);
    }
    free(f->machines);
    *f = (struct facts){0};
}

void facts_hear(size_t machine, const char *key, const char *value, void *arg)
{
    struct facts *f = arg;
    struct machine_facts *m = machine < f->count ? &f->machines[machine] : NULL;

    if (!m || m->keys.count >= FACTS_MAX || strings_add(&m->keys, key) < 0)
        return;
    if (strings_add(&m->values, value) < 0)
        free(m->keys.items[--m->keys.count]);
}

const char *fact_of(const struct machine_facts *m, const char *key)
{
    for (size_t i = m->keys.count; i-- > 0;)
        if (strcmp(m->keys.items[i], key) == 0)
            return m->values.items[i];
    return NULL;
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
