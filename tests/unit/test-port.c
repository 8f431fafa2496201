/* Ports of this computer: which are free, and one that is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deployer/base/folder.h"
#include "deployer/base/paths.h"
#include "deployer/solve/port.h"
#include "discovery/base/cleanup.h"

/* Somebody else's, at one address of this computer. */
static int take_port(unsigned *ret)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    *ret = ntohs(at.sin_port);
    return fd;
}

static void test_find(void **state)
{
    unsigned taken, found, again;
    CLEANUP_CLOSE int fd = take_port(&taken);

    (void)state;
    assert_false(port_is_free(taken));
    assert_int_equal(port_find(taken, 1, NULL, 0), 0);
    found = port_find(taken, 100, NULL, 0);
    if (found == 0)
        skip(); /* it was one of the last */
    assert_true(found > taken && found < taken + 100);
    again = port_find(taken, 100, &found, 1);
    assert_true(again > found);
    assert_int_equal(port_find(UINT16_MAX + 1, 100, NULL, 0), 0);
}

static void test_hold(void **state)
{
    char top[] = "/tmp/test-port.XXXXXX", programs[] = "deployer/solve";
    struct paths paths = {.cache = top, .solve = programs};
    struct solve_environment e = {0};
    struct orchestrator *holder = NULL, *other = NULL;
    struct pack pack = {0};
    struct error err = {0};
    CLEANUP_FREE char *why = NULL;
    unsigned port;
    int fd = take_port(&port);

    (void)state;
    assert_non_null(mkdtemp(top));
    assert_int_equal(layers_open(&paths, NULL, NULL, &pack.layers, &err), 0);
    text_add(&pack.bytes, (char[1024]){0}, 1024); /* an empty tar file */
    assert_int_equal(solve_environment_make(&paths, &pack, &e, &err), 0);
    assert_int_equal(port_hold(&e, port, "mine", &holder, &why, &err), 1);
    assert_non_null(strstr(why, "end the program that listens there"));
    free(TAKE_PTR(why));
    close(fd);
    assert_int_equal(port_hold(&e, port, "mine", &holder, &why, &err), 0);
    assert_false(port_is_free(port));
    assert_int_equal(port_hold(&e, port, "theirs", &other, &why, &err), 1);
    assert_non_null(strstr(why, "another run is on: mine; wait for its end, or stop it"));
    assert_false(orchestrator_has_ended(holder));
    orchestrator_free(holder);
    assert_true(port_is_free(port));
    solve_environment_clear(&e);
    layers_free(pack.layers);
    text_clear(&pack.bytes);
    folder_remove(top);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
