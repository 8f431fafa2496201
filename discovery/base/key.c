#include "key.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "digest.h"
#include "file.h"

/* A key's line, wiped wherever it goes out of scope. */
struct line {
    char text[KEY_FILE_MAX + 1]; /* one byte more shows a longer file */
};

static void line_clear(struct line *l)
{
    explicit_bzero(l, sizeof(*l));
}

void key_clear(struct key *k)
{
    explicit_bzero(k, sizeof(*k));
}

void key_derive(const struct key *fleet, const char *id, const char *hostkey, struct key *ret)
{
    char message[16 + 32 + KEY_HOSTKEY_MAX];
    int size =
        snprintf(message, sizeof(message), "dcop-key-2 %.16s %.*s", id, KEY_HOSTKEY_MAX, hostkey);

    digest_hmac(fleet->bytes, sizeof(fleet->bytes), message, (size_t)size, ret->bytes);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* What editors put around a key: U+FEFF in front, blanks, line ends as on Windows. */
static const char *trim_key(const char *text, size_t *size)
{
    if (*size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3, *size -= 3;
    while (*size > 0 && is_blank(*text))
        text++, (*size)--;
    while (*size > 0 && is_blank(text[*size - 1]))
        (*size)--;
    return text;
}

static bool parse_key(const char *text, size_t size, struct key *ret)
{
    if (size != KEY_HEX_LENGTH)
        return false;
    for (size_t i = 0; i < KEY_SIZE; i++) {
        int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        ret->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static void format_key(const struct key *k, struct line *ret)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < KEY_SIZE; i++) {
        ret->text[2 * i] = digits[k->bytes[i] >> 4];
        ret->text[2 * i + 1] = digits[k->bytes[i] & 15];
    }
    ret->text[KEY_HEX_LENGTH] = '\n';
}

/* Not file_read: its buffers are not wiped. */
static int load_key_from(int fd, const char *path, struct key *ret, struct error *err)
{
    CLEANUP(line_clear) struct line line = {{0}};
    CLEANUP(key_clear) struct key key = {{0}};
    const char *text;
    size_t size = 0;

    while (size < sizeof(line.text)) {
        ssize_t n = read(fd, line.text + size, sizeof(line.text) - size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_sys(err, -errno, "cannot read %s", path);
        if (n == 0)
            break;
        size += (size_t)n;
    }
    if (size > KEY_FILE_MAX)
        return error_set(err, -EBADMSG, "%s is not a key file: it is larger than %d bytes", path,
                         KEY_FILE_MAX);
    text = trim_key(line.text, &size);
    if (size == 0)
        return error_set(err, -ENODATA, "%s is empty: it contains no key", path);
    if (!parse_key(text, size, &key))
        return error_set(err, -EBADMSG,
                         "%s is not a key file: it must contain 64 hex digits and a newline", path);
    *ret = key;
    return 0;
}

static int open_key(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    return fd < 0 ? error_sys(err, -errno, "cannot read %s", path) : fd;
}

int key_load(const char *path, struct key *ret, struct error *err)
{
    CLEANUP_CLOSE int fd = open_key(path, err);

    return fd < 0 ? fd : load_key_from(fd, path, ret, err);
}

int key_read(const char *path, struct key *ret, struct error *err)
{
    CLEANUP_CLOSE int fd = open_key(path, err);
    struct stat st;

    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return error_sys(err, -errno, "cannot read %s", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, -EBADMSG, "%s is not a regular file", path);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return error_set(err, -EPERM, "%s belongs to another user; it is not used", path);
    if (st.st_mode & 077)
        return error_set(
            err, -EPERM,
            "%s can be read or written by other users; it is not used.  If nobody else "
            "has read it, run chmod 600 on it; otherwise make a new key",
            path);
    return load_key_from(fd, path, ret, err);
}

/* Makes sure that a file's name is on the disk, as its content is. */
static int sync_folder(const char *path, struct error *err)
{
    int r = file_sync_folder(path);

    return r < 0 ? error_sys(err, r, "cannot write %s to the disk", path) : 0;
}

int key_write(const char *path, const struct key *k, struct error *err)
{
    CLEANUP(line_clear) struct line line = {{0}};
    int r;

    format_key(k, &line);
    r = file_write(path, line.text, KEY_HEX_LENGTH + 1, 0600, err);
    return r < 0 ? r : sync_folder(path, err);
}

static int make_folder_of(const char *path, struct error *err)
{
    CLEANUP_FREE char *folder = strdup(path);
    char *slash = folder ? strrchr(folder, '/') : NULL;

    if (!folder)
        return error_sys(err, -ENOMEM, "cannot make %s", path);
    if (!slash || slash == folder)
        return 0;
    *slash = '\0';
    return make_folders(folder, 0700, err);
}

int key_make(const char *path, struct key *ret, struct error *err)
{
    CLEANUP(key_clear) struct key key = {{0}};
    CLEANUP(line_clear) struct line line = {{0}};
    int r = make_folder_of(path, err);

    if (r < 0)
        return r;
    if (getrandom(key.bytes, sizeof(key.bytes), 0) != sizeof(key.bytes))
        return error_sys(err, -EIO, "cannot make %s: no random bytes", path);
    format_key(&key, &line);
    r = file_write_new(path, line.text, KEY_HEX_LENGTH + 1, 0600, err);
    if (r == 0)
        r = sync_folder(path, err);
    if (r == 0)
        *ret = key;
    return r;
}

char *key_folder(const char *config)
{
    const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    char *folder;

    if (config)
        return strdup(config);
    if (base && *base == '/') /* XDG Base Directory Specification: relative ones are ignored */
        return asprintf(&folder, "%s/dcop", base) < 0 ? NULL : folder;
    if (!home || *home != '/')
        return NULL;
    return asprintf(&folder, "%s/.config/dcop", home) < 0 ? NULL : folder;
}

int key_check_folder(const char *config, struct error *err)
{
    struct stat st;

    if (!config)
        return 0;
    if (stat(config, &st) < 0)
        return error_sys(err, -errno, "cannot use the settings in %s", config);
    return S_ISDIR(st.st_mode) ? 0
                               : error_sys(err, -ENOTDIR, "cannot use the settings in %s", config);
}

int key_read_fleet(const char *config, struct key *ret, struct error *err)
{
    CLEANUP_FREE char *folder = key_folder(config), *path = NULL;
    int r = key_check_folder(config, err);

    if (r < 0)
        return r;
    if (!folder)
        return 0; /* no home folder: no key */
    if (asprintf(&path, "%s/" KEY_FLEET_FILE, folder) < 0) {
        path = NULL;
        return error_sys(err, -ENOMEM, "cannot read the fleet key");
    }
    r = key_read(path, ret, err);
    if (r == -ENOENT || r == -ENOTDIR) {
        if (err)
            *err = (struct error){0};
        return 0;
    }
    return r < 0 ? r : 1;
}
