#include "deployer/base/sandbox.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"
#include "discovery/base/process.h"
#include "own-folder.h"

static int landlock_most;

static void put(const char *name, const char *text, mode_t mode)
{
    struct error err = {0};

    assert_int_equal(file_write(at(name), text, strlen(text), mode, &err), 0);
    assert_int_equal(chmod(at(name), mode), 0);
}

/* What a script says in such a sandbox, as another user if we are root; -1: it cannot start. */
static int run(enum sandbox_kind kind, const char *script, struct process_result *ret)
{
    CLEANUP_STRINGS struct strings reads = {0}, command = {0};
    struct sandbox_options options = {
        .kind = kind, .reads = &reads, .landlock_most = landlock_most};
    const char *const argv[] = {"sh", "-c", script, NULL};
    CLEANUP_FREE char *work = path_join(folder, "work");
    const char *words[128];
    struct process_options o = {
        .argv = words,
        .folder = work,
        .no_terminal = true,
        .drop = geteuid() == 0,
        .uid = 65534,
        .gid = 65534,
        .confine = sandbox_enter,
        .timeout_ms = 20000,
        .cancel_fd = -1,
    };
    struct sandbox *s = NULL;
    struct error err = {0};
    int r;

    if (mkdir(work, 0777) == 0)
        assert_int_equal(chmod(work, 0777), 0);
    put("secret", "secret\n", 0666);
    put("given", "given\n", 0666);
    options.writes = work;
    assert_int_equal(strings_add(&reads, at("given")), 0);
    assert_int_equal(strings_add(&reads, "/nowhere"), 0);
    if (sandbox_new(&options, &s, &err) < 0)
        return -1;
    assert_int_equal(sandbox_command(s, argv, &command), 0);
    assert_true(command.count < ARRAY_SIZE(words));
    for (size_t i = 0; i < command.count; i++)
        words[i] = command.items[i];
    words[command.count] = NULL;
    o.confine_arg = s;
    r = process_run(&o, ret, &err);
    sandbox_free(s);
    return r < 0 ? -1 : ret->status;
}

static void assert_says(enum sandbox_kind kind, const char *script, const char *expected)
{
    CLEANUP(process_result_clear) struct process_result result = {0};
    int status = run(kind, script, &result);

    if (status != 0 || strcmp(text_str(&result.output), expected) != 0)
        fail_msg("%s: status %d, %s%s", script, status, text_str(&result.output),
                 text_str(&result.errors));
}

/* Not when it is there and does not work: that is a failure. */
static bool exists(enum sandbox_kind kind)
{
    CLEANUP(process_result_clear) struct process_result result = {0};
    const struct sandbox_options options = {.kind = kind, .writes = "/tmp"};
    struct sandbox *s = NULL;
    int r = sandbox_new(&options, &s, NULL);

    sandbox_free(s);
    return r == 0 && (kind != SANDBOX_BUBBLEWRAP || run(kind, "true", &result) == 0);
}

/* A socket of each family, and the pair that programs use inside. */
static const char sockets[] =
    "/usr/bin/python3 -c \"\n"
    "import socket, threading\n"
    "socket.socketpair()\n"
    "thread = threading.Thread(target=print, args=('thread',))\n"
    "thread.start()\n"
    "thread.join()\n"
    "for family, where in ((socket.AF_INET, ('127.0.0.1', 1)), (socket.AF_INET6, ('::1', 1)),\n"
    "                      (socket.AF_UNIX, '/run/dbus/system_bus_socket')):\n"
    "    try: socket.socket(family).connect(where)\n"
    "    except ConnectionRefusedError: print('OPEN')\n"
    "    except OSError: print('closed')\n"
    "    else: print('OPEN')\n"
    "\"";

static void check_files(enum sandbox_kind kind)
{
    char script[512];
    struct stat st;

    assert_says(kind, "cat ../given && echo x >new && cat new && mkdir d && mv new d && rm -r d",
                "given\nx\n");
    assert_says(kind, "cat ../secret ../other 2>/dev/null || echo no", "no\n");
    assert_says(kind, "echo x 2>/dev/null >../secret || echo no", "no\n");
    assert_says(kind, "echo x 2>/dev/null >../given || echo no", "no\n");
    assert_says(kind, "ls /home /etc/ssh 2>/dev/null || echo no", "no\n");
    assert_says(kind, "truncate -s 0 ../secret 2>/dev/null; echo", "\n");
    assert_says(kind, "cat /etc/fstab /etc/hosts 2>/dev/null || echo no", "no\n");
    (void)snprintf(script, sizeof(script),
                   "cat /proc/%d/environ >/dev/null 2>&1 || kill -0 %d 2>/dev/null || echo no",
                   getpid(), getpid());
    assert_says(kind, script, "no\n");
    assert_int_equal(stat(at("secret"), &st), 0);
    assert_int_equal(st.st_size, 7);
}

static void test_landlock(void **state)
{
    (void)state;
    if (!exists(SANDBOX_LANDLOCK))
        skip();
    check_files(SANDBOX_LANDLOCK);
    assert_says(SANDBOX_LANDLOCK, sockets, "thread\nclosed\nclosed\nclosed\n");
}

/* Each way to empty a file that the sandbox may not write; then what programs do inside. */
static const char truncations[] =
    "/usr/bin/python3 -c \"\n"
    "import ctypes, os, struct\n"
    "libc = ctypes.CDLL(None, use_errno=True)\n"
    "openat2 = struct.pack('QQQ', os.O_TRUNC, 0, 0)\n"
    "def call(*words):\n"
    "    if libc.syscall(*words) < 0: raise OSError(ctypes.get_errno(), '')\n"
    "tries = {\n"
    "    'truncate': lambda path: os.truncate(path, 0),\n"
    "    'mode 3': lambda path: os.open(path, 3 | os.O_TRUNC),\n"
    "    'mode 0': lambda path: os.open(path, os.O_RDONLY | os.O_TRUNC),\n"
    "    'mode 1': lambda path: os.open(path, os.O_WRONLY | os.O_TRUNC),\n"
    "    'openat2': lambda path: call(437, -100, path.encode(), openat2, len(openat2)),\n"
    "}\n"
    "if os.uname().machine == 'x86_64':\n"
    "    tries['open'] = lambda path: call(2, path.encode(), 3 | os.O_TRUNC)\n"
    "for what, attempt in tries.items():\n"
    "    for path in ('../given', '../secret'):\n"
    "        try: attempt(path)\n"
    "        except OSError: continue\n"
    "        print(what, path, 'is OPEN')\n"
    "for mode in 'w', 'a', 'r+', 'w', 'r':\n"
    "    with open('new', mode) as file: print(file.tell())\n"
    "\"";

/* As on Linux before 6.2. */
static void test_landlock_without_truncate(void **state)
{
    struct stat st;

    (void)state;
    if (!exists(SANDBOX_LANDLOCK))
        skip();
    for (landlock_most = 1; landlock_most <= 3; landlock_most++) {
        assert_says(SANDBOX_LANDLOCK, truncations, "0\n0\n0\n0\n0\n");
        assert_int_equal(stat(at("secret"), &st), 0);
        assert_int_equal(st.st_size, 7);
    }
    landlock_most = 0;
}

static void test_bubblewrap(void **state)
{
    (void)state;
    if (!exists(SANDBOX_BUBBLEWRAP))
        skip();
    check_files(SANDBOX_BUBBLEWRAP);
}

/* What reaches other processes, with numbers that nobody has: EINVAL where it is not denied. */
static const char others[] =
    "/usr/bin/python3 -c \"\n"
    "import ctypes, os, resource\n"
    "libc = ctypes.CDLL(None, use_errno=True)\n"
    "buffer = ctypes.create_string_buffer(64)\n"
    "buffer[0] = 1\n"
    "for name, words in (('shmat', (-1, None, 0)), ('msgsnd', (-1, buffer, 1, 0)),\n"
    "                    ('msgrcv', (-1, buffer, 1, 0, 0)), ('semop', (-1, buffer, 1))):\n"
    "    ctypes.set_errno(0)\n"
    "    getattr(libc, name)(*words)\n"
    "    print(name, 'closed' if ctypes.get_errno() == 1 else 'OPEN')\n"
    "print(len(resource.prlimit(0, resource.RLIMIT_NOFILE)))\n"
    "try: print(resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE), 'OPEN')\n"
    "except PermissionError: print('closed')\n"
    "try: print(resource.prlimit(os.getpid(), resource.RLIMIT_NOFILE), 'OPEN')\n"
    "except PermissionError: print('closed')\n"
    "\"";

static void test_seccomp(void **state)
{
    (void)state;
    assert_says(SANDBOX_SECCOMP, others,
                "shmat closed\nmsgsnd closed\nmsgrcv closed\nsemop closed\n2\nclosed\nclosed\n");
    assert_says(SANDBOX_SECCOMP, sockets, "thread\nclosed\nclosed\nclosed\n");
    assert_says(SANDBOX_SECCOMP, "cat ../secret", "secret\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_landlock), TEST(test_landlock_without_truncate),
                                       TEST(test_bubblewrap), TEST(test_seccomp)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
