#include "standing.h"

#include <errno.h>
#include <string.h>

const char *standing_name(enum standing_state state)
{
    static const char *const names[] = {
        [STANDING_ACCEPTED] = "accepted",     [STANDING_NEW] = "new",
        [STANDING_CHANGED] = "changed",       [STANDING_DOUBTFUL] = "doubtful",
        [STANDING_UNVERIFIED] = "unverified",
    };

    return names[state];
}

void standing_clear(struct standing *s)
{
    free(s->pin);
    free(s->why);
    *s = (struct standing){0};
}

/* Was this key retired?  Then the machine is not new. */
static bool was_retired(const struct known_machine *k, const char *hostkey)
{
    for (size_t i = 0; hostkey && i < k->pins.count; i++)
        if (k->pins.items[i].retired_ms && strcmp(k->pins.items[i].fingerprint, hostkey) == 0)
            return true;
    return false;
}

static enum standing_state find_standing_state(const struct machine *m,
                                               const struct known_machine *k, struct error *err)
{
    CLEANUP(target_clear) struct target t = {0};
    const char *pin = known_machine_pin(k), *hostkey = m->advert.hostkey;
    struct trust trust;

    err->text[0] = '\0';
    if (m->untrusted) {
        (void)error_set(err, -EKEYREJECTED,
                        "its record is not signed with this fleet's key; if it is yours: "
                        "dcop-deploy enroll ADDRESS");
        return STANDING_UNVERIFIED;
    }
    if (target_from_machine(m, &t) < 0)
        return STANDING_NEW;
    trust = known_machine_trust(k, &t);
    /* The record names no key: the pin is compared when the machine is contacted. */
    if (!hostkey && pin)
        return STANDING_ACCEPTED;
    if (!hostkey) {
        (void)error_set(err, -EKEYREJECTED,
                        "it is new here, and its record names no host key to accept");
        return STANDING_NEW;
    }
    if (trust_check(&trust, hostkey, err) == 0) {
        err->text[0] = '\0';
        return STANDING_ACCEPTED;
    }
    if (pin || was_retired(k, hostkey))
        return STANDING_CHANGED;
    return m->in_doubt ? STANDING_DOUBTFUL : STANDING_NEW;
}

int standing_find(struct state *s, const struct machine *m, struct consent consent,
                  struct standing *ret, struct error *err)
{
    CLEANUP(target_clear) struct target t = {0};
    CLEANUP(known_machine_clear) struct known_machine k = {0};
    CLEANUP(standing_clear) struct standing found = {0};
    struct error words = {0};
    int r = target_from_machine(m, &t);

    if (r < 0)
        return error_sys(err, r, "cannot look up a machine");
    r = known_machine_get(s, &t, consent, &k, err);
    if (r < 0)
        return r;
    found.state = find_standing_state(m, &k, &words);
    if (known_machine_pin(&k)) {
        found.pin = strdup(known_machine_pin(&k));
        found.source = k.pins.items[0].source;
    }
    if (words.text[0])
        found.why = strdup(words.text);
    standing_clear(ret);
    *ret = found;
    found = (struct standing){0};
    return 0;
}
