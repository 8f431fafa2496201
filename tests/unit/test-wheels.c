/* The wheels that a system takes: its Python, its C library, its platforms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "deployer/base/folder.h"
#include "deployer/cache/layers.h"
#include "deployer/cache/wheels.h"
#include "deployer/wheel/platform.h"
#include "discovery/base/file.h"

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
    assert_int_equal(wheel_platforms("arm64", 18, &names), 0);
    assert_int_equal(names.count, 4);
    assert_string_equal(names.items[0], "manylinux_2_18_aarch64");
    assert_string_equal(names.items[1], "manylinux_2_17_aarch64");
    assert_string_equal(names.items[2], "manylinux2014_aarch64");
    assert_string_equal(names.items[3], "linux_aarch64");
    assert_true(wheel_platforms("vax", 18, &names) < 0);
    assert_true(wheel_platforms("arm64", 4000000, &names) < 0);
}

/* A machine without Python gets packages at first; one that is only named is not known. */
static void test_no_python(void **state)
{
    char folder[] = "/tmp/dcop-test-wheels.XXXXXX", pin[64];
    const struct paths paths = {.cache = folder, .pins = folder};
    CLEANUP(layers_free_p) struct layers *l = NULL;
    struct apt_system s = {.arch = (char *)"amd64", .status = TEXT_INIT};

    (void)state;
    assert_non_null(mkdtemp(folder));
    for (unsigned i = 0; i < 2; i++) {
        (void)snprintf(pin, sizeof(pin), "%s/%s", folder, i ? "left-out" : "3.11");
        assert_int_equal(file_write(pin, "", 0, 0644, NULL), 0);
    }
    assert_int_equal(layers_open(&paths, NULL, NULL, &l, NULL), 0);
    assert_true(cache_layers_fit(l, &s));
    s.machine = true;
    assert_false(cache_layers_fit(l, &s));
    text_adds(&s.status,
              "Package: libc6\nVersion: 2.36-9\n\nPackage: python3\nVersion: 3.11.2-1\n\n");
    assert_true(cache_layers_fit(l, &s));
    text_clear(&s.status);
    folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_python),
        cmocka_unit_test(test_platforms),
        cmocka_unit_test(test_no_python),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
