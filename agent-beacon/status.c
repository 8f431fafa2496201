#include "status.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "discovery/base/file.h"

enum { STATUS_FILE_MAX = 4096, PATH_ROOM = 512 };

void status_clear(struct status *s)
{
    free(s->pydcop);
    free(s->error);
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

/* The agents' user writes this file, and runs what the network sends: so no link is
 * followed, to the machine's key for example, and no pipe waited for. */
static char *read_error(const char *root)
{
    CLEANUP_CLOSE int fd = -1;
    char full[PATH_ROOM], line[ADVERT_ERROR_MAX];
    size_t size = 0, n;
    struct stat st;
    uint32_t c;
    ssize_t got;

    if (snprintf(full, sizeof(full), "%s%s", root, STATUS_ERROR_FILE) >= (int)sizeof(full))
        return NULL;
    fd = open(full, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return NULL;
    got = read(fd, line, sizeof(line));
    while (got > 0 && size < (size_t)got) {
        n = utf8_decode(line + size, (size_t)got - size, &c);
        if (n == 0 || c < ' ' || c == 0x7f)
            break;
        size += n;
    }
    return size > 0 ? strndup(line, size) : NULL;
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
    if (ret->state == ADVERT_STATE_RUNNING)
        ret->error = read_error(root);
}
