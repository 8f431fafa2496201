/*
 * An answer to one request: status, type, body; or a problem's details
 * (RFC 9457).  A value; answer_clear.  Pure; any thread.
 */
#pragma once

#include <jansson.h>

#include "discovery/base/text.h"

struct answer {
    unsigned status; /* 0: not answered yet */
    const char *type;
    struct text body;
    const char *allow;      /* with 405 */
    unsigned retry_after_s; /* 0: not said */
};

void answer_clear(struct answer *a);

/* Takes `value` over; without it (no memory) the answer is a 500. */
void answer_json(struct answer *a, unsigned status, json_t *value);

/* A problem of that status; `detail`: a sentence for a person, of our own words
 * (nothing of the request), NULL: the status says it all. */
void answer_problem(struct answer *a, unsigned status, const char *detail);

/* What a failed function says: its errno to a status, its words to the detail. */
struct error;
void answer_error(struct answer *a, const struct error *err);

/* The title of a status: "Not Found". */
const char *answer_title(unsigned status);
