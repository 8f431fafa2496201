#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "discovery/base/clock.h"
#include "later.h"

static bool is_of(const struct state_later *entry, const struct machine *m)
{
    return m->beacon && strcmp(m->advert.id, entry->machine) == 0;
}

/* A record that names no key is compared when the machine is contacted. */
static bool has_key(const struct machine *m, const char *pin)
{
    return !m->advert.hostkey || strcmp(m->advert.hostkey, pin) == 0;
}

/* How surely it is the one that was pinned: a record without a key may be anybody's. */
static int rank(const struct machine *m, const char *pin)
{
    if (!pin || m->untrusted || !has_key(m, pin))
        return 1;
    return m->advert.hostkey ? 3 : 2;
}

/* The machine with that id that is there, the surest one. */
static const struct machine *find_there(const struct state_later *entry, const char *pin,
                                        const struct machine *const *machines, size_t n)
{
    const struct machine *found = NULL;

    for (size_t i = 0; i < n; i++) {
        const struct machine *m = machines[i];

        if (is_of(entry, m) && machine_is_there(m) && (!found || rank(m, pin) > rank(found, pin)))
            found = m;
    }
    return found;
}

/* When the roster saw it last; 0: never. */
static int64_t last_seen(const struct state_later *entry, const char *pin,
                         const struct machine *const *machines, size_t n)
{
    int64_t seen = 0;

    for (size_t i = 0; i < n; i++) {
        const struct machine *m = machines[i];
        int64_t ms = (int64_t)m->last_seen.tv_sec * 1000 + m->last_seen.tv_nsec / 1000000;

        if (is_of(entry, m) && pin && has_key(m, pin) && ms > seen)
            seen = ms;
    }
    return seen;
}

static const char *missing_name(const struct state_later *entry, const struct machine *m)
{
    for (size_t i = 0; i < entry->agents.count; i++)
        if (!strings_has(&m->advert.agents, entry->agents.items[i]))
            return entry->agents.items[i];
    return NULL;
}

static void wait_for(struct later_verdict *v, int64_t since_ms, const char *why)
{
    (void)snprintf(v->why, sizeof(v->why), "%s", why);
    v->why_ms = since_ms;
}

static void judge_off(const struct state_later *entry, int64_t seen_ms, int64_t now_ms,
                      struct later_verdict *v)
{
    bool was_off = strcmp(entry->reason, STATE_LATER_OFF) == 0;

    wait_for(v, was_off ? entry->reason_ms : seen_ms > 0 ? seen_ms : now_ms, STATE_LATER_OFF);
}

/* Why the key of a machine that is there does not do. */
static bool judge_key(const struct machine *m, const char *pin, const char *id,
                      struct later_verdict *v)
{
    if (!pin)
        (void)snprintf(v->why, sizeof(v->why),
                       "no host key is accepted for it; accept it again: dcop-deploy trust %s KEY",
                       id);
    else if (m->untrusted)
        (void)snprintf(
            v->why, sizeof(v->why),
            "its record is not signed with this fleet's key: dcop-deploy enroll ADDRESS");
    else if (!has_key(m, pin))
        (void)snprintf(v->why, sizeof(v->why),
                       "its key changed: it shows %s, and %s is pinned. If you know why: "
                       "dcop-deploy trust %s %s",
                       m->advert.hostkey, pin, id, m->advert.hostkey);
    return !v->why[0];
}

bool later_rests(const struct state_later *entry, int64_t now_ms)
{
    return now_ms < entry->next_ms && entry->next_ms - now_ms <= LATER_LAST_MS;
}

void later_judge(const struct state_later *entry, const char *pin,
                 const struct machine *const *machines, size_t n, int64_t now_ms,
                 struct later_verdict *ret)
{
    const struct machine *m = find_there(entry, pin, machines, n);
    const char *name = m ? missing_name(entry, m) : NULL;

    *ret = (struct later_verdict){.why_ms = now_ms};
    if (!m) {
        judge_off(entry, last_seen(entry, pin, machines, n), now_ms, ret);
        return;
    }
    if (!judge_key(m, pin, entry->machine, ret))
        return;
    if (name) {
        (void)snprintf(ret->why, sizeof(ret->why),
                       "it no longer says that it is %s; rename it, or "
                       "ask for what it is now",
                       name);
        return;
    }
    if (entry->claimed || later_rests(entry, now_ms)) {
        wait_for(ret, entry->reason_ms, entry->reason);
        return;
    }
    ret->due = true;
    ret->machine = m;
}

/* A name that the entry wishes may have become another machine's meanwhile: two would run it. */
static int judge_names(struct state *s, const struct state_later *entry, int64_t now_ms,
                       struct later_verdict *v, struct error *err)
{
    const char *fleet = entry->fleet ? entry->fleet : ADVERT_FLEET_DEFAULT;

    for (size_t i = 0; i < entry->agents.count && v->due; i++) {
        CLEANUP(state_machine_clear) struct state_machine m = {0};
        CLEANUP_FREE char *id = NULL;
        bool held = false;
        int r = state_name_holder(s, fleet, entry->agents.items[i], &id, &held, err);

        if (r < 0 && r != -ENOENT)
            return r;
        if (!held || strcmp(id, entry->machine) == 0)
            continue;
        r = state_machine_get(s, id, &m, err);
        if (r < 0 && r != -ENOENT)
            return r;
        *v = (struct later_verdict){.why_ms = now_ms};
        (void)snprintf(v->why, sizeof(v->why),
                       "%s is the name of another machine now, %s; ask for what it is now, "
                       "or cancel: dcop-deploy later --cancel %s",
                       entry->agents.items[i], m.host ? m.host : id, entry->machine);
    }
    return 0;
}

int later_look(struct state *s, const struct state_later *entry,
               const struct machine *const *machines, size_t n, struct later_verdict *ret,
               struct error *err)
{
    CLEANUP(state_pin_clear) struct state_pin pin = {0};
    int64_t now_ms = clock_ms(CLOCK_REALTIME);
    int r = state_pin_get(s, entry->machine, &pin, err);

    if (r < 0 && r != -ENOENT)
        return r;
    later_judge(entry, pin.fingerprint, machines, n, now_ms, ret);
    r = judge_names(s, entry, now_ms, ret, err);
    if (r < 0)
        return r;
    if (ret->due || entry->claimed || strcmp(ret->why, entry->reason) == 0)
        return 0;
    return state_later_tell(s, entry->entry, ret->why, ret->why_ms, err);
}
