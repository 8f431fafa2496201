/* Which interfaces avahi-daemon.conf leaves out; and the doctor's questions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/base/text.h"
#include "discovery/doctor/avahi-config.h"
#include "discovery/doctor/question.h"

static void expect(const char *text, const char *interface, const char *left_out)
{
    struct avahi_config c;
    char got[64];

    avahi_config_parse(text, &c);
    avahi_config_left_out(&c, interface, got, sizeof(got));
    assert_string_equal(got, left_out);
}

static void interfaces(void **state)
{
    (void)state;
    expect("", "eth0", "");
    expect("[server]\ndeny-interfaces=eth0\n", "eth0", "deny-interfaces=eth0");
    expect("deny-interfaces = wlan0, eth0 ,x\r\n", "eth0", "deny-interfaces=wlan0, eth0 ,x");
    expect("deny-interfaces=eth01", "eth0", "");
    expect("#deny-interfaces=eth0\nallow-interfaces=wlan0", "eth0", "allow-interfaces=wlan0");
    expect("allow-interfaces=wlan0,eth0", "eth0", "");
    expect("allow-interfaces=eth0\ndeny-interfaces=eth0", "eth0", "deny-interfaces=eth0");
    expect("deny-interfaces=eth0\ndeny-interfaces=wlan0\n", "eth0", "");
    expect("deny-interfaces", "eth0", "");
    expect("deny-interfaces=", "eth0", "");
}

static void host_name(void **state)
{
    struct avahi_config c;

    (void)state;
    avahi_config_parse("[server]\nhost-name=lab-1\nhost-name-from-machine-id=no\n", &c);
    assert_string_equal(c.host_name, "lab-1");
}

static void a_value_too_long_is_none(void **state)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;

    (void)state;
    text_adds(&t, "deny-interfaces=eth0");
    for (int i = 0; i < AVAHI_CONFIG_LIST_MAX; i++)
        text_adds(&t, ",x");
    expect(text_str(&t), "eth0", "");
}

static void questions(void **state)
{
    static const uint8_t wanted[] = {0x12, 0x34, 0,   0,   0,   1,   0,   0, 0, 0, 0, 0, 1,
                                     'a',  5,    'l', 'o', 'c', 'a', 'l', 0, 0, 1, 0, 1};
    uint8_t got[QUESTION_MAX];
    char name[1000], reverse[QUESTION_REVERSE_MAX];
    struct address a;

    (void)state;
    assert_int_equal(question_write("a.local", QUESTION_A, 0x1234, got), sizeof(wanted));
    assert_memory_equal(got, wanted, sizeof(wanted));
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    for (size_t i = 40; i < sizeof(name) - 1; i += 41)
        name[i] = '.';
    assert_true(question_write(name, QUESTION_A, 1, got) <= QUESTION_MAX);
    assert_int_equal(address_parse("10.99.0.1", &a), 0);
    question_reverse(&a, reverse);
    assert_string_equal(reverse, "1.0.99.10.in-addr.arpa");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interfaces),
        cmocka_unit_test(host_name),
        cmocka_unit_test(a_value_too_long_is_none),
        cmocka_unit_test(questions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
