/* Requests from a machine: whatever it sends, in whatever pieces. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deployer/ssh/forward-filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is let on is a request that a proxy understands, and has no credential. */
static void look(const struct text *out)
{
    const char *text = text_str(out);

    if (strlen(text) != out->size || strcasestr(text, "\r\nProxy-Authorization:") ||
        (out->size > 0 && strncmp(text, "GET ", 4) != 0 && strncmp(text, "HEAD ", 5) != 0) ||
        (out->size > 0 && memcmp(text + out->size - 4, "\r\n\r\n", 4) != 0) ||
        strncmp(text, "GET http://localhost/", 21) == 0 ||
        strncmp(text, "GET http://127.0.0.1/", 21) == 0 ||
        strcasestr(text, "\r\nContent-Length:") || strcasestr(text, "\r\nTransfer-Encoding:"))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct forward_filter_rules rules = {.apt = true, .pip = true};
    struct text out = TEXT_INIT;
    struct forward_filter g;
    size_t piece;

    if (size == 0)
        return 0;
    forward_filter_credential("00112233445566778899aabbccddeeff", rules.credential);
    forward_filter_init(&g, &rules);
    piece = data[0] + 1u;
    for (size_t at = 1; at < size; at += piece)
        if (forward_filter_feed(&g, data + at, size - at < piece ? size - at : piece, &out) < 0)
            break;
    look(&out);
    text_clear(&out);
    return 0;
}
