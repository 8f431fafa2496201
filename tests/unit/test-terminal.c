#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "discovery/base/terminal.h"

/* What terminal_end returns, negated, in a process that has written to `fd` as its standard
 * output, before and at the end. */
static int close_after_writing(int fd)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        CLEANUP_TEXT struct text t = TEXT_INIT;
        struct error err = {0};

        (void)signal(SIGPIPE, SIG_IGN);
        (void)dup2(fd, STDOUT_FILENO);
        text_adds(&t, "a line\n");
        terminal_put(stdout, &t);
        printf("and what stays in the buffer");
        _exit(-terminal_end(stdout, &err));
    }
    assert_true(waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_full_device_is_an_error(void **state)
{
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    assert_int_not_equal(close_after_writing(fd), 0);
    close(fd);
}

static void a_reader_that_has_gone_is_none(void **state)
{
    int fds[2], null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    (void)state;
    assert_int_equal(pipe(fds), 0);
    close(fds[0]);
    assert_int_equal(close_after_writing(fds[1]), 0);
    assert_int_equal(close_after_writing(null), 0);
    close(fds[1]);
    close(null);
}

static void escapes_are_for_terminals_that_take_them(void **state)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), fds[2];

    (void)state;
    assert_true(master >= 0 && isatty(master));
    assert_int_equal(pipe(fds), 0);
    (void)unsetenv("NO_COLOR");
    assert_int_equal(setenv("TERM", "xterm", 1), 0);
    assert_true(terminal_takes_escapes(master) && terminal_wants_color(master));
    assert_false(terminal_takes_escapes(fds[1]));
    assert_int_equal(setenv("NO_COLOR", "1", 1), 0);
    assert_true(terminal_takes_escapes(master) && !terminal_wants_color(master));
    (void)unsetenv("NO_COLOR");
    assert_int_equal(setenv("TERM", "dumb", 1), 0);
    assert_false(terminal_takes_escapes(master) || terminal_wants_color(master));
    (void)unsetenv("TERM");
    assert_false(terminal_takes_escapes(master) || terminal_wants_color(master));
    close(fds[0]);
    close(fds[1]);
    close(master);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_device_is_an_error),
        cmocka_unit_test(a_reader_that_has_gone_is_none),
        cmocka_unit_test(escapes_are_for_terminals_that_take_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
