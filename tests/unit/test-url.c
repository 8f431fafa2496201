/* URLs of caches and of repositories. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "deployer/base/url.h"
#include "discovery/base/cleanup.h"

static void a_url_has_parts(void **state)
{
    static const struct {
        const char *text;
        bool https, has_port;
        unsigned port;
        const char *host, *spelled, *path;
    } cases[] = {
        {"http://h", false, false, 80, "h", "h", ""},
        {"http://h/", false, false, 80, "h", "h", "/"},
        {"http://h:", false, false, 80, "h", "h", ""},
        {"https://Pip.example/a/../b%2f", true, false, 443, "Pip.example", "Pip.example",
         "/a/../b%2f"},
        {"http://127.0.0.1:3141/root/pypi/+simple/", false, true, 3141, "127.0.0.1", "127.0.0.1",
         "/root/pypi/+simple/"},
        {"http://h:00080//x", false, true, 80, "h", "h", "//x"},
        {"https://h:65535", true, true, 65535, "h", "h", ""},
        {"http://a_b.c/x@y:z,=", false, false, 80, "a_b.c", "a_b.c", "/x@y:z,="},
        {"http://127.1:3142", false, true, 3142, "127.0.0.1", "127.1", ""},
        {"http://[::1]", false, false, 80, "::1", "[::1]", ""},
        {"http://[FD00:0:0::1]:3141/a", false, true, 3141, "fd00::1", "[FD00:0:0::1]", "/a"},
        {"http://[fe80::1%eth0]:1/", false, true, 1, "fe80::1%eth0", "[fe80::1%eth0]", "/"},
        {"http://[fe80::1%25eth0]/", false, false, 80, "fe80::1%eth0", "[fe80::1%25eth0]", "/"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct url url;

        assert_int_equal(url_parse(cases[i].text, &url), 0);
        assert_int_equal(url.https, cases[i].https);
        assert_int_equal(url.has_port, cases[i].has_port);
        assert_int_equal(url.port, cases[i].port);
        assert_string_equal(url.host, cases[i].host);
        assert_string_equal(url.spelled, cases[i].spelled);
        assert_string_equal(url.path, cases[i].path);
    }
}

static void what_is_no_url_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "h",
        "127.0.0.1:3142",
        "//h/",
        "ftp://h/",
        "file:///etc/passwd",
        "HTTP://h/",
        " http://h/",
        "http:h",
        "http:/h",
        "http://",
        "http:///h",
        "http:////h",
        "http://:80",
        "http://user@h/",
        "http://user:pw@h/",
        "http://@h/",
        "https://h:0",
        "http://h:00000",
        "http://h:65536",
        "http://h:4294967376",
        "http://h:1x",
        "http://h:-1",
        "http://h:+80",
        "http://h: 80",
        "http://h:80:80",
        "http://h:80@evil/",
        "http://[::1",
        "http://[]",
        "http://[h]",
        "http://[::1]x",
        "http://[::1]]:80",
        "http://[:::::]",
        "http://h]/",
        "http://a b/",
        "http://h/ x",
        "http://h/\n",
        "http://h\r\nX: y/",
        "http://h\\x/",
        "http://h%2f/",
        "http://h%00/",
        "http://h%40evil/",
        "http://h\";x/",
        "http://h?x",
        "http://h/?",
        "http://h/#x",
        "http://h#@evil/",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct url url = {.port = 7};

        if (url_parse(bad[i], &url) != -EINVAL)
            fail_msg("'%s' is taken", bad[i]);
        assert_int_equal(url.port, 7);
    }
}

static void what_is_long_is_bounded(void **state)
{
    static const char *const forms[] = {"http://%s", "https://[fe80::1%%%s]/"};
    char host[2 * URL_HOST_MAX], text[3 * URL_HOST_MAX], *long_path;
    struct url url;

    (void)state;
    for (size_t size = 1; size < sizeof(host); size++) {
        memset(host, 'h', size);
        host[size] = '\0';
        for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
            int r;

            (void)snprintf(text, sizeof(text), forms[i], host);
            r = url_parse(text, &url);
            if (r == 0)
                assert_true(strlen(url.host) < URL_HOST_MAX && strlen(url.spelled) < URL_HOST_MAX);
            else
                assert_int_equal(r, -EINVAL);
            if (i == 0)
                assert_int_equal(r == 0, size < URL_HOST_MAX);
        }
    }
    long_path = calloc(1, 20000);
    assert_non_null(long_path);
    memcpy(long_path, "http://h/", 9);
    memset(long_path + 9, 'x', 19000);
    assert_int_equal(url_parse(long_path, &url), 0);
    assert_ptr_equal(url.path, long_path + 8);
    assert_false(url_valid(long_path));
    free(long_path);
}

static void settings_are_plain(void **state)
{
    static const char *const good[] = {"http://127.0.0.1:3142", "http://h",
                                       "https://[fd00::1]:3141/root/pypi/+simple/",
                                       "http://[fe80::1%25eth0]:3142"};
    static const char *const bad[] = {"127.0.0.1:3142", "ftp://h/",       "http://",
                                      "http:///x",      "http://:80",     "http://user:pw@h/",
                                      "http://h/ x",    "http://h/\";A",  "http://h/'",
                                      "http://h/\n",    "http://h/\\",    "http://h/$x",
                                      "http://h/`x`",   "http://h/x;y",   "http://h/{}",
                                      "http://h/?x",    "http://h/#x",    "http://h/\xc3\xa9",
                                      "HTTP://h",       "javascript://h", ""};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_true(url_valid(good[i]));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(url_valid(bad[i]));
}

static void users_and_passwords_are_masked(void **state)
{
    static const char *const words[][2] = {
        {"git+https://me:secret@git.example/x.git", "git+https://***@git.example/x.git"},
        {"Looking in indexes: https://u:p@w@i.example/simple, http://d/",
         "Looking in indexes: https://***@i.example/simple, http://d/"},
        {"ssh://git@host/x and mail@host", "ssh://***@host/x and mail@host"},
        {"http://host/a@b", "http://host/a@b"},
        {"https://me:a,b;c'd|e@host/x", "https://***@host/x"},
        {"https://a,b:c@host and http://d,http://e:f@g",
         "https://***@host and http://d,http://***@g"},
        {"<http://a>b@c \"http://d\"e@f", "<http://a>b@c \"http://d\"e@f"},
        {"://", "://"},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        CLEANUP_TEXT struct text t = TEXT_INIT;

        url_add_masked(&t, words[i][0]);
        assert_string_equal(text_str(&t), words[i][1]);
    }
}

static void passwords_are_left_out(void **state)
{
    static const char *const words[][2] = {
        {"git+https://me:secret@git.example/x.git@v1", "git+https://git.example/x.git@v1"},
        {"https://token@host/x, http://u:p@w@d/", "https://host/x, http://d/"},
        {"https://me:a,b@host", "https://host"},
        {"https://me:a;b'c|d@host/x,y@z", "https://host/x,y@z"},
        {"ssh://git:a,b;c@host/x", "ssh://git@host/x"},
        {"git+ssh://git@host/x", "git+ssh://git@host/x"},
        {"ssh://git:secret@host/x", "ssh://git@host/x"},
        {"/home/a@b/x", "/home/a@b/x"},
        {"pydcop==0.1", "pydcop==0.1"},
        {"://a:b@", "://a@"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        CLEANUP_TEXT struct text t = TEXT_INIT;

        url_add_without_password(&t, words[i][0]);
        assert_string_equal(text_str(&t), words[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_has_parts),
        cmocka_unit_test(what_is_no_url_is_refused),
        cmocka_unit_test(what_is_long_is_bounded),
        cmocka_unit_test(settings_are_plain),
        cmocka_unit_test(users_and_passwords_are_masked),
        cmocka_unit_test(passwords_are_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
