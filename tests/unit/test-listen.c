/* Where the service listens, which host names it takes, and its token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "deployer/controller/http/listen.h"
#include "discovery/base/file.h"

static char folder[64], path[128];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test-listen.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[128];

    (void)state;
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : -1; /* NOLINT(cert-env33-c) */
}

static void put(const char *name, const char *content)
{
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(file_write(path, content, strlen(content), 0600, NULL), 0);
}

static void test_token(void **state)
{
    char token[65] = "", again[65] = "";
    struct stat st;
    struct error err;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/token", folder);
    assert_int_equal(token_read(path, token, &err), 0);
    assert_int_equal(strlen(token), 64);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(token_read(path, again, &err), 0);
    assert_string_equal(token, again); /* it stays over restarts */
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(token_read(path, again, &err), -EPERM);
    put("token", "0123\n");
    assert_int_equal(token_read(path, again, &err), -EBADMSG);
}

static void test_hosts(void **state)
{
    char *const given[] = {(char *)"lab.example"};
    const struct strings names = {(char **)(uintptr_t)given, 1}, none = {0};
    CLEANUP_STRINGS struct strings loopback = {0}, other = {0};

    (void)state;
    assert_int_equal(listen_hosts("127.0.0.1", &names, &loopback), 0);
    assert_true(strings_has(&loopback, "127.0.0.1"));
    assert_true(strings_has(&loopback, "localhost"));
    assert_true(strings_has(&loopback, "lab.example"));
    assert_int_equal(listen_hosts("192.0.2.1", &none, &other), 0);
    assert_true(strings_has(&other, "192.0.2.1"));
    assert_false(strings_has(&other, "localhost"));
}

static void test_listen_bad(void **state)
{
    static const char *const bad[] = {"localhost:8808", "user@127.0.0.1", "127.0.0.1:0", "",
                                      "::1:x"};
    char *host = NULL;
    uint16_t port;
    struct error err;
    int fd;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(listen_open(bad[i], 8808, &fd, &port, &host, &err), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_listen_bad),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
