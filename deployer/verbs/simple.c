/* The verbs that only run one mode of the machine's side. */
#include "verbs.h"

static int run_mode(struct program *p, struct error *err)
{
    struct action action = {
        .mode = p->options.verb,
        .looks = p->options.check,
        .unrecorded = p->options.check,
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
