/* The orchestrator's process, with another program in its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deployer/base/folder.h"
#include "deployer/base/sandbox.h"
#include "deployer/solve/orchestrator.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/clock.h"
#include "discovery/base/file.h"

struct heard {
    sd_event *loop;
    unsigned events;
    char why[128];
};

static void on_event(const json_t *event, const char *why, void *arg)
{
    struct heard *h = arg;

    h->events++;
    if (event)
        return;
    (void)snprintf(h->why, sizeof(h->why), "%s", why);
    (void)sd_event_exit(h->loop, 0);
}

/* Runs the program to its end, which takes up to `ms`. */
static void check_end(const char *program, unsigned events, const char *why, int64_t ms)
{
    char top[] = "/tmp/test-orchestrator.XXXXXX";
    CLEANUP_FREE char *path = NULL;
    CLEANUP_FREE char *log = NULL;
    struct solve_environment environment = {.folder = top};
    struct orchestrator *o = NULL;
    struct heard heard = {0};
    struct error err = {0};
    json_t *request = json_object();
    int64_t began = clock_ms(CLOCK_MONOTONIC);

    assert_non_null(mkdtemp(top));
    assert_int_equal(chmod(top, 0755), 0);
    path = path_join(top, "pydcop_orchestrator.py");
    log = path_join(top, "log");
    assert_int_equal(file_write(path, program, strlen(program), 0644, &err), 0);
    assert_int_equal(sd_event_new(&heard.loop), 0);
    assert_int_equal(orchestrator_start(&environment, request, log, &o, &err), 0);
    assert_int_equal(orchestrator_listen(o, heard.loop, on_event, &heard, &err), 0);
    assert_int_equal(sd_event_loop(heard.loop), 0);
    assert_string_equal(heard.why, why);
    assert_int_equal(heard.events, events + 1);
    assert_true(clock_ms(CLOCK_MONOTONIC) - began < ms);
    orchestrator_free(o);
    sd_event_unref(heard.loop);
    json_decref(request);
    folder_remove(top);
}

#define TELL "import os, signal\nos.write(1, b'{\"event\": \"alive\"}\\n')\n"

static void test_ends(void **state)
{
    (void)state;
    check_end(TELL "os._exit(3)", 1, "the orchestrator ended with status 3", 60000);
    check_end(TELL "os.kill(os.getpid(), 9)", 1, "the orchestrator was ended by signal 9 (Killed)",
              60000);
    check_end("os.write(1, b'no event\\n')\n", 0, "the orchestrator ended with status 1", 60000);
    check_end("import os\nos.write(1, b'no event\\n')\nwhile True: pass\n", 0,
              "the orchestrator sent what is not an event", 60000);
}

static void test_lives_on_without_output(void **state)
{
    (void)state;
    check_end(TELL "os.close(1)\nsignal.pause()", 1,
              "the orchestrator's process has closed its output, and did not end", 60000);
    check_end(TELL "os.close(0)\nos.close(1)\nsignal.pause()", 1,
              "the orchestrator was ended by signal 9 (Killed)", 60000);
}

/* An agent such as that of SSH, which anybody may ask. */
static int listen_unix(struct sockaddr_un *ret)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    (void)snprintf(ret->sun_path, sizeof(ret->sun_path), "/var/tmp/test-orchestrator.%d", getpid());
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)ret, sizeof(*ret)), 0);
    assert_int_equal(chmod(ret->sun_path, 0666), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

/* What a user's own file, and the network, are for it. */
static void check_sandbox(void)
{
    char secret[] = "/var/tmp/test-orchestrator.XXXXXX";
    CLEANUP_CLOSE int fd = mkstemp(secret);
    struct sockaddr_un agent;
    CLEANUP_CLOSE int listening = listen_unix(&agent);
    char program[1024];

    assert_true(fd >= 0);
    (void)snprintf(program, sizeof(program),
                   "import os, socket, tempfile\n"
                   "socket.create_server(('127.0.0.1', 0)).close()\n"
                   "socket.socket(socket.AF_INET6).close()\n"
                   "socket.socketpair()\n"
                   "socket.getaddrinfo('127.0.0.1', 9000)\n"
                   "tempfile.TemporaryFile(dir='/tmp').close()\n"
                   "for family in (socket.AF_UNIX, socket.AF_VSOCK, socket.AF_ALG):\n"
                   "    try:\n"
                   "        socket.socket(family, socket.SOCK_STREAM).connect('%s')\n"
                   "    except TypeError:\n" /* an address of another kind: it has a socket */
                   "        os._exit(7)\n"
                   "    except OSError:\n"
                   "        continue\n"
                   "    os._exit(6)\n"
                   "try:\n"
                   "    open('%s').close()\n"
                   "except PermissionError:\n"
                   "    os._exit(5)\n"
                   "os._exit(4)\n",
                   agent.sun_path, secret);
    check_end(program, 0, "the orchestrator ended with status 5", 60000);
    assert_int_equal(unlink(agent.sun_path), 0);
    assert_int_equal(unlink(secret), 0);
}

static void test_sandbox(void **state)
{
    const struct sandbox_options options = {.kind = SANDBOX_LANDLOCK, .writes = "/tmp"};
    struct sandbox *sandbox = NULL;
    struct error err = {0};
    pid_t pid;
    int status = -1;

    (void)state;
    if (sandbox_new(&options, &sandbox, &err) < 0)
        skip();
    sandbox_free(sandbox);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) { /* root has another way */
        if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
            _exit(1);
        check_sandbox();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_lives_on_without_output),
        cmocka_unit_test(test_sandbox),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
