#include "mdns-service.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "discovery/base/text.h"

enum {
    HEADER_SIZE = 12,
    RECORD_SIZE = 10, /* type, class, TTL, length */
    TYPE_PTR = 12,
    TYPE_TXT = 16,
    TYPE_SRV = 33,
    CLASS_IN = 1,
    POINTERS_MAX = 16,
};

static const char suffix[] = "." ADVERT_TYPE ".local";

static void put_label(uint8_t *to, size_t *at, const char *label, size_t size)
{
    to[(*at)++] = (uint8_t)size;
    memcpy(to + *at, label, size);
    *at += size;
}

/* One question, for the type or for an instance of it. */
static void put_question(uint8_t *to, size_t *at, const char *first, uint8_t type)
{
    if (first)
        put_label(to, at, first, strnlen(first, MDNS_LABEL_MAX));
    put_label(to, at, "_dcop-agent", strlen("_dcop-agent"));
    put_label(to, at, "_tcp", strlen("_tcp"));
    put_label(to, at, "local", strlen("local"));
    to[(*at)++] = 0;
    to[(*at)++] = 0;
    to[(*at)++] = type;
    to[(*at)++] = 0;
    to[(*at)++] = CLASS_IN;
}

size_t mdns_question_write(const char *instance, uint8_t ret[static MDNS_QUESTION_MAX])
{
    size_t at = HEADER_SIZE;

    memset(ret, 0, HEADER_SIZE);
    ret[5] = instance ? 2 : 1; /* questions */
    if (!instance) {
        put_question(ret, &at, NULL, TYPE_PTR);
        return at;
    }
    put_question(ret, &at, instance, TYPE_SRV);
    put_question(ret, &at, instance, TYPE_TXT);
    return at;
}

/* The packet while it is read; `at` is the next byte. */
struct reader {
    const uint8_t *bytes;
    size_t size, at;
};

static unsigned number16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

/* Reads a name in dotted form; `first` is its first label's length.  False:
 * invalid. */
static bool read_name(struct reader *r, char ret[static MDNS_NAME_MAX + 1], size_t *ret_first)
{
    size_t at = r->at, n = 0;
    unsigned pointers = 0;
    bool jumped = false;

    *ret_first = 0;
    for (;;) {
        size_t length;

        if (at >= r->size)
            return false;
        length = r->bytes[at];
        if ((length & 0xc0) == 0xc0) {
            if (at + 1 >= r->size || ++pointers > POINTERS_MAX)
                return false;
            if (!jumped)
                r->at = at + 2;
            jumped = true;
            at = number16(r->bytes + at) & 0x3fff;
            continue;
        }
        if (length > MDNS_LABEL_MAX || at + 1 + length > r->size)
            return false;
        if (length == 0)
            break;
        if (n + length + 1 > MDNS_NAME_MAX)
            return false;
        if (n > 0)
            ret[n++] = '.';
        else
            *ret_first = length;
        memcpy(ret + n, r->bytes + at + 1, length);
        n += length;
        at += 1 + length;
    }
    if (!jumped)
        r->at = at + 1;
    ret[n] = '\0';
    return true;
}

struct record {
    char name[MDNS_NAME_MAX + 1];
    size_t first; /* length of the first label */
    unsigned type;
    bool goodbye;
    struct reader data; /* ends with the data; names in it may point before */
};

static bool read_record(struct reader *r, struct record *ret)
{
    const uint8_t *fixed;
    size_t length;

    if (!read_name(r, ret->name, &ret->first) || r->size - r->at < RECORD_SIZE)
        return false;
    fixed = r->bytes + r->at;
    length = number16(fixed + 8);
    r->at += RECORD_SIZE;
    if (length > r->size - r->at)
        return false;
    ret->type = number16(fixed);
    ret->goodbye = number16(fixed + 4) == 0 && number16(fixed + 6) == 0;
    ret->data = (struct reader){r->bytes, r->at + length, r->at};
    r->at += length;
    return true;
}

static bool is_instance(const struct record *record)
{
    return record->first > 0 && strcasecmp(record->name + record->first, suffix) == 0 &&
           !memchr(record->name, '\0', record->first);
}

/* The service of that name; creates it if there is room. */
static struct mdns_service *service_of(const struct record *record, struct mdns_service *services,
                                       size_t *count)
{
    struct mdns_service *s;

    for (size_t i = 0; i < *count; i++)
        if (strlen(services[i].instance) == record->first &&
            strncasecmp(services[i].instance, record->name, record->first) == 0)
            return &services[i];
    if (*count == MDNS_SERVICES_MAX)
        return NULL;
    s = &services[(*count)++];
    *s = (struct mdns_service){.txt = NULL};
    memcpy(s->instance, record->name, record->first);
    return s;
}

static void take_record(struct record *record, struct mdns_service *services, size_t *count)
{
    struct mdns_service *s;
    struct reader *data = &record->data;
    size_t first;

    if ((record->type != TYPE_TXT && record->type != TYPE_SRV) || record->goodbye ||
        !is_instance(record))
        return;
    s = service_of(record, services, count);
    if (!s)
        return;
    if (record->type == TYPE_TXT) {
        s->txt = data->bytes + data->at;
        s->txt_size = data->size - data->at;
    } else if (data->size - data->at > 6) { /* priority, weight, port, target: RFC 2782 */
        s->port = (uint16_t)number16(data->bytes + data->at + 4);
        data->at += 6;
        if (!read_name(data, s->host, &first))
            s->host[0] = '\0';
    }
}

size_t mdns_services_read(const uint8_t *bytes, size_t size,
                          struct mdns_service ret[static MDNS_SERVICES_MAX])
{
    struct reader r = {bytes, size, HEADER_SIZE};
    size_t count = 0, records;

    if (size < HEADER_SIZE || (bytes[2] & 0xf8) != 0x80) /* a response, opcode 0 */
        return 0;
    for (unsigned i = number16(bytes + 4); i > 0; i--) { /* questions that are repeated */
        char name[MDNS_NAME_MAX + 1];
        size_t first;

        if (!read_name(&r, name, &first) || r.size - r.at < 4)
            return 0;
        r.at += 4;
    }
    records = (size_t)number16(bytes + 6) + number16(bytes + 8) + number16(bytes + 10);
    for (size_t i = 0; i < records && i < MDNS_RECORDS_MAX; i++) {
        struct record record;

        if (!read_record(&r, &record))
            break;
        take_record(&record, ret, &count);
    }
    return count;
}
