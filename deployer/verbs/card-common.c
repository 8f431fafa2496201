#include "card-common.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "deployer/card/beacons.h"
#include "deployer/card/password.h"
#include "deployer/cli/public-key.h"
#include "discovery/base/file.h"

enum { SETUP_MAX = 64 * 1024 };

const char *card_common_place(const struct card_common *c, const char *folder)
{
    return c->device ? c->device : folder;
}

bool card_common_is_seed(const struct deploy_options *o)
{
    return o->cloud_init || o->preseed;
}

void card_common_clear(struct card_common *c)
{
    strings_clear(&c->keys);
    content_clear(&c->beacons);
    text_clear(&c->setup);
    key_clear(&c->fleet_key);
    secret_free(c->wifi);
    if (c->password)
        sodium_memzero(c->password, strlen(c->password));
    free(c->password);
}

static int read_wifi_password(const struct deploy_options *o, struct secret **ret,
                              struct error *err)
{
    CLEANUP_TEXT struct text prompt = TEXT_INIT;
    int r = secret_take_environment("DCOP_WIFI_PASSWORD", ret, err);

    if (r < 0 || !o->wifi)
        return r;
    if (o->wifi_password_file) {
        secret_free(TAKE_PTR(*ret));
        return secret_read(o->wifi_password_file, ret, err);
    }
    if (*ret)
        return 0;
    text_adds(&prompt, "Password of the wireless network ");
    text_add_printable(&prompt, o->wifi);
    text_adds(&prompt, " (empty: it has none): ");
    r = secret_ask(text_str(&prompt), ret, err);
    return r == -ENOTTY ? error_set(err, r,
                                    "there is no terminal to ask for the password of the wireless "
                                    "network on; give --wifi-password-file or DCOP_WIFI_PASSWORD")
                        : r;
}

/* "de_DE.UTF-8": locale(7) */
static void find_country(const struct deploy_options *o, char ret[static 3])
{
    const char *locale = getenv("LC_ALL");

    ret[0] = '\0';
    if (!locale || !*locale)
        locale = getenv("LANG");
    if (o->wifi_country)
        (void)snprintf(ret, 3, "%s", strlen(o->wifi_country) == 2 ? o->wifi_country : "");
    else if (locale && strlen(locale) >= 5 && locale[2] == '_')
        (void)snprintf(ret, 3, "%.2s", locale + 3);
}

static int read_beacons(const struct program *p, struct content *ret, struct error *err)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    int r = p->paths.beacons ? content_add_folder(ret, p->paths.beacons, "", err) : 0;

    if (r < 0)
        return r;
    r = content_sort(ret, err);
    if (r < 0)
        return r;
    r = card_beacons_add(ret, &words);
    if (r == -ENOENT)
        return error_set(err, -ENXIO,
                         "cannot find the beacon for the card (in share/dcop/beacon, or in the "
                         "build, beside dcop-deploy): run `make`, or install dcop completely");
    if (r < 0)
        return error_sys(err, r, "cannot prepare cards");
    if (!p->options.quiet)
        fprintf(stderr, "Cards bring the beacon for: %s. Another machine is set up without it.\n",
                text_str(&words));
    return 0;
}

static int read_setup(const struct program *p, struct text *ret, struct error *err)
{
    CLEANUP_FREE char *path = p->paths.card ? path_join(p->paths.card, "setup.sh") : NULL;

    if (!p->paths.card)
        return error_set(err, -ENXIO,
                         "cannot find setup.sh in share/dcop/card: install dcop completely");
    return path ? file_read(path, SETUP_MAX, ret, err)
                : error_sys(err, -ENOMEM, "cannot prepare cards");
}

static int read_fleet_key(const struct deploy_options *o, struct card_common *c, struct error *err)
{
    int r = card_common_is_seed(o) ? 0 : key_read_fleet(o->config_dir, &c->fleet_key, err);

    if (r < 0)
        return r;
    c->has_fleet_key = r > 0;
    if (o->quiet || r > 0)
        return 0;
    if (card_common_is_seed(o))
        fprintf(stderr, "It gets no fleet key, of which the machine would keep copies: give it a "
                        "key of its own with `dcop-deploy enroll ADDRESS`.\n");
    else
        fprintf(stderr, "There is no fleet key: you will be asked whether the machines' host keys "
                        "are right. `dcop-deploy trust fleet-key` makes one.\n");
    return 0;
}

int card_common_read(struct program *p, struct card_common *c, struct error *err)
{
    const struct deploy_options *o = &p->options;
    CLEANUP_FREE char *key = NULL;
    int r = public_key_read(o, &key, err);

    if (r == 0 && strings_add(&c->keys, key) < 0)
        r = error_sys(err, -ENOMEM, "cannot prepare cards");
    if (r == 0)
        r = read_beacons(p, &c->beacons, err);
    if (r == 0)
        r = read_setup(p, &c->setup, err);
    if (r == 0)
        r = read_fleet_key(o, c, err);
    if (r < 0)
        return r;
    r = read_wifi_password(o, &c->wifi, err);
    find_country(o, c->country);
    if (r == 0 && p->passwords.login)
        r = card_password_hash(secret_text(p->passwords.login), &c->password, err);
    return r;
}
