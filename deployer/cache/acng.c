#include "acng.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deployer/apt/source.h"
#include "deployer/base/local-host.h"
#include "deployer/base/url.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/digest.h"
#include "discovery/base/file.h"
#include "discovery/base/process.h"
#include "http.h"
#include "store.h"

enum { LIST_MAX = 512 * 1024, NAME_DIGEST = 8, APT_CONFIG_MS = 20 * 1000 };

/* --- repositories ------------------------------------------------------------ */

/* Without slashes at the end. */
static char *clean_uri(const char *uri)
{
    size_t size = strlen(uri);

    while (size > 0 && uri[size - 1] == '/')
        size--;
    return strndup(uri, size);
}

/* Host and path of a URI, without the scheme. */
static const char *after_scheme(const char *uri)
{
    const char *scheme = strstr(uri, "://");

    return scheme ? scheme + 3 : uri;
}

char *acng_folder_of(const char *uri)
{
    CLEANUP_FREE char *whole = clean_uri(uri), *key = NULL;
    char digest[DIGEST_LENGTH + 1], *name;

    key = whole ? strdup(after_scheme(whole)) : NULL;
    if (!key)
        return NULL;
    /* What versions up to 0.1 have cached of http sources stays where it is. */
    if (strncmp(whole, "https://", 8) == 0)
        digest_bytes(whole, strlen(whole), digest);
    else
        digest_bytes(key, strlen(key), digest);
    /* The digest keeps the folders of two repositories apart, the name is for people. */
    for (char *c = key; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '.'))
            *c = '_';
    return asprintf(&name, "%.60s_%.*s", key, NAME_DIGEST, digest) < 0 ? NULL : name;
}

char *acng_path_of(const char *cache, const struct strings *repositories, const char *uri)
{
    const char *scheme = strstr(uri, "://");

    for (size_t i = 0; scheme && i < repositories->count; i++) {
        CLEANUP_FREE char *whole = apt_uri_for_cache(repositories->items[i]);
        CLEANUP_FREE char *folder = acng_folder_of(repositories->items[i]);
        CLEANUP_FREE char *rest = NULL;
        const char *key = whole ? after_scheme(whole) : "";
        size_t size = strlen(key);
        char *path;

        if (!whole || !folder || strncmp(scheme + 3, key, size) != 0 || scheme[3 + size] != '/')
            continue;
        rest = strdup(scheme + 3 + size);
        if (!rest || percent_decode(rest) < 0 || strstr(rest, "/.."))
            return NULL;
        return asprintf(&path, "%s/%s%s", cache, folder, rest) < 0 ? NULL : path;
    }
    return NULL;
}

int acng_repositories_add(struct strings *list, const char *uri, struct error *err)
{
    CLEANUP_FREE char *clean = clean_uri(uri);

    if (!apt_uri_valid(uri))
        return error_set(err, -EINVAL,
                         "'%.200s' is not the URI of a repository, http://HOST/PATH or https, of "
                         "another computer",
                         uri);
    if (!clean)
        return error_sys(err, -ENOMEM, "cannot add %s", uri);
    if (strings_has(list, clean))
        return 0;
    if (list->count >= CACHE_REPOSITORIES_MAX)
        return error_set(err, -EFBIG, "the cache cannot serve more than %d repositories",
                         CACHE_REPOSITORIES_MAX);
    return strings_add(list, clean) < 0 ? error_sys(err, -ENOMEM, "cannot add %s", uri) : 1;
}

int acng_repositories_remove(struct strings *list, const char *uri)
{
    CLEANUP_FREE char *clean = clean_uri(uri);

    for (size_t i = 0; clean && i < list->count; i++) {
        if (strcmp(list->items[i], clean) != 0)
            continue;
        free(list->items[i]);
        memmove(&list->items[i], &list->items[i + 1], (--list->count - i) * sizeof(*list->items));
        return 1;
    }
    return 0;
}

int acng_repositories_read(const struct paths *p, struct strings *ret, struct error *err)
{
    CLEANUP_FREE char *path = cache_path(p, "apt/repositories");
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    char *save = NULL;
    int r;

    if (!path)
        return error_sys(err, -ENOMEM, "cannot read the caches' repositories");
    r = file_read(path, LIST_MAX, &bytes, err);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (strlen(text_str(&bytes)) != bytes.size)
        return error_set(err, -EBADMSG, "%s is damaged", path);
    for (char *line = bytes.data ? strtok_r(bytes.data, "\n", &save) : NULL; line;
         line = strtok_r(NULL, "\n", &save)) {
        r = acng_repositories_add(ret, line, err);
        if (r == -EINVAL)
            return error_set(err, -EBADMSG, "%s is damaged", path);
        if (r < 0)
            return r;
    }
    return 0;
}

int acng_repositories_write(const struct paths *p, const struct strings *list, struct error *err)
{
    CLEANUP_FREE char *path = cache_path(p, "apt/repositories");
    CLEANUP_TEXT struct text bytes = TEXT_INIT;

    for (size_t i = 0; i < list->count; i++)
        text_addf(&bytes, "%s\n", list->items[i]);
    if (!path || text_error(&bytes) < 0)
        return error_sys(err, -ENOMEM, "cannot write the caches' repositories");
    return file_write(path, text_str(&bytes), bytes.size, 0600, err);
}

/* --- the settings of this controller's own apt --------------------------------- */

static char *run_for_line(const char *const *argv)
{
    CLEANUP(process_result_clear) struct process_result result = {0};
    struct process_options o = {.argv = argv, .timeout_ms = APT_CONFIG_MS, .cancel_fd = -1};
    char *line;

    if (process_run(&o, &result, NULL) < 0 || result.status != 0)
        return NULL;
    line = strdup(text_str(&result.output));
    if (line)
        line[strcspn(line, "\n")] = '\0';
    return line;
}

int acng_own_repositories(struct strings *ret, struct error *err)
{
    static const char *const dpkg[] = {"dpkg", "--print-architecture", NULL};
    CLEANUP_FREE char *arch = run_for_line(dpkg);
    CLEANUP(apt_sources_clear) struct apt_sources sources = {0};
    int r = 0;

    if (!arch || !apt_arch_valid(arch)) /* not a Debian system: it has no sources of its own */
        return 0;
    r = apt_sources_read(&sources, "/etc/apt", arch, err);
    for (size_t i = 0; i < sources.count && r >= 0; i++)
        r = acng_repositories_add(ret, sources.items[i].uri, err);
    return r < 0 ? r : 0;
}

char *acng_own_proxy(uint16_t not_port)
{
    static const char *const ask[] = {
        "sh", "-c",
        "eval \"$(apt-config shell p Acquire::http::Proxy)\"; "
        "[ \"$p\" != DIRECT ] || exit 1; echo \"${p:-${http_proxy:-}}\"",
        NULL};
    CLEANUP_FREE char *proxy = run_for_line(ask);
    struct url url;

    if (!proxy || strncmp(proxy, "http://", 7) != 0 || strpbrk(proxy, " \t\"'\\#"))
        return NULL;
    /* This controller's own apt may use our cache as its proxy. */
    if (url_parse(proxy, &url) == 0 && url.port == not_port && local_host(url.host))
        return NULL;
    return TAKE_PTR(proxy);
}

/* --- the settings of apt-cacher-ng --------------------------------------------- */

/* apt-cacher-ng connects only to port 80 and to listed ports: list the repositories' ports. */
static void add_ports(const struct strings *repositories, struct text *to)
{
    text_adds(to, "AllowUserPorts: 80");
    for (size_t i = 0; i < repositories->count; i++) {
        struct url url;

        if (url_parse(repositories->items[i], &url) == 0 && (url.has_port || url.https))
            text_addf(to, " %u", url.port);
    }
    text_addc(to, '\n');
}

int acng_settings_text(const struct acng_settings *s, struct text *ret)
{
    text_addf(ret,
              "# Written by dcop-deploy cache; changes are lost.\n"
              "CacheDir: %s/cache\n"
              "LogDir: %s/log\n"
              "SupportDir: /usr/lib/apt-cacher-ng\n"
              "SocketPath:\n"
              "ForeGround: 1\n"
              "BindAddress: 127.0.0.1\n"
              "Port: %u\n"
              /* Only the repositories below, no other host. */
              "ForceManaged: 1\n"
              "PassThroughPattern: ^$\n"
              "ReportPage:\n"
              /* Keep files that upstream has replaced. */
              "ExThreshold: 100000\n"
              "VerboseLog: 0\n"
              "Offlinemode: %d\n",
              s->folder, s->folder, s->port, s->offline);
    add_ports(s->repositories, ret);
    if (s->proxy)
        text_addf(ret, "Proxy: %s\n", s->proxy);
    for (size_t i = 0; i < s->repositories->count; i++) {
        const char *uri = s->repositories->items[i];
        CLEANUP_FREE char *request = apt_uri_for_cache(uri);
        CLEANUP_FREE char *folder = acng_folder_of(uri);

        if (!request || !folder)
            return -ENOMEM;
        text_addf(ret, "Remap-%s: %s ; %s\n", folder, request, uri);
    }
    return text_error(ret);
}

int acng_configure(const struct paths *p, uint16_t port, bool offline, const struct strings *list,
                   struct error *err)
{
    CLEANUP_FREE char *folder = cache_path(p, "apt");
    CLEANUP_FREE char *path = cache_path(p, "apt/conf/acng.conf");
    CLEANUP_FREE char *proxy = acng_own_proxy(port);
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    struct acng_settings s = {
        .folder = folder, .port = port, .offline = offline, .proxy = proxy, .repositories = list};

    if (!folder || !path || acng_settings_text(&s, &bytes) < 0)
        return error_sys(err, -ENOMEM, "cannot write apt-cacher-ng's settings");
    /* apt-cacher-ng ends a value at these characters. */
    if (strpbrk(folder, " \t\n#;"))
        return error_set(err, -EINVAL,
                         "apt-cacher-ng cannot work in %s: its name contains a blank, '#' or ';'; "
                         "choose another folder with --state-dir",
                         folder);
    return file_write(path, bytes.data, bytes.size, 0600, err);
}

bool acng_answers(uint16_t port, unsigned timeout_ms)
{
    struct cache_request ask = {.port = port, .path = "/", .timeout_ms = timeout_ms};
    CLEANUP_TEXT struct text body = TEXT_INIT;

    /* The answer of apt-cacher-ng to a request that names no file that it knows. */
    return cache_http(&ask, &body) == 406 && strcasestr(text_str(&body), "apt-cacher");
}

const char *acng_program(void)
{
    static const char *const places[] = {"/usr/sbin/apt-cacher-ng",
                                         "/usr/local/sbin/apt-cacher-ng"};

    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}
