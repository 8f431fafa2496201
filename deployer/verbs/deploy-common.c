#include "deploy-common.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool removes_ui(const struct deploy_options *o)
{
    return o->ui && strcmp(o->ui, "none") == 0;
}

/* pydcop-ui as it is served: a folder with an index.html. */
static int check_ui(const struct deploy_options *o, struct error *err)
{
    CLEANUP_FREE char *index = NULL;

    if (!o->ui || removes_ui(o))
        return o->browser ? error_set(err, -EINVAL, "--browser needs --ui DIR") : 0;
    if (asprintf(&index, "%s/index.html", o->ui) < 0) {
        index = NULL;
        return error_sys(err, -ENOMEM, "cannot look at %s", o->ui);
    }
    if (access(index, R_OK) < 0)
        return error_set(
            err, -EINVAL,
            "--ui: %s has no index.html; give pydcop-ui's dist folder, which its build makes",
            o->ui);
    return 0;
}

int deploy_common_settings(const struct deploy_options *o, struct text *settings, struct error *err)
{
    text_addf(settings, "ui %s\nbrowser %s\n",
              removes_ui(o) ? "remove"
              : o->ui       ? "yes"
                            : "no",
              o->browser ? "yes" : "no");
    if (o->no_start && o->canary)
        return error_set(err, -EINVAL, "--no-start starts nothing that --canary could watch");
    deploy_options_add_settings(o, settings);
    return check_ui(o, err);
}

int deploy_common_pack(struct program *p, struct text *settings, struct error *err)
{
    const struct deploy_options *o = &p->options;
    const struct bundle_extra extras[] = {{removes_ui(o) ? NULL : o->ui, "ui/"}, {NULL, NULL}};
    int r = program_pack_pydcop(p, extras, err);

    if (r == 0)
        pack_add_deps(p->pack, deploy_options_deps(o), settings);
    return r;
}
