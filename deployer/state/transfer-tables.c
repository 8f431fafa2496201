#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "deployer/base/destination.h"
#include "discovery/advert/advert.h"
#include "discovery/base/digest.h"
#include "transfer-private.h"

/* 9999-12-31: what RFC 3339 can write. */
#define TIME_MAX INT64_C(253402300799999)

/* Far above any clock's, and far below the end, at which a machine's own would be refused. */
#define SEQ_MAX (INT64_C(1) << 53)

enum { POSITION_MAX = 100000 };

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* --- values -------------------------------------------------------------------------- */

/* What has no id yet is known by its host key. */
static bool is_id(const char *value)
{
    return advert_id_valid(value) || advert_hostkey_valid(value);
}

static bool is_agent(const char *value)
{
    return advert_agent_valid(value, strlen(value));
}

static bool is_source(const char *value)
{
    for (int source = PIN_ACCEPT; source <= PIN_TRUST; source++)
        if (strcmp(value, pin_source_name((enum pin_source)source)) == 0)
            return true;
    return false;
}

static bool is_key_type(const char *value)
{
    return string_is_one_of(value, "abcdefghijklmnopqrstuvwxyz0123456789-.@", 1, 64);
}

static bool is_base64(const char *value)
{
    return string_is_one_of(value, LETTERS "+/=", 1, TRANSFER_KEY_MAX);
}

static bool is_line(const char *value)
{
    size_t size = strlen(value);

    for (const char *c = value; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return false;
    return size <= TRANSFER_TEXT_MAX && utf8_valid(value, size);
}

static bool is_word(const char *value)
{
    return is_line(value) && !strchr(value, ' ');
}

bool transfer_is_spec(const char *value)
{
    size_t name = strcspn(value, "="), version = strlen(value);

    version = version > name + 2 ? version - name - 2 : 0;
    return version > 0 && name > 0 && version <= TRANSFER_TEXT_MAX && name <= TRANSFER_TEXT_MAX &&
           strncmp(value + name, "==", 2) == 0 && strchr(LETTERS, *value) &&
           strspn(value, LETTERS "._-") == name &&
           strspn(value + name + 2, LETTERS "._-+!") == version;
}

/* A fingerprint is the digest of the key beside it. */
static bool is_pin(const json_t *row)
{
    const char *key = json_string_value(json_object_get(row, "key_base64"));
    const char *fingerprint = json_string_value(json_object_get(row, "fingerprint"));
    CLEANUP_FREE char *bytes = key ? strdup(key) : NULL;
    char text[DIGEST_BASE64_LENGTH + 1];
    uint8_t digest[DIGEST_SIZE];
    size_t size;

    if (!key)
        return true;
    if (!bytes || !json_object_get(row, "key_type") || base64_decode(bytes, &size) < 0)
        return false;
    digest_sha256(bytes, size, digest);
    digest_base64(digest, text);
    return strcmp(fingerprint + strlen("SHA256:"), text) == 0;
}

/* --- tables --------------------------------------------------------------------------- */

static const struct transfer_column machines[] = {
    {"id", true, is_id, 0},
    {"fingerprint", false, advert_hostkey_valid, 0},
    {"host", false, is_line, 0},
    {"fleet", false, advert_fleet_valid, 0},
    {"address", false, is_word, 0},
    {"port", false, NULL, UINT16_MAX},
    {"user", false, destination_user_valid, 0},
    {"arch", false, is_word, 0},
    {"os", false, is_word, 0},
    {"version", false, is_word, 0},
    {"digest", false, is_word, 0},
    {"first_seen", true, NULL, TIME_MAX},
    {"last_seen", true, NULL, TIME_MAX},
    {"agents_address", false, is_word, 0},
    {"by_hand", false, NULL, 1},
    {NULL, false, NULL, 0},
};

static const struct transfer_column pins[] = {
    {"id", true, is_id, 0},
    {"fingerprint", true, advert_hostkey_valid, 0},
    {"key_type", false, is_key_type, 0},
    {"key_base64", false, is_base64, 0},
    {"source", true, is_source, 0},
    {"created", true, NULL, TIME_MAX},
    {"retired", false, NULL, TIME_MAX},
    {NULL, false, NULL, 0},
};

static const struct transfer_column names[] = {
    {"fleet", true, advert_fleet_valid, 0},
    {"agent", true, is_agent, 0},
    {"id", true, is_id, 0},
    {"position", true, NULL, POSITION_MAX},
    {"held", true, NULL, 1},
    {"changed", true, NULL, TIME_MAX},
    {NULL, false, NULL, 0},
};

static const struct transfer_column seqs[] = {
    {"id", true, is_id, 0},
    {"fingerprint", true, advert_hostkey_valid, 0},
    {"seq", true, NULL, SEQ_MAX},
    {NULL, false, NULL, 0},
};

const struct transfer_table transfer_tables[] = {
    {"machines",
     "id, fingerprint, host, fleet, address, port, user, arch, os, version, digest, first_seen,"
     " last_seen, agents_address, by_hand",
     "id", machines, NULL},
    {"pins", "id, fingerprint, key_type, key_base64, source, created, retired", "pin", pins,
     is_pin},
    {"names", "fleet, agent, id, position, held, changed", "fleet, agent", names, NULL},
    {"seqs", "id, fingerprint, seq", "id, fingerprint", seqs, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static bool is_valid(const struct transfer_column *column, const json_t *value)
{
    if (!value)
        return !column->required;
    if (!column->text)
        return json_is_integer(value) && json_integer_value(value) >= 0 &&
               json_integer_value(value) <= column->max;
    return json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value) &&
           column->text(json_string_value(value));
}

int transfer_check_row(const struct transfer_table *t, const struct json_t *row, struct error *err)
{
    size_t found = 0;

    if (!json_is_object(row))
        return error_set(err, -EBADMSG, "it is no object");
    for (const struct transfer_column *column = t->items; column->name; column++) {
        const json_t *value = json_object_get(row, column->name);

        if (!is_valid(column, value))
            return error_set(err, -EBADMSG, "'%s' is not valid", column->name);
        found += value != NULL;
    }
    if (found != json_object_size(row))
        return error_set(err, -EBADMSG, "it has a value of an unknown kind");
    return t->row && !t->row(row) ? error_set(err, -EBADMSG, "its values do not fit each other")
                                  : 0;
}
