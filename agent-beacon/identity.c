#include "identity.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/digest.h"
#include "discovery/base/file.h"

DEFINE_CLEANUP(DIR *, closedir);

/* Paths here are the system's own and short; stack pages that were used once
 * stay in memory. */
enum { MAC_SIZE = 6, VALUE_MAX = 4096, CARDS_MAX = 64, PATH_ROOM = 512 };

static const char *const kind_names[] = {
    [IDENTITY_SERIAL] = "serial",
    [IDENTITY_MAC] = "mac",
    [IDENTITY_MACHINE_ID] = "machine-id",
    [IDENTITY_RANDOM] = "random",
};

const char *identity_kind_name(enum identity_kind kind)
{
    return (size_t)kind < ARRAY_SIZE(kind_names) ? kind_names[kind] : NULL;
}

enum identity_kind identity_kind_from_name(const char *name)
{
    for (size_t i = 1; i < ARRAY_SIZE(kind_names); i++)
        if (strcmp(kind_names[i], name) == 0)
            return (enum identity_kind)i;
    return IDENTITY_NONE;
}

void identity_sources_clear(struct identity_sources *s)
{
    free(s->serial);
    free(s->machine_id);
    strings_clear(&s->macs);
    *s = (struct identity_sources){0};
}

/* The file's first line (the device tree ends it with a NUL); NULL when there
 * is none, or it is empty. */
static char *read_word(const char *root, const char *path)
{
    CLEANUP_TEXT struct text text = TEXT_INIT;
    char full[PATH_ROOM];
    char *word;

    if (snprintf(full, sizeof(full), "%s%s", root, path) >= (int)sizeof(full) ||
        file_read(full, VALUE_MAX, &text, NULL) < 0)
        return NULL;
    word = strdup(text_str(&text));
    if (!word)
        return NULL;
    word[strcspn(word, "\n")] = '\0';
    for (size_t n = strlen(word); n > 0 && isspace((unsigned char)word[n - 1]);)
        word[--n] = '\0';
    if (*word)
        return word;
    free(word);
    return NULL;
}

/* Boards without a serial number report zeros. */
static char *read_serial(const char *root)
{
    static const char *const paths[] = {"/proc/device-tree/serial-number",
                                        "/sys/firmware/devicetree/base/serial-number"};

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        char *serial = read_word(root, paths[i]);

        if (serial && serial[strspn(serial, "0 -")] != '\0')
            return serial;
        free(serial);
    }
    return NULL;
}

static char *read_machine_id(const char *root)
{
    CLEANUP_FREE char *id = read_word(root, "/etc/machine-id");

    /* machine-id(5): empty or "uninitialized" before the first boot is over. */
    if (!id || !string_is_one_of(id, "0123456789abcdef", 32, 32) || strspn(id, "0") == 32)
        return NULL;
    return TAKE_PTR(id);
}

static bool link_ends_in(const char *folder, const char *link, const char *wanted)
{
    char path[PATH_ROOM], target[PATH_ROOM];
    const char *slash;
    ssize_t n;

    if (snprintf(path, sizeof(path), "%s/%s", folder, link) >= (int)sizeof(path))
        return false;
    n = readlink(path, target, sizeof(target) - 1);
    if (n < 0)
        return false;
    target[n] = '\0';
    slash = strrchr(target, '/');
    return strcmp(slash ? slash + 1 : target, wanted) == 0;
}

/* Soldered or built in: it has a device, which is neither on USB nor in a
 * socket that the kernel calls removable (sysfs-devices-removable). */
static bool is_onboard(const char *root, const char *card)
{
    CLEANUP_FREE char *device = NULL;
    char path[PATH_ROOM];
    size_t floor = strlen(root);

    if (snprintf(path, sizeof(path), "%s/sys/class/net/%s/device", root, card) >=
            (int)sizeof(path) ||
        !(device = realpath(path, NULL)))
        return false;
    for (char *slash; (slash = strrchr(device, '/')) > device + floor; *slash = '\0') {
        CLEANUP_FREE char *removable = read_word(device, "/removable");

        if ((removable && strcmp(removable, "removable") == 0) ||
            link_ends_in(device, "subsystem", "usb"))
            return false;
    }
    return true;
}

static bool is_real_mac(const unsigned char mac[static MAC_SIZE])
{
    static const unsigned char zeros[MAC_SIZE];

    return memcmp(mac, zeros, MAC_SIZE) != 0 && !(mac[0] & 1);
}

static void print_mac(const unsigned char m[static MAC_SIZE], char ret[static 18])
{
    (void)snprintf(ret, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

/* ethtool's request, which works on any socket and without privileges. */
static bool ask_permanent_mac(const char *card, unsigned char ret[static MAC_SIZE])
{
    union {
        struct ethtool_perm_addr question;
        unsigned char room[sizeof(struct ethtool_perm_addr) + MAC_SIZE];
    } u = {.question = {.cmd = ETHTOOL_GPERMADDR, .size = MAC_SIZE}};
    struct ifreq request = {.ifr_data = (void *)&u};
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || strlen(card) >= sizeof(request.ifr_name))
        return false;
    memcpy(request.ifr_name, card, strlen(card) + 1);
    if (ioctl(fd, SIOCETHTOOL, &request) < 0 || u.question.size != MAC_SIZE)
        return false;
    memcpy(ret, u.room + offsetof(struct ethtool_perm_addr, data), MAC_SIZE);
    return is_real_mac(ret);
}

static char *read_net_attribute(const char *root, const char *card, const char *what)
{
    char path[PATH_ROOM];

    if (snprintf(path, sizeof(path), "/sys/class/net/%s/%s", card, what) >= (int)sizeof(path))
        return NULL;
    return read_word(root, path);
}

/* If the driver does not tell the permanent address: the address in use, when
 * the kernel marks it as the card's own (NET_ADDR_PERM, sysfs-class-net). */
static bool read_permanent_mac(const char *root, const char *card,
                               unsigned char ret[static MAC_SIZE])
{
    CLEANUP_FREE char *assigned = read_net_attribute(root, card, "addr_assign_type");
    CLEANUP_FREE char *address = read_net_attribute(root, card, "address");

    return assigned && address && strcmp(assigned, "0") == 0 &&
           sscanf(address, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &ret[0], &ret[1], &ret[2],
                  &ret[3], &ret[4], &ret[5]) == MAC_SIZE &&
           is_real_mac(ret);
}

/* Is the card that /sys shows the kernel's card of that name here?  A container
 * may see the /sys of its host and have another network. */
static bool is_here(const char *card)
{
    CLEANUP_FREE char *shown = read_net_attribute("", card, "address");
    struct ifreq request = {.ifr_name = ""};
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    unsigned char mac[MAC_SIZE];
    char address[18];

    if (fd < 0 || !shown || strlen(card) >= sizeof(request.ifr_name))
        return false;
    memcpy(request.ifr_name, card, strlen(card) + 1);
    if (ioctl(fd, SIOCGIFHWADDR, &request) < 0)
        return false;
    memcpy(mac, request.ifr_hwaddr.sa_data, MAC_SIZE);
    print_mac(mac, address);
    return strcmp(shown, address) == 0;
}

static bool card_mac(const char *root, const char *card, unsigned char ret[static MAC_SIZE])
{
    CLEANUP_FREE char *type = read_net_attribute(root, card, "type");
    char ethernet[12];

    (void)snprintf(ethernet, sizeof(ethernet), "%d", ARPHRD_ETHER); /* WiFi, too */
    if (!type || strcmp(type, ethernet) != 0 || !is_onboard(root, card) ||
        (*root == '\0' && !is_here(card)))
        return false;
    /* Another root's cards are not the kernel's. */
    return (*root == '\0' && ask_permanent_mac(card, ret)) || read_permanent_mac(root, card, ret);
}

static int compare_macs(const void *a, const void *b)
{
    return memcmp(a, b, MAC_SIZE);
}

static int read_macs(const char *root, struct strings *ret)
{
    CLEANUP(closedir_p) DIR *folder = NULL;
    unsigned char macs[CARDS_MAX][MAC_SIZE];
    char path[PATH_ROOM];
    size_t count = 0;

    if (snprintf(path, sizeof(path), "%s/sys/class/net", root) >= (int)sizeof(path))
        return 0;
    folder = opendir(path);
    if (!folder)
        return 0;
    for (struct dirent *entry; count < CARDS_MAX && (entry = readdir(folder));)
        if (entry->d_name[0] != '.' && card_mac(root, entry->d_name, macs[count]))
            count++;
    qsort(macs, count, MAC_SIZE, compare_macs);
    for (size_t i = 0; i < count; i++) {
        char mac[18];

        print_mac(macs[i], mac);
        if (strings_add(ret, mac) < 0)
            return -ENOMEM;
    }
    return 0;
}

int identity_sources_read(const char *root, struct identity_sources *ret)
{
    struct identity_sources s = {0};

    s.serial = read_serial(root);
    s.machine_id = read_machine_id(root);
    if (read_macs(root, &s.macs) < 0) {
        identity_sources_clear(&s);
        return -ENOMEM;
    }
    *ret = s;
    return 0;
}

static void to_hex(const uint8_t *bytes, char ret[static ADVERT_ID_LENGTH + 1])
{
    for (size_t i = 0; i < ADVERT_ID_LENGTH / 2; i++)
        (void)snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

void identity_hash(enum identity_kind kind, const char *value,
                   char ret[static ADVERT_ID_LENGTH + 1])
{
    static const char key[] = "dcop machine id, version 1";
    CLEANUP_TEXT struct text text = TEXT_INIT;
    uint8_t digest[DIGEST_SIZE];

    text_addf(&text, "%s:%s", identity_kind_name(kind), value);
    digest_hmac(key, sizeof(key) - 1, text_str(&text), text.size, digest);
    to_hex(digest, ret);
}

static bool hash_source(struct identity *i, enum identity_kind kind, const char *value)
{
    if (!value)
        return false;
    i->kind = kind;
    identity_hash(kind, value, i->id);
    return true;
}

/* Is the saved id still right? With several cards, it may come from any of
 * them. */
static bool is_id_current(const struct identity *kept, const struct identity_sources *now)
{
    char id[ADVERT_ID_LENGTH + 1];
    bool present = false;

    switch (kept->kind) {
    case IDENTITY_NONE:
        return false;
    case IDENTITY_SERIAL:
    case IDENTITY_MACHINE_ID: {
        const char *value = kept->kind == IDENTITY_SERIAL ? now->serial : now->machine_id;

        if (!value)
            return true;
        identity_hash(kept->kind, value, id);
        return strcmp(id, kept->id) == 0;
    }
    case IDENTITY_MAC:
        for (size_t i = 0; i < now->macs.count; i++) {
            present = true;
            identity_hash(IDENTITY_MAC, now->macs.items[i], id);
            if (strcmp(id, kept->id) == 0)
                return true;
        }
        return !present;
    case IDENTITY_RANDOM:
        return !now->serial && now->macs.count == 0 && !now->machine_id;
    }
    return false;
}

int identity_choose(const struct identity *kept, const struct identity_sources *now,
                    struct identity *ret)
{
    uint8_t chance[ADVERT_ID_LENGTH / 2];
    struct identity i = {0};

    if (is_id_current(kept, now)) {
        *ret = *kept;
        return 0;
    }
    if (!hash_source(&i, IDENTITY_SERIAL, now->serial) &&
        !hash_source(&i, IDENTITY_MAC, now->macs.count > 0 ? now->macs.items[0] : NULL) &&
        !hash_source(&i, IDENTITY_MACHINE_ID, now->machine_id)) {
        if (getrandom(chance, sizeof(chance), 0) != sizeof(chance))
            return -EIO;
        i.kind = IDENTITY_RANDOM;
        to_hex(chance, i.id);
    }
    *ret = i;
    return 0;
}

/* "ID KIND\n"; with any other content, nothing counts as saved. */
static int read_saved(const char *path, struct identity *ret, struct error *err)
{
    CLEANUP_TEXT struct text text = TEXT_INIT;
    struct identity i = {0};
    char id[ADVERT_ID_LENGTH + 1], kind[12];
    int r = file_read(path, VALUE_MAX, &text, err);

    if (r == -ENOENT) {
        if (err)
            *err = (struct error){0};
        return 0;
    }
    if (r < 0)
        return r;
    if (sscanf(text_str(&text), "%16[0-9a-f] %11[a-z-]", id, kind) != 2 || !advert_id_valid(id) ||
        (i.kind = identity_kind_from_name(kind)) == IDENTITY_NONE)
        return error_set(err, -EBADMSG, "%s did not contain a valid id; a new one was chosen",
                         path);
    memcpy(i.id, id, sizeof(i.id));
    *ret = i;
    return 0;
}

static int save_identity(const char *state, const char *path, const struct identity *i,
                         struct error *err)
{
    char line[64];
    int n = snprintf(line, sizeof(line), "%s %s\n", i->id, identity_kind_name(i->kind));
    int r = make_folders(state, 0755, err);

    if (r == 0)
        r = file_write(path, line, (size_t)n, 0644, err);
    return r < 0 ? error_prefix(err, "the id is not saved and may change at the next start") : 0;
}

int identity_read(const char *root, const char *state, bool remember, struct identity *ret,
                  struct error *err)
{
    CLEANUP(identity_sources_clear) struct identity_sources now = {0};
    CLEANUP_FREE char *path = NULL;
    struct identity kept = {0}, chosen;
    int r;

    *err = (struct error){0};
    if (asprintf(&path, "%s/id", state) < 0) {
        path = NULL;
        return error_sys(err, -ENOMEM, "cannot choose an id");
    }
    if (identity_sources_read(root, &now) < 0)
        return error_sys(err, -ENOMEM, "cannot choose an id");
    (void)read_saved(path, &kept, err);
    r = identity_choose(&kept, &now, &chosen);
    if (r < 0)
        return error_sys(err, r, "cannot choose an id");
    if (remember && (chosen.kind != kept.kind || strcmp(chosen.id, kept.id) != 0))
        (void)save_identity(state, path, &chosen, err);
    if (chosen.kind == IDENTITY_RANDOM && err->code == 0)
        error_set(err, -ENODATA, "no serial number, network card or machine-id: the id is random");
    *ret = chosen;
    return 0;
}
