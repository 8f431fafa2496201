#include <microhttpd.h>
#include <string.h>
#include <time.h>

#include "server-private.h"

uint64_t http_now_ms(const struct http *h)
{
    uint64_t usec = 0;

    (void)sd_event_now(h->loop, CLOCK_MONOTONIC, &usec);
    return usec / 1000;
}

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

void http_kick(struct http *h)
{
    (void)sd_event_source_set_enabled(h->kick, SD_EVENT_ONESHOT);
}
