/* Where the caches are that machines are led to. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "deployer/ssh/upstream.h"

static const struct upstreams_wait no_wait = {.timeout_ms = 5000, .stop_fd = -1};

static void http_is_led_through_the_connection(void **state)
{
    char *names[] = {(char *)"deb.example:8080"};
    const struct strings ports = {.items = names, .count = 1};
    CLEANUP(upstreams_clear) struct upstreams u = {0};
    CLEANUP_TEXT struct text url = TEXT_INIT;

    (void)state;
    assert_int_equal(upstreams_find("http://127.0.0.1:3142",
                                    "http://127.0.0.1:3141/root/pypi/+simple/", &ports, false,
                                    &no_wait, &u, NULL),
                     0);
    assert_true(upstreams_forwarded(&u));
    assert_true(u.apt.loopback && u.pip.loopback && !u.pip_host);
    assert_int_equal(u.ports.count, 1);
    assert_string_equal(u.ports.items[0], "deb.example:8080");
    upstream_add_url(&u.pip, "dcop:x", 4000, NULL, &url);
    assert_string_equal(text_str(&url), "http://dcop:x@127.0.0.1:4000/root/pypi/+simple/");
}

static void https_is_asked_as_it_is(void **state)
{
    const struct strings ports = {0};
    CLEANUP(upstreams_clear) struct upstreams u = {0};
    CLEANUP_TEXT struct text url = TEXT_INIT;

    (void)state;
    assert_int_equal(upstreams_find("https://apt.example:3142", "https://pip.example/simple/",
                                    &ports, false, &no_wait, &u, NULL),
                     0);
    assert_false(upstreams_forwarded(&u));
    assert_null(u.pip_host);
    upstream_add_url(&u.pip, "dcop:x", 4000, NULL, &url);
    assert_string_equal(text_str(&url), "https://pip.example/simple/");
}

static void what_is_no_url_is_told(void **state)
{
    static const char *const bad[] = {"ftp://host/", "http://", "http://host:0", "http://host:1x",
                                      "http://[::1"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        const struct strings ports = {0};
        CLEANUP(upstreams_clear) struct upstreams u = {0};
        struct error err = {0};

        assert_int_equal(upstreams_find(bad[i], NULL, &ports, false, &no_wait, &u, &err), -EINVAL);
        assert_non_null(strstr(err.text, bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http_is_led_through_the_connection),
        cmocka_unit_test(https_is_asked_as_it_is),
        cmocka_unit_test(what_is_no_url_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
