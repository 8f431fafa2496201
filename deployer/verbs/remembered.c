#include "remembered.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "deployer/cli/program.h"
#include "discovery/base/file.h"
#include "discovery/base/terminal.h"

enum { CANDIDATES_SHOWN = 10 };

int remembered_run(struct program *p, remembered_verb *verb, struct error *err)
{
    CLEANUP_TEXT struct text said = TEXT_INIT;
    CLEANUP_FREE char *experiments = path_join(p->paths.state, "experiments");
    struct remembered v = {
        .state = p->state,
        .options = &p->options,
        .experiments = experiments,
        .style = terminal_style(STDOUT_FILENO),
    };
    int r = verb(&v, &said, err);

    if (r >= 0)
        terminal_put(stdout, &said);
    return r;
}

int remembered_changes(const struct remembered *v, struct error *err)
{
    if (!v->options->check)
        return 0;
    return error_set(err, -EINVAL, "'%s' does not support --check; nothing was done",
                     v->options->verb);
}

/* The machines that are known, and the ids that have a pin and nothing else. */
static int list_known(struct state *s, struct strings *ret, struct error *err)
{
    CLEANUP(state_machines_clear) struct state_machines machines = {0};
    CLEANUP(state_pins_clear) struct state_pins pins = {0};
    CLEANUP_STRINGS struct strings ids = {0};
    int r = state_machine_list(s, &machines, err);

    if (r == 0)
        r = state_pin_list(s, NULL, &pins, err);
    for (size_t i = 0; i < machines.count && r == 0; i++) {
        CLEANUP_TEXT struct text words = TEXT_INIT;

        state_report_add_machine(&words, &machines.items[i]);
        if (strings_add(&ids, machines.items[i].id) < 0 || strings_add(ret, text_str(&words)) < 0)
            r = error_sys(err, -ENOMEM, "cannot list the machines");
    }
    for (size_t i = 0; i < pins.count && r == 0; i++) {
        const char *id = pins.items[i].id;

        if (!strings_has(&ids, id) && (strings_add(&ids, id) < 0 || strings_add(ret, id) < 0))
            r = error_sys(err, -ENOMEM, "cannot list the machines");
    }
    return r;
}

static int refuse_unknown(struct state *s, const char *word, struct error *err)
{
    CLEANUP_STRINGS struct strings known = {0};
    CLEANUP_TEXT struct text words = TEXT_INIT;
    int r = list_known(s, &known, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < known.count && i < CANDIDATES_SHOWN; i++)
        text_addf(&words, "%s%s", i ? ", " : "", known.items[i]);
    if (known.count > CANDIDATES_SHOWN)
        text_addf(&words, " and %zu more (dcop-deploy trust)", known.count - CANDIDATES_SHOWN);
    if (known.count == 0)
        return error_set(err, -ENOENT, "no machine is known as '%s': none was contacted yet", word);
    return error_set(err, -ENOENT, "no machine is known as '%s'; known %s %s", word,
                     known.count == 1 ? "is" : "are", text_str(&words));
}

int remembered_find(struct state *s, const char *word, char **ret_id, struct error *err)
{
    CLEANUP_STRINGS struct strings ids = {0};
    CLEANUP_TEXT struct text words = TEXT_INIT;
    int r = state_find_ids(s, word, &ids, err);

    if (r < 0)
        return r;
    if (ids.count == 0)
        return refuse_unknown(s, word, err);
    for (size_t i = 0; i < ids.count; i++)
        text_addf(&words, "%s%s", i ? ", " : "", ids.items[i]);
    if (ids.count > 1)
        return error_set(err, -EINVAL, "'%s' could be any of these ids; give the one you mean: %s",
                         word, text_str(&words));
    *ret_id = strdup(ids.items[0]);
    return *ret_id ? 0 : error_sys(err, -ENOMEM, "cannot find '%s'", word);
}
