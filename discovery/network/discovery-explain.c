/* What is missing in the roster, and why. */
#include <errno.h>
#include <net/if.h>
#include <pwd.h>

#include "discovery-private.h"
#include "mdns-port.h"

enum {
    UNANSWERED_MAX = 64, /* that are named */
    LOSS_TENTHS = 10,
};

void discovery_explain_silence(const struct discovery *d, struct text *ret)
{
    char name[IF_NAMESIZE];

    if (d->links.count == 0) {
        links_explain(&d->links, ret);
        return;
    }
    if (d->querier && querier_has_heard_others(d->querier)) {
        text_adds(ret, "other devices answer on this network, but no machine with a beacon");
        return;
    }
    if (d->querier && querier_is_port_taken(d->querier)) {
        text_adds(ret, "no machine answered, and nothing else can be heard: another program here "
                       "keeps UDP port 5353 for itself (disallow-other-stacks=yes in "
                       "avahi-daemon.conf does that)");
        return;
    }
    text_adds(ret, "nothing was heard on UDP port 5353 (");
    for (size_t i = 0; i < d->links.count; i++)
        if (if_indextoname(d->links.items[i].interface, name))
            text_addf(ret, "%s%s", i > 0 ? ", " : "", name);
    text_adds(ret, "), not even of other services: are the machines on, and on this network? "
                   "A firewall here, or an access point, may hold multicast back");
}

static bool holds(const struct machine *m, const char *agent, void *arg)
{
    const struct discovery *d = arg;

    return known_holds(&d->known, m->advert.id, m->advert.hostkey, machine_fleet(m), agent);
}

struct match_holders discovery_holders(const struct discovery *d)
{
    return (struct match_holders){.holds = holds, .arg = (void *)(uintptr_t)d};
}

const char *discovery_known_trouble(const struct discovery *d)
{
    return d->known_error.code ? d->known_error.text : NULL;
}

bool discovery_explain_domain(const struct discovery *d, struct text *ret)
{
    if (d->status.asking)
        text_adds(ret, "the DNS servers of /etc/resolv.conf have not answered yet for all machines "
                       "of the domain (the answer for more than some 30 comes over TCP port 53)");
    else if (d->domain_reason)
        text_adds(ret, d->domain_reason);
    return d->status.asking || d->domain_is_short;
}

/* Whose socket is Avahi's is known by its user. */
void discovery_explain_port(const struct discovery *d, struct text *ret)
{
    const struct passwd *avahi = getpwnam("avahi");
    CLEANUP_TEXT struct text names = TEXT_INIT;
    struct mdns_port port;
    bool bound;

    mdns_port_read(&port);
    bound = !d->status.there || mdns_port_remove_avahi(&port, avahi ? avahi->pw_uid : 0);
    mdns_port_names(&port, &names);
    if (text_error(&names) < 0)
        ret->failed = true;
    if (names.size == 0)
        return;
    if (!bound && avahi)
        text_addf(ret,
                  "the Avahi daemon has no IPv4 socket on UDP port 5353, where other programs of "
                  "this computer have one (of %s): it found the port taken, or avahi-daemon.conf "
                  "has use-ipv4=no",
                  text_str(&names));
    else
        text_addf(ret,
                  "other programs of this computer use UDP port 5353 as well (of %s): they may "
                  "take answers that are meant for Avahi",
                  text_str(&names));
}

void discovery_explain_ipv4(const struct discovery *d, struct text *ret)
{
    CLEANUP_TEXT struct text names = TEXT_INIT;

    links_explain_ipv4(&d->links, &names);
    if (text_error(&names) < 0)
        ret->failed = true;
    if (names.size > 0)
        text_addf(ret,
                  "this computer has no IPv4 address (%s), so none of the machines' can be seen or "
                  "reached from here, and pyDCOP supports only IPv4; give it one (DHCP, or a fixed "
                  "address)",
                  text_str(&names));
}

/* One that a person enrolled by its address is known to be elsewhere. */
static bool is_far(const struct discovery *d, const struct machine *m)
{
    if (machine_is_there(m) || m->by_hand || m->untrusted || !roster_is_sighted(m))
        return false;
    for (size_t i = 0; i < m->n_addresses; i++)
        if (links_is_near(&d->links, &m->addresses[i]))
            return false;
    return m->n_addresses > 0;
}

void discovery_explain_far(const struct discovery *d, struct text *ret)
{
    char address[ADDRESS_TEXT_MAX], label[MACHINE_LABEL_MAX];
    size_t n, far = 0;
    const struct machine *const *machines = roster_machines(d->roster, &n);
    const struct machine *first = NULL;

    for (size_t i = 0; i < n; i++)
        if (is_far(d, machines[i]) && far++ == 0)
            first = machines[i];
    if (!first)
        return;
    address_format(&first->addresses[0], address);
    text_addf(ret, "%s says that it is at %s", machine_label(first, label), address);
    if (far > 1)
        text_addf(ret, " (and %zu more likewise)", far - 1);
    text_adds(ret, ", which is in none of this computer's networks, and does not answer from here: "
                   "is it in the right network (cable, VLAN, Wi-Fi, fixed address)?");
}

/* A network that loses packets hides machines from Avahi as well. */
unsigned discovery_daemon_lacks(const struct discovery *d)
{
    const unsigned guessed = 1U << DAEMON_LACKS_CACHE | 1U << DAEMON_LACKS_LINK;
    unsigned lacks = daemon_view_lacks(&d->view, discovery_now_ms(d));
    struct querier_counts counts;

    discovery_count(d, &counts);
    return counts.unanswered * LOSS_TENTHS > counts.asked ? lacks & ~guessed : lacks;
}

/* Has this instance been heard on any link? */
static bool is_heard(const struct discovery *d, const char *name)
{
    struct sighting_key key = {0, SIGHTING_DIRECT, name, "local"};

    for (size_t i = 0; i < d->links.count; i++) {
        key.interface = (int)d->links.items[i].interface;
        if (roster_has_record(d->roster, &key, true) || roster_has_record(d->roster, &key, false))
            return true;
    }
    return false;
}

size_t discovery_refused(const struct discovery *d)
{
    size_t n = 0;

    for (const struct unresolved *u = d->unresolved; u; u = u->hh.next)
        n += u->refused && !is_heard(d, u->name);
    return n;
}

int discovery_explain_lacks(const struct discovery *d, unsigned lacks, struct strings *ret)
{
    for (enum daemon_lack i = 0; i < DAEMON_LACKS; i++) {
        CLEANUP_TEXT struct text words = TEXT_INIT;

        if (!(lacks & 1U << i))
            continue;
        daemon_view_explain(&d->view, i, discovery_now_ms(d), discovery_refused(d), &words);
        if (text_error(&words) < 0 || (words.size > 0 && strings_add(ret, text_str(&words)) < 0))
            return -ENOMEM;
    }
    return 0;
}

bool discovery_is_compared(const struct discovery *d)
{
    return d->status.told &&
           (!d->status.there || daemon_view_is_settled(&d->view, discovery_now_ms(d)));
}

/* Where machines answer us and none of our questions was lost, who has not answered is
 * not there: only its record is. */
size_t discovery_pending(const struct discovery *d)
{
    int answering[LINKS_MAX];
    struct querier_counts counts;
    size_t n = 0, links = 0, at;

    discovery_count(d, &counts);
    if (counts.unanswered == 0 && discovery_is_settled(d))
        links = daemon_view_interfaces(&d->view, answering);
    for (const struct unresolved *u = d->unresolved; u; u = u->hh.next) {
        for (at = 0; at < links && answering[at] != u->interface; at++)
            ;
        n += at == links && !u->failed && !discovery_is_known_directly(d, u->name);
    }
    return n;
}

static bool is_unanswered(const struct discovery *d, const struct unresolved *u)
{
    return !u->refused && !discovery_is_known_directly(d, u->name);
}

int discovery_unanswered(const struct discovery *d, struct strings *ret, size_t *ret_more)
{
    *ret_more = 0;
    for (int known = 1; known >= 0; known--)
        for (const struct unresolved *u = d->unresolved; u; u = u->hh.next) {
            if (known_has_instance(&d->known, u->name) != known || !is_unanswered(d, u))
                continue;
            if (ret->count == UNANSWERED_MAX)
                ++*ret_more;
            else if (strings_add(ret, u->name) < 0)
                return -ENOMEM;
        }
    return 0;
}

const struct strings *discovery_unreadable(const struct discovery *d)
{
    return unreadable_lines(&d->unreadable);
}
