#include "unfetched.h"

#include <stdlib.h>
#include <string.h>

void unfetched_clear(struct unfetched *u)
{
    free(u->step);
    text_clear(&u->detail);
    text_clear(&u->lines);
    *u = (struct unfetched){0};
}

bool unfetched_takes(struct unfetched *u, const struct stepwire_event *event)
{
    if (event->kind == STEPWIRE_WANT && strcmp(event->name, "packages") == 0)
        u->wanted = true;
    if (event->kind != STEPWIRE_RESULT)
        return false;
    if (u->step)
        return true;
    if (!u->wanted || event->status != STEP_FAILED)
        return false;
    text_adds(&u->detail, event->detail);
    text_adds(&u->lines, event->lines);
    u->step = strdup(event->name);
    return u->step != NULL;
}
