/* pyDCOP's batch format: the jobs of a file, and what is refused with its place. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deployer/base/folder.h"
#include "deployer/batch/expand.h"
#include "deployer/batch/pattern.h"
#include "deployer/batch/plan.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"

static char top[] = "/tmp/test-batch-plan.XXXXXX";

static void put(const char *name, const char *content)
{
    CLEANUP_FREE char *slash = strdup(name);

    if (strrchr(slash, '/')) {
        *strrchr(slash, '/') = '\0';
        assert_int_equal(make_folders(slash, 0700, NULL), 0);
    }
    assert_int_equal(file_write(name, content, strlen(content), 0600, NULL), 0);
}

static void read_plan(const char *content, struct batch_plan *ret)
{
    struct error err = {0};

    put("b.yaml", content);
    if (batch_plan_read("b.yaml", 10, ret, &err) < 0)
        fail_msg("%s", err.text);
}

static void refuse(const char *content, const char *words)
{
    struct batch_plan plan;
    struct error err = {0};
    int r;

    put("b.yaml", content);
    r = batch_plan_read("b.yaml", 10, &plan, &err);
    assert_true(r < 0);
    if (!strstr(err.text, words))
        fail_msg("no '%s' in '%s'", words, err.text);
    batch_plan_clear(&plan);
}

#define SETS "sets:\n  s1:\n    path: p/*.yaml\n"
#define BATCH "batches:\n  b1:\n    command: solve\n    command_options:\n"

/* Sets, files, iterations, batches, combinations: in this order. */
static void test_order(void **state)
{
    struct batch_plan plan;
    char line[128];
    static const char *const expected[] = {
        "one 0 dsa A 10", "one 0 dsa B 10", "one 0 mgm A 10", "one 0 mgm B 10",
        "one 1 dsa A 11", "one 1 dsa B 11", "one 1 mgm A 11", "one 1 mgm B 11",
        "two 0 dsa A 10", "two 0 dsa B 10", "two 0 mgm A 10", "two 0 mgm B 10",
        "two 1 dsa A 11", "two 1 dsa B 11", "two 1 mgm A 11", "two 1 mgm B 11",
    };

    (void)state;
    read_plan(SETS "    iterations: 2\nglobal_options:\n  timeout: 7\nparallel: 2\n" BATCH
                   "      algo: [dsa, mgm]\n      algo_params:\n        variant: [A, B]\n"
                   "      mode: thread\n",
              &plan);
    assert_int_equal(plan.count, 16);
    for (size_t i = 0; i < plan.count; i++) {
        const struct batch_job *j = &plan.jobs[i];

        (void)snprintf(line, sizeof(line), "%s %u %s %s %ld", j->problem, j->iteration,
                       j->algorithm, j->values.items[1], j->seed);
        assert_string_equal(line, expected[i]);
        assert_int_equal(j->time_limit_ms, 7000);
        assert_int_equal(j->parameters.count, 1);
        assert_int_equal(strncmp(j->parameters.items[0], "variant:", 8), 0);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(j->key, plan.jobs[k].key);
    }
    assert_int_equal(plan.columns.count, 2);
    assert_string_equal(plan.columns.items[1], "algo_params.variant");
    assert_int_equal(plan.notes.count, 2); /* parallel, mode */
    batch_plan_clear(&plan);
}

/* A repeat finds its jobs again; a problem that has changed is another job. */
static void test_keys(void **state)
{
    struct batch_plan one, two;

    (void)state;
    read_plan(SETS BATCH "      algo: dsa\n", &one);
    put("p/two.yaml", "changed\n");
    read_plan(SETS BATCH "      algo: dsa\n", &two);
    assert_string_equal(one.jobs[0].name, two.jobs[0].name);
    assert_string_not_equal(one.jobs[1].name, two.jobs[1].name);
    batch_plan_clear(&two);
    put("p/two.yaml", "2\n");
    assert_int_equal(batch_plan_read("b.yaml", 11, &two, NULL), 0);
    assert_string_not_equal(one.jobs[0].name, two.jobs[0].name); /* another seed */
    batch_plan_clear(&one);
    batch_plan_clear(&two);
}

static void test_expressions(void **state)
{
    struct batch_plan plan;

    (void)state;
    read_plan("sets:\n  s:\n    path_re: d/set_(?P<set_n>\\d+)/\n"
              "    file_re: c_(?P<n>.+)\\.yaml\n    extras_files: ['c_{n}.agts']\n"
              "    env: {x: y}\n" BATCH "      algo: '{x}{n}{set_n}{iteration}{set}{batch}'\n",
              &plan);
    assert_int_equal(plan.count, 2);
    assert_string_equal(plan.jobs[0].algorithm, "y110sb1");
    assert_string_equal(plan.jobs[1].algorithm, "y220sb1");
    assert_int_equal(plan.jobs[0].files.count, 2);
    assert_string_equal(plan.jobs[0].files.items[0], "d/set_1/c_1.yaml");
    assert_string_equal(plan.jobs[0].files.items[1], "d/set_1/c_1.agts");
    assert_int_equal(plan.notes.count, 1);
    assert_non_null(strstr(plan.notes.items[0], "c_3.yaml is left out: there is no"));
    batch_plan_clear(&plan);
}

static void test_generate(void **state)
{
    struct batch_plan plan;

    (void)state;
    read_plan("sets:\n  s:\n    iterations: 2\nbatches:\n  g:\n"
              "    command: generate graph_coloring\n    current_dir: out/{variables_count}\n"
              "    command_options:\n      variables_count: [3, 4]\n      soft: ''\n"
              "    global_options:\n      output: g_{iteration}.yaml\n",
              &plan);
    assert_int_equal(plan.count, 4);
    assert_int_equal(plan.jobs[3].command, BATCH_GENERATE);
    assert_string_equal(plan.jobs[3].output, "out/4/g_1.yaml");
    assert_int_equal(plan.jobs[3].arguments.count, 4);
    assert_string_equal(plan.jobs[3].arguments.items[0], "graph_coloring");
    assert_string_equal(plan.jobs[3].arguments.items[1], "--variables_count");
    assert_string_equal(plan.jobs[3].arguments.items[2], "4");
    assert_string_equal(plan.jobs[3].arguments.items[3], "--soft");
    batch_plan_clear(&plan);
}

static void test_refused(void **state)
{
    (void)state;
    refuse("", "b.yaml");
    refuse("[1]", "b.yaml:1:1: a batch file must be a map");
    refuse("sets: {}\n", "b.yaml:1:1: there is no 'batches'");
    refuse("sets: {}\nbatches: {}\n", "'sets' is empty");
    refuse(SETS "set: 1\n" BATCH, "b.yaml:4:1: a batch file has no 'set'");
    refuse("sets:\n  s: {pathh: x}\n" BATCH, "b.yaml:2:7: a set has no 'pathh'");
    refuse("sets:\n  s: {path: [x]}\n" BATCH, "b.yaml:2:13: 'path' must have one value");
    refuse("sets:\n  s: {path: x, iterations: 0}\n" BATCH "      algo: x\n",
           "b.yaml:2:28: 'iterations'");
    refuse(
        "sets:\n  s: {path: nowhere/*}\n" BATCH "      algo: x\n",
        "b.yaml:2:13: no file matches; a relative path begins in the folder where dcop-deploy is "
        "run");
    refuse("sets:\n  s: {path: p, file_re: '(?P<n>.+?)'}\n" BATCH "      algo: x\n",
           "b.yaml:2:25: a lazy or possessive repetition");
    refuse("sets:\n  s: {iterations: 2}\n" BATCH "      algo: x\n",
           "b.yaml:2:6: the set 's' has no 'path'");
    refuse(SETS "batches:\n  b:\n    command: distribute\n",
           "b.yaml:6:14: the command 'distribute' is not supported");
    refuse(SETS "batches:\n  b:\n    command: generate ising\n", "generates some");
    refuse(SETS BATCH "      algoo: dsa\n", "b.yaml:8:7: the option 'algoo' of solve");
    refuse(SETS BATCH "      algo: {a: dsa}\n", "b.yaml:8:7: 'algo' must have values");
    refuse(SETS BATCH "      algo: [dsa, dsa]\n", "b.yaml:8:19: 'algo' has the value dsa twice");
    refuse(SETS BATCH "      algo: []\n", "'algo' must have 1 to");
    refuse(SETS BATCH "      algo:\n", "'algo' must have one value");
    refuse(SETS BATCH "      algo: '{nothing}'\n",
           "b.yaml:8:13: there is no variable {nothing}; there are set, file_path");
    refuse(SETS BATCH "      algo: '{set'\n", "b.yaml:8:13: a { without its }");
    refuse(SETS BATCH "      mode: [thread, process]\n", "'mode' changes nothing on machines");
    refuse(SETS BATCH "      seed: -1\n", "b.yaml:8:13: 'seed'");
    refuse(SETS "global_options: {timeout: x}\n" BATCH "      algo: x\n", "b.yaml:4:27: 'timeout'");
    refuse(SETS "global_options: {timeot: 1}\n" BATCH, "b.yaml:4:18: the global option 'timeot'");
    refuse(SETS BATCH "      algo: x\n      algo: y\n", "b.yaml:9:7");
    refuse("sets:\n  s: {iterations: 2}\nbatches:\n  b:\n    command: generate ising\n"
           "    global_options: {output: x.yaml}\n",
           "b.yaml: several jobs would write x.yaml");
    refuse("sets:\n  s: {path: p/*.yaml, iterations: 20000}\n" BATCH "      algo: x\n",
           "more than 20000 jobs");
}

/* A short file must not take all memory or time. */
static void test_bounds(void **state)
{
    CLEANUP_TEXT struct text file = TEXT_INIT;
    char path[64];

    (void)state;
    text_adds(&file, "sets:\n  s:\n    path: p/*.yaml\n    env: {x: ");
    for (size_t i = 0; i < 1000; i++)
        text_addc(&file, 'x');
    text_adds(&file, "}\n" BATCH "      algo: '");
    for (size_t i = 0; i < 70; i++)
        text_adds(&file, "{x}");
    text_adds(&file, "'\n");
    refuse(text_str(&file), "b.yaml:9:13: with its variables this is longer than 65536 bytes");

    /* 320 names, seen 320 times each. */
    assert_int_equal(mkdir("many", 0700), 0);
    for (int i = 0; i < 320; i++) {
        (void)snprintf(path, sizeof(path), "many/%d", i);
        assert_int_equal(symlink(".", path), 0);
    }
    refuse("sets:\n  s: {path: many/*/*}\n" BATCH "      algo: x\n",
           "b.yaml:2:13: more than 100000 names");
    refuse("sets:\n  s: {path_re: many/.*, file_re: x}\n" BATCH "      algo: x\n",
           "b.yaml:2:16: more than 100000 names");
}

/* --- its parts ------------------------------------------------------------------------ */

static void check_pattern(const char *python, const char *name, const char *group)
{
    struct strings names = {0}, texts = {0};
    struct pattern p;
    struct error err = {0};
    bool matches;

    if (pattern_compile(python, &p, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(pattern_match(&p, name, &matches, &names, &texts), 0);
    assert_int_equal(matches, group != NULL);
    if (group && *group)
        assert_string_equal(texts.items[0], group);
    strings_clear(&names);
    strings_clear(&texts);
    pattern_clear(&p);
}

static void test_patterns(void **state)
{
    static const char *const refused[] = {
        "a(?=b)", "(?P=n)",   "a*?",     "a++",
        "\\bx",   "[\\]]",    "(a)\\1",  "(",
        "[a-",    "(?P<1>x)", "a\\",     "((a{1,200}){1,200}){1,200}",
        "a{256}", "a{,300}",  "a{9}{9}", "((((((((a)+)+)+)+)+)+)+)+"};
    struct pattern p;

    (void)state;
    check_pattern("c_(?P<n>.+)_d\\.yaml", "c_a_b_d.yaml", "a_b");
    check_pattern("c.*yaml", "c.yaml.bak", NULL); /* the whole name */
    check_pattern("(?:x|y)(?P<n>[\\w-]+)\\d{2}", "y-a12", "-a");
    check_pattern("[^.]\\s\\S", "a b", "");
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
        if (pattern_compile(refused[i], &p, NULL) == 0)
            fail_msg("'%s' is accepted", refused[i]);
}

static void test_words(void **state)
{
    struct expand_context c = {0};
    struct text text = TEXT_INIT;

    (void)state;
    assert_int_equal(expand_context_set(&c, "a", "1"), 0);
    assert_int_equal(expand_context_set(&c, "m.x", "2"), 0);
    assert_int_equal(expand_context_set(&c, "a", "3"), 0);
    assert_int_equal(expand_words("{a}-{m[x]}{{}}", &c, &text, NULL), 0);
    assert_string_equal(text_str(&text), "3-2{}");
    assert_int_equal(expand_words("{a:03}", &c, &text, NULL), -EINVAL);
    assert_int_equal(expand_words("{a.b}", &c, &text, NULL), -EINVAL);
    assert_int_equal(expand_words("}", &c, &text, NULL), -EINVAL);
    assert_int_equal(expand_words("{", &c, &text, NULL), -EINVAL);
    assert_int_equal(expand_words("{}", &c, &text, NULL), -EINVAL);
    expand_context_cut(&c, 1);
    text_reset(&text);
    assert_int_equal(expand_words("{a}", &c, &text, NULL), 0);
    assert_string_equal(text_str(&text), "1");
    expand_context_clear(&c);
    text_clear(&text);
}

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(top) || chdir(top) < 0)
        return -1;
    put("p/one.yaml", "1\n");
    put("p/two.yaml", "2\n");
    put("p/sub.yaml/x", "");
    put("d/set_1/c_1.yaml", "");
    put("d/set_1/c_1.agts", "");
    put("d/set_1/c_3.yaml", "");
    put("d/set_2/c_2.yaml", "");
    put("d/set_2/c_2.agts", "");
    put("d/set_x/c_2.yaml", "");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)!chdir("/");
    folder_remove(top);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),       cmocka_unit_test(test_keys),
        cmocka_unit_test(test_expressions), cmocka_unit_test(test_generate),
        cmocka_unit_test(test_refused),     cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_words),       cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
