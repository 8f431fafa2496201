/* The folder with what an orchestrator runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "deployer/base/content.h"
#include "deployer/base/folder.h"
#include "deployer/base/paths.h"
#include "deployer/layer/layer.h"
#include "deployer/solve/environment.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"

static void check_mode(const char *folder, const char *name, mode_t mode)
{
    CLEANUP_FREE char *path = path_join(folder, name);
    struct stat st;

    assert_non_null(path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
}

/* Root makes it, nobody runs it. */
static void test_umask(void **state)
{
    char top[] = "/tmp/test-solve-environment.XXXXXX", programs[] = "deployer/solve";
    struct paths paths = {.cache = top, .solve = programs};
    struct solve_environment e = {0};
    struct content files = {0};
    struct pack pack = {0};
    struct error err = {0};
    mode_t mask;
    int r;

    (void)state;
    assert_non_null(mkdtemp(top));
    assert_int_equal(content_add(&files, "site/pydcop/dcop.py", 0644, "x = 1\n", 6, &err), 0);
    assert_int_equal(content_write_tar(&files, &pack.bytes), 0);
    assert_int_equal(layers_open(&paths, NULL, NULL, &pack.layers, &err), 0);
    mask = umask(077);
    r = solve_environment_make(&paths, &pack, &e, &err);
    assert_int_equal(umask(mask), 077);
    assert_int_equal(r, 0);
    check_mode(e.folder, "", 0755);
    check_mode(e.folder, "pydcop_orchestrator.py", 0644);
    check_mode(e.folder, "site", 0755);
    check_mode(e.folder, "site/pydcop", 0755);
    check_mode(e.folder, "site/pydcop/dcop.py", 0644);
    check_mode(e.folder, "site/pydcop/__pycache__", 0755);
    solve_environment_clear(&e);
    layers_free(pack.layers);
    text_clear(&pack.bytes);
    content_clear(&files);
    folder_remove(top);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_umask),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
