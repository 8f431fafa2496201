#include "dns-answer.h"

#include <ctype.h>
#include <errno.h>
#include <resolv.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { SRV_FIXED = 6 /* priority, weight, port: RFC 2782 */ };

/* Finds the records of one name in an answer. */
struct finder {
    ns_msg message;
    char owner[NS_MAXDNAME]; /* the name itself, or that of which it is an alias */
    int next;
};

static int broken(const char *name, struct error *err)
{
    return error_set(err, -EBADMSG, "the DNS server's answer for %s is broken", name);
}

/* 1 and the next record of a type that the owner has; 0: there is none; -EBADMSG. */
static int find_record(struct finder *f, ns_type type, ns_rr *ret)
{
    while (f->next < ns_msg_count(f->message, ns_s_an)) {
        if (ns_parserr(&f->message, ns_s_an, f->next++, ret) < 0)
            return -EBADMSG;
        if (ns_rr_class(*ret) == ns_c_in && ns_rr_type(*ret) == type &&
            strcasecmp(ns_rr_name(*ret), f->owner) == 0)
            return 1;
    }
    return 0;
}

/* The name in a record's data; false: it is broken, longer than the data, or the root. */
static bool read_name(const struct finder *f, const ns_rr *rr, size_t at,
                      char ret[static NS_MAXDNAME])
{
    int n;

    if (ns_rr_rdlen(*rr) <= at)
        return false;
    n = dn_expand(ns_msg_base(f->message), ns_msg_end(f->message), ns_rr_rdata(*rr) + at, ret,
                  NS_MAXDNAME);
    return n > 0 && (size_t)n == ns_rr_rdlen(*rr) - at && *ret;
}

/* Sets the owner to what the name stands for. */
static int follow_aliases(struct finder *f, const char *name, struct error *err)
{
    for (int aliases = 0; aliases <= DNS_ALIASES_MAX; aliases++) {
        ns_rr rr;
        int r;

        f->next = 0;
        r = find_record(f, ns_t_cname, &rr);
        f->next = 0;
        if (r == 0)
            return 0;
        if (r < 0 || !read_name(f, &rr, 0, f->owner))
            return broken(name, err);
    }
    return error_set(err, -ELOOP, "%s is an alias (CNAME) of itself, or of too many others", name);
}

static int find_begin(struct finder *f, const uint8_t *answer, size_t size, const char *name,
                      struct error *err)
{
    size_t n = strlen(name);

    if (n >= sizeof(f->owner) || ns_initparse(answer, (int)size, &f->message) < 0)
        return broken(name, err);
    memcpy(f->owner, name, n + 1);
    return follow_aliases(f, name, err);
}

/* The first record of the name: 0, or an error. */
static int find_first(struct finder *f, const uint8_t *answer, size_t size, const char *name,
                      ns_type type, const char *what, ns_rr *ret, struct error *err)
{
    int r = find_begin(f, answer, size, name, err);

    if (r < 0)
        return r;
    r = find_record(f, type, ret);
    if (r < 0)
        return broken(name, err);
    return r > 0 ? 0 : error_set(err, -ENODATA, "%s has no %s record", name, what);
}

/* The end of the first label, its dot or the NUL. */
static const char *label_end(const char *name)
{
    for (; *name && *name != '.'; name++)
        if (name[0] == '\\' && name[1])
            name++;
    return name;
}

static bool is_instance_of(const char *name, const char *type)
{
    const char *end = label_end(name);

    return end > name && *end == '.' && strcasecmp(end + 1, type) == 0;
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_once(struct strings *s)
{
    size_t n = 0;

    if (s->count == 0)
        return;
    qsort(s->items, s->count, sizeof(*s->items), compare_strings);
    for (size_t i = 1; i < s->count; i++)
        if (strcmp(s->items[n], s->items[i]) == 0)
            free(s->items[i]);
        else
            s->items[++n] = s->items[i];
    s->count = n + 1;
}

int dns_answer_instances(const uint8_t *answer, size_t size, const char *type, struct strings *ret,
                         struct error *err)
{
    char name[NS_MAXDNAME];
    struct finder f;
    ns_rr rr;
    int r = find_begin(&f, answer, size, type, err);

    if (r < 0)
        return r;
    while ((r = find_record(&f, ns_t_ptr, &rr)) > 0) {
        if (!read_name(&f, &rr, 0, name))
            return broken(type, err);
        if (!is_instance_of(name, type))
            continue;
        if (ret->count == DNS_INSTANCES_MAX) {
            sort_once(ret);
            return error_set(err, -ENOSPC, "%s has more than %d machines", type, DNS_INSTANCES_MAX);
        }
        if (strings_add(ret, name) < 0)
            return error_sys(err, -ENOMEM, "cannot read the answer for %s", type);
    }
    sort_once(ret);
    return r < 0 ? broken(type, err) : 0;
}

bool dns_instance_label(const char *instance, char ret[static DNS_LABEL_MAX + 1])
{
    const char *end = label_end(instance);
    size_t n = 0;

    for (; instance < end && n < DNS_LABEL_MAX; instance++) {
        unsigned c = (unsigned char)*instance;

        if (c == '\\' && isdigit((unsigned char)instance[1])) { /* dn_expand writes three */
            c = (unsigned)((instance[1] - '0') * 100 + (instance[2] - '0') * 10 +
                           (instance[3] - '0'));
            instance += 3;
        } else if (c == '\\') {
            c = (unsigned char)*++instance;
        }
        if (c == 0)
            return false;
        ret[n++] = (char)c;
    }
    ret[n] = '\0';
    return n > 0;
}

int dns_answer_service(const uint8_t *answer, size_t size, const char *instance,
                       char ret_host[static NS_MAXDNAME], uint16_t *ret_port, struct error *err)
{
    struct finder f;
    ns_rr rr;
    int r = find_first(&f, answer, size, instance, ns_t_srv, "SRV", &rr, err);

    if (r < 0)
        return r;
    if (!read_name(&f, &rr, SRV_FIXED, ret_host)) /* RFC 2782: the root is "not here" */
        return error_set(err, -EBADMSG, "the SRV record of %s names no host", instance);
    *ret_port = (uint16_t)ns_get16(ns_rr_rdata(rr) + 4);
    return 0;
}

int dns_answer_txt(const uint8_t *answer, size_t size, const char *instance,
                   uint8_t ret[static DNS_TXT_MAX], size_t *ret_size, struct error *err)
{
    struct finder f;
    ns_rr rr;
    int r = find_first(&f, answer, size, instance, ns_t_txt, "TXT", &rr, err);

    if (r < 0)
        return r;
    *ret_size = ns_rr_rdlen(rr) < DNS_TXT_MAX ? ns_rr_rdlen(rr) : DNS_TXT_MAX;
    memcpy(ret, ns_rr_rdata(rr), *ret_size);
    return 0;
}

int dns_answer_addresses(const uint8_t *answer, size_t size, const char *host, int family,
                         struct address *list, size_t max, size_t *count, struct error *err)
{
    const ns_type type = family == AF_INET ? ns_t_a : ns_t_aaaa;
    const size_t length = family == AF_INET ? NS_INADDRSZ : NS_IN6ADDRSZ;
    struct finder f;
    ns_rr rr;
    int r = find_begin(&f, answer, size, host, err);

    if (r < 0)
        return r;
    while (*count < max && (r = find_record(&f, type, &rr)) > 0) {
        struct address a = {.family = family};

        if (ns_rr_rdlen(rr) != length)
            return broken(host, err);
        memcpy(a.bytes, ns_rr_rdata(rr), length);
        if (!address_is_link_local(&a))
            list[(*count)++] = a;
    }
    return r < 0 ? broken(host, err) : 0;
}
