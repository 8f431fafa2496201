/* --on-change: the command that runs when the match has changed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "discovery/base/file.h"
#include "discovery/base/process.h"
#include "private.h"

enum { HOOK_MS = 60 * 1000 };

struct hook {
    struct controller *c;
    char *command, *file;
    struct error err;
    int r, status;
};

static void start_hook(struct controller *c);

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

static void on_hook(void *arg)
{
    struct hook *h = arg;
    struct controller *c = h->c;

    if (h->r < 0)
        controller_log(c, "--on-change: %s", h->err.text);
    else if (h->status != 0)
        controller_log(c, "--on-change: the command ended with status %d", h->status);
    hook_free(TAKE_PTR(c->hook.run));
    task_free(TAKE_PTR(c->hook.task));
    if (c->hook.due && c->settings.on_change)
        start_hook(c);
}

static int write_match(const struct controller *c, const char *path, struct error *err)
{
    char *text = c->published.match ? json_dumps(c->published.match, JSON_INDENT(2)) : NULL;
    int r = text ? file_write(path, text, strlen(text), 0600, err)
                 : error_sys(err, -ENOMEM, "cannot write the match");

    free(text);
    return r;
}

static void start_hook(struct controller *c)
{
    struct hook *h = calloc(1, sizeof(*h));
    struct error err = {0};

    c->hook.due = false;
    if (!h)
        return;
    h->c = c;
    c->hook.run = h;
    h->command = strdup(c->settings.on_change);
    if (asprintf(&h->file, "%s/match.json", c->paths.state) < 0)
        h->file = NULL;
    if (!h->command || !h->file || write_match(c, h->file, &err) < 0 ||
        task_start(c->loop, run_hook, on_hook, h, &c->hook.task, &err) < 0) {
        controller_log(c, "--on-change: %s", err.text[0] ? err.text : "out of memory");
        hook_free(TAKE_PTR(c->hook.run));
        return;
    }
}

void hook_stop(struct controller *c)
{
    task_free(TAKE_PTR(c->hook.task));
    hook_free(TAKE_PTR(c->hook.run));
}

/* One command at a time; if the match changes meanwhile, one more runs afterwards. */
void hook_match_changed(struct controller *c)
{
    if (!c->settings.on_change)
        return;
    if (c->hook.task)
        c->hook.due = true;
    else
        start_hook(c);
}
