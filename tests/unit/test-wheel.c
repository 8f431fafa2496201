#include "deployer/wheel/wheel.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include <cmocka.h>

#include "deployer/base/folder.h"
#include "deployer/wheel/build.h"
#include "deployer/wheel/name.h"
#include "discovery/base/file.h"
#include "own-folder.h"

enum { HOSTILE_MAX = 8192 };

static const char *unconfined;

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

static void assert_absolute(const char *spec, const char *expected)
{
    CLEANUP_FREE char *got = wheel_spec_absolute(spec);

    assert_string_equal(got, expected);
}

static void test_relative_specs(void **state)
{
    CLEANUP_CLOSE int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)state;
    put("project/setup.py", "");
    put("pydcop-1-py3-none-any.whl", "");
    assert_true(before >= 0 && chdir(folder) == 0);
    assert_int_equal(symlink("project", "current"), 0);
    assert_absolute("project", at("project"));
    assert_absolute("project/", at("project/"));
    assert_absolute("current", at("current")); /* it may lead elsewhere next time */
    assert_absolute("pydcop-1-py3-none-any.whl", at("pydcop-1-py3-none-any.whl"));
    assert_absolute(at("project"), at("project"));
    assert_absolute("missing/", "missing/");
    assert_absolute("missing.whl", "missing.whl");
    assert_absolute("pydcop", "pydcop");
    assert_absolute("pydcop==0.1.1", "pydcop==0.1.1");
    assert_int_equal(fchdir(before), 0);
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
    struct wheel_build b = {.kind = WHEEL_SPEC_DIRECTORY, .spec = at("src"), .pip.cancel_fd = -1};

    free(*ret_name);
    *ret_name = NULL;
    text_reset(ret_bytes);
    *err = (struct error){0};
    return wheel_build(&b, ret_name, ret_bytes, NULL, &unconfined, err);
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

/* Raises an error when something outside of the build is open to it.  %s: the test's folder;
 * %u: a port that listens. */
static const char hostile[] =
    "import ctypes, os, socket\n"
    "folder, port = '%s', %u\n"
    "libc = ctypes.CDLL(None)\n"
    "def connect(family, where): socket.socket(family).connect(where)\n"
    "tries = {\n"
    "    'an SSH key': lambda: open(folder + '/home/.ssh/id_ed25519').read(),\n"
    "    'the fleet key': lambda: open(folder + '/home/.config/dcop/fleet.key').read(),\n"
    "    'the state': lambda: open(folder + '/home/.local/state/dcop/state.db').read(),\n"
    "    'a list of files': lambda: os.listdir(folder + '/home'),\n"
    "    'other files': lambda: open(folder + '/home/.ssh/new', 'w'),\n"
    "    'a truncation': lambda: os.truncate(folder + '/home/.ssh/config', 0),\n"
    "    'etc': lambda: open('/etc/fstab').read(),\n"
    "    'the network': lambda: connect(socket.AF_INET, ('127.0.0.1', port)),\n"
    "    'IPv6': lambda: connect(socket.AF_INET6, ('::1', port)),\n"
    "    'an agent': lambda: connect(socket.AF_UNIX, folder + '/home/agent'),\n"
    "    'a process': lambda: open('/proc/%%d/environ' %% %u).read(),\n"
    "    'a secret': lambda: os.environ['PIP_INDEX_URL'],\n"
    "}\n"
    "for what, attempt in tries.items():\n"
    "    try: attempt()\n"
    "    except (OSError, KeyError): continue\n"
    "    raise RuntimeError(what + ' is OPEN')\n"
    "assert libc.ptrace(16, %u, 0, 0) < 0, 'ptrace is OPEN'\n"
    "assert libc.unshare(0x10000000) < 0, 'namespaces are OPEN'\n";

static int listen_on_loopback(unsigned *ret_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&a, size) == 0 && listen(fd, 8) == 0 &&
                getsockname(fd, (struct sockaddr *)&a, &size) == 0);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

/* Keys that anybody may read and write, so that only the sandbox keeps them; `hostile` in
 * `ret`, with room for more. */
static void put_secrets(unsigned port, char ret[static HOSTILE_MAX])
{
    static const char *const files[] = {"home/.ssh/id_ed25519", "home/.ssh/config",
                                        "home/.config/dcop/fleet.key",
                                        "home/.local/state/dcop/state.db"};
    unsigned pid = (unsigned)getpid();
    int n = snprintf(ret, HOSTILE_MAX, hostile, folder, port, pid, pid);

    assert_true(n > 0 && n < HOSTILE_MAX - 200);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        put(files[i], "secret");
        assert_int_equal(chmod(at(files[i]), 0666), 0);
    }
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(chmod(at("home/.ssh"), 0777), 0);
    (void)setenv("HOME", at("home"), 1);
    (void)setenv("PIP_INDEX_URL", "http://user:password@127.0.0.1:9/simple", 1);
    (void)setenv("PIP_NO_INDEX", "1", 1);
}

static void unset_secrets(const char *home)
{
    (void)unsetenv("PIP_NO_INDEX");
    (void)unsetenv("PIP_INDEX_URL");
    (void)unsetenv("PIP_FIND_LINKS");
    (void)setenv("HOME", home, 1);
}

static void test_hostile_build(void **state)
{
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    CLEANUP_FREE char *name = NULL, *home = strdup(getenv("HOME") ? getenv("HOME") : "/");
    unsigned port;
    CLEANUP_CLOSE int listener = listen_on_loopback(&port);
    char script[HOSTILE_MAX];
    struct error err;

    (void)state;
    if (!has_setuptools())
        skip();
    put_secrets(port, script);
    strcat(script, "from setuptools import setup\n"
                   "setup(name='tiny', version='1.6', packages=['tiny'])\n");
    put("src/setup.py", script);
    put("src/tiny/__init__.py", "x = 1\n");
    if (build(&name, &bytes, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(name, "tiny-1.6-py3-none-any.whl");
    assert_null(unconfined);
    unset_secrets(home);
}

/* links/ as an index: tiny, of which there is only a source; its build backend; and a package
 * that the backend itself asks for. */
static const char make_links[] =
    "import tarfile, zipfile\n"
    "def wheel(name, code):\n"
    "    with zipfile.ZipFile(f'links/{name}-1-py3-none-any.whl', 'w') as z:\n"
    "        z.writestr(f'{name}.py', code)\n"
    "        z.writestr(f'{name}-1.dist-info/METADATA',\n"
    "                   f'Metadata-Version: 2.1\\nName: {name}\\nVersion: 1\\n')\n"
    "        z.writestr(f'{name}-1.dist-info/WHEEL',\n"
    "                   'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
    "        z.writestr(f'{name}-1.dist-info/RECORD', '')\n"
    "wheel('tinyextra', '')\n"
    "wheel('tinybackend', r'''\n"
    "import os, zipfile\n"
    "exec(open('hostile.py').read())\n"
    "def get_requires_for_build_wheel(settings=None): return ['tinyextra']\n"
    "def build_wheel(folder, settings=None, metadata=None):\n"
    "    import tinyextra\n"
    "    name = 'tiny-1.7-py3-none-any.whl'\n"
    "    with zipfile.ZipFile(os.path.join(folder, name), 'w') as z:\n"
    "        z.writestr('tiny-1.7.dist-info/METADATA',\n"
    "                   'Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.7\\n')\n"
    "        z.writestr('tiny-1.7.dist-info/WHEEL', 'Wheel-Version: 1.0\\n'\n"
    "                   'Root-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
    "        z.writestr('tiny-1.7.dist-info/RECORD', '')\n"
    "    return name\n"
    "''')\n"
    "tarfile.open('links/tiny-1.7.tar.gz', 'w:gz').add('sdist/tiny-1.7', 'tiny-1.7')\n";

static void assert_builds(enum wheel_spec kind, const char *spec, const char *expected)
{
    struct wheel_build b = {.kind = kind, .spec = spec, .pip.cancel_fd = -1};
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    CLEANUP_FREE char *name = NULL;
    struct error err = {0};

    if (wheel_build(&b, &name, &bytes, NULL, &unconfined, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(name, expected);
    assert_null(unconfined);
}

static void test_hostile_requirement(void **state)
{
    CLEANUP_FREE char *home = strdup(getenv("HOME") ? getenv("HOME") : "/");
    unsigned port;
    CLEANUP_CLOSE int listener = listen_on_loopback(&port);
    struct error err = {0};
    char script[HOSTILE_MAX];

    (void)state;
    if (!has_setuptools())
        skip();
    put_secrets(port, script);
    put("sdist/tiny-1.7/hostile.py", script);
    put("sdist/tiny-1.7/setup.py", "raise SystemExit('the backend of pyproject.toml is used')\n");
    put("sdist/tiny-1.7/PKG-INFO", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.7\n");
    put("sdist/tiny-1.7/pyproject.toml", "[build-system]\nrequires = ['tinybackend>=1']\n"
                                         "build-backend = 'tinybackend'\n");
    put("make.py", make_links);
    assert_int_equal(make_folders(at("links"), 0755, &err), 0);
    (void)snprintf(script, sizeof(script), "cd %s && /usr/bin/python3 make.py", folder);
    assert_int_equal(system(script), 0);
    (void)setenv("PIP_FIND_LINKS", at("links"), 1);
    assert_builds(WHEEL_SPEC_REQUIREMENT, "tiny==1.7", "tiny-1.7-py3-none-any.whl");
    assert_builds(WHEEL_SPEC_REQUIREMENT, "tinyextra", "tinyextra-1-py3-none-any.whl");
    assert_builds(WHEEL_SPEC_FILE, at("links/tiny-1.7.tar.gz"), "tiny-1.7-py3-none-any.whl");
    unset_secrets(home);
}

/* A program that no sandbox can run does not lead to a weaker one, which could run it. */
static void test_no_weaker_sandbox(void **state)
{
    const struct pip_options options = {.cancel_fd = -1};
    static const char *const programs[] = {"python", "/bin/false"};

    (void)state;
    put("python", "#!/bin/sh\n");
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(chmod(at("python"), 0755), 0);
    for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
        const char *program = *programs[i] == '/' ? programs[i] : at(programs[i]);
        const char *const argv[] = {program, NULL};
        CLEANUP(process_result_clear) struct process_result result = {0};
        CLEANUP(pip_close) struct pip pip = {0};
        struct error err = {0};

        assert_int_equal(pip_open(&options, &pip, &err), 0);
        free(pip.executable);
        pip.executable = strdup(program);
        assert_true(pip_run_confined(&pip, argv, 20000, &result, &err) < 0);
        assert_null(pip.unconfined);
        if (!strstr(err.text, program) || !strstr(err.text, "sandbox"))
            fail_msg("%s", err.text);
    }
}

static void test_plain_requirements(void **state)
{
    static const char *const plain[] = {
        "a",
        "setuptools>=40.8.0",
        "setuptools_scm[toml] >= 3.4, != 5.*",
        "numpy (~=1.2)",
        "x[a, b-c]==1!2.0+local.1",
        "numpy==1.19.2; python_version == '3.8' and platform_machine != \"aarch64\"",
        "x ; (os_name == 'nt' or extra == 'y')",
    };
    static const char *const others[] = {
        "",
        "x @ git+ssh://evil/r",
        "x@git+https://evil/r",
        "git+https://evil/r",
        "hg+x:y",
        "http://192.168.0.1/x",
        "file:x",
        "x @ file:y",
        "./x",
        "../x.whl",
        "/x",
        "x/y",
        "-r x",
        ".",
        "x y",
        "x; a @ b",
        "x>=1 @ y",
        "x[a/b]",
        "x[a",
        "x\033[2J",
        "x>=1\x7f",
        "x>=1\nb",
        "x; a == 'b\\'",
        "x>=1 --index-url",
        "x:y",
        "\xc3\xa9",
    };
    char longest[WHEEL_PLAIN_MAX + 2] = "";

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
        if (!wheel_requirement_is_plain(plain[i]))
            fail_msg("'%s' is refused", plain[i]);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        if (wheel_requirement_is_plain(others[i]))
            fail_msg("'%s' is taken", others[i]);
    memset(longest, 'x', WHEEL_PLAIN_MAX);
    assert_true(wheel_requirement_is_plain(longest));
    longest[WHEEL_PLAIN_MAX] = 'x';
    assert_false(wheel_requirement_is_plain(longest));
}

/* A source that wants git, which would run outside of the sandbox. */
static void test_requirement_by_git(void **state)
{
    CLEANUP_FREE char *path = strdup(getenv("PATH") ? getenv("PATH") : "");
    CLEANUP_FREE char *name = NULL;
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    char script[256], paths[1024];
    struct error err;

    (void)state;
    if (!has_setuptools())
        skip();
    (void)snprintf(script, sizeof(script), "#!/bin/sh\necho >>%s/ran/git\nexit 1\n", folder);
    put("bin/git", script);
    put("ran/README", "");
    put("src/setup.py", "");
    put("src/pyproject.toml", "[build-system]\nrequires = ['x @ git+ssh://evil.invalid/r']\n"
                              "build-backend = 'nowhere'\n");
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(chmod(at("bin/git"), 0755), 0);
    assert_int_equal(chmod(at("ran"), 0777), 0);
    (void)snprintf(paths, sizeof(paths), "%s:%s", at("bin"), path);
    (void)setenv("PATH", paths, 1);
    (void)setenv("PIP_NO_INDEX", "1", 1);
    assert_int_equal(build(&name, &bytes, &err), -EBADMSG);
    (void)unsetenv("PIP_NO_INDEX");
    (void)setenv("PATH", path, 1);
    assert_int_not_equal(access(at("ran/git"), F_OK), 0);
    if (!strstr(err.text, "\"x @ git+ssh://evil.invalid/r\""))
        fail_msg("%s", err.text);
}

/* A wheel of websocket-server for pip to find. */
static void link_extra(void)
{
    struct wheel_build b = {.kind = WHEEL_SPEC_DIRECTORY, .spec = at("extra"), .pip.cancel_fd = -1};
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    CLEANUP_FREE char *name = NULL;
    struct error err = {0};
    char target[128];

    put("extra/setup.py", "from setuptools import setup\n"
                          "setup(name='websocket-server', version='0.5.6')\n");
    (void)setenv("PIP_NO_INDEX", "1", 1);
    if (wheel_build(&b, &name, &bytes, NULL, &unconfined, &err) < 0)
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
    const struct CMUnitTest tests[] = {
        TEST(test_kinds),
        TEST(test_relative_specs),
        TEST(test_user_errors),
        TEST(test_tree_digest),
        TEST(test_tree_copy),
        TEST(test_build),
        TEST(test_hostile_build),
        TEST(test_hostile_requirement),
        TEST(test_no_weaker_sandbox),
        TEST(test_plain_requirements),
        TEST(test_requirement_by_git),
        TEST(test_prepare),
        TEST(test_changed_line_needs_no_pip),
        TEST(test_cancel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
