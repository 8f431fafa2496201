#include "framing.h"

#include <string.h>
#include <strings.h>

/* Counts of the headers that say where a request ends, to whom, and from whom. */
struct framing {
    unsigned hosts, lengths, codings, tokens;
    bool bad;
};

static enum MHD_Result count_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    struct framing *f = arg;

    (void)kind;
    /* RFC 9112 §5.1: "Host :" is refused, because others read it as Host. */
    f->bad = f->bad || !*name || strpbrk(name, " \t\r\n:");
    value = value ? value : "";
    if (strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0)
        f->hosts++;
    if (strcasecmp(name, MHD_HTTP_HEADER_AUTHORIZATION) == 0)
        f->tokens++;
    if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
        f->lengths++;
        f->bad = f->bad || !*value || strspn(value, "0123456789") != strlen(value);
    }
    if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
        f->codings++;
        f->bad = f->bad || strcasecmp(value, "chunked") != 0;
    }
    return MHD_YES;
}

bool framing_is_ambiguous(struct MHD_Connection *connection)
{
    struct framing f = {0};

    (void)MHD_get_connection_values(connection, MHD_HEADER_KIND, count_header, &f);
    return f.bad || f.hosts > 1 || f.tokens > 1 || f.lengths + f.codings > 1;
}
