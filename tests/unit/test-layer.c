/* Layers are made by the real pip from wheels in a folder, without any index. */
#include "deployer/layer/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "deployer/base/content.h"
#include "deployer/base/folder.h"
#include "deployer/wheel/name.h"
#include "deployer/wheel/requires.h"
#include "discovery/base/file.h"

static char folder[64], cache[96], pins[96], python[8];
static struct paths paths;
static const struct strings *requires; /* NULL: nothing */

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
    char parent[512];

    (void)snprintf(parent, sizeof(parent), "%s", at(name));
    *strrchr(parent, '/') = '\0';
    assert_int_equal(make_folders(parent, 0755, NULL), 0);
    assert_int_equal(file_write(at(name), text, strlen(text), 0644, NULL), 0);
}

static void run(const char *command)
{
    assert_int_equal(system(command), 0);
}

/* A wheel with a module, a test of it, a header, and a C module for this architecture. */
static void make_wheels(void)
{
    char command[2048];

    (void)snprintf(
        command, sizeof(command),
        "cd %s && /usr/bin/python3 -c \"\n"
        "import zipfile\n"
        "def wheel(name, tag, files, more=''):\n"
        "    with zipfile.ZipFile('wheels/%%s-1.0-%%s.whl' %% (name, tag), 'w') as z:\n"
        "        for path, text in files.items(): z.writestr(path, text)\n"
        "        info = name + '-1.0.dist-info/'\n"
        "        z.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: %%s\\nVersion: "
        "1.0\\n%%s' %% (name, more))\n"
        "        z.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: "
        "false\\nTag: %%s\\n' %% tag)\n"
        "        z.writestr(info + 'RECORD', '')\n"
        "wheel('quick', 'cp3%s-cp3%s-manylinux2014_x86_64', {'quick/__init__.py': 'x = 1\\n',\n"
        "    'quick/tests/test_x.py': 'y = 2\\n', 'quick/fast.so': 'ELF', 'quick/x.h': ''})\n"
        "wheel('more', 'py3-none-any', {'more.py': ''})\n"
        "wheel('deep', 'py3-none-any', {'deep.py': ''},\n"
        "    'Requires-Dist: more; python_version==\\\"3.99\\\"\\n')\n"
        "wheel('plain', 'py3-none-any', {'plain.py': 'z = 3\\n', 'later.py': 'match = (\\n'})\n"
        "\"",
        folder, python + 2, python + 2);
    run(command);
}

/* Writes pins for the wheels as they are, and says so to pip. */
static void pin_as(const char *file, const char *wheels)
{
    char command[1024];

    (void)snprintf(command, sizeof(command),
                   "cd %s && for w in wheels/%s-*.whl; do s=$(sha256sum \"$w\"); n=${w#*/}; "
                   "echo \"${n%%%%-*}==1.0 --hash=sha256:${s%%%% *}\"; done >pins/%s",
                   folder, wheels, file);
    run(command);
}

static void pin(void)
{
    pin_as(python, "[pq]*");
}

static int setup(void **state)
{
    FILE *f =
        popen("/usr/bin/python3 -c 'import sys, pip; print(\"3.%d\" % sys.version_info[1])'", "r");

    (void)state;
    python[0] = '\0';
    if (f) {
        if (!fgets(python, sizeof(python), f))
            python[0] = '\0';
        python[strcspn(python, "\n")] = '\0';
        (void)pclose(f);
    }
    strcpy(folder, "/tmp/dcop-test-layer.XXXXXX");
    if (!mkdtemp(folder) || chmod(folder, 0755) < 0)
        return -1;
    (void)snprintf(cache, sizeof(cache), "%s/cache", folder);
    (void)snprintf(pins, sizeof(pins), "%s/pins", folder);
    paths = (struct paths){.cache = cache, .pins = pins};
    put("pins/left-out", "# words\n*/tests/*\n*.h\n");
    put("wheels/.none", "");
    (void)setenv("PIP_FIND_LINKS", at("wheels"), 1);
    if (*python) {
        make_wheels();
        pin();
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static const char *this_key(void)
{
    static char key[LAYER_KEY_MAX];

    (void)snprintf(key, sizeof(key), "%.7s-amd64", python);
    return key;
}

static const char *layer_file(const char *digest)
{
    static char path[256];

    (void)snprintf(path, sizeof(path), "%s/layers/%s.tar.gz", paths.cache, digest);
    return path;
}

static void make_old(const char *digest)
{
    const struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

    assert_int_equal(utimensat(AT_FDCWD, layer_file(digest), old, 0), 0);
}

/* Others are pruned before it. */
static bool is_new(const char *digest)
{
    struct stat st;

    assert_int_equal(stat(layer_file(digest), &st), 0);
    return st.st_mtim.tv_sec > 1;
}

/* Opens the layers, gets this Python's, and reads its files. */
static int get(struct content *ret, struct error *err)
{
    CLEANUP(layers_free_p) struct layers *l = NULL;
    const struct layer *layer = NULL;
    int r;

    *err = (struct error){0};
    assert_int_equal(layers_open(&paths, "", requires, &l, err), 0);
    r = layers_get(l, this_key(), -1, &layer, err);
    if (r == 0 && ret) {
        char digest[DIGEST_LENGTH + 1], recalled[DIGEST_LENGTH + 1];

        digest_bytes(layer->bytes, layer->size, digest);
        assert_string_equal(digest, layer->digest);
        make_old(digest);
        assert_int_equal(layers_recall(l, this_key(), recalled), 0);
        assert_string_equal(digest, recalled);
        assert_true(is_new(digest));
        assert_int_equal(layers_recall(l, "9.9-none", recalled), -ENOENT);
        assert_int_equal(content_read_tar(ret, layer->bytes, layer->size), 0);
    }
    return r;
}

static void test_made(void **state)
{
    CLEANUP(content_clear) struct content c = {0};
    struct error err;
    char code[64];

    (void)state;
    if (!*python)
        skip();
    if (get(&c, &err) < 0)
        fail_msg("%s", err.text);
    assert_non_null(content_find(&c, "quick/__init__.py"));
    assert_non_null(content_find(&c, "quick/fast.so"));
    assert_non_null(content_find(&c, "plain.py"));
    assert_non_null(content_find(&c, "quick-1.0.dist-info/METADATA"));
    assert_null(content_find(&c, "quick/tests/test_x.py"));
    assert_null(content_find(&c, "quick/x.h"));
    assert_memory_equal(content_find(&c, "dcop-layer")->data, "compiled", 8);
    (void)snprintf(code, sizeof(code), "quick/__pycache__/__init__.cpython-3%s.pyc", python + 2);
    assert_non_null(content_find(&c, code));
    /* A file of another Python's syntax spoils nothing. */
    assert_non_null(content_find(&c, "later.py"));
}

/* What is cached needs no pip, unless it is damaged. */
static void test_kept(void **state)
{
    struct error err;
    char command[256];

    (void)state;
    if (!*python)
        skip();
    assert_int_equal(get(NULL, &err), 0);
    (void)setenv("PIP_FIND_LINKS", "/nowhere", 1);
    assert_int_equal(get(NULL, &err), 0);
    (void)snprintf(command, sizeof(command), "for f in %s/layers/*.gz; do echo >>$f; done", cache);
    run(command);
    assert_int_equal(get(NULL, &err), -ENETUNREACH);
    assert_non_null(strstr(err.text, "cache prime"));
    (void)setenv("PIP_FIND_LINKS", at("wheels"), 1);
    assert_int_equal(get(NULL, &err), 0);
}

/* Another wheel of the same name and version is refused, and nothing is stored. */
static void test_foreign(void **state)
{
    struct error err;
    char command[256];

    (void)state;
    if (!*python)
        skip();
    (void)snprintf(command, sizeof(command), "sed -i 's/sha256:..../sha256:0000/' %s/%s", pins,
                   python);
    run(command);
    assert_int_equal(get(NULL, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "other wheels"));
    assert_int_not_equal(access(at("cache/layers"), F_OK), 0);
    pin();
}

static void names(struct text *ret)
{
    CLEANUP(layers_free_p) struct layers *l = NULL;

    text_reset(ret);
    assert_int_equal(layers_open(&paths, NULL, requires, &l, NULL), 0);
    layers_add_settings(l, ret);
}

/* The name follows what a layer is made from. */
static void test_names(void **state)
{
    CLEANUP_TEXT struct text one = TEXT_INIT, two = TEXT_INIT;

    (void)state;
    put("pins/3.99", "some==1.0 --hash=sha256:00\n");
    names(&one);
    names(&two);
    assert_string_equal(text_str(&one), text_str(&two));
    assert_non_null(strstr(text_str(&one), "layer 3.99-amd64 "));
    assert_non_null(strstr(text_str(&one), "layer 3.99-arm64 "));
    put("pins/left-out", "*/tests/*\n");
    names(&two);
    assert_string_not_equal(text_str(&one), text_str(&two));
    put("pins/3.99", "some==1.1 --hash=sha256:00\n");
    names(&one);
    assert_string_not_equal(text_str(&one), text_str(&two));
    assert_int_equal(unlink(at("pins/3.99")), 0);
    put("pins/left-out", "# words\n*/tests/*\n*.h\n");
}

/* What pyDCOP requires beside the pinned packages is part of another layer. */
static void test_extra(void **state)
{
    char *items[] = {(char *)"Plain", (char *)"websocket.server",
                     (char *)"more>=1; python_version>'3'"};
    const struct strings provided = {.items = items, .count = 2},
                         more = {.items = items, .count = 3};
    CLEANUP_TEXT struct text one = TEXT_INIT, two = TEXT_INIT;
    CLEANUP(content_clear) struct content c = {0};
    struct error err;

    (void)state;
    if (!*python)
        skip();
    names(&one);
    requires = &provided;
    names(&two);
    assert_string_equal(text_str(&one), text_str(&two));
    requires = &more;
    names(&two);
    assert_string_not_equal(text_str(&one), text_str(&two));
    if (get(&c, &err) < 0)
        fail_msg("%s", err.text);
    assert_non_null(content_find(&c, "more.py"));
    assert_non_null(content_find(&c, "quick/__init__.py"));
    /* A bound that the pinned version does not fit. */
    items[0] = (char *)"plain>=2";
    requires = &provided;
    assert_int_equal(get(NULL, &err), -ENETUNREACH);
    if (!strstr(err.text, "requires (setup.py)") || !strstr(err.text, "plain"))
        fail_msg("%s", err.text);
    requires = NULL;
}

/* Markers mean the machine's Python and architecture, not this computer's. */
static void test_markers(void **state)
{
    char *items[] = {(char *)"deep; platform_machine=='aarch64'", (char *)"nothing; os_name=='nt'"};
    const struct strings some = {.items = items, .count = 2};
    CLEANUP(layers_free_p) struct layers *l = NULL;
    const char *const keys[] = {"3.99-amd64", "3.99-arm64"};
    struct error err = {0};

    (void)state;
    if (!*python)
        skip();
    pin_as("3.99", "plain");
    assert_int_equal(layers_open(&paths, "", &some, &l, &err), 0);
    for (size_t i = 0; i < 2; i++) {
        CLEANUP(content_clear) struct content c = {0};
        const struct layer *layer = NULL;

        if (layers_get(l, keys[i], -1, &layer, &err) < 0)
            fail_msg("%s: %s", keys[i], err.text);
        assert_int_equal(content_read_tar(&c, layer->bytes, layer->size), 0);
        assert_non_null(content_find(&c, "plain.py"));
        assert_int_equal(content_find(&c, "deep.py") != NULL, i == 1);
        assert_int_equal(content_find(&c, "more.py") != NULL, i == 1);
    }
    assert_int_equal(unlink(at("pins/3.99")), 0);
}

/* Another wheel of a pinned package, which pip prefers where it is told no digests. */
static void test_pinned_twice(void **state)
{
    char *items[] = {(char *)"more", (char *)"plain[x]"};
    const struct strings some = {.items = items, .count = 2};
    CLEANUP(content_clear) struct content c = {0};
    struct error err;

    (void)state;
    if (!*python)
        skip();
    run("cd \"$PIP_FIND_LINKS\" && cp plain-1.0-py3-none-any.whl plain-1.0-7-py3-none-any.whl && "
        "/usr/bin/python3 -c \"import zipfile; "
        "zipfile.ZipFile('plain-1.0-7-py3-none-any.whl', 'a').writestr('foreign.py', '')\" && "
        "for w in *.whl; do s=$(sha256sum $w); "
        "echo \"<a href=\\\"$w#sha256=${s%% *}\\\">$w</a>\"; done >index.html");
    (void)setenv("PIP_FIND_LINKS", at("wheels/index.html"), 1);
    requires = &some;
    if (get(&c, &err) < 0)
        fail_msg("%s", err.text);
    requires = NULL;
    assert_non_null(content_find(&c, "more.py"));
    assert_null(content_find(&c, "foreign.py"));
    (void)setenv("PIP_FIND_LINKS", at("wheels"), 1);
    run("rm \"$PIP_FIND_LINKS\"/plain-1.0-7-* \"$PIP_FIND_LINKS\"/index.html");
}

static void put_wheel(const char *metadata)
{
    char command[1024];

    put("METADATA", metadata);
    (void)snprintf(
        command, sizeof(command),
        "cd %s && rm -rf x.whl x-1.dist-info && mkdir x-1.dist-info && "
        "mv METADATA x-1.dist-info && /usr/bin/python3 -m zipfile -c x.whl x-1.dist-info",
        folder);
    run(command);
}

static void test_requires(void **state)
{
    CLEANUP_STRINGS struct strings found = {0};
    struct error err = {0};

    (void)state;
    put_wheel("Name: x\nRequires-Dist: numpy (>=1.2)\r\nrequires-dist:  Pulp\n"
              "Requires-Dist: sphinx; extra == 'doc'\n\nRequires-Dist: text\n");
    if (wheel_requires(at("x.whl"), &found, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(found.count, 2);
    assert_string_equal(found.items[0], "numpy (>=1.2)");
    assert_int_equal(wheel_requirement_name(found.items[0]), 5);
    assert_string_equal(found.items[1], "Pulp");
    put_wheel("Requires-Dist: --index-url=http://x\n");
    assert_int_equal(wheel_requires(at("x.whl"), &found, &err), -EBADMSG);
    put_wheel("Requires-Dist: x @ http://x/y.whl\n");
    assert_int_equal(wheel_requires(at("x.whl"), &found, &err), -EBADMSG);
}

static void test_unknown(void **state)
{
    CLEANUP(layers_free_p) struct layers *l = NULL;
    const struct layer *layer;
    const struct paths bare = {.cache = cache};
    CLEANUP_TEXT struct text settings = TEXT_INIT;
    struct error err = {0};

    (void)state;
    assert_int_equal(layers_open(&bare, NULL, NULL, &l, &err), 0);
    layers_add_settings(l, &settings);
    assert_int_equal(settings.size, 0);
    assert_int_equal(layers_get(l, "3.13-amd64", -1, &layer, &err), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_made),         cmocka_unit_test(test_kept),
        cmocka_unit_test(test_unknown),      cmocka_unit_test(test_extra),
        cmocka_unit_test(test_requires),     cmocka_unit_test(test_markers),
        cmocka_unit_test(test_pinned_twice),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
