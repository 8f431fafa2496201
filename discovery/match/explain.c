/* The part of a match that only a person reads: near names and warnings. */
#include "match-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
/* The default one does not compile without warnings. */
#define HASH_FUNCTION(key, size, hash) HASH_FNV(key, size, hash)
#include <uthash.h>

#include "suggest.h"

/* An agent that no machine has, so that it may be the one that was meant. */
struct wanted {
    const char *agent;
    struct suggest_fold fold;
    bool taken;
    struct wanted *next; /* with the same fold, in the problem's order */
    UT_hash_handle hh;   /* by fold; the first of them only */
};

struct wish_list {
    struct wanted *items;
    size_t count;
    struct wanted *by_fold; /* hash */
};

static void wish_list_clear(struct wish_list *l)
{
    HASH_CLEAR(hh, l->by_fold);
    free(l->items);
}

static struct wanted *find_fold(struct wish_list *l, const struct suggest_fold *fold)
{
    struct wanted *found = NULL;

    HASH_FIND(hh, l->by_fold, fold->chars, fold->count * sizeof(fold->chars[0]), found);
    return found;
}

static int wish(struct wish_list *l, const char *agent)
{
    struct wanted *w = &l->items[l->count++];
    struct wanted *first;

    w->agent = agent;
    suggest_fold(agent, &w->fold);
    if (w->fold.count == 0)
        return 0;
    first = find_fold(l, &w->fold);
    if (first) {
        while (first->next)
            first = first->next;
        first->next = w;
        return 0;
    }
    HASH_ADD_KEYPTR(hh, l->by_fold, w->fold.chars, w->fold.count * sizeof(w->fold.chars[0]), w);
    return find_fold(l, &w->fold) ? 0 : -ENOMEM;
}

static int wish_list_fill(struct wish_list *l, const struct match *m)
{
    l->items = calloc(m->n_missing + m->n_offline + 1, sizeof(*l->items));
    if (!l->items)
        return -ENOMEM;
    for (size_t i = 0; i < m->n_missing; i++)
        if (wish(l, m->missing[i]) < 0)
            return -ENOMEM;
    for (size_t i = 0; i < m->n_offline; i++)
        if (wish(l, m->offline[i].agent) < 0)
            return -ENOMEM;
    return 0;
}

static void set_suggestion(struct match_unexpected *u, struct wanted *w)
{
    u->suggestion = w->agent;
    w->taken = true;
}

/* Names that differ in case, blanks or padding alone, found by their hash. */
static void suggest_same_fold(struct match *m, struct wish_list *l)
{
    for (size_t i = 0; i < m->n_unexpected; i++) {
        struct suggest_fold fold;
        struct wanted *w;

        suggest_fold(m->unexpected[i].agent, &fold);
        w = find_fold(l, &fold);
        while (w && w->taken)
            w = w->next;
        if (w)
            set_suggestion(&m->unexpected[i], w);
    }
}

/* Suggests names that are exactly so many edits away.  `left` is how many more
 * pairs may be compared. */
static void suggest_edits(struct match *m, struct wish_list *l, unsigned edits, size_t *left)
{
    for (size_t i = 0; i < m->n_unexpected; i++) {
        struct match_unexpected *u = &m->unexpected[i];
        struct suggest_fold fold;

        if (u->suggestion)
            continue;
        if (*left < l->count)
            return;
        *left -= l->count;
        suggest_fold(u->agent, &fold);
        for (size_t j = 0; j < l->count && !u->suggestion; j++) {
            struct wanted *w = &l->items[j];
            size_t longer = fold.count > w->fold.count ? fold.count : w->fold.count;

            if (!w->taken && suggest_limit(longer) >= edits &&
                suggest_distance(&fold, &w->fold, edits) == edits)
                set_suggestion(u, w);
        }
    }
}

int match_add_warning(struct match *m, struct text *words)
{
    int r = text_error(words);

    if (r == 0)
        r = strings_add(&m->warnings, text_str(words));
    text_reset(words);
    return r;
}

static int warn_agents(struct match *m, struct text *words)
{
    const struct problem *p = m->problem;

    if (p->agents.count >= p->variables)
        return 0;
    text_addf(words,
              "the problem has %zu agent%s for %zu computation%s (one a variable): pyDCOP's "
              "default distribution, oneagent, cannot place them; add agents or solve with "
              "another one, e.g. --distribution adhoc",
              p->agents.count, p->agents.count == 1 ? "" : "s", p->variables,
              p->variables == 1 ? "" : "s");
    return match_add_warning(m, words);
}

enum { IDLE_SHOWN_MAX = 5 };

/* The names match, but the agents of these machines do not run. */
static int warn_idle(struct match *m, enum advert_state state, struct text *words)
{
    CLEANUP_TEXT struct text names = TEXT_INIT;
    const char *what = state == ADVERT_STATE_FAILED ? "has failed" : "is stopped";
    const char *all = state == ADVERT_STATE_FAILED ? "have failed" : "are stopped";
    const char *remedy = state == ADVERT_STATE_FAILED ? "see why: dcop-deploy -p PROBLEM logs"
                                                      : "dcop-deploy -p PROBLEM start";
    size_t n = 0;

    for (size_t i = 0; i < m->n_matched; i++) {
        if (m->matched[i].machine->advert.state != state || n++ >= IDLE_SHOWN_MAX)
            continue;
        text_adds(&names, n > 1 ? ", " : "");
        text_add_shown(&names, m->matched[i].agent);
    }
    if (n == 0)
        return 0;
    if (n > IDLE_SHOWN_MAX)
        text_addf(&names, " and %zu more", n - IDLE_SHOWN_MAX);
    text_addf(words, "%zu agent%s %s: %s; %s", n, n == 1 ? "" : "s", n == 1 ? what : all,
              text_str(&names), remedy);
    return text_error(&names) < 0 ? -ENOMEM : match_add_warning(m, words);
}

static int warn_machine(struct match *m, const struct machine *machine, struct text *words)
{
    char label[MACHINE_LABEL_MAX];
    int r = 0;

    if (!machine->online || machine->untrusted) /* anybody can send an unverified claim */
        return 0;
    if (machine->in_doubt) {
        text_addf(words, "%s (id %s) is in doubt: %s", machine_label(machine, label),
                  machine->advert.id, machine_doubt(machine));
        r = match_add_warning(m, words);
    }
    if (r == 0 && machine_error(machine)) {
        text_addf(words, "%s says: %s", machine_label(machine, label), machine_error(machine));
        r = match_add_warning(m, words);
    }
    return r;
}

int match_explain(struct match *m, const struct machine *const *machines, size_t n_machines)
{
    CLEANUP(wish_list_clear) struct wish_list list = {0};
    CLEANUP_TEXT struct text words = TEXT_INIT;
    size_t left = MATCH_COMPARED_MAX;
    int r;

    strings_clear(&m->warnings);
    for (size_t i = 0; i < m->n_unexpected; i++)
        m->unexpected[i].suggestion = NULL;
    if (m->n_unexpected > 0 && m->n_missing + m->n_offline > 0) {
        r = wish_list_fill(&list, m);
        if (r < 0)
            return r;
        suggest_same_fold(m, &list);
        suggest_edits(m, &list, 1, &left);
        suggest_edits(m, &list, 2, &left);
    }
    r = warn_agents(m, &words);
    if (r == 0)
        r = match_warn_addresses(m, &words);
    if (r == 0)
        r = warn_idle(m, ADVERT_STATE_STOPPED, &words);
    if (r == 0)
        r = warn_idle(m, ADVERT_STATE_FAILED, &words);
    for (size_t i = 0; r == 0 && i < n_machines; i++)
        r = warn_machine(m, machines[i], &words);
    return r;
}
