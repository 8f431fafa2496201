#include "verbs.h"

#include <errno.h>
#include <string.h>

const struct verb *const verbs[] = {
    &verb_deploy,   &verb_solve,   &verb_batch,    &verb_doctor,    &verb_status, &verb_start,
    &verb_stop,     &verb_restart, &verb_rollback, &verb_uninstall, &verb_logs,   &verb_exec,
    &verb_poweroff, &verb_reboot,  &verb_blink,    &verb_assign,    &verb_enroll, &verb_card,
    &verb_trust,    &verb_forget,  &verb_cache,    &verb_runs,      &verb_later,  &verb_export,
    &verb_import,   &verb_bundle,  NULL,
};

const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; verbs[i]; i++)
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
    return NULL;
}
