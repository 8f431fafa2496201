#include "discovery/base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CLEANUP_RESULT CLEANUP(process_result_clear)

static int shell(const char *script, struct process_options o, struct process_result *ret,
                 struct error *err)
{
    const char *argv[] = {"sh", "-c", script, NULL};

    o.argv = argv;
    if (o.cancel_fd == 0)
        o.cancel_fd = -1;
    return process_run(&o, ret, err);
}

static void test_streams_and_status(void **state)
{
    CLEANUP_RESULT struct process_result ret = {0};

    (void)state;
    assert_int_equal(shell("echo out; echo err >&2; read x || echo eof; exit 3",
                           (struct process_options){0}, &ret, NULL),
                     0);
    assert_int_equal(ret.status, 3);
    assert_string_equal(text_str(&ret.output), "out\neof\n");
    assert_string_equal(text_str(&ret.errors), "err\n");
    assert_int_equal(shell("kill -9 $$", (struct process_options){0}, &ret, NULL), 0);
    assert_int_equal(ret.status, PROCESS_SIGNALLED + SIGKILL);
}

static void test_cannot_start(void **state)
{
    CLEANUP_RESULT struct process_result ret = {0};
    struct error err = {0};
    const char *argv[] = {"dcop-no-such-program", NULL};
    struct process_options o = {.argv = argv, .cancel_fd = -1};

    (void)state;
    assert_int_equal(process_run(&o, &ret, &err), -ENOENT);
    assert_non_null(strstr(err.text, "dcop-no-such-program"));
    assert_int_equal(shell("true", (struct process_options){.folder = "/nowhere"}, &ret, &err),
                     -ENOENT);
}

static void test_environment_and_folder(void **state)
{
    CLEANUP_RESULT struct process_result ret = {0};
    const char *env[] = {"DCOP_A=1 2", "HOME", NULL};
    struct process_options o = {.env = env, .folder = "/usr"};

    (void)state;
    assert_int_equal(shell("echo \"$DCOP_A,${HOME-none},$PWD\"", o, &ret, NULL), 0);
    assert_string_equal(text_str(&ret.output), "1 2,none,/usr\n");
}

static void test_timeout_kills_the_group(void **state)
{
    CLEANUP_RESULT struct process_result ret = {0};
    struct error err = {0};
    pid_t child;

    (void)state;
    assert_int_equal(
        shell("sleep 99 & echo $!; wait", (struct process_options){.timeout_ms = 300}, &ret, &err),
        -ETIMEDOUT);
    child = (pid_t)strtol(text_str(&ret.output), NULL, 10);
    assert_true(child > 0);
    for (int i = 0; i < 500 && kill(child, 0) == 0; i++) {
        char path[64], stat[64] = "";
        int fd;

        /* A zombie counts as ended: init has to reap it, not we. */
        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)child);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return;
        (void)!read(fd, stat, sizeof(stat) - 1);
        close(fd);
        if (strstr(stat, ") Z"))
            return;
        usleep(10000);
    }
    assert_int_not_equal(kill(child, 0), 0);
}

static void test_background_child_is_not_waited_for(void **state)
{
    CLEANUP_RESULT struct process_result ret = {0};
    struct process_options o = {.timeout_ms = 20000};

    (void)state;
    assert_int_equal(shell("sleep 99 & setsid sleep 3 & echo done", o, &ret, NULL), 0);
    assert_string_equal(text_str(&ret.output), "done\n");
}

static void test_tail_is_kept(void **state)
{
    CLEANUP_RESULT struct process_result ret = {0};
    struct process_options o = {.output_max = 1000};

    (void)state;
    assert_int_equal(shell("seq 100000; echo END", o, &ret, NULL), 0);
    assert_int_equal(ret.output.size, 1000);
    assert_true(ret.output_cut);
    assert_false(ret.errors_cut);
    assert_string_equal(text_str(&ret.output) + 1000 - 11, "100000\nEND\n");
}

static void test_cancel(void **state)
{
    CLEANUP_RESULT struct process_result ret = {0};
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(shell("sleep 99", (struct process_options){.cancel_fd = fds[0]}, &ret, NULL),
                     -ECANCELED);
    close(fds[0]);
    close(fds[1]);
}

static void test_signals_and_descriptors(void **state)
{
    CLEANUP_RESULT struct process_result ret = {0};
    int leak = open("/dev/null", O_RDONLY); /* without CLOEXEC, on purpose */
    sigset_t usr1;

    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    /* Signals 32 and 33 are the C library's own (nptl(7)), and stay as inherited. */
    assert_int_equal(shell("grep -E '^Sig(Blk|Ign)' /proc/self/status | sed "
                           "'s/[01][08]0000000$/000000000/'; ls /proc/$$/fd",
                           (struct process_options){0}, &ret, NULL),
                     0);
    (void)pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    close(leak);
    assert_string_equal(text_str(&ret.output), "SigBlk:\t0000000000000000\n"
                                               "SigIgn:\t0000000000000000\n0\n1\n2\n");
}

static void test_drops_root(void **state)
{
    CLEANUP_RESULT struct process_result ret = {0};
    struct process_options o = {.drop = true, .uid = 65534, .gid = 65534};

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(shell("id -u; id -G", o, &ret, NULL), 0);
    assert_string_equal(text_str(&ret.output), "65534\n65534\n");
}

/* A program's file ends at the limit, and the program can say so. */
static void test_limits(void **state)
{
    CLEANUP_RESULT struct process_result ret = {0};
    struct process_options o = {
        .no_new_privileges = true, .file_max = 65536, .memory_max = 1u << 30, .folder = "/tmp"};

    (void)state;
    assert_int_equal(shell("grep NoNewPrivs /proc/self/status; ulimit -v; "
                           "f=$(mktemp); head -c 100000 /dev/zero 2>&1 >$f | grep -c 'too large'; "
                           "wc -c <$f; rm $f",
                           o, &ret, NULL),
                     0);
    assert_string_equal(text_str(&ret.output), "NoNewPrivs:\t1\n1048576\n1\n65536\n");
}

static int refuse_third(void *arg, struct error *err)
{
    return ++*(int *)arg == 3 ? error_set(err, -EFBIG, "that is enough") : 0;
}

static void test_watch_ends_it(void **state)
{
    CLEANUP_RESULT struct process_result ret = {0};
    int times = 0;
    struct process_options o = {.watch = refuse_third, .watch_arg = &times};
    struct error err = {0};

    (void)state;
    assert_int_equal(shell("sleep 60", o, &ret, &err), -EFBIG);
    assert_string_equal(err.text, "that is enough");
    assert_int_equal(times, 3);
    /* Also when it ends before it is looked at. */
    times = 2;
    assert_int_equal(shell("true", o, &ret, &err), -EFBIG);
}

static void *many(void *arg)
{
    for (int i = 0; i < 20; i++) {
        CLEANUP_RESULT struct process_result ret = {0};

        if (shell("echo x; exit 7", (struct process_options){0}, &ret, NULL) < 0 ||
            ret.status != 7 || strcmp(text_str(&ret.output), "x\n") != 0)
            return arg;
    }
    return NULL;
}

/* One that its caller watches. */
static void test_child(void **state)
{
    const char *argv[] = {"sh", "-c", "echo out; echo err >&2; read x || exit 4", NULL};
    const char *lasting[] = {"sh", "-c", "exec sleep 60", NULL};
    const struct process_options o = {.argv = argv}, last = {.argv = lasting};
    struct process_child child = PROCESS_CHILD_INIT;
    struct error err = {0};
    char bytes[16] = "";
    int status = -1;

    (void)state;
    assert_int_equal(process_start(&o, &child, &err), 0);
    assert_int_equal(process_child_reap(&child, &status), 0);
    assert_int_equal(status, 4);
    assert_int_equal(read(child.output, bytes, sizeof(bytes)), 4);
    assert_memory_equal(bytes, "out\n", 4);
    assert_int_equal(read(child.errors, bytes, sizeof(bytes)), 4);
    process_child_end(&child);
    assert_int_equal(process_start(&last, &child, &err), 0);
    assert_int_equal(read(child.output, bytes, sizeof(bytes)), -1);
    assert_int_equal(errno, EAGAIN);
    process_child_end(&child);
    assert_int_equal(child.pid, 0);
}

static void test_threads(void **state)
{
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, many, threads), 0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        void *failed;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams_and_status),
        cmocka_unit_test(test_cannot_start),
        cmocka_unit_test(test_environment_and_folder),
        cmocka_unit_test(test_timeout_kills_the_group),
        cmocka_unit_test(test_background_child_is_not_waited_for),
        cmocka_unit_test(test_tail_is_kept),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_signals_and_descriptors),
        cmocka_unit_test(test_drops_root),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_watch_ends_it),
        cmocka_unit_test(test_child),
        cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
