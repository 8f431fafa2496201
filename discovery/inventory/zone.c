#include "zone.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/advert/sign.h"
#include "discovery/base/hash.h"

enum { LABEL_MAX = 63 }; /* RFC 1035 §2.3.4 */

static const char head[] =
    "; Machines that run pyDCOP agents, for DNS service discovery (RFC 6763).\n"
    "; In the zone of a domain: $INCLUDE this file, and raise the serial number of its SOA.\n"
    "; Then, on any network: dcop-discover --domain NAME\n";

/* Where to browse (RFC 6763 §11: b for all, lb for those that ask nobody), and which
 * types there are (§9). */
static const char pointers[] = "b._dns-sd._udp %d IN PTR @\n"
                               "lb._dns-sd._udp %d IN PTR @\n"
                               "_services._dns-sd._udp %d IN PTR " ADVERT_TYPE "\n";

/* The name of a host so far. */
struct host {
    char label[LABEL_MAX + 1]; /* in lower case */
    UT_hash_handle hh;
};

static void clear_hosts(struct host **hosts)
{
    struct host *h, *next;

    HASH_ITER(hh, *hosts, h, next)
    {
        HASH_DEL(*hosts, h);
        free(h);
    }
}

/* Adds it; 0 when another machine has it, -ENOMEM. */
static int take_label(struct host **hosts, const char *label)
{
    struct host *h = NULL;

    HASH_FIND_STR(*hosts, label, h);
    if (h)
        return 0;
    h = calloc(1, sizeof(*h));
    if (!h)
        return -ENOMEM;
    memcpy(h->label, label, strlen(label));
    HASH_ADD_STR(*hosts, label, h);
    if (HASH_WAS_ADDED(h))
        return 1;
    free(h);
    return -ENOMEM;
}

/* The host's first label, in lower case, if it is one of a host (RFC 1123 §2.1) and not like
 * the names that are made for others. */
static bool find_label(const struct machine *m, char ret[static LABEL_MAX + 1])
{
    size_t n = m->host ? strcspn(m->host, ".") : 0;

    if (n == 0 || n > LABEL_MAX || m->host[0] == '-' || m->host[n - 1] == '-')
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)m->host[i]) && m->host[i] != '-')
            return false;
        ret[i] = (char)tolower((unsigned char)m->host[i]);
    }
    ret[n] = '\0';
    return strncmp(ret, ADVERT_INSTANCE_PREFIX, strlen(ADVERT_INSTANCE_PREFIX)) != 0;
}

/* One label of a name (RFC 1035 §5.1), whatever bytes are in it. */
static void add_label(struct text *t, const char *label)
{
    for (; *label; label++) {
        unsigned char c = (unsigned char)*label;

        if (isalnum(c) || c == '-' || c == '_')
            text_addc(t, (char)c);
        else if (isgraph(c))
            text_addf(t, "\\%c", c);
        else
            text_addf(t, "\\%03u", c);
    }
}

/* One <character-string>, in quotes. */
static void add_string(struct text *t, const uint8_t *bytes, size_t size)
{
    text_addc(t, '"');
    for (size_t i = 0; i < size; i++)
        if (bytes[i] == '"' || bytes[i] == '\\')
            text_addf(t, "\\%c", bytes[i]);
        else if (bytes[i] < 0x20 || bytes[i] >= 0x7f)
            text_addf(t, "\\%03u", bytes[i]);
        else
            text_addc(t, (char)bytes[i]);
    text_addc(t, '"');
}

static bool is_usable(const struct address *a)
{
    return address_is_unicast(a) && !address_is_link_local(a);
}

static bool has_usable_address(const struct machine *m)
{
    for (size_t i = 0; i < m->n_addresses; i++)
        if (is_usable(&m->addresses[i]))
            return true;
    return false;
}

/* NULL: it is not left out. */
static const char *why_left_out(const struct machine *m)
{
    if (!m->beacon || !*m->advert.id)
        return "no beacon";
    if (m->untrusted)
        return "not verified";
    if (m->in_doubt)
        return "in doubt";
    if (!machine_is_there(m))
        return "offline";
    if (m->port == 0)
        return "no port";
    return has_usable_address(m) ? NULL : "no address that other networks can use";
}

/* The TXT record in wire form, with its signature. */
static int make_txt(const struct machine *m, uint8_t ret[static ADVERT_TXT_MAX], size_t *ret_size)
{
    static const char key[] = "sig=";
    const char *signature = m->advert.signature;
    size_t n = signature ? strlen(key) + strlen(signature) : 0;
    int r = advert_encode_within(&m->advert, signature ? ADVERT_SIGNED_MAX : ADVERT_TXT_MAX, ret,
                                 ret_size);

    if (r < 0 || !signature)
        return r;
    ret[(*ret_size)++] = (uint8_t)n;
    memcpy(ret + *ret_size, key, strlen(key));
    memcpy(ret + *ret_size + strlen(key), signature, strlen(signature));
    *ret_size += n;
    return 0;
}

static void add_txt(struct text *t, const uint8_t *txt, size_t size)
{
    text_addf(t, " %d IN TXT (", ZONE_TTL);
    for (size_t at = 0; at < size; at += 1 + (size_t)txt[at]) {
        text_adds(t, "\n\t");
        add_string(t, txt + at + 1, txt[at]);
    }
    text_adds(t, " )\n");
}

static void add_addresses(struct text *t, const struct machine *m, const char *label)
{
    for (size_t i = 0; i < m->n_addresses; i++) {
        char address[ADDRESS_TEXT_MAX];

        if (!is_usable(&m->addresses[i]))
            continue;
        address_format(&m->addresses[i], address);
        text_addf(t, "%s %d IN %s %s\n", label, ZONE_TTL,
                  m->addresses[i].family == AF_INET ? "A" : "AAAA", address);
    }
}

/* Its instance's name: that of its beacon, and so its own among the machines of the
 * zone. */
static void make_instance(const struct machine *m, struct text *ret)
{
    if (m->instance && advert_is_name_of(m->instance, m->advert.id))
        add_label(ret, m->instance);
    else
        text_addf(ret, ADVERT_INSTANCE_PREFIX "%s", m->advert.id);
    text_adds(ret, "." ADVERT_TYPE);
}

static bool is_signed(const struct machine *m, const uint8_t *txt, size_t size,
                      const struct key *key)
{
    if (!key)
        return m->advert.signature != NULL;
    return advert_verify(txt, size, m->port, m->advert.id, m->advert.hostkey, key);
}

static int add_machine(struct text *t, const struct machine *m, const struct key *key,
                       struct host **hosts)
{
    CLEANUP_TEXT struct text instance = TEXT_INIT;
    char label[LABEL_MAX + 1];
    uint8_t txt[ADVERT_TXT_MAX];
    size_t size;
    int r = make_txt(m, txt, &size);

    if (r < 0)
        return r;
    r = find_label(m, label) ? take_label(hosts, label) : 0;
    if (r < 0)
        return r;
    if (r == 0)
        (void)snprintf(label, sizeof(label), ADVERT_INSTANCE_PREFIX "%s", m->advert.id);
    make_instance(m, &instance);
    if (m->verified && !is_signed(m, txt, size, key))
        text_adds(t, "; no valid signature: a saved roster has none, and this version cannot "
                     "write keys that it does not know\n");
    text_addf(t, ADVERT_TYPE " %d IN PTR %s\n", ZONE_TTL, text_str(&instance));
    if (m->advert.fleet)
        text_addf(t, "_%s._sub." ADVERT_TYPE " %d IN PTR %s\n", m->advert.fleet, ZONE_TTL,
                  text_str(&instance));
    text_addf(t, "%s %d IN SRV 0 0 %u %s\n", text_str(&instance), ZONE_TTL, m->port, label);
    text_adds(t, text_str(&instance));
    add_txt(t, txt, size);
    add_addresses(t, m, label);
    return text_error(&instance);
}

int zone_write(const struct machine *const *machines, size_t n, const struct key *key,
               struct text *ret)
{
    CLEANUP(clear_hosts) struct host *hosts = NULL;

    text_adds(ret, head);
    text_addf(ret, pointers, ZONE_TTL, ZONE_TTL, ZONE_TTL);
    for (size_t i = 0; i < n; i++) {
        const char *why = why_left_out(machines[i]);
        char name[MACHINE_LABEL_MAX];
        int r = 0;

        if (why) {
            text_adds(ret, "; left out: ");
            text_add_printable(ret, machine_label(machines[i], name));
            text_addf(ret, ": %s\n", why);
        } else {
            r = add_machine(ret, machines[i], key, &hosts);
        }
        if (r < 0)
            return r;
    }
    return text_error(ret);
}
