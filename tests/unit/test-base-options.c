/* The options table: what is accepted, what is refused, and its help. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "deployer/options/options.h"
#include "deployer/verbs/main.h"
#include "discovery/base/file.h"
#include "discovery/base/options.h"
#include "discovery/cli/discover.h"

struct given {
    bool quick;
    const char *name, *mode;
    struct strings files;
    unsigned wait_ms;
};

OPTION_FLAG(struct given, quick)
OPTION_STRING(struct given, name)
OPTION_STRING(struct given, mode)
OPTION_LIST(struct given, files)
OPTION_SECONDS(struct given, wait_ms)

static int stop(void *into, const char *value, struct error *err)
{
    (void)into, (void)value, (void)err;
    return 7;
}

static const struct option_row rows[] = {
    {'q', "quick", OPTION_NONE, NULL, "do not wait", set_quick},
    {0, "", OPTION_NONE, NULL, "More:", NULL},
    {'n', "name", OPTION_REQUIRED, "NAME", "what it is called", set_name},
    {'m', "mode", OPTION_OPTIONAL, "MODE", "how;\nor not", set_mode},
    {0, "file", OPTION_REQUIRED, "FILE", "again and again", set_files},
    {'w', "wait", OPTION_REQUIRED, "S", "before it starts", set_wait_ms},
    {0, "a-name-so-long-that-no-help-fits", OPTION_NONE, NULL, "stops", stop},
    {0, "hidden", OPTION_NONE, NULL, NULL, set_quick},
    {0, NULL, OPTION_NONE, NULL, NULL, NULL},
};

enum { ARGUMENTS_MAX = 16 };

/* Splits at blanks; the words stay until the next call. */
static int parse(const char *line, struct given *ret, char **ret_rest, struct error *err)
{
    static char words[256];
    static char *argv[ARGUMENTS_MAX + 1];
    int argc = 0, first = 0, r;
    char *save = NULL;

    (void)snprintf(words, sizeof(words), "%s", line);
    for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    argv[argc] = NULL;
    strings_clear(&ret->files);
    *ret = (struct given){0};
    *err = (struct error){0};
    r = options_parse(rows, argc, argv, ret, &first, err);
    for (int i = 0; ret_rest && r == 0 && first + i <= argc; i++)
        ret_rest[i] = argv[first + i];
    return r;
}

static void test_given(void **state)
{
    struct given g = {0};
    char *rest[ARGUMENTS_MAX + 1];
    struct error err;

    (void)state;
    assert_int_equal(parse("p -q --name=x --file a --file=b -w0.5", &g, rest, &err), 0);
    assert_true(g.quick);
    assert_string_equal(g.name, "x");
    assert_int_equal(g.files.count, 2);
    assert_string_equal(g.files.items[1], "b");
    assert_int_equal(g.wait_ms, 500);
    assert_null(rest[0]);
    assert_int_equal(parse("p --mode", &g, rest, &err), 0);
    assert_null(g.mode);
    assert_int_equal(parse("p --mode=fast -n y", &g, rest, &err), 0);
    assert_string_equal(g.mode, "fast");
    assert_int_equal(parse("p --na z --hidden", &g, rest, &err), 0); /* short for --name */
    assert_string_equal(g.name, "z");
    assert_int_equal(parse("p", &g, rest, &err), 0);
    assert_null(rest[0]);
    strings_clear(&g.files);
}

static void test_operands(void **state)
{
    struct given g = {0};
    char *rest[ARGUMENTS_MAX + 1];
    struct error err;

    (void)state;
    assert_int_equal(parse("p one -q two --name x - -- -n --file", &g, rest, &err), 0);
    assert_true(g.quick);
    assert_string_equal(g.name, "x");
    assert_int_equal(g.files.count, 0);
    assert_string_equal(rest[0], "one");
    assert_string_equal(rest[1], "two");
    assert_string_equal(rest[2], "-");
    assert_string_equal(rest[3], "-n");
    assert_string_equal(rest[4], "--file");
    assert_null(rest[5]);
}

static void test_refused(void **state)
{
    static const struct {
        const char *line, *words;
    } wrong[] = {
        {"p --nonsense", "unknown or ambiguous option '--nonsense'; see --help"},
        {"p -x", "unknown option '-x'; see --help"},
        {"p -qx", "unknown option '-x'; see --help"},
        {"p one --name", "option '--name' needs an argument; see --help"},
        {"p -n", "option '-n' needs an argument; see --help"},
        {"p --quick=yes", "option '--quick=yes' takes no argument; see --help"},
        {"p --wait soon", "--wait: 'soon' is not a number of seconds"},
        {"p -w -1", "--wait: '-1' is not a number of seconds"},
        {"p -w nan", "--wait: 'nan' is not a number of seconds"},
        {"p -w 1e99", "--wait: '1e99' is not a number of seconds"},
        {"p -w 0", "--wait: '0' is too short: give seconds, at least 0.001"},
        {"p --wait -0", "--wait: '-0' is too short: give seconds, at least 0.001"},
        {"p --wait 1e-9", "--wait: '1e-9' is too short: give seconds, at least 0.001"},
    };
    struct given g = {0};
    struct error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_int_equal(parse(wrong[i].line, &g, NULL, &err), -EINVAL);
        assert_string_equal(err.text, wrong[i].words);
    }
    assert_int_equal(parse("p --a-name-so-long-that-no-help-fits --nonsense", &g, NULL, &err), 7);
    strings_clear(&g.files);
}

static void test_numbers(void **state)
{
    static const char *const wrong[] = {"", "x", "1x", "0", "11", "99999999999999999999", "1.5"};
    struct error err;
    long n = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(parse_number(wrong[i], 1, 10, &n, &err), -EINVAL);
    assert_string_equal(err.text, "'1.5' is not a whole number from 1 to 10");
    assert_int_equal(parse_number("10", 1, 10, &n, &err), 0);
    assert_int_equal(n, 10);
}

static void test_help(void **state)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;

    (void)state;
    options_help(rows, &t);
    assert_string_equal(text_str(&t), "  -q, --quick                 do not wait\n"
                                      "\nMore:\n"
                                      "  -n, --name NAME             what it is called\n"
                                      "  -m, --mode[=MODE]           how;\n"
                                      "                              or not\n"
                                      "      --file FILE             again and again\n"
                                      "  -w, --wait S                before it starts\n"
                                      "      --a-name-so-long-that-no-help-fits\n"
                                      "                              stops\n");
}

/* What a program's main prints to standard output. */
static void capture(int (*program)(int, char **), char **argv, struct text *ret)
{
    char path[] = "/tmp/dcop-test-base-options.XXXXXX";
    CLEANUP_CLOSE int fd = mkstemp(path);
    CLEANUP_CLOSE int before = dup(STDOUT_FILENO);
    struct error err;
    int argc = 0, r;

    while (argv[argc])
        argc++;
    assert_true(fd >= 0 && before >= 0);
    (void)fflush(stdout);
    assert_true(dup2(fd, STDOUT_FILENO) >= 0);
    r = program(argc, argv);
    (void)fflush(stdout);
    assert_true(dup2(before, STDOUT_FILENO) >= 0);
    assert_int_equal(r, 0);
    assert_int_equal(file_read(path, 1 << 16, ret, &err), 0);
    assert_int_equal(unlink(path), 0);
}

/* Machines, results and passwords: the first of two is not dropped without a word. */
static void test_given_twice(void **state)
{
    static const char *const lines[][2] = {
        {"p -i a.yaml -i b.yaml", "--inventory: 'a.yaml' was given already, and 'b.yaml' now"},
        {"p -i a.yaml status -i b.yaml", "--inventory: 'a.yaml' was given already"},
        {"p --from a.json --from -", "--from: 'a.json' was given already, and '-' now"},
        {"p --password-file a --password-file b", "--password-file: 'a' was given already"},
        {"p -s a -s b", "--pydcop: 'a' was given already"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        CLEANUP(deploy_options_clear) struct deploy_options o = {0};
        struct error err = {0};
        char words[128], *argv[ARGUMENTS_MAX], *save = NULL;
        int argc = 0, r;

        (void)snprintf(words, sizeof(words), "%s", lines[i][0]);
        for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
            argv[argc++] = w;
        argv[argc] = NULL;
        r = deploy_options_parse(argc, argv, &o, &err);
        if (r == 0)
            r = deploy_options_parse_verb(&o, NULL, &err);
        assert_int_equal(r, -EINVAL);
        assert_non_null(strstr(err.text, lines[i][1]));
    }
}

static void test_programs(void **state)
{
    int (*const programs[])(int, char **) = {discover_main, deploy_main};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
        char *help[] = {(char *)"p", (char *)"--help", NULL};
        char *version[] = {(char *)"p", (char *)"-V", NULL};
        CLEANUP_TEXT struct text t = TEXT_INIT;
        char *save = NULL;

        assert_int_equal(programs[i](3, (char *[]){(char *)"p", (char *)"-t", (char *)"0", NULL}),
                         2);
        capture(programs[i], help, &t);
        assert_non_null(strstr(text_str(&t), "usage: "));
        assert_non_null(strstr(text_str(&t), "  -h, --help "));
        for (char *line = strtok_r(t.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
            if (text_width(line) > 80)
                fail_msg("more than 80 columns: %s", line);
        text_reset(&t);
        capture(programs[i], version, &t);
        assert_non_null(strstr(text_str(&t), " " DCOP_VERSION "\n"));
    }
}

static void test_deploy(void **state)
{
    static const struct {
        const char *option, *value;
    } wrong[] = {
        {"--forks", "0"},      {"--forks", "many"},        {"--fleet", "A Fleet"},
        {"--user", "-oProxy"}, {"--orchestrator", "host"}, {"--orchestrator", "1.2.3.4:0"},
        {"--user", "1000"},    {"--timeout", "0"},         {"--discovery-timeout", "0"},
        {"--timeout", "-1"},   {"--orchestrator", "::1"},  {"--orchestrator", "1.2.3.4:x"},
        {"--healthy", "0"},    {"--healthy", "3601"},
    };
    struct deploy_options o;
    struct error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        char *argv[] = {(char *)"p", (char *)wrong[i].option, (char *)wrong[i].value, NULL};

        assert_int_equal(deploy_options_parse(3, argv, &o, &err), -EINVAL);
        assert_memory_equal(err.text, wrong[i].option, strlen(wrong[i].option));
        deploy_options_clear(&o);
    }
    {
        char *argv[] = {(char *)"p", (char *)"--user", (char *)"Admin.User", NULL};

        assert_int_equal(deploy_options_parse(3, argv, &o, &err), 0);
        assert_string_equal(o.user, "Admin.User");
        deploy_options_clear(&o);
    }
    {
        char *argv[] = {(char *)"p",  (char *)"-p", (char *)"a", (char *)"trust",
                        (char *)"id", (char *)"-p", (char *)"b", NULL};

        assert_int_equal(deploy_options_parse(7, argv, &o, &err), 0);
        assert_string_equal(o.verb, "trust");
        assert_int_equal(deploy_options_parse_verb(&o, NULL, &err), 0);
        assert_int_equal(o.n_arguments, 1);
        assert_string_equal(o.arguments[0], "id");
        assert_int_equal(o.problems.count, 2);
        deploy_options_clear(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given),   cmocka_unit_test(test_operands),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_help),    cmocka_unit_test(test_programs),
        cmocka_unit_test(test_deploy),  cmocka_unit_test(test_given_twice),
    };

    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
