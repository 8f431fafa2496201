/* Where a run's passwords come from, and that sudo never gets one that was not for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "deployer/options/passwords.h"
#include "discovery/base/file.h"

static int without_environment(void **state)
{
    (void)state;
    (void)unsetenv("DCOP_PASSWORD");
    (void)unsetenv("DCOP_BECOME_PASSWORD");
    return 0;
}

static void the_login_password_is_not_sudos(void **state)
{
    CLEANUP(passwords_clear) struct passwords p = {0};
    const struct deploy_options o = {0};

    (void)state;
    assert_int_equal(setenv("DCOP_PASSWORD", "login", 1), 0);
    assert_int_equal(passwords_take(&o, &p, NULL), 0);
    assert_string_equal(secret_text(p.login), "login");
    assert_null(p.become);
}

static void each_has_its_own(void **state)
{
    CLEANUP(passwords_clear) struct passwords p = {0};
    const struct deploy_options o = {0};

    (void)state;
    assert_int_equal(setenv("DCOP_PASSWORD", "login", 1), 0);
    assert_int_equal(setenv("DCOP_BECOME_PASSWORD", "sudo", 1), 0);
    assert_int_equal(passwords_take(&o, &p, NULL), 0);
    assert_string_equal(secret_text(p.login), "login");
    assert_string_equal(secret_text(p.become), "sudo");
    assert_null(getenv("DCOP_PASSWORD")); /* no child inherits them */
    assert_null(getenv("DCOP_BECOME_PASSWORD"));
}

static void a_file_counts_before_the_environment(void **state)
{
    CLEANUP(passwords_clear) struct passwords p = {0};
    char path[] = "/tmp/dcop-test-passwords.XXXXXX";
    const struct deploy_options o = {.become_password_file = path};
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "of-the-file\n", 12), 12);
    assert_int_equal(close(fd), 0);
    assert_int_equal(setenv("DCOP_BECOME_PASSWORD", "of-the-environment", 1), 0);
    assert_int_equal(passwords_take(&o, &p, NULL), 0);
    assert_string_equal(secret_text(p.become), "of-the-file");
    assert_null(p.login);
    assert_int_equal(unlink(path), 0);
}

static void what_cannot_be_read_leaves_nothing(void **state)
{
    CLEANUP(passwords_clear) struct passwords p = {0};
    const struct deploy_options o = {.become_password_file = "/nowhere/password"};
    struct error err = {0};

    (void)state;
    assert_int_equal(setenv("DCOP_PASSWORD", "login", 1), 0);
    assert_true(passwords_take(&o, &p, &err) < 0);
    assert_non_null(strstr(err.text, "/nowhere/password"));
    assert_null(p.login);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_login_password_is_not_sudos, without_environment),
        cmocka_unit_test_setup(each_has_its_own, without_environment),
        cmocka_unit_test_setup(a_file_counts_before_the_environment, without_environment),
        cmocka_unit_test_setup(what_cannot_be_read_leaves_nothing, without_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
