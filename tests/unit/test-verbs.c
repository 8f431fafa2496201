/* What the programs say of a saved roster, before any machine is asked. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "deployer/base/folder.h"
#include "discovery/base/file.h"

static char folder[64], roster[96], said_path[96], state_folder[96];

#define MACHINE(id, host, last, agent, online)                                                     \
    "{\"id\": \"" id "\", \"host\": \"" host ".local\", \"addresses\": [\"192.0.2." last "\"], "   \
    "\"port\": 22, \"agents\": [\"" agent "\"], \"beacon\": true, \"online\": " online "}"

static int setup(void **state)
{
    static const char json[] = "{\"version\": 1, \"machines\": [" MACHINE(
        "0000000000000001", "rpi-1", "1", "a1",
        "true") ", " MACHINE("0000000000000002", "rpi-2", "2", "a2",
                             "true") ", " MACHINE("0000000000000003", "rpi-3", "3", "a3",
                                                  "false") "]}";

    (void)state;
    strcpy(folder, "/tmp/dcop-test-verbs.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(roster, sizeof(roster), "%s/roster.json", folder);
    (void)snprintf(said_path, sizeof(said_path), "%s/said", folder);
    (void)snprintf(state_folder, sizeof(state_folder), "%s/state", folder);
    return file_write(roster, json, strlen(json), 0600, NULL);
}

static int teardown(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static struct text said = TEXT_INIT;

/* Runs the program, which stands in the build's folder, with the words of the line; what it
 * writes is in `said`.  Returns how it ended. */
static int run(const char *program, const char *line)
{
    char words[1024], self[512] = "", *argv[32], *save = NULL;
    bool deploys = strcmp(program, "dcop-deploy") == 0;
    int argc = 0, status;
    pid_t pid;

    assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    for (int up = 0; up < 3; up++) /* tests/unit/test-verbs */
        *strrchr(self, '/') = '\0';
    (void)snprintf(words, sizeof(words), "%s/%s --config %s --from %s %s%s %s", self, program,
                   folder, roster, deploys ? "--state-dir " : "", deploys ? state_folder : "",
                   line);
    for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    argv[argc] = NULL;
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int fd = open(said_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

        if (dup2(nothing, 0) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
            _exit(99);
        (void)execv(argv[0], argv);
        _exit(98);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    text_reset(&said);
    assert_int_equal(file_read(said_path, 1 << 16, &said, NULL), 0);
    return WEXITSTATUS(status);
}

static void assert_said(const char *words)
{
    if (!strstr(text_str(&said), words))
        fail_msg("no '%s' in: %s", words, text_str(&said));
}

static void test_limit_of_what_is_off(void **state)
{
    (void)state;
    assert_int_equal(run("dcop-deploy", "-l rpi-3 status"), 1);
    assert_said("Offline: rpi-3 (a3).");
    assert_null(strstr(text_str(&said), "no agent or machine"));
    assert_int_equal(run("dcop-deploy", "-l a1,a3 status"), 1);
    assert_said("Offline: rpi-3 (a3).");
    assert_int_equal(run("dcop-deploy", "-l a9 status"), 2);
    assert_said("no agent or machine matches");
}

static void test_assign_swap_check(void **state)
{
    (void)state;
    assert_int_equal(run("dcop-deploy", "-n assign --swap a1 a2"), 0);
    assert_said("rpi-1: a1 becomes a2\nrpi-2: a2 becomes a1\n");
    assert_int_equal(run("dcop-deploy", "-n assign --release a2"), 0);
    assert_said("rpi-2: a2 is given up\n");
    assert_int_equal(run("dcop-deploy", "-n assign --release a9"), 2);
    assert_said("no machine that is online has the name 'a9'");
}

static void test_inventory_as_json(void **state)
{
    (void)state;
    assert_int_equal(run("dcop-discover", "--inventory --json"), 0);
    assert_int_equal(text_str(&said)[0], '{');
    assert_int_equal(run("dcop-discover", "--inventory=json --json"), 0);
    assert_int_equal(run("dcop-discover", "--list --json"), 0);
    assert_int_equal(text_str(&said)[0], '{');
    assert_int_equal(run("dcop-discover", "--inventory=yaml --json"), 2);
    assert_said("--json cannot be used with an inventory that is not JSON");
}

static void test_all_is_exported(void **state)
{
    static const char *const lines[][2] = {
        {"-p x.yaml export f", "--problem"},
        {"-i hosts export f", "--inventory"},
        {"-l a1 export f", "--limit"},
        {"-s pydcop export f", "--pydcop"},
        {"-f lab export f", "--fleet"},
        {"--user pi import f", "--user"},
        {"import f", "--from"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        char words[100];

        (void)snprintf(words, sizeof(words), "port' does not take %s: it ", lines[i][1]);
        assert_int_equal(run("dcop-deploy", lines[i][0]), 2);
        assert_said(words);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_limit_of_what_is_off),
        TEST(test_assign_swap_check),
        TEST(test_inventory_as_json),
        TEST(test_all_is_exported),
    };
    int failed = cmocka_run_group_tests_name("verbs", tests, NULL, NULL);

    text_clear(&said);
    return failed;
}
