/* The API's requests about experiments.  Files are read, and archives made, in a thread for each
 * request, so that a slow disk does not hold up the loop.  A few at a time: a classroom's pages ask
 * all at once when a run ends, and those that wait hold a connection each, which are bounded. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "deployer/solve/experiment-read.h"
#include "deployer/solve/experiments.h"
#include "discovery/base/file.h"
#include "private.h"

enum { READINGS_MAX = 8, SHOWN_MAX = 200 };

struct reading {
    struct controller *c;
    struct reading *next;
    struct task *task; /* NULL: it waits for its turn */
    struct http_deferred *request;
    enum route what;
    char id[ROUTE_PARAMETER_MAX];
    char *experiments, *scratch; /* paths */
    struct answer answer;
};

static void reading_free(struct reading *r)
{
    task_free(r->task);
    answer_clear(&r->answer);
    free(r->experiments);
    free(r->scratch);
    free(r);
}

/* --- in the thread ------------------------------------------------------------------ */

static void fail(struct answer *ret, const struct error *err)
{
    if (err->code == -EFBIG)
        answer_problem(ret, 413, err->text);
    else
        answer_error(ret, err);
}

/* The newest first, each by its name in place of its folder. */
static void list_all(struct reading *r)
{
    json_t *list = experiments_list(r->experiments, SHOWN_MAX), *shown = json_array();

    for (size_t i = json_array_size(list); i > 0; i--) {
        json_t *one = json_array_get(list, i - 1);
        const char *folder = json_string_value(json_object_get(one, "folder"));
        const char *slash = folder ? strrchr(folder, '/') : NULL;

        if (!slash || strlen(slash + 1) >= ROUTE_PARAMETER_MAX)
            continue;
        (void)json_object_set_new(one, "id", json_string(slash + 1));
        (void)json_object_del(one, "folder");
        (void)json_array_append(shown, one);
    }
    json_decref(list);
    answer_json(&r->answer, 200, json_pack("{s:i, s:o}", "version", 1, "experiments", shown));
}

static void read_one(struct reading *r, int folder)
{
    json_t *receipt = NULL, *result = NULL;
    struct error err = {0};
    int n = experiment_read_json(folder, "receipt.json", &receipt, &err);

    if (n == 0)
        n = experiment_read_json(folder, "result.json", &result, &err);
    if (n == 0 || (n == -ENOENT && receipt))
        answer_json(
            &r->answer, 200,
            json_pack("{s:i, s:O, s:O?}", "version", 1, "receipt", receipt, "result", result));
    else
        fail(&r->answer, &err);
    json_decref(receipt);
    json_decref(result);
}

static void read_metrics(struct reading *r, int folder)
{
    struct error err = {0};

    r->answer.status = 200;
    r->answer.type = "text/csv; charset=utf-8";
    if (experiment_read_metrics(folder, &r->answer.body, &err) < 0)
        fail(&r->answer, &err);
}

/* A picture of ours: it has a style of its own, and nothing else. */
static void read_plot(struct reading *r, int folder)
{
    struct error err = {0};

    r->answer.status = 200;
    r->answer.type = "image/svg+xml";
    r->answer.policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    if (experiment_read_file(folder, "plot.svg", EXPERIMENT_PLOT_MAX, &r->answer.body, &err) < 0)
        fail(&r->answer, &err);
}

static void add_file_name(const char *id, struct answer_file *ret)
{
    static const char end[] = ".tar";
    size_t size = 0;

    for (; size < sizeof(ret->name) - sizeof(end) && id[size]; size++) {
        char c = id[size];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     c == '.' || c == '-';

        ret->name[size] = plain ? c : '_';
    }
    memcpy(ret->name + size, end, sizeof(end));
}

static void pack_folder(struct reading *r, int folder)
{
    struct answer_file *file = &r->answer.file;
    struct error err = {0};
    int fd = experiment_pack(folder, r->id, r->scratch, &file->size, &err);

    if (fd < 0) {
        fail(&r->answer, &err);
        return;
    }
    file->given = true;
    file->fd = fd;
    add_file_name(r->id, file);
    r->answer.status = 200;
    r->answer.type = "application/x-tar";
}

static void read_experiment(struct reading *r)
{
    struct error err = {0};
    CLEANUP_CLOSE int folder = experiment_find(r->experiments, r->id, &err);

    if (folder < 0)
        fail(&r->answer, &err);
    else if (r->what == ROUTE_EXPERIMENT)
        read_one(r, folder);
    else if (r->what == ROUTE_EXPERIMENT_METRICS)
        read_metrics(r, folder);
    else if (r->what == ROUTE_EXPERIMENT_PLOT)
        read_plot(r, folder);
    else
        pack_folder(r, folder);
}

static void run_reading(void *arg, int cancel_fd)
{
    struct reading *r = arg;

    (void)cancel_fd; /* it is bounded */
    if (r->what == ROUTE_EXPERIMENTS)
        list_all(r);
    else
        read_experiment(r);
}

/* --- on the loop -------------------------------------------------------------------- */

static void unlink_reading(struct reading *r)
{
    struct reading **at = &r->c->readings;

    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
}

static void answer_reading(struct reading *r)
{
    unlink_reading(r);
    http_answer(r->request, &r->answer);
    reading_free(r);
}

static void on_reading_done(void *arg);

static int begin_reading(struct reading *r, struct error *err)
{
    return task_start(r->c->loop, run_reading, on_reading_done, r, &r->task, err);
}

static bool is_full(const struct controller *c)
{
    size_t n = 0;

    for (const struct reading *r = c->readings; r; r = r->next)
        n += r->task != NULL;
    return n >= READINGS_MAX;
}

/* The list is in the order in which they came. */
static void begin_waiting(struct controller *c)
{
    struct reading *r, *next;

    for (r = c->readings; r && !is_full(c); r = next) {
        struct error err = {0};

        next = r->next;
        if (r->task || begin_reading(r, &err) == 0)
            continue;
        answer_error(&r->answer, &err);
        answer_reading(r);
    }
}

static void on_reading_done(void *arg)
{
    struct reading *r = arg;
    struct controller *c = r->c;

    answer_reading(r);
    begin_waiting(c);
}

static int start_reading(struct reading *r, const struct http_request *request, struct error *err)
{
    const struct controller *c = r->c;
    int n;

    r->what = request->routed.route;
    memcpy(r->id, request->routed.parameter, sizeof(r->id));
    r->experiments = path_join(c->paths.state, "experiments");
    r->scratch = path_join(c->paths.state, "experiment.tar");
    if (!r->experiments || !r->scratch)
        return error_sys(err, -ENOMEM, "cannot read experiments");
    n = is_full(c) ? 0 : begin_reading(r, err);
    if (n < 0)
        return n;
    r->request = http_defer(request);
    return r->request ? 0 : error_sys(err, -ENOMEM, "cannot read experiments");
}

void api_experiments(struct controller *c, const struct http_request *request, struct answer *ret)
{
    struct reading *r = calloc(1, sizeof(*r)), **at = &c->readings;
    struct error err = {0};

    if (!r) {
        answer_problem(ret, 500, NULL);
        return;
    }
    r->c = c;
    if (start_reading(r, request, &err) < 0) {
        answer_error(ret, &err);
        reading_free(r);
        return;
    }
    while (*at)
        at = &(*at)->next;
    *at = r;
}

void api_experiments_stop(struct controller *c)
{
    while (c->readings) {
        struct reading *r = c->readings;
        struct answer ending = {0};

        unlink_reading(r);
        answer_problem(&ending, 503, "The service ends.");
        http_answer(r->request, &ending);
        reading_free(r); /* waits for its thread */
    }
}
