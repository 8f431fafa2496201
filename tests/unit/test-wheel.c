#include "deployer/wheel/wheel.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <utime.h>

#include <cmocka.h>

#include "deployer/base/folder.h"
#include "deployer/wheel/build.h"
#include "discovery/base/file.h"

static char folder[64];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/dcop-test-wheel.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static const char *at(const char *name)
{
    static char path[4][512];
    static unsigned turn;
    char *p = path[turn++ % 4];

    (void)snprintf(p, sizeof(path[0]), "%s/%s", folder, name);
    return p;
}

static void put(const char *name, const char *text)
{
    char parent[256];
    struct error err = {0};

    (void)snprintf(parent, sizeof(parent), "%s", at(name));
    *strrchr(parent, '/') = '\0';
    assert_int_equal(make_folders(parent, 0755, &err), 0);
    assert_int_equal(file_write(at(name), text, strlen(text), 0644, &err), 0);
}

static int prepare(const char *spec, struct wheel_set *ret, struct error *err)
{
    *err = (struct error){0};
    return wheel_prepare(spec, at("cache"), -1, ret, err);
}

static void test_kinds(void **state)
{
    (void)state;
    put("project/setup.py", "");
    assert_int_equal(wheel_spec_kind("pydcop"), WHEEL_SPEC_REQUIREMENT);
    assert_int_equal(wheel_spec_kind("pydcop==0.1.1"), WHEEL_SPEC_REQUIREMENT);
    assert_int_equal(wheel_spec_kind("./pydcop"), WHEEL_SPEC_DIRECTORY);
    assert_int_equal(wheel_spec_kind("."), WHEEL_SPEC_DIRECTORY);
    assert_int_equal(wheel_spec_kind(at("project")), WHEEL_SPEC_DIRECTORY);
    assert_int_equal(wheel_spec_kind("x-1-py3-none-any.whl"), WHEEL_SPEC_FILE);
    assert_true(wheel_name_equal("Websocket.Server", "websocket__server"));
    assert_false(wheel_name_equal("websocket", "websocket-server"));
    assert_false(wheel_name_equal("a", "a-"));
}

static void test_user_errors(void **state)
{
    CLEANUP(wheel_set_clear) struct wheel_set set = {0};
    struct error err;

    (void)state;
    put("empty/README", "");
    put("not-1.0-py3-none-any.whl", "this is no zip");
    put("misnamed.whl", "PK\3\4");
    assert_int_equal(prepare(at("nowhere"), &set, &err), -ENOENT);
    assert_non_null(strstr(err.text, "no directory"));
    assert_int_equal(prepare(at("empty"), &set, &err), -EINVAL);
    assert_non_null(strstr(err.text, "setup.py"));
    assert_int_equal(prepare(at("not-1.0-py3-none-any.whl"), &set, &err), -EINVAL);
    assert_int_equal(prepare(at("misnamed.whl"), &set, &err), -EINVAL);
    assert_int_equal(prepare("-r/nowhere", &set, &err), -ENOENT); /* a path, never an option */
    assert_int_equal(prepare("--help", &set, &err), -EINVAL);
    assert_int_equal(prepare("a;b", &set, &err), -EINVAL);
    assert_int_equal(prepare("", &set, &err), -EINVAL);
    assert_int_equal(prepare("git+https://host/x", &set, &err), -ENOTSUP);
    assert_int_equal(set.paths.count, 0);
}

static void digest_of(const char *tree, char ret[static DIGEST_LENGTH + 1])
{
    struct error err = {0};

    if (folder_read(at(tree), &wheel_tree_limits, NULL, 0, 0, NULL, ret, &err) < 0)
        fail_msg("%s", err.text);
}

static void test_tree_digest(void **state)
{
    char before[DIGEST_LENGTH + 1], after[DIGEST_LENGTH + 1];
    struct tree_limits few = {.files = 2, .bytes = 1000, .depth = 9};
    struct utimbuf when = {.actime = 1000, .modtime = 1000};

    (void)state;
    put("t/setup.py", "one");
    put("t/pkg/__init__.py", "two");
    digest_of("t", before);
    put("t/.git/HEAD", "x");
    put("t/pkg/__pycache__/a.pyc", "x");
    put("t/build/lib/x.py", "x");
    put("t/t.egg-info/PKG-INFO", "x");
    assert_int_equal(utime(at("t/setup.py"), &when), 0);
    digest_of("t", after);
    assert_string_equal(before, after);
    put("t/pkg/build/x.py", "a package may be called so");
    digest_of("t", after);
    assert_string_not_equal(before, after);
    assert_int_equal(folder_read(at("t"), &few, NULL, 0, 0, NULL, after, NULL), -EFBIG);
    assert_int_equal(symlink("/etc/passwd", at("t/link")), 0);
    digest_of("t", before);
    assert_string_not_equal(before, after);
}

static void test_tree_copy(void **state)
{
    char from[DIGEST_LENGTH + 1], to[DIGEST_LENGTH + 1];
    struct error err = {0};
    struct stat st;

    (void)state;
    put("t/setup.py", "one");
    put("t/pkg/run", "two");
    put("t/.git/HEAD", "x");
    assert_int_equal(chmod(at("t/pkg/run"), 0700), 0);
    assert_int_equal(symlink("nowhere", at("t/link")), 0);
    assert_int_equal(mkdir(at("copy"), 0755), 0);
    if (folder_read(at("t"), &wheel_tree_limits, at("copy"), (uid_t)-1, (gid_t)-1, NULL, from,
                    &err) < 0)
        fail_msg("%s", err.text);
    digest_of("copy", to);
    assert_string_equal(from, to);
    assert_int_equal(stat(at("copy/pkg/run"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0755);
    assert_int_not_equal(access(at("copy/.git"), F_OK), 0);
}

static bool has_setuptools(void)
{
    return system("/usr/bin/python3 -c 'import setuptools, wheel, pip' 2>/dev/null") == 0;
}

/* The real pip, with no index at all: what an offline classroom has. */
static int build(char **ret_name, struct text *ret_bytes, struct error *err)
{
    struct wheel_build b = {.kind = WHEEL_SPEC_DIRECTORY, .spec = at("src"), .cancel_fd = -1};

    free(*ret_name);
    *ret_name = NULL;
    text_reset(ret_bytes);
    *err = (struct error){0};
    return wheel_build(&b, ret_name, ret_bytes, NULL, err);
}

static void test_build(void **state)
{
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    CLEANUP_FREE char *name = NULL;
    struct error err;

    (void)state;
    if (!has_setuptools())
        skip();
    (void)setenv("PIP_NO_INDEX", "1", 1);
    put("src/setup.py", "from setuptools import setup\n"
                        "import os\n"
                        "assert 'DCOP_SECRET' not in os.environ\n"
                        "assert os.getuid() != 0\n"
                        "setup(name='tiny', version='1.5', packages=['tiny'])\n");
    put("src/tiny/__init__.py", "x = 1\n");
    (void)setenv("DCOP_SECRET", "password", 1);
    if (build(&name, &bytes, &err) < 0)
        fail_msg("%s", err.text);
    (void)unsetenv("DCOP_SECRET");
    assert_string_equal(name, "tiny-1.5-py3-none-any.whl");
    assert_memory_equal(bytes.data, "PK\3\4", 4);
    assert_int_not_equal(access(at("src/build"), F_OK), 0);
    assert_int_not_equal(access(at("src/tiny.egg-info"), F_OK), 0);
    /* What is wrong is said in the project's own words. */
    put("src/setup.py", "raise RuntimeError('the moon is full')\n");
    assert_int_equal(build(&name, &bytes, &err), -EBADMSG);
    if (!strstr(err.text, "the moon is full"))
        fail_msg("%s", err.text);
    (void)unsetenv("PIP_NO_INDEX");
}

/* A wheel of websocket-server for pip to find. */
static void link_extra(void)
{
    struct wheel_build b = {.kind = WHEEL_SPEC_DIRECTORY, .spec = at("extra"), .cancel_fd = -1};
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    CLEANUP_FREE char *name = NULL;
    struct error err = {0};
    char target[128];

    put("extra/setup.py", "from setuptools import setup\n"
                          "setup(name='websocket-server', version='0.5.6')\n");
    (void)setenv("PIP_NO_INDEX", "1", 1);
    if (wheel_build(&b, &name, &bytes, NULL, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(chmod(folder, 0755), 0); /* pip runs as another user */
    (void)snprintf(target, sizeof(target), "links/%.100s", name);
    assert_int_equal(make_folders(at("links"), 0755, &err), 0);
    assert_int_equal(file_write(at(target), bytes.data, bytes.size, 0644, &err), 0);
    (void)setenv("PIP_FIND_LINKS", at("links"), 1);
}

/* One directory, twice; a changed line; with extras from a folder of wheels,
 * as an offline machine may have it. */
static void test_prepare(void **state)
{
    CLEANUP(wheel_set_clear) struct wheel_set set = {0}, again = {0};
    struct error err;

    (void)state;
    if (!has_setuptools())
        skip();
    put("src/setup.py", "from setuptools import setup\n"
                        "setup(name='tiny', version='1.5', py_modules=['tiny'])\n");
    put("src/tiny.py", "x = 1\n");
    link_extra();
    if (prepare(at("src"), &set, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(set.built_now);
    assert_string_equal(set.name, "tiny");
    assert_string_equal(set.version, "1.5");
    assert_int_equal(set.paths.count, 2);
    if (prepare(at("src"), &again, &err) < 0)
        fail_msg("%s", err.text);
    assert_false(again.built_now);
    assert_true(strings_equal(&set.paths, &again.paths));
    put("src/tiny.py", "x = 2\n");
    assert_int_equal(prepare(at("src"), &again, &err), 0);
    assert_true(again.built_now);
    assert_string_not_equal(set.paths.items[0], again.paths.items[0]);
    assert_string_equal(set.paths.items[1], again.paths.items[1]);
    /* A wheel by its file is taken as it is. */
    assert_int_equal(prepare(set.paths.items[0], &again, &err), 0);
    assert_string_equal(set.paths.items[0], again.paths.items[0]);
    (void)unsetenv("PIP_FIND_LINKS");
    (void)unsetenv("PIP_NO_INDEX");
}

/* A build would fail here, so the second wheel is made without one. */
static void test_changed_line_needs_no_pip(void **state)
{
    CLEANUP(wheel_set_clear) struct wheel_set set = {0}, again = {0};
    struct error err;

    (void)state;
    if (!has_setuptools())
        skip();
    put("src/setup.py", "import os\nfrom setuptools import setup\n"
                        "assert os.environ.get('TZ') != 'no'\n"
                        "setup(name='tiny', version='1.5', packages=['tiny'])\n");
    put("src/tiny/__init__.py", "");
    put("src/tiny/line.py", "x = 1\n");
    link_extra();
    if (prepare(at("src"), &set, &err) < 0)
        fail_msg("%s", err.text);
    (void)setenv("TZ", "no", 1);
    put("src/tiny/line.py", "x = 2\n");
    if (prepare(at("src"), &again, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(again.built_now);
    assert_string_not_equal(set.paths.items[0], again.paths.items[0]);
    put("src/tiny/__init__.py", "x = 2\n");
    assert_int_equal(prepare(at("src"), &again, &err), -EBADMSG);
    (void)unsetenv("TZ");
    (void)unsetenv("PIP_FIND_LINKS");
    (void)unsetenv("PIP_NO_INDEX");
}

static void test_cancel(void **state)
{
    CLEANUP(wheel_set_clear) struct wheel_set set = {0};
    struct error err = {0};
    int fds[2];

    (void)state;
    put("src/setup.py", "");
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(wheel_prepare(at("src"), at("cache"), fds[0], &set, &err), -ECANCELED);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_kinds),
        TEST(test_user_errors),
        TEST(test_tree_digest),
        TEST(test_tree_copy),
        TEST(test_build),
        TEST(test_prepare),
        TEST(test_changed_line_needs_no_pip),
        TEST(test_cancel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
