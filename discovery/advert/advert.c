#include "advert.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const state_names[] = {
    [ADVERT_STATE_NEW] = "new",
    [ADVERT_STATE_STOPPED] = "stopped",
    [ADVERT_STATE_RUNNING] = "running",
    [ADVERT_STATE_FAILED] = "failed",
};

const char *advert_state_name(enum advert_state state)
{
    return (size_t)state < ARRAY_SIZE(state_names) ? state_names[state] : NULL;
}

enum advert_state advert_state_from_name(const char *name)
{
    for (size_t i = 1; i < ARRAY_SIZE(state_names); i++)
        if (strcmp(state_names[i], name) == 0)
            return (enum advert_state)i;
    return ADVERT_STATE_UNKNOWN;
}

bool advert_is_name_of(const char *instance, const char *id)
{
    const size_t prefix = strlen(ADVERT_INSTANCE_PREFIX), n = strlen(id);
    const char *end;
    size_t digits;

    if (strncmp(instance, ADVERT_INSTANCE_PREFIX, prefix) != 0 ||
        strncmp(instance + prefix, id, n) != 0)
        return false;
    end = instance + prefix + n;
    if (strncmp(end, " #", 2) != 0)
        return !*end;
    digits = strspn(end + 2, "0123456789");
    return digits > 0 && digits <= 3 && !end[2 + digits];
}

bool advert_id_valid(const char *id)
{
    return string_is_one_of(id, "0123456789abcdef", ADVERT_ID_LENGTH, ADVERT_ID_LENGTH);
}

static bool is_line(const char *value, size_t size)
{
    return utf8_valid(value, size) && !memchr(value, '\0', size) && !memchr(value, '\n', size);
}

bool advert_agent_valid(const char *name, size_t size)
{
    /* "agent" and up to three digits and "=" in front: RFC 6763 §6.1. */
    return size > 0 && size <= ADVERT_PAIR_MAX - sizeof("agent999=") + 1 && is_line(name, size);
}

bool advert_fleet_valid(const char *fleet)
{
    return string_is_one_of(fleet, "abcdefghijklmnopqrstuvwxyz0123456789-", 2, 62);
}

bool advert_user_valid(const char *user)
{
    return (*user == '_' || islower((unsigned char)*user)) &&
           string_is_one_of(user, "abcdefghijklmnopqrstuvwxyz0123456789_-", 1, 32);
}

bool advert_hostkey_valid(const char *hostkey)
{
    /* ssh-keygen(1) -l: 32 bytes in base64 without padding. */
    return strncmp(hostkey, "SHA256:", 7) == 0 &&
           string_is_one_of(hostkey + 7,
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 43,
                            43);
}

/* base64url of a SHA-256, without padding: sign.h. */
static bool signature_valid(const char *signature)
{
    return string_is_one_of(
        signature, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 43, 43);
}

static bool word_valid(const char *word)
{
    size_t n = strlen(word);

    for (size_t i = 0; i < n; i++)
        if (!isgraph((unsigned char)word[i]))
            return false;
    return n > 0 && n <= ADVERT_WORD_MAX;
}

static bool model_valid(const char *model)
{
    size_t n = strlen(model);

    return n > 0 && n <= ADVERT_MODEL_MAX;
}

static bool error_valid(const char *error)
{
    size_t n = strlen(error);

    return n > 0 && n <= ADVERT_ERROR_MAX;
}

/* The keys with one string each, which are read, written and compared in the
 * same way. */
static const struct field {
    const char *key;
    size_t offset;
    bool (*valid)(const char *value);
} fields[] = {
    {"fleet", offsetof(struct advert, fleet), advert_fleet_valid},
    {"user", offsetof(struct advert, user), advert_user_valid},
    {"hk", offsetof(struct advert, hostkey), advert_hostkey_valid},
    {"os", offsetof(struct advert, os), word_valid},
    {"arch", offsetof(struct advert, arch), word_valid},
    {"py", offsetof(struct advert, python), word_valid},
    {"model", offsetof(struct advert, model), model_valid},
    {"pydcop", offsetof(struct advert, pydcop), word_valid},
    {"err", offsetof(struct advert, error), error_valid},
};

static char **field_of(struct advert *a, const struct field *f)
{
    return (char **)(void *)((char *)a + f->offset);
}

static const char *field_get(const struct advert *a, const struct field *f)
{
    return *(char *const *)(const void *)((const char *)a + f->offset);
}

void advert_clear(struct advert *a)
{
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        free(*field_of(a, &fields[i]));
    free(a->signature);
    strings_clear(&a->agents);
    *a = ADVERT_INIT;
}

bool advert_equal(const struct advert *a, const struct advert *b)
{
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (!string_equal(field_get(a, &fields[i]), field_get(b, &fields[i])))
            return false;
    return strcmp(a->id, b->id) == 0 && a->state == b->state &&
           strings_equal(&a->agents, &b->agents);
}

/* One "key=value" string of the record; without "=", value is NULL. */
struct pair {
    const char *key, *value;
    size_t key_size, value_size;
};

static bool key_is(const struct pair *p, const char *key)
{
    return p->key_size == strlen(key) && strncasecmp(p->key, key, p->key_size) == 0;
}

/* Takes the next pair from the record; -EBADMSG when its length exceeds the
 * record. */
static int next_pair(const uint8_t **at, size_t *left, struct pair *ret)
{
    size_t size = (*at)[0];
    const char *equals;

    if (size >= *left)
        return -EBADMSG;
    ret->key = (const char *)*at + 1;
    equals = memchr(ret->key, '=', size);
    ret->key_size = equals ? (size_t)(equals - ret->key) : size;
    ret->value = equals ? equals + 1 : NULL;
    ret->value_size = equals ? size - ret->key_size - 1 : 0;
    *at += size + 1;
    *left -= size + 1;
    return 0;
}

/* "agent" is number 1, "agent2" number 2 …; 0 for other keys ("agent02"). */
static unsigned agent_number(const struct pair *p)
{
    unsigned number = 0;

    if (p->key_size < 5 || strncasecmp(p->key, "agent", 5) != 0)
        return 0;
    if (p->key_size == 5)
        return 1;
    if (p->key_size > 8 || p->key[5] == '0')
        return 0;
    for (size_t i = 5; i < p->key_size; i++) {
        if (!isdigit((unsigned char)p->key[i]))
            return 0;
        number = number * 10 + (unsigned)(p->key[i] - '0');
    }
    return number >= 2 && number <= ADVERT_AGENTS_MAX ? number : 0;
}

/* A decimal number; 0 when it is not a number or does not fit. */
static uint64_t parse_seq(const char *value)
{
    if (!string_is_one_of(value, "0123456789", 1, 19)) /* 10^19 - 1 fits */
        return 0;
    return strtoull(value, NULL, 10);
}

/* Stores a single-valued pair; ignores unknown keys, invalid values and
 * repeated keys. */
static int store_pair(struct advert *a, const struct pair *p)
{
    CLEANUP_FREE char *value = NULL;

    if (!p->value || !is_line(p->value, p->value_size))
        return 0;
    value = strndup(p->value, p->value_size);
    if (!value)
        return -ENOMEM;
    if (key_is(p, "id")) {
        if (!*a->id && advert_id_valid(value))
            memcpy(a->id, value, sizeof(a->id));
    } else if (key_is(p, "state")) {
        if (a->state == ADVERT_STATE_UNKNOWN)
            a->state = advert_state_from_name(value);
    } else if (key_is(p, "seq")) {
        if (a->seq == 0)
            a->seq = parse_seq(value);
    } else if (key_is(p, "sig")) {
        if (!a->signature && signature_valid(value))
            a->signature = TAKE_PTR(value);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        char **field = field_of(a, &fields[i]);

        if (key_is(p, fields[i].key) && !*field && fields[i].valid(value))
            *field = TAKE_PTR(value);
        if (!value)
            break;
    }
    return 0;
}

/* The names, in the order of their numbers, up to the first gap; a name given
 * twice counts once. */
static int collect_agents(struct advert *a, const struct pair *agents, size_t count)
{
    for (size_t i = 1; i <= count && agents[i].value; i++) {
        CLEANUP_FREE char *name = NULL;

        if (!advert_agent_valid(agents[i].value, agents[i].value_size))
            continue;
        name = strndup(agents[i].value, agents[i].value_size);
        if (!name)
            return -ENOMEM;
        if (!strings_has(&a->agents, name) && strings_add(&a->agents, name) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int parse_pairs(struct advert *a, const uint8_t *txt, size_t size, struct error *err)
{
    struct pair agents[ADVERT_AGENTS_MAX + 1] = {0};
    bool version_seen = false;
    int r;

    while (size > 0) {
        struct pair p;
        unsigned number;

        if (next_pair(&txt, &size, &p) < 0)
            return error_set(err, -EBADMSG, "a length in the record is wrong");
        if (key_is(&p, "txtvers") && !version_seen) {
            if (p.value_size != 1 || p.value[0] != '1')
                return error_set(err, -EBADMSG, "the record's txtvers is not 1");
            version_seen = true;
            continue;
        }
        number = agent_number(&p);
        if (number == 0)
            r = store_pair(a, &p);
        else {
            if (!agents[number].value)
                agents[number] = p;
            r = 0;
        }
        if (r < 0)
            return error_sys(err, r, "cannot parse the record");
    }
    if (!version_seen)
        return error_set(err, -EBADMSG, "the record has no txtvers");
    if (!*a->id)
        return error_set(err, -EBADMSG, "the record has no valid id");
    r = collect_agents(a, agents, ADVERT_AGENTS_MAX);
    return r < 0 ? error_sys(err, r, "cannot parse the record") : 0;
}

int advert_parse(const uint8_t *txt, size_t size, struct advert *ret, struct error *err)
{
    CLEANUP(advert_clear) struct advert a = ADVERT_INIT;
    int r;

    if (size > ADVERT_TXT_MAX)
        return error_set(err, -EBADMSG, "the record is larger than %d bytes", ADVERT_TXT_MAX);
    r = parse_pairs(&a, txt, size, err);
    if (r < 0)
        return r;
    *ret = a;
    a = ADVERT_INIT;
    return 0;
}

/* The record while it is written. */
struct writer {
    uint8_t *bytes;
    size_t size, max;
};

static bool put_pair(struct writer *w, const char *key, const char *value)
{
    size_t key_size = strlen(key), value_size = strlen(value);
    size_t size = key_size + 1 + value_size;
    uint8_t *at = w->bytes + w->size;

    if (size > ADVERT_PAIR_MAX || w->size + 1 + size > w->max)
        return false;
    at[0] = (uint8_t)size;
    memcpy(at + 1, key, key_size);
    at[1 + key_size] = '=';
    memcpy(at + 2 + key_size, value, value_size);
    w->size += 1 + size;
    return true;
}

/* Cuts `error` to the size that its key allows, at a character's boundary. */
static void cut_error(char *error)
{
    size_t n = strlen(error);

    if (n <= ADVERT_ERROR_MAX)
        return;
    n = ADVERT_ERROR_MAX;
    while (n > 0 && ((unsigned char)error[n] & 0xc0) == 0x80)
        n--;
    error[n] = '\0';
}

static void put_fields(struct writer *w, const struct advert *a, const char *error)
{
    const char *state = advert_state_name(a->state);

    put_pair(w, "txtvers", "1");
    put_pair(w, "id", a->id);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        const char *value = field_get(a, &fields[i]);

        if (fields[i].offset == offsetof(struct advert, error))
            value = error;
        if (value && is_line(value, strlen(value)) && fields[i].valid(value))
            put_pair(w, fields[i].key, value);
    }
    if (state)
        put_pair(w, "state", state);
    if (a->seq > 0) {
        char seq[24];

        (void)snprintf(seq, sizeof(seq), "%" PRIu64, a->seq);
        put_pair(w, "seq", seq);
    }
}

/* Writes as many names as fit, from the first; skips names that readers would
 * refuse.  Returns how many. */
static size_t put_agents(struct writer *w, const struct strings *agents)
{
    size_t n = 0;

    for (size_t i = 0; i < agents->count && n < ADVERT_AGENTS_MAX; i++) {
        const char *name = agents->items[i];
        char key[sizeof("agent") + 11];

        if (!advert_agent_valid(name, strlen(name)))
            continue;
        if (n == 0)
            (void)snprintf(key, sizeof(key), "agent");
        else
            (void)snprintf(key, sizeof(key), "agent%zu", n + 1);
        if (!put_pair(w, key, name))
            break;
        n++;
    }
    return n;
}

/* Writes the record again with an error that names were left out.  The error
 * takes room and may push out more names, so this repeats until its numbers are
 * right.  Each round leaves out more names, so the loop ends. */
static int put_complaint(struct writer *w, const struct advert *a, const char *error, size_t *put)
{
    size_t said;

    do {
        CLEANUP_FREE char *complaint = NULL;

        said = *put;
        if (asprintf(&complaint, "%zu of %zu agent names do not fit the record%s%s",
                     a->agents.count - said, a->agents.count, error ? "; " : "",
                     error ? error : "") < 0) {
            complaint = NULL;
            return -ENOMEM;
        }
        cut_error(complaint);
        w->size = 0;
        put_fields(w, a, complaint);
        *put = put_agents(w, &a->agents);
    } while (*put < said);
    return 0;
}

int advert_encode_within(const struct advert *a, size_t max, uint8_t ret[static ADVERT_TXT_MAX],
                         size_t *ret_size)
{
    CLEANUP_FREE char *error = NULL;
    struct writer w = {.bytes = ret, .max = max < ADVERT_TXT_MAX ? max : ADVERT_TXT_MAX};
    size_t put;

    if (a->error) {
        error = strdup(a->error);
        if (!error)
            return -ENOMEM;
        cut_error(error);
    }
    put_fields(&w, a, error);
    put = put_agents(&w, &a->agents);
    if (put < a->agents.count && put_complaint(&w, a, error, &put) < 0)
        return -ENOMEM;
    *ret_size = w.size;
    return (int)(a->agents.count - put);
}

int advert_encode(const struct advert *a, uint8_t ret[static ADVERT_TXT_MAX], size_t *ret_size)
{
    return advert_encode_within(a, ADVERT_TXT_MAX, ret, ret_size);
}
