/* Events from discovery. */
#include <string.h>

#include "discovery/base/clock.h"
#include "private.h"

/* Forgets the assigned names when the machine advertises them. */
static void clear_assigned_names(struct member *m)
{
    if (m->assigned.count > 0 && strings_equal(&m->assigned, &m->machine.advert.agents))
        strings_clear(&m->assigned);
}

void discovered_gone(struct controller *c, struct member *m)
{
    model_clear(c); /* it borrows from the directory */
    publish(c, "gone", json_pack("{s:s}", "ref", m->ref));
    members_drop(&c->directory, m);
}

void discovered_change(const void *key, struct machine *machine, enum roster_change change,
                       void *arg)
{
    struct controller *c = arg;
    bool new;
    struct member *m;

    model_clear(c); /* it borrows from the directory */
    m = members_take(&c->directory, key, machine, &new);
    controller_evaluate_soon(c);
    if (!m)
        return;
    if (change == ROSTER_APPEARED)
        ledger_appeared(&m->ledger, clock_ms(CLOCK_MONOTONIC));
    model_find_standing(c, m);
    clear_assigned_names(m);
    publish_machine(c, m, roster_change_name(change));
    /* An unsigned record is forgotten when it goes offline, as in the roster, and so is what
     * only the state told of. */
    if (change == ROSTER_OFFLINE && (m->machine.untrusted || (m->machine.forgotten && !m->at_work)))
        discovered_gone(c, m);
}

void discovered_domain_trouble(const char *words, void *arg)
{
    struct controller *c = arg;

    controller_log(c, "%s", words ? words : "the domain answers");
    controller_set_trouble(&c->troubles.domain, words);
    publish_status(c);
}

void discovered_daemon(bool there, const char *reason, void *arg)
{
    struct controller *c = arg;

    if (!there && !c->troubles.avahi && c->avahi_told)
        c->metrics.avahi_losses++;
    c->avahi_told = true;
    if (!reason)
        reason = "the daemon is not running";
    controller_log(c, "Avahi: %s", there ? "the daemon is running" : reason);
    controller_set_trouble(&c->troubles.avahi, there ? NULL : reason);
    publish_status(c);
}

void discovered_known(const char *words, void *arg)
{
    struct controller *c = arg;

    controller_log(c, "%s", words ? words : "it can be read again which machines are known");
    controller_set_trouble(&c->troubles.known, words);
    publish_status(c);
}
