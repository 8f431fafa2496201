#include "parcel.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "discovery/base/cleanup.h"

enum { HEAD = 1 + 4 };

static void put_section(unsigned char **at, char kind, const void *bytes, size_t size)
{
    unsigned char *to = *at;

    *to++ = (unsigned char)kind;
    for (int i = 3; i >= 0; i--)
        *to++ = (unsigned char)(size >> (8 * i));
    memcpy(to, bytes, size);
    *at = to + size;
}

int parcel_pack(const struct parcel *p, unsigned char **ret, size_t *ret_size, struct error *err)
{
    size_t size = HEAD + p->state_size + (p->has_fleet_key ? HEAD + KEY_SIZE : 0) +
                  (p->ssh_key ? HEAD + p->ssh_key_size : 0);
    unsigned char *bytes = sodium_init() < 0 ? NULL : sodium_malloc(size);
    unsigned char *at = bytes;

    if (!bytes)
        return error_sys(err, -ENOMEM, "cannot pack what is exported");
    put_section(&at, 'S', p->state, p->state_size);
    if (p->has_fleet_key)
        put_section(&at, 'K', p->fleet_key.bytes, KEY_SIZE);
    if (p->ssh_key)
        put_section(&at, 'P', p->ssh_key, p->ssh_key_size);
    *ret = bytes;
    *ret_size = size;
    return 0;
}

bool parcel_is_ssh_key(const char *bytes, size_t size)
{
    static const char begin[] = "-----BEGIN ";

    return size > sizeof(begin) && size <= PARCEL_SSH_KEY_MAX &&
           memcmp(bytes, begin, sizeof(begin) - 1) == 0 &&
           memmem(bytes, size, "PRIVATE KEY-----", 16) && !memchr(bytes, '\0', size);
}

static int check_ssh_key(int fd, const char *path, struct error *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return error_sys(err, -errno, "cannot read the key %s", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, -EBADMSG, "the key %s is not a regular file", path);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return error_set(err, -EPERM, "the key %s belongs to another user; it is not used", path);
    if (st.st_mode & 077)
        return error_set(err, -EPERM,
                         "the key %s can be read or written by other users; it is not used: "
                         "chmod 600 %s",
                         path, path);
    return 0;
}

static void free_bytes(char **bytes)
{
    sodium_free(*bytes);
}

/* Not file_read: its buffers are not wiped. */
int parcel_read_ssh_key(const char *path, char **ret, size_t *ret_size, struct error *err)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    CLEANUP(free_bytes) char *bytes = NULL;
    size_t size = 0;
    ssize_t n = 1;
    int r;

    if (fd < 0)
        return error_sys(err, -errno, "cannot read the key %s", path);
    r = check_ssh_key(fd, path, err);
    if (r < 0)
        return r;
    bytes = sodium_init() < 0 ? NULL : sodium_malloc(PARCEL_SSH_KEY_MAX + 1);
    if (!bytes)
        return error_sys(err, -ENOMEM, "cannot read the key %s", path);
    while (n > 0 && size <= PARCEL_SSH_KEY_MAX) {
        n = read(fd, bytes + size, PARCEL_SSH_KEY_MAX + 1 - size);
        if (n < 0)
            return error_sys(err, -errno, "cannot read the key %s", path);
        size += (size_t)n;
    }
    if (!parcel_is_ssh_key(bytes, size))
        return error_set(err, -EBADMSG, "%s is not the file of a private SSH key", path);
    *ret = TAKE_PTR(bytes);
    *ret_size = size;
    return 0;
}

static int take_section(struct parcel *p, char kind, const unsigned char *bytes, size_t size,
                        struct error *err)
{
    const char *text = (const char *)bytes;

    if (kind == 'S' && !p->state && size > 0) {
        p->state = text;
        p->state_size = size;
    } else if (kind == 'K' && !p->has_fleet_key && size == KEY_SIZE) {
        p->has_fleet_key = true;
        memcpy(p->fleet_key.bytes, bytes, KEY_SIZE);
    } else if (kind == 'P' && !p->ssh_key && parcel_is_ssh_key(text, size)) {
        p->ssh_key = text;
        p->ssh_key_size = size;
    } else if (kind != 'S' && kind != 'K' && kind != 'P') {
        return error_set(err, -EBADMSG,
                         "there is something in it that this dcop does not know: a newer one has "
                         "written it");
    } else {
        return error_set(err, -EBADMSG, "its section %c is not valid", kind);
    }
    return 0;
}

int parcel_unpack(const unsigned char *bytes, size_t size, struct parcel *ret, struct error *err)
{
    struct parcel p = {0};
    int r = 0;

    while (size > 0 && r == 0) {
        size_t length = 0;

        for (size_t i = 1; i < HEAD && size >= HEAD; i++)
            length = length << 8 | bytes[i];
        if (size < HEAD || length > size - HEAD) {
            r = error_set(err, -EBADMSG, "what is in it is cut");
            break;
        }
        r = take_section(&p, (char)bytes[0], bytes + HEAD, length, err);
        bytes += HEAD + length;
        size -= HEAD + length;
    }
    if (r == 0 && !p.state)
        r = error_set(err, -EBADMSG, "there is no state in it");
    if (r == 0)
        *ret = p;
    key_clear(&p.fleet_key);
    return r;
}
