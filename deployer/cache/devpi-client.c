#include "devpi-client.h"

#include <string.h>

#include "http.h"

bool devpi_answers(uint16_t port, unsigned timeout_ms)
{
    struct cache_request request = {.port = port, .path = "/+api", .timeout_ms = timeout_ms};
    CLEANUP_TEXT struct text body = TEXT_INIT;

    return cache_http(&request, &body) == 200 && strstr(text_str(&body), "\"apiconfig\"");
}
