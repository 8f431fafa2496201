#include "status.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "discovery/base/file.h"

enum { STATUS_FILE_MAX = 4096, PATH_ROOM = 512 };

void status_clear(struct status *s)
{
    free(s->pydcop);
    *s = (struct status){0};
}

/* The file's first word; NULL when there is none. */
static char *read_word(const char *root, const char *path)
{
    CLEANUP_TEXT struct text text = TEXT_INIT;
    char full[PATH_ROOM];
    size_t size;

    if (snprintf(full, sizeof(full), "%s%s", root, path) >= (int)sizeof(full) ||
        file_read(full, STATUS_FILE_MAX, &text, NULL) < 0)
        return NULL;
    size = strcspn(text_str(&text), " \t\r\n");
    return size > 0 ? strndup(text_str(&text), size) : NULL;
}

void status_read(const char *root, struct status *ret)
{
    CLEANUP_FREE char *word = NULL;
    char current[PATH_ROOM];

    *ret = (struct status){.state = ADVERT_STATE_NEW};
    if (snprintf(current, sizeof(current), "%s%s", root, STATUS_CURRENT) >= (int)sizeof(current) ||
        access(current, F_OK) < 0)
        return;
    ret->state = ADVERT_STATE_STOPPED;
    word = read_word(root, STATUS_STATE_FILE);
    if (word) {
        enum advert_state state = advert_state_from_name(word);

        if (state != ADVERT_STATE_UNKNOWN && state != ADVERT_STATE_NEW)
            ret->state = state;
    }
    ret->pydcop = read_word(root, STATUS_VERSION_FILE);
}
