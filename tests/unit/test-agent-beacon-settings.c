/* The machine's settings: parsing a file, its errors, and which source wins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "agent-beacon/settings.h"
#include "discovery/base/file.h"

static struct settings parse(const char *text)
{
    struct settings s = SETTINGS_INIT;

    assert_int_equal(settings_parse(text, strlen(text), "f", false, &s, NULL), 0);
    return s;
}

static void assert_refused(const char *text, size_t size, bool whole, const char *words)
{
    struct settings s = SETTINGS_INIT;
    struct error err = {0};

    assert_int_equal(settings_parse(text, size, "f", whole, &s, &err), -EBADMSG);
    assert_non_null(strstr(err.text, words));
    assert_int_equal(s.agents.count, 0);
}

static void test_plain(void **state)
{
    CLEANUP(settings_clear)
    struct settings s =
        parse("# names\n\nagent a1\n\tagent   a 2 \t\nfleet lab-2\nuser pi\nport 2222");

    (void)state;
    assert_int_equal(s.errors.count, 0);
    assert_int_equal(s.agents.count, 2);
    assert_string_equal(s.agents.items[0], "a1");
    assert_string_equal(s.agents.items[1], "a 2");
    assert_string_equal(s.fleet, "lab-2");
    assert_string_equal(s.user, "pi");
    assert_int_equal(s.port, 2222);
}

static void test_from_any_computer(void **state)
{
    CLEANUP(settings_clear) struct settings s = parse("\xef\xbb\xbf"
                                                      "agent a1\r\nagent a2 \r\n\r\n");

    (void)state;
    assert_int_equal(s.errors.count, 0);
    assert_int_equal(s.agents.count, 2);
    assert_string_equal(s.agents.items[0], "a1");
    assert_string_equal(s.agents.items[1], "a2");
}

static void test_quotes(void **state)
{
    CLEANUP(settings_clear)
    struct settings s = parse("agent \" a \"\nagent \"q\\\"b\\\\\"\nagent it's\nagent x\"y\"\n");

    (void)state;
    assert_int_equal(s.errors.count, 0);
    assert_string_equal(s.agents.items[0], " a ");
    assert_string_equal(s.agents.items[1], "q\"b\\");
    assert_string_equal(s.agents.items[2], "it's");
    assert_string_equal(s.agents.items[3], "x\"y\"");
}

static void test_wrong_values(void **state)
{
    static const struct {
        const char *line, *words;
    } wrong[] = {
        {"agent", "f:2: the value is missing"},
        {"agent \"open", "f:2: the closing quote"},
        {"agent \"a\\", "f:2: only"},
        {"agent \"a\\n\"", "f:2: only"},
        {"agent \"a\" b", "f:2: text follows"},
        {"agent \"\"", "f:2: '' is not an agent name"},
        {"agent good", "given twice"},
        {"fleet A", "f:2: 'A' is not a fleet"},
        {"fleet x", "f:2: 'x' is not a fleet"},
        {"user 0day", "f:2: '0day' is not a user name"},
        {"user root;rm", "is not a user name"},
        {"port 0", "is not a port"},
        {"port 65536", "is not a port"},
        {"port 22x", "is not a port"},
        {"Agent a", "f:2: 'Agent' is not a setting"},
        {"agents a", "is not a setting"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        char text[256];

        (void)snprintf(text, sizeof(text), "agent good\n%s\nagent after\n", wrong[i].line);
        CLEANUP(settings_clear) struct settings s = parse(text);
        assert_int_equal(s.errors.count, 1);
        if (!strstr(s.errors.items[0], wrong[i].words))
            fail_msg("'%s' lacks '%s'", s.errors.items[0], wrong[i].words);
        assert_int_equal(s.agents.count, 2); /* the rest is used */
        assert_null(s.fleet);
        assert_null(s.user);
        assert_int_equal(s.port, 0);
    }
}

static void test_errors_are_one_printable_line(void **state)
{
    CLEANUP(settings_clear) struct settings s = parse("fleet \x1b[31m\nuser \xc2\x9b\n");

    (void)state;
    assert_int_equal(s.errors.count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_null(strpbrk(s.errors.items[i], "\x1b\n\xc2"));
}

static void test_bounds(void **state)
{
    CLEANUP_TEXT struct text text = TEXT_INIT;
    char name[512];

    (void)state;
    memset(name, 'n', sizeof(name));
    text_adds(&text, "agent ");
    text_add(&text, name, 246);
    text_adds(&text, "\nagent ");
    text_add(&text, name, 247);
    text_adds(&text, "\n");
    CLEANUP(settings_clear) struct settings s = parse(text_str(&text));
    assert_int_equal(s.agents.count, 1);
    assert_int_equal(strlen(s.agents.items[0]), 246);
    assert_int_equal(s.errors.count, 1);

    text_reset(&text);
    for (unsigned i = 0; i < 1000; i++)
        text_addf(&text, "agent a%u\nno\n", i);
    CLEANUP(settings_clear) struct settings many = parse(text_str(&text));
    assert_int_equal(many.agents.count, 650);
    assert_int_equal(many.errors.count, SETTINGS_ERRORS_MAX);
}

static void test_not_a_whole_text(void **state)
{
    static char large[SETTINGS_FILE_MAX + 1];

    (void)state;
    memset(large, '\n', sizeof(large));
    assert_refused(large, sizeof(large), false, "larger");
    assert_refused("agent a\nagent b", 15, true, "f:2: the last line does not end with a newline");
    assert_refused("agent \xff\n", 8, false, "f:1: not UTF-8");
    assert_refused("\xff\xfe"
                   "a\0",
                   4, false, "not UTF-8"); /* UTF-16 */
    assert_refused("agent a\nagent b\0c\n", 18, false, "f:2: not UTF-8");
}

static void test_empty(void **state)
{
    CLEANUP(settings_clear) struct settings s = parse("");
    struct settings whole = SETTINGS_INIT;

    (void)state;
    assert_int_equal(s.agents.count + s.errors.count, 0);
    assert_int_equal(settings_parse("", 0, "f", true, &whole, NULL), 0);
}

static void put(const char *path, const char *text)
{
    assert_int_equal(file_write(path, text, strlen(text), 0644, NULL), 0);
}

static void test_file_keeps_what_it_said(void **state)
{
    char folder[] = "/tmp/test-agent-beacon-settings.XXXXXX", path[64];
    struct settings_file f = {.whole = true};

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/beacon.conf", folder);
    f.path = strdup(path);

    assert_int_equal(settings_file_read(&f), 0); /* not there */
    assert_false(f.present);
    assert_null(f.trouble);

    put(path, "agent a1\n");
    assert_int_equal(settings_file_read(&f), 0);
    assert_true(f.present);
    assert_string_equal(f.last.agents.items[0], "a1");

    put(path, "agent a2\nage"); /* half-written */
    assert_int_equal(settings_file_read(&f), 0);
    assert_true(f.present);
    assert_non_null(f.trouble);
    assert_string_equal(f.last.agents.items[0], "a1");

    put(path, ""); /* emptied */
    assert_int_equal(settings_file_read(&f), 0);
    assert_true(f.present);
    assert_null(f.trouble);
    assert_int_equal(f.last.agents.count, 0);

    put(path, "agent a3\n");
    assert_int_equal(settings_file_read(&f), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0755), 0); /* unreadable */
    assert_int_equal(settings_file_read(&f), 0);
    assert_non_null(f.trouble);
    assert_string_equal(f.last.agents.items[0], "a3");

    assert_int_equal(rmdir(path), 0); /* deleted */
    assert_int_equal(settings_file_read(&f), 0);
    assert_false(f.present);
    assert_null(f.trouble);
    assert_int_equal(f.last.agents.count, 0);

    settings_file_clear(&f);
    assert_int_equal(rmdir(folder), 0);
}

/* An editor that writes no last newline is no reason to wait for ever. */
static void test_file_without_a_last_newline(void **state)
{
    char folder[] = "/tmp/test-agent-beacon-settings.XXXXXX", path[64];
    const struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    struct timespec ahead[2] = {{.tv_sec = time(NULL) + 1000}, {.tv_sec = time(NULL) + 1000}};
    struct settings_file f = {.whole = true};

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/beacon.conf", folder);
    f.path = strdup(path);
    put(path, "agent a1\nagent a2");
    assert_int_equal(settings_file_read(&f), 0);
    assert_true(f.unfinished);
    assert_non_null(f.trouble);
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0); /* long ago */
    assert_int_equal(settings_file_read(&f), 0);
    assert_false(f.unfinished);
    assert_null(f.trouble);
    assert_int_equal(f.last.agents.count, 2);

    /* The clock is behind: what counts is how long it was seen like that. */
    put(path, "agent a3");
    assert_int_equal(utimensat(AT_FDCWD, path, ahead, 0), 0);
    assert_int_equal(settings_file_read(&f), 0);
    assert_true(f.unfinished);
    assert_string_equal(f.last.agents.items[0], "a1");
    f.stamp.seen_ms -= SETTINGS_STILL_MS;
    assert_int_equal(settings_file_read(&f), 0);
    assert_false(f.unfinished);
    assert_string_equal(f.last.agents.items[0], "a3");
    settings_file_clear(&f);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void test_order_of_sources(void **state)
{
    struct settings options = SETTINGS_INIT;
    struct settings_file files[2] = {{.present = true}, {.present = true}};
    struct settings all;

    (void)state;
    files[0].last = parse("user admin\nbad\n"); /* it exists, but names no agent */
    files[1].last = parse("agent card\nfleet lab\nuser pi\n");
    assert_int_equal(settings_merge(&options, files, 2, &all), 0);
    assert_int_equal(all.agents.count, 0);
    assert_string_equal(all.fleet, "lab");
    assert_string_equal(all.user, "admin");
    assert_int_equal(all.errors.count, 1);
    settings_clear(&all);

    files[0].present = false;
    assert_int_equal(settings_merge(&options, files, 2, &all), 0);
    assert_string_equal(all.agents.items[0], "card");
    settings_clear(&all);

    assert_int_equal(settings_set(&options, "agent", "given", NULL), 0);
    assert_int_equal(settings_merge(&options, files, 2, &all), 0);
    assert_int_equal(all.agents.count, 1);
    assert_string_equal(all.agents.items[0], "given");
    assert_string_equal(all.user, "pi");
    settings_clear(&all);

    settings_clear(&options);
    settings_file_clear(&files[0]);
    settings_file_clear(&files[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_from_any_computer),
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_wrong_values),
        cmocka_unit_test(test_errors_are_one_printable_line),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_not_a_whole_text),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_file_keeps_what_it_said),
        cmocka_unit_test(test_file_without_a_last_newline),
        cmocka_unit_test(test_order_of_sources),
    };

    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
