/* The reader of problem files: its results and its errors. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "discovery/base/file.h"
#include "discovery/problem/problem.h"

static void check(const char *text, const char *agents, size_t variables)
{
    CLEANUP_PROBLEM struct problem p = PROBLEM_INIT;
    CLEANUP_TEXT struct text found = TEXT_INIT;
    struct error err = {0};

    if (problem_parse("f", text, strlen(text), &p, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < p.agents.count; i++)
        text_addf(&found, "%s%s", i ? "|" : "", p.agents.items[i]);
    assert_string_equal(text_str(&found), agents);
    assert_int_equal(p.variables, variables);
}

static void check_error(const char *text, const char *expected)
{
    CLEANUP_PROBLEM struct problem p = PROBLEM_INIT;
    struct error err = {0};

    assert_int_equal(problem_parse("f", text, strlen(text), &p, &err), -EBADMSG);
    assert_string_equal(err.text, expected);
}

static void agents_are_found(void **state)
{
    (void)state;
    check("agents: [a1, a2]\nvariables: {v1: {}, v2: {}}\n", "a1|a2", 2);
    check("agents:\n- a1\n- 'on'\n- !!str 1\n", "a1|on|1", 0);
    check("agents:\n  a1: {capacity: 1}\n  a 2:\nexternal_variables: {e: 1}\n", "a1|a 2", 0);
    check("agents: {1e5: x, y: x, Zoë: z}\n", "1e5|y|Zoë", 0);
    check("agents: !!set {a1, a2}\n", "a1|a2", 0);
    check("agents: !!python/list [a1]\nvariables: !!python/dict {v: 1}\n", "a1", 1);
    check("agents: &self {a1: *self}\n", "a1", 0);
    check("a: &n a1\nagents: {*n : 1}\nvariables: {1: a, '1': b}\n", "a1", 2);
}

static void merges_are_pyyamls(void **state)
{
    (void)state;
    check("b: &b {a1: 1, a2: 2}\nagents: {a3: 1, <<: *b, a1: 9}\n", "a1|a2|a3", 0);
    check("b: &b {a1: 1}\nc: &c {a2: 2}\nagents: {<<: [*b, *c]}\n", "a2|a1", 0);
    check("b: &b {a1: 1}\nagents: *b\n", "a1", 0);
    check("t: &t {agents: {x: 1}, variables: {v: 1}}\n<<: *t\nagents: [y]\n", "y", 1);
    check("t: &t {agents: [p]}\nu: &u {agents: [q]}\n<<: [*t, *u]\n", "p", 0);
    check("t: &t {agents: [p]}\nu: &u {agents: [q]}\n<<: *t\n<<: *u\n", "q", 0);
    check("b: &b {a1: 1}\nagents: {\"<<\": *b}\n", "<<", 0);
    check("l: &l [{a1: 1}, {a2: 1}]\nagents: {<<: *l}\n", "a2|a1", 0);
}

static void doubles_are_refused(void **state)
{
    (void)state;
    check_error("agents: [a]\nagents: [b]\n", "f:2:1: \"agents\" is given twice at the top level, "
                                              "first at f:1:1; pyDCOP would drop the first");
    check_error("agents: {a1: 1,\n  a1: 2}\n",
                "f:2:3: \"a1\" is given twice among the agents, first "
                "at f:1:10; pyDCOP would drop the first");
    check_error("agents: [a1, a1]\n", "f:1:14: \"a1\" is given twice among the agents, first at "
                                      "f:1:10; pyDCOP would drop the first");
    check_error("agents: [a]\nvariables: {1: a, 1.0: b}\n",
                "f:2:19: \"1.0\" is given twice among the variables, first at f:2:13; pyDCOP would "
                "drop the first");
    check_error(
        "b: &b {a1: 1}\nagents: {<<: *b, a1: 1, a1: 2}\n",
        "f:2:25: \"a1\" is given twice among the agents, first at f:2:18; pyDCOP would drop "
        "the first");
}

static void names_that_are_no_strings_are_refused(void **state)
{
    (void)state;
    check_error("agents:\n  1: {}\n",
                "f:2:3: the agent's name 1 is a number in YAML; quote it: \"1\"");
    check_error("agents: [a, on]\n",
                "f:1:13: the agent's name on is a truth value in YAML; quote it: \"on\"");
    check_error("agents: {~: 1}\n", "f:1:10: the agent's name ~ is null in YAML; quote it: \"~\"");
    check_error("agents: [12:30]\n",
                "f:1:10: the agent's name 12:30 is a number in YAML; quote it: \"12:30\"");
    check_error("agents:\n- 2024-01-01\n",
                "f:2:3: the agent's name 2024-01-01 is a date in YAML; quote it: \"2024-01-01\"");
    check_error("agents: {=: 1}\n", "f:1:10: the agent's name = is the default-value key in YAML; "
                                    "quote it: \"=\"");
    check_error("agents:\n  -\n", "f:2:4: an agent has no name");
    check_error("agents: ['']\n", "f:1:10: an agent has no name");
    check_error("agents: [\"a\\nb\"]\n",
                "f:1:10: the agent's name \"a\\x0ab\" cannot be advertised: it contains a newline");
}

static void bad_content_is_named(void **state)
{
    (void)state;
    check_error("", "f:1:1: the file is empty");
    check_error("a: 1\n", "f:1:1: the problem has no `agents`");
    check_error("agents: 5\n", "f:1:9: `agents` must be a map or a list of names");
    check_error("agents:\n", "f:1:8: `agents` must be a map or a list of names");
    check_error("agents: {}\n", "f:1:9: `agents` is empty");
    check_error("- a\n", "f:1:1: a problem must be a map, with `agents:` as one of its keys");
    check_error("agents: [[a]]\n", "f:1:10: a list or map cannot be a name among the agents");
    check_error("agents: &a [*a]\n", "f:1:13: a list or map cannot be a name among the agents");
    check_error("agents: &a {<<: *a}\n", "f:1:17: *a is merged into itself");
    check_error("agents: [a]\nvariables: [v]\n", "f:2:12: `variables` must be a map");
    check_error("agents: !!omap [a: 1]\n", "f:1:9: `agents` must be a map or a list of names");
    check_error("agents: [a]\nvariables: !!set {v}\n", "f:2:12: `variables` must be a map");
    check_error("x: *y\n", "f:1:4: no anchor &y is defined before this *y");
    check_error("x: &y 1\nz: &y 2\n", "f:2:4: the anchor &y is given twice, first at f:1:4");
    check_error("[a]: 1\n", "f:1:1: a list or map cannot be a key");
    check_error("a: {<<: 5}\n", "f:1:9: \"<<\" can merge a map or a list of maps, nothing else");
    check_error("--- !!set\n? a\nagents: [a]\n",
                "f:1:5: a problem must be a map, and its tag makes "
                "it a set; remove the tag");
    check_error("a: !x 1\n", "f:1:4: !x 1 has a tag that is not supported; remove the tag");
    check_error("a: !<x> {}\n",
                "f:1:4: this map (!<x>) has a tag that is not supported; remove the tag");
    check_error("a: !!seq\n",
                "f:1:4: !!seq without a value has a tag that is not supported; remove "
                "the tag");
    check_error("a: !!int\n", "f:1:4: !!int without a value does not fit its tag; correct it or "
                              "remove the tag");
    check_error("a: 2024-02-30\n", "f:1:4: 2024-02-30 is not a valid date; quote it if it is text");
    check_error("a: =\n", "f:1:4: = has a special meaning in YAML here; quote it");
}

/* Each level lists the one below nine times: 9^60 if it were expanded. */
static void alias_bombs_are_harmless(void **state)
{
    CLEANUP_TEXT struct text bomb = TEXT_INIT;

    (void)state;
    text_adds(&bomb, "m0: &m0 {a1: 1}\n");
    for (int i = 1; i <= 60; i++) {
        text_addf(&bomb, "m%d: &m%d {<<: [", i, i);
        for (int j = 0; j < 9; j++)
            text_addf(&bomb, "*m%d, ", i - 1);
        text_adds(&bomb, "]}\n");
    }
    text_adds(&bomb, "agents: {<<: *m60}\n");
    check(text_str(&bomb), "a1", 0);
    text_reset(&bomb);
    text_adds(&bomb, "m0: &m0 {a1: 1}\n");
    for (int i = 1; i <= 100; i++)
        text_addf(&bomb, "m%d: &m%d {<<: *m%d}\n", i, i, i - 1);
    check_error(text_str(&bomb), "f:66:16: more than 64 nested merges");
}

static int read_two(const char *first, const char *second, struct error *err)
{
    CLEANUP_PROBLEM struct problem p = PROBLEM_INIT;
    char one[] = "one.yaml", two[] = "two.yaml";
    char *paths[] = {one, two};
    struct strings files = {.items = paths, .count = 2};

    assert_int_equal(file_write(paths[0], first, strlen(first), 0600, NULL), 0);
    assert_int_equal(file_write(paths[1], second, strlen(second), 0600, NULL), 0);
    return problem_read_part(&files, &p, err);
}

/* A yes to a problem that pyDCOP then refuses is no answer. */
static void what_pydcop_refuses_is_refused(void **state)
{
    static const struct {
        const char *text, *words;
    } files[] = {
        {"objective: min\nagents: [a]\n",
         "p.yaml:1:1: the problem has no `name`, without which pyDCOP refuses it"},
        {"name: t\nagents: [a]\n",
         "p.yaml:1:1: the problem has no `objective`: pyDCOP wants min or max"},
        {"name: t\nobjective: least\nagents: [a]\n", "p.yaml:2:12: `objective` must be min or max"},
        {"name: t\nobjective: [min]\nagents: [a]\n", "p.yaml:2:12: `objective` must be min or max"},
        {"name: t\nobjective: max\nagents: [a]\n", NULL},
        {"name:\n<<: {objective: min}\nagents: [a]\n", NULL},
    };
    char name[] = "p.yaml", *path = name;
    struct strings list = {.items = &path, .count = 1};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        CLEANUP_PROBLEM struct problem p = PROBLEM_INIT;
        struct error err = {0};

        assert_int_equal(file_write(name, files[i].text, strlen(files[i].text), 0600, NULL), 0);
        assert_int_equal(problem_read(&list, &p, &err), files[i].words ? -EBADMSG : 0);
        assert_string_equal(err.text, files[i].words ? files[i].words : "");
    }
    assert_int_equal(unlink(name), 0);
}

static void several_files_are_joined(void **state)
{
    struct error err = {0};

    (void)state;
    assert_int_equal(read_two("agents:\n  a1: 1\n", "  a2: 2\nvariables: {v: 1}\n", &err), 0);
    assert_int_equal(read_two("agents:\n  a1: 1\n", "\n  1: 2\n", &err), -EBADMSG);
    assert_string_equal(err.text,
                        "two.yaml:2:3: the agent's name 1 is a number in YAML; quote it: \"1\"");
    assert_int_equal(read_two("agents: [a]\nx: 1", "y: 2\n", &err), -EBADMSG);
    assert_string_equal(err.text, "two.yaml:1:2: unexpected \": \": is the line above "
                                  "complete, and is it indented right? (one.yaml does not end with "
                                  "a newline, so its last line continues here)");
    assert_int_equal(read_two("agents: [a]\n", "---\nx: 1\n", &err), -EBADMSG);
    assert_string_equal(err.text,
                        "two.yaml:1:1: a second document begins here; only one is allowed");
    /* A line goes on in the next file, a directive's, too. */
    assert_int_equal(read_two("%FOO", " x\n--- {agents: [a]}\n", &err), 0);
    assert_int_equal(read_two("a: |", "# b\n", &err), -EBADMSG);
    assert_string_equal(err.text, "two.yaml:1:1: a space is needed before \"#\" (one.yaml does not "
                                  "end with a newline, so its last line continues here)");
    assert_int_equal(read_two("agents: [a]\n", "\xff\xfex", &err), -EBADMSG);
    assert_string_equal(err.text, "two.yaml:1:1: this file is in UTF-16; save it as UTF-8");
    /* pyDCOP reads the mark as a letter of the key. */
    assert_int_equal(read_two("x: 1\n",
                              "\xef\xbb\xbf"
                              "agents: [a]\n",
                              &err),
                     -EBADMSG);
    assert_string_equal(err.text, "one.yaml:1:1: the problem has no `agents` (the byte "
                                  "order mark at the start of two.yaml hides its first key)");
}

static void unreadable_files_are_named(void **state)
{
    CLEANUP_PROBLEM struct problem p = PROBLEM_INIT;
    char missing[] = "no/such.yaml", folder[] = ".";
    char *path = missing;
    struct strings files = {.items = &path, .count = 1};
    struct error err = {0};

    (void)state;
    assert_int_equal(problem_read(&files, &p, &err), -ENOENT);
    assert_string_equal(err.text, "cannot open no/such.yaml: No such file or directory");
    path = folder;
    assert_int_equal(problem_read(&files, &p, &err), -EISDIR);
    assert_string_equal(err.text, "cannot read .: Is a directory");
}

static int go_to_folder(void **state)
{
    static char folder[] = "/tmp/test-problem.XXXXXX";

    *state = mkdtemp(folder);
    return *state ? chdir(folder) : -1;
}

static int leave_folder(void **state)
{
    (void)unlink("one.yaml");
    (void)unlink("two.yaml");
    return chdir("/") < 0 || rmdir(*state) < 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agents_are_found),
        cmocka_unit_test(merges_are_pyyamls),
        cmocka_unit_test(doubles_are_refused),
        cmocka_unit_test(names_that_are_no_strings_are_refused),
        cmocka_unit_test(bad_content_is_named),
        cmocka_unit_test(alias_bombs_are_harmless),
        cmocka_unit_test(several_files_are_joined),
        cmocka_unit_test(what_pydcop_refuses_is_refused),
        cmocka_unit_test(unreadable_files_are_named),
    };

    return cmocka_run_group_tests(tests, go_to_folder, leave_folder);
}
