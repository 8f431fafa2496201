#include "source.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deployer/base/local-host.h"
#include "deployer/base/url.h"
#include "discovery/base/file.h"

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

static void source_clear(struct apt_source *s)
{
    free(s->uri);
    free(s->suite);
    free(s->signed_by);
    free(s->key);
    strings_clear(&s->components);
    *s = (struct apt_source){0};
}

void apt_sources_clear(struct apt_sources *s)
{
    for (size_t i = 0; i < s->count; i++)
        source_clear(&s->items[i]);
    free(s->items);
    strings_clear(&s->passed_over);
    *s = (struct apt_sources){0};
}

/* --- valid URIs and names ------------------------------------------------------- */

/* Does it consist of letters, digits and the characters of `more`? */
static bool consists_of(const char *s, size_t size, const char *more)
{
    for (size_t i = 0; i < size; i++)
        if (!s[i] || (!strchr(letters, s[i]) && !strchr(more, s[i])))
            return false;
    return true;
}

/* The length of the host, without the port; 0 when it is not valid. */
static size_t host_length(const char *s)
{
    size_t n;

    if (*s != '[')
        return strspn(s, "-.") > 0 ? 0 : strcspn(s, ":/");
    n = strcspn(s, "]/");
    return s[n] == ']' && consists_of(s + 1, n - 1, ":.") ? n + 1 : 0;
}

bool apt_uri_valid(const char *uri)
{
    const char *host = strncmp(uri, "http://", 7) == 0    ? uri + 7
                       : strncmp(uri, "https://", 8) == 0 ? uri + 8
                                                          : NULL;
    size_t size = host ? host_length(host) : 0, rest;
    struct url url;

    if (size == 0 || strlen(uri) > APT_URI_MAX || url_parse(uri, &url) < 0 ||
        local_host(url.host) || strstr(uri, "/.."))
        return false;
    if (*host != '[' && !consists_of(host, size, "-._"))
        return false;
    rest = size;
    if (host[rest] == ':')
        rest += 1 + strspn(host + rest + 1, "0123456789");
    return (host[rest] == '\0' || host[rest] == '/') &&
           consists_of(host + rest, strlen(host + rest), "-._~%+/:,=@");
}

char *apt_uri_for_cache(const char *uri)
{
    const char *host = strncmp(uri, "https://", 8) == 0 ? uri + 8 : NULL;
    size_t size = host ? host_length(host) : 0;
    char *made;

    if (!host)
        return strdup(uri);
    return asprintf(&made, "http://%.*s%s%s", (int)size, host, host[size] == ':' ? "" : ":443",
                    host + size) < 0
               ? NULL
               : made;
}

bool apt_suite_valid(const char *suite)
{
    size_t n = strlen(suite);

    return n > 0 && n <= 100 && consists_of(suite, n, "-_./~+") && !strstr(suite, "..") &&
           !strchr("-/", *suite);
}

bool apt_arch_valid(const char *arch)
{
    return string_is_one_of(arch, "abcdefghijklmnopqrstuvwxyz0123456789-", 2, 32) && *arch != '-';
}

static bool component_valid(const char *component)
{
    return strlen(component) <= 100 && consists_of(component, strlen(component), "-_./+") &&
           !strstr(component, "..") && !strchr("-/", *component);
}

/* --- one entry ----------------------------------------------------------------- */

/* The fields of one line or of one paragraph, not checked yet. */
struct entry {
    struct strings types, uris, suites, components, arches;
    struct text key;
    char *signed_by;
    bool disabled, odd;
};

static void entry_clear(struct entry *e)
{
    strings_clear(&e->types);
    strings_clear(&e->uris);
    strings_clear(&e->suites);
    strings_clear(&e->components);
    strings_clear(&e->arches);
    text_clear(&e->key);
    free(e->signed_by);
    *e = (struct entry){0};
}

static int add_words(struct strings *to, const char *from, size_t size, const char *blanks)
{
    for (const char *end = from + size; from < end;) {
        size_t n = strcspn(from, blanks);

        if (n > (size_t)(end - from))
            n = (size_t)(end - from);
        if (n > 0 && strings_addn(to, from, n) < 0)
            return -ENOMEM;
        from += n + 1;
    }
    return 0;
}

static bool is_same_source(const struct apt_source *a, const char *uri, const char *suite)
{
    return strcmp(a->uri, uri) == 0 && strcmp(a->suite, suite) == 0;
}

static int merge_strings(struct strings *to, const struct strings *more)
{
    for (size_t i = 0; i < more->count; i++)
        if (!strings_has(to, more->items[i]) && strings_add(to, more->items[i]) < 0)
            return -ENOMEM;
    return 0;
}

static int skip_source(struct apt_sources *s, const char *name, const char *what, const char *why)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    if (s->passed_over.count >= APT_SOURCES_MAX)
        return 0;
    text_add_printable(&words, what);
    if (words.size > 200)
        words.data[words.size = 200] = '\0';
    text_addf(&words, " (%s): %s", name, why);
    return text_error(&words) < 0 ? -ENOMEM : strings_add(&s->passed_over, text_str(&words));
}

static int add_source(struct apt_sources *s, const char *uri, const char *suite,
                      const struct entry *e)
{
    struct apt_source *grown, made = {0};
    size_t n = strlen(uri);

    while (n > 0 && uri[n - 1] == '/')
        n--;
    made.uri = strndup(uri, n);
    made.suite = strdup(suite);
    if (!made.uri || !made.suite)
        goto failed;
    for (size_t i = 0; i < s->count; i++)
        if (is_same_source(&s->items[i], made.uri, suite)) {
            source_clear(&made);
            return merge_strings(&s->items[i].components, &e->components);
        }
    made.signed_by = e->signed_by ? strdup(e->signed_by) : NULL;
    made.key = e->key.size > 0 ? strdup(text_str(&e->key)) : NULL;
    if (strings_copy(&made.components, &e->components) < 0 || (e->signed_by && !made.signed_by) ||
        (e->key.size > 0 && !made.key))
        goto failed;
    grown = reallocarray(s->items, s->count + 1, sizeof(*grown));
    if (!grown)
        goto failed;
    s->items = grown;
    s->items[s->count++] = made;
    return 0;
failed:
    source_clear(&made);
    return -ENOMEM;
}

static const char *find_source_fault(const struct entry *e, const char *uri, const char *suite)
{
    if (e->odd)
        return "the entry is not valid";
    if (!apt_uri_valid(uri))
        return "the URI must be http(s)://HOST/PATH, without a user, a password or a loopback "
               "address";
    if (!apt_suite_valid(suite))
        return "the suite's name is not valid";
    if ((suite[strlen(suite) - 1] == '/') != (e->components.count == 0))
        return "a suite that ends in \"/\" takes no components, any other needs them";
    for (size_t i = 0; i < e->components.count; i++)
        if (!component_valid(e->components.items[i]))
            return "a component's name is not valid";
    return NULL;
}

static int take_entry(struct apt_sources *s, const char *name, const char *arch,
                      const struct entry *e, struct error *err)
{
    int r = 0;

    if (e->disabled || !strings_has(&e->types, "deb") ||
        (e->arches.count > 0 && !strings_has(&e->arches, arch)))
        return 0;
    for (size_t i = 0; i < e->uris.count && r == 0; i++)
        for (size_t j = 0; j < e->suites.count && r == 0; j++) {
            const char *why = find_source_fault(e, e->uris.items[i], e->suites.items[j]);

            if (why)
                r = skip_source(s, name, e->uris.items[i], why);
            else if (s->count >= APT_SOURCES_MAX)
                return error_set(err, -EFBIG, "%s: more than %d package sources", name,
                                 APT_SOURCES_MAX);
            else
                r = add_source(s, e->uris.items[i], e->suites.items[j], e);
        }
    return r < 0 ? error_sys(err, r, "cannot read %s", name) : 0;
}

/* --- one-line style ------------------------------------------------------------- */

static const char *skip_blanks(const char *s)
{
    return s + strspn(s, " \t");
}

/* Reads [arch=amd64,arm64 signed-by=/a/file]; other options do not affect what is
 * fetched. */
static int read_bracket(const char *from, size_t size, struct entry *e)
{
    CLEANUP_STRINGS struct strings words = {0};

    if (add_words(&words, from, size, " \t") < 0)
        return -ENOMEM;
    for (size_t i = 0; i < words.count; i++) {
        const char *word = words.items[i], *value = strchr(word, '=');

        if (!value)
            continue;
        value++;
        if (strncasecmp(word, "arch=", 5) == 0 &&
            add_words(&e->arches, value, strlen(value), ",") < 0)
            return -ENOMEM;
        if (strncasecmp(word, "signed-by=", 10) == 0 && !e->signed_by) {
            e->signed_by = strdup(value);
            if (!e->signed_by)
                return -ENOMEM;
        }
    }
    return 0;
}

static int read_line(const char *line, struct entry *e)
{
    CLEANUP_STRINGS struct strings words = {0};
    size_t n = strcspn(line, " \t[");
    const char *rest = skip_blanks(line + n);

    if (strings_addn(&e->types, line, n) < 0)
        return -ENOMEM;
    if (*rest == '[') {
        n = strcspn(rest, "]");
        e->odd = rest[n] != ']';
        if (e->odd)
            return 0;
        if (read_bracket(rest + 1, n - 1, e) < 0)
            return -ENOMEM;
        rest += n + 1;
    }
    n = strcspn(rest, "#");
    if (add_words(&words, rest, n, " \t") < 0)
        return -ENOMEM;
    if (words.count < 2) {
        e->odd = true;
        return 0;
    }
    if (strings_add(&e->uris, words.items[0]) < 0 || strings_add(&e->suites, words.items[1]) < 0)
        return -ENOMEM;
    for (size_t i = 2; i < words.count; i++)
        if (strings_add(&e->components, words.items[i]) < 0)
            return -ENOMEM;
    return 0;
}

static int parse_lines(struct apt_sources *s, const char *name, char *text, const char *arch,
                       struct error *err)
{
    char *next;

    for (char *line = text; line; line = next) {
        CLEANUP(entry_clear) struct entry e = {0};
        int r;

        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        line = line + strspn(line, " \t\r");
        line[strcspn(line, "\r")] = '\0';
        if (*line == '\0' || *line == '#')
            continue;
        r = read_line(line, &e);
        r = r < 0 ? error_sys(err, r, "cannot read %s", name) : take_entry(s, name, arch, &e, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* --- deb822 style ---------------------------------------------------------------- */

static bool is_no(const char *value)
{
    static const char *const words[] = {"no", "false", "without", "off", "disable", "0"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcasecmp(value, words[i]) == 0)
            return true;
    return false;
}

/* Adds a line of an embedded key: a continuation line begins with a blank, and "." stands
 * for an empty line. */
static void add_key_line(struct text *key, const char *line)
{
    line = skip_blanks(line);
    text_adds(key, strcmp(line, ".") == 0 ? "" : line);
    text_addc(key, '\n');
}

static int read_field(struct entry *e, const char *field, const char *value)
{
    static const char blanks[] = " \t\n";
    size_t n = strlen(value);

    if (strcasecmp(field, "Types") == 0)
        return add_words(&e->types, value, n, blanks);
    if (strcasecmp(field, "URIs") == 0)
        return add_words(&e->uris, value, n, blanks);
    if (strcasecmp(field, "Suites") == 0)
        return add_words(&e->suites, value, n, blanks);
    if (strcasecmp(field, "Components") == 0)
        return add_words(&e->components, value, n, blanks);
    if (strcasecmp(field, "Architectures") == 0)
        return add_words(&e->arches, value, n, blanks);
    if (strcasecmp(field, "Enabled") == 0)
        e->disabled = e->disabled || is_no(value);
    if (strcasecmp(field, "Signed-By") == 0) {
        if (strstr(value, "-----BEGIN")) {
            add_key_line(&e->key, value);
        } else if (*value && !e->signed_by) {
            e->signed_by = strdup(value);
            if (!e->signed_by)
                return -ENOMEM;
        }
    }
    return 0;
}

static bool is_field(const char *field, const char *name)
{
    return field && strcasecmp(field, name) == 0;
}

/* Parses one paragraph after the other; a line that begins with a blank continues the
 * field before it. */
static int parse_paragraphs(struct apt_sources *s, const char *name, char *text, const char *arch,
                            struct error *err)
{
    CLEANUP(entry_clear) struct entry e = {0};
    const char *field = NULL;
    char *next;
    int r = 0;

    for (char *line = text; line && r == 0; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        line[strcspn(line, "\r")] = '\0';
        if (*line == '#')
            continue;
        if (line[strspn(line, " \t")] == '\0') {
            r = take_entry(s, name, arch, &e, err);
            entry_clear(&e);
            field = NULL;
            continue;
        }
        if (*line == ' ' || *line == '\t') {
            if (is_field(field, "Signed-By") && (e.key.size > 0 || strstr(line, "-----BEGIN")))
                add_key_line(&e.key, line);
            else if (field)
                r = read_field(&e, field, skip_blanks(line));
            continue;
        }
        field = line;
        line += strcspn(line, ":");
        e.odd = e.odd || *line != ':';
        if (*line)
            *line++ = '\0';
        line = line + strspn(line, " \t");
        r = read_field(&e, field, line);
    }
    if (r == 0)
        r = take_entry(s, name, arch, &e, err);
    return r == -ENOMEM ? error_sys(err, r, "cannot read %s", name) : r;
}

/* --- files ------------------------------------------------------------------------ */

int apt_sources_parse(struct apt_sources *s, const char *name, const char *text, const char *arch,
                      struct error *err)
{
    CLEANUP_FREE char *copy = NULL;

    if (strlen(text) > APT_SOURCES_FILE_MAX)
        return error_set(err, -EFBIG, "%s: more than %d KiB", name, APT_SOURCES_FILE_MAX / 1024);
    copy = strdup(text);
    if (!copy)
        return error_sys(err, -ENOMEM, "cannot read %s", name);
    return string_ends_with(name, ".sources") ? parse_paragraphs(s, name, copy, arch, err)
                                              : parse_lines(s, name, copy, arch, err);
}

static int read_one(struct apt_sources *s, const char *folder, const char *name, const char *arch,
                    struct error *err)
{
    CLEANUP_TEXT struct text text = TEXT_INIT;
    CLEANUP_FREE char *path = path_join(folder, name);

    if (!path)
        return error_sys(err, -ENOMEM, "cannot read %s", name);
    if (file_read(path, APT_SOURCES_FILE_MAX, &text, NULL) < 0)
        return 0;
    return apt_sources_parse(s, name, text_str(&text), arch, err);
}

static int is_sources_file(const struct dirent *e)
{
    return *e->d_name != '.' &&
           (string_ends_with(e->d_name, ".list") || string_ends_with(e->d_name, ".sources"));
}

int apt_sources_read(struct apt_sources *s, const char *folder, const char *arch, struct error *err)
{
    CLEANUP_FREE char *parts = NULL;
    struct dirent **names = NULL;
    int n, r = read_one(s, folder, "sources.list", arch, err);

    if (r == 0 && asprintf(&parts, "%s/sources.list.d", folder) < 0) {
        parts = NULL;
        r = error_sys(err, -ENOMEM, "cannot read %s", folder);
    }
    if (r < 0)
        return r;
    n = scandir(parts, &names, is_sources_file, alphasort);
    for (int i = 0; i < n; i++) {
        if (r == 0)
            r = read_one(s, parts, names[i]->d_name, arch, err);
        free(names[i]);
    }
    free(names);
    return r;
}

/* --- another suite ------------------------------------------------------------------ */

/* The part after the release's name, such as "-security"; NULL: another release. */
static const char *suffix_of(const char *suite, const char *codename)
{
    static const char *const suffixes[] = {"", "-updates", "-security", "-backports"};
    const char *names[] = {codename, "oldstable", "stable"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        size_t n = strlen(names[i]);

        if (n == 0 || strncmp(suite, names[i], n) != 0)
            continue;
        for (size_t j = 0; j < ARRAY_SIZE(suffixes); j++)
            if (strcmp(suite + n, suffixes[j]) == 0)
                return suite + n;
    }
    return NULL;
}

/* Is it a source of a distribution itself, judged by its path?  Third-party repositories
 * use the same suite names. */
static bool is_distribution(const struct apt_source *s)
{
    static const char *const words[] = {"/debian", "/ubuntu", "/raspbian"};

    if (!strings_has(&s->components, "main"))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strstr(strstr(s->uri, "://") + 3, words[i]))
            return true;
    return false;
}

int apt_sources_of_suite(const struct apt_sources *from, const char *codename, const char *suite,
                         struct apt_sources *ret, struct error *err)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct apt_source *s = &from->items[i];
        const char *suffix = suffix_of(s->suite, codename);
        struct entry e = {.components = s->components, .signed_by = s->signed_by};
        CLEANUP_FREE char *name = NULL;
        int r;

        if (!suffix || !is_distribution(s))
            continue;
        if (asprintf(&name, "%s%s", suite, suffix) < 0) {
            name = NULL;
            return error_sys(err, -ENOMEM, "cannot look up %s", suite);
        }
        if (s->key)
            text_adds(&e.key, s->key);
        r = add_source(ret, s->uri, name, &e);
        text_clear(&e.key);
        if (r < 0)
            return error_sys(err, r, "cannot look up %s", suite);
    }
    if (ret->count == 0)
        return error_set(err, -ENOENT,
                         "this controller has no package sources of %s from which to derive those "
                         "of %s (/etc/apt/sources.list.d); name a machine that has them instead "
                         "(-l), or add them here",
                         *codename ? codename : "its own release", suite);
    return 0;
}
