/*
 * An answer to one request: status, type and body, or problem details
 * (RFC 9457).  A value; end with answer_clear.  Pure; any thread.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "discovery/base/text.h"

enum { ANSWER_NAME_MAX = 160 };

/* A file that is the body; closed with the answer. */
struct answer_file {
    bool given; /* else the text is the body */
    int fd;
    uint64_t size;
    char name[ANSWER_NAME_MAX + 1]; /* to save it as: letters, digits, "._-" */
};

struct answer {
    unsigned status; /* 0: not answered yet */
    const char *type;
    struct text body;
    const char *allow;      /* with 405 */
    unsigned retry_after_s; /* 0: no Retry-After */
    const char *policy;     /* Content-Security-Policy in place of the page's; NULL: the page's */
    struct answer_file file;
};

void answer_clear(struct answer *a);

/* How the API writes JSON: 0.1 as 0.1, and not as the double that it is. */
enum { ANSWER_JSON = JSON_COMPACT | JSON_REAL_PRECISION(15) };

/* Takes `value` over; if it is NULL (no memory), the answer is a 500. */
void answer_json(struct answer *a, unsigned status, json_t *value);

/* A problem with that status.  `detail`: a sentence for a person that repeats nothing
 * of the request; NULL: the status is enough. */
void answer_problem(struct answer *a, unsigned status, const char *detail);

/* The error of a failed function: its errno becomes the status, its text the detail. */
struct error;
void answer_error(struct answer *a, const struct error *err);

/* The title of a status: "Not Found". */
const char *answer_title(unsigned status);
