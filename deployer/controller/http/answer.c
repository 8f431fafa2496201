#include "answer.h"

#include <errno.h>
#include <unistd.h>

#include "discovery/base/error.h"

void answer_clear(struct answer *a)
{
    text_clear(&a->body);
    if (a->file.given)
        (void)close(a->file.fd);
    *a = (struct answer){0};
}

const char *answer_title(unsigned status)
{
    static const struct {
        unsigned status;
        const char *title;
    } titles[] = {
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {503, "Service Unavailable"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(titles); i++)
        if (titles[i].status == status)
            return titles[i].title;
    return "Internal Server Error";
}

static int add_chunk(const char *bytes, size_t size, void *text)
{
    text_add(text, bytes, size);
    return text_error(text) < 0 ? -1 : 0;
}

static bool set_body(struct answer *a, unsigned status, const char *type, json_t *value)
{
    bool ok;

    text_reset(&a->body);
    ok = value && json_dump_callback(value, add_chunk, &a->body, ANSWER_JSON) == 0;
    json_decref(value);
    text_addc(&a->body, '\n');
    a->status = status;
    a->type = type;
    return ok && text_error(&a->body) == 0;
}

void answer_json(struct answer *a, unsigned status, json_t *value)
{
    if (!set_body(a, status, "application/json", value))
        answer_problem(a, 500, NULL);
}

void answer_problem(struct answer *a, unsigned status, const char *detail)
{
    json_t *o = json_pack("{s:s, s:s, s:i}", "type", "about:blank", "title", answer_title(status),
                          "status", (int)status);

    if (o && detail && *detail)
        (void)json_object_set_new(o, "detail", json_string(detail));
    if (!set_body(a, status, "application/problem+json", o)) {
        text_clear(&a->body); /* no memory: the status alone */
        a->type = "application/problem+json";
    }
}

void answer_error(struct answer *a, const struct error *err)
{
    unsigned status = 500;

    switch (err->code) {
    case -ENOENT:
        status = 404;
        break;
    case -EINVAL:
        status = 422;
        break;
    case -EEXIST:
    case -EKEYREVOKED:
    case -EPERM:
        status = 409;
        break;
    case -EBUSY:
    case -EAGAIN:
        status = 503;
        a->retry_after_s = 5;
        break;
    }
    answer_problem(a, status, err->text);
}
