/* Roster and match as text for people. */
#include "roster-text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "discovery/base/table.h"
#include "discovery/base/terminal.h"

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The machines' labels, sorted, to find labels that several machines have. */
static int sorted_labels(const struct machine *const *machines, size_t n, struct strings *ret)
{
    char buffer[MACHINE_LABEL_MAX];

    for (size_t i = 0; i < n; i++)
        if (strings_add(ret, machine_label(machines[i], buffer)) < 0)
            return -ENOMEM;
    if (n > 0)
        qsort(ret->items, ret->count, sizeof(*ret->items), compare_strings);
    return 0;
}

static bool is_twice(const struct strings *sorted, const char *label)
{
    char **found =
        bsearch(&label, sorted->items, sorted->count, sizeof(*sorted->items), compare_strings);
    size_t i = found ? (size_t)(found - sorted->items) : 0;

    if (!found)
        return false;
    return (i > 0 && strcmp(sorted->items[i - 1], label) == 0) ||
           (i + 1 < sorted->count && strcmp(sorted->items[i + 1], label) == 0);
}

static void add_address(struct text *t, const struct machine *m)
{
    char address[ADDRESS_TEXT_MAX];
    bool brackets;

    if (m->n_addresses == 0)
        return;
    address_format(&m->addresses[0], address);
    if (m->port == 0 || m->port == SSH_PORT) {
        text_adds(t, address);
        return;
    }
    brackets = m->addresses[0].family == AF_INET6;
    text_addf(t, "%s%s%s:%u", brackets ? "[" : "", address, brackets ? "]" : "", m->port);
}

/* Appends a part, with the separator when there is text before it. */
static void add_part(struct text *t, const char *separator, const char *prefix, const char *part)
{
    if (!part || !*part)
        return;
    text_adds(t, t->size > 0 ? separator : "");
    text_adds(t, prefix);
    text_adds(t, part);
}

static void add_problem(struct text *t, const struct machine *m)
{
    struct tm tm;
    char when[40];

    if (!m->beacon)
        add_part(t, "; ", "", "no beacon");
    if (m->untrusted)
        add_part(t, "; ", "", "not verified (dcop-deploy enroll)");
    if (m->in_doubt)
        add_part(t, "; ", "", "in doubt: another machine has this id and a different host key");
    add_part(t, "; ", "", m->advert.error);
    if (!m->online && m->last_seen.tv_sec > 0 && gmtime_r(&m->last_seen.tv_sec, &tm) &&
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm) > 0) {
        add_part(t, "; ", "last seen ", when);
        text_adds(t, " UTC");
    }
}

enum { AGENT, MACHINE, ADDRESS, FLEET, SYSTEM, VERIFIED, STATE, PROBLEM, COLUMNS };

static const struct table_column columns[] = {
    [AGENT] = {"AGENT", true},        [MACHINE] = {"MACHINE", false},
    [ADDRESS] = {"ADDRESS", false},   [FLEET] = {"FLEET", false},
    [SYSTEM] = {"SYSTEM", false},     [STATE] = {"STATE", false},
    [VERIFIED] = {"VERIFIED", false}, [PROBLEM] = {"PROBLEM", false},
    [COLUMNS] = {NULL, false},
};

static const char *state_word(const struct machine *m, enum table_tone *ret_tone)
{
    *ret_tone = TABLE_PLAIN;
    if (!m->online) {
        *ret_tone = TABLE_BAD;
        return "offline";
    }
    if (m->unheard) {
        *ret_tone = TABLE_FAINT;
        return "not heard yet";
    }
    if (m->advert.state == ADVERT_STATE_FAILED)
        *ret_tone = TABLE_BAD;
    else if (m->advert.state == ADVERT_STATE_RUNNING)
        *ret_tone = TABLE_GOOD;
    return advert_state_name(m->advert.state);
}

/* One line for the machine, and one more for each further name, with only that
 * name. */
static int add_machine(struct table *t, const struct machine *m, const char *label, bool fleets)
{
    CLEANUP_TEXT struct text address = TEXT_INIT, system = TEXT_INIT, problem = TEXT_INIT;
    const struct strings *agents = &m->advert.agents;
    enum table_tone tone;
    const char *state = state_word(m, &tone);

    add_address(&address, m);
    add_part(&system, " ", "", m->advert.os);
    add_part(&system, " ", "", m->advert.arch);
    add_part(&system, " ", "py", m->advert.python);
    add_problem(&problem, m);
    if (text_error(&address) < 0 || text_error(&system) < 0 || text_error(&problem) < 0)
        return -ENOMEM;
    table_add(t, agents->count > 0 ? agents->items[0] : "-", TABLE_PLAIN);
    table_add(t, label, TABLE_PLAIN);
    table_add(t, text_str(&address), TABLE_PLAIN);
    table_add(t, fleets && m->beacon ? machine_fleet(m) : "", TABLE_PLAIN);
    table_add(t, text_str(&system), TABLE_FAINT);
    /* Without a fleet key nobody is verified, and the column is not shown. */
    table_add(t,
              m->verified    ? "yes"
              : m->untrusted ? "no"
                             : "",
              m->verified ? TABLE_GOOD : TABLE_BAD);
    table_add(t, state, tone);
    table_add(t, text_str(&problem), TABLE_BAD);
    for (size_t i = 1; i < agents->count; i++) {
        table_add(t, agents->items[i], TABLE_PLAIN);
        table_add(t, label, TABLE_FAINT);
        for (size_t c = ADDRESS; c < COLUMNS; c++)
            table_add(t, NULL, TABLE_PLAIN);
    }
    return 0;
}

static bool several_fleets(const struct machine *const *machines, size_t n)
{
    const char *first = NULL;

    for (size_t i = 0; i < n; i++) {
        if (!machines[i]->beacon)
            continue;
        if (!first)
            first = machine_fleet(machines[i]);
        else if (strcmp(first, machine_fleet(machines[i])) != 0)
            return true;
    }
    return false;
}

int report_roster_text(const struct machine *const *machines, size_t n,
                       const struct terminal_style *style, struct text *ret)
{
    CLEANUP(table_clear) struct table t;
    CLEANUP_STRINGS struct strings labels = {0};
    bool fleets = several_fleets(machines, n);

    table_init(&t, columns);
    if (n == 0) {
        text_adds(ret, "No machines.\n");
        return text_error(ret);
    }
    if (sorted_labels(machines, n, &labels) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct machine *m = machines[i];
        char buffer[MACHINE_LABEL_MAX];
        const char *label = machine_label(m, buffer);

        if (*m->advert.id && is_twice(&labels, label))
            label = m->advert.id;
        if (add_machine(&t, m, label, fleets) < 0)
            return -ENOMEM;
    }
    return table_write(&t, style->width, style->color, ret);
}

void report_add_label(struct text *t, const struct machine *m)
{
    char buffer[MACHINE_LABEL_MAX];

    text_add_printable(t, machine_label(m, buffer));
}

void report_add_name(struct text *t, const char *name)
{
    bool plain = *name && strcspn(name, " \t,;:?\"") == strlen(name);

    text_adds(t, plain ? "" : "\"");
    text_add_printable(t, name);
    text_adds(t, plain ? "" : "\"");
}

int report_change_text(const struct machine *m, enum roster_change change,
                       const struct terminal_style *style, struct text *ret)
{
    CLEANUP_TEXT struct text line = TEXT_INIT, problem = TEXT_INIT;
    const char *state = advert_state_name(m->advert.state);

    text_addf(&line, "%-8s  ", roster_change_name(change));
    for (size_t i = 0; i < m->advert.agents.count; i++) {
        text_adds(&line, i > 0 ? ", " : "");
        report_add_name(&line, m->advert.agents.items[i]);
    }
    text_adds(&line, m->advert.agents.count > 0 ? " on " : "unassigned: ");
    report_add_label(&line, m);
    if (m->n_addresses > 0) {
        text_addc(&line, ' ');
        add_address(&line, m);
    }
    if (state && machine_is_there(m))
        text_addf(&line, " %s", state);
    add_problem(&problem, m);
    if (problem.size > 0) {
        text_adds(&line, ": ");
        text_add_printable(&line, text_str(&problem));
    }
    if (text_error(&line) < 0 || text_error(&problem) < 0)
        return -ENOMEM;
    if (style->width > 0)
        text_add_cut(ret, text_str(&line), style->width);
    else
        text_adds(ret, text_str(&line));
    text_addc(ret, '\n');
    return text_error(ret);
}
