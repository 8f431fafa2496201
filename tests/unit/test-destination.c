/* Places: what is taken for an address, and what is said of the rest. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "deployer/base/destination.h"

static void places_are_read(void **state)
{
    static const struct {
        const char *text, *user, *host;
        unsigned port;
    } table[] = {
        {"rpi-1", "", "rpi-1", 0},
        {"rpi-1.local", "", "rpi-1.local", 0},
        {"rpi-1.local.", "", "rpi-1.local.", 0},
        {"pi@rpi-1:2222", "pi", "rpi-1", 2222},
        {"Admin.User@rpi-1", "Admin.User", "rpi-1", 0},
        {"1st-year@rpi-1", "1st-year", "rpi-1", 0},
        {"192.0.2.1", "", "192.0.2.1", 0},
        {"pi@192.0.2.1:65535", "pi", "192.0.2.1", 65535},
        {"2001:db8::1", "", "2001:db8::1", 0},
        {"pi@[2001:db8::1]:22", "pi", "2001:db8::1", 22},
        {"[2001:db8::1]", "", "2001:db8::1", 0},
        {"fe80::1%eth0", "", "fe80::1%eth0", 0},
        {"[fe80::1%eth0]:22", "", "fe80::1%eth0", 22},
        {"pi@fe80::1%veth0@if2", "pi", "fe80::1%veth0@if2", 0},
        {"a_b.c1", "", "a_b.c1", 0},
        {"1a", "", "1a", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct destination p;
        struct error err = {0};

        if (destination_parse(table[i].text, &p, &err) < 0)
            fail_msg("%s", err.text);
        assert_string_equal(p.user, table[i].user);
        assert_string_equal(p.host, table[i].host);
        assert_int_equal(p.port, table[i].port);
    }
}

#define NO_USER "what is before \"@\" is not a user name (" DESTINATION_USER_RULE ")"
#define NO_NAME "not a host name (letters, digits, - and ., none at either end of a label)"

static void bad_places_are_named(void **state)
{
    static const struct {
        const char *text, *expected;
    } table[] = {
        {"", "\"\": it names no host"},
        {"pi@", "\"pi@\": it names no host"},
        {"@h", "\"@h\": " NO_USER},
        {"1000@h", "\"1000@h\": " NO_USER},
        {".pi@h", "\".pi@h\": " NO_USER},
        {"pi$@h", "\"pi$@h\": " NO_USER},
        {"-l@h", "\"-l@h\": " NO_USER},
        {"a b@h", "\"a b@h\": " NO_USER},
        {"abcdefghijklmnopqrstuvwxyz0123456@h",
         "\"abcdefghijklmnopqrstuvwxyz0123456@h\": " NO_USER},
        {"-oProxyCommand=x", "\"-oProxyCommand=x\": " NO_NAME},
        {"-h", "\"-h\": " NO_NAME},
        {"a.-b", "\"a.-b\": " NO_NAME},
        {"a@b@c", "\"a@b@c\": " NO_NAME},
        {"a..b", "\"a..b\": " NO_NAME},
        {".a", "\".a\": " NO_NAME},
        {"a-", "\"a-\": " NO_NAME},
        {"h;id", "\"h;id\": " NO_NAME},
        {"h\x1b[2J", "\"h\\x1b[2J\": " NO_NAME},
        {"r\xc3\xa9seau", "\"r\xc3\xa9seau\": " NO_NAME},
        {"192.0.2.300", "\"192.0.2.300\": not an IPv4 address"},
        {"192.0.2", "\"192.0.2\": not an IPv4 address"},
        {"1", "\"1\": not an IPv4 address"},
        {"h:", "\"h:\": what follows \":\" is not a port (1 to 65535)"},
        {"h:0", "\"h:0\": what follows \":\" is not a port (1 to 65535)"},
        {"h:65536", "\"h:65536\": what follows \":\" is not a port (1 to 65535)"},
        {"h:+22", "\"h:+22\": what follows \":\" is not a port (1 to 65535)"},
        {"2001:db8::x", "\"2001:db8::x\": not an IPv6 address"},
        {"2001:db8::1%eth0", "\"2001:db8::1%eth0\": not an IPv6 address"},
        {"fe80::1%", "\"fe80::1%\": not an IPv6 address"},
        {"[2001:db8::1", "\"[2001:db8::1\": a \"[\" without a \"]\""},
        {"[::1]22", "\"[::1]22\": only \":\" and a port can follow \"]\""},
        {"[h]:22", "\"[h]:22\": brackets are for IPv6 addresses"},
        {"ssh://h", "\"ssh://h\": not an address: write [USER@]HOST[:PORT]"},
        {"10.0.0.0/24", "\"10.0.0.0/24\": not an address: write [USER@]HOST[:PORT]"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct destination p;
        struct error err = {0};

        assert_int_equal(destination_parse(table[i].text, &p, &err), -EINVAL);
        assert_string_equal(err.text, table[i].expected);
    }
}

static void long_hosts_are_refused(void **state)
{
    char host[DESTINATION_HOST_MAX + 2];
    struct destination p;
    struct error err = {0};

    (void)state;
    memset(host, 'a', sizeof(host));
    for (size_t i = 63; i < sizeof(host); i += 64)
        host[i] = '.';
    host[DESTINATION_HOST_MAX] = '\0';
    assert_int_equal(destination_parse(host, &p, &err), 0);
    assert_string_equal(p.host, host);
    host[DESTINATION_HOST_MAX] = 'a';
    host[DESTINATION_HOST_MAX + 1] = '\0';
    assert_int_equal(destination_parse(host, &p, &err), -EINVAL);
    assert_non_null(strstr(err.text, "…\": the host name is too long"));
    memset(host, 'a', 64);
    host[64] = '\0';
    assert_int_equal(destination_parse(host, &p, &err), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_read),
        cmocka_unit_test(bad_places_are_named),
        cmocka_unit_test(long_hosts_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
