#include "mdns-answer.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "discovery/base/text.h"

enum {
    HEADER_SIZE = 12,
    RECORD_SIZE = 10, /* type, class, TTL, length */
    TYPE_A = 1,
    TYPE_PTR = 12,
    TYPE_TXT = 16,
    TYPE_AAAA = 28,
    TYPE_SRV = 33,
    CLASS_IN = 1,
    POINTERS_MAX = 16,
};

static const char nobody[] = "nobody";
static const char local[] = "local";

static void put_label(uint8_t *to, size_t *at, const char *label, size_t size)
{
    to[(*at)++] = (uint8_t)size;
    memcpy(to + *at, label, size);
    *at += size;
}

static void put_pointer(uint8_t *to, size_t *at, size_t where) /* RFC 1035 §4.1.4 */
{
    to[(*at)++] = (uint8_t)(0xc0 | where >> 8);
    to[(*at)++] = (uint8_t)where;
}

/* One question, for a type of service or for an instance of it. */
static void put_question(uint8_t *to, size_t *at, const char *first, const char *service,
                         uint8_t type)
{
    size_t name = strcspn(service, ".");

    if (first)
        put_label(to, at, first, strnlen(first, MDNS_LABEL_MAX));
    put_label(to, at, service, name);
    put_label(to, at, service + name + 1, strlen(service + name + 1));
    put_label(to, at, local, strlen(local));
    to[(*at)++] = 0;
    to[(*at)++] = 0;
    to[(*at)++] = type;
    to[(*at)++] = 0;
    to[(*at)++] = CLASS_IN;
}

/* One known answer, an instance that does not exist: Avahi suppresses its own question
 * only for one without known answers.  `type`: where the packet has the type's name. */
static void put_known_answer(uint8_t *to, size_t *at, size_t type)
{
    static const uint8_t middle[] = {0, TYPE_PTR, 0, CLASS_IN, 0, 0, 0, 120, 0};

    put_pointer(to, at, type);
    memcpy(to + *at, middle, sizeof(middle));
    *at += sizeof(middle);
    to[(*at)++] = (uint8_t)(1 + strlen(nobody) + 2);
    put_label(to, at, nobody, strlen(nobody));
    put_pointer(to, at, type);
    to[7] = 1;
}

size_t mdns_question_write(const char *instance, uint16_t transaction, bool shared,
                           uint8_t ret[static MDNS_QUESTION_MAX])
{
    size_t at = HEADER_SIZE, type = HEADER_SIZE;

    memset(ret, 0, HEADER_SIZE);
    ret[0] = (uint8_t)(transaction >> 8);
    ret[1] = (uint8_t)transaction;
    ret[5] = instance ? 2 : 1; /* questions */
    if (instance) {
        type += 1 + strnlen(instance, MDNS_LABEL_MAX);
        put_question(ret, &at, instance, ADVERT_TYPE, TYPE_SRV);
        put_question(ret, &at, instance, ADVERT_TYPE, TYPE_TXT);
    } else {
        put_question(ret, &at, NULL, ADVERT_TYPE, TYPE_PTR);
    }
    if (shared)
        put_known_answer(ret, &at, type);
    return at;
}

size_t mdns_types_question_write(const char *const *types, size_t count, uint16_t transaction,
                                 uint8_t ret[static MDNS_QUESTION_MAX])
{
    const size_t around = sizeof("local") + 2 + 4; /* labels' lengths, root, type and class */
    size_t at = HEADER_SIZE;

    memset(ret, 0, HEADER_SIZE);
    ret[0] = (uint8_t)(transaction >> 8);
    ret[1] = (uint8_t)transaction;
    for (size_t i = 0; i < count && at + strlen(types[i]) + around <= MDNS_QUESTION_MAX; i++) {
        put_question(ret, &at, NULL, types[i], TYPE_PTR);
        ret[5]++;
    }
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
    uint32_t ttl; /* seconds */
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
    ret->ttl = (uint32_t)number16(fixed + 4) << 16 | number16(fixed + 6);
    ret->goodbye = ret->ttl == 0;
    ret->data = (struct reader){r->bytes, r->at + length, r->at};
    r->at += length;
    return true;
}

/* Is it the type's name? */
static bool is_type(const char *name, const char *type)
{
    size_t n = strlen(type);

    return strncasecmp(name, type, n) == 0 && name[n] == '.' &&
           strcasecmp(name + n + 1, local) == 0;
}

/* Is this the name of an instance: one label, then the type? */
static bool is_instance(const char *name, size_t first, const char *type)
{
    return first > 0 && !memchr(name, '\0', first) && name[first] == '.' &&
           is_type(name + first + 1, type);
}

/* The service of that name; creates it if there is room. */
static struct mdns_service *service_of(struct mdns_answer *a, const char *name, size_t first)
{
    struct mdns_service *s;

    for (size_t i = 0; i < a->n_services; i++)
        if (strlen(a->services[i].instance) == first &&
            strncasecmp(a->services[i].instance, name, first) == 0)
            return &a->services[i];
    if (a->n_services == MDNS_SERVICES_MAX)
        return NULL;
    s = &a->services[a->n_services++];
    *s = (struct mdns_service){.txt = NULL};
    memcpy(s->instance, name, first);
    return s;
}

const struct mdns_host *mdns_answer_host(const struct mdns_answer *a, const char *name)
{
    for (size_t i = 0; i < a->n_hosts; i++)
        if (strcasecmp(a->hosts[i].name, name) == 0)
            return &a->hosts[i];
    return NULL;
}

static void take_txt(struct mdns_service *s, const struct reader *data)
{
    s->txt = data->bytes + data->at;
    s->txt_size = data->size - data->at;
}

/* Priority, weight, port, target: RFC 2782. */
static void take_srv(struct mdns_service *s, struct reader *data)
{
    size_t first;

    if (data->size - data->at <= 6)
        return;
    s->located = true;
    s->port = (uint16_t)number16(data->bytes + data->at + 4);
    data->at += 6;
    if (!read_name(data, s->host, &first))
        s->host[0] = '\0';
}

/* The instance that a PTR record of the type names. */
static void take_ptr(struct mdns_answer *a, struct record *record)
{
    char name[MDNS_NAME_MAX + 1];
    struct mdns_service *s;
    size_t first;

    if (!is_type(record->name, a->type) || !read_name(&record->data, name, &first) ||
        !is_instance(name, first, a->type))
        return;
    s = service_of(a, name, first);
    if (s && record->goodbye)
        s->goodbye = true;
}

static void take_address(struct mdns_answer *a, const struct record *record)
{
    size_t size = record->data.size - record->data.at, n = strlen(record->name);
    struct address address = {.family = record->type == TYPE_A ? AF_INET : AF_INET6};
    struct mdns_host *h = NULL;

    if (size != (record->type == TYPE_A ? 4 : 16) || n == 0 || record->goodbye)
        return;
    memcpy(address.bytes, record->data.bytes + record->data.at, size);
    for (size_t i = 0; i < a->n_hosts && !h; i++)
        if (strcasecmp(a->hosts[i].name, record->name) == 0)
            h = &a->hosts[i];
    if (!h && a->n_hosts < MDNS_HOSTS_MAX) {
        h = &a->hosts[a->n_hosts++];
        memcpy(h->name, record->name, n + 1);
        h->n_addresses = 0;
    }
    if (h && h->n_addresses < MDNS_ADDRESSES_MAX)
        h->addresses[h->n_addresses++] = address;
}

static void take_record(struct mdns_answer *a, struct record *record)
{
    bool service = record->type == TYPE_TXT || record->type == TYPE_SRV;
    struct mdns_service *s;

    if (record->type == TYPE_PTR)
        take_ptr(a, record);
    else if (record->type == TYPE_A || record->type == TYPE_AAAA)
        take_address(a, record);
    if (!service || !is_instance(record->name, record->first, a->type))
        return;
    s = service_of(a, record->name, record->first);
    if (!s)
        return;
    if (record->ttl > s->ttl)
        s->ttl = record->ttl;
    if (record->goodbye)
        s->goodbye = s->goodbye || record->type == TYPE_SRV;
    else if (record->type == TYPE_TXT)
        take_txt(s, &record->data);
    else
        take_srv(s, &record->data);
}

/* The questions that an answer repeats. */
static bool skip_questions(struct reader *r, unsigned count)
{
    char name[MDNS_NAME_MAX + 1];
    size_t first;

    for (; count > 0; count--) {
        if (!read_name(r, name, &first) || r->size - r->at < 4)
            return false;
        r->at += 4;
    }
    return true;
}

bool mdns_answer_parse(const uint8_t *bytes, size_t size, struct mdns_answer *ret)
{
    return mdns_answer_parse_type(bytes, size, ADVERT_TYPE, ret);
}

bool mdns_answer_parse_type(const uint8_t *bytes, size_t size, const char *type,
                            struct mdns_answer *ret)
{
    struct reader r = {bytes, size, HEADER_SIZE};
    size_t records;

    ret->type = type;
    ret->n_services = ret->n_hosts = 0;
    if (size < HEADER_SIZE || (bytes[2] & 0xf8) != 0x80) /* a response, opcode 0 */
        return false;
    ret->transaction = (uint16_t)number16(bytes);
    if (!skip_questions(&r, number16(bytes + 4)))
        return false;
    records = (size_t)number16(bytes + 6) + number16(bytes + 8) + number16(bytes + 10);
    for (size_t i = 0; i < records && i < MDNS_RECORDS_MAX; i++) {
        struct record record;

        if (!read_record(&r, &record))
            break;
        take_record(ret, &record);
    }
    return true;
}
