#include "port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "discovery/base/cleanup.h"

bool port_is_free(unsigned port)
{
    const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    return fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
           bind(fd, (const struct sockaddr *)&any, sizeof(any)) == 0;
}

unsigned port_find(unsigned first, unsigned count, const unsigned *used, size_t n)
{
    for (unsigned port = first; port < first + count && port <= UINT16_MAX; port++) {
        bool is_used = false;

        for (size_t i = 0; i < n; i++)
            is_used |= used[i] == port;
        if (!is_used && port_is_free(port))
            return port;
    }
    return 0;
}

/* --- holding one -------------------------------------------------------------------- */

struct holding {
    sd_event *loop;
    bool held;
    char *why;
};

static void holding_clear(struct holding *h)
{
    sd_event_unref(h->loop);
    free(h->why);
}

static void on_event(const json_t *event, const char *why, void *arg)
{
    const char *kind = json_string_value(json_object_get(event, "event"));
    struct holding *h = arg;

    if (kind && strcmp(kind, "refused") == 0) {
        why = json_string_value(json_object_get(event, "reason"));
        h->why = h->why ? h->why : strdup(why ? why : "");
        return;
    }
    h->held = kind && strcmp(kind, "held") == 0;
    if (!event && !h->why)
        h->why = strdup(why);
    if (!event || h->held)
        (void)sd_event_exit(h->loop, 0);
}

int port_hold(const struct solve_environment *environment, unsigned port, const char *about,
              struct orchestrator **ret, char **ret_why, struct error *err)
{
    CLEANUP(orchestrator_free_p) struct orchestrator *o = NULL;
    CLEANUP(holding_clear) struct holding h = {0};
    json_t *request = json_pack("{s:b, s:i, s:s}", "hold", 1, "port", (int)port, "about", about);
    int r = request ? orchestrator_start(environment, request, "/dev/null", &o, err)
                    : error_sys(err, -ENOMEM, "cannot keep port %u", port);

    json_decref(request);
    if (r == 0 && sd_event_new(&h.loop) < 0)
        r = error_set(err, -EIO, "cannot wait for events");
    if (r == 0)
        r = orchestrator_listen(o, h.loop, on_event, &h, err);
    if (r == 0 && sd_event_loop(h.loop) < 0)
        r = error_set(err, -EIO, "cannot wait for events");
    if (r < 0)
        return r;
    if (!h.held) {
        *ret_why = TAKE_PTR(h.why);
        return *ret_why ? 1 : error_sys(err, -ENOMEM, "cannot keep port %u", port);
    }
    *ret = TAKE_PTR(o); /* its loop never runs again */
    return 0;
}
