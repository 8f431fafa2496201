/* The filter before ssh-agent: what an agent says is hostile until parsed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "deployer/ssh/agent-filter.h"
#include "discovery/base/file.h"

/* Keys "k1", "k2", "k3" ("azE=" …), without comments. */
#define KEY(n) "\0\0\0\2k" n "\0\0\0\0"
#define THREE "\14\0\0\0\3" KEY("1") KEY("2") KEY("3")

static char folder[] = "/tmp/test-agent-filter.XXXXXX";

struct fake {
    pid_t pid;
    char path[64];
};

/* Answers every request of one connection after the other with these bytes. */
static struct fake fake_agent(const char *answer, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct fake fake;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)snprintf(fake.path, sizeof(fake.path), "%s/s", folder);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", fake.path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(setenv("SSH_AUTH_SOCK", fake.path, 1), 0);
    fake.pid = fork();
    assert_true(fake.pid >= 0);
    while (fake.pid == 0) {
        int c = accept(fd, NULL, NULL);
        char request[64];

        while (read(c, request, sizeof(request)) > 0)
            (void)file_write_all(c, answer, size);
        (void)close(c);
    }
    (void)close(fd);
    return fake;
}

static void end_fake(struct fake *fake)
{
    assert_int_equal(kill(fake->pid, SIGKILL), 0);
    assert_int_equal(waitpid(fake->pid, NULL, 0), fake->pid);
    assert_int_equal(unlink(fake->path), 0);
}

static int list(const char *answer, size_t size, struct strings *ret)
{
    struct fake fake = fake_agent(answer, size);
    struct error err = {0};
    int r = agent_list(ret, &err);

    end_fake(&fake);
    return r;
}
#define LIST(answer, ret) list((answer), sizeof(answer) - 1, (ret))

static void what_it_holds(void **unused)
{
    CLEANUP_STRINGS struct strings keys = {0};

    (void)unused;
    assert_int_equal(LIST("\0\0\0\43" THREE, &keys), 0);
    assert_int_equal(keys.count, 3);
    assert_string_equal(keys.items[1], "azI=");
    assert_int_equal(setenv("SSH_AUTH_SOCK", "/nowhere", 1), 0);
    assert_int_equal(agent_list(&keys, NULL), -ENOENT);
}

static void hostile(void **unused)
{
    CLEANUP_STRINGS struct strings keys = {0};

    (void)unused;
    assert_int_equal(LIST("\0\0\0\0", &keys), -EPROTO);
    assert_int_equal(LIST("\177\0\0\0", &keys), -EPROTO);
    assert_int_equal(LIST("\0\0\0\1\5", &keys), -EPROTO);
    assert_int_equal(LIST("\0\0\0\11\14\0\0\0\1\377\377\377\377", &keys), -EPROTO);
    assert_int_equal(LIST("\0\0\0\13\14\0\0\0\1\0\0\0\2k1", &keys), -EPROTO);
}

/* What libssh sees. */
static bool ask_filter(const struct strings *chosen, size_t most, char *ret, ssize_t *ret_size)
{
    static const char answer[] = "\0\0\0\43" THREE;
    struct fake fake = fake_agent(answer, sizeof(answer) - 1);
    struct agent_filter *filter = NULL;
    struct error err = {0};
    bool cut;
    int fd;

    assert_int_equal(agent_filter_start(chosen, most, &filter, &fd, &err), 0);
    assert_int_equal(file_write_all(fd, "\0\0\0\1\13", 5), 0);
    *ret_size = recv(fd, ret, 4, MSG_WAITALL);
    assert_int_equal(*ret_size, 4);
    *ret_size = recv(fd, ret, (size_t)ret[3], MSG_WAITALL);
    cut = agent_filter_end(filter);
    (void)close(fd);
    end_fake(&fake);
    return cut;
}

static void chosen_alone(void **unused)
{
    CLEANUP_STRINGS struct strings chosen = {0};
    char got[64];
    ssize_t n;

    (void)unused;
    assert_true(ask_filter(&chosen, 2, got, &n));
    assert_int_equal(n, 25);
    assert_memory_equal(got, "\14\0\0\0\2" KEY("1") KEY("2"), 25);
    assert_false(ask_filter(&chosen, 3, got, &n));
    assert_int_equal(strings_add(&chosen, "azM="), 0);
    assert_false(ask_filter(&chosen, 2, got, &n));
    assert_int_equal(n, 15);
    assert_memory_equal(got, "\14\0\0\0\1" KEY("3"), 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_holds),
        cmocka_unit_test(hostile),
        cmocka_unit_test(chosen_alone),
    };
    int failed;

    if (!mkdtemp(folder))
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)rmdir(folder);
    return failed;
}
