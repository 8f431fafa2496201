/* Cards: what each file of the boot partition becomes, and what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "deployer/card/beacons.h"
#include "deployer/card/password.h"
#include "deployer/card/plan.h"

static char first_key[] = "ssh-ed25519 AAAA one \"two\"";
static char *key_lines[] = {first_key};
static const struct strings keys = {key_lines, 1};

static struct card_wish make_wish(void)
{
    return (struct card_wish){
        .agent = "a \"1\\",
        .user = "teacher",
        .hostname = "a-1",
        .password = "$y$j9T$salt$hash",
        .sudo_asks = true,
        .keys = &keys,
        .ssid = "Haus 7",
        .passphrase = "geheim \"\\ x",
        .country = "DE",
        .id = "0123456789abcdef",
        .setup = "#!/bin/sh\n",
        .setup_size = 10,
    };
}

static const char *file(const struct content *c, const char *path)
{
    static char text[64 * 1024];
    const struct content_file *f = NULL;

    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->files[i].path, path) == 0)
            f = &c->files[i];
    assert_non_null(f);
    assert_true(f->size < sizeof(text));
    memcpy(text, f->data, f->size);
    text[f->size] = '\0';
    return text;
}

static const char *last(const struct content *c)
{
    return c->files[c->count - 1].path;
}

static void plan(enum card_format format, const struct card_wish *w, struct content *ret)
{
    struct card_look look = {.format = format, .mount = "/boot/firmware"};
    struct error err = {0};

    text_adds(&look.cmdline, "console=tty1 root=X quiet\r\n");
    assert_int_equal(card_plan(&look, w, ret, &err), 0);
    text_clear(&look.cmdline);
}

static void the_settings_hold_what_was_asked_for(void **state)
{
    CLEANUP(card_plan_clear) struct content c = {0};
    struct card_wish w = make_wish();

    (void)state;
    plan(CARD_SYSTEMD, &w, &c);
    assert_string_equal(file(&c, "dcop/settings"), "user teacher\n"
                                                   "password $y$j9T$salt$hash\n"
                                                   "sudo asks\n"
                                                   "hostname a-1\n"
                                                   "key ssh-ed25519 AAAA one \"two\"\n"
                                                   "ssid Haus 7\n"
                                                   "passphrase geheim \"\\ x\n"
                                                   "country DE\n");
    assert_string_equal(file(&c, "dcop-agent.conf"), "agent \"a \\\"1\\\\\"\nuser teacher\n");
    assert_string_equal(file(&c, "dcop/card"),
                        "id 0123456789abcdef\nagent a \"1\\\nhostname a-1\n");
}

static void systemd_is_started_by_the_command_line(void **state)
{
    CLEANUP(card_plan_clear) struct content c = {0};
    struct card_wish w = make_wish();

    (void)state;
    plan(CARD_SYSTEMD, &w, &c);
    assert_string_equal(file(&c, "cmdline.txt"),
                        "console=tty1 root=X quiet systemd.run=/boot/firmware/dcop/setup.sh "
                        "systemd.run_success_action=reboot systemd.run_failure_action=reboot "
                        "systemd.unit=kernel-command-line.target\n");
    assert_string_equal(last(&c), "cmdline.txt");
}

static void cloud_init_gets_user_and_command(void **state)
{
    CLEANUP(card_plan_clear) struct content c = {0};
    struct card_wish w = make_wish();

    (void)state;
    plan(CARD_CLOUD_INIT, &w, &c);
    assert_string_equal(file(&c, "user-data"),
                        "#cloud-config\n# Written by dcop-deploy card.\n"
                        "preserve_hostname: true\nmanage_etc_hosts: false\nssh_pwauth: false\n"
                        "user:\n  name: teacher\n  shell: /bin/bash\n  lock_passwd: false\n"
                        "  passwd: \"$y$j9T$salt$hash\"\n  sudo: null\n  ssh_authorized_keys:\n"
                        "    - \"ssh-ed25519 AAAA one \\\"two\\\"\"\n"
                        "runcmd:\n  - [sh, /boot/firmware/dcop/setup.sh, started]\n");
    assert_string_equal(file(&c, "meta-data"), "instance-id: dcop-0123456789abcdef\n");
    assert_null(strstr(file(&c, "dcop/user-data.after"), "passwd"));
    assert_string_equal(last(&c), "user-data");
}

static void preseed_gets_one_file(void **state)
{
    CLEANUP(card_plan_clear) struct content c = {0};
    struct card_wish w = make_wish();

    (void)state;
    plan(CARD_PRESEED, &w, &c);
    assert_string_equal(
        file(&c, "rpi-preseed.toml"),
        "config_version = \"1.0\"\n\n[user]\nname = \"teacher\"\n"
        "password = \"$y$j9T$salt$hash\"\npassword_encrypted = true\ngroups = [\"sudo\"]\n\n"
        "[ssh]\nenabled = true\npassword_authentication = false\nauthorized_keys = [\n"
        "  \"ssh-ed25519 AAAA one \\\"two\\\"\",\n]\n\n"
        "[runcmd]\nlate = [\n  \"sh /boot/firmware/dcop/setup.sh started\",\n]\n");
    assert_string_equal(last(&c), "rpi-preseed.toml");
}

static void without_a_password_there_is_none(void **state)
{
    CLEANUP(card_plan_clear) struct content c = {0};
    struct card_wish w = make_wish();

    (void)state;
    w.password = NULL;
    w.sudo_asks = false;
    w.ssid = NULL;
    w.agent = w.hostname = NULL;
    plan(CARD_CLOUD_INIT, &w, &c);
    assert_non_null(strstr(file(&c, "user-data"), "lock_passwd: true\n  sudo: null\n"));
    assert_string_equal(file(&c, "dcop/settings"),
                        "user teacher\nsudo free\nkey ssh-ed25519 AAAA one \"two\"\n");
    assert_string_equal(file(&c, "dcop-agent.conf"), "user teacher\n");
}

static void the_fleet_key_is_where_the_beacon_looks(void **state)
{
    CLEANUP(card_plan_clear) struct content c = {0};
    struct card_wish w = make_wish();
    struct key key = {{0xab}};

    (void)state;
    w.fleet_key = &key;
    plan(CARD_SYSTEMD, &w, &c);
    assert_string_equal(file(&c, "dcop-fleet.key"),
                        "ab00000000000000000000000000000000000000000000000000000000000000\n");
}

static void what_could_steer_a_file_is_refused(void **state)
{
    static char two_lines[] = "ssh-ed25519 A\npassword x";
    char *bad_lines[] = {two_lines};
    const struct strings bad_keys = {bad_lines, 1}, no_keys = {NULL, 0};
    struct card_wish cases[12];
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < 12; i++)
        cases[i] = make_wish();
    cases[n++].user = "root";
    cases[n++].user = "a: b";
    cases[n++].hostname = "-a";
    cases[n++].hostname = "a b";
    cases[n++].password = "x\" y";
    cases[n++].keys = &bad_keys;
    cases[n++].keys = &no_keys;
    cases[n++].ssid = "a\nb";
    cases[n++].ssid = "012345678901234567890123456789012";
    cases[n++].passphrase = "1234567";
    cases[n++].country = "de";
    cases[n++].agent = "a\nb";
    for (size_t i = 0; i < n; i++) {
        struct error err = {0};

        assert_int_equal(card_wish_check(&cases[i], &err), -EINVAL);
        assert_true(strlen(err.text) > 10);
    }
}

static void host_names_come_from_agents(void **state)
{
    static const char *const table[][2] = {
        {"a1", "a1"}, {"A_1", "a-1"}, {"Äpfel 7", "pfel-7"}, {"-x-", "x"}, {"ä", NULL}, {"", NULL},
    };
    char name[CARD_HOSTNAME_MAX + 1];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        assert_int_equal(card_hostname(table[i][0], name), table[i][1] != NULL);
        assert_string_equal(name, table[i][1] ? table[i][1] : "");
    }
}

static void agents_of_one_host_name_are_refused(void **state)
{
    static char names[][8] = {"a_1", "b", "--", "++", "a.1"};
    char *items[] = {names[0], names[1], names[2], names[3], names[4]};
    struct strings agents = {items, 4};
    struct error err = {0};

    (void)state;
    assert_int_equal(card_hostnames_check(&agents, &err), 0);
    agents.count = 5;
    assert_int_equal(card_hostnames_check(&agents, &err), -EINVAL);
    assert_non_null(strstr(err.text, "agents a_1 and a.1 would both have the host name a-1:"));
    memcpy(names[4], "A-1", 4);
    assert_int_equal(card_hostnames_check(&agents, &err), -EINVAL);
}

static void control_characters_are_refused(void **state)
{
    static const char *const refused[] = {"a\xc2\x80",
                                          "\xc2\x9b"
                                          "31m",
                                          "a\xc2\x9f", "a\x7f", "a\n"};
    struct card_wish w = make_wish();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        w.ssid = refused[i];
        assert_int_equal(card_wish_check(&w, NULL), -EINVAL);
    }
    w.ssid = "Caf\xc3\xa9\xc2\xa0\xc3\x82";
    assert_int_equal(card_wish_check(&w, NULL), 0);
}

static void the_command_line_loses_what_runs_something(void **state)
{
    static const char *const table[][2] = {
        {"a b\n", "a b"},
        {" a  systemd.run=/boot/firstrun.sh systemd.run_success_action=reboot "
         "systemd.unit=kernel-command-line.target b\r\n",
         "a b"},
        {"a systemd.run=\"/bin/sh -c x\" b", "a b"},
        {"systemd.unit=rescue.target systemd.runner=1", "systemd.unit=rescue.target "
                                                        "systemd.runner=1"},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        CLEANUP_TEXT struct text t = TEXT_INIT;

        card_cmdline_strip(table[i][0], &t);
        assert_string_equal(text_str(&t), table[i][1]);
    }
}

static void a_seed_has_everything_within(void **state)
{
    CLEANUP(card_plan_clear) struct content c = {0};
    struct card_wish w = make_wish();
    struct error err = {0};
    const char *user_data;

    (void)state;
    assert_int_equal(card_plan_seed(&w, &c, &err), 0);
    assert_int_equal(c.count, 2);
    user_data = file(&c, "user-data");
    assert_non_null(strstr(user_data, "    encoding: b64\n    content: |\n      H4sI"));
    assert_non_null(strstr(user_data, "/dcop/setup.sh, started]\n"));
}

static void expect_no_fleet_key(const void *tar, size_t size)
{
    CLEANUP(content_clear) struct content inside = {0};

    assert_int_equal(content_read_tar(&inside, tar, size), 0);
    assert_non_null(content_find(&inside, "dcop-agent.conf"));
    for (size_t i = 0; i < inside.count; i++)
        assert_null(memmem(inside.files[i].data, inside.files[i].size, "01020304", 8));
}

/* The machine could not erase all copies of it. */
static void a_seed_and_an_installer_get_no_fleet_key(void **state)
{
    CLEANUP(card_plan_clear) struct content seed = {0};
    CLEANUP(card_plan_clear) struct content installer = {0};
    struct card_wish w = make_wish();
    struct key key = {{1, 2, 3, 4}};
    const struct content_file *archive;
    unsigned char tar[16 * 1024];
    const char *base64;
    size_t size;

    (void)state;
    w.fleet_key = &key;
    assert_int_equal(card_plan_seed(&w, &seed, NULL), 0);
    base64 = strstr(file(&seed, "user-data"), "content: |\n");
    assert_non_null(base64);
    base64 += strlen("content: |\n");
    assert_int_equal(sodium_base642bin(tar, sizeof(tar), base64,
                                       (size_t)(strstr(base64, "runcmd:") - base64), " \n", &size,
                                       NULL, sodium_base64_VARIANT_ORIGINAL),
                     0);
    expect_no_fleet_key(tar, size);
    assert_int_equal(card_plan_preseed(&w, &installer, NULL), 0);
    archive = content_find(&installer, "dcop-setup.tar.gz");
    assert_non_null(archive);
    expect_no_fleet_key(archive->data, archive->size);
}

static void an_installer_gets_a_fragment(void **state)
{
    CLEANUP(card_plan_clear) struct content c = {0};
    struct card_wish w = make_wish();
    struct error err = {0};
    const char *fragment;

    (void)state;
    assert_int_equal(card_plan_preseed(&w, &c, &err), 0);
    assert_int_equal(c.count, 2);
    fragment = file(&c, "preseed.cfg");
    assert_non_null(strstr(fragment, "d-i passwd/username string teacher\n"));
    assert_non_null(strstr(fragment, "user-password-crypted password $y$j9T$salt$hash\n"));
    assert_non_null(strstr(fragment, "in-target sh /var/lib/dcop-setup/dcop/setup.sh\n"));
}

static void passwords_are_hashed(void **state)
{
    CLEANUP_FREE char *a = NULL, *b = NULL;

    (void)state;
    assert_int_equal(card_password_hash("Kreide 7", &a, NULL), 0);
    assert_int_equal(card_password_hash("Kreide 7", &b, NULL), 0);
    assert_memory_equal(a, "$y$", 3);
    assert_string_not_equal(a, b);
}

static void expect_beacons(const char *const *paths, const char *wanted)
{
    CLEANUP(content_clear) struct content c = {0};
    CLEANUP_TEXT struct text words = TEXT_INIT;

    for (; *paths; paths++)
        assert_int_equal(content_add(&c, *paths, 0644, "x", 1, NULL), 0);
    assert_int_equal(card_beacons_add(&c, &words), wanted ? 0 : -ENOENT);
    assert_string_equal(text_str(&words), wanted ? wanted : "");
}

static void what_beacons_there_are_is_told(void **state)
{
    static const char *const packages[] = {
        "debian-11/dcop-beacon_1~deb11_arm64.deb", "debian-12/avahi-daemon_1_armhf.deb",
        "debian-13/dcop-beacon_1~deb13_arm64.deb", "debian-12/dcop-beacon_1~deb12_arm64.deb",
        "debian-12/dcop-beacon_1~deb12_amd64.deb", NULL,
    };
    static const char *const programs[] = {"amd64/dcop-beacon", "amd64/dcop-beacon.service",
                                           "arm64/dcop-beacon", NULL};
    static const char *const neither[] = {
        "dcop-beacon",           "debian-x/dcop-beacon_1_arm64.deb", "debian-12/dcop-beacon_1.deb",
        "a/b/dcop-beacon",       "debian-12/dcop-beacon_1_arm64",    "debian-12/dcop-beacon_.deb",
        "amd64/dcop-beacon.key", "debian-12/a/dcop-beacon_1_a.deb",  NULL,
    };

    (void)state;
    expect_beacons(packages, "arm64 (Debian 11, 12, 13), amd64 (Debian 12)");
    expect_beacons(programs, "amd64, arm64");
    expect_beacons(neither, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_beacons_there_are_is_told),
        cmocka_unit_test(the_settings_hold_what_was_asked_for),
        cmocka_unit_test(systemd_is_started_by_the_command_line),
        cmocka_unit_test(cloud_init_gets_user_and_command),
        cmocka_unit_test(preseed_gets_one_file),
        cmocka_unit_test(without_a_password_there_is_none),
        cmocka_unit_test(the_fleet_key_is_where_the_beacon_looks),
        cmocka_unit_test(what_could_steer_a_file_is_refused),
        cmocka_unit_test(host_names_come_from_agents),
        cmocka_unit_test(agents_of_one_host_name_are_refused),
        cmocka_unit_test(control_characters_are_refused),
        cmocka_unit_test(the_command_line_loses_what_runs_something),
        cmocka_unit_test(a_seed_has_everything_within),
        cmocka_unit_test(a_seed_and_an_installer_get_no_fleet_key),
        cmocka_unit_test(an_installer_gets_a_fragment),
        cmocka_unit_test(passwords_are_hashed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
