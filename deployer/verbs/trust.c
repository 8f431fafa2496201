#include "deployer/verbs/verbs.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "discovery/advert.h"

static void add_pin(struct text *ret, const struct state_pin *pin)
{
    char day[sizeof("2026-01-01 00:00")];
    time_t created = (time_t)(pin->created_ms / 1000);
    struct tm tm;

    (void)strftime(day, sizeof(day), "%F %R", localtime_r(&created, &tm));
    text_addf(ret, "%s  %s  %s  %s%s\n", pin->id, pin->fingerprint, day,
              pin_source_name(pin->source), pin->retired_ms ? ", retired" : "");
}

static int show(struct state *state, const char *id, struct text *ret, struct error *err)
{
    CLEANUP(state_pins_clear) struct state_pins pins = {0};
    int r = state_pin_list(state, id, &pins, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < pins.count; i++)
        add_pin(ret, &pins.items[i]);
    if (pins.count == 0)
        text_adds(ret, "No host key is pinned.\n");
    return pins.count == 0 && id ? 1 : 0;
}

static int trust(struct state *state, char **arguments, int n, struct text *ret, struct error *err)
{
    struct state_pin pin = {.source = PIN_TRUST};
    int r;

    if (n > 2)
        return error_set(err, -EINVAL, "'trust' takes an id and a fingerprint, no more");
    if (n > 0 && !advert_id_valid(arguments[0]))
        return error_set(err, -EINVAL,
                         "'%s' is no machine's id: 16 hex digits, as in "
                         "`dcop-discover --json`",
                         arguments[0]);
    if (n < 2)
        return show(state, n ? arguments[0] : NULL, ret, err);
    pin.id = arguments[0];
    pin.fingerprint = arguments[1];
    if (!advert_hostkey_valid(pin.fingerprint))
        return error_set(err, -EINVAL,
                         "'%s' is no fingerprint: SHA256:… as `ssh-keygen -l` "
                         "prints it",
                         pin.fingerprint);
    r = state_pin_replace(state, &pin, err);
    if (r == 0)
        text_addf(ret, "%s is trusted with %s.\n", pin.id, pin.fingerprint);
    return r;
}

static int run(struct program *p, struct error *err)
{
    CLEANUP_TEXT struct text said = TEXT_INIT;
    int r = trust(p->state, p->options.arguments, p->options.n_arguments, &said, err);

    program_put(stdout, &said);
    return r;
}

const struct verb verb_trust = {
    .name = "trust",
    .arguments = "[ID [FINGERPRINT]]",
    .help = "show the pinned host keys, or accept a machine's",
    .run = run,
};
