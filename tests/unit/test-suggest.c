#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/match/suggest.h"

static unsigned distance(const char *a, const char *b, unsigned max)
{
    struct suggest_fold x, y;

    suggest_fold(a, &x);
    suggest_fold(b, &y);
    assert_int_equal(suggest_distance(&y, &x, max), suggest_distance(&x, &y, max));
    return suggest_distance(&x, &y, max);
}

static void test_fold(void **state)
{
    (void)state;
    assert_int_equal(distance("A1", "a1", 0), 0);
    assert_int_equal(distance("a01", "a1", 0), 0);
    assert_int_equal(distance("a 1 ", "a1", 0), 0);
    assert_int_equal(distance("\ta1", "a1", 0), 0);
    assert_int_equal(distance("a\u00a01", "a1", 0), 0);
    assert_int_equal(distance("agent-007", "agent-7", 0), 0);
    assert_int_equal(distance("a00", "a0", 0), 0);
    assert_int_equal(distance("b0", "b00000", 0), 0);
    assert_int_equal(distance("a010b020", "a10b20", 0), 0);
    assert_int_equal(distance("a10", "a1", 0), 1);
    assert_int_equal(distance("a100", "a10", 0), 1);
    assert_int_equal(distance("", " ", 0), 0);
}

static void test_edits(void **state)
{
    (void)state;
    assert_int_equal(distance("agent", "agent", 2), 0);
    assert_int_equal(distance("agent", "agnet", 2), 1);
    assert_int_equal(distance("agent", "gent", 2), 1);
    assert_int_equal(distance("agent", "aagent", 2), 1);
    assert_int_equal(distance("agent", "abent", 2), 1);
    assert_int_equal(distance("agent", "agents", 2), 1);
    assert_int_equal(distance("agent", "gaetn", 2), 2);
    assert_int_equal(distance("agent", "gaent", 2), 1);
    assert_int_equal(distance("abcdef", "badcef", 2), 2);
    assert_int_equal(distance("abcdef", "badcfe", 2), 3);
    assert_int_equal(distance("", "ab", 2), 2);
    assert_int_equal(distance("", "abc", 2), 3);
    assert_int_equal(distance("abcdef", "uvwxyz", 2), 3);
    assert_int_equal(distance("élève", "eleve", 2), 2); /* characters, not bytes */
    assert_int_equal(distance("\xff\xfe", "\xff", 2), 1);
}

/* The plain algorithm, all cells, for comparison. */
static unsigned plain_distance(const struct suggest_fold *a, const struct suggest_fold *b)
{
    unsigned d[12][12];

    for (size_t i = 0; i <= a->count; i++)
        for (size_t j = 0; j <= b->count; j++) {
            unsigned best;

            if (i == 0 || j == 0) {
                d[i][j] = (unsigned)(i + j);
                continue;
            }
            best = d[i - 1][j - 1] + (a->chars[i - 1] == b->chars[j - 1] ? 0 : 1);
            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a->chars[i - 1] == b->chars[j - 2] &&
                a->chars[i - 2] == b->chars[j - 1] && d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[a->count][b->count];
}

static void test_band_is_enough(void **state)
{
    unsigned random = 1;

    (void)state;
    for (unsigned round = 0; round < 200000; round++) {
        struct suggest_fold f[2] = {0};
        unsigned max = round % 3, plain;

        for (size_t k = 0; k < 2; k++) {
            random = random * 1103515245u + 12345u;
            f[k].count = (random >> 16) % 8;
            for (size_t i = 0; i < f[k].count; i++) {
                random = random * 1103515245u + 12345u;
                f[k].chars[i] = 'a' + (random >> 16) % 3;
            }
        }
        plain = plain_distance(&f[0], &f[1]);
        assert_int_equal(suggest_distance(&f[0], &f[1], max), plain > max ? max + 1 : plain);
    }
}

static void test_long(void **state)
{
    char a[1000], b[1000];

    (void)state;
    memset(a, 'x', sizeof(a) - 1);
    a[sizeof(a) - 1] = '\0';
    memcpy(b, a, sizeof(b));
    b[100] = 'y';
    b[999 - 1] = 'z'; /* behind what counts */
    assert_int_equal(distance(a, b, 2), 1);
}

static void test_limit(void **state)
{
    (void)state;
    assert_int_equal(suggest_limit(0), 0);
    assert_int_equal(suggest_limit(2), 0);
    assert_int_equal(suggest_limit(3), 1);
    assert_int_equal(suggest_limit(5), 1);
    assert_int_equal(suggest_limit(6), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fold),           cmocka_unit_test(test_edits),
        cmocka_unit_test(test_band_is_enough), cmocka_unit_test(test_long),
        cmocka_unit_test(test_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
