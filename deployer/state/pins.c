#include <errno.h>
#include <string.h>

#include "database.h"
#include "discovery/base/clock.h"
#include "state.h"

static const char *const pin_sources[] = {
    [PIN_ACCEPT] = "accept",
    [PIN_QUESTION] = "question",
    [PIN_SIGNATURE] = "signature",
    [PIN_TRUST] = "trust",
};

const char *pin_source_name(enum pin_source source)
{
    return pin_sources[source];
}

/* An unknown source counts as the weakest one. */
static enum pin_source pin_source_from(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_SIZE(pin_sources); i++)
        if (strcmp(name, pin_sources[i]) == 0)
            return (enum pin_source)i;
    return PIN_ACCEPT;
}

static bool is_persons_word(enum pin_source source)
{
    return source == PIN_QUESTION || source == PIN_TRUST;
}

void state_pin_clear(struct state_pin *pin)
{
    free(pin->id);
    free(pin->fingerprint);
    free(pin->key_type);
    free(pin->key_base64);
    *pin = (struct state_pin){0};
}

void state_pins_clear(struct state_pins *pins)
{
    for (size_t i = 0; i < pins->count; i++)
        state_pin_clear(&pins->items[i]);
    free(pins->items);
    *pins = (struct state_pins){0};
}

#define PIN_COLUMNS "id, fingerprint, key_type, key_base64, source, created, retired"

static int read_pin(sqlite3_stmt *st, struct state_pin *ret, struct error *err)
{
    CLEANUP(state_pin_clear) struct state_pin pin = {0};
    bool failed = false;

    pin.id = state_column(st, 0, &failed);
    pin.fingerprint = state_column(st, 1, &failed);
    pin.key_type = state_column(st, 2, &failed);
    pin.key_base64 = state_column(st, 3, &failed);
    pin.source = pin_source_from((const char *)sqlite3_column_text(st, 4));
    pin.created_ms = sqlite3_column_int64(st, 5);
    pin.retired_ms = sqlite3_column_int64(st, 6);
    if (failed)
        return error_sys(err, -ENOMEM, "cannot read the pins");
    *ret = pin;
    pin = (struct state_pin){0};
    return 0;
}

int state_pin_get(struct state *s, const char *id, struct state_pin *ret, struct error *err)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    int r = state_prepare(s, "SELECT " PIN_COLUMNS " FROM pins WHERE id=? AND retired IS NULL", &st,
                          err, "s", id);

    if (r == 0)
        r = state_step(s, st, err);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    return read_pin(st, ret, err);
}

int state_pin_was_retired(struct state *s, const char *id, const char *fingerprint,
                          struct error *err)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    int r =
        state_prepare(s, "SELECT 1 FROM pins WHERE id=? AND fingerprint=? AND retired IS NOT NULL",
                      &st, err, "ss", id, fingerprint);

    if (r == 0)
        r = state_step(s, st, err);
    return r < 0 ? r : r > 0 ? 0 : -ENOENT;
}

static int retire_pin(struct state *s, const char *id, const char *but, struct error *err)
{
    return state_run(s, err,
                     "UPDATE pins SET retired=? WHERE id=? AND fingerprint<>? AND retired IS NULL",
                     "iss", clock_ms(CLOCK_REALTIME), id, but);
}

/* Within a transaction, when no other key is active. */
static int put_pin(struct state *s, const struct state_pin *pin, struct error *err)
{
    int r;

    if (!is_persons_word(pin->source)) {
        r = state_pin_was_retired(s, pin->id, pin->fingerprint, err);
        if (r == 0)
            return error_set(
                err, -EKEYREVOKED,
                "the host key %s of %s was retired; to accept it again: dcop-deploy trust %s %s",
                pin->fingerprint, pin->id, pin->id, pin->fingerprint);
        if (r != -ENOENT)
            return r;
    }
    return state_run(s, err,
                     "INSERT INTO pins(id, fingerprint, key_type, key_base64, source, created)"
                     " VALUES(?1,?2,?3,?4,?5,?6)"
                     " ON CONFLICT(id, fingerprint) DO UPDATE SET"
                     "  key_type=coalesce(excluded.key_type, key_type),"
                     "  key_base64=coalesce(excluded.key_base64, key_base64),"
                     "  source=CASE WHEN excluded.source='accept' THEN source"
                     "   ELSE excluded.source END,"
                     "  created=CASE WHEN retired IS NULL THEN created ELSE excluded.created END,"
                     "  retired=NULL",
                     "sssssi", pin->id, pin->fingerprint, pin->key_type, pin->key_base64,
                     pin_source_name(pin->source), clock_ms(CLOCK_REALTIME));
}

int state_pin_put(struct state *s, const struct state_pin *pin, struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    CLEANUP(state_pin_clear) struct state_pin now = {0};
    int r = transaction_begin(s, true, &t, err);

    if (r < 0)
        return r;
    r = state_pin_get(s, pin->id, &now, err);
    if (r < 0 && r != -ENOENT)
        return r;
    if (r == 0 && !string_equal(now.fingerprint, pin->fingerprint))
        return error_set(err, -EEXIST,
                         "%s is pinned to the host key %s, but shows %s; if it was reinstalled: "
                         "dcop-deploy trust %s %s",
                         pin->id, now.fingerprint, pin->fingerprint, pin->id, pin->fingerprint);
    r = put_pin(s, pin, err);
    return r < 0 ? r : transaction_end(&t, err);
}

int state_pin_replace(struct state *s, const struct state_pin *pin, struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    int r;

    if (!is_persons_word(pin->source))
        return error_set(err, -EPERM, "only a person can replace the pin of %s", pin->id);
    r = transaction_begin(s, true, &t, err);
    if (r == 0)
        r = retire_pin(s, pin->id, pin->fingerprint, err);
    if (r == 0)
        r = put_pin(s, pin, err);
    return r < 0 ? r : transaction_end(&t, err);
}

int state_pin_retire(struct state *s, const char *id, struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    int r = transaction_begin(s, true, &t, err);

    if (r == 0)
        r = retire_pin(s, id, "", err);
    if (r < 0)
        return r;
    if (sqlite3_changes(s->db) == 0)
        return -ENOENT;
    return transaction_end(&t, err);
}

int state_pin_revoke(struct state *s, const char *id, const char *fingerprint, struct error *err)
{
    CLEANUP_TRANSACTION struct transaction t = {0};
    int r = transaction_begin(s, true, &t, err);

    if (r == 0)
        r = state_run(s, err,
                      "INSERT INTO pins(id, fingerprint, source, created, retired)"
                      " VALUES(?1,?2,'trust',?3,?3)"
                      " ON CONFLICT(id, fingerprint) DO UPDATE SET retired=excluded.retired"
                      " WHERE retired IS NULL",
                      "ssi", id, fingerprint, clock_ms(CLOCK_REALTIME));
    return r < 0 ? r : transaction_end(&t, err);
}

int state_pin_by_fingerprint(struct state *s, const char *fingerprint, struct strings *ret,
                             struct error *err)
{
    return state_strings(s, ret, err,
                         "SELECT id FROM pins WHERE fingerprint=? AND retired IS NULL ORDER BY id",
                         "s", fingerprint);
}

int state_pin_list(struct state *s, const char *id, struct state_pins *ret, struct error *err)
{
    CLEANUP_STATEMENT sqlite3_stmt *st = NULL;
    CLEANUP(state_pins_clear) struct state_pins pins = {0};
    int r = state_prepare(s,
                          "SELECT " PIN_COLUMNS " FROM pins WHERE ?1 IS NULL OR id=?1"
                          " ORDER BY id, retired IS NOT NULL, created DESC, pin DESC",
                          &st, err, "s", id);

    while (r == 0 && (r = state_step(s, st, err)) > 0) {
        struct state_pin *items = reallocarray(pins.items, pins.count + 1, sizeof(*items));

        if (!items)
            return error_sys(err, -ENOMEM, "cannot read the pins");
        pins.items = items;
        r = read_pin(st, &items[pins.count], err);
        if (r == 0)
            pins.count++;
    }
    if (r < 0)
        return r;
    state_pins_clear(ret);
    *ret = pins;
    pins = (struct state_pins){0};
    return 0;
}

/* --- cloned cards -------------------------------------------------------------- */

static bool is_same_key(const struct state_pin *a, const struct state_pin *b)
{
    return !a->retired_ms && !b->retired_ms && strcmp(a->fingerprint, b->fingerprint) == 0;
}

static void add_shared(const struct state_pins *pins, size_t first, struct text *ret)
{
    size_t last = first;

    for (size_t i = first + 1; i < pins->count; i++)
        if (is_same_key(&pins->items[first], &pins->items[i]))
            last = i;
    if (last == first)
        return;
    text_addf(ret, "Machines %s", pins->items[first].id);
    for (size_t i = first + 1; i <= last; i++)
        if (is_same_key(&pins->items[first], &pins->items[i]))
            text_addf(ret, "%s%s", i == last ? " and " : ", ", pins->items[i].id);
    text_addf(
        ret,
        " have the same host key %s: their cards were cloned, and each can pass as the other. To "
        "give one its own key, run on it: sudo rm /etc/ssh/ssh_host_* && sudo ssh-keygen -A && "
        "sudo systemctl restart ssh; then here: dcop-deploy trust ID FINGERPRINT\n",
        pins->items[first].fingerprint);
}

int state_pins_shared_keys(const struct state_pins *pins, struct text *ret)
{
    for (size_t i = 0; i < pins->count; i++) {
        bool told = pins->items[i].retired_ms != 0;

        for (size_t before = 0; before < i && !told; before++)
            told = is_same_key(&pins->items[before], &pins->items[i]);
        if (!told)
            add_shared(pins, i, ret);
    }
    return text_error(ret);
}
