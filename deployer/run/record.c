#include "record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A result, or the end of a run. */
struct entry {
    int64_t run;
    enum run_status status; /* RUN_RUNNING: a result */
    struct state_result result;
};

struct record {
    struct state *state;
    struct entry *kept;
    size_t count;
};

int record_new(struct state *state, struct record **ret)
{
    struct record *r = calloc(1, sizeof(*r));

    if (!r)
        return -ENOMEM;
    r->state = state;
    *ret = r;
    return 0;
}

void record_free(struct record *r)
{
    if (!r)
        return;
    (void)record_catch_up(r, NULL, NULL, NULL);
    for (size_t i = 0; i < r->count; i++)
        state_result_clear(&r->kept[i].result);
    free(r->kept);
    free(r);
}

static char *copy_string(const char *text)
{
    return text ? strdup(text) : NULL;
}

static void keep_result(struct record *r, int64_t run, enum run_status status,
                        const struct state_result *result)
{
    struct entry *grown;

    if (r->count == RECORD_KEPT_MAX)
        return;
    grown = reallocarray(r->kept, r->count + 1, sizeof(*grown));
    if (!grown)
        return;
    r->kept = grown;
    grown[r->count] = (struct entry){.run = run, .status = status};
    if (result)
        grown[r->count].result = (struct state_result){
            .machine = copy_string(result->machine),
            .host = copy_string(result->host),
            .agent = copy_string(result->agent),
            .step = copy_string(result->step),
            .status = copy_string(result->status),
            .detail = copy_string(result->detail),
            .output = copy_string(result->output),
            .started_ms = result->started_ms,
            .ended_ms = result->ended_ms,
        };
    r->count++;
}

static int write_one(struct record *r, int64_t run, enum run_status status,
                     const struct state_result *result, struct error *err)
{
    return status == RUN_RUNNING ? state_run_result(r->state, run, result, err)
                                 : state_run_end(r->state, run, status, err);
}

static int put_result(struct record *r, int64_t run, enum run_status status,
                      const struct state_result *result, struct error *err)
{
    int q = r->count > 0 ? 0 : write_one(r, run, status, result, err);

    if (r->count > 0 || q < 0)
        keep_result(r, run, status, result);
    return q;
}

int record_result(struct record *r, int64_t run, const struct state_result *result,
                  struct error *err)
{
    return put_result(r, run, RUN_RUNNING, result, err);
}

int record_end(struct record *r, int64_t run, enum run_status status, struct error *err)
{
    return put_result(r, run, status, NULL, err);
}

int record_catch_up(struct record *r, void (*ended)(int64_t run, void *arg), void *arg,
                    struct error *err)
{
    size_t done = 0;
    int q = 0;

    for (; done < r->count; done++) {
        struct entry *e = &r->kept[done];

        q = write_one(r, e->run, e->status, &e->result, err);
        if (q < 0)
            break;
        if (ended && e->status != RUN_RUNNING)
            ended(e->run, arg);
        state_result_clear(&e->result);
    }
    r->count -= done;
    if (done > 0)
        memmove(r->kept, r->kept + done, r->count * sizeof(*r->kept));
    return q;
}
