#include "system.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "discovery/base/digest.h"
#include "discovery/base/file.h"
#include "discovery/base/process.h"

enum { ASK_MS = 20 * 1000, FOREIGN_MAX = 8, SMALL_MAX = 4096 };

void apt_system_clear(struct apt_system *s)
{
    free(s->name);
    free(s->suite);
    free(s->arch);
    strings_clear(&s->foreign);
    apt_sources_clear(&s->sources);
    content_clear(&s->files);
    text_clear(&s->status);
    text_clear(&s->preferences);
    *s = (struct apt_system){0};
}

/* --- by name ---------------------------------------------------------------------- */

int apt_system_codename(const char *os_release, char **ret)
{
    CLEANUP_TEXT struct text text = TEXT_INIT;
    const char *value = NULL;
    size_t n;

    if (file_read(os_release, SMALL_MAX * 4, &text, NULL) == 0)
        value = strstr(text_str(&text), "\nVERSION_CODENAME=");
    value = value ? value + strlen("\nVERSION_CODENAME=") : "";
    value += *value == '"';
    n = strcspn(value, "\"\n");
    *ret = strndup(value, n);
    if (*ret && **ret && !apt_suite_valid(*ret))
        **ret = '\0';
    return *ret ? 0 : -ENOMEM;
}

int apt_system_arch(char **ret, struct error *err)
{
    CLEANUP(process_result_clear) struct process_result result = {0};
    const char *argv[] = {"dpkg", "--print-architecture", NULL};
    const struct process_options o = {.argv = argv, .timeout_ms = ASK_MS, .cancel_fd = -1};
    int r = process_run(&o, &result, err);
    char *arch;

    if (r < 0)
        return r;
    arch = strndup(text_str(&result.output), strcspn(text_str(&result.output), "\n"));
    if (!arch || !apt_arch_valid(arch)) {
        free(arch);
        return error_set(err, -ENOPKG, "dpkg does not report this controller's architecture");
    }
    *ret = arch;
    return 0;
}

int apt_system_named(const char *etc, const char *codename, const char *suite, const char *arch,
                     struct apt_system *ret, struct error *err)
{
    CLEANUP(apt_sources_clear) struct apt_sources own = {0};
    CLEANUP(apt_system_clear) struct apt_system s = {0};
    int r;

    if (!apt_suite_valid(suite) || strchr(suite, '/'))
        return error_set(err, -EINVAL, "'%s' is not the name of a suite (such as bookworm)", suite);
    if (!apt_arch_valid(arch))
        return error_set(err, -EINVAL, "'%s' is not an architecture (such as arm64)", arch);
    /* Only the sources that apply to `arch`: those that name no architecture apply to all. */
    r = apt_sources_read(&own, etc, arch, err);
    if (r == 0)
        r = apt_sources_of_suite(&own, codename, suite, &s.sources, err);
    if (r < 0)
        return r;
    s.suite = strdup(suite);
    s.arch = strdup(arch);
    if (asprintf(&s.name, "%s-%s", suite, arch) < 0) {
        s.name = NULL;
        return error_sys(err, -ENOMEM, "cannot look up %s", suite);
    }
    if (!s.suite || !s.arch)
        return error_sys(err, -ENOMEM, "cannot look up %s", suite);
    *ret = s;
    s = (struct apt_system){0};
    return 0;
}

/* --- a machine's ------------------------------------------------------------------ */

static int take_architectures(struct apt_system *s, const char *lines)
{
    bool first = true;

    while (*lines) {
        size_t n = strcspn(lines, "\n");
        CLEANUP_FREE char *arch = strndup(lines, n);

        lines += n + (lines[n] == '\n');
        if (!arch)
            return -ENOMEM;
        if (!apt_arch_valid(arch) || s->foreign.count >= FOREIGN_MAX)
            return -EBADMSG;
        if (first)
            s->arch = TAKE_PTR(arch);
        else if (strings_add(&s->foreign, arch) < 0)
            return -ENOMEM;
        first = false;
    }
    return s->arch ? 0 : -EBADMSG;
}

/* Adds the text of one of its files to `ret`; nothing when there is no such file. */
static int take_text(const struct apt_system *s, const char *path, size_t max, struct text *ret)
{
    const struct content_file *f = content_find(&s->files, path);

    if (!f)
        return 0;
    if (f->size > max || memchr(f->data, '\0', f->size))
        return -EBADMSG;
    text_add(ret, f->data, f->size);
    return text_error(ret);
}

static int take_sources(struct apt_system *s, struct error *err)
{
    for (size_t i = 0; i < s->files.count; i++) {
        const struct content_file *f = &s->files.files[i];
        CLEANUP_TEXT struct text text = TEXT_INIT;
        int r;

        if (strncmp(f->path, "etc/apt/sources.list", 20) != 0 || memchr(f->data, '\0', f->size))
            continue;
        text_add(&text, f->data, f->size);
        r = text_error(&text) < 0
                ? error_sys(err, -ENOMEM, "cannot read %s", f->path)
                : apt_sources_parse(&s->sources, f->path, text_str(&text), s->arch, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_all(struct apt_system *s)
{
    CLEANUP_TEXT struct text arch = TEXT_INIT;
    CLEANUP_TEXT struct text suite = TEXT_INIT;
    int r = take_text(s, "arch", SMALL_MAX, &arch);

    if (r == 0)
        r = take_architectures(s, text_str(&arch));
    if (r == 0)
        r = take_text(s, "suite", SMALL_MAX, &suite);
    if (r < 0)
        return r;
    s->suite = strndup(text_str(&suite), strcspn(text_str(&suite), "\n"));
    if (!s->suite)
        return -ENOMEM;
    if (*s->suite && !apt_suite_valid(s->suite))
        *s->suite = '\0';
    r = take_text(s, "status", APT_STATUS_MAX, &s->status);
    if (r == 0)
        r = take_text(s, "preferences", APT_SOURCES_FILE_MAX, &s->preferences);
    return r == 0 && s->status.size == 0 ? -EBADMSG : r;
}

int apt_system_from_tar(const char *name, const void *bytes, size_t size, struct apt_system *ret,
                        struct error *err)
{
    CLEANUP(apt_system_clear) struct apt_system s = {.machine = true};
    int r;

    s.name = strdup(name);
    r = s.name ? content_read_tar(&s.files, bytes, size) : -ENOMEM;
    if (r == 0)
        r = content_sort(&s.files, NULL);
    if (r == 0)
        r = read_all(&s);
    if (r < 0)
        return error_sys(err, r, "%s: its report of package sources cannot be read", name);
    r = take_sources(&s, err);
    if (r < 0)
        return r;
    *ret = s;
    s = (struct apt_system){0};
    return 0;
}

int apt_system_to_tar(const struct apt_system *s, struct text *ret, struct error *err)
{
    int r = s->machine ? content_write_tar(&s->files, ret) : -EINVAL;

    return r < 0 ? error_sys(err, r, "cannot keep the report of package sources of %s", s->name)
                 : 0;
}

int apt_system_read(const char *name, struct text *wire, struct apt_system *ret, struct error *err)
{
    size_t size = 0;
    int r = text_error(wire);

    if (wire->size > APT_SYSTEM_WIRE_MAX)
        return error_set(err, -EFBIG, "%s: its report of package sources is too large", name);
    if (r == 0)
        r = wire->size > 0 ? base64_decode(wire->data, &size) : -EBADMSG;
    if (r < 0)
        return error_sys(err, r, "%s: its report of package sources cannot be read", name);
    return apt_system_from_tar(name, wire->data, size, ret, err);
}
