/* The API's requests about runs of the problem. */
#include <errno.h>
#include <limits.h>
#include <sys/random.h>

#include "deployer/solve/algorithms.h"
#include "discovery/base/clock.h"
#include "private.h"

static void answer_run(const struct controller *c, unsigned status, struct answer *ret)
{
    answer_json(ret, status, json_pack("{s:i, s:o}", "version", 1, "solve", solving_view(c)));
}

void api_solve(struct controller *c, const struct http_request *request, struct answer *ret)
{
    (void)request;
    answer_run(c, 200, ret);
}

/* Below half of the most, as dcop-deploy draws it: there are seeds after it. */
static long draw_seed(void)
{
    unsigned seed = 0;

    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        seed = (unsigned)clock_ms(CLOCK_REALTIME);
    return (long)(seed & (INT_MAX / 2));
}

void api_solve_begin(struct controller *c, const struct http_request *request, struct answer *ret)
{
    CLEANUP(solve_request_clear) struct solve_request asked = {0};
    struct error err = {0};
    int r = solve_request_read(request->body, draw_seed(), &asked, &err);

    if (r == -EINVAL) {
        answer_problem(ret, 400, err.text);
        return;
    }
    if (r == 0)
        r = solving_begin(c, &asked, &err);
    if (r == -EBUSY)
        answer_problem(ret, 409, err.text);
    else if (r < 0)
        answer_error(ret, &err);
    else
        answer_run(c, 202, ret);
}

void api_solve_stop(struct controller *c, const struct http_request *request, struct answer *ret)
{
    (void)request;
    if (solving_stop(c) < 0)
        answer_problem(ret, 409, "The problem is not being solved.");
    else
        answer_run(c, 202, ret);
}

void api_solve_algorithms(struct controller *c, const struct http_request *request,
                          struct answer *ret)
{
    json_t *names = json_array();

    (void)c, (void)request;
    for (size_t i = 0; i < SOLVE_ALGORITHMS; i++)
        (void)json_array_append_new(names, json_string(solve_algorithms[i]));
    answer_json(ret, 200, json_pack("{s:i, s:o}", "version", 1, "algorithms", names));
}
