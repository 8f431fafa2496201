/* The reader of saved rosters: any bytes, no crash; what it takes survives a
 * second round unchanged and goes into every report and inventory. */
#include <stdlib.h>
#include <string.h>

#include "discovery/base/terminal.h"
#include "discovery/inventory/inventory.h"
#include "discovery/report/roster-text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool good)
{
    if (!good)
        abort();
}

/* No line of text for people may hold what steers a terminal. */
static void expect_printable(const struct text *t)
{
    for (size_t i = 0; i < t->size; i++)
        expect((unsigned char)t->data[i] >= ' ' || t->data[i] == '\n');
    expect(utf8_valid(text_str(t), t->size));
}

static void write_all(const struct machine_list *l)
{
    CLEANUP_TEXT struct text out = TEXT_INIT;
    CLEANUP(match_clear) struct match match = MATCH_INIT;
    CLEANUP_PROBLEM struct problem problem = PROBLEM_INIT;
    static const struct report_style style = {.terminal = {.width = 60}};

    expect(strings_add(&problem.agents, "a1") == 0 && strings_add(&problem.agents, "agent") == 0);
    expect(match_make(l->pointers, l->count, &problem, NULL, &match) == 0);
    expect(match_explain(&match, l->pointers, l->count) == 0);
    expect(report_roster_text(l->pointers, l->count, &style, &out) == 0);
    expect(report_match_text(&match, true, &style, &out) == 0);
    expect_printable(&out);
    text_reset(&out);
    expect(report_match_json(&match, true, &out) == 0);
    for (int format = INVENTORY_YAML; format <= INVENTORY_LIST; format++)
        expect(inventory_write(l->pointers, l->count, (enum inventory_format)format, "::1", &out) ==
               0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(machine_list_clear) struct machine_list l = MACHINE_LIST_INIT,
                                                    again = MACHINE_LIST_INIT;
    CLEANUP_TEXT struct text once = TEXT_INIT, twice = TEXT_INIT;
    struct error err = {0};
    int r = report_roster_read((const char *)data, size, "input", &l, &err);

    if (r < 0) {
        expect(err.code == r && *err.text && !l.items);
        return 0;
    }
    expect(report_roster_json(l.pointers, l.count, &once) == 0);
    expect(report_roster_read(text_str(&once), once.size, "again", &again, &err) == 0);
    expect(report_roster_json(again.pointers, again.count, &twice) == 0);
    expect(strcmp(text_str(&once), text_str(&twice)) == 0);
    write_all(&l);
    return 0;
}
