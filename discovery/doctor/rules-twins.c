#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "arp.h"
#include "rules-private.h"

enum { CROSSED_MIN = 4 /* of 2 * ARP_CROSSINGS */ };

#define TWINS_ADVICE                                                                               \
    "give one of them a MAC address of its own (a virtual machine: in its settings; else take "    \
    "MACAddress= or cloned-mac-address out of its network settings); on a copied card or disk, "   \
    "as root: " ADVERT_CLONE_REMEDY

enum twins {
    TWINS_NONE,
    TWINS_PERHAPS, /* or one machine with an address that its record does not name */
    TWINS_PROVEN,
};

/* "rpi-2.local" is what Avahi makes of the host name "rpi" where that is taken. */
static bool is_renamed(const char *claim, const char *host)
{
    size_t n = host ? strcspn(host, ".") : 0;
    const char *rest = claim + n;

    if (n == 0 || strncasecmp(claim, host, n) != 0)
        return false;
    if (*rest == '-' && isdigit((unsigned char)rest[1]))
        rest += 1 + strspn(rest + 1, "0123456789");
    return *rest == '.' || (rest > claim + n && *rest == '\0'); /* a long name is cut off */
}

static enum twins are_twins(const struct view_machine *machines, const struct view_machine *m)
{
    if (m->twin == 0 || (machines[m->twin - 1].beside && !m->given)) /* not asked for */
        return TWINS_NONE;
    /* Another program may speak to one of them in between, so that a packet gets through. */
    if (m->cross_asked >= CROSSED_MIN)
        return 2 * m->cross_got < m->cross_asked ? TWINS_PROVEN : TWINS_NONE;
    /* A name is soon claimed, and proves nothing alone. */
    if (m->cross_got == 0 && is_renamed(m->claim, machines[m->twin - 1].record->host))
        return m->cross_asked > 0 ? TWINS_PROVEN : TWINS_PERHAPS;
    /* The kernel may remember a MAC address whose machine has another address now. */
    return m->given && !m->record && m->probe.beacon != VIEW_ANSWERED && rules_is_reached(&m->probe)
               ? TWINS_PERHAPS
               : TWINS_NONE;
}

/* One that nobody asks for is nobody's business. */
static bool is_doubled(const struct view_machine *m)
{
    return m->probe.arp_asked >= ARP_DOUBLED && m->probe.arp_doubled == m->probe.arp_asked &&
           !m->beside && (m->record || m->given);
}

bool rules_are_twins(const struct view_machine *machines, size_t n, size_t at)
{
    if (is_doubled(&machines[at]) || are_twins(machines, &machines[at]) == TWINS_PROVEN)
        return true;
    for (size_t i = 0; i < n; i++)
        if (machines[i].twin == at + 1 && are_twins(machines, &machines[i]) == TWINS_PROVEN)
            return true;
    return false;
}

static void add_mac(const struct view_machine *m, struct text *to)
{
    const uint8_t *mac = m->probe.macs[0];

    text_addf(to, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void judge_pair(const struct view_machine *machines, const struct view_machine *m,
                       enum twins twins, bool rights, struct findings *to)
{
    const struct view_machine *first = &machines[m->twin - 1];
    struct words w = {0};

    text_addf(&w.wrong, "it has the MAC address of %s: ", first->label);
    text_adds(&w.wrong, twins == TWINS_PROVEN
                            ? "a copied machine or network card, and packets reach one of the two "
                              "at a time"
                            : "a copied machine or network card, or a second address that its "
                              "record does not name");
    text_adds(&w.proof, "ARP: both have ");
    add_mac(m, &w.proof);
    if (m->cross_asked > 0)
        text_addf(&w.proof, "; right after the other had answered, %u of %u packets were lost",
                  m->cross_asked - m->cross_got, m->cross_asked);
    if (*m->claim)
        text_addf(&w.proof, "; its Avahi claims the name %s", m->claim);
    if (twins == TWINS_PERHAPS)
        text_adds(&w.advice, rights ? "one of them did not answer in time: ask again; if they are "
                                      "two, "
                                    : "ask again as root, which can tell; if they are two, ");
    text_adds(&w.advice, TWINS_ADVICE);
    rules_add(to, FINDING_MAC_TWICE, m->label, &w);
}

static void judge_doubled(const struct view_machine *m, struct findings *to)
{
    struct words w = {0};

    text_adds(&w.wrong, "two machines have its IPv4 address and its MAC address");
    text_addf(&w.proof, "ARP: %u of %u questions are answered twice, by ", m->probe.arp_doubled,
              m->probe.arp_asked);
    add_mac(m, &w.proof);
    text_adds(&w.advice, "look for a copied machine; if its cards are bonded, tell its switch "
                         "(LACP); else " TWINS_ADVICE);
    rules_add(to, FINDING_MAC_TWICE, m->label, &w);
}

void rules_judge_twins(const struct view_machine *machines, size_t at, bool rights,
                       struct findings *to)
{
    const struct view_machine *m = &machines[at];
    enum twins twins = are_twins(machines, m);

    if (m->own)
        return;
    if (is_doubled(m))
        judge_doubled(m, to);
    else if (twins != TWINS_NONE)
        judge_pair(machines, m, twins, rights, to);
}
