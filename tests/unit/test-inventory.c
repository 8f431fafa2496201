/* The formats. tests/compare/inventories tests that Ansible and ssh read
 * them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/inventory/inventory.h"
#include "discovery/report/roster-text.h"

static const char classroom[] =
    "{\"version\": 1, \"machines\": ["
    "{\"id\": \"00000000000000a1\", \"host\": \"rpi-1.local\", \"agents\": [\"a1\"], "
    "\"addresses\": [\"192.0.2.1\", \"fe80::1%lo\"], \"port\": 22, \"user\": \"pi\"},"
    "{\"id\": \"00000000000000a2\", \"agents\": [\"on\", \"{{ x }}\"], "
    "\"addresses\": [\"fe80::2%lo\"], \"port\": 2222, \"user\": \"no\"},"
    "{\"id\": \"00000000000000a3\", \"host\": \"rpi-3.local\", \"agents\": [\"[1:3]\"]},"
    "{\"id\": \"00000000000000a4\", \"host\": \"rpi-4.local\", \"agents\": [\"a4\", \"a\\u2028\"], "
    "\"online\": false, \"addresses\": [\"192.0.2.4\"]},"
    "{\"id\": \"00000000000000a5\", \"host\": \"-oProxyCommand=x\", \"agents\": [\"a5\"]},"
    "{\"id\": \"00000000000000a6\", \"host\": \"rpi-6.local\", \"addresses\": [\"192.0.2.6\"]},"
    "{\"host\": \"tv.local\", \"addresses\": [\"192.0.2.7\"]}]}";

static const char left_out[] = "# Left out:\n"
                               "# rpi-4 (a4, a\\u{2028}): offline\n"
                               "# -oProxyCommand=x (a5): no address\n"
                               "# rpi-6: no agent name\n"
                               "# tv: no beacon\n";

static void check_json(const char *json, enum inventory_format format, const char *controller,
                       const char *wanted, const char *end)
{
    CLEANUP(machine_list_clear) struct machine_list l = MACHINE_LIST_INIT;
    CLEANUP_TEXT struct text out = TEXT_INIT, whole = TEXT_INIT;
    struct error err = {0};

    if (report_roster_read(json, strlen(json), "r.json", &l, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(inventory_write(l.pointers, l.count, format, controller, &out), 0);
    text_adds(&whole, wanted);
    text_adds(&whole, end);
    assert_string_equal(text_str(&out), text_str(&whole));
}

static void test_yaml(void **state)
{
    (void)state;
    check_json(classroom, INVENTORY_YAML, "192.0.2.254",
               "all:\n"
               "  children:\n"
               "    agents:\n"
               "      hosts:\n"
               "        a1:\n"
               "          ansible_host: 192.0.2.1\n"
               "          ansible_port: 22\n"
               "          ansible_user: pi\n"
               "          agt_name: a1\n"
               "        \"on\":\n"
               "          ansible_host: \"fe80::2%lo\"\n"
               "          ansible_port: 2222\n"
               "          ansible_user: \"no\"\n"
               "          agt_name: !unsafe \"on {{ x }}\"\n"
               "          agt_names: [\"on\", !unsafe \"{{ x }}\"]\n"
               "        dcop-00000000000000a3:\n"
               "          ansible_host: rpi-3.local\n"
               "          ansible_user: pi\n"
               "          agt_name: \"[1:3]\"\n"
               "      vars:\n"
               "        controller_proxy_addr: 192.0.2.254\n"
               "        apt_cache_port: 3142\n"
               "        pip_cache_port: 3141\n",
               left_out);
    check_json("{\"version\": 1, \"machines\": []}", INVENTORY_YAML, NULL,
               "all:\n"
               "  children:\n"
               "    agents:\n"
               "      hosts: {}\n"
               "      vars:\n"
               "        apt_cache_port: 3142\n"
               "        pip_cache_port: 3141\n",
               "");
}

static void test_ini(void **state)
{
    (void)state;
    check_json(classroom, INVENTORY_INI, NULL,
               "[agents]\n"
               "a1 ansible_host=192.0.2.1 ansible_port=22 ansible_user=pi agt_name=a1\n"
               "on ansible_host='\"fe80::2%lo\"' ansible_port=2222 ansible_user='\"no\"' "
               "agt_name='\"{{ (\\x22on {{ x }}\\x22)|string }}\"' "
               "agt_names='[\"on\", \"{{ (\\x22{{ x }}\\x22)|string }}\"]'\n"
               "dcop-00000000000000a3 ansible_host='\"rpi-3.local\"' ansible_user=pi "
               "agt_name='\"[1:3]\"'\n"
               "\n"
               "[agents:vars]\n"
               "apt_cache_port=3142\n"
               "pip_cache_port=3141\n",
               left_out);
}

static void test_ssh_config(void **state)
{
    (void)state;
    check_json(classroom, INVENTORY_SSH_CONFIG, NULL,
               "Host a1 dcop-00000000000000a1\n"
               "    HostName 192.0.2.1\n"
               "    Port 22\n"
               "    User pi\n"
               "    HostKeyAlias dcop-00000000000000a1\n"
               "\n"
               "Host on dcop-00000000000000a2\n"
               "    HostName fe80::2%%lo\n"
               "    Port 2222\n"
               "    User no\n"
               "    HostKeyAlias dcop-00000000000000a2\n"
               "\n"
               "Host dcop-00000000000000a3\n"
               "    HostName rpi-3.local\n"
               "    User pi\n"
               "    HostKeyAlias dcop-00000000000000a3\n",
               left_out);
}

static void test_hosts(void **state)
{
    (void)state;
    check_json(classroom, INVENTORY_HOSTS, NULL,
               "192.0.2.1\ta1 dcop-00000000000000a1\n"
               "# 00000000000000a2: fe80::2%lo needs its interface, which this file cannot name; "
               "there is no other address\n",
               left_out);
    check_json("{\"version\": 1, \"machines\": ["
               "{\"id\": \"00000000000000a1\", \"host\": \"rpi-1.local\", \"agents\": [\"a1\"], "
               "\"addresses\": [\"fe80::1%lo\", \"2001:db8::1\", \"192.0.2.1\"]},"
               "{\"id\": \"00000000000000a2\", \"agents\": [\"a2\"], "
               "\"addresses\": [\"169.254.1.2\", \"fe80::2%lo\"]}]}",
               INVENTORY_HOSTS, NULL,
               "# rpi-1: fe80::1%lo needs its interface, which this file cannot name\n"
               "2001:db8::1\ta1 dcop-00000000000000a1\n"
               "169.254.1.2\ta2 dcop-00000000000000a2\n",
               "");
}

/* No host gets a name that several machines claim; two machines with one id get
 * different names. */
static void test_shared(void **state)
{
    (void)state;
    check_json(
        "{\"version\": 1, \"machines\": ["
        "{\"id\": \"00000000000000a1\", \"agents\": [\"a1\"], \"addresses\": [\"192.0.2.1\"]},"
        "{\"id\": \"00000000000000a1\", \"agents\": [\"b1\", \"a1\"], \"addresses\": "
        "[\"192.0.2.2\"], \"hostkey\": "
        "\"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}",
        INVENTORY_INI, NULL,
        "[agents]\n"
        "# another machine has one of its names, too\n"
        "dcop-00000000000000a1-1 ansible_host=192.0.2.1 ansible_user=pi agt_name=a1\n"
        "# another machine has one of its names, too\n"
        "b1 ansible_host=192.0.2.2 ansible_user=pi agt_name='\"b1 a1\"' agt_names='[\"b1\", "
        "\"a1\"]'\n"
        "\n"
        "[agents:vars]\n"
        "apt_cache_port=3142\n"
        "pip_cache_port=3141\n",
        "");
}

static void test_protocol(void **state)
{
    CLEANUP(machine_list_clear) struct machine_list l = MACHINE_LIST_INIT;
    CLEANUP_TEXT struct text out = TEXT_INIT;
    struct error err;

    (void)state;
    assert_int_equal(report_roster_read(classroom, strlen(classroom), "r", &l, &err), 0);
    assert_int_equal(inventory_write_host(l.pointers, l.count, "on", &out), 0);
    assert_string_equal(text_str(&out), "{\n"
                                        "  \"ansible_host\": \"fe80::2%lo\",\n"
                                        "  \"ansible_port\": 2222,\n"
                                        "  \"ansible_user\": \"no\",\n"
                                        "  \"agt_name\": {\n"
                                        "    \"__ansible_unsafe\": \"on {{ x }}\"\n"
                                        "  },\n"
                                        "  \"agt_names\": [\n"
                                        "    \"on\",\n"
                                        "    {\n"
                                        "      \"__ansible_unsafe\": \"{{ x }}\"\n"
                                        "    }\n"
                                        "  ]\n"
                                        "}\n");
    assert_int_equal(inventory_write_host(l.pointers, l.count, "a4", &out), -ENOENT);
    text_reset(&out);
    assert_int_equal(inventory_write(l.pointers, 1, INVENTORY_LIST, NULL, &out), 0);
    assert_string_equal(text_str(&out), "{\n"
                                        "  \"agents\": {\n"
                                        "    \"hosts\": [\n"
                                        "      \"a1\"\n"
                                        "    ],\n"
                                        "    \"vars\": {\n"
                                        "      \"apt_cache_port\": 3142,\n"
                                        "      \"pip_cache_port\": 3141\n"
                                        "    }\n"
                                        "  },\n"
                                        "  \"_meta\": {\n"
                                        "    \"hostvars\": {\n"
                                        "      \"a1\": {\n"
                                        "        \"ansible_host\": \"192.0.2.1\",\n"
                                        "        \"ansible_port\": 22,\n"
                                        "        \"ansible_user\": \"pi\",\n"
                                        "        \"agt_name\": \"a1\"\n"
                                        "      }\n"
                                        "    }\n"
                                        "  }\n"
                                        "}\n");
}

static void test_formats(void **state)
{
    enum inventory_format format;
    struct error err = {0};

    (void)state;
    assert_int_equal(inventory_format_from_name("ssh-config", &format, &err), 0);
    assert_int_equal(format, INVENTORY_SSH_CONFIG);
    assert_int_equal(inventory_format_from_name("xml", &format, &err), -EINVAL);
    assert_non_null(strstr(err.text, "yaml, ini, json, ssh-config or hosts"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yaml),       cmocka_unit_test(test_ini),
        cmocka_unit_test(test_ssh_config), cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_shared),     cmocka_unit_test(test_protocol),
        cmocka_unit_test(test_formats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
