/* Plots: what a person reads in them, and that any text and number gives XML. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deployer/solve/plot.h"

static void has(const struct text *svg, const char *what)
{
    if (!strstr(text_str(svg), what))
        fail_msg("no '%s' in %s", what, text_str(svg));
}

static size_t count(const struct text *svg, const char *what)
{
    size_t n = 0;

    for (const char *at = text_str(svg); (at = strstr(at, what)); at++)
        n++;
    return n;
}

static void make(const char *title, const char *csv, struct text *ret)
{
    struct text metrics = TEXT_INIT;

    text_adds(&metrics, "time,cycle,cost,violations,messages,bytes\n");
    text_adds(&metrics, csv);
    assert_int_equal(plot_metrics(title, &metrics, ret), 0);
    text_clear(&metrics);
}

static void test_metrics(void **state)
{
    struct text svg = TEXT_INIT;

    (void)state;
    make("mgm on g3", "0.5,0,,,3,\n1,2,10,0,7,90\n2,3,4,0,9,\n4,3,4,0,9,\n", &svg);
    has(&svg, "<title>mgm on g3</title>");
    has(&svg, ">time (s)</text>");
    has(&svg, ">cost</text>");
    has(&svg, ">10</text>"); /* of the axis */
    has(&svg, "prefers-color-scheme:dark");
    /* Steps: 10 until 2 s, then 4; y grows downwards. */
    has(&svg, "points=\" 247.0,48.0 410.0,48.0 410.0,356.0 736.0,356.0 736.0,356.0\"");
    text_clear(&svg);
}

static void test_nothing(void **state)
{
    struct text svg = TEXT_INIT;

    (void)state;
    make("x", "0.5,0,,,3,\n", &svg);
    has(&svg, "There is no cost to show.");
    has(&svg, "</svg>\n");
    text_clear(&svg);
}

static void test_one_value(void **state)
{
    struct text svg = TEXT_INIT;

    (void)state;
    make("x", "0,0,0,0,0,0\n", &svg);
    assert_null(strstr(text_str(&svg), "nan"));
    assert_null(strstr(text_str(&svg), "inf"));
    text_clear(&svg);
}

static void test_hostile(void **state)
{
    struct text svg = TEXT_INIT;

    (void)state;
    make("<a>&\"\x01\xff\"", "x\n1,\n1,2\n1,2,3\n1e999,0,1,\n1,0,nan,\n1,0,1e308,\n2,0,-1e308,\n",
         &svg);
    has(&svg, "&#60;a&#62;&#38;&#34;\xef\xbf\xbd\xef\xbf\xbd&#34;");
    has(&svg, "There is no cost to show.");
    assert_null(strstr(text_str(&svg), "nan"));
    assert_null(strstr(text_str(&svg), "inf"));
    text_clear(&svg);
}

/* The picture of a long run is no larger than that of a short one, and has its extremes. */
static void test_long(void **state)
{
    struct text csv = TEXT_INIT, svg = TEXT_INIT;

    (void)state;
    for (int i = 0; i < 200000; i++)
        text_addf(&csv, "%d,%d,%d,0,0,0\n", i, i, i == 777 ? -1000 : i % 3);
    make("x", text_str(&csv), &svg);
    assert_true(svg.size < 64 * 1024);
    has(&svg, ">-1000</text>");
    text_clear(&csv);
    text_clear(&svg);
}

static void test_bars(void **state)
{
    static const char *const ticks[] = {"dsa", "mgm"};
    const struct plot_point points[] = {{0, 5, 1}, {1, 4, 0}, {1, NAN, 0}};
    struct plot_series series[PLOT_SERIES_MAX + 3];
    struct plot p = {.title = "t",
                     .x = "algorithm",
                     .y = "mean cost",
                     .series = series,
                     .n_series = 1,
                     .ticks = ticks,
                     .n_ticks = 2};
    struct text svg = TEXT_INIT;

    (void)state;
    for (size_t i = 0; i < PLOT_SERIES_MAX + 3; i++)
        series[i] = (struct plot_series){"g3", points, 3};
    assert_int_equal(plot_svg(&p, &svg), 0);
    has(&svg, ">dsa</text>");
    has(&svg, ">mgm</text>");
    has(&svg, ">g3</text>");
    assert_int_equal(count(&svg, "<circle"), 2);
    assert_int_equal(count(&svg, "<path"), 1); /* one bar */
    text_reset(&svg);
    p.n_series = PLOT_SERIES_MAX + 3;
    assert_int_equal(plot_svg(&p, &svg), 0);
    assert_int_equal(count(&svg, "<circle"), 2 * PLOT_SERIES_MAX);
    text_clear(&svg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics),   cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_one_value), cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_long),      cmocka_unit_test(test_bars),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
