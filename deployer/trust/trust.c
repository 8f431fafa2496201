#include "trust.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "discovery/advert/advert.h"

/* The retired pin of this key; NULL: it was not retired. */
static const struct state_pin *find_retired(const struct trust *t, const char *fingerprint)
{
    for (size_t i = 0; t->pins && i < t->pins->count; i++) {
        const struct state_pin *pin = &t->pins->items[i];

        if (pin->retired_ms && strcmp(pin->fingerprint, fingerprint) == 0)
            return pin;
    }
    return NULL;
}

static int refuse_retired(const struct trust *t, const struct state_pin *pin, struct error *err)
{
    char day[sizeof("2026-01-01")] = "";
    time_t when = (time_t)(pin->retired_ms / 1000);
    struct tm tm;

    if (localtime_r(&when, &tm))
        (void)strftime(day, sizeof(day), "%F", &tm);
    return error_set(
        err, -EKEYREJECTED,
        "its host key %s was retired on %s%s%s; to accept it again: dcop-deploy trust %s %s",
        pin->fingerprint, day, t->pin ? ", and the pinned one is " : "", t->pin ? t->pin : "",
        t->id ? t->id : pin->fingerprint, pin->fingerprint);
}

static int refuse_held(const struct trust *t, const char *fingerprint, struct error *err)
{
    return error_set(
        err, -EKEYREJECTED,
        "it is new here and has the agent name '%s', which belonged to %s: a machine that "
        "took its place, or an impostor. Its host key is %s; if it is yours: "
        "dcop-deploy trust %s %s",
        t->agent ? t->agent : "", t->held_by, fingerprint, t->id ? t->id : "ID", fingerprint);
}

static int refuse_revoked(const char *fingerprint, const char *place, struct error *err)
{
    return error_set(
        err, -EKEYREJECTED,
        "its host key %s is revoked (%s): the machine needs a new one (`ssh-keygen -A` "
        "there, when the old one is removed), or it is an impostor",
        fingerprint, place);
}

/* As ssh(1) does. */
static int refuse_other_than_listed(const struct trust *t, const char *fingerprint,
                                    struct error *err)
{
    return error_set(
        err, -EKEYREJECTED,
        "its host key is %s, and your known_hosts has another for %s (%s): a reflashed "
        "card, or an impostor. If you know why it changed: remove that line, or "
        "dcop-deploy trust %s %s",
        fingerprint, t->host, t->listed, t->id ? t->id : fingerprint, fingerprint);
}

/* It may be that two addresses of an inventory were exchanged. */
static int refuse_renamed(const struct trust *t, const char *fingerprint, struct error *err)
{
    return error_set(err, -EKEYREJECTED,
                     "it is %s by its host key %s, which is to get the agent name '%s' of %s: is "
                     "this the machine's address? If it is, and the name is to move: dcop-deploy "
                     "assign --release %s",
                     t->id ? t->id : t->host, fingerprint, t->agent ? t->agent : "", t->held_by,
                     t->agent ? t->agent : "NAME");
}

/* --accept-new does not suffice: it cannot say which of the machines is the right one. */
static int refuse_doubtful(const struct trust *t, const char *fingerprint, struct error *err)
{
    if (t->cloned)
        return error_set(err, -EKEYREJECTED,
                         "it is new here, and another machine has the same id and host key: clones "
                         "of one image; on one of them: " ADVERT_CLONE_REMEDY);
    return error_set(err, -EKEYREJECTED,
                     "it is new here, and another machine has the same id: a reflashed card, or "
                     "an impostor. Its host key is %s; if this is the right one: dcop-deploy "
                     "trust %s %s",
                     fingerprint, t->id ? t->id : "ID", fingerprint);
}

/* The signature only covers the fingerprint that the advert names. */
static bool is_signed(const struct trust *t)
{
    return t->verified && t->expected;
}

const char *trust_find_revoked(const struct strings *revoked, const char *fingerprint)
{
    size_t size = strlen(fingerprint);

    for (size_t i = 0; revoked && i < revoked->count; i++)
        if (strncmp(revoked->items[i], fingerprint, size) == 0 && revoked->items[i][size] == ' ')
            return revoked->items[i] + size + 1;
    return NULL;
}

bool trust_is_confirmed(const struct trust *t, const char *fingerprint)
{
    return t->confirmed && strings_has(t->confirmed, fingerprint);
}

int trust_check(const struct trust *t, const char *fingerprint, struct error *err)
{
    const char *revoked = trust_find_revoked(t->revoked, fingerprint);
    const struct state_pin *retired;

    if (revoked)
        return refuse_revoked(fingerprint, revoked, err);
    if (t->pin && strcmp(t->pin, fingerprint) == 0)
        return t->written && t->held_by && !t->accept_held ? refuse_renamed(t, fingerprint, err)
                                                           : 0;
    retired = find_retired(t, fingerprint);
    if (retired)
        return refuse_retired(t, retired, err);
    if (t->pin)
        return error_set(err, -EKEYREJECTED,
                         "its host key is %s, but %s is pinned for machine %s: a reflashed card, "
                         "or an impostor. If you know why it changed: dcop-deploy trust %s %s",
                         fingerprint, t->pin, t->id ? t->id : t->host, t->id ? t->id : fingerprint,
                         fingerprint);
    if (t->expected && strcmp(t->expected, fingerprint) != 0)
        return error_set(err, -EKEYREJECTED,
                         "its host key is %s, but the record of %s says %s: another machine "
                         "answers at its address",
                         fingerprint, t->host, t->expected);
    if (t->listed && !trust_is_confirmed(t, fingerprint))
        return refuse_other_than_listed(t, fingerprint, err);
    if (t->held_by && !t->accept_held)
        return refuse_held(t, fingerprint, err);
    if (t->in_doubt && !t->pin && !is_signed(t))
        return refuse_doubtful(t, fingerprint, err);
    if (!t->accept_new && !is_signed(t) && !trust_is_confirmed(t, fingerprint))
        return error_set(err, -EKEYREJECTED,
                         "it is new here: its host key is %s. Compare it with `ssh-keygen -l -f "
                         "/etc/ssh/ssh_host_ed25519_key.pub` on the machine, then give "
                         "--accept-new, or: dcop-deploy trust %s %s",
                         fingerprint, t->id ? t->id : fingerprint, fingerprint);
    return 0;
}

enum pin_source trust_source(const struct trust *t)
{
    return !t->pin && is_signed(t) && t->source == PIN_ACCEPT ? PIN_SIGNATURE : t->source;
}

bool trust_gets_passwords(enum pin_source source)
{
    switch (source) {
    case PIN_ACCEPT:
        return false;
    case PIN_QUESTION:
    case PIN_SIGNATURE:
    case PIN_TRUST:
        return true;
    }
    return false;
}
