#include "deployer/verbs/verbs.h"

static int run(struct program *p, struct error *err)
{
    const struct deploy_options *o = &p->options;
    struct action action = {
        .mode = o->diff    ? "diff"
                : o->check ? "check"
                           : "deploy",
        .unrecorded = o->check,
    };
    int r = verb_takes(p, 0, err);

    if (r == 0)
        r = program_find_targets(p, err);
    if (r == 0)
        r = program_ask_about_new(p, err);
    if (r == 0)
        r = program_pack_pydcop(p, err);
    return r == 0 ? program_act(p, &action, err) : r;
}

const struct verb verb_deploy = {
    .name = "deploy",
    .arguments = "",
    .help = "deploy pyDCOP, start the agents (the default)",
    .run = run,
};
