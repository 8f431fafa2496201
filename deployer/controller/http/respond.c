#include <stdio.h>
#include <string.h>

#include "server-private.h"

void http_add_headers(struct MHD_Response *response, const char *policy)
{
    static const char page[] =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; manifest-src 'self'; font-src 'self'; base-uri 'none'; form-action "
        "'none'; frame-ancestors 'none'";
    static const char *const headers[][2] = {
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Permissions-Policy", "camera=(), geolocation=(), microphone=()"},
    };

    (void)MHD_add_response_header(response, "Content-Security-Policy", policy ? policy : page);
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
        (void)MHD_add_response_header(response, headers[i][0], headers[i][1]);
}

static struct MHD_Response *make_response(struct answer *a)
{
    struct MHD_Response *response;

    if (!a->file.given)
        return MHD_create_response_from_buffer(a->body.size, (void *)(uintptr_t)text_str(&a->body),
                                               MHD_RESPMEM_MUST_COPY);
    response = MHD_create_response_from_fd64(a->file.size, a->file.fd);
    if (response)
        a->file.given = false; /* MHD closes it */
    return response;
}

static void add_file_name(struct MHD_Response *response, const char *name)
{
    char value[ANSWER_NAME_MAX + 40];

    (void)snprintf(value, sizeof(value), "attachment; filename=\"%s\"", name);
    if (*name)
        (void)MHD_add_response_header(response, "Content-Disposition", value);
}

enum MHD_Result http_send(struct MHD_Connection *connection, struct answer *a)
{
    char seconds[16];
    struct MHD_Response *response = make_response(a);
    enum MHD_Result r;

    if (!response)
        return MHD_NO;
    http_add_headers(response, a->policy);
    add_file_name(response, a->file.name);
    (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    if (a->type)
        (void)MHD_add_response_header(response, "Content-Type", a->type);
    if (a->allow)
        (void)MHD_add_response_header(response, "Allow", a->allow);
    if (a->status == 401)
        (void)MHD_add_response_header(response, "WWW-Authenticate", "Bearer realm=\"dcop\"");
    (void)snprintf(seconds, sizeof(seconds), "%u", a->retry_after_s);
    if (a->retry_after_s)
        (void)MHD_add_response_header(response, "Retry-After", seconds);
    r = MHD_queue_response(connection, a->status, response);
    MHD_destroy_response(response);
    return r;
}

enum MHD_Result http_send_problem(struct http *h, struct MHD_Connection *connection,
                                  unsigned status, const char *detail)
{
    CLEANUP(answer_clear) struct answer a = {0};

    h->counts.refused++;
    answer_problem(&a, status, detail);
    if (status == 503)
        a.retry_after_s = 5;
    return http_send(connection, &a);
}

enum MHD_Result http_send_file(struct http *h, struct MHD_Connection *connection, const char *path)
{
    const struct served_file *f = files_find(h->options.files, path);
    const char *seen =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH);
    bool same = f && seen && strcmp(seen, f->tag) == 0;
    struct MHD_Response *response;
    enum MHD_Result r;

    if (!f)
        return http_send_problem(h, connection, 404, NULL);
    response = MHD_create_response_from_buffer(
        same ? 0 : f->bytes.size, (void *)(uintptr_t)text_str(&f->bytes), MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    http_add_headers(response, NULL);
    (void)MHD_add_response_header(response, "Content-Type", f->type);
    (void)MHD_add_response_header(response, "ETag", f->tag);
    (void)MHD_add_response_header(response, "Cache-Control", "no-cache");
    r = MHD_queue_response(connection, same ? 304 : 200, response);
    MHD_destroy_response(response);
    return r;
}
