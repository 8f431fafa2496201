#include "packages.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "discovery/base/file.h"

enum { FILE_MAX = 16 * 1024, NAME_MAX_LENGTH = 100 };

bool package_name_valid(const char *name)
{
    return string_is_one_of(name, "abcdefghijklmnopqrstuvwxyz0123456789+.-", 2, NAME_MAX_LENGTH) &&
           !strchr("+.-", *name);
}

static int add_words(const char *words, size_t size, struct strings *ret, struct error *err)
{
    for (const char *end = words + size; words < end;) {
        size_t n = strcspn(words, " '");
        CLEANUP_FREE char *word = strndup(words, n);

        words += n + 1;
        if (!word)
            return error_sys(err, -ENOMEM, "cannot read packages.sh");
        if (n == 0 || strings_has(ret, word))
            continue;
        if (!package_name_valid(word) || ret->count >= PACKAGES_MAX)
            return error_set(err, -EBADMSG, "packages.sh: '%s' is not the name of a package", word);
        if (strings_add(ret, word) < 0)
            return error_sys(err, -ENOMEM, "cannot read packages.sh");
    }
    return 0;
}

int packages_read(const char *steps_dir, const char *list, struct strings *ret, struct error *err)
{
    CLEANUP_FREE char *path = NULL, *head = NULL;
    CLEANUP_TEXT struct text text = TEXT_INIT;
    const char *line, *words, *end;
    int r;

    if (asprintf(&path, "%s/packages.sh", steps_dir) < 0) {
        path = NULL;
        return error_sys(err, -ENOMEM, "cannot read packages.sh");
    }
    if (asprintf(&head, "\nPACKAGES_%s='", list) < 0) {
        head = NULL;
        return error_sys(err, -ENOMEM, "cannot read packages.sh");
    }
    r = file_read(path, FILE_MAX, &text, err);
    if (r < 0)
        return r;
    line = strstr(text_str(&text), head);
    words = line ? line + strlen(head) : NULL;
    end = words ? strpbrk(words, "'\n") : NULL;
    if (!end || *end != '\'')
        return error_set(err, -ENOENT, "%s has no list PACKAGES_%s", path, list);
    return add_words(words, (size_t)(end - words), ret, err);
}
