#include "running.h"

#include <errno.h>
#include <stdio.h>

#include "acng.h"
#include "http.h"
#include "services.h"
#include "start.h"

enum { ANSWER_MS = 5000 };

char *cache_apt_url(const struct cache_settings *s)
{
    char *url;

    return asprintf(&url, "http://127.0.0.1:%u", s->apt_port) < 0 ? NULL : url;
}

char *cache_pip_url(const struct cache_settings *s)
{
    char *url;

    return asprintf(&url, "http://127.0.0.1:%u/%s/+simple/", s->pip_port, s->index) < 0 ? NULL
                                                                                        : url;
}

int cache_look(const struct paths *p, struct cache_running *ret, struct error *err)
{
    int r = cache_settings_read(p, &ret->settings, err);

    ret->running = cache_serving_pid(p) > 0 && cache_runs(p);
    ret->apt = ret->running && r == 0 && cache_port_is_trusted(ret->settings.apt_port) &&
               acng_answers(ret->settings.apt_port, ANSWER_MS);
    ret->pip = ret->running && r == 0 && cache_port_is_trusted(ret->settings.pip_port) &&
               devpi_answers(ret->settings.pip_port, ANSWER_MS);
    return r == -ENOENT ? 0 : r;
}
