#include "plan.h"

#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "discovery/advert/advert.h"

/* --- what is asked for --------------------------------------------------------------- */

/* U+0080 to U+009F, which steer a terminal, too (ECMA-48), in UTF-8. */
static bool is_c1(const char *s)
{
    return (unsigned char)s[0] == 0xc2 && (unsigned char)s[1] <= 0x9f;
}

static bool is_line(const char *s, size_t max)
{
    size_t n = strlen(s);

    if (n == 0 || n > max || !utf8_valid(s, n))
        return false;
    for (; *s; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f || is_c1(s))
            return false;
    return true;
}

static bool hostname_valid(const char *s)
{
    size_t n = strlen(s);

    return string_is_one_of(s, "abcdefghijklmnopqrstuvwxyz0123456789-", 1, CARD_HOSTNAME_MAX) &&
           s[0] != '-' && s[n - 1] != '-';
}

bool card_hostname(const char *agent, char *ret)
{
    size_t n = 0;

    for (; *agent && n < CARD_HOSTNAME_MAX; agent++) {
        char c = (char)tolower((unsigned char)*agent);

        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
            ret[n++] = c;
        else if (n > 0 && ret[n - 1] != '-')
            ret[n++] = '-';
    }
    while (n > 0 && ret[n - 1] == '-')
        n--;
    ret[n] = '\0';
    return n > 0;
}

int card_hostnames_check(const struct strings *agents, struct error *err)
{
    CLEANUP_STRINGS struct strings names = {0};

    for (size_t i = 0; i < agents->count; i++) {
        char name[CARD_HOSTNAME_MAX + 1];

        if (!card_hostname(agents->items[i], name))
            name[0] = '\0'; /* of its machine's id */
        for (size_t j = 0; j < names.count && *name; j++)
            if (strcmp(names.items[j], name) == 0) {
                CLEANUP_TEXT struct text words = TEXT_INIT;

                text_add_shown(&words, agents->items[j]);
                text_adds(&words, " and ");
                text_add_shown(&words, agents->items[i]);
                return error_set(err, -EINVAL,
                                 "the agents %s would both have the host name %s: rename one, or "
                                 "prepare their cards with --agent and --hostname",
                                 text_str(&words), name);
            }
        if (strings_add(&names, name) < 0)
            return error_sys(err, -ENOMEM, "cannot compare host names");
    }
    return 0;
}

static int check_wireless(const struct card_wish *w, struct error *err)
{
    size_t n = w->passphrase ? strlen(w->passphrase) : 0;

    if (!w->ssid)
        return 0;
    if (!is_line(w->ssid, CARD_SSID_MAX))
        return error_set(err, -EINVAL,
                         "the name of the wireless network must have 1 to %d bytes of text",
                         CARD_SSID_MAX);
    /* IEEE 802.11 Annex J.4 */
    if (w->passphrase && (n < 8 || n > 63 || !is_line(w->passphrase, 63)))
        return error_set(err, -EINVAL,
                         "the password of a wireless network has 8 to 63 characters, this one %zu",
                         n);
    if (!w->country || strlen(w->country) != 2 || !isupper((unsigned char)w->country[0]) ||
        !isupper((unsigned char)w->country[1]))
        return error_set(err, -EINVAL,
                         "a Raspberry Pi sends nothing before it knows its country: give "
                         "--wifi-country with two capitals, e.g. DE");
    return 0;
}

int card_wish_check(const struct card_wish *w, struct error *err)
{
    enum { KEY_LINE_MAX = 16 * 1024 };

    if (w->agent && !advert_agent_valid(w->agent, strlen(w->agent)))
        return error_set(err, -EINVAL, "'%s' is not an agent name", w->agent);
    if (!advert_user_valid(w->user) || strcmp(w->user, "root") == 0)
        return error_set(err, -EINVAL,
                         "'%s' is not a user that a card can have: small letters, digits, _ and "
                         "-; 32 at most, a letter or _ first, not root",
                         w->user);
    if (w->hostname && !hostname_valid(w->hostname))
        return error_set(err, -EINVAL,
                         "'%s' is not a host name: small letters, digits and hyphens; %d at most",
                         w->hostname, CARD_HOSTNAME_MAX);
    if (w->password && (!is_line(w->password, 255) || strpbrk(w->password, " \"\\:")))
        return error_set(err, -EINVAL, "the password's hash is not one");
    if (w->keys->count == 0)
        return error_set(err, -EINVAL, "there is no public key for the card");
    for (size_t i = 0; i < w->keys->count; i++)
        if (!is_line(w->keys->items[i], KEY_LINE_MAX))
            return error_set(err, -EINVAL, "a public key is not one line of text");
    return check_wireless(w, err);
}

void card_plan_clear(struct content *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        sodium_memzero(plan->files[i].data, plan->files[i].size);
    content_clear(plan);
}

/* --- the files ------------------------------------------------------------------------ */

static int add_text(struct content *to, const char *path, mode_t mode, struct text *text,
                    struct error *err)
{
    int r = text_error(text);

    r = r < 0 ? error_sys(err, r, "cannot prepare %s", path)
              : content_add(to, path, mode, text_str(text), text->size, err);
    text_wipe(text);
    return r;
}

static void add_line(struct text *to, const char *key, const char *value)
{
    if (value)
        text_addf(to, "%s %s\n", key, value);
}

/* What setup.sh reads: "key value" a line, values as they are. */
static int add_settings(const struct card_wish *w, struct content *ret, struct error *err)
{
    struct text t = TEXT_INIT;

    add_line(&t, "user", w->user);
    add_line(&t, "password", w->password);
    add_line(&t, "sudo", w->sudo_asks ? "asks" : "free");
    add_line(&t, "hostname", w->hostname);
    for (size_t i = 0; i < w->keys->count; i++)
        add_line(&t, "key", w->keys->items[i]);
    add_line(&t, "ssid", w->ssid);
    add_line(&t, "passphrase", w->ssid ? w->passphrase : NULL);
    add_line(&t, "country", w->ssid ? w->country : NULL);
    return add_text(ret, CARD_FOLDER "/settings", 0644, &t, err);
}

/* The format of the beacon's settings (agent-beacon/settings.h). */
static int add_names(const struct card_wish *w, const char *path, struct content *ret,
                     struct error *err)
{
    struct text t = TEXT_INIT;

    if (w->agent) {
        text_adds(&t, "agent \"");
        for (const char *c = w->agent; *c; c++) {
            if (*c == '"' || *c == '\\')
                text_addc(&t, '\\');
            text_addc(&t, *c);
        }
        text_adds(&t, "\"\n");
    }
    add_line(&t, "fleet", w->fleet);
    add_line(&t, "user", w->user);
    return add_text(ret, path, 0644, &t, err);
}

static int add_fleet_key(const struct card_wish *w, const char *path, struct content *ret,
                         struct error *err)
{
    char hex[KEY_HEX_LENGTH + 1];
    struct text t = TEXT_INIT;

    if (!w->fleet_key)
        return 0;
    sodium_bin2hex(hex, sizeof(hex), w->fleet_key->bytes, KEY_SIZE);
    text_addf(&t, "%s\n", hex);
    sodium_memzero(hex, sizeof(hex));
    return add_text(ret, path, 0644, &t, err);
}

static int add_mark(const struct card_wish *w, struct content *ret, struct error *err)
{
    struct text t = TEXT_INIT;

    add_line(&t, "id", w->id);
    add_line(&t, "agent", w->agent);
    add_line(&t, "fleet", w->fleet);
    add_line(&t, "hostname", w->hostname);
    return add_text(ret, CARD_MARK, 0644, &t, err);
}

static int add_common(const struct card_wish *w, struct content *ret, struct error *err)
{
    int r = content_add(ret, CARD_FOLDER "/setup.sh", 0755, w->setup, w->setup_size, err);

    for (size_t i = 0; w->beacons && i < w->beacons->count && r == 0; i++) {
        const struct content_file *f = &w->beacons->files[i];
        char path[CONTENT_PATH_MAX + 1];

        if (snprintf(path, sizeof(path), CARD_FOLDER "/beacon/%s", f->path) >= (int)sizeof(path))
            return error_set(err, -EBADMSG, "the beacon's file %s has too long a name", f->path);
        r = content_add(ret, path, f->mode, f->data, f->size, err);
    }
    return r == 0 ? add_settings(w, ret, err) : r;
}

/* YAML 1.2 §7.3.1 and TOML's basic strings agree on these. */
static void add_quoted(struct text *to, const char *value)
{
    text_addc(to, '"');
    for (const char *c = value; *c; c++) {
        if (*c == '"' || *c == '\\')
            text_addc(to, '\\');
        text_addc(to, *c);
    }
    text_addc(to, '"');
}

/* The host name is setup.sh's alone: cloud-init would write it again at each boot. */
static const char own_names[] = "preserve_hostname: true\n"
                                "manage_etc_hosts: false\n"
                                "ssh_pwauth: false\n";

static void add_user_data(const struct card_wish *w, struct text *t)
{
    text_adds(t, "#cloud-config\n# Written by dcop-deploy card.\n");
    text_adds(t, own_names);
    text_addf(t, "user:\n  name: %s\n  shell: /bin/bash\n  lock_passwd: %s\n", w->user,
              w->password ? "false" : "true");
    if (w->password) {
        text_adds(t, "  passwd: ");
        add_quoted(t, w->password);
        text_addc(t, '\n');
    }
    /* cloud-init.org, module users and groups: null leaves out the default user's rule. */
    text_adds(t, "  sudo: null\n  ssh_authorized_keys:\n");
    for (size_t i = 0; i < w->keys->count; i++) {
        text_adds(t, "    - ");
        add_quoted(t, w->keys->items[i]);
        text_addc(t, '\n');
    }
}

static int add_cloud_init(const struct card_look *look, const struct card_wish *w,
                          struct content *ret, struct error *err)
{
    struct text after = TEXT_INIT, meta = TEXT_INIT, user = TEXT_INIT;
    int r;

    /* cloud-init reads it at each boot, and every user of the machine can. */
    text_addf(&after,
              "#cloud-config\n# Set up by dcop-deploy card; what this file held was removed.\n%s",
              own_names);
    r = add_text(ret, CARD_FOLDER "/user-data.after", 0644, &after, err);
    if (r < 0)
        return r;
    /* A new id makes cloud-init take the machine for new (NoCloud, instance-id). */
    text_addf(&meta, "instance-id: dcop-%s\n", w->id);
    r = add_text(ret, "meta-data", 0644, &meta, err);
    if (r < 0)
        return r;
    add_user_data(w, &user);
    text_addf(&user, "runcmd:\n  - [sh, %s/" CARD_FOLDER "/setup.sh, started]\n", look->mount);
    return add_text(ret, "user-data", 0644, &user, err);
}

static int add_systemd(const struct card_look *look, struct content *ret, struct error *err)
{
    struct text t = TEXT_INIT;

    card_cmdline_strip(text_str(&look->cmdline), &t);
    text_addf(&t,
              " systemd.run=%s/" CARD_FOLDER "/setup.sh systemd.run_success_action=reboot"
              " systemd.run_failure_action=reboot systemd.unit=kernel-command-line.target\n",
              look->mount);
    return add_text(ret, "cmdline.txt", 0644, &t, err);
}

/* rpi-imager, src/customization_generator.cpp: the user's name with its password, [ssh],
 * [runcmd] late. */
static int add_preseed(const struct card_look *look, const struct card_wish *w, struct content *ret,
                       struct error *err)
{
    struct text t = TEXT_INIT;

    text_adds(&t, "config_version = \"1.0\"\n\n[user]\nname = ");
    add_quoted(&t, w->user);
    if (w->password) {
        text_adds(&t, "\npassword = ");
        add_quoted(&t, w->password);
        text_adds(&t, "\npassword_encrypted = true");
    }
    text_adds(&t,
              "\ngroups = [\"sudo\"]\n\n[ssh]\nenabled = true\npassword_authentication = false\n"
              "authorized_keys = [\n");
    for (size_t i = 0; i < w->keys->count; i++) {
        text_adds(&t, "  ");
        add_quoted(&t, w->keys->items[i]);
        text_adds(&t, ",\n");
    }
    text_addf(&t, "]\n\n[runcmd]\nlate = [\n  \"sh %s/" CARD_FOLDER "/setup.sh started\",\n]\n",
              look->mount);
    return add_text(ret, "rpi-preseed.toml", 0644, &t, err);
}

int card_plan(const struct card_look *look, const struct card_wish *w, struct content *ret,
              struct error *err)
{
    int r = card_wish_check(w, err);

    if (r == 0)
        r = add_common(w, ret, err);
    if (r == 0)
        r = add_names(w, "dcop-agent.conf", ret, err);
    if (r == 0)
        r = add_fleet_key(w, "dcop-fleet.key", ret, err);
    if (r == 0)
        r = add_mark(w, ret, err);
    if (r < 0)
        return r;
    switch (look->format) {
    case CARD_CLOUD_INIT:
        return add_cloud_init(look, w, ret, err);
    case CARD_PRESEED:
        return add_preseed(look, w, ret, err);
    case CARD_SYSTEMD:
        break;
    }
    return add_systemd(look, ret, err);
}

/* --- a virtual machine ------------------------------------------------------------------ */

enum { BASE64_LINE = 76 };

static int add_base64(struct text *to, const struct text *bytes)
{
    size_t size = sodium_base64_ENCODED_LEN(bytes->size, sodium_base64_VARIANT_ORIGINAL);
    CLEANUP_FREE char *encoded = malloc(size);

    if (!encoded)
        return -ENOMEM;
    sodium_bin2base64(encoded, size, (const unsigned char *)text_str(bytes), bytes->size,
                      sodium_base64_VARIANT_ORIGINAL);
    size--; /* the NUL */
    for (size_t at = 0; at < size; at += BASE64_LINE) {
        size_t n = size - at < BASE64_LINE ? size - at : BASE64_LINE;

        text_adds(to, "      ");
        text_add(to, encoded + at, n);
        text_addc(to, '\n');
    }
    sodium_memzero(encoded, size);
    return text_error(to);
}

/* All that a machine without a boot partition gets, for /var/lib/dcop-setup.
 * No fleet key: cloud-init keeps copies of user-data, an installer its log, and the medium stays
 * what it is; a machine could not erase them. */
static int pack(const struct card_wish *w, struct text *ret, struct error *err)
{
    CLEANUP(card_plan_clear) struct content inside = {0};
    int r = card_wish_check(w, err);

    if (r == 0)
        r = add_common(w, &inside, err);
    if (r == 0)
        r = add_names(w, "dcop-agent.conf", &inside, err);
    if (r == 0)
        r = content_sort(&inside, err);
    if (r == 0 && content_write_tar(&inside, ret) < 0)
        r = error_sys(err, -ENOMEM, "cannot pack the seed");
    return r;
}

int card_plan_seed(const struct card_wish *w, struct content *ret, struct error *err)
{
    CLEANUP(text_wipe) struct text tar = TEXT_INIT;
    struct text user = TEXT_INIT, meta = TEXT_INIT;
    int r = pack(w, &tar, err);

    if (r < 0)
        return r;
    add_user_data(w, &user);
    text_adds(&user, "write_files:\n"
                     "  - path: /var/lib/dcop-setup/files.tar.gz\n"
                     "    permissions: '0600'\n"
                     "    encoding: b64\n"
                     "    content: |\n");
    r = add_base64(&user, &tar);
    if (r < 0)
        return error_sys(err, r, "cannot write the seed");
    text_adds(&user, "runcmd:\n"
                     "  - [tar, -xzf, /var/lib/dcop-setup/files.tar.gz, -C, /var/lib/dcop-setup]\n"
                     "  - [sh, /var/lib/dcop-setup/" CARD_FOLDER "/setup.sh, started]\n");
    text_addf(&meta, "instance-id: dcop-%s\n", w->id);
    r = add_text(ret, "meta-data", 0644, &meta, err);
    return r == 0 ? add_text(ret, "user-data", 0600, &user, err) : r;
}

/* Debian's installation guide, appendix B: the account, pkgsel/include, and late_command, which
 * sees the new system in /target and the installer's medium in /cdrom. */
int card_plan_preseed(const struct card_wish *w, struct content *ret, struct error *err)
{
    CLEANUP(text_wipe) struct text tar = TEXT_INIT;
    struct text t = TEXT_INIT;
    int r = pack(w, &tar, err);

    if (r == 0)
        r = content_add(ret, "dcop-setup.tar.gz", 0600, text_str(&tar), tar.size, err);
    if (r < 0)
        return r;
    text_addf(&t,
              "# Written by dcop-deploy card: a part of a preseed file. dcop-setup.tar.gz belongs\n"
              "# to the top of the installer's medium.\n"
              "d-i passwd/root-login boolean false\n"
              "d-i passwd/make-user boolean true\n"
              "d-i passwd/user-fullname string %s\n"
              "d-i passwd/username string %s\n"
              "d-i passwd/user-password-crypted password %s\n"
              "d-i pkgsel/include string openssh-server sudo avahi-daemon libavahi-client3\n"
              "d-i preseed/late_command string mkdir -p /target/var/lib/dcop-setup; \\\n"
              "  cp /cdrom/dcop-setup.tar.gz /target/var/lib/dcop-setup/files.tar.gz; \\\n"
              "  in-target tar -xzf /var/lib/dcop-setup/files.tar.gz -C /var/lib/dcop-setup; \\\n"
              "  in-target sh /var/lib/dcop-setup/" CARD_FOLDER "/setup.sh\n",
              w->user, w->user, w->password ? w->password : "!");
    return add_text(ret, "preseed.cfg", 0600, &t, err);
}
