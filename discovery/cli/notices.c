#include "notices.h"

#include <stdio.h>
#include <string.h>

#include "discovery/match/addresses.h"
#include "discovery/network/discovery.h"

#define PROGRAM "dcop-discover"

enum { UNANSWERED_SHOWN = 8 };                /* machines that are named */
enum { LOSS_ASKED_MIN = 10, LOSS_TOLD = 10 }; /* a tenth of ten questions or more is told */

/* Takes the words; empty ones are none. */
static void add(struct strings *notices, struct text *words)
{
    if (words->size > 0)
        (void)strings_add(notices, text_str(words));
    text_clear(words);
}

/* A match says it itself; Ansible, which runs this for each play, would show them as warnings each
 * time. */
void notices_of_machines(const struct discover_options *o, const struct machine *const *machines,
                         size_t n, struct strings *ret)
{
    if (o->problems.count == 0 && !o->host && !(o->inventory && o->format == INVENTORY_LIST))
        (void)addresses_explain(machines, n, ret);
}

int notices_of_daemon(const struct look *look, struct strings *ret)
{
    const struct discovery *d = look_discovery(look);

    return discovery_explain_lacks(d, discovery_daemon_lacks(d), ret);
}

static bool has_candidates(const struct discovery *d)
{
    CLEANUP(candidate_list_clear) struct candidate_list l = CANDIDATE_LIST_INIT;

    return discovery_candidates(d, &l) == 0 && l.count > 0;
}

/* Machines without IPv4, or why there are so few. */
static void add_addresses(const struct discover_options *o, struct look *look, struct strings *ret)
{
    const struct discovery *d = look_discovery(look);
    struct text words = TEXT_INIT;
    size_t n;
    const struct machine *const *machines = look_machines(look, &n);

    discovery_explain_ipv4(d, &words);
    if (n > 0 && words.size == 0) {
        notices_of_machines(o, machines, n, ret);
        discovery_explain_far(d, &words);
    }
    if (n == 0 && has_candidates(d)) {
        text_reset(&words);
        text_adds(&words, "no machine has a beacon yet; dcop-deploy enroll --all PATTERN gives "
                          "them one");
    } else if (n == 0) {
        text_reset(&words);
        discovery_explain_silence(d, &words);
        text_adds(&words, "; " PROGRAM " --doctor looks for the cause");
    }
    add(ret, &words);
    if (n == 0 || (look_is_short(look) && o->problems.count == 0))
        discovery_explain_port(d, &words);
    add(ret, &words);
}

static void add_unreadable(const struct discovery *d, struct strings *ret)
{
    const struct strings *lines = discovery_unreadable(d);
    struct text words = TEXT_INIT;

    for (size_t i = 0; i < lines->count; i++) {
        text_addf(&words, "a record cannot be read: %s", lines->items[i]);
        add(ret, &words);
    }
}

/* Invented machines must not hide the other lines.  The id is what people and other programs know
 * a machine by. */
static void add_unanswered(const struct discovery *d, struct strings *ret)
{
    const size_t prefix = strlen(ADVERT_INSTANCE_PREFIX);
    CLEANUP_STRINGS struct strings names = {0};
    struct text words = TEXT_INIT;
    size_t more;

    (void)discovery_unanswered(d, &names, &more);
    for (size_t i = 0; i < names.count && i < UNANSWERED_SHOWN; i++) {
        const char *name = names.items[i];

        text_addf(&words,
                  "machine %s no longer answers: it is switched off or has left the network, and "
                  "only its record is left in Avahi's cache",
                  strncmp(name, ADVERT_INSTANCE_PREFIX, prefix) == 0 ? name + prefix : name);
        add(ret, &words);
    }
    if (names.count > UNANSWERED_SHOWN)
        text_addf(&words,
                  "%zu more machines do not answer: only their records are left in Avahi's cache",
                  more + names.count - UNANSWERED_SHOWN);
    add(ret, &words);
}

static void add_loss(const struct discovery *d, struct strings *ret)
{
    struct text words = TEXT_INIT;
    struct querier_counts counts;

    discovery_count(d, &counts);
    if (counts.asked >= LOSS_ASKED_MIN && counts.unanswered * LOSS_TOLD > counts.asked)
        text_addf(&words, "the network loses packets: %zu of %zu questions were not answered",
                  counts.unanswered, counts.asked);
    add(ret, &words);
}

void notices_of_look(const struct discover_options *o, struct look *look, struct strings *ret)
{
    const struct discovery *d = look_discovery(look);
    struct text words = TEXT_INIT;

    add_addresses(o, look, ret);
    add_unreadable(d, ret);
    add_unanswered(d, ret);
    add_loss(d, ret);
    if (o->problems.count == 0 || o->json || discover_is_document(o)) /* else the match's text */
        (void)notices_of_daemon(look, ret);
    if (discovery_known_trouble(d))
        text_adds(&words, discovery_known_trouble(d));
    add(ret, &words);
    (void)discovery_explain_domain(d, &words);
    add(ret, &words);
    if (look_is_without_daemon(look) && !o->domain)
        text_adds(&words, "the Avahi daemon does not answer, so only machines that answer directly "
                          "were found; restart it: systemctl restart avahi-daemon");
    add(ret, &words);
    if (look_time_was_up(look) && o->problems.count == 0)
        text_adds(&words, "there may be more machines: time was up before the list was complete; "
                          "search longer with --timeout");
    add(ret, &words);
    if (look_too_many(look))
        text_adds(&words, DISCOVER_TOO_MANY);
    add(ret, &words);
    if (discovery_too_many_candidates(d))
        text_adds(&words, "more hosts without a beacon were told of than fit: some are ignored");
    add(ret, &words);
}

void notices_print(const struct discover_options *o, const struct strings *notices)
{
    for (size_t i = 0; i < notices->count && !o->quiet; i++) {
        CLEANUP_TEXT struct text shown = TEXT_INIT;

        text_add_printable(&shown, notices->items[i]);
        fprintf(stderr, PROGRAM ": %s\n", text_str(&shown));
    }
}
