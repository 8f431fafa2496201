/* The results of priming and of checking a cache, as text and as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "deployer/cache/result.h"

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
    assert_string_equal(
        text_str(&text),
        "trixie-arm64: cached, 112 files, 48.7 MB, from d.example.org\n"
        "rpi-1\\x1b[2J: nothing is needed: all that a deploy installs is installed\n");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_unread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
