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
    if (!m->beacon && !m->online) /* else its state says so */
        add_part(t, "; ", "", "no beacon");
    if (m->untrusted)
        add_part(t, "; ", "", "not verified (dcop-deploy enroll)");
    add_part(t, "; ", "in doubt: ", machine_doubt(m));
    add_part(t, "; ", "", machine_error(m));
}

/* When an offline machine was there last, in local time. */
static void add_last_seen(struct text *t, const struct machine *m)
{
    char when[40];
    struct tm tm;

    if (m->online || m->last_seen.tv_sec <= 0 || !localtime_r(&m->last_seen.tv_sec, &tm) ||
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm) == 0)
        return;
    add_part(t, "; ", "last seen ", when);
}

/* The same in few columns: of today only the time, of other days only the day. */
static void add_short_last_seen(struct text *t, const struct machine *m, time_t now)
{
    char when[40];
    struct tm seen, today;
    bool is_today;

    if (m->last_seen.tv_sec <= 0 || !localtime_r(&m->last_seen.tv_sec, &seen) ||
        !localtime_r(&now, &today))
        return;
    is_today = seen.tm_yday == today.tm_yday && seen.tm_year == today.tm_year;
    if (strftime(when, sizeof(when), is_today ? "%H:%M" : "%Y-%m-%d", &seen) > 0)
        add_part(t, ", ", "seen ", when);
}

enum { AGENT, MACHINE, ADDRESS, STATE, VERIFIED, FLEET, SYSTEM, PROBLEM, COLUMNS };

static const struct table_column columns[] = {
    [AGENT] = {"AGENT", true},    [MACHINE] = {"MACHINE", false},   [ADDRESS] = {"ADDRESS", false},
    [STATE] = {"STATE", true},    [VERIFIED] = {"VERIFIED", false}, [FLEET] = {"FLEET", false},
    [SYSTEM] = {"SYSTEM", false}, [PROBLEM] = {"PROBLEM", false},   [COLUMNS] = {NULL, false},
};

/* How wide a field may be: on a terminal a part of its width. */
enum { FIELD_MAX = 40, FIELD_MIN = 12, PROBLEM_MAX = 240 };

static size_t field_max(const struct report_style *style)
{
    size_t width = style->terminal.width * 3 / 10;

    if (style->terminal.width == 0)
        return FIELD_MAX;
    return width > FIELD_MIN ? width : FIELD_MIN;
}

/* For people: "new" would not say that the machine is there. */
static const char *state_word(const struct machine *m)
{
    if (!m->online)
        return "offline";
    if (m->unheard)
        return "not heard yet";
    if (!m->beacon)
        return "no beacon";
    switch (m->advert.state) {
    case ADVERT_STATE_UNKNOWN:
        return "there";
    case ADVERT_STATE_NEW:
        return "there, not deployed";
    case ADVERT_STATE_STOPPED:
    case ADVERT_STATE_RUNNING:
    case ADVERT_STATE_FAILED:
        return advert_state_name(m->advert.state);
    }
    return "there";
}

static enum table_tone state_tone(const struct machine *m)
{
    if (!m->online)
        return TABLE_BAD;
    if (m->unheard || !m->beacon)
        return TABLE_FAINT;
    return m->advert.state == ADVERT_STATE_FAILED    ? TABLE_BAD
           : m->advert.state == ADVERT_STATE_RUNNING ? TABLE_GOOD
                                                     : TABLE_PLAIN;
}

/* Adds a cell of at most `max` columns.  In a pipe no field is empty, so that
 * programs can count them. */
static void add_cell(struct table *t, const char *cell, size_t max, enum table_tone tone,
                     bool is_terminal)
{
    CLEANUP_TEXT struct text printable = TEXT_INIT, cut = TEXT_INIT;

    text_add_printable(&printable, cell);
    text_add_cut(&cut, text_str(&printable), max);
    if (text_error(&printable) < 0 || text_error(&cut) < 0)
        t->failed = true;
    table_add(t, cut.size == 0 && !is_terminal ? "-" : text_str(&cut), tone);
}

/* Appends one name.  A second blank in a row would look like the next column. */
static void add_agent_name(struct text *t, const char *name)
{
    CLEANUP_TEXT struct text shown = TEXT_INIT;

    report_add_name(&shown, name);
    if (text_error(&shown) < 0)
        t->failed = true;
    for (const char *c = text_str(&shown); *c; c++)
        if (c[0] == ' ' && c[1] == ' ')
            text_adds(t, "\\x20");
        else
            text_addc(t, *c);
}

/* Appends the names that fit into `max` columns, and how many more there are. */
static void add_agents(struct text *t, const struct strings *agents, size_t max)
{
    enum { MORE = sizeof(" +650") - 1 };

    text_adds(t, agents->count == 0 ? "-" : "");
    for (size_t i = 0; i < agents->count; i++) {
        CLEANUP_TEXT struct text name = TEXT_INIT;
        size_t room = i + 1 < agents->count ? max - MORE : max;

        add_agent_name(&name, agents->items[i]);
        if (text_error(&name) < 0)
            t->failed = true;
        if (i > 0 && text_width(text_str(t)) + 2 + text_width(text_str(&name)) > room) {
            text_addf(t, " +%zu", agents->count - i);
            return;
        }
        text_adds(t, i > 0 ? ", " : "");
        text_add_cut(t, text_str(&name), room);
    }
}

static void add_system(struct text *t, const struct machine *m)
{
    add_part(t, " ", "", m->advert.os);
    add_part(t, " ", "", m->advert.arch);
    add_part(t, " ", "py", m->advert.python);
}

/* What belongs to all rows of a table. */
struct layout {
    const struct report_style *style;
    bool is_terminal;
    bool fleets; /* show the fleet */
    size_t max;  /* columns of a field */
};

static void add_machine_cells(struct table *t, const struct machine *m, const char *label,
                              const struct layout *l)
{
    CLEANUP_TEXT struct text agents = TEXT_INIT, address = TEXT_INIT, state = TEXT_INIT,
                             system = TEXT_INIT;
    /* Without a fleet key nobody is verified, and a terminal does not show the column. */
    const char *verified = m->by_hand ? "" : m->verified ? "yes" : m->untrusted ? "no" : "";

    add_agents(&agents, &m->advert.agents, l->max);
    add_address(&address, m);
    text_adds(&state, state_word(m));
    text_adds(&state, m->by_hand ? ", by hand" : "");
    if (!m->online && l->is_terminal)
        add_short_last_seen(&state, m, l->style->now);
    add_system(&system, m);
    if (text_error(&agents) < 0 || text_error(&address) < 0 || text_error(&state) < 0 ||
        text_error(&system) < 0)
        t->failed = true;
    add_cell(t, text_str(&agents), l->max, TABLE_PLAIN, l->is_terminal);
    add_cell(t, label, l->max, TABLE_PLAIN, l->is_terminal);
    add_cell(t, text_str(&address), SIZE_MAX, TABLE_PLAIN, l->is_terminal);
    add_cell(t, text_str(&state), SIZE_MAX, state_tone(m), l->is_terminal);
    add_cell(t, verified, l->max, m->verified ? TABLE_GOOD : TABLE_BAD, l->is_terminal);
    add_cell(t, l->fleets && m->beacon ? machine_fleet(m) : "", l->max, TABLE_PLAIN,
             l->is_terminal);
    add_cell(t, text_str(&system), l->max, TABLE_FAINT, l->is_terminal);
}

/* All names below the row, where the row has only some of them. */
static void note_agents(struct table *t, const struct strings *agents, size_t max)
{
    CLEANUP_TEXT struct text names = TEXT_INIT;

    add_agents(&names, agents, SIZE_MAX);
    if (text_error(&names) < 0)
        t->failed = true;
    if (text_width(text_str(&names)) > max)
        table_note(t, text_str(&names), TABLE_PLAIN);
}

/* One row.  What is wrong is the last column in a pipe, and text below the row on a
 * terminal, where a column would be too narrow for it. */
static void add_machine(struct table *t, const struct machine *m, const char *label,
                        const struct layout *l)
{
    CLEANUP_TEXT struct text problem = TEXT_INIT;

    add_machine_cells(t, m, label, l);
    add_problem(&problem, m);
    if (!l->is_terminal)
        add_last_seen(&problem, m);
    if (text_error(&problem) < 0)
        t->failed = true;
    add_cell(t, l->is_terminal ? "" : text_str(&problem), PROBLEM_MAX, TABLE_BAD, l->is_terminal);
    if (l->is_terminal && l->style->verbose)
        note_agents(t, &m->advert.agents, l->max);
    if (l->is_terminal && problem.size > 0)
        table_note(t, text_str(&problem), TABLE_BAD);
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

/* Writes the table of these machines in this order. */
static int write_table(const struct machine *const *machines, size_t n,
                       const struct report_style *style, size_t lines, struct text *ret,
                       size_t *ret_rows)
{
    CLEANUP(table_clear) struct table t;
    CLEANUP_STRINGS struct strings labels = {0};
    const struct layout l = {
        .style = style,
        .is_terminal = style->terminal.width > 0,
        .fleets = style->terminal.width == 0 || several_fleets(machines, n),
        .max = field_max(style),
    };

    table_init(&t, columns);
    t.spare = SYSTEM;
    if (sorted_labels(machines, n, &labels) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct machine *m = machines[i];
        char buffer[MACHINE_LABEL_MAX];
        const char *label = machine_label(m, buffer);

        if (*m->advert.id && is_twice(&labels, label))
            label = m->advert.id;
        add_machine(&t, m, label, &l);
    }
    return table_write_within(&t, style->terminal.width, lines, style->terminal.color, ret,
                              ret_rows);
}

int report_roster_text(const struct machine *const *machines, size_t n,
                       const struct report_style *style, struct text *ret)
{
    size_t ignored;

    if (n == 0)
        text_adds(ret, "No machines.\n");
    else if (write_table(machines, n, style, 0, ret, &ignored) < 0)
        return -ENOMEM;
    return text_error(ret);
}

int report_roster_fit(const struct machine *const *machines, size_t n,
                      const struct report_style *style, size_t lines, struct text *ret,
                      size_t *ret_hidden)
{
    CLEANUP_TEXT struct text table = TEXT_INIT;
    CLEANUP_FREE const struct machine **sorted = NULL;
    size_t rows = 0;
    int r = n > 0 ? write_table(machines, n, style, lines, &table, &rows) : 0;

    if (r >= 0 && rows < n) {
        sorted = report_sort_trouble(machines, n);
        text_reset(&table);
        r = sorted ? write_table(sorted, n, style, lines, &table, &rows) : -ENOMEM;
    }
    if (r < 0)
        return r;
    text_adds(ret, text_str(&table));
    *ret_hidden = n - rows;
    return text_error(ret);
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

void report_add_machine(struct text *t, const struct machine *m)
{
    for (size_t i = 0; i < m->advert.agents.count; i++) {
        text_adds(t, i > 0 ? ", " : "");
        report_add_name(t, m->advert.agents.items[i]);
    }
    text_adds(t, m->advert.agents.count > 0 ? " on " : "unassigned: ");
    report_add_label(t, m);
}

int report_change_text(const struct machine *m, enum roster_change change,
                       const struct terminal_style *style, struct text *ret)
{
    CLEANUP_TEXT struct text line = TEXT_INIT, problem = TEXT_INIT;

    text_addf(&line, "%-8s  ", roster_change_name(change));
    report_add_machine(&line, m);
    if (m->n_addresses > 0) {
        text_addc(&line, ' ');
        add_address(&line, m);
    }
    if (machine_is_there(m) && m->advert.state != ADVERT_STATE_UNKNOWN)
        text_addf(&line, " %s", state_word(m));
    add_problem(&problem, m);
    add_last_seen(&problem, m);
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
