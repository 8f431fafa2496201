#include "machine.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "discovery/advert/advert.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/digest.h"
#include "discovery/base/file.h"
#include "discovery/base/text.h"

enum { FACT_FILE_MAX = 16384, PATH_ROOM = 512 };

static int read_fact(const char *root, const char *path, struct text *ret)
{
    char full[PATH_ROOM];

    if (snprintf(full, sizeof(full), "%s%s", root, path) >= (int)sizeof(full))
        return -1;
    text_reset(ret);
    return file_read(full, FACT_FILE_MAX, ret, NULL);
}

/* The value of KEY=value or KEY="value"; its parts for our keys have no
 * escapes (os-release(5)).  NULL when it is not there or empty. */
static char *shell_value(const char *text, const char *key)
{
    size_t size = strlen(key);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        const char *value;

        line += *line == '\n';
        if (strncmp(line, key, size) != 0 || line[size] != '=')
            continue;
        value = line + size + 1;
        value += *value == '"' || *value == '\'';
        size = strcspn(value, "\"'\n");
        return size > 0 ? strndup(value, size) : NULL;
    }
    return NULL;
}

char *machine_os(const char *root)
{
    CLEANUP_TEXT struct text text = TEXT_INIT;
    CLEANUP_FREE char *id = NULL, *version = NULL;
    char *os;

    if (read_fact(root, "/etc/os-release", &text) < 0 &&
        read_fact(root, "/usr/lib/os-release", &text) < 0)
        return NULL;
    id = shell_value(text_str(&text), "ID");
    version = shell_value(text_str(&text), "VERSION_ID"); /* none: testing, unstable */
    if (!id || asprintf(&os, "%s%s%s", id, version ? "-" : "", version ? version : "") < 0)
        return NULL;
    return os;
}

const char *machine_arch(void)
{
#if defined(__x86_64__)
    return "amd64";
#elif defined(__i386__)
    return "i386";
#elif defined(__aarch64__)
    return "arm64";
#elif defined(__arm__) && defined(__ARM_PCS_VFP)
    return "armhf";
#elif defined(__arm__)
    return "armel";
#elif defined(__riscv) && __riscv_xlen == 64
    return "riscv64";
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
    return "ppc64el";
#elif defined(__s390x__)
    return "s390x";
#elif defined(__loongarch64)
    return "loong64";
#else
    return NULL;
#endif
}

char *machine_python(const char *root)
{
    char path[PATH_ROOM], target[PATH_ROOM];
    const char *name;
    ssize_t n;

    if (snprintf(path, sizeof(path), "%s/usr/bin/python3", root) >= (int)sizeof(path))
        return NULL;
    n = readlink(path, target, sizeof(target) - 1);
    if (n < 0)
        return NULL;
    target[n] = '\0';
    name = strrchr(target, '/');
    name = name ? name + 1 : target;
    if (strncmp(name, "python3.", 8) != 0 || name[8 + strspn(name + 8, "0123456789")] != '\0')
        return NULL;
    return strdup(name + strlen("python"));
}

/* One line of printable characters, cut at a character's boundary. */
static char *as_line(const char *bytes, size_t size, size_t max)
{
    CLEANUP_TEXT struct text line = TEXT_INIT;
    uint32_t c;

    for (size_t n; size > 0 && (n = utf8_decode(bytes, size, &c)) > 0; bytes += n, size -= n) {
        if (c == 0 || line.size + n > max)
            break;
        if (c < ' ' || c == 0x7f)
            text_addc(&line, ' ');
        else
            text_add(&line, bytes, n);
    }
    while (line.size > 0 && line.data[line.size - 1] == ' ')
        line.data[--line.size] = '\0';
    return line.size > 0 ? text_take(&line) : NULL;
}

char *machine_model(const char *root)
{
    CLEANUP_TEXT struct text text = TEXT_INIT;

    if (read_fact(root, "/proc/device-tree/model", &text) < 0 &&
        read_fact(root, "/sys/firmware/devicetree/base/model", &text) < 0 &&
        read_fact(root, "/sys/class/dmi/id/product_name", &text) < 0)
        return NULL;
    return as_line(text_str(&text), text.size, ADVERT_MODEL_MAX);
}

const char *const machine_hostkey_paths[] = {
    "/etc/ssh/ssh_host_ed25519_key.pub",
    "/etc/ssh/ssh_host_ecdsa_key.pub",
    "/etc/ssh/ssh_host_rsa_key.pub",
    NULL,
};

/* "ssh-ed25519 AAAA… comment" (sshd(8), "AUTHORIZED_KEYS FILE FORMAT"). */
static char *fingerprint(char *line)
{
    uint8_t digest[DIGEST_SIZE];
    char *key, *shown;
    size_t size;

    line[strcspn(line, "\n")] = '\0';
    key = line + strcspn(line, " ");
    key += strspn(key, " ");
    key[strcspn(key, " \t\r")] = '\0';
    if (base64_decode(key, &size) < 0 || size < 4)
        return NULL;
    digest_sha256(key, size, digest);
    shown = malloc(sizeof("SHA256:") + 43);
    if (!shown)
        return NULL;
    memcpy(shown, "SHA256:", 7);
    digest_base64(digest, shown + 7);
    return shown;
}

char *machine_hostkey(const char *root)
{
    for (const char *const *path = machine_hostkey_paths; *path; path++) {
        CLEANUP_TEXT struct text text = TEXT_INIT;
        char *shown;

        if (read_fact(root, *path, &text) < 0 || text.size == 0)
            continue;
        shown = fingerprint(text.data);
        if (shown)
            return shown;
    }
    return NULL;
}
