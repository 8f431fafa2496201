/* Targets without a beacon, by a pattern: `enroll --all`. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "choose.h"

static int take_candidates(const struct candidate_list *l, struct targets *ret)
{
    ret->items = calloc(l->count + 1, sizeof(*ret->items));
    if (!ret->items)
        return -ENOMEM;
    for (size_t i = 0; i < l->count; i++) {
        struct target *t = &ret->items[ret->count];

        if (target_from_machine(l->pointers[i], t) < 0)
            return -ENOMEM;
        ret->count++;
        t->mac = l->items[i].mac[0] ? strdup(l->items[i].mac) : NULL;
        if (l->items[i].mac[0] && !t->mac)
            return -ENOMEM;
    }
    return 0;
}

/* The words of --limit, which was not given here. */
static void drop_option(struct error *err)
{
    const char option[] = "--limit: ";
    const size_t size = sizeof(option) - 1;

    if (strncmp(err->text, option, size) == 0)
        memmove(err->text, err->text + size, strlen(err->text + size) + 1);
}

int choose_candidates(struct program *p, const struct strings *patterns, struct error *err)
{
    CLEANUP(candidate_list_clear) struct candidate_list found = CANDIDATE_LIST_INIT;
    CLEANUP(fleet_free_p) struct fleet *fleet = NULL;
    bool more = false;
    int r = choose_fleet_with_candidates(p, &fleet, err);

    if (r < 0)
        return r;
    r = fleet_candidates(fleet, &found, &more);
    if (r == 0)
        r = take_candidates(&found, &p->targets);
    if (r < 0)
        return error_sys(err, r, "cannot list the machines");
    if (more)
        fputs("More hosts without a beacon were told of than fit: some are ignored.\n", stderr);
    if (found.count == 0) {
        fputs("No machine without a beacon says on this network that one can log in to it. Many "
              "advertise nothing but their host name: dcop-deploy enroll HOST.local\n",
              stderr);
        return 1;
    }
    r = choose_limited(patterns, &p->targets, &MATCH_INIT, NULL, NULL, err);
    if (r < 0)
        drop_option(err);
    return r;
}
