/* A match as text for people: the answer, then what to do about it. */
#include "discovery/base/terminal.h"
#include "roster-text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { UNVERIFIED_SHOWN_MAX = 20 }; /* anybody can send more */

#define SETTINGS_FILE "/etc/dcop/beacon.conf"

/* A list of names that is wrapped like a paragraph. */
struct paragraph {
    struct text *text;
    size_t width, column, indent;
    bool started; /* an item is there */
};

static void paragraph_start(struct paragraph *p, const char *heading)
{
    text_adds(p->text, heading);
    p->column = text_width(heading);
    p->started = false;
}

/* Adds the next item, which is printable, with a comma in front of all but the
 * first. */
static void paragraph_add(struct paragraph *p, const char *item)
{
    size_t width = text_width(item);

    if (p->started) {
        text_addc(p->text, ',');
        p->column++;
    }
    if (p->started && p->width > 0 && p->column + 2 + width > p->width) {
        text_addf(p->text, "\n%*s", (int)p->indent, "");
        p->column = p->indent;
    } else {
        text_addc(p->text, ' ');
        p->column++;
    }
    text_adds(p->text, item);
    p->column += width;
    p->started = true;
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
        paragraph_add(p, text_str(item));
        text_reset(item);
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
        paragraph_add(p, text_str(item));
        text_reset(item);
    }
    text_addc(p->text, '\n');
}

static void add_duplicates(const struct match *m, struct text *ret)
{
    for (size_t i = 0; i < m->n_duplicates; i++) {
        const struct match_duplicate *d = &m->duplicates[i];

        report_add_name(ret, d->agent);
        text_adds(ret, " is on ");
        for (size_t j = 0; j < d->count; j++) {
            text_adds(ret, j == 0 ? "" : j + 1 == d->count ? " and " : ", ");
            report_add_label(ret, d->machines[j]);
            /* Cloned cards have one host name: the ids tell them apart. */
            if (*d->machines[j]->advert.id && d->machines[j]->host)
                text_addf(ret, " (%s)", d->machines[j]->advert.id);
        }
        text_adds(ret, ": remove the name from " SETTINGS_FILE " on all but one.\n");
    }
}

static void add_unexpected(const struct match *m, struct text *ret)
{
    for (size_t i = 0; i < m->n_unexpected; i++) {
        const struct match_unexpected *u = &m->unexpected[i];

        report_add_name(ret, u->agent);
        text_adds(ret, " on ");
        report_add_label(ret, u->machine);
        text_adds(ret, ": not in the problem");
        if (u->suggestion) {
            text_adds(ret, "; did you mean ");
            report_add_name(ret, u->suggestion);
            text_adds(ret, "? The name is in " SETTINGS_FILE " on that machine.\n");
        } else
            text_adds(ret, ".\n");
    }
}

static void add_unassigned(const struct match *m, struct paragraph *p, struct text *item)
{
    if (m->n_unassigned == 0)
        return;
    paragraph_start(p, "Unassigned, without an agent name:");
    for (size_t i = 0; i < m->n_unassigned; i++) {
        report_add_label(item, m->unassigned[i]);
        paragraph_add(p, text_str(item));
        text_reset(item);
    }
    text_adds(p->text, "\n");
    if (m->n_missing > 0)
        text_adds(p->text, "  Give one a name with a line \"agent NAME\" in " SETTINGS_FILE
                           " on it, or with dcop-deploy assign.\n");
}

static void add_unverified(const struct match *m, struct paragraph *p, struct text *item)
{
    if (m->n_unverified == 0)
        return;
    paragraph_start(p, "Not verified, not signed with this fleet's key:");
    for (size_t i = 0; i < m->n_unverified && i < UNVERIFIED_SHOWN_MAX; i++) {
        report_add_label(item, m->unverified[i]);
        paragraph_add(p, text_str(item));
        text_reset(item);
    }
    if (m->n_unverified > UNVERIFIED_SHOWN_MAX) {
        text_addf(item, "and %zu more", m->n_unverified - UNVERIFIED_SHOWN_MAX);
        paragraph_add(p, text_str(item));
        text_reset(item);
    }
    text_adds(p->text, "\n  They are left out of the match.  If they are yours, give them a key: "
                       "dcop-deploy enroll ADDRESS.\n");
}

int report_match_text(const struct match *m, bool strict, const struct terminal_style *style,
                      struct text *ret)
{
    CLEANUP_TEXT struct text item = TEXT_INIT;
    struct paragraph p = {.text = ret, .width = style->width, .indent = 2};

    if (style->color)
        text_adds(ret, match_ok(m, strict) ? "\033[32m" : "\033[31m");
    add_answer(m, ret);
    text_adds(ret, style->color ? "\033[0m\n" : "\n");
    add_missing(m, &p, &item);
    add_offline(m, &p, &item);
    add_duplicates(m, ret);
    add_unexpected(m, ret);
    add_unassigned(m, &p, &item);
    add_unverified(m, &p, &item);
    for (size_t i = 0; i < m->warnings.count; i++) {
        text_adds(ret, "Warning: ");
        text_add_printable(ret, m->warnings.items[i]);
        text_adds(ret, ".\n");
    }
    return text_error(&item) < 0 ? -ENOMEM : text_error(ret);
}
