/*
 * write-inventory ROSTER FORMAT [CONTROLLER]
 *
 * Writes the inventory of a roster's JSON: yaml, ini, json, ssh-config, hosts,
 * list (Ansible's protocol), host=NAME, roster (JSON again) or table.
 */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "discovery/base/file.h"
#include "discovery/base/terminal.h"
#include "discovery/inventory/inventory.h"
#include "discovery/report/roster-text.h"

static int write_as(const struct machine_list *l, const char *format, const char *controller,
                    struct text *ret, struct error *err)
{
    enum inventory_format f = INVENTORY_LIST;
    int r;

    if (strcmp(format, "roster") == 0)
        return report_roster_json(l->pointers, l->count, ret);
    if (strcmp(format, "table") == 0)
        return report_roster_text(l->pointers, l->count,
                                  &(struct report_style){.terminal = {.width = 100}}, ret);
    if (strncmp(format, "host=", 5) == 0)
        return inventory_write_host(l->pointers, l->count, format + 5, ret);
    r = strcmp(format, "list") == 0 ? 0 : inventory_format_from_name(format, &f, err);
    return r < 0 ? r : inventory_write(l->pointers, l->count, f, controller, ret);
}

int main(int argc, char **argv)
{
    CLEANUP(machine_list_clear) struct machine_list list = MACHINE_LIST_INIT;
    CLEANUP_TEXT struct text json = TEXT_INIT, out = TEXT_INIT;
    struct error err = {.text = "cannot write it"};

    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: write-inventory ROSTER FORMAT [CONTROLLER]\n");
        return 2;
    }
    (void)setlocale(LC_CTYPE, "");
    if (file_read(argv[1], REPORT_JSON_MAX, &json, &err) < 0 ||
        report_roster_read(text_str(&json), json.size, argv[1], &list, &err) < 0 ||
        write_as(&list, argv[2], argv[3], &out, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    return fwrite(text_str(&out), 1, out.size, stdout) == out.size && fflush(stdout) == 0 ? 0 : 3;
}
