/* --limit: what patterns select, and what is said of bad ones. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "deployer/target/limit.h"
#include "discovery/base/file.h"

#define LIST(...)                                                                                  \
    {                                                                                              \
        .items = (char **)(const char *[]){__VA_ARGS__},                                           \
        .count = sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)                            \
    }

static const struct strings agents_1 = LIST("a1", "a2"), agents_2 = LIST("b1"), agents_3 = {0},
                            agents_4 = LIST("x,y", "!z", "é", "a b", "@f", "a\\b");
static const struct strings labels_1 = LIST("192.0.2.1", "fe80::1%eth0");

static void classroom(struct limit_item items[static 4])
{
    items[0] = (struct limit_item){
        .id = "0123456789abcdef", .host = "rpi-1.local", .agents = &agents_1, .labels = &labels_1};
    items[1] = (struct limit_item){.host = "rpi-2.local", .agents = &agents_2};
    items[2] = (struct limit_item){.id = "fedcba9876543210", .host = "spare", .agents = &agents_3};
    items[3] = (struct limit_item){.agents = &agents_4};
}

static int select_list(const struct strings *limits, struct text *ret, struct error *err)
{
    CLEANUP(limit_clear) struct limit s = LIMIT_INIT;
    struct limit_item items[4];
    int r = limit_parse(limits, &s, err);

    classroom(items);
    if (r == 0)
        r = limit_apply(&s, items, 4, err);
    for (size_t i = 0; r == 0 && i < 4; i++) {
        if (!items[i].selected)
            continue;
        text_addf(ret, "%s%zu", ret->size ? " " : "", i + 1);
        for (size_t j = 0; j < items[i].agents->count; j++)
            if (items[i].agents_in[j])
                text_addf(ret, ":%s", items[i].agents->items[j]);
    }
    limit_items_clear(items, 4);
    return r;
}

#define check(expected, ...)                                                                       \
    do {                                                                                           \
        const struct strings limits_ = LIST(__VA_ARGS__);                                          \
        CLEANUP_TEXT struct text found_ = TEXT_INIT;                                               \
        struct error err_ = {0};                                                                   \
        if (select_list(&limits_, &found_, &err_) < 0)                                             \
            fail_msg("%s", err_.text);                                                             \
        assert_string_equal(text_str(&found_), expected);                                          \
    } while (0)

#define check_error(expected, ...)                                                                 \
    do {                                                                                           \
        const struct strings limits_ = LIST(__VA_ARGS__);                                          \
        CLEANUP_TEXT struct text found_ = TEXT_INIT;                                               \
        struct error err_ = {0};                                                                   \
        assert_int_equal(select_list(&limits_, &found_, &err_), -EINVAL);                          \
        assert_string_equal(err_.text, expected);                                                  \
        assert_int_equal(err_.code, -EINVAL);                                                      \
    } while (0)

#define EVERYTHING "1:a1:a2 2:b1 3 4:x,y:!z:é:a b:@f:a\\b"

static void no_limit_is_everything(void **state)
{
    CLEANUP_TEXT struct text found = TEXT_INIT;

    (void)state;
    assert_int_equal(select_list(&(struct strings){0}, &found, NULL), 0);
    assert_string_equal(text_str(&found), EVERYTHING);
    check(EVERYTHING, "all");
    check(EVERYTHING, "*");
    check(EVERYTHING, "*,a1");
}

static void names_and_globs_select(void **state)
{
    (void)state;
    check("1:a1", "a1");
    check("1:a1:a2", "a1,a2");
    check("1:a1:a2 2:b1", "a?", "b1");
    check("1:a2", "a[2-9]");
    check("1:a2", "a[!1]");
    check("1:a1:a2", "rpi-1");
    check("1:a1:a2", "rpi-1.local");
    check("1:a1:a2 2:b1", "rpi-*");
    check("1:a1:a2 2:b1", "*.local");
    check("1:a1:a2", "0123*");
    check("1:a1:a2", "192.0.2.1");
    check("1:a1:a2", "fe80::1%eth0");
    check("3", "spare");
    check("3", "spare.local");
    check("1:a1:a2 2:b1", "rpi-*,!spare.local");
    check("1:a1 2:b1", " a1 , b1,, ");
    check("4:é", "é");
}

static void negation_takes_away_whatever_the_order(void **state)
{
    (void)state;
    check("1:a1 2:b1 3 4:x,y:!z:é:a b:@f:a\\b", "!a2");
    check("1:a1", "!a2,a*,!a b,!a\\\\b");
    check("1:a1", "!a2", "rpi-1");
    check("1:a1", "rpi-1", "!a2");
    check("1:a1:a2", "rpi-*", "! rpi-2");
    check("2:b1", "rpi-*,!rpi-1,a1"); /* a negated machine wins over its agent */
    check("1:a1:a2 2:b1", "rpi-*,!spare");
    check("2:b1", "rpi-*,!a1,!a2"); /* none of its agents is left */
}

static void a_backslash_makes_a_name(void **state)
{
    (void)state;
    check("4:x,y", "x\\,y");
    check("4:!z", "\\!z");
    check("1:a1:a2 2:b1 3 4:x,y:é:a b:@f:a\\b", "!\\!z");
    check("4:a b", "a b");
    check("4:@f", "\\@f");
    check("4:a\\b", "a\\\\b");
    check("4:a\\b", "a\\b");
    check_error(
        "--limit: no agent or machine matches \"a\\*\" (did you mean a\\b?); there are a1, a2, "
        "b1, spare, x,y, !z, é, a b, @f, a\\b",
        "a\\*");
}

static void bad_patterns_are_named(void **state)
{
    (void)state;
    check_error("--limit: the value contains no pattern; \"all\" selects everything", "");
    check_error("--limit: the value contains no pattern; \"all\" selects everything", "a1", " , ");
    check_error("--limit: \"!\" has no pattern after it", "a1,!");
    check_error("--limit: \"!a\" has two \"!\"; write a name that begins with one as \\!…", "!!a");
    check_error("--limit: \"&a\" begins with \"&\", and intersections are not supported; write a "
                "name that begins with it as \\&…",
                "all,&a");
    check_error("--limit: \"~a.*\" begins with \"~\", and regular expressions are not supported; "
                "write a name that begins with it as \\~…",
                "~a.*");
    check_error("--limit: \"a\\\" ends with a backslash; write a literal backslash as \\\\", "a\\");
    check_error("--limit: \"\\xff\" is not UTF-8", "\xff");
    check_error("--limit: \"@\" without a file name after it", "@");
    check_error("--limit: nothing is selected: \"!\" excludes all that the other patterns select",
                "a1,!rpi-1");
    check_error("--limit: nothing is selected: \"!\" excludes all that the other patterns select",
                "!all");
}

#define THERE_ARE "; there are a1, a2, b1, spare, x,y, !z, é, a b, @f, a\\b"

static void what_matches_nothing_lists_what_there_is(void **state)
{
    (void)state;
    check_error("--limit: no agent or machine matches \"c9\"" THERE_ARE, "a1,c9");
    check_error("--limit: no agent or machine matches \"A1\" (did you mean a1?)" THERE_ARE, "A1");
    check_error("--limit: no agent or machine matches \"rpi-1.locla\" (did you mean "
                "rpi-1.local?)" THERE_ARE,
                "rpi-1.locla");
    check_error("--limit: no agent or machine matches \"spade\" (did you mean spare?)" THERE_ARE,
                "!spade");
    check_error("--limit: no agent or machine matches \"\\x1b[2J\"" THERE_ARE, "\x1b[2J");
}

static void the_list_is_bounded(void **state)
{
    char names[24][8], *pointers[24];
    struct strings many = {.items = pointers, .count = 24}, limits = LIST("zz");
    struct limit_item item = {.host = "h", .agents = &many};
    CLEANUP(limit_clear) struct limit s = LIMIT_INIT;
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < 24; i++) {
        snprintf(names[i], sizeof(names[i]), "n%zu", i);
        pointers[i] = names[i];
    }
    assert_int_equal(limit_parse(&limits, &s, &err), 0);
    assert_int_equal(limit_apply(&s, &item, 1, &err), -EINVAL);
    assert_string_equal(err.text,
                        "--limit: no agent or machine matches \"zz\"; there are n0, n1, n2, "
                        "n3, n4, n5, n6, n7, n8, n9, n10, n11 … and 12 more");
    assert_null(item.agents_in);
    assert_int_equal(limit_apply(&s, NULL, 0, &err), -EINVAL);
    assert_string_equal(err.text,
                        "--limit: no agent or machine matches \"zz\": none was found at all");
}

static char path[] = "/tmp/test-limit-XXXXXX";

static void put(const char *content, size_t size)
{
    assert_int_equal(file_write(path, content, size, 0600, NULL), 0);
}

static int make_file(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void check_file(const char *content, const char *option, const char *expected)
{
    CLEANUP_TEXT struct text found = TEXT_INIT, limit = TEXT_INIT, wanted = TEXT_INIT;
    struct strings limits;
    struct error err = {0};
    int r;

    put(content, strlen(content));
    text_addf(&limit, option, path);
    limits = (struct strings){.items = (char *[]){limit.data}, .count = 1};
    r = select_list(&limits, &found, &err);
    if (*expected != ':') {
        assert_string_equal(err.text, "");
        assert_string_equal(text_str(&found), expected);
        return;
    }
    text_addf(&wanted, "%s%s", path, expected);
    assert_int_equal(r, -EINVAL);
    assert_string_equal(err.text, text_str(&wanted));
}

static void files_hold_one_pattern_a_line(void **state)
{
    CLEANUP_TEXT struct text big = TEXT_INIT, limit = TEXT_INIT;
    struct strings limits;
    struct error err = {0};

    (void)state;
    check_file("# comment\na1\r\n\n  b1 # why\nx,y", "@%s", "1:a1 2:b1 4:x,y");
    check_file("!a1\nrpi-1\n", "@%s", "1:a2");
    check_file("a1\n\\!z\n", "!@%s", "1:a2 2:b1 3 4:x,y:é:a b:@f:a\\b");
    check_file("a1\n", "b1,@%s", "1:a1 2:b1");
    check_file("a1\n\nc9\n", "@%s", ":3: no agent or machine matches \"c9\"" THERE_ARE);
    check_file(
        "a1\n@x\n", "@%s",
        ":2: \"@x\" names a file inside a file; write a name that begins with \"@\" as \\@…");
    check_file("!a1\n", "!@%s", ":1: \"!a1\" is in a file that \"!\" already excludes");
    check_file("~x\n", "@%s",
               ":1: \"~x\" begins with \"~\", and regular expressions are not supported; write a "
               "name that begins with it as \\~…");

    text_addf(&limit, "@%s", path);
    limits = (struct strings){.items = (char *[]){limit.data}, .count = 1};
    put("# nothing\n", 10);
    assert_int_equal(select_list(&limits, &big, &err), -EINVAL);
    assert_non_null(strstr(err.text, "--limit: there is no pattern in @/tmp/test-limit-"));
    put("a\0b\n", 4);
    assert_int_equal(select_list(&limits, &big, &err), -EINVAL);
    assert_non_null(strstr(err.text, ":1: a NUL character: this is not a text file"));
    for (size_t i = 0; i <= LIMIT_PATTERNS_MAX; i++)
        text_adds(&big, "a1\n");
    put(big.data, big.size);
    assert_int_equal(select_list(&limits, &big, &err), -EINVAL);
    assert_string_equal(err.text, "--limit: more than 10000 patterns");
    text_reset(&big);
    for (size_t i = 0; i <= LIMIT_FILE_MAX; i++)
        text_addc(&big, '#');
    put(big.data, big.size);
    assert_int_equal(select_list(&limits, &big, &err), -EFBIG);
}

static void a_missing_file_is_named(void **state)
{
    const struct strings limits = LIST("@/nonexistent/x");
    struct error err = {0};

    (void)state;
    assert_int_equal(select_list(&limits, NULL, &err), -ENOENT);
    assert_non_null(strstr(err.text, "/nonexistent/x"));
}

static void all_but_names_can_select_more(void **state)
{
    static const struct {
        const char *value;
        bool open;
    } cases[] = {
        {"a1", false}, {"a1,rpi-2", false}, {"a1,!a*", false}, {"a\\*", false}, {"\\all", false},
        {"all", true}, {"*", true},         {"a1,b?", true},   {"a[12]", true}, {"!a1", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *value = (char *)(uintptr_t)cases[i].value;
        const struct strings limits = {&value, 1};
        CLEANUP(limit_clear) struct limit s = LIMIT_INIT;

        assert_int_equal(limit_parse(&limits, &s, NULL), 0);
        assert_int_equal(limit_is_open(&s), cases[i].open);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_limit_is_everything),
        cmocka_unit_test(names_and_globs_select),
        cmocka_unit_test(negation_takes_away_whatever_the_order),
        cmocka_unit_test(a_backslash_makes_a_name),
        cmocka_unit_test(bad_patterns_are_named),
        cmocka_unit_test(what_matches_nothing_lists_what_there_is),
        cmocka_unit_test(the_list_is_bounded),
        cmocka_unit_test_setup_teardown(files_hold_one_pattern_a_line, make_file, remove_file),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(all_but_names_can_select_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
