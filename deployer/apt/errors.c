#include "errors.h"

#include <stdlib.h>
#include <string.h>

#include "discovery/base/cleanup.h"

enum { COMPLAINT_MAX = 400 };

void apt_complaint(const struct process_result *result, struct text *ret)
{
    static const char *const heads[] = {"E: ", "W: Failed to fetch ", "W: "};
    const char *said = text_str(&result->errors), *line = NULL;
    CLEANUP_FREE char *copy = NULL;
    size_t n;

    for (size_t i = 0; i < ARRAY_SIZE(heads) && !line; i++) {
        line = strstr(said, heads[i]);
        while (line && line != said && line[-1] != '\n')
            line = strstr(line + 1, heads[i]);
    }
    line = line ? line + 3 : said;
    n = strcspn(line, "\n");
    copy = strndup(line, n < COMPLAINT_MAX ? n : COMPLAINT_MAX);
    text_add_printable(ret, copy && *copy ? copy : "apt printed no message");
}
