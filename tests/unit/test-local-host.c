/* Which hosts are this computer, in every spelling. */
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "deployer/apt/source.h"
#include "deployer/base/local-host.h"
#include "discovery/base/cleanup.h"

static void test_hosts(void **state)
{
    static const char *const local[] = {"localhost",
                                        "LOCALHOST.",
                                        "a.localhost",
                                        "localhost.localdomain",
                                        "ip6-localhost",
                                        "127.0.0.1",
                                        "127.0.0.1.",
                                        "127.1",
                                        "0x7f000001",
                                        "2130706433",
                                        "017700000001",
                                        "0",
                                        "0.0.0.0",
                                        "169.254.1.1",
                                        "224.0.0.251",
                                        "255.255.255.255",
                                        "::1",
                                        "0:0:0:0:0:0:0:1",
                                        "0000:0000:0000:0000:0000:0000:0000:0001",
                                        "::",
                                        "::ffff:127.0.0.1",
                                        "::ffff:7f00:1",
                                        "::127.0.0.1",
                                        "fe80::1",
                                        "fe80::1%lo",
                                        "fe80::1%none",
                                        "ff02::fb",
                                        "",
                                        ".",
                                        "1::2::3"};
    static const char *const others[] = {"deb.debian.org", "deb.debian.org.",  "10.0.0.1",
                                         "192.168.1.1",    "2001:db8::1",      "::ffff:192.0.2.1",
                                         "notlocalhost",   "localhost.example"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(local); i++)
        if (!local_host(local[i]))
            fail_msg("'%s' is local", local[i]);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        if (local_host(others[i]))
            fail_msg("'%s' is not local", others[i]);
}

/* One local address of several is enough; a name that has none is not local. */
static void test_resolved(void **state)
{
    char own[256] = "", *items[] = {(char *)"192.0.2.2", (char *)"2001:db8::2"};
    const struct strings others = {.items = items, .count = 2};
    struct addrinfo *list = NULL;
    bool local = false;

    (void)state;
    assert_int_equal(1, local_host_resolved("127.1", NULL, 5000, -1));
    assert_int_equal(1, local_host_resolved("localhost.", NULL, 5000, -1));
    assert_int_equal(1, local_host_resolved("", NULL, 5000, -1));
    assert_int_equal(0, local_host_resolved("192.0.2.1", NULL, 5000, -1));
    assert_int_equal(0, local_host_resolved("192.0.2.1", &others, 5000, -1));
    assert_int_equal(1, local_host_resolved("192.0.2.2", &others, 5000, -1));
    assert_int_equal(1, local_host_resolved("192.0.514", &others, 5000, -1));
    assert_int_equal(1, local_host_resolved("2001:db8:0::2", &others, 5000, -1));
    /* This computer's own name, wherever that leads. */
    if (gethostname(own, sizeof(own) - 1) < 0 || getaddrinfo(own, NULL, NULL, &list) != 0)
        return;
    for (const struct addrinfo *a = list; a; a = a->ai_next)
        local = local || local_address(a->ai_addr);
    freeaddrinfo(list);
    assert_int_equal(local_host_resolved(own, NULL, 5000, -1), local);
}

/* The same rule for what machines name as a source. */
static void test_sources(void **state)
{
    static const char *const refused[] = {
        "http://localhost./debian",    "http://a.localhost/debian",
        "http://ip6-localhost/debian", "http://[0:0:0:0:0:0:0:1]/debian",
        "http://224.0.0.1/debian",     "http://127.1:8080/debian"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        if (apt_uri_valid(refused[i]))
            fail_msg("'%s' names this computer", refused[i]);
    assert_true(apt_uri_valid("http://deb.debian.org/debian"));
    assert_true(apt_uri_valid("http://[2001:db8::1]/debian"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_resolved),
        cmocka_unit_test(test_sources),
    };

    return cmocka_run_group_tests_name("local-host", tests, NULL, NULL);
}
