#include "rules.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "discovery/base/cause.h"
#include "discovery/network/daemon-view.h"
#include "rules-private.h"

enum { NAMED_MAX = 4 /* machines or interfaces in one finding */ };

void rules_add(struct findings *to, enum finding_kind kind, const char *about, struct words *w)
{
    findings_add(to, kind, about, text_str(&w->wrong), text_str(&w->proof), text_str(&w->advice));
    to->failed = to->failed || text_error(&w->wrong) < 0 || text_error(&w->proof) < 0 ||
                 text_error(&w->advice) < 0;
    text_clear(&w->wrong);
    text_clear(&w->proof);
    text_clear(&w->advice);
}

/* ---- this computer ---- */

static bool is_link(const struct view_interface *i)
{
    return i->up && i->running && i->multicast && i->v4;
}

static bool has_link(const struct view_host *h)
{
    for (size_t i = 0; i < h->n_interfaces; i++)
        if (is_link(&h->interfaces[i]))
            return true;
    return false;
}

static void judge_broken_link(const struct view_interface *i, struct findings *to)
{
    if (!i->up)
        findings_add(to, FINDING_NO_LINK, i->name, "the interface is switched off",
                     "its flag UP is not set",
                     "switch it on: ip link set up, or the desktop's "
                     "network settings");
    else if (!i->running)
        findings_add(to, FINDING_NO_LINK, i->name, "the interface has no link",
                     "its flag RUNNING is not set",
                     "put the cable in, or connect to the wireless network");
    else if (!i->v4)
        findings_add(to, FINDING_NO_LINK, i->name, "the interface has no IPv4 address",
                     i->v6 ? "it has IPv6 addresses alone" : "it has no address at all",
                     "give it one (DHCP, or a fixed address): pyDCOP supports only IPv4");
}

static void judge_links(const struct view_host *h, struct findings *to)
{
    size_t n = 0;

    for (size_t i = 0; i < h->n_interfaces; i++) {
        const struct view_interface *one = &h->interfaces[i];

        if (one->up && one->running && one->v4 && !one->multicast) {
            findings_add(to, FINDING_NO_MULTICAST_FLAG, one->name,
                         "the interface does no multicast, which mDNS needs",
                         "its flag MULTICAST is not set",
                         "set it: ip link set multicast on, or use another interface");
            n++;
        }
    }
    if (n > 0 || has_link(h))
        return;
    for (size_t i = 0; i < h->n_interfaces && n < NAMED_MAX; i++, n++)
        judge_broken_link(&h->interfaces[i], to);
    if (h->n_interfaces == 0)
        findings_add(to, FINDING_NO_LINK, NULL, "it has no network interface",
                     "getifaddrs(3) names none but loopback",
                     "connect it to the machines' network");
}

static void judge_daemon(const struct view_host *h, struct findings *to)
{
    struct words w = {0};

    if (h->bus_error < 0) {
        text_adds(&w.wrong, "the D-Bus system bus does not answer, so Avahi cannot be asked");
        text_addf(&w.proof, "connecting to it: %s", strerror(-h->bus_error));
        text_adds(&w.advice, "start it: systemctl start dbus, or install it: apt install dbus");
        rules_add(to, FINDING_NO_BUS, NULL, &w);
    } else if (h->avahi_error == -ENOTCONN) {
        text_adds(&w.wrong, "no Avahi daemon is running");
        text_adds(&w.proof, "nobody owns org.freedesktop.Avahi on the system bus");
        text_adds(&w.advice, "start it: systemctl enable --now avahi-daemon, or install it: apt "
                             "install avahi-daemon");
        rules_add(to, FINDING_NO_AVAHI, NULL, &w);
    } else if (h->avahi_error < 0) {
        text_adds(&w.wrong, "the Avahi daemon does not answer");
        text_addf(&w.proof, "GetHostName over D-Bus: %s", strerror(-h->avahi_error));
        text_adds(&w.advice, "restart it: systemctl restart avahi-daemon");
        rules_add(to, FINDING_AVAHI_SILENT, NULL, &w);
    }
}

static void judge_port(const struct view_host *h, struct findings *to)
{
    struct words w = {0};

    if (h->avahi_has_no_v4) {
        text_adds(&w.wrong, "the Avahi daemon does not use IPv4");
        text_adds(&w.proof, "it has no IPv4 socket on UDP port 5353");
        text_addf(&w.advice,
                  "set use-ipv4=yes in %s, or end what had the port first, and restart "
                  "avahi-daemon",
                  *h->config ? h->config : "avahi-daemon.conf");
        rules_add(to, FINDING_AVAHI_NO_IPV4, NULL, &w);
    }
    /* A browser of a person may look for its own devices: that harms only where too little
     * is found. */
    if (!*h->others || (!h->others_are_services && h->n_machines > 0))
        return;
    text_adds(&w.wrong, "a second mDNS responder is running: it takes answers that are meant for "
                        "Avahi");
    text_addf(&w.proof, "/proc/net/udp has another socket on port 5353, of %s", h->others);
    text_adds(&w.advice, "stop it: MulticastDNS=no in /etc/systemd/resolved.conf and systemctl "
                         "restart systemd-resolved, or systemctl disable --now mdnsd");
    rules_add(to, FINDING_SECOND_RESPONDER, NULL, &w);
}

/* An interface that a person leaves out because no machine is there is no fault. */
static void judge_left_out(const struct view_host *h, struct findings *to)
{
    bool lacks = h->lacks & 1U << DAEMON_LACKS_LINK;

    for (size_t i = 0; i < h->n_interfaces; i++) {
        const struct view_interface *one = &h->interfaces[i];
        struct words w = {0};

        if (!is_link(one) || !*one->left_out || (!lacks && h->n_machines > 0))
            continue;
        text_adds(&w.wrong, "Avahi may not use this interface");
        text_addf(&w.proof, "%s has %s", h->config, one->left_out);
        text_adds(&w.advice, "change that line, and restart avahi-daemon");
        rules_add(to, FINDING_INTERFACE_LEFT_OUT, one->name, &w);
    }
}

static void judge_echo(const struct view_host *h, struct findings *to)
{
    for (size_t i = 0; i < h->n_interfaces; i++) {
        const struct view_interface *one = &h->interfaces[i];
        struct words w = {0};

        if (!one->asked || (one->answered && one->send_error == 0))
            continue;
        if (one->send_error < 0) {
            text_adds(&w.wrong, "a firewall of this computer lets no multicast DNS out");
            text_addf(&w.proof, "sending to 224.0.0.251 port 5353: %s", strerror(-one->send_error));
        } else {
            text_adds(&w.wrong, "the Avahi daemon of this computer hears no multicast DNS here");
            text_addf(&w.proof,
                      "it was asked for %s.local %d times by multicast, and did not answer",
                      h->avahi_name, VIEW_ECHOES);
        }
        text_adds(&w.advice, "let UDP port 5353 in and out: ufw allow 5353/udp, firewall-cmd "
                             "--add-service=mdns; nft list ruleset shows what is dropped");
        rules_add(to, FINDING_FILTERED_HERE, one->name, &w);
    }
}

static void judge_limit(const struct view_host *h, const char *setting, const char *refused,
                        const char *answer, struct findings *to)
{
    struct words w = {0};

    text_addf(&w.wrong, "the Avahi daemon's limit %s is reached: it refuses %s", setting, refused);
    text_addf(&w.proof, "it answered with org.freedesktop.Avahi.%s", answer);
    text_addf(&w.advice, "raise %s in %s, and restart avahi-daemon", setting, h->config);
    rules_add(to, FINDING_AVAHI_LIMIT, NULL, &w);
}

/* That sentence is "WHAT: PROOF; ADVICE", see daemon_view_explain. */
static void judge_cache(const struct view_host *h, struct findings *to)
{
    const char *words = text_str(&h->cache), *proof = strstr(words, ": "), *end;
    struct words w = {0};

    proof = proof ? proof + 2 : words;
    end = strchr(proof, ';');
    text_adds(&w.wrong, "the Avahi daemon's cache may be full (cache-entries-max)");
    text_add(&w.proof, proof, end ? (size_t)(end - proof) : strlen(proof));
    text_addf(&w.advice, "raise cache-entries-max in %s, and restart avahi-daemon", h->config);
    rules_add(to, FINDING_AVAHI_LIMIT, NULL, &w);
}

static void judge_lacks(const struct view_host *h, struct findings *to)
{
    if (h->lacks & 1U << DAEMON_LACKS_CLIENTS)
        judge_limit(h, "clients-max", "another client", "TooManyClientsError", to);
    if (h->lacks & 1U << DAEMON_LACKS_OBJECTS)
        judge_limit(h, "objects-per-client-max", "a request of this program", "TooManyObjectsError",
                    to);
    if (h->lacks & 1U << DAEMON_LACKS_CACHE && !findings_has(to, FINDING_FILTERED_HERE) &&
        !findings_has(to, FINDING_INTERFACE_LEFT_OUT))
        judge_cache(h, to);
}

static void judge_name(const struct view_host *h, struct findings *to)
{
    struct words w = {0};

    if (!*h->rival || strcasecmp(h->name, h->avahi_name) == 0)
        return;
    text_addf(&w.wrong, "another machine has this computer's name, %s", h->name);
    text_addf(&w.proof, "%s answers for %s.local, and Avahi here has taken %s", h->rival, h->name,
              h->avahi_name);
    text_adds(&w.advice, "give one of the two another name: hostnamectl set-hostname");
    rules_add(to, FINDING_NAME_CLASH_HERE, NULL, &w);
}

static void judge_host(const struct view_host *h, struct findings *to)
{
    judge_links(h, to);
    judge_daemon(h, to);
    if (!has_link(h))
        return;
    judge_port(h, to);
    if (h->bus_error < 0 || h->avahi_error < 0)
        return;
    judge_left_out(h, to);
    judge_echo(h, to);
    judge_lacks(h, to);
    judge_name(h, to);
}

/* Do machines here answer less than they would, so that their silence proves nothing? */
static bool is_deaf(const struct findings *f)
{
    static const enum finding_kind kinds[] = {
        FINDING_NO_BUS,        FINDING_NO_AVAHI,          FINDING_AVAHI_SILENT,
        FINDING_FILTERED_HERE, FINDING_NO_MULTICAST_FLAG,
    };

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (findings_has(f, kinds[i]))
            return true;
    return false;
}

/* ---- a machine ---- */

bool rules_is_reached(const struct view_probe *p)
{
    return p->connected || p->ssh == -ECONNREFUSED || p->responder > VIEW_SILENT ||
           p->small_got > 0;
}

static void add_asked(const struct view_machine *m, struct text *to)
{
    const struct view_probe *p = &m->probe;

    if (p->ssh_asked)
        text_addf(to, "TCP port %u: %s", m->port, p->ssh == 0 ? "open" : strerror(-p->ssh));
    if (p->responder != VIEW_NOT_ASKED)
        text_addf(to, "; UDP port 5353: %s",
                  p->responder == VIEW_ANSWERED  ? "an answer"
                  : p->responder == VIEW_REFUSED ? "closed"
                                                 : "no answer");
    if (p->small_sent > 0)
        text_addf(to, "; ping: %u of %u answered", p->small_got, p->small_sent);
}

static void judge_silent(const struct view_machine *m, struct findings *to)
{
    struct words w = {0};

    text_adds(&w.wrong, m->record  ? "its record is there, but it does not answer"
                        : m->known ? "it was met before, and does not answer"
                                   : "nothing answers at this address");
    add_asked(m, &w.proof);
    if (m->known)
        text_adds(&w.advice, "switch it on; if it is gone for good: dcop-deploy forget MACHINE");
    else
        text_adds(&w.advice, m->near
                                 ? "switch it on, or look whether it has another address now"
                                 : "it is in no network of this computer: is there a route to it, "
                                   "and is it switched on?");
    rules_add(to, FINDING_NO_ANSWER, m->label, &w);
}

/* Reached, and no record of it was seen. */
static void judge_unseen(const struct view_machine *m, bool deaf, struct findings *to)
{
    struct words w = {0};
    enum finding_kind kind;

    add_asked(m, &w.proof);
    if (!m->near) {
        kind = FINDING_OTHER_SUBNET;
        text_adds(&w.wrong, "it is in another subnet, where mDNS does not go");
        text_adds(&w.proof, "; no network of this computer has its address");
        text_adds(&w.advice, "name it by its address: dcop-deploy enroll ADDRESS, or an inventory "
                             "(-i)");
    } else if (m->probe.beacon == VIEW_ANSWERED) {
        if (deaf) {
            text_clear(&w.proof);
            return;
        }
        kind = FINDING_MULTICAST_LOST;
        text_adds(&w.wrong, "its multicast does not arrive here, or ours not there");
        text_reset(&w.proof);
        text_adds(&w.proof, "its beacon answers a unicast question to UDP port 5353, and none by "
                            "multicast");
        text_adds(&w.advice, "on the access point or switch, switch off client isolation and IGMP "
                             "snooping without a querier; a firewall on the machine may drop "
                             "224.0.0.251");
    } else if (m->probe.responder == VIEW_ANSWERED) {
        kind = FINDING_NO_BEACON;
        text_adds(&w.wrong, "no beacon is running there");
        text_adds(&w.proof, "; the question for " ADVERT_TYPE ": no answer");
        text_adds(&w.advice, "enroll it: dcop-deploy enroll ADDRESS; or start it there: systemctl "
                             "enable --now dcop-beacon");
    } else if (m->probe.responder == VIEW_REFUSED) {
        kind = FINDING_NO_RESPONDER;
        text_adds(&w.wrong, "no Avahi daemon is running there");
        text_adds(&w.advice, "start it there: systemctl enable --now avahi-daemon, or install it: "
                             "apt install avahi-daemon");
    } else {
        kind = FINDING_MDNS_FILTERED;
        text_adds(&w.wrong, "its firewall drops multicast DNS, or its Avahi does not use this "
                            "network");
        text_adds(&w.advice, "let UDP port 5353 in there (ufw allow 5353/udp), and look at "
                             "allow-interfaces and deny-interfaces in its avahi-daemon.conf");
    }
    rules_add(to, kind, m->label, &w);
}

static void judge_ssh(const struct view_machine *m, struct findings *to)
{
    const struct view_probe *p = &m->probe;
    char address[ADDRESS_TEXT_MAX];
    struct cause_seen seen = {
        .phase = p->connected ? CAUSE_VERSION : CAUSE_CONNECT,
        .code = p->ssh,
        .server = p->words,
        .port = m->port,
        .address = address,
    };
    struct words w = {0};
    enum finding_kind kind = FINDING_SSH_GREETING;

    if (!p->ssh_asked || p->ssh == 0)
        return;
    address_format(&m->address, address);
    if (p->connected) {
        text_addf(&w.wrong, "no SSH server answers on port %u", m->port);
        text_addf(&w.proof, "TCP port %u: it accepts connections", m->port);
        if (*p->words)
            text_addf(&w.proof, " and says \"%s\"", p->words);
        else
            text_adds(&w.proof, p->ssh == -ETIMEDOUT ? " and says nothing" : " and closes them");
        cause_add_reading(&seen, &w.advice);
    } else if (p->ssh == -ECONNREFUSED) {
        kind = FINDING_SSH_REFUSED;
        text_addf(&w.wrong, "its SSH port %u is closed", m->port);
        text_addf(&w.proof, "TCP port %u: %s", m->port, strerror(-p->ssh));
        cause_add_reading(&seen, &w.advice);
    } else {
        kind = FINDING_SSH_FILTERED;
        text_addf(&w.wrong, "a firewall holds back its SSH port %u", m->port);
        add_asked(m, &w.proof);
        text_addf(&w.advice, "let SSH in there: ufw allow %u/tcp", m->port);
    }
    rules_add(to, kind, m->label, &w);
}

static void judge_pings(const struct view_machine *m, struct findings *to)
{
    const struct view_probe *p = &m->probe;
    bool large_vanish = p->large_sent > 0 && p->large_got == 0 && p->small_got * 2 >= p->small_sent;
    struct words w = {0};

    if (p->small_got == 0) /* it may not answer pings at all */
        return;
    if (large_vanish) {
        text_adds(&w.wrong, "large packets get lost on the way (MTU)");
        text_addf(&w.proof, "ping: %u of %u small ones answered, %u of %u with %u bytes",
                  p->small_got, p->small_sent, p->large_got, p->large_sent, p->large_size);
        text_adds(&w.advice, "give all interfaces and tunnels of the way the same MTU: ip link set "
                             "mtu");
        rules_add(to, FINDING_MTU, m->label, &w);
    }
    if (p->small_sent - p->small_got >= RULES_LOST_MIN) {
        text_adds(&w.wrong, "the network loses packets");
        text_addf(&w.proof, "ping: %u of %u answered", p->small_got, p->small_sent);
        text_adds(&w.advice, "look at cable, switch and wireless reception");
        rules_add(to, FINDING_LOSS, m->label, &w);
    }
    if (p->delay_ms > RULES_DELAY_MS) {
        text_adds(&w.wrong, "the network is slow");
        text_addf(&w.proof, "ping: half of the answers took %u ms or more", p->delay_ms);
        text_adds(&w.advice, "look at wireless reception, and at what else uses the network");
        rules_add(to, FINDING_DELAY, m->label, &w);
    }
}

static void judge_twice(const struct view_machine *machines, size_t at, struct findings *to)
{
    const struct view_machine *m = &machines[at];
    char address[ADDRESS_TEXT_MAX];
    struct words w = {0};

    if (m->probe.n_macs + m->own < 2 || m->cards > 1)
        return;
    for (size_t i = 0; i < at; i++)
        if (address_equal(&machines[i].address, &m->address))
            return;
    address_format(&m->address, address);
    text_addf(&w.wrong, "the address %s is in use twice", address);
    text_adds(&w.proof, m->own ? "another network card answers ARP for it:" : "ARP:");
    for (size_t i = 0; i < m->probe.n_macs; i++) {
        const uint8_t *mac = m->probe.macs[i];

        text_addf(&w.proof, "%s %02x:%02x:%02x:%02x:%02x:%02x", i > 0 ? " and" : "", mac[0], mac[1],
                  mac[2], mac[3], mac[4], mac[5]);
    }
    text_adds(&w.advice, "give one of the two another address; cloned cards get one from DHCP "
                         "because they have the same /etc/machine-id");
    rules_add(to, FINDING_ADDRESS_TWICE, m->own ? NULL : m->label, &w);
}

static void judge_record(const struct view_machine *m, struct findings *to)
{
    const char *error = machine_error(m->record);
    struct words w = {0};

    if (m->record->advert.state == ADVERT_STATE_FAILED) {
        text_adds(&w.wrong, "its agents have failed");
        text_addf(&w.proof, "its beacon says state=failed%s%s", error ? ", and " : "",
                  error ? error : "");
        text_adds(&w.advice, "read why: dcop-deploy -l MACHINE logs");
        rules_add(to, FINDING_AGENT_FAILED, m->label, &w);
    } else if (error) {
        text_adds(&w.wrong, error);
        text_adds(&w.proof, "its beacon says so");
        text_adds(&w.advice, "correct /etc/dcop/beacon.conf there, or what the words name");
        rules_add(to, FINDING_SAYS, m->label, &w);
    }
}

static void judge_machine(const struct view_machine *machines, size_t n, size_t at, bool deaf,
                          struct findings *to)
{
    const struct view_machine *m = &machines[at];
    bool concerns = m->record || m->given;

    judge_twice(machines, at, to);
    if (m->own)
        return;
    if (m->record)
        judge_record(m, to);
    if (rules_are_twins(machines, n, at)) /* neither is reached for sure */
        return;
    if (concerns && !rules_is_reached(&m->probe)) {
        judge_silent(m, to);
        return;
    }
    if (!m->record && (m->given || (m->probe.beacon == VIEW_ANSWERED && !m->heard)))
        judge_unseen(m, deaf, to);
    if (!concerns)
        return;
    judge_ssh(m, to);
    judge_pings(m, to);
}

/* ---- several machines ---- */

/* The first of those with its id, so that they are told once. */
static bool is_first_of_id(const struct view_machine *machines, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (machines[i].record &&
            string_equal(machines[i].record->advert.id, machines[at].record->advert.id))
            return false;
    return true;
}

static void judge_clones(const struct view_machine *machines, size_t n, size_t at,
                         struct findings *to)
{
    const struct machine *first = machines[at].record;
    struct words w = {0};
    size_t count = 0;

    if (!first || !first->in_doubt || !is_first_of_id(machines, at))
        return;
    for (size_t i = at; i < n; i++) {
        if (!machines[i].record || !string_equal(machines[i].record->advert.id, first->advert.id))
            continue;
        if (count++ < NAMED_MAX)
            text_addf(&w.proof, "%s%s", count > 1 ? ", " : "", machines[i].label);
    }
    if (first->cloned) {
        text_addf(&w.wrong, "%zu machines run copies of one card", count);
        text_adds(&w.proof, " announce the same id and the same SSH host key");
        text_adds(&w.advice, "on one of them, as root: " ADVERT_CLONE_REMEDY);
    } else {
        text_addf(&w.wrong, "%zu machines announce the same id", count);
        text_adds(&w.proof, ", each with an SSH host key of its own");
        text_adds(&w.advice, "switch off the one that is not meant; for a card that was written "
                             "anew: dcop-deploy trust");
    }
    rules_add(to, FINDING_CLONES, first->advert.id, &w);
}

/* Is the address of this sentence, "… address, 10.0.0.1: …", one that ARP has shown to be in
 * use twice? */
static bool is_told_twice(const struct findings *f, const char *words)
{
    static const char before[] = "the same IPv4 address, ";
    const char *address = strstr(words, before);
    size_t n;

    if (!address)
        return false;
    address += sizeof(before) - 1;
    n = strcspn(address, ":");
    for (size_t i = 0; i < f->count; i++) {
        const char *at = f->items[i].kind == FINDING_ADDRESS_TWICE
                             ? strstr(f->items[i].wrong, "the address ")
                             : NULL;

        if (at && strncmp(at + 12, address, n) == 0 && at[12 + n] == ' ')
            return true;
    }
    return false;
}

/* Sentences of addresses_explain: "what is wrong; what to do". */
static void judge_addresses(const struct view_host *h, struct findings *to)
{
    for (size_t i = 0; i < h->wrong_addresses.count; i++) {
        const char *words = h->wrong_addresses.items[i], *end = strstr(words, "; ");
        struct words w = {0};

        if (is_told_twice(to, words))
            continue;
        text_add(&w.wrong, words, end ? (size_t)(end - words) : strlen(words));
        text_adds(&w.proof, "their beacons announce these addresses");
        text_adds(&w.advice, end ? end + 2 : "give it another");
        rules_add(to, FINDING_ADDRESS, "addresses", &w);
    }
}

void rules_judge(const struct view_host *host, const struct view_machine *machines, size_t n,
                 bool given, struct findings *ret)
{
    bool deaf;

    judge_host(host, ret);
    if (!has_link(host))
        return;
    deaf = is_deaf(ret);
    for (size_t i = 0; i < n; i++) {
        rules_judge_twins(machines, i, host->rights, ret);
        if (machines[i].beside)
            continue;
        judge_machine(machines, n, i, deaf, ret);
        judge_clones(machines, n, i, ret);
    }
    for (size_t i = 0; i < host->gone.count; i++)
        findings_add(ret, FINDING_NO_ANSWER, host->gone.items[i],
                     "its record is there, but it does not answer",
                     "Avahi has its name in its cache, and nobody answers for it",
                     "switch it on; a reflector may announce a machine that has gone");
    judge_addresses(host, ret);
    if (ret->count == 0 && host->n_machines == 0 && !given)
        findings_add(ret, FINDING_NOBODY, NULL, "no machine was found", text_str(&host->silence),
                     "switch the machines on, on this network; ask one by its address: "
                     "dcop-discover --doctor ADDRESS");
}
