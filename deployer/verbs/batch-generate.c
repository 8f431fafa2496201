#include "batch-generate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "deployer/solve/environment.h"
#include "deployer/solve/orchestrator.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"

/* What the process has told. */
struct generation {
    sd_event *loop;
    char *text; /* the problem; NULL: none */
    char *why;  /* without one */
};

static void generation_clear(struct generation *g)
{
    sd_event_unref(g->loop);
    free(g->text);
    free(g->why);
}

static const char *string_of(const json_t *event, const char *key)
{
    const char *value = json_string_value(json_object_get(event, key));

    return value ? value : "";
}

static void on_event(const json_t *event, const char *why, void *arg)
{
    struct generation *g = arg;

    if (!event) {
        if (!g->why)
            g->why = strdup(why);
        (void)sd_event_exit(g->loop, 0);
        return;
    }
    if (strcmp(string_of(event, "event"), "generated") == 0 && !g->text)
        g->text = strdup(string_of(event, "text"));
    else if (strcmp(string_of(event, "event"), "refused") == 0 && !g->why)
        g->why = strdup(string_of(event, "reason"));
}

static int run_process(const struct solve_environment *e, const struct batch_job *j,
                       const char *folder, struct generation *g, struct error *err)
{
    CLEANUP(orchestrator_free_p) struct orchestrator *o = NULL;
    CLEANUP_FREE char *log = path_join(folder, "generate.log");
    json_t *words = json_array(),
           *request = json_pack("{s:o, s:I}", "generate", words, "seed", (json_int_t)j->seed);
    int r = log && request ? 0 : error_sys(err, -ENOMEM, "cannot generate a problem");

    for (size_t i = 0; i < j->arguments.count; i++)
        (void)json_array_append_new(words, json_string(j->arguments.items[i]));
    if (r == 0)
        r = orchestrator_start(e, request, log, &o, err);
    json_decref(request);
    if (r == 0 && sd_event_new(&g->loop) < 0)
        r = error_set(err, -EIO, "cannot wait for events");
    if (r == 0)
        r = orchestrator_listen(o, g->loop, on_event, g, err);
    if (r == 0 && sd_event_loop(g->loop) < 0)
        r = error_set(err, -EIO, "cannot wait for events");
    return r;
}

/* The problem where the batch wants it. */
static int keep(const struct generation *g, const struct batch_state *s, const struct batch_job *j,
                const char *folder, json_t **ret_receipt, struct error *err)
{
    CLEANUP_FREE char *path = j->output ? strdup(j->output) : path_join(folder, "problem.yaml");
    char *slash = path ? strrchr(path, '/') : NULL;
    int r = path ? 0 : error_sys(err, -ENOMEM, "cannot keep the problem");

    if (r == 0 && j->output)
        r = batch_state_claim(s, path, err);
    if (r == 0 && slash && slash != path) {
        *slash = '\0';
        r = make_folders(path, 0755, err);
        *slash = '/';
    }
    if (r == 0)
        r = file_write(path, g->text, strlen(g->text), 0644, err);
    if (r == 0)
        *ret_receipt =
            json_pack("{s:i, s:s, s:s}", "version", 1, "status", "generated", "output", path);
    return r;
}

int batch_generate(struct program *p, const struct batch_state *s, const struct batch_job *j,
                   const char *folder, json_t **ret_receipt, struct error *err)
{
    CLEANUP(solve_environment_clear) struct solve_environment environment = {0};
    CLEANUP(generation_clear) struct generation g = {0};
    int r = p->pack ? 0 : program_pack_pydcop(p, NULL, err);

    if (r == 0)
        r = solve_environment_make(&p->paths, p->pack, &environment, err);
    if (r == 0)
        r = run_process(&environment, j, folder, &g, err);
    if (r < 0)
        return r;
    if (g.text && *g.text)
        return keep(&g, s, j, folder, ret_receipt, err);
    *ret_receipt = json_pack("{s:i, s:s, s:s}", "version", 1, "status", "failed", "reason",
                             g.why ? g.why : "pyDCOP has written nothing");
    return 0;
}
