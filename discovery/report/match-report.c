/* A match as text for people: the answer, then what to do about it. */
#include "discovery/base/table.h"
#include "discovery/base/terminal.h"
#include "roster-text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Other people's machines can make these lists long. */
enum { STRANGERS_SHOWN_MAX = 5, UNASSIGNED_SHOWN_MAX = 20, UNVERIFIED_SHOWN_MAX = 20 };
enum { INDENT = 2 };

#define SETTINGS_FILE "/etc/dcop/beacon.conf"

/* A list of names that is wrapped like a paragraph. */
struct paragraph {
    struct text *text;
    size_t width, column;
    bool verbose; /* every item */
    bool started; /* an item is there */
};

static void paragraph_start(struct paragraph *p, const char *heading)
{
    text_add_wrapped(p->text, heading, p->width, 0, INDENT);
    p->column = text_width(heading);
    p->started = false;
}

/* Adds the next item, which is printable, with a comma in front of all but the
 * first; an item wider than a line is cut.  `item` is empty then. */
static void paragraph_add(struct paragraph *p, struct text *item)
{
    size_t width = text_width(text_str(item));
    size_t room = p->width > INDENT + 1 ? p->width - INDENT - 1 : SIZE_MAX;

    if (p->started) {
        text_addc(p->text, ',');
        p->column++;
    }
    if (p->width > 0 && p->column + 2 + width > p->width && p->column > INDENT) {
        text_addf(p->text, "\n%*s", INDENT, "");
        p->column = INDENT;
    } else {
        text_addc(p->text, ' ');
        p->column++;
    }
    p->column += text_add_cut(p->text, text_str(item), room);
    p->started = true;
    text_reset(item);
}

/* Ends a list of which only some items were shown. */
static void paragraph_end(struct paragraph *p, size_t left, struct text *item)
{
    if (left > 0) {
        text_addf(item, "and %zu more (-v lists all)", left);
        paragraph_add(p, item);
    }
    text_addc(p->text, '\n');
}

/* Machines' labels, `max` of them. */
static void add_labels(struct paragraph *p, const struct machine *const *machines, size_t n,
                       size_t max, struct text *item)
{
    size_t shown = p->verbose || n < max ? n : max;

    for (size_t i = 0; i < shown; i++) {
        report_add_label(item, machines[i]);
        paragraph_add(p, item);
    }
    paragraph_end(p, n - shown, item);
}

/* Adds a printable sentence; `sentence` is empty then. */
static void add_sentence(struct paragraph *p, struct text *sentence)
{
    text_add_wrapped(p->text, text_str(sentence), p->width, 0, INDENT);
    text_addc(p->text, '\n');
    text_reset(sentence);
}

static void add_answer(const struct match *m, struct text *ret)
{
    size_t there = m->n_matched + m->n_duplicates;
    size_t all = there + m->n_offline + m->n_missing;

    if (all == 0)
        text_adds(ret, "The problem has no agents.");
    else if (there < all)
        text_addf(ret, "%zu of %zu agents %s there.", there, all, there == 1 ? "is" : "are");
    else if (all == 1)
        text_adds(ret, "The one agent is there.");
    else
        text_addf(ret, "All %zu agents are there.", all);
    if (m->n_duplicates > 0)
        text_addf(ret, " %zu of them %s on more than one machine.", m->n_duplicates,
                  m->n_duplicates == 1 ? "is" : "are");
    if (m->n_without_ipv4 > 0)
        text_addf(ret, " %zu of them %s no IPv4 address.", m->n_without_ipv4,
                  m->n_without_ipv4 == 1 ? "has" : "have");
}

/* `item` is scratch, empty before and after. */
static void add_missing(const struct match *m, struct paragraph *p, struct text *item)
{
    if (m->n_missing == 0)
        return;
    paragraph_start(p, "Missing, no machine has the name:");
    for (size_t i = 0; i < m->n_missing; i++) {
        report_add_name(item, m->missing[i]);
        paragraph_add(p, item);
    }
    text_addc(p->text, '\n');
}

static void add_offline(const struct match *m, struct paragraph *p, struct text *item)
{
    if (m->n_offline == 0)
        return;
    paragraph_start(p, "Offline, seen before (is the machine on, and its network cable in?):");
    for (size_t i = 0; i < m->n_offline; i++) {
        report_add_name(item, m->offline[i].agent);
        text_adds(item, " on ");
        report_add_label(item, m->offline[i].machine);
        text_adds(item, m->offline[i].machine->unheard ? " (not heard yet)" : "");
        paragraph_add(p, item);
    }
    text_addc(p->text, '\n');
}

static void add_duplicates(const struct match *m, struct paragraph *p, struct text *item)
{
    for (size_t i = 0; i < m->n_duplicates; i++) {
        const struct match_duplicate *d = &m->duplicates[i];

        report_add_name(item, d->agent);
        text_adds(item, " is on ");
        for (size_t j = 0; j < d->count; j++) {
            text_adds(item, j == 0 ? "" : j + 1 == d->count ? " and " : ", ");
            report_add_label(item, d->machines[j]);
            /* Cloned cards have one host name: the ids tell them apart. */
            if (*d->machines[j]->advert.id && d->machines[j]->host)
                text_addf(item, " (%s)", d->machines[j]->advert.id);
        }
        text_adds(item, ": remove the name from " SETTINGS_FILE " on all but one.");
        add_sentence(p, item);
    }
}

static void add_claims(const struct match *m, struct paragraph *p, struct text *item)
{
    for (size_t i = 0; i < m->n_claims; i++) {
        const struct match_claim *c = &m->claims[i];

        report_add_label(item, c->machine);
        text_addf(item, " (%s) says that it is ", c->machine->advert.id);
        report_add_name(item, c->agent);
        text_adds(item, ", which is ");
        report_add_label(item, c->holder);
        text_addf(item,
                  "'s (%s): it is left out. If it is to have the name: dcop-deploy assign "
                  "--release ",
                  c->holder->advert.id);
        report_add_name(item, c->agent);
        text_addc(item, '.');
        add_sentence(p, item);
    }
}

int report_claims_text(const struct match *m, const struct report_style *style, struct text *ret)
{
    CLEANUP_TEXT struct text item = TEXT_INIT;
    struct paragraph p = {.text = ret, .width = style->terminal.width, .verbose = style->verbose};

    add_claims(m, &p, &item);
    return text_error(&item) < 0 ? -ENOMEM : text_error(ret);
}

/* Names that nearly are in the problem, a sentence each. */
static void add_near_names(const struct match *m, struct paragraph *p, struct text *item)
{
    for (size_t i = 0; i < m->n_unexpected; i++) {
        const struct match_unexpected *u = &m->unexpected[i];

        if (!u->suggestion)
            continue;
        report_add_name(item, u->agent);
        text_adds(item, " on ");
        report_add_label(item, u->machine);
        text_adds(item, ": not in the problem; did you mean ");
        report_add_name(item, u->suggestion);
        text_adds(item, "? The name is in " SETTINGS_FILE " on that machine.");
        add_sentence(p, item);
    }
}

/* How many names without a suggestion follow on the same machine as name `i`;
 * `ret_next` is the first name of the next machine. */
static size_t count_same_machine(const struct match *m, size_t i, size_t *ret_next)
{
    const struct machine *machine = m->unexpected[i].machine;
    size_t n = 0;

    for (; i < m->n_unexpected && m->unexpected[i].machine == machine; i++)
        n += m->unexpected[i].suggestion == NULL;
    *ret_next = i;
    return n;
}

static size_t count_strangers(const struct match *m)
{
    size_t machines = 0;

    for (size_t i = 0, next; i < m->n_unexpected; i = next)
        machines += count_same_machine(m, i, &next) > 0;
    return machines;
}

/* The names of one machine, from `i` to before `next`: all of them when verbose, else
 * the first and the number of the others. */
static void add_stranger(const struct match *m, size_t i, size_t next, size_t n,
                         struct paragraph *p, struct text *item)
{
    bool first = true;

    for (; i < next; i++) {
        const struct match_unexpected *u = &m->unexpected[i];

        if (u->suggestion || (!first && !p->verbose))
            continue;
        report_add_name(item, u->agent);
        if (n > 1 && !p->verbose)
            text_addf(item, " and %zu more", n - 1);
        text_adds(item, " on ");
        report_add_label(item, u->machine);
        paragraph_add(p, item);
        first = false;
    }
}

/* Names that are nowhere near the problem's, as of another class on the same link. */
static void add_strangers(const struct match *m, struct paragraph *p, struct text *item)
{
    CLEANUP_TEXT struct text heading = TEXT_INIT;
    size_t machines = count_strangers(m), shown = 0;
    bool near = false;

    if (machines == 0)
        return;
    for (size_t i = 0; i < m->n_unexpected; i++)
        near = near || m->unexpected[i].suggestion;
    text_addf(&heading, "%zu%s machine%s names that are not in the problem:", machines,
              near ? " more" : "", machines == 1 ? " has" : "s have");
    if (text_error(&heading) < 0)
        p->text->failed = true;
    paragraph_start(p, text_str(&heading));
    for (size_t i = 0, next; i < m->n_unexpected; i = next) {
        size_t n = count_same_machine(m, i, &next);

        if (n == 0 || (shown >= STRANGERS_SHOWN_MAX && !p->verbose))
            continue;
        add_stranger(m, i, next, n, p, item);
        shown++;
    }
    paragraph_end(p, machines - shown, item);
}

/* One name alone is a sentence. */
static void add_unexpected(const struct match *m, struct paragraph *p, struct text *item)
{
    add_near_names(m, p, item);
    if (m->n_unexpected == 1 && !m->unexpected[0].suggestion) {
        report_add_name(item, m->unexpected[0].agent);
        text_adds(item, " on ");
        report_add_label(item, m->unexpected[0].machine);
        text_adds(item, ": not in the problem.");
        add_sentence(p, item);
    } else
        add_strangers(m, p, item);
}

static void add_unassigned(const struct match *m, struct paragraph *p, struct text *item)
{
    if (m->n_unassigned == 0)
        return;
    paragraph_start(p, "Unassigned, without an agent name:");
    add_labels(p, m->unassigned, m->n_unassigned, UNASSIGNED_SHOWN_MAX, item);
    if (m->n_missing == 0)
        return;
    text_adds(item, "  Give one a name with a line \"agent NAME\" in " SETTINGS_FILE
                    " on it, or with dcop-deploy assign.");
    add_sentence(p, item);
}

static void add_unverified(const struct match *m, struct paragraph *p, struct text *item)
{
    if (m->n_unverified == 0)
        return;
    paragraph_start(p, "Not verified, not signed with this fleet's key:");
    add_labels(p, m->unverified, m->n_unverified, UNVERIFIED_SHOWN_MAX, item);
    text_adds(item, "  They are left out of the match.  If they are yours, give them a key: "
                    "dcop-deploy enroll ADDRESS.");
    add_sentence(p, item);
}

static void add_warnings(const struct match *m, struct paragraph *p, struct text *item)
{
    for (size_t i = 0; i < m->warnings.count; i++) {
        text_adds(item, "Warning: ");
        text_add_printable(item, m->warnings.items[i]);
        text_adds(item, ".");
        add_sentence(p, item);
    }
}

int report_match_text(const struct match *m, bool strict, const struct report_style *style,
                      struct text *ret)
{
    CLEANUP_TEXT struct text item = TEXT_INIT;
    struct paragraph p = {.text = ret, .width = style->terminal.width, .verbose = style->verbose};
    bool color = style->terminal.color;

    if (color)
        text_adds(ret, match_ok(m, strict) ? "\033[32m" : "\033[31m");
    add_answer(m, &item);
    text_add_wrapped(ret, text_str(&item), p.width, 0, INDENT);
    text_reset(&item);
    text_adds(ret, color ? "\033[0m\n" : "\n");
    add_missing(m, &p, &item);
    add_offline(m, &p, &item);
    add_duplicates(m, &p, &item);
    add_claims(m, &p, &item);
    add_unexpected(m, &p, &item);
    add_unassigned(m, &p, &item);
    add_unverified(m, &p, &item);
    add_warnings(m, &p, &item);
    return text_error(&item) < 0 ? -ENOMEM : text_error(ret);
}
