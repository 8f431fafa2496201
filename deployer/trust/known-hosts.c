#include "known-hosts.h"

#include <ctype.h>
#include <errno.h>
#include <libssh/libssh.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "deployer/base/paths.h"
#include "discovery/base/file.h"

enum { KEY_BLOB_MAX = 16 * 1024 }; /* an RSA key of 16,384 bits has 2 KiB */

void known_hosts_clear(struct known_hosts *k)
{
    strings_clear(&k->keys);
    free(k->listed);
    free(k->authority);
    *k = (struct known_hosts){0};
}

int known_hosts_usual(struct strings *ret)
{
    static const char *const users[] = {".ssh/known_hosts", ".ssh/known_hosts2"};
    static const char *const systems[] = {"/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"};

    for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
        CLEANUP_FREE char *path = path_join(paths_home(), users[i]);

        if (!path || strings_add(ret, path) < 0 || strings_add(ret, systems[i]) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* --- one line ------------------------------------------------------------------------ */

static char *next_field(char **rest)
{
    char *field = *rest + strspn(*rest, " \t");
    size_t size = strcspn(field, " \t");

    *rest = field + size;
    if (**rest)
        *(*rest)++ = '\0';
    return *field ? field : NULL;
}

/* The fingerprint of a public key in base64, which must be of that type (RFC 4253 §6.6). */
static int find_fingerprint(const char *type, const char *base64,
                            char ret[static KNOWN_HOSTS_FINGERPRINT_MAX])
{
    unsigned char blob[KEY_BLOB_MAX], hash[crypto_hash_sha256_BYTES];
    size_t size = 0, length = strlen(type);

    if (sodium_base642bin(blob, sizeof(blob), base64, strlen(base64), NULL, &size, NULL,
                          sodium_base64_VARIANT_ORIGINAL) < 0 ||
        size < 4 + length || length > 255 || blob[0] || blob[1] || blob[2] || blob[3] != length ||
        memcmp(blob + 4, type, length) != 0)
        return -ENODATA;
    crypto_hash_sha256(hash, blob, size);
    (void)snprintf(ret, KNOWN_HOSTS_FINGERPRINT_MAX, "SHA256:");
    (void)sodium_bin2base64(ret + 7, KNOWN_HOSTS_FINGERPRINT_MAX - 7, hash, sizeof(hash),
                            sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    return 0;
}

int known_hosts_line_parse(char *line, struct known_hosts_line *ret)
{
    struct known_hosts_line l = {0};
    char *first;

    line[strcspn(line, "\r\n")] = '\0';
    first = next_field(&line);
    if (!first || *first == '#')
        return -ENODATA;
    if (*first == '@') {
        l.marker = first;
        first = next_field(&line);
    }
    l.hosts = first;
    l.type = next_field(&line);
    l.base64 = next_field(&line);
    if (!l.hosts || !l.type || !l.base64 || find_fingerprint(l.type, l.base64, l.fingerprint) < 0)
        return -ENODATA;
    *ret = l;
    return 0;
}

/* "*" and "?"; case does not count in the pattern.  Goes back to the last "*" alone. */
static bool matches_pattern(const char *name, const char *pattern, size_t size)
{
    const char *end = pattern + size, *star = NULL, *from = NULL;

    while (*name) {
        if (pattern < end && *pattern == '*') {
            star = ++pattern;
            from = name;
        } else if (pattern < end &&
                   (*pattern == '?' || tolower((unsigned char)*pattern) == *name)) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star;
            name = ++from;
        } else
            return false;
    }
    while (pattern < end && *pattern == '*')
        pattern++;
    return pattern == end;
}

/* "|1|SALT|HASH": HMAC-SHA1 of one name. */
static bool matches_hashed(const struct known_hosts_line *l, const char *name)
{
    CLEANUP_TEXT struct text line = TEXT_INIT;
    struct ssh_knownhosts_entry *entry = NULL;
    bool matches;

    if (strchr(l->hosts, ','))
        return false;
    text_addf(&line, "%s %s %s", l->hosts, l->type, l->base64);
    matches = text_error(&line) == 0 &&
              ssh_known_hosts_parse_line(name, text_str(&line), &entry) == SSH_OK;
    ssh_knownhosts_entry_free(entry);
    return matches;
}

bool known_hosts_line_matches(const struct known_hosts_line *l, const char *name)
{
    bool found = false;

    if (*l->hosts == '|')
        return matches_hashed(l, name);
    for (const char *at = l->hosts; *at;) {
        size_t size = strcspn(at, ",");
        bool excludes = *at == '!';

        if (matches_pattern(name, at + excludes, size - excludes)) {
            if (excludes)
                return false;
            found = true;
        }
        at += size + (at[size] == ',');
    }
    return found;
}

/* --- the files ------------------------------------------------------------------------ */

typedef int line_taker(const struct known_hosts_line *l, const char *place, void *arg);

static int read_file(const char *file, line_taker *take, void *arg, struct error *err)
{
    CLEANUP_TEXT struct text content = TEXT_INIT;
    struct error why = {0};
    int r = file_read(file, KNOWN_HOSTS_MAX, &content, &why);
    size_t number = 1;

    if (r == -ENOENT || r == -ENOTDIR)
        return 0;
    if (r < 0)
        return error_set(err, r, "%s", why.text);
    for (char *line = content.data, *end; line && line < content.data + content.size;
         line = end + 1, number++) {
        CLEANUP_TEXT struct text place = TEXT_INIT;
        struct known_hosts_line l;

        end = memchr(line, '\n', (size_t)(content.data + content.size - line));
        if (!end)
            end = content.data + content.size;
        *end = '\0';
        if (known_hosts_line_parse(line, &l) < 0)
            continue;
        text_add_printable(&place, file);
        text_addf(&place, ":%zu", number);
        if (text_error(&place) < 0 || take(&l, text_str(&place), arg) < 0)
            return error_sys(err, -ENOMEM, "cannot read %s", file);
    }
    return 0;
}

static int read_files(const struct strings *files, line_taker *take, void *arg, struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < files->count && r == 0; i++)
        r = read_file(files->items[i], take, arg, err);
    return r;
}

struct search {
    const char *name;
    struct known_hosts *found;
};

static int note_place(char **to, const char *place)
{
    if (!*to)
        *to = strdup(place);
    return *to ? 0 : -ENOMEM;
}

static int take_host(const struct known_hosts_line *l, const char *place, void *arg)
{
    const struct search *s = arg;

    if ((l->marker && strcmp(l->marker, "@cert-authority") != 0) ||
        !known_hosts_line_matches(l, s->name))
        return 0;
    if (l->marker)
        return note_place(&s->found->authority, place);
    if (strcmp(l->type, "ssh-ed25519") == 0 && note_place(&s->found->listed, place) < 0)
        return -ENOMEM;
    return strings_add(&s->found->keys, l->fingerprint);
}

int known_hosts_find(const struct strings *files, const char *host, uint16_t port,
                     struct known_hosts *ret, struct error *err)
{
    char name[KNOWN_HOSTS_NAME_MAX];
    struct search s = {.name = name, .found = ret};

    if (port == 0 || port == 22)
        (void)snprintf(name, sizeof(name), "%s", host);
    else
        (void)snprintf(name, sizeof(name), "[%s]:%u", host, port);
    for (char *c = name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return read_files(files, take_host, &s, err);
}

static int take_revoked(const struct known_hosts_line *l, const char *place, void *arg)
{
    CLEANUP_TEXT struct text item = TEXT_INIT;

    if (!l->marker || strcmp(l->marker, "@revoked") != 0)
        return 0;
    text_addf(&item, "%s %s", l->fingerprint, place);
    return text_error(&item) < 0 ? -ENOMEM : strings_add(arg, text_str(&item));
}

int known_hosts_revoked(const struct strings *files, struct strings *ret, struct error *err)
{
    return read_files(files, take_revoked, ret, err);
}
