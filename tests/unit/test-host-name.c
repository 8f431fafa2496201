#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/base/text.h"
#include "discovery/network/host-name.h"

static void check_escaped(const char *escaped, const char *wanted)
{
    CLEANUP_FREE char *name = host_name_from_escaped(escaped);

    if (!wanted) {
        assert_null(name);
        return;
    }
    assert_non_null(name);
    assert_string_equal(name, wanted);
}

static void check_labels(const char *labels, const char *wanted)
{
    CLEANUP_FREE char *name = host_name_from_labels(labels);

    assert_non_null(name);
    assert_string_equal(name, wanted);
}

static void test_readable(void **state)
{
    (void)state;
    check_escaped("rpi-1.local", "rpi-1.local");
    check_escaped("caf\\195\\169.local", "café.local");
    check_labels("café.local", "café.local");
    check_escaped("Anna\\032M\\195\\188ller\\.x.local", "Anna Müller.x.local");
    check_escaped("\\230\\149\\153\\229\\174\\164.local", "教室.local");
    check_escaped("a\\\\b.local", "a\\b.local");
    check_labels("a\\b.local", "a\\b.local");
}

/* The same text from both, and nothing in it that a file or a terminal could take for
 * more than letters. */
static void test_stays_escaped(void **state)
{
    (void)state;
    check_escaped("a\\027[2J.local", "a\\027[2J.local");
    check_labels("a\033[2J.local", "a\\027[2J.local");
    check_labels("a\nb\\.local", "a\\010b\\\\.local");
    check_escaped("a\\000b", "a\\000b");
    check_escaped("\\195.local", "\\195.local");
    check_labels("\xc3.local", "\\195.local");
    check_escaped("\\192\\128", "\\192\\128");           /* overlong */
    check_escaped("caf\\194\\133", "caf\\194\\133");     /* U+0085, a C1 control */
    check_escaped("\\237\\160\\128", "\\237\\160\\128"); /* a surrogate */
}

static void test_refused(void **state)
{
    char longest[4 * 300 + 1];

    (void)state;
    check_escaped("", NULL);
    check_escaped("a\\", NULL);
    check_escaped("a\\1", NULL);
    check_escaped("a\\25", NULL);
    check_escaped("a\\256", NULL);
    memset(longest, 'a', sizeof(longest));
    longest[255] = '\0';
    check_escaped(longest, longest);
    check_labels(longest, longest);
    longest[255] = 'a';
    longest[256] = '\0';
    check_escaped(longest, NULL);
    assert_null(host_name_from_labels(longest));
    /* 255 bytes that need 1020 when they stay escaped. */
    longest[0] = '\0';
    for (size_t i = 0; i < 255; i++)
        memcpy(longest + 4 * i, "\\001", 5);
    check_escaped(longest, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readable),
        cmocka_unit_test(test_stays_escaped),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
