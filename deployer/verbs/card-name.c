#include "card-name.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "discovery/advert/advert.h"

static char *name_setting(const char *fleet, const char *agent)
{
    char *key;

    return asprintf(&key, "card %s %s", fleet ? fleet : ADVERT_FLEET_DEFAULT, agent) < 0 ? NULL
                                                                                         : key;
}

/* Records that a card has the name; `id` "": none has. */
static int record_name(struct program *p, const char *fleet, const char *agent, const char *id,
                       struct error *err)
{
    CLEANUP_FREE char *key = agent ? name_setting(fleet, agent) : NULL;

    if (!agent)
        return 0;
    return key ? state_setting_set(p->state, key, id, err)
               : error_sys(err, -ENOMEM, "cannot record the card's name");
}

/* While a card is written, the record of its name is "writing PID ID": when that process is gone,
 * the card was not completed and the name is free. */
#define WRITING "writing "

static bool is_abandoned(const char *record)
{
    int pid;

    return sscanf(record, WRITING "%d", &pid) == 1 && kill(pid, 0) < 0 && errno == ESRCH;
}

int card_name_claim(struct program *p, const struct card_wish *w, char **ret_former,
                    struct error *err)
{
    CLEANUP_FREE char *key = w->agent ? name_setting(w->fleet, w->agent) : NULL;
    char claim[64];
    int r;

    if (!w->agent)
        return 0;
    if (!key)
        return error_sys(err, -ENOMEM, "cannot record the card's name");
    r = state_setting_get(p->state, key, ret_former, err);
    if (r < 0 && r != -ENOENT)
        return r;
    (void)snprintf(claim, sizeof(claim), WRITING "%d %s", (int)getpid(), w->id);
    return record_name(p, w->fleet, w->agent, claim, err);
}

int card_name_settle(struct program *p, const struct card_wish *w, const char *former, int r,
                     struct error *err)
{
    if (r == 0)
        return record_name(p, w->fleet, w->agent, w->id, err);
    (void)record_name(p, w->fleet, w->agent, former ? former : "", NULL);
    return r;
}

/* 1: a card or a machine has it. */
static int name_taken(struct program *p, const char *agent, struct error *err)
{
    const char *fleet = p->options.fleet ? p->options.fleet : ADVERT_FLEET_DEFAULT;
    CLEANUP_FREE char *key = name_setting(fleet, agent);
    CLEANUP_FREE char *card = NULL, *holder = NULL;
    bool now = false;
    int r;

    if (!key)
        return error_sys(err, -ENOMEM, "cannot choose a name");
    r = state_setting_get(p->state, key, &card, err);
    if (r < 0 && r != -ENOENT)
        return r;
    if (card && *card && !is_abandoned(card))
        return 1;
    r = state_name_holder(p->state, fleet, agent, &holder, &now, err);
    if (r < 0 && r != -ENOENT)
        return r;
    return r == 0 && now;
}

int card_name_choose(struct program *p, const struct card_look *look, const char **ret,
                     struct error *err)
{
    const struct strings *agents = &p->problem.agents;

    *ret = p->options.agent;
    if (p->options.agent || p->options.problems.count == 0)
        return 0;
    /* A card that is prepared again keeps its name. */
    for (size_t i = 0; i < agents->count && look->agent; i++)
        if (strcmp(agents->items[i], look->agent) == 0 &&
            string_equal(look->fleet, p->options.fleet)) {
            *ret = agents->items[i];
            return 0;
        }
    for (size_t i = 0; i < agents->count; i++) {
        int r = name_taken(p, agents->items[i], err);

        if (r < 0)
            return r;
        if (r == 0) {
            *ret = agents->items[i];
            return 0;
        }
    }
    return error_set(err, -ENOENT,
                     "each of the problem's %zu names has a card or a machine; --agent NAME gives "
                     "one all the same",
                     agents->count);
}

int card_name_release(struct program *p, const struct card_look *former, struct error *err)
{
    CLEANUP_FREE char *key = NULL, *id = NULL;

    if (!former->agent || !former->id)
        return 0;
    key = name_setting(former->fleet, former->agent);
    if (!key || state_setting_get(p->state, key, &id, NULL) < 0 || strcmp(id, former->id) != 0)
        return 0;
    return record_name(p, former->fleet, former->agent, "", err);
}

int card_names_end(struct program *p, struct error *err)
{
    const struct strings *agents = &p->problem.agents;

    if (p->options.replace)
        return 0;
    for (size_t i = 0; i < agents->count; i++) {
        int r = name_taken(p, agents->items[i], err);

        if (r <= 0)
            return r;
    }
    return agents->count > 0;
}
