#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deployer/base/url.h"
#include "discovery/base/file.h"
#include "discovery/base/key.h"
#include "discovery/base/output.h"

OPTION_FLAG(struct controller_options, automatic)
OPTION_FLAG(struct controller_options, assign)
OPTION_ONE(struct controller_options, output)
OPTION_ONE(struct controller_options, on_change)
OPTION_STRING(struct controller_options, listen)
OPTION_ONE(struct controller_options, dashboard)

/* A name, or the origin that browsers show for a proxy: without the default port
 * (RFC 6454 §6.2). */
static int add_host(struct strings *to, const char *value, struct error *err)
{
    CLEANUP_TEXT struct text origin = TEXT_INIT;
    struct url url;
    int r;

    if (!strstr(value, "://")) {
        if (!*value || strchr(value, '/') || (strchr(value, ':') && *value != '['))
            return error_set(err, -EINVAL,
                             "'%s' is neither a name without a port nor the address of a proxy as "
                             "browsers show it, http://NAME[:PORT] or https://NAME[:PORT]",
                             value);
        return strings_add(to, value);
    }
    r = url_parse(value, &url);
    if (r < 0 || (*url.path && strcmp(url.path, "/") != 0))
        return error_set(err, r < 0 ? r : -EINVAL,
                         "'%s' is not http://NAME[:PORT] or https://NAME[:PORT], without a path",
                         value);
    text_addf(&origin, "http%s://%s", url.https ? "s" : "", url.spelled);
    if (url.port != (url.https ? 443 : 80))
        text_addf(&origin, ":%u", url.port);
    r = text_error(&origin);
    return r < 0 ? r : strings_add(to, text_str(&origin));
}

static int set_hosts(void *into, const char *value, struct error *err)
{
    return add_host(&((struct controller_options *)into)->hosts, value, err);
}

static int set_quorum(void *into, const char *value, struct error *err)
{
    long n;
    int r = parse_number(value, 0, 20000, &n, err);

    if (r == 0)
        ((struct controller_options *)into)->quorum = (unsigned)n;
    return r;
}

static int set_canary(void *into, const char *value, struct error *err)
{
    (void)value, (void)err;
    ((struct controller_options *)into)->deploy.canary = "1";
    return 0;
}

static int set_healthy(void *into, const char *value, struct error *err)
{
    long seconds;
    int r = parse_number(value, 1, HEALTHY_MAX_S, &seconds, err);

    if (r == 0)
        ((struct controller_options *)into)->deploy.healthy_s = (unsigned)seconds;
    return r;
}

static int set_format(void *into, const char *value, struct error *err)
{
    return inventory_format_from_name(value, &((struct controller_options *)into)->format, err);
}

static const struct option_row own[] = {
    {'a', "auto", OPTION_NONE, NULL, "deploy each machine that matches, as it appears",
     set_automatic},
    {0, "canary", OPTION_NONE, NULL,
     "with --auto: a new version goes to one machine\n"
     "first; if that is not healthy, it goes back, and\n"
     "no other is touched",
     set_canary},
    {0, "healthy", OPTION_REQUIRED, "S", "how long that one is watched; default 30", set_healthy},
    {0, "assign", OPTION_NONE, NULL, "give the missing names to machines without one", set_assign},
    {0, "quorum", OPTION_REQUIRED, "N", "wait until N machines are present", set_quorum},
    {'o', "output", OPTION_REQUIRED, "FILE", "keep the inventory in FILE, replaced as a whole",
     set_output},
    {0, "format", OPTION_REQUIRED, "FORMAT", "of --output: yaml (default), ini, json …",
     set_format},
    {0, "on-change", OPTION_REQUIRED, "COMMAND",
     "run COMMAND when the match has changed; the match\nis in the file $DCOP_MATCH, as JSON",
     set_on_change},
    {'L', "listen", OPTION_REQUIRED, "ADDRESS",
     "ADDRESS[:PORT] of dashboard and API;\ndefault 127.0.0.1:8808", set_listen},
    {0, "host", OPTION_REQUIRED, "NAME",
     "a host name that browsers may use for this\nservice, or http[s]://NAME[:PORT] of a proxy; "
     "may be\nrepeated",
     set_hosts},
    {0, "dashboard", OPTION_REQUIRED, "DIR", "folder with the dashboard's files", set_dashboard},
};

static const char *const shared[] = {
    "problem",       "pydcop",
    "deps",          "orchestrator",
    "fleet",         "domain",
    "user",          "key",
    "password-file", "become-password-file",
    "password",      "become-password",
    "apt-proxy",     "pip-index",
    "cache-direct",  "keep-proxy",
    "offline",       "accept-new",
    "timeout",       "forks",
    "state-dir",     "config",
    "quiet",         "verbose",
    "help",          "version",
};

enum { ROWS = ARRAY_SIZE(own) + ARRAY_SIZE(shared) + 1 };

static void make_rows(struct option_row rows[static ROWS])
{
    size_t n = 0;

    for (size_t i = 0; i < 7; i++) /* first problem … user, then our own */
        rows[n++] = *deploy_options_row(shared[i]);
    for (size_t i = 0; i < ARRAY_SIZE(own); i++)
        rows[n++] = own[i];
    for (size_t i = 7; i < ARRAY_SIZE(shared); i++)
        rows[n++] = *deploy_options_row(shared[i]);
    rows[n] = (struct option_row){0};
}

void controller_options_clear(struct controller_options *s)
{
    deploy_options_clear(&s->deploy);
    strings_clear(&s->hosts);
    strings_clear(&s->words);
    free(s->file);
    *s = (struct controller_options){0};
}

void controller_options_help(struct text *ret)
{
    struct option_row rows[ROWS];

    make_rows(rows);
    options_help(rows, ret);
}

/* --- the file -------------------------------------------------------------------- */

static char *trim(char *s)
{
    char *end;

    s += strspn(s, " \t");
    end = s + strlen(s);
    while (end > s && strchr(" \t\r", end[-1]))
        *--end = '\0';
    return s;
}

/* Stores one line as if it were an option of the command line; its value is kept in `words`. */
static int parse_line(struct controller_options *s, char *line, struct error *err)
{
    struct option_row rows[ROWS];
    const struct option_row *row = rows;
    char *name = trim(line), *value;
    size_t size = strcspn(name, " \t=");
    int r;

    if (!*name || *name == '#')
        return 0;
    value = name[size] ? trim(name + size + 1) : name + size;
    name[size] = '\0';
    make_rows(rows);
    while (row->name && strcmp(row->name, name) != 0)
        row++;
    if (!row->name || !row->help || strcmp(name, "help") == 0 || strcmp(name, "version") == 0 ||
        strcmp(name, "config") == 0)
        return error_set(err, -EINVAL,
                         "'%s' is not an option for this file; see dcop-controller --help", name);
    if (row->takes == OPTION_NONE) {
        if (strcmp(value, "no") == 0)
            return 0;
        if (*value && strcmp(value, "yes") != 0)
            return error_set(err, -EINVAL, "'%s' must be yes or no", name);
        return row->store(s, NULL, err);
    }
    if (!*value)
        return error_set(err, -EINVAL, "'%s' needs a value", name);
    r = strings_add(&s->words, value);
    return r < 0 ? error_sys(err, r, "cannot store the value")
                 : row->store(s, s->words.items[s->words.count - 1], err);
}

static int read_settings_file(struct controller_options *s, struct error *err)
{
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    unsigned number = 0;
    char *line;
    int r = file_read(s->file, SETTINGS_FILE_MAX, &bytes, err);

    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    if (bytes.size && memchr(bytes.data, '\0', bytes.size))
        return error_set(err, -EINVAL, "%s: the file contains a NUL byte", s->file);
    line = bytes.data;
    for (char *next; line && r == 0; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        number++;
        r = parse_line(s, line, err);
    }
    return r < 0 ? error_prefix(err, "%s:%u", s->file, number) : 0;
}

/* --- both ------------------------------------------------------------------------ */

static int parse_command_line(int argc, char **argv, struct controller_options *s,
                              struct error *err)
{
    struct option_row rows[ROWS];
    int first, r;

    make_rows(rows);
    r = options_parse(rows, argc, argv, s, &first, err);
    if (r == 0 && first < argc)
        r = error_set(err, -EINVAL, "'%s' is not an option; see --help", argv[first]);
    return r;
}

static void set_defaults(struct controller_options *s)
{
    *s = (struct controller_options){.listen = "127.0.0.1"};
    s->deploy.verb = "deploy";
    s->deploy.timeout_ms = 10000;
    s->deploy.forks = 32;
}

/* A list on the command line replaces the file's list: put the file's list aside, and
 * restore it if the command line has none. */
static void set_aside_list(struct strings *list, struct strings *kept)
{
    *kept = *list;
    *list = (struct strings){0};
}

static void restore_list(struct strings *list, struct strings *kept)
{
    if (list->count > 0)
        strings_clear(kept);
    else
        *list = *kept;
}

/* Only a file can be kept up to date.  Its folder may still come. */
static int check_output(const struct controller_options *s, struct error *err)
{
    CLEANUP_FREE char *file = NULL;
    struct error why = {0};

    if (!s->output || output_file(s->output, &file, &why) != -EINVAL)
        return 0;
    return error_set(err, -EINVAL, "--output: %s", why.text);
}

/* Likewise of what can be given once (OPTION_ONE): the command line's replaces the file's. */
static const size_t once[] = {
    offsetof(struct controller_options, output),
    offsetof(struct controller_options, on_change),
    offsetof(struct controller_options, dashboard),
    offsetof(struct controller_options, deploy.spec),
    offsetof(struct controller_options, deploy.password_file),
    offsetof(struct controller_options, deploy.become_password_file),
};

static void set_aside_words(struct controller_options *s, const char *kept[ARRAY_SIZE(once)])
{
    for (size_t i = 0; i < ARRAY_SIZE(once); i++) {
        const char **word = (const char **)(void *)((char *)s + once[i]);

        kept[i] = *word;
        *word = NULL;
    }
}

static void restore_words(struct controller_options *s, const char *kept[ARRAY_SIZE(once)])
{
    for (size_t i = 0; i < ARRAY_SIZE(once); i++) {
        const char **word = (const char **)(void *)((char *)s + once[i]);

        if (!*word)
            *word = kept[i];
    }
}

int controller_options_read(int argc, char **argv, struct controller_options *ret,
                            struct error *err)
{
    CLEANUP(controller_options_clear) struct controller_options s = {0}, first = {0};
    CLEANUP_FREE char *folder = NULL;
    const char *words[ARRAY_SIZE(once)];
    struct strings problems, keys, hosts;
    int r;

    set_defaults(&first); /* parsed first: --config, --help and --version */
    r = parse_command_line(argc, argv, &first, err);
    if (r < 0)
        return r;
    set_defaults(&s);
    folder = key_folder(first.deploy.config_dir);
    if (folder && asprintf(&s.file, "%s/%s", folder, SETTINGS_FILE) < 0) {
        s.file = NULL;
        return error_sys(err, -ENOMEM, "cannot read the settings");
    }
    if (s.file && !first.deploy.help && !first.deploy.version)
        r = read_settings_file(&s, err);
    if (r < 0)
        return r;
    set_aside_list(&s.deploy.problems, &problems);
    set_aside_list(&s.deploy.keys, &keys);
    set_aside_list(&s.hosts, &hosts);
    set_aside_words(&s, words);
    r = parse_command_line(argc, argv, &s, err);
    restore_list(&s.deploy.problems, &problems);
    restore_list(&s.deploy.keys, &keys);
    restore_list(&s.hosts, &hosts);
    restore_words(&s, words);
    if (r == 0)
        r = check_output(&s, err);
    if (r < 0)
        return r;
    *ret = s;
    s = (struct controller_options){0};
    return 0;
}
