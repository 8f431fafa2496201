/* The options of dcop-controller: its file, its command line, and both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deployer/controller/options.h"
#include "discovery/base/file.h"

static char folder[64], path[128];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test-controller-options.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[128];

    (void)state;
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : -1; /* NOLINT(cert-env33-c) */
}

static void put(const char *name, const char *content)
{
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(file_write(path, content, strlen(content), 0600, NULL), 0);
}

#define READ(o, err, ...)                                                                          \
    controller_options_read(                                                                       \
        (int)ARRAY_SIZE(((const char *[]){"dcop-controller", "--config", folder, __VA_ARGS__})),   \
        (char *[]){(char *)"dcop-controller", (char *)"--config", folder, __VA_ARGS__, NULL}, o,   \
        err)

static void test_options_file(void **state)
{
    CLEANUP(controller_options_clear) struct controller_options o = {0};
    struct error err;

    (void)state;
    put("controller.conf", "# the lab\n\nproblem /srv/a.yaml\n  auto yes\nassign\nquorum=3\n"
                           "accept-new no\nfleet lab-2 \nforks 5\ndomain lab.test");
    assert_int_equal(READ(&o, &err, (char *)"-q"), 0);
    assert_int_equal(o.deploy.problems.count, 1);
    assert_string_equal(o.deploy.problems.items[0], "/srv/a.yaml");
    assert_true(o.automatic);
    assert_true(o.assign);
    assert_false(o.deploy.accept_new);
    assert_int_equal(o.quorum, 3);
    assert_string_equal(o.deploy.fleet, "lab-2");
    assert_string_equal(o.deploy.domain, "lab.test");
    assert_int_equal(o.deploy.forks, 5);
    assert_true(o.deploy.quiet);
}

static void test_options_both(void **state)
{
    CLEANUP(controller_options_clear) struct controller_options o = {0};
    struct error err;

    (void)state;
    put("controller.conf", "problem a.yaml\nproblem b.yaml\nquorum 3\n");
    assert_int_equal(
        READ(&o, &err, (char *)"-p", (char *)"c.yaml", (char *)"--quorum", (char *)"4"), 0);
    assert_int_equal(o.deploy.problems.count, 1); /* the command line's stands instead */
    assert_string_equal(o.deploy.problems.items[0], "c.yaml");
    assert_int_equal(o.quorum, 4);
}

static void test_options_bad(void **state)
{
    static const char *const bad[] = {"nonsense 1\n",      "auto maybe\n", "problem\n",
                                      "password secret\n", "help\n",       "config /etc\n",
                                      "fleet UPPER\n",     "quorum -1\n"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        CLEANUP(controller_options_clear) struct controller_options o = {0};
        struct error err = {0};

        put("controller.conf", bad[i]);
        assert_int_equal(READ(&o, &err, (char *)"-q"), -EINVAL);
        assert_non_null(strstr(err.text, "controller.conf:1: "));
    }
}

static void test_output_is_a_file(void **state)
{
    CLEANUP(controller_options_clear) struct controller_options o = {0};
    struct error err;

    (void)state;
    /* It is replaced again and again: a device would be a file after the first time. */
    put("controller.conf", "output /dev/null\n");
    assert_int_equal(READ(&o, &err, (char *)"-q"), -EINVAL);
    assert_string_equal(err.text,
                        "--output: /dev/null is no file that can be replaced: name a file");
    assert_int_equal(READ(&o, &err, (char *)"-o", path), 0);
    put("controller.conf", "");
}

/* The command line replaces the file; in one of them nothing is dropped. */
static void test_given_twice(void **state)
{
    CLEANUP(controller_options_clear) struct controller_options o = {0};
    struct error err;

    (void)state;
    put("controller.conf", "password-file a\npydcop x\n");
    assert_int_equal(READ(&o, &err, (char *)"--password-file", (char *)"b"), 0);
    assert_string_equal(o.deploy.password_file, "b");
    assert_string_equal(o.deploy.spec, "x");
    put("controller.conf", "password-file a\npassword-file b\n");
    assert_int_equal(READ(&o, &err, (char *)"-q"), -EINVAL);
    assert_non_null(strstr(err.text, ":2: 'a' was given already, and 'b' now"));
    put("controller.conf", "");
}

static void test_hosts(void **state)
{
    CLEANUP(controller_options_clear) struct controller_options o = {0};
    static const char *const bad[] = {"host lab.example:80\n", "host lab.example/\n",
                                      "host http://lab.example/dcop\n", "host ftp://lab.example\n",
                                      "host http://me@lab.example\n"};
    struct error err;

    (void)state;
    put("controller.conf", "host lab.example\nhost [fe80::1]\nhost https://lab.example:443/\n"
                           "host http://lab.example:8080\n");
    assert_int_equal(READ(&o, &err, (char *)"-q"), 0);
    assert_int_equal(o.hosts.count, 4);
    assert_string_equal(o.hosts.items[1], "[fe80::1]");
    assert_string_equal(o.hosts.items[2], "https://lab.example");
    assert_string_equal(o.hosts.items[3], "http://lab.example:8080");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        CLEANUP(controller_options_clear) struct controller_options none = {0};

        put("controller.conf", bad[i]);
        assert_int_equal(READ(&none, &err, (char *)"-q"), -EINVAL);
        assert_non_null(strstr(err.text, "http://NAME[:PORT] or https://NAME[:PORT]"));
    }
    put("controller.conf", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_file), cmocka_unit_test(test_options_both),
        cmocka_unit_test(test_options_bad),  cmocka_unit_test(test_output_is_a_file),
        cmocka_unit_test(test_given_twice),  cmocka_unit_test(test_hosts),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
