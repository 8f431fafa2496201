/* What is kept of a run: the experiment's folder and its receipt. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "deployer/base/url.h"
#include "deployer/solve/plot.h"
#include "discovery/base/clock.h"
#include "discovery/base/file.h"
#include "solve-private.h"

enum { PLACEMENT_MAX = 16 * 1024 * 1024 };

bool solving_is_file(const char *distribution)
{
    return distribution && strpbrk(distribution, "./");
}

int solving_replicas(const struct deploy_options *o)
{
    return (int)(o->replicas ? o->replicas : o->scenario != NULL);
}

/* For what is kept: a URL in it without its password. */
static json_t *masked_json(const char *words)
{
    CLEANUP_TEXT struct text masked = TEXT_INIT;

    if (!words)
        return json_null();
    url_add_masked(&masked, words);
    return json_string(text_str(&masked));
}

static json_t *command_json(const struct strings *words)
{
    json_t *all = json_array();

    for (size_t i = 0; i < words->count; i++)
        (void)json_array_append_new(all, masked_json(words->items[i]));
    return all;
}

static int keep_command(const struct solving *s, struct error *err)
{
    CLEANUP_TEXT struct text line = TEXT_INIT;

    experiment_add_command(&s->p->command, &line);
    text_addc(&line, '\n');
    return experiment_write(&s->experiment, "command", text_str(&line), line.size, err);
}

static int keep_placement(struct solving *s, struct error *err)
{
    const char *path = s->p->options.distribution;
    int r = solving_is_file(path) ? file_read(path, PLACEMENT_MAX, &s->placement, err) : 0;

    return r == 0 && s->placement.size > 0
               ? experiment_write(&s->experiment, "distribution.yaml", text_str(&s->placement),
                                  s->placement.size, err)
               : r;
}

int solving_open(struct solving *s, struct error *err)
{
    const struct program *p = s->p;
    int r = experiment_open(&p->paths, p->options.output, p->problem.name, s->began_ms,
                            &s->experiment, err);

    if (r == 0)
        r = experiment_take_problem(&s->experiment, &p->options.problems, err);
    if (r == 0)
        r = keep_placement(s, err);
    return r == 0 ? keep_command(s, err) : r;
}

/* Each wheel of the bundle, by its bytes. */
static json_t *wheels_json(const struct wheel_set *wheels)
{
    json_t *all = json_array();

    for (size_t i = 0; i < wheels->paths.count; i++) {
        const char *path = wheels->paths.items[i], *slash = strrchr(path, '/');
        CLEANUP_TEXT struct text bytes = TEXT_INIT;
        char digest[DIGEST_LENGTH + 1];

        if (file_read(path, WHEEL_SIZE_MAX, &bytes, NULL) < 0)
            continue; /* an older one than is kept; the bundle's digest covers it */
        digest_bytes(text_str(&bytes), bytes.size, digest);
        (void)json_array_append_new(
            all, json_pack("{s:s, s:s}", "name", slash ? slash + 1 : path, "sha256", digest));
    }
    return all;
}

json_t *solving_receipt(const struct solving *s, const json_t *result, int64_t now_ms)
{
    static const char *const keys[] = {"status", "reason",   "assignment", "cost",   "violations",
                                       "cycles", "messages", "time",       "repairs"};
    const struct pack *pack = s->p->pack;
    CLEANUP_TEXT struct text began = TEXT_INIT;
    CLEANUP_TEXT struct text ended = TEXT_INIT;
    json_t *receipt;

    experiment_add_time(s->began_ms, &began);
    experiment_add_time(now_ms, &ended);
    receipt = json_pack(
        "{s:i, s:{s:O}, s:o, s:O?, s:O?, s:O?, s:I, s:f, s:{s:o, s:s, s:s, s:o}, "
        "s:s*, s:s, s:o, s:s, "
        "s:s}",
        "version", 1, "problem", "files", s->experiment.files, "command",
        command_json(&s->p->command), "algorithm", json_object_get(s->solve.prepared, "algorithm"),
        "parameters", json_object_get(s->solve.prepared, "parameters"), "distribution",
        json_object_get(s->solve.prepared, "distribution"), "seed", (json_int_t)s->seed,
        "time_limit", s->p->options.time_limit_ms / 1000.0, "pydcop", "spec",
        masked_json(pack->spec), "version", pack->wheels.version, "sha256", pack->bundle.digest,
        "wheels", wheels_json(&pack->wheels), "layer",
        *s->environment.layer ? s->environment.layer : NULL, "python", s->environment.python,
        "machines",
        solve_machines_json(&s->p->targets, s->cast ? s->cast->players : NULL, &s->machines),
        "started", text_str(&began), "ended", text_str(&ended));
    for (size_t i = 0; i < ARRAY_SIZE(keys) && receipt; i++)
        if (json_object_get(result, keys[i]))
            (void)json_object_set(receipt, keys[i], json_object_get(result, keys[i]));
    if (receipt)
        (void)json_object_set(receipt, "hosts", json_object_get(s->solve.prepared, "hosts"));
    if (receipt)
        (void)json_object_set(receipt, "events", s->solve.events);
    if (receipt && solving_replicas(&s->p->options) > 0)
        (void)json_object_set_new(receipt, "replicas",
                                  json_integer(solving_replicas(&s->p->options)));
    if (receipt && *s->scenario)
        (void)json_object_set_new(receipt, "scenario", json_pack("{s:s}", "sha256", s->scenario));
    return receipt;
}

static int keep_plot(const struct solving *s, const json_t *result, struct error *err)
{
    const char *algorithm = json_string_value(json_object_get(s->solve.prepared, "algorithm"));
    const char *status = json_string_value(json_object_get(result, "status"));
    CLEANUP_TEXT struct text title = TEXT_INIT;
    CLEANUP_TEXT struct text svg = TEXT_INIT;

    text_addf(&title, "%s on %s: %s", algorithm ? algorithm : "?",
              s->p->problem.name ? s->p->problem.name : "a problem", status ? status : "?");
    if (plot_metrics(text_str(&title), &s->solve.metrics, &svg) < 0)
        return error_sys(err, -ENOMEM, "cannot draw the plot");
    return experiment_write(&s->experiment, "plot.svg", text_str(&svg), svg.size, err);
}

int solving_keep(const struct solving *s, const json_t *result, struct error *err)
{
    json_t *receipt = solving_receipt(s, result, clock_ms(CLOCK_REALTIME));
    int r = receipt ? experiment_write_json(&s->experiment, "result.json", result, err)
                    : error_sys(err, -ENOMEM, "cannot keep the result");

    if (r == 0)
        r = experiment_write(&s->experiment, "metrics.csv", text_str(&s->solve.metrics),
                             s->solve.metrics.size, err);
    if (r == 0)
        r = keep_plot(s, result, err);
    if (r == 0)
        r = experiment_write_json(&s->experiment, "receipt.json", receipt, err);
    json_decref(receipt);
    return r;
}
