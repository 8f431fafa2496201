/* The verbs that only run one mode of the machine's side. */
#include <string.h>

#include "verbs.h"

static int run_as(struct program *p, const char *mode, struct error *err)
{
    struct action action = {
        .mode = mode,
        .looks = p->options.check,
        .unrecorded = p->options.check || strcmp(mode, "identify") == 0,
    };
    int r = program_takes_arguments(p, 0, err);

    if (r == 0)
        r = program_find_targets(p, err);
    if (r == 0)
        r = program_identify(p, err);
    if (r == 0)
        r = program_pack_steps(p, NULL, err);
    return r == 0 ? program_act(p, &p->targets, &action, err) : r;
}

static int run_mode(struct program *p, struct error *err)
{
    return run_as(p, p->options.verb, err);
}

static int run_blink(struct program *p, struct error *err)
{
    return run_as(p, "identify", err);
}

#define SIMPLE(word, words)                                                                        \
    const struct verb verb_##word = {                                                              \
        .name = #word, .arguments = "", .help = (words), .foresees = true, .run = run_mode}

SIMPLE(start, "start the agents");
SIMPLE(stop, "stop the agents; a reboot starts them again");
SIMPLE(restart, "stop and start the agents");
SIMPLE(rollback, "go back to the previous version");
SIMPLE(uninstall, "remove what was deployed");
SIMPLE(poweroff, "switch the machines off, at the end of a lesson");
SIMPLE(reboot, "reboot the machines");

const struct verb verb_blink = {
    .name = "blink",
    .arguments = "",
    .help = "the machines' lights blink for ten seconds",
    .foresees = true,
    .run = run_blink,
};
