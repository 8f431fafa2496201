#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "deployer/base/folder.h"
#include "deployer/wheel/build.h"
#include "deployer/wheel/patch.h"
#include "discovery/base/file.h"
#include "own-folder.h"

enum { ROUNDS = 3, EDITS_MAX = 3 };

static const char *unconfined;

static int shell(const char *format, const char *a, const char *b)
{
    char command[2048];
    int n = snprintf(command, sizeof(command), format, a, b);

    assert_in_range(n, 1, sizeof(command) - 1);
    return system(command); /* NOLINT(cert-env33-c) */
}

static void put(const char *name, const char *bytes)
{
    char parent[256];
    struct error err = {0};

    (void)snprintf(parent, sizeof(parent), "%s", at(name));
    *strrchr(parent, '/') = '\0';
    assert_int_equal(make_folders(parent, 0755, &err), 0);
    assert_int_equal(file_write(at(name), bytes, strlen(bytes), 0644, &err), 0);
}

static void append(const char *name, const char *words)
{
    FILE *f = fopen(at(name), "a");

    assert_non_null(f);
    assert_true(fputs(words, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static bool has_setuptools(void)
{
    return shell("/usr/bin/python3 -c 'import setuptools, wheel, pip' 2>/dev/null", "", "") == 0;
}

/* The wheel that pip makes of src, and what it was made of. */
static void build(struct text *ret, struct text *ret_list)
{
    struct wheel_build b = {.kind = WHEEL_SPEC_DIRECTORY, .spec = at("src"), .pip.cancel_fd = -1};
    CLEANUP_FREE char *name = NULL;
    struct error err = {0};

    text_reset(ret);
    text_reset(ret_list);
    (void)setenv("PIP_NO_INDEX", "1", 1);
    if (wheel_build(&b, &name, ret, ret_list, &unconfined, &err) < 0)
        fail_msg("%s", err.text);
    (void)unsetenv("PIP_NO_INDEX");
}

static void list_now(struct text *ret)
{
    char digest[DIGEST_LENGTH + 1];
    struct error err = {0};

    text_reset(ret);
    if (folder_read(at("src"), &wheel_tree_limits, NULL, 0, 0, ret, digest, &err) < 0)
        fail_msg("%s", err.text);
}

/* Every member of one is in the other, byte for byte, RECORD included. */
static bool wheels_equal(const struct text *a, const struct text *b)
{
    struct error err = {0};

    assert_int_equal(file_write(at("a.whl"), a->data, a->size, 0644, &err), 0);
    assert_int_equal(file_write(at("b.whl"), b->data, b->size, 0644, &err), 0);
    return shell("/usr/bin/python3 -c 'import sys, zipfile\n"
                 "def content(path):\n"
                 "  z = zipfile.ZipFile(path)\n"
                 "  assert z.testzip() is None\n"
                 "  return {i.filename: (i.external_attr >> 16 & 0o777, z.read(i)) for i in "
                 "z.infolist()}\n"
                 "a, b = map(content, sys.argv[1:])\n"
                 "d = [n for n in sorted(a.keys() | b.keys()) if a.get(n) != b.get(n)]\n"
                 "print(*d)\n"
                 "sys.exit(bool(d))' %s %s",
                 at("a.whl"), at("b.whl")) == 0;
}

/* Random edits of random modules, the patched wheel the base of the next one;
 * pip is the judge of each. */
static void edit_and_compare(const char *const *modules, size_t n_modules, unsigned seed)
{
    CLEANUP_TEXT struct text wheel = TEXT_INIT, patched = TEXT_INIT, built = TEXT_INIT;
    CLEANUP_TEXT struct text before = TEXT_INIT, after = TEXT_INIT, list = TEXT_INIT;

    build(&wheel, &before);
    for (int round = 0; round < ROUNDS; round++) {
        int edits = 1 + rand_r(&seed) % EDITS_MAX;

        for (int i = 0; i < edits; i++) {
            char words[64];

            (void)snprintf(words, sizeof(words), "x%d = \"%u\"\n# %*s\n", round, rand_r(&seed),
                           rand_r(&seed) % 40, "");
            append(modules[(size_t)rand_r(&seed) % n_modules], words);
        }
        list_now(&after);
        text_reset(&patched);
        assert_int_equal(
            wheel_patch(at("src"), text_str(&before), text_str(&after), &wheel, &patched), 0);
        build(&built, &list);
        assert_string_equal(text_str(&list), text_str(&after));
        assert_true(wheels_equal(&patched, &built));
        assert_false(wheels_equal(&patched, &wheel));
        text_reset(&wheel);
        text_add(&wheel, patched.data, patched.size);
        text_reset(&before);
        text_adds(&before, text_str(&after));
    }
}

static void patched_is_what_pip_builds(void **state)
{
    static const char *const modules[] = {"src/pydcop/wire.py", "src/pydcop/commands/agent.py",
                                          "src/pydcop/commands/orchestrator.py"};

    (void)state;
    if (!has_setuptools())
        skip();
    assert_int_equal(shell("cp -R tests/data/standin %s", at("src"), ""), 0);
    edit_and_compare(modules, ARRAY_SIZE(modules), 1);
}

static void below_src(void **state)
{
    static const char *const modules[] = {"src/src/pkg/a.py", "src/src/pkg/sub/b.py"};

    (void)state;
    if (!has_setuptools())
        skip();
    put("src/pyproject.toml", "[build-system]\nrequires = [\"setuptools\"]\n"
                              "build-backend = \"setuptools.build_meta\"\n"
                              "[project]\nname = \"pkg\"\nversion = \"1\"\n");
    put("src/src/pkg/__init__.py", "");
    put("src/src/pkg/a.py", "a = 1\n");
    put("src/src/pkg/sub/__init__.py", "x = 1\n");
    put("src/src/pkg/sub/b.py", "b = 1\n");
    edit_and_compare(modules, ARRAY_SIZE(modules), 2);
}

/* pyDCOP itself, where the index is to be had. */
static void real_pydcop(void **state)
{
    static const char *const modules[] = {"src/pydcop/algorithms/dsa.py",
                                          "src/pydcop/infrastructure/agents.py",
                                          "src/pydcop/dcop/relations.py"};

    (void)state;
    if (!has_setuptools() ||
        shell("cd %s && timeout 60 /usr/bin/python3 -m pip -q --retries 0 --timeout 5 download "
              "--no-deps --no-binary :all: pydcop==0.1.1 >/dev/null 2>&1 && tar -xzf pydcop-*.gz "
              "&& mv pydcop-0.1.1 src",
              folder, "") != 0)
        skip();
    edit_and_compare(modules, ARRAY_SIZE(modules), 3);
}

/* --- what is left to pip --------------------------------------------------- */

struct project {
    struct text wheel, before;
};

static void project_begin(struct project *p, const char *setup_py)
{
    *p = (struct project){0};
    put("src/setup.py", setup_py);
    put("src/README", "words\n");
    put("src/pkg/__init__.py", "n = 1\n");
    put("src/pkg/a.py", "a = 1\n");
    put("src/pkg/b.py", "b = 1\n");
    put("src/pkg/twin.py", "b = 1\n");
    put("src/pkg/number.py", "NUMBER = \"1\"\n");
    put("src/pkg/release.py", "__version__ = \"1\"\n");
    build(&p->wheel, &p->before);
}

static int project_patch(struct project *p)
{
    CLEANUP_TEXT struct text after = TEXT_INIT, patched = TEXT_INIT;

    list_now(&after);
    return wheel_patch(at("src"), text_str(&p->before), text_str(&after), &p->wheel, &patched);
}

static void project_end(struct project *p)
{
    text_clear(&p->wheel);
    text_clear(&p->before);
    folder_remove(at("src"));
}

/* One file is changed, looked at, and put back. */
static int try_change(struct project *p, const char *name, const char *bytes)
{
    CLEANUP_TEXT struct text old = TEXT_INIT;
    int r;

    assert_int_equal(file_read(at(name), 1 << 20, &old, NULL), 0);
    put(name, bytes);
    r = project_patch(p);
    put(name, text_str(&old));
    return r;
}

#define PLAIN                                                                                      \
    "from setuptools import setup\n"                                                               \
    "README = open('README').read()\n"                                                             \
    "setup(name='pkg', version='1', long_description=README, packages=['pkg'])\n"

static void what_is_not_certain_is_refused(void **state)
{
    struct project p;

    (void)state;
    if (!has_setuptools())
        skip();
    project_begin(&p, PLAIN);
    assert_int_equal(try_change(&p, "src/pkg/a.py", "a = 2\n"), 0);
    assert_int_equal(project_patch(&p), -ENOTSUP); /* nothing differs */
    assert_int_equal(try_change(&p, "src/setup.py", PLAIN "\n"), -ENOTSUP);
    assert_int_equal(try_change(&p, "src/README", "others\n"), -ENOTSUP);
    assert_int_equal(try_change(&p, "src/pkg/__init__.py", "n = 2\n"), -ENOTSUP);
    assert_int_equal(try_change(&p, "src/pkg/release.py", "__version__ = \"2\"\n"), -ENOTSUP);
    assert_int_equal(try_change(&p, "src/pkg/a.py", "VERSION = 2\n"), -ENOTSUP);
    assert_int_equal(try_change(&p, "src/pkg/b.py", "b = 2\n"), -ENOTSUP); /* has a twin */
    put("src/pkg/new.py", "");
    assert_int_equal(try_change(&p, "src/pkg/a.py", "a = 2\n"), -ENOTSUP);
    assert_int_equal(unlink(at("src/pkg/new.py")), 0);
    assert_int_equal(chmod(at("src/pkg/a.py"), 0755), 0);
    assert_int_equal(project_patch(&p), -ENOTSUP);
    assert_int_equal(chmod(at("src/pkg/a.py"), 0644), 0);
    assert_int_equal(try_change(&p, "src/pkg/a.py", "a = 2\n"), 0);
    project_end(&p);
}

static void scripts_that_look_around_are_refused(void **state)
{
    static const char *const setups[] = {
        "from setuptools import setup\n"
        "exec(open('pkg/' + 'num' + 'ber.py').read())\n"
        "setup(name='pkg', version=NUMBER, packages=['pkg'])\n",
        "from setuptools import setup\n"
        "v = open('pkg/number.py').read().split('\"')[1]\n"
        "setup(name='pkg', version=v, packages=['pkg'])\n",
        "import os\nfrom setuptools import setup\n"
        "n = sum(len(open('pkg/' + f).read()) for f in sorted(os.listdir('pkg')))\n"
        "setup(name='pkg', version=str(n), packages=['pkg'])\n",
    };

    (void)state;
    if (!has_setuptools())
        skip();
    for (size_t i = 0; i < ARRAY_SIZE(setups); i++) {
        struct project p;

        project_begin(&p, setups[i]);
        assert_int_equal(try_change(&p, "src/pkg/number.py", "NUMBER = \"22\"\n"), -ENOTSUP);
        project_end(&p);
    }
}

static void scripts(void **state)
{
    (void)state;
    assert_true(wheel_script_is_plain("setup.py", PLAIN));
    assert_true(wheel_script_is_plain("setup.py", "import os, sys\nfrom os.path import join\n"));
    assert_false(wheel_script_is_plain("setup.py", "import os, mine\n"));
    assert_false(wheel_script_is_plain("setup.py", "import os; import mine\n"));
    assert_false(wheel_script_is_plain("setup.py", "import os, \\\n mine\n"));
    assert_false(wheel_script_is_plain("setup.py", "try: import mine\n"));
    assert_false(wheel_script_is_plain("setup.py", "from . import mine\n"));
    assert_false(wheel_script_is_plain("setup.py", "from mine.version import v\n"));
    assert_false(wheel_script_is_plain("setup.py", "setup(cmdclass={})\n"));
    assert_false(wheel_script_is_plain("setup.cfg", "version = attr: pkg.number.NUMBER\n"));
    assert_true(wheel_script_is_plain("setup.cfg", "[metadata]\nlicense_file = LICENSE\n"));
    assert_false(wheel_script_is_plain("pyproject.toml", "build-backend = \"flit_core.buildapi\""));
    assert_false(wheel_script_is_plain(
        "pyproject.toml", "build-backend = \"setuptools.build_meta\"\nbackend-path = [\".\"]\n"));
    assert_true(wheel_script_contains_word("open('pkg/a.py')", "a"));
    assert_false(wheel_script_contains_word("open('pkg/data.py')", "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(patched_is_what_pip_builds),
        TEST(below_src),
        TEST(real_pydcop),
        TEST(what_is_not_certain_is_refused),
        TEST(scripts_that_look_around_are_refused),
        TEST(scripts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
