#include "move-common.h"

#include <errno.h>
#include <string.h>

static int refuse_selection(const struct deploy_options *o, struct error *err)
{
    const struct {
        const char *option;
        bool given;
    } selections[] = {
        {"--problem", o->problems.count > 0}, {"--inventory", o->inventory != NULL},
        {"--limit", o->limits.count > 0},     {"--pydcop", o->spec != NULL},
        {"--fleet", o->fleet != NULL},        {"--user", o->user != NULL},
        {"--from", o->from != NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(selections); i++)
        if (selections[i].given)
            return error_set(err, -EINVAL,
                             "'%s' does not take %s: it %ss all fleets and machines that are known",
                             o->verb, selections[i].option, o->verb);
    return 0;
}

int move_common_file(const struct program *p, const char **ret, struct error *err)
{
    const struct deploy_options *o = &p->options;
    const char *path = o->n_arguments > 0 ? o->arguments[0] : NULL;
    int r = program_takes_arguments(p, 1, err);

    if (r == 0)
        r = refuse_selection(o, err);
    if (r < 0)
        return r;
    if (!path)
        return error_set(err, -EINVAL, "say which file: %s FILE", o->verb);
    if (strcmp(path, "-") == 0)
        return error_set(err, -EINVAL, "'%s' takes a file, not '-'", o->verb);
    *ret = path;
    return 0;
}
