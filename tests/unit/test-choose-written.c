/* -i with -p: the rule of the match, as for machines that are discovered. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "deployer/base/folder.h"
#include "deployer/cli/choose.h"
#include "discovery/base/file.h"

static char folder[64], problem[96], inventory[96];

static int setup(void **state)
{
    static const char dcop[] = "name: t\nobjective: min\ndomains: {d: {values: [1, 2]}}\n"
                               "variables: {v1: {domain: d}}\nconstraints: {}\nagents: [a1, a2]\n";

    (void)state;
    strcpy(folder, "/tmp/dcop-test-choose.XXXXXX");
    if (!mkdtemp(folder) || setenv("HOME", folder, 1) < 0) /* no ~/.ssh of whoever tests */
        return -1;
    (void)snprintf(problem, sizeof(problem), "%s/problem.yaml", folder);
    (void)snprintf(inventory, sizeof(inventory), "%s/hosts.yaml", folder);
    return file_write(problem, dcop, strlen(dcop), 0600, NULL);
}

static int teardown(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

/* The hosts as "ADDRESS AGENT…", in a line each; without one what choose_by_inventory
 * returned. */
static const char *choose(const char *hosts, bool partial, const char *limit)
{
    static char chosen[512];
    struct program p = {
        .paths = {.state = folder},
        .options = {.inventory = inventory, .partial = partial, .quiet = true, .timeout_ms = 1000}};
    struct error err = {0};
    CLEANUP_TEXT struct text t = TEXT_INIT;
    int r;

    text_addf(&t, "all: {hosts: {%s}}\n", hosts);
    assert_int_equal(file_write(inventory, text_str(&t), t.size, 0600, &err), 0);
    assert_int_equal(strings_add(&p.options.problems, problem), 0);
    if (limit)
        assert_int_equal(strings_add(&p.options.limits, limit), 0);
    r = choose_by_inventory(&p, &err);
    text_reset(&t);
    for (size_t i = 0; r == 0 && i < p.targets.count; i++) {
        CLEANUP_FREE char *agents = strings_join(&p.targets.items[i].agents, " ");

        text_addf(&t, "%s %s\n", p.targets.items[i].host, agents);
    }
    (void)snprintf(chosen, sizeof(chosen), "%s", text_str(&t));
    if (r != 0)
        (void)snprintf(chosen, sizeof(chosen), "%d", r);
    targets_clear(&p.targets);
    problem_clear(&p.problem);
    strings_clear(&p.options.problems);
    strings_clear(&p.options.limits);
    cache_choice_clear(&p.options.caches);
    strings_clear(&p.usual_known_hosts);
    return chosen;
}

#define A1 "h1: {ansible_host: 192.0.2.1, agt_name: a1}"
#define A1_TOO "h2: {ansible_host: 192.0.2.2, agt_name: a1}"
#define A2 "h3: {ansible_host: 192.0.2.3, agt_name: a2}"
#define B1 "h4: {ansible_host: 192.0.2.4, agt_name: b1}"
#define A2_AND_B2 "h5: {ansible_host: 192.0.2.5, agt_name: b2 a2}"

static void test_matches(void **state)
{
    (void)state;
    assert_string_equal(choose(A1 "," A2, false, NULL), "192.0.2.1 a1\n192.0.2.3 a2\n");
    assert_string_equal(choose(A1, false, NULL), "1");
    assert_string_equal(choose(A1, true, NULL), "192.0.2.1 a1\n");
}

/* One agent on two hosts: neither of them is acted on. */
static void test_duplicate(void **state)
{
    (void)state;
    assert_string_equal(choose(A1 "," A1_TOO "," A2, false, NULL), "1");
    assert_string_equal(choose(A1 "," A1_TOO "," A2, true, NULL), "192.0.2.3 a2\n");
    assert_string_equal(choose(A1 "," A1_TOO "," A2, false, "a1"), "1");
    assert_string_equal(choose(A1 "," A1_TOO "," A2, false, "a2"), "192.0.2.3 a2\n");
}

/* Hosts that are not the problem's do not make the answer no, and are never targets. */
static void test_not_of_the_problem(void **state)
{
    (void)state;
    assert_string_equal(choose(A1 "," A2 "," B1, false, NULL), "192.0.2.1 a1\n192.0.2.3 a2\n");
    assert_string_equal(choose(A1 "," B1, true, NULL), "192.0.2.1 a1\n");
    assert_string_equal(choose(A1 "," A2_AND_B2, false, NULL), "192.0.2.1 a1\n192.0.2.5 a2\n");
    assert_string_equal(choose(B1, true, NULL), "1");
}

static void write_ssh(const char *name, const char *text)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/.ssh/%s", folder, name);
    assert_int_equal(file_write(path, text, strlen(text), 0600, NULL), 0);
}

/* What concerns one host, or a file that nobody has named here, does not stop the others. */
static void test_ssh_settings(void **state)
{
    char path[128];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/.ssh/known_hosts", folder);
    assert_int_equal(make_folders(path, 0700, NULL), 0); /* a folder cannot be read */
    write_ssh("known_hosts2", "192.0.2.1 no-key\n");
    assert_string_equal(choose(A1 "," A2, false, NULL), "192.0.2.1 a1\n192.0.2.3 a2\n");
    write_ssh("config", "Match host 192.0.2.1 exec \"sleep 30\"\n  User x\n");
    assert_string_equal(choose(A1 "," A2, false, NULL), "192.0.2.1 a1\n192.0.2.3 a2\n");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_matches),
        TEST(test_duplicate),
        TEST(test_not_of_the_problem),
        TEST(test_ssh_settings),
    };

    return cmocka_run_group_tests_name("choose-written", tests, NULL, NULL);
}
