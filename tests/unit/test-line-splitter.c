#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <string.h>

#include "deployer/base/line-splitter.h"

static void record(const char *line, void *arg)
{
    text_addf(arg, "[%s]", line);
}

static void measure(const char *line, void *arg)
{
    size_t *longest = arg;

    if (strlen(line) > *longest)
        *longest = strlen(line);
    assert_true(utf8_valid(line, strlen(line)));
}

static void any_pieces_give_the_same_lines(void **unused)
{
    static const char bytes[] = "one\n\ntwo\0x\nlast";

    (void)unused;
    for (size_t piece = 1; piece <= sizeof(bytes); piece++) {
        CLEANUP_TEXT struct text seen = TEXT_INIT;
        CLEANUP(line_splitter_clear) struct line_splitter l = {.handler = record, .arg = &seen};

        for (size_t at = 0; at < sizeof(bytes) - 1; at += piece)
            line_splitter_feed(&l, bytes + at,
                               piece < sizeof(bytes) - 1 - at ? piece : sizeof(bytes) - 1 - at);
        assert_string_equal(text_str(&seen), "[one][][two?x]");
        line_splitter_end(&l);
        line_splitter_end(&l);
        assert_string_equal(text_str(&seen), "[one][][two?x][last]");
    }
}

static void a_line_without_end_comes_in_pieces(void **unused)
{
    size_t longest = 0;
    CLEANUP(line_splitter_clear) struct line_splitter l = {.handler = measure, .arg = &longest};

    (void)unused;
    line_splitter_feed(&l, "x", 1); /* so that a cut falls between the bytes of an é */
    for (size_t i = 0; i < 3 * LINE_SPLITTER_MAX; i++)
        line_splitter_feed(&l, "é€é€", 10);
    line_splitter_end(&l);
    assert_in_range(longest, LINE_SPLITTER_MAX - 10, LINE_SPLITTER_MAX);
}

static void one_large_piece_is_cut_too(void **unused)
{
    CLEANUP_TEXT struct text many = TEXT_INIT;
    size_t longest = 0;
    CLEANUP(line_splitter_clear) struct line_splitter l = {.handler = measure, .arg = &longest};

    (void)unused;
    for (size_t i = 0; i < LINE_SPLITTER_MAX; i++)
        text_adds(&many, "a€");
    line_splitter_feed(&l, many.data, many.size);
    line_splitter_end(&l);
    assert_in_range(longest, LINE_SPLITTER_MAX - 3, LINE_SPLITTER_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_pieces_give_the_same_lines),
        cmocka_unit_test(a_line_without_end_comes_in_pieces),
        cmocka_unit_test(one_large_piece_is_cut_too),
    };

    return cmocka_run_group_tests_name("lines", tests, NULL, NULL);
}
