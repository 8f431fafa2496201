/* Installing devpi-server: what is there is not lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "deployer/base/folder.h"
#include "deployer/cache/devpi.h"
#include "deployer/cache/store.h"
#include "discovery/base/file.h"

static char folder[64], cache[96];
static const struct paths paths = {.state = folder, .cache = cache};

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/dcop-test-devpi.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(cache, sizeof(cache), "%s/cache", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static void put(const char *name, const char *content, mode_t mode)
{
    CLEANUP_FREE char *path = cache_path(&paths, name), *parent = strdup(path);

    *strrchr(parent, '/') = '\0';
    assert_int_equal(make_folders(parent, 0755, NULL), 0);
    assert_int_equal(file_write(path, content, strlen(content), mode, NULL), 0);
}

static bool there(const char *name)
{
    CLEANUP_FREE char *path = cache_path(&paths, name);

    return access(path, F_OK) == 0;
}

static int told;

static void say(const char *words, void *arg)
{
    (void)words, (void)arg;
    told++;
}

static int install(const char *python)
{
    struct rlimit before, none;
    struct error err = {0};
    int r;

    put("pip/server/.sqlite", "", 0600);
    put("pip/venv/bin/python", python, 0755);
    put("pip/venv/precious", "", 0600);
    told = 0;
    /* Files cannot be written, so that a new environment fails at once. */
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    r = devpi_install(&paths, say, NULL, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    return r;
}

/* A look that was killed says nothing: there may have been no memory. */
static void test_unknown_is_left_alone(void **state)
{
    (void)state;
    assert_int_equal(install("#!/bin/sh\nkill -9 $$\n"), 0);
    assert_int_equal(told, 0);
    assert_true(there("pip/venv/precious"));
    assert_int_equal(install("#!/bin/sh\nexit 0\n"), 0);
    assert_int_equal(told, 0);
}

/* What does not start is replaced; without the internet, say, there is nothing to replace it. */
static void test_failure_brings_back_what_was_there(void **state)
{
    (void)state;
    assert_true(install("#!/bin/sh\nexit 1\n") < 0);
    assert_int_equal(told, 1);
    assert_true(there("pip/venv/precious"));
    assert_false(there("pip/venv.aside"));
    /* As if the last one had been killed in the middle. */
    put("pip/venv.aside/kept", "", 0600);
    assert_true(install("#!/bin/sh\nexit 1\n") < 0);
    assert_true(there("pip/venv/kept"));
    assert_false(there("pip/venv/precious"));
    assert_false(there("pip/venv.aside"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_unknown_is_left_alone),
        TEST(test_failure_brings_back_what_was_there),
    };

    return cmocka_run_group_tests_name("devpi", tests, NULL, NULL);
}
