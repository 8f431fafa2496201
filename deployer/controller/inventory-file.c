/* What goes out beside the API: the inventory's file, and the hook. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "discovery/base/file.h"
#include "discovery/base/process.h"
#include "private.h"

enum { HOOK_MS = 60 * 1000 };

/* This computer's address towards the machines; "": not known. */
static void find_controller(struct member **members, size_t n, char ret[static INET_ADDRSTRLEN])
{
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    socklen_t size = sizeof(to);

    ret[0] = '\0';
    for (size_t i = 0; i < n && !ret[0]; i++) {
        const struct machine *m = &members[i]->machine;

        if (m->untrusted || m->n_addresses == 0 || m->addresses[0].family != AF_INET)
            continue;
        /* Connecting a datagram socket sends nothing: it asks for the route. */
        memcpy(&to.sin_addr, m->addresses[0].bytes, 4);
        if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0 &&
            getsockname(fd, (struct sockaddr *)&to, &size) == 0)
            (void)inet_ntop(AF_INET, &to.sin_addr, ret, INET_ADDRSTRLEN);
    }
}

static int write_inventory(const struct controller *c, struct member **members, size_t n,
                           enum inventory_format format, struct text *ret)
{
    CLEANUP_FREE const struct machine **machines = calloc(n + 1, sizeof(*machines));
    char own[INET_ADDRSTRLEN];
    size_t count = 0;

    if (!machines)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (!members[i]->machine.untrusted && !directory_is_impostor(&c->directory, members[i]))
            machines[count++] = &members[i]->machine;
    find_controller(members, n, own);
    return inventory_write(machines, count, format, *own ? own : NULL, ret);
}

int outlets_inventory(struct controller *c, enum inventory_format format, struct text *ret)
{
    size_t n = 0;
    CLEANUP_FREE struct member **members = directory_list(&c->directory, &n);

    return members ? write_inventory(c, members, n, format, ret) : -ENOMEM;
}

void outlets_write(struct controller *c, struct member **members, size_t n)
{
    CLEANUP_TEXT struct text now = TEXT_INIT;
    struct error err = {0};

    if (!c->settings.output || write_inventory(c, members, n, c->settings.format, &now) < 0)
        return;
    if (c->inventory.data && now.size == c->inventory.size &&
        memcmp(now.data, c->inventory.data, now.size) == 0)
        return;
    if (file_write(c->settings.output, now.data, now.size, 0644, &err) < 0) {
        controller_say(c, "%s", err.text);
        return;
    }
    text_clear(&c->inventory);
    c->inventory = now;
    now = TEXT_INIT;
}

/* --- the hook ---------------------------------------------------------------------- */

struct hook {
    struct controller *c;
    char *command, *file;
    struct error err;
    int r, status;
};

static void hook_free(struct hook *h)
{
    if (!h)
        return;
    free(h->command);
    free(h->file);
    free(h);
}

static void run_hook(void *arg, int cancel_fd)
{
    struct hook *h = arg;
    CLEANUP(process_result_clear) struct process_result result = {0};
    CLEANUP_TEXT struct text env = TEXT_INIT;
    const char *const argv[] = {"/bin/sh", "-c", h->command, NULL};
    const char *environment[2] = {NULL, NULL};
    const struct process_options options = {
        .argv = argv, .env = environment, .timeout_ms = HOOK_MS, .cancel_fd = cancel_fd};

    text_addf(&env, "DCOP_MATCH=%s", h->file);
    environment[0] = text_str(&env);
    h->r = process_run(&options, &result, &h->err);
    h->status = result.status;
}

static void start_hook(struct controller *c);

static void on_hook(void *arg)
{
    struct hook *h = arg;
    struct controller *c = h->c;

    if (h->r < 0)
        controller_say(c, "--on-change: %s", h->err.text);
    else if (h->status != 0)
        controller_say(c, "--on-change: the command ended with %d", h->status);
    hook_free(TAKE_PTR(c->hook_state));
    task_free(TAKE_PTR(c->hook));
    if (c->hook_due && c->settings.on_change)
        start_hook(c);
}

static int write_match(const struct controller *c, const char *path, struct error *err)
{
    char *text = c->match_value ? json_dumps(c->match_value, JSON_INDENT(2)) : NULL;
    int r = text ? file_write(path, text, strlen(text), 0600, err)
                 : error_sys(err, -ENOMEM, "cannot write the match");

    free(text);
    return r;
}

static void start_hook(struct controller *c)
{
    struct hook *h = calloc(1, sizeof(*h));
    struct error err = {0};

    c->hook_due = false;
    if (!h)
        return;
    h->c = c;
    c->hook_state = h;
    h->command = strdup(c->settings.on_change);
    if (asprintf(&h->file, "%s/match.json", c->paths.state) < 0)
        h->file = NULL;
    if (!h->command || !h->file || write_match(c, h->file, &err) < 0 ||
        task_start(c->loop, run_hook, on_hook, h, &c->hook, &err) < 0) {
        controller_say(c, "--on-change: %s", err.text[0] ? err.text : "out of memory");
        hook_free(TAKE_PTR(c->hook_state));
        return;
    }
}

void outlets_stop(struct controller *c)
{
    task_free(TAKE_PTR(c->hook));
    hook_free(TAKE_PTR(c->hook_state));
}

/* One at a time; what changes meanwhile is told by one more. */
void outlets_match_changed(struct controller *c)
{
    if (!c->settings.on_change)
        return;
    if (c->hook)
        c->hook_due = true;
    else
        start_hook(c);
}
