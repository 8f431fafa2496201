#include "choice.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void ways_clear(struct ways *w)
{
    free(w->apt_proxy);
    free(w->pip_index);
    *w = (struct ways){0};
}

int ways_copy(const struct deploy_options *from, struct ways *ret, struct error *err)
{
    struct ways w = {0};

    if ((from->apt_proxy && !(w.apt_proxy = strdup(from->apt_proxy))) ||
        (from->pip_index && !(w.pip_index = strdup(from->pip_index)))) {
        ways_clear(&w);
        return error_sys(err, -ENOMEM, "cannot plan");
    }
    w.options.apt_proxy = w.apt_proxy;
    w.options.pip_index = w.pip_index;
    w.options.offline = from->offline;
    *ret = w;
    return 0;
}
