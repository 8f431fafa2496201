/* A folder of a test's own: made before it, removed with all in it after it.  For one test program,
 * which includes this once. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "deployer/base/folder.h"

static char folder[sizeof("/tmp/dcop-test.XXXXXX")];

/* Others may enter it: some tests run programs as another user. */
static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/dcop-test.XXXXXX");
    return mkdtemp(folder) && chmod(folder, 0755) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

/* The path of a name in it; valid until the fourth call after this one. */
static const char *at(const char *name)
{
    static char path[4][512];
    static unsigned turn;
    char *p = path[turn++ % 4];

    (void)snprintf(p, sizeof(path[0]), "%s/%s", folder, name);
    return p;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
