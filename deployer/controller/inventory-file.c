/* --output: the inventory's file, kept up to date. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "discovery/base/output.h"
#include "private.h"

static int write_inventory(const struct controller *c, struct member **members, size_t n,
                           enum inventory_format format, struct text *ret)
{
    CLEANUP_FREE const struct machine **machines = calloc(n + 1, sizeof(*machines));
    char own[INET_ADDRSTRLEN];
    size_t count = 0;

    if (!machines)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (!members[i]->machine.untrusted && !members_is_impostor(&c->directory, members[i]))
            machines[count++] = &members[i]->machine;
    inventory_find_controller(machines, count, own);
    return inventory_write(machines, count, format, *own ? own : NULL, ret);
}

int inventory_file_text(struct controller *c, enum inventory_format format, struct text *ret)
{
    size_t n = 0;
    CLEANUP_FREE struct member **members = members_list(&c->directory, &n);

    return members ? write_inventory(c, members, n, format, ret) : -ENOMEM;
}

void inventory_file_write(struct controller *c, struct member **members, size_t n)
{
    CLEANUP_TEXT struct text now = TEXT_INIT;
    CLEANUP_FREE char *file = NULL;
    struct error err = {0};

    if (!c->settings.output || write_inventory(c, members, n, c->settings.format, &now) < 0)
        return;
    if (c->published.inventory.data && now.size == c->published.inventory.size &&
        memcmp(now.data, c->published.inventory.data, now.size) == 0)
        return;
    if (output_file(c->settings.output, &file, &err) < 0 ||
        output_write(file, now.data, now.size, &err) < 0) {
        controller_log(c, "%s", err.text);
        return;
    }
    text_clear(&c->published.inventory);
    c->published.inventory = now;
    now = TEXT_INIT;
}
