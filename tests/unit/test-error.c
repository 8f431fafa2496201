/* Error messages, which are cut where a character ends. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

static const char mark[] = "…";

static void test_words(void **state)
{
    struct error err = {0};

    (void)state;
    assert_int_equal(error_set(&err, -EINVAL, "%s is no %s", "x", "y"), -EINVAL);
    assert_int_equal(err.code, -EINVAL);
    assert_string_equal(err.text, "x is no y");
    assert_int_equal(error_prefix(&err, "line %d", 3), -EINVAL);
    assert_string_equal(err.text, "line 3: x is no y");
    assert_int_equal(error_sys(&err, -ENOENT, "cannot open %s", "f"), -ENOENT);
    assert_string_equal(err.text, "cannot open f: No such file or directory");
    /* The error argument may be NULL. */
    assert_int_equal(error_set(NULL, -EIO, "x"), -EIO);
    assert_int_equal(error_sys(NULL, -EIO, "x"), -EIO);
    (void)error_prefix(NULL, "x");
}

static void assert_cut(const struct error *err)
{
    size_t size = strlen(err->text);

    assert_true(size < ERROR_TEXT_MAX);
    assert_true(size >= ERROR_TEXT_MAX - sizeof(mark) - 4);
    assert_true(utf8_valid(err->text, size));
    assert_string_equal(err->text + size - strlen(mark), mark);
}

/* Characters of 1 to 4 bytes, with their ends at every place near the end. */
static void test_cut(void **state)
{
    static const char *const characters[] = {"a", "é", "日", "🤖"};
    struct error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(characters); i++) {
        for (size_t shift = 0; shift < 5; shift++) {
            CLEANUP_TEXT struct text t = TEXT_INIT;

            text_add(&t, "....", shift < 4 ? shift : 4);
            while (t.size < ERROR_TEXT_MAX + 8)
                text_adds(&t, characters[i]);
            error_set(&err, -EIO, "%s", text_str(&t));
            assert_cut(&err);
            error_sys(&err, -EIO, "%s", text_str(&t));
            assert_cut(&err);
            error_prefix(&err, "before");
            assert_cut(&err);
            assert_memory_equal(err.text, "before: ", 8);
            error_prefix(&err, "%s", text_str(&t));
            assert_cut(&err);
        }
    }
}

/* The longest text that fits is not cut. */
static void test_just_fits(void **state)
{
    char words[ERROR_TEXT_MAX + 1];
    struct error err;

    (void)state;
    memset(words, 'x', sizeof(words));
    words[ERROR_TEXT_MAX - 1] = '\0';
    error_set(&err, -EIO, "%s", words);
    assert_string_equal(err.text, words);
    words[ERROR_TEXT_MAX - 1] = 'x';
    words[ERROR_TEXT_MAX] = '\0';
    error_set(&err, -EIO, "%s", words);
    assert_cut(&err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_just_fits),
    };

    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
