#include "solve-request.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "deployer/solve/solve.h"
#include "discovery/base/cleanup.h"

enum { PARAMETER_MAX = 200 };

void solve_request_clear(struct solve_request *r)
{
    strings_clear(&r->options);
    json_decref(r->shown);
    *r = (struct solve_request){0};
}

/* Letters, digits and "_": neither an option, nor a path, nor a file with an ending. */
static bool is_name(const json_t *value)
{
    const char *text = json_string_value(value);
    size_t size = json_string_length(value);

    return text && size > 0 && size <= SOLVE_REQUEST_NAME_MAX &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == size;
}

static bool is_given(const json_t *value)
{
    return value && !json_is_null(value);
}

static int add_option(struct solve_request *r, const char *name, const char *value)
{
    CLEANUP_TEXT struct text option = TEXT_INIT;

    text_addf(&option, "--%s%s%s", name, value ? "=" : "", value ? value : "");
    return text_error(&option) < 0 ? -ENOMEM : strings_add(&r->options, text_str(&option));
}

static int add_number(struct solve_request *r, const char *name, const char *key, json_t *number)
{
    CLEANUP_FREE char *digits = json_dumps(number, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    int result = digits ? add_option(r, name, digits) : -ENOMEM;

    (void)json_object_set_new(r->shown, key, number);
    return result;
}

static int take_name(struct solve_request *r, const char *key, const char *option, json_t *value,
                     struct error *err)
{
    if (!is_given(value))
        return 0;
    if (!is_name(value))
        return error_set(err, -EINVAL,
                         "\"%s\" must be a name of at most %d letters, digits and underscores.",
                         key, SOLVE_REQUEST_NAME_MAX);
    (void)json_object_set(r->shown, key, value);
    return add_option(r, option, json_string_value(value));
}

static bool is_parameter(const json_t *value)
{
    const char *text = json_string_value(value);
    size_t size = json_string_length(value);

    return text && size <= PARAMETER_MAX && strlen(text) == size && *text != ':' &&
           strchr(text, ':');
}

static int take_parameters(struct solve_request *r, const json_t *list, struct error *err)
{
    json_t *one;
    size_t i;
    int result = 0;

    if (!is_given(list))
        return 0;
    if (!json_is_array(list) || json_array_size(list) > SOLVE_REQUEST_PARAMETERS_MAX)
        result = -EINVAL;
    json_array_foreach(list, i, one)
    {
        if (result == 0)
            result = is_parameter(one) ? add_option(r, "param", json_string_value(one)) : -EINVAL;
    }
    return result == -EINVAL
               ? error_set(err, -EINVAL,
                           "\"parameters\" must be a list of at most %d strings NAME:VALUE.",
                           SOLVE_REQUEST_PARAMETERS_MAX)
               : result;
}

static int take_integer(struct solve_request *r, const char *key, const json_t *value, long min,
                        long max, struct error *err)
{
    json_int_t number = json_integer_value(value);

    if (!json_is_integer(value) || number < min || number > max)
        return error_set(err, -EINVAL, "\"%s\" must be a whole number from %ld to %ld.", key, min,
                         max);
    return add_number(r, key, key, json_integer(number));
}

static int take_time_limit(struct solve_request *r, const json_t *value, struct error *err)
{
    double seconds = json_number_value(value);

    if (!json_is_number(value) || !(seconds >= 1 && seconds <= SOLVE_REQUEST_TIME_LIMIT_MAX_S))
        return error_set(err, -EINVAL, "\"time_limit\" must be a number of seconds from 1 to %d.",
                         SOLVE_REQUEST_TIME_LIMIT_MAX_S);
    return add_number(r, "time-limit", "time_limit",
                      json_is_integer(value) ? json_integer(json_integer_value(value))
                                             : json_real(seconds));
}

/* 0: it does not heal. */
static int take_heal(struct solve_request *r, const json_t *value, struct error *err)
{
    if (!is_given(value) || (json_is_integer(value) && json_integer_value(value) == 0))
        return 0;
    return take_integer(r, "heal", value, 0, SOLVE_REPLICAS_MAX, err);
}

static int take_partial(struct solve_request *r, const json_t *value, struct error *err)
{
    if (is_given(value) && !json_is_boolean(value))
        return error_set(err, -EINVAL, "\"partial\" must be true or false.");
    r->partial = json_is_true(value);
    return r->partial ? add_option(r, "partial", NULL) : 0;
}

static int check_keys(const json_t *body, struct error *err)
{
    static const char *const keys[] = {"algorithm", "parameters", "distribution", "time_limit",
                                       "seed",      "heal",       "partial"};
    json_t *b = (json_t *)(uintptr_t)body, *value;
    const char *key;

    json_object_foreach(b, key, value)
    {
        bool known = false;

        for (size_t i = 0; i < ARRAY_SIZE(keys) && !known; i++)
            known = strcmp(keys[i], key) == 0;
        if (!known)
            return error_set(err, -EINVAL,
                             "The body has a key that is none of algorithm, parameters, "
                             "distribution, time_limit, seed, heal and partial.");
    }
    return 0;
}

int solve_request_read(const json_t *body, long seed, struct solve_request *ret, struct error *err)
{
    CLEANUP(solve_request_clear) struct solve_request q = {.shown = json_object()};
    const json_t *limit = json_object_get(body, "time_limit");
    const json_t *given = json_object_get(body, "seed");
    int r = q.shown ? check_keys(body, err) : -ENOMEM;

    if (r == 0)
        r = take_name(&q, "algorithm", "algo", json_object_get(body, "algorithm"), err);
    if (r == 0)
        r = take_name(&q, "distribution", "distribution", json_object_get(body, "distribution"),
                      err);
    if (r == 0)
        r = take_parameters(&q, json_object_get(body, "parameters"), err);
    if (r == 0)
        r = is_given(limit) ? take_time_limit(&q, limit, err)
                            : add_number(&q, "time-limit", "time_limit",
                                         json_integer(SOLVE_REQUEST_TIME_LIMIT_S));
    if (r == 0)
        r = is_given(given) ? take_integer(&q, "seed", given, 0, INT_MAX, err)
                            : add_number(&q, "seed", "seed", json_integer(seed));
    if (r == 0)
        r = take_heal(&q, json_object_get(body, "heal"), err);
    if (r == 0)
        r = take_partial(&q, json_object_get(body, "partial"), err);
    if (r == -ENOMEM)
        return error_sys(err, r, "cannot begin the run");
    if (r == 0) {
        *ret = q;
        q = (struct solve_request){0};
    }
    return r;
}
