#include "sequence.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"

enum { NUMBER_FILE_MAX = 32 };

/* Far above any clock and far below overflow: a larger number in the file is an
 * error. */
static const uint64_t number_max = UINT64_C(1) << 62;

static uint64_t clock_seconds(void)
{
    time_t now = time(NULL);

    return now > 0 ? (uint64_t)now : 1;
}

/* 0: there is no number that can be used. */
static uint64_t read_number(const char *path)
{
    CLEANUP_TEXT struct text text = TEXT_INIT;
    char *end;
    uint64_t number;

    if (file_read(path, NUMBER_FILE_MAX, &text, NULL) < 0)
        return 0;
    number = strtoull(text_str(&text), &end, 10);
    return *end == '\n' && number < number_max ? number : 0;
}

static void reserve_block(struct sequence *s)
{
    struct error err = {0};
    char line[NUMBER_FILE_MAX];
    int n;

    free(TAKE_PTR(s->trouble));
    s->limit = s->next + SEQUENCE_BLOCK;
    if (!s->keep)
        return;
    n = snprintf(line, sizeof(line), "%llu\n", (unsigned long long)s->limit);
    if (file_write(s->path, line, (size_t)n, 0644, &err) == 0)
        return;
    (void)error_prefix(&err, "records will look old after a restart");
    s->trouble = strdup(err.text);
    /* The next start finds the old number, if any, so only the clock can
     * help. */
    if (s->next < clock_seconds())
        s->next = clock_seconds();
    s->limit = s->next + 1; /* and try again */
}

int sequence_init(struct sequence *s, const char *state_folder, bool keep, struct error *err)
{
    *s = (struct sequence){.keep = keep};
    if (asprintf(&s->path, "%s/seq", state_folder) < 0) {
        s->path = NULL;
        return error_sys(err, -ENOMEM, "cannot start");
    }
    s->next = read_number(s->path);
    if (s->next == 0)
        s->next = clock_seconds();
    s->limit = s->next;
    if (keep)
        reserve_block(s);
    return 0;
}

void sequence_clear(struct sequence *s)
{
    free(TAKE_PTR(s->path));
    free(TAKE_PTR(s->trouble));
}

uint64_t sequence_next(struct sequence *s)
{
    if (s->next >= s->limit)
        reserve_block(s);
    return s->next++;
}
