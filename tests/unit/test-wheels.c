/* The wheels that a system takes: its Python, its C library, its platforms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "deployer/cache/wheels.h"

static void test_python(void **state)
{
    struct apt_file items[] = {{.package = (char *)"libc6", .version = (char *)"2.41-12+deb13u4"},
                               {.package = (char *)"python3", .version = (char *)"3.13.5-1"}};
    const struct apt_files files = {.items = items, .count = 2}, none = {0};
    struct text status = TEXT_INIT;
    char python[8] = "";
    unsigned glibc = 0;

    (void)state;
    assert_int_equal(cache_wheels_python(&files, &status, python, &glibc), 0);
    assert_string_equal(python, "3.13");
    assert_int_equal(glibc, 41);
    assert_true(cache_wheels_python(&none, &status, python, &glibc) < 0);
    text_adds(&status, "Package: libc6\nVersion: 2.36-9\n\nPackage: python3-x\nVersion: 9.9\n\n"
                       "Package: python3\nStatus: install ok installed\nVersion: 3.11.2-1+b1\n\n");
    assert_int_equal(cache_wheels_python(&none, &status, python, &glibc), 0);
    assert_string_equal(python, "3.11");
    assert_int_equal(glibc, 36);
    text_reset(&status);
    text_adds(&status, "Package: libc6\n\nPackage: python3\nVersion: 3.11\n\n");
    assert_true(cache_wheels_python(&none, &status, python, &glibc) < 0);
    text_clear(&status);
}

static void test_platforms(void **state)
{
    CLEANUP_STRINGS struct strings names = {0};

    (void)state;
    assert_int_equal(cache_wheels_platforms("arm64", 18, &names), 0);
    assert_int_equal(names.count, 4);
    assert_string_equal(names.items[0], "manylinux_2_18_aarch64");
    assert_string_equal(names.items[1], "manylinux_2_17_aarch64");
    assert_string_equal(names.items[2], "manylinux2014_aarch64");
    assert_string_equal(names.items[3], "linux_aarch64");
    assert_true(cache_wheels_platforms("vax", 18, &names) < 0);
    assert_true(cache_wheels_platforms("arm64", 4000000, &names) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_python),
        cmocka_unit_test(test_platforms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
