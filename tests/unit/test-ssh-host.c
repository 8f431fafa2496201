/* What `ssh -G` says becomes a host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above first */
#include <cmocka.h>
#include <errno.h>

#include "deployer/target/ssh-host.h"

/* Some of what OpenSSH 9.2 says. */
#define DEFAULTS                                                                                   \
    "host host\nuser " SSH_CONFIG_NO_USER "\nhostname host\nport 22\ncompression no\n"             \
    "identitiesonly no\nkexalgorithms curve25519-sha256,ecdh-sha2-nistp256\n"                      \
    "identityfile ~/.ssh/id_rsa\nidentityfile ~/.ssh/id_ed25519\n"                                 \
    "globalknownhostsfile /etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2\n"                    \
    "userknownhostsfile /root/.ssh/known_hosts /root/.ssh/known_hosts2\n"
#define PLACE "user " SSH_CONFIG_NO_USER "\nhostname lab-1\nport 22\n"

static const struct ssh_written lab = {.host = "lab-1"};

static int parse(const char *said, const struct ssh_written *written, struct ssh_host *ret,
                 struct error *err)
{
    *ret = (struct ssh_host){0};
    *err = (struct error){0};
    return ssh_host_parse(written, said, DEFAULTS, NULL, ret, err);
}

/* "HOSTNAME PORT USER|keys|relay|unused|files" */
static const char *read_as(const char *said, const struct ssh_written *written)
{
    static char text[4096];
    CLEANUP(ssh_host_clear) struct ssh_host h;
    CLEANUP_FREE char *keys = NULL, *relay = NULL, *unused = NULL, *known = NULL;
    struct error err;
    int r = parse(said, written, &h, &err);

    if (r < 0) {
        (void)snprintf(text, sizeof(text), "%d %s", r, err.text);
        return text;
    }
    keys = strings_join(&h.keys, " ");
    relay = strings_join(&h.relay, " ");
    unused = strings_join(&h.unused, " ");
    known = strings_join(&h.known_hosts, " ");
    (void)snprintf(text, sizeof(text), "%s %u %s|%s|%s|%s|%s%s%s", h.hostname, h.port,
                   h.user ? h.user : "-", keys, relay, unused, known, h.alias ? "|" : "",
                   h.alias ? h.alias : "");
    return text;
}

static void test_nothing_set(void **state)
{
    (void)state;
    assert_string_equal(read_as(DEFAULTS, &lab), "host 22 -||||");
    assert_string_equal(read_as("\n" PLACE "\n\n", &lab), "lab-1 22 -||||");
}

static void test_place_and_keys(void **state)
{
    (void)state;
    setenv("HOME", "/home/ada", 1);
    assert_string_equal(
        read_as("user ada\nhostname 10.0.0.5\nport 2222\nhostkeyalias lab\n"
                "identityfile ~/.ssh/%r@%h\nidentityfile /keys/%C\nidentityfile none\n"
                "userknownhostsfile /a /b\n"
                "globalknownhostsfile /etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2\n",
                &lab),
        "10.0.0.5 2222 ada|/home/ada/.ssh/ada@10.0.0.5||identityfile|"
        "/a /b /etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2|lab");
    /* A default beside another is named, too; alone it may be none of the settings'. */
    assert_string_equal(
        read_as(PLACE "identityfile ~/.ssh/id_ed25519\nidentityfile /keys/lab\n", &lab),
        "lab-1 22 -|/home/ada/.ssh/id_ed25519 /keys/lab|||");
    assert_string_equal(read_as(PLACE "identityfile ~/.ssh/id_ed25519\n", &lab), "lab-1 22 -||||");
}

static void test_no_known_hosts(void **state)
{
    (void)state;
    assert_string_equal(read_as(PLACE "userknownhostsfile none\n"
                                      "globalknownhostsfile /etc/ssh/ssh_known_hosts "
                                      "/etc/ssh/ssh_known_hosts2\n",
                                &lab),
                        "lab-1 22 -||||/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2");
    assert_string_equal(
        read_as(PLACE "userknownhostsfile none\nglobalknownhostsfile here a/b\n", &lab),
        "lab-1 22 -||||/dev/null");
}

static void test_what_is_not_supported_is_told(void **state)
{
    (void)state;
    assert_string_equal(read_as(PLACE "compression yes\ngssapiauthentication yes\nsendenv LANG\n"
                                      "kexalgorithms ecdh-sha2-nistp256\nbindaddress 10.0.0.9\n"
                                      "bindaddress 10.0.0.9\nkeywordofthefuture yes\n",
                                &lab),
                        "lab-1 22 -|||kexalgorithms bindaddress keywordofthefuture|");
    /* One that keeps machines out must not be ignored. */
    assert_non_null(strstr(read_as(PLACE "revokedhostkeys /etc/krl\n", &lab), "RevokedHostKeys"));
}

#define SSH "ssh -oBatchMode=yes -oControlMaster=no -oLogLevel=ERROR "

static void test_jump_hosts(void **state)
{
    const struct ssh_written given = {.host = "lab-1", .user = "bob", .port = 23};

    (void)state;
    assert_string_equal(read_as(PLACE "proxyjump gw\n", &lab),
                        "lab-1 22 -||" SSH "-W [lab-1]:22 -- gw||");
    assert_string_equal(read_as(PLACE "proxyjump a@one:24,ssh://[fe80::1]:25,%r@two\n", &given),
                        "lab-1 22 -||" SSH
                        "-J a@one:24,[fe80::1]:25 -l bob -W [lab-1]:22 -- two||");
    assert_string_equal(read_as(PLACE "proxyjump gw:24\n", &lab),
                        "lab-1 22 -||" SSH "-p 24 -W [lab-1]:22 -- gw||");
    assert_string_equal(read_as(PLACE "proxyjump none\n", &lab), "lab-1 22 -||||");
    assert_string_equal(read_as(PLACE "proxycommand none\n", &lab), "lab-1 22 -||||");
    assert_string_equal(read_as(PLACE "proxycommand nc -x proxy %h %p %n %r %%\n", &given),
                        "lab-1 22 -||/bin/sh -c exec nc -x proxy lab-1 22 lab-1 bob %||");
}

/* What might become an option, or a command, is refused. */
static void test_hostile(void **state)
{
    static const char *const said[] = {
        PLACE "proxyjump -oProxyCommand=reboot\n",
        PLACE "proxyjump gw,-x\n",
        PLACE "proxyjump a b\n",
        PLACE "proxyjump gw;reboot\n",
        PLACE "proxyjump -x@gw\n",
        PLACE "proxyjump gw:99999\n",
        PLACE "proxyjump %C\n",
        PLACE "proxyjump gw%\n",
        PLACE "proxyjump a,a,a,a,a,a,a,a,a\n",
        PLACE "proxycommand nc %C\n",
        "user x\nhostname -oProxyCommand=reboot\nport 22\n",
        "user x\nhostname a b\nport 22\n",
        "user $(reboot)\nhostname lab-1\nport 22\n",
        "user -x\nhostname lab-1\nport 22\n",
        "hostname lab-1\nport 0\n",
        "hostname lab-1\nport 65536\n",
        "hostname lab-1\n",
        "port 22\n",
        "",
        "\n\n",
        "hostname\nport\nuser\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        CLEANUP(ssh_host_clear) struct ssh_host h;
        struct error err;

        assert_true(parse(said[i], &lab, &h, &err) < 0);
        assert_true(strlen(err.text) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_set),    cmocka_unit_test(test_place_and_keys),
        cmocka_unit_test(test_no_known_hosts), cmocka_unit_test(test_what_is_not_supported_is_told),
        cmocka_unit_test(test_jump_hosts),     cmocka_unit_test(test_hostile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
