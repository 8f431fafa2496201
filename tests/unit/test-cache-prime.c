/* What priming and checking come to, in words and as JSON; which wheels a system takes; the
 * failure that a push can get around. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "deployer/cache/result.h"
#include "deployer/cache/wheels.h"
#include "deployer/job/unfetched.h"

static void test_words(void **state)
{
    CLEANUP(cache_results_clear) struct cache_results r = {0};
    CLEANUP_TEXT struct text text = TEXT_INIT;
    struct cache_result *c;

    (void)state;
    c = cache_results_add(&r, "trixie-arm64");
    c->files = 112;
    c->bytes = 48702556;
    assert_int_equal(strings_add(&c->origins, "d.example.org"), 0);
    c = cache_results_add(&r, "rpi-1\033[2J");
    assert_true(cache_results_ok(&r));
    assert_int_equal(cache_results_text(&r, true, &text), 0);
    assert_string_equal(text_str(&text),
                        "trixie-arm64: cached, 112 files, 48.7 MB, from d.example.org\n"
                        "rpi-1\\x1b[2J: nothing is needed: all that a deploy installs is there\n");
    for (int i = 0; i < CACHE_MISSING_SHOWN + 2; i++)
        assert_int_equal(strings_add(&c->missing, "python3-tqdm 4"), 0);
    text_adds(&c->why, "503");
    assert_false(cache_results_ok(&r));
    text_reset(&text);
    assert_int_equal(cache_results_text(&r, false, &text), 0);
    assert_non_null(strstr(text_str(&text), "trixie-arm64: complete, 112 files, 48.7 MB\n"));
    assert_non_null(strstr(text_str(&text), ": 14 missing: python3-tqdm 4, "));
    assert_non_null(strstr(text_str(&text), " and 2 more (503)\n"));
    text_reset(&text);
    assert_int_equal(cache_results_json(&r, &text), 0);
    assert_non_null(strstr(text_str(&text), "\"ok\": false"));
    assert_non_null(strstr(text_str(&text), "\"bytes\": 48702556"));
    assert_null(strchr(text_str(&text), '\033'));
}

static void test_unread(void **state)
{
    CLEANUP(cache_results_clear) struct cache_results r = {0};

    (void)state;
    assert_true(cache_results_ok(&r));
    assert_int_equal(strings_add(&r.unread, "rpi-1: not reached"), 0);
    assert_false(cache_results_ok(&r));
}

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

static bool takes(struct unfetched *u, enum stepwire_kind kind, const char *step,
                  enum step_status status, const char *detail)
{
    return unfetched_takes(
        u, &(struct stepwire_event){
               .kind = kind, .name = step, .status = status, .detail = detail, .lines = "E: x"});
}

static void test_unfetched(void **state)
{
    static const char words[] = "nothing was changed; no source gives glpk-utils: x";
    CLEANUP(unfetched_clear) struct unfetched u = {0};

    (void)state;
    /* A failure of which the machine does not say that packages would help. */
    assert_false(takes(&u, STEPWIRE_CHECK, "fetch", STEP_CHANGE, words));
    assert_false(takes(&u, STEPWIRE_RESULT, "fetch", STEP_FAILED, words));
    assert_false(takes(&u, STEPWIRE_WANT, "cache", STEP_OK, ""));
    assert_false(takes(&u, STEPWIRE_RESULT, "fetch", STEP_FAILED, words));
    assert_null(u.step);
    assert_false(takes(&u, STEPWIRE_WANT, "packages", STEP_OK, ""));
    assert_false(takes(&u, STEPWIRE_RESULT, "clock", STEP_CHANGED, words));
    assert_true(takes(&u, STEPWIRE_RESULT, "fetch", STEP_FAILED, words));
    assert_string_equal(text_str(&u.detail), words);
    assert_string_equal(text_str(&u.lines), "E: x");
    /* What follows from it. */
    assert_true(takes(&u, STEPWIRE_RESULT, "apt", STEP_SKIPPED, "after fetch"));
    assert_false(takes(&u, STEPWIRE_FACT, "os", STEP_OK, "debian"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),     cmocka_unit_test(test_unread),
        cmocka_unit_test(test_python),    cmocka_unit_test(test_platforms),
        cmocka_unit_test(test_unfetched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
