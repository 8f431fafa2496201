#include "requires.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "deployer/base/archive.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"
#include "wheel.h"

enum { METADATA_MAX = 1024 * 1024 };

/* "sphinx; extra == 'doc'" is needed by nobody who did not ask for it. */
static bool is_of_extra(const char *requirement)
{
    const char *marker = strchr(requirement, ';');

    return marker && strstr(marker, "extra");
}

static int add_requirement(const char *line, size_t size, struct strings *ret, struct error *err)
{
    CLEANUP_FREE char *copy = strndup(line, size);

    if (!copy)
        return error_sys(err, -ENOMEM, "cannot read what the wheel needs");
    if (is_of_extra(copy))
        return 0;
    if (size > WHEEL_REQUIREMENT_MAX || ret->count >= WHEEL_REQUIRES_MAX)
        return error_set(err, -EFBIG, "the wheel needs too many packages");
    if (!isalnum((unsigned char)*copy) || strchr(copy, '@') || strpbrk(copy, "\r\\"))
        return error_set(err, -EBADMSG, "the wheel needs \"%s\", which is no plain requirement",
                         copy);
    return strings_add(ret, copy) < 0 ? error_sys(err, -ENOMEM, "cannot read what the wheel needs")
                                      : 0;
}

/* The headers end at an empty line. */
static int read_metadata(const char *text, struct strings *ret, struct error *err)
{
    static const char key[] = "Requires-Dist:";
    int r = 0;

    for (; *text && *text != '\n' && *text != '\r' && r == 0;
         text += strcspn(text, "\n"), text += *text == '\n') {
        const char *value = text + strlen(key);

        if (strncasecmp(text, key, strlen(key)) != 0)
            continue;
        value += strspn(value, " \t");
        r = add_requirement(value, strcspn(value, "\r\n"), ret, err);
    }
    return r;
}

static bool is_metadata(const struct archive_reader *a)
{
    static const char end[] = ".dist-info/METADATA";
    const char *path = archive_reader_path(a), *slash = path ? strchr(path, '/') : NULL;

    return slash && string_ends_with(path, end) && !strchr(slash + 1, '/');
}

int wheel_requires(const char *path, struct strings *ret, struct error *err)
{
    CLEANUP_TEXT struct text bytes = TEXT_INIT, metadata = TEXT_INIT;
    CLEANUP_ARCHIVE_READER struct archive_reader *a = NULL;
    int r = file_read(path, WHEEL_SIZE_MAX, &bytes, err);

    if (r < 0)
        return r;
    r = archive_reader_open_zip(bytes.data, bytes.size, &a);
    while (r == 0 && (r = archive_reader_next(a, NULL)) > 0) {
        r = 0;
        if (!is_metadata(a))
            continue;
        r = archive_reader_data(a, METADATA_MAX, &metadata);
        return r < 0 ? error_set(err, r, "%s is damaged", path)
                     : read_metadata(text_str(&metadata), ret, err);
    }
    return r < 0 ? error_set(err, r, "%s is damaged", path) : 0;
}
