/* A session through a process that fails, hangs, is not there, or sends what is not SSH.  One
 * that works: tests/net/ssh-config. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above first */
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "deployer/ssh/relay.h"
#include "deployer/ssh/session.h"
#include "discovery/base/clock.h"

static int refuse(const char *fingerprint, const struct address *peer, bool *ret_password,
                  void *arg, struct error *err)
{
    (void)fingerprint, (void)peer, (void)ret_password, (void)arg;
    return error_set(err, -EKEYREJECTED, "no key can have been seen");
}

/* What session_open says of a relay that is this shell command. */
static int open_through(const char *program, const char *command, unsigned timeout_ms, int stop,
                        struct error *err)
{
    char *argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t) "-c",
                    (char *)(uintptr_t)command};
    const struct strings relay = {.items = argv, .count = 3};
    const struct session_options options = {.relay = &relay,
                                            .port = 22,
                                            .user = "pi",
                                            .timeout_ms = timeout_ms,
                                            .stop = {.stop = stop, .cancel = -1},
                                            .check = refuse};
    struct session *s = NULL;
    int r = session_open(&options, &s, err);

    assert_null(s);
    return r;
}

static void its_words_are_told(void **unused)
{
    struct error err = {0};

    (void)unused;
    assert_int_equal(open_through("/bin/sh", "printf 'Permission \\033[2Jdenied\\n' >&2; exit 255",
                                  5000, -1, &err),
                     -EHOSTUNREACH);
    assert_non_null(strstr(err.text, "Permission \\x1b[2Jdenied"));
    assert_null(strstr(err.text, "ssh-agent"));
    (void)open_through("/bin/sh", "echo 'ada@gw: Permission denied (publickey).' >&2", 5000, -1,
                       &err);
    assert_non_null(strstr(err.text, "ssh-agent"));
    assert_int_equal(open_through("/bin/sh", "exit 0", 5000, -1, &err), -EHOSTUNREACH);
    assert_non_null(strstr(err.text, "has ended"));
}

/* An ssh that a relay starts, for a jump host before the last one, is not in batch mode. */
static void it_cannot_ask_by_a_window(void **unused)
{
    struct error err = {0};

    (void)unused;
    setenv("DISPLAY", ":9", 1);
    setenv("WAYLAND_DISPLAY", "wayland-0", 1);
    setenv("SSH_ASKPASS", "/bin/true", 1);
    setenv("SSH_ASKPASS_REQUIRE", "force", 1);
    setenv("DISPLAYS", "stay", 1);
    (void)open_through("/bin/sh", "echo got $(env | grep -E 'DISPLAY|SSH_ASKPASS' | sort) end >&2",
                       5000, -1, &err);
    assert_non_null(strstr(err.text, "got DISPLAYS=stay SSH_ASKPASS_REQUIRE=never end"));
}

static void one_that_is_missing(void **unused)
{
    struct error err = {0};

    (void)unused;
    assert_int_equal(open_through("no-such-ssh", "", 5000, -1, &err), -ENOENT);
    assert_non_null(strstr(err.text, "openssh-client"));
}

/* It is ended with all that it has started. */
static void one_that_hangs(void **unused)
{
    struct error err = {0};
    char file[] = "/tmp/dcop-test-relay.XXXXXX", command[128];
    int fd = mkstemp(file);
    FILE *pids;
    long pid;

    (void)unused;
    assert_true(fd >= 0);
    (void)snprintf(command, sizeof(command), "sleep 1000 & echo $! $$ >%s; wait", file);
    assert_int_equal(open_through("/bin/sh", command, 3000, -1, &err), -ETIMEDOUT);
    assert_non_null(strstr(err.text, "gives no answer"));
    pids = fdopen(fd, "r");
    assert_non_null(pids);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fscanf(pids, "%ld", &pid), 1);
        /* The shell is reaped; its child may be a zombie until somebody does that. */
        for (int64_t end = clock_ms(CLOCK_MONOTONIC) + 5000; kill((pid_t)pid, 0) == 0;) {
            char path[64], state = 0;
            FILE *stat;

            (void)snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
            stat = fopen(path, "r");
            if (stat && fscanf(stat, "%*d %*s %c", &state) != 1)
                state = 0;
            if (stat)
                fclose(stat);
            if (!stat || state == 'Z')
                break;
            assert_true(clock_ms(CLOCK_MONOTONIC) < end);
        }
    }
    fclose(pids);
    unlink(file);
}

static void one_that_never_ends_its_output(void **unused)
{
    struct error err = {0};
    int64_t began = clock_ms(CLOCK_MONOTONIC);

    (void)unused;
    assert_true(open_through("/bin/sh", "while :; do echo SSH-9-junk; done", 2000, -1, &err) < 0);
    assert_true(open_through("/bin/sh", "cat /dev/zero >&2", 500, -1, &err) < 0);
    assert_true(clock_ms(CLOCK_MONOTONIC) - began < 15000);
}

static void an_interrupted_one(void **unused)
{
    struct error err = {0};
    int stop[2];

    (void)unused;
    assert_int_equal(pipe(stop), 0);
    assert_int_equal(write(stop[1], "x", 1), 1);
    assert_int_equal(open_through("/bin/sh", "sleep 1000", 20000, stop[0], &err), -ECANCELED);
    close(stop[0]);
    close(stop[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_words_are_told),
        cmocka_unit_test(it_cannot_ask_by_a_window),
        cmocka_unit_test(one_that_is_missing),
        cmocka_unit_test(one_that_hangs),
        cmocka_unit_test(one_that_never_ends_its_output),
        cmocka_unit_test(an_interrupted_one),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* as the programs do */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
