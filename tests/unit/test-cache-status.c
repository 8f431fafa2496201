/* What is cached: counted from a folder as apt-cacher-ng and devpi leave it, and told. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "deployer/base/folder.h"
#include "deployer/verbs/cache-status.h"
#include "discovery/base/file.h"

struct fixture {
    char folder[32], cache[48];
    struct paths paths;
};

enum { NOW = 1700000000 };

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/dcop-cache.XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    (void)snprintf(f->cache, sizeof(f->cache), "%s/cache", f->folder);
    f->paths.state = f->folder;
    f->paths.cache = f->cache;
    assert_int_equal(cache_folders(&f->paths, NULL), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    folder_remove(f->folder);
    free(f);
    return 0;
}

/* A file of that age below caches/. */
static void put(const struct fixture *f, const char *name, const char *text, int age)
{
    CLEANUP_FREE char *path = cache_path(&f->paths, name);
    CLEANUP_FREE char *folder = strdup(path);
    struct timespec times[2] = {{.tv_sec = NOW - age}, {.tv_sec = NOW - age}};

    *strrchr(folder, '/') = '\0';
    assert_int_equal(make_folders(folder, 0700, NULL), 0);
    assert_int_equal(file_write(path, text, strlen(text), 0600, NULL), 0);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

#define REPOSITORY "apt/cache/deb.example.org_debian_00000000/"

static void fill(const struct fixture *f)
{
    put(f, REPOSITORY "pool/a_1_amd64.deb", "aaaa", 100);
    put(f, REPOSITORY "pool/a_1_amd64.deb.head", "head", 100);
    put(f, REPOSITORY "pool/half_1_amd64.deb", "hh", 90); /* cut off */
    put(f, REPOSITORY "pool/all_1_all.deb", "all", 7200);
    put(f, REPOSITORY "dists/trixie/main/binary-amd64/Packages",
        "Package: old\nFilename: pool/all_1_all.deb\nSize: 3\n", 500); /* not the newest */
    put(f, REPOSITORY "dists/trixie/main/binary-amd64/by-hash/SHA256/0123",
        "Package: a\nFilename: pool/a_1_amd64.deb\nSize: 4\n\n"
        "Package: half\nFilename: pool/half_1_amd64.deb\nSize: 4\n\n"
        "Package: none\nFilename: pool/none_1_amd64.deb\nSize: 4\n\n"
        "Package: all\nFilename: pool/all_1_all.deb\nSize: 3\n",
        50);
    put(f, REPOSITORY "dists/trixie/main/binary-arm64/Packages",
        "Filename: pool/all_1_all.deb\nSize: 3\n\n", 50);
    put(f, REPOSITORY "dists/trixie/main/binary-\x1b[2J/Packages", "Size: 1\n", 50);
    put(f, "apt/cache/_xstore/rsnap/x/1.deb", "copy", 50);
    put(f, "pip/server/+files/root/pypi/+f/aa/a-1-py3-none-any.whl", "wheel", 10);
    put(f, "pip/server/+files/root/pypi/+f/aa/a-1.tar.gz", "source", 10);
    put(f, "../cache/layers/0.tar.gz", "layer 1", 10);
    put(f, "../cache/layers/by-name/0", "0", 10);
}

static void packages_count_for_the_suites_that_have_them_whole(void **state)
{
    struct fixture *f = *state;
    CLEANUP(cache_content_clear) struct cache_content c = {0};
    struct error err = {0};

    fill(f);
    if (cache_content_read(&f->paths, &c, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(c.packages.files, 3);
    assert_int_equal(c.packages.bytes, 9);
    assert_int_equal(c.packages.oldest, NOW - 7200);
    assert_int_equal(c.packages.newest, NOW - 90);
    assert_int_equal(c.n_systems, 2);
    assert_string_equal(c.systems[0].suite, "trixie");
    assert_string_equal(c.systems[0].arch, "amd64");
    assert_int_equal(c.systems[0].count.files, 2);
    assert_int_equal(c.systems[0].count.bytes, 7);
    assert_string_equal(c.systems[1].arch, "arm64");
    assert_int_equal(c.systems[1].count.files, 1);
    assert_int_equal(c.wheels.files, 1);
    assert_int_equal(c.sources.files, 1);
    assert_int_equal(c.layers.files, 1);
    assert_int_equal(c.indexes.files, 4);
}

static void an_empty_cache_is_no_error(void **state)
{
    struct fixture *f = *state;
    CLEANUP(cache_content_clear) struct cache_content c = {0};

    assert_int_equal(cache_content_read(&f->paths, &c, NULL), 0);
    assert_int_equal(c.packages.files, 0);
    folder_remove(f->folder);
    assert_int_equal(cache_content_read(&f->paths, &c, NULL), 0);
}

static void the_report_is_for_people_and_programs(void **state)
{
    struct fixture *f = *state;
    CLEANUP(cache_report_clear) struct cache_report r = {.now = NOW, .asked = true};
    CLEANUP_TEXT struct text text = TEXT_INIT, json = TEXT_INIT;
    json_t *o;

    fill(f);
    assert_int_equal(cache_content_read(&f->paths, &r.content, NULL), 0);
    r.running = (struct cache_running){
        .running = true,
        .apt = true,
        .settings = {.apt_port = 23456, .pip_port = 23457, .offline = true, .index = "root/pypi"}};
    assert_int_equal(strings_add(&r.repositories, "http://deb.example.org/debian"), 0);
    assert_int_equal(strings_add(&r.missing, "python3-venv for trixie"), 0);
    assert_int_equal(cache_report_text(&r, &text), 0);
    assert_string_equal(text_str(&text),
                        "apt  http://127.0.0.1:23456\n"
                        "pip  does not answer\n"
                        "Offline: they do not fetch what they do not have.\n"
                        "\n"
                        "CACHED           ARCH   FILES  SIZE   OLDEST  NEWEST\n"
                        "trixie           amd64  2      7 B    2 h     100 s\n"
                        "trixie           arm64  1      3 B    2 h     2 h\n"
                        "packages in all         3      9 B    2 h     90 s\n"
                        "package lists           4      305 B  8 min   50 s\n"
                        "Python wheels           1      5 B    10 s    10 s\n"
                        "Python sources          1      6 B    10 s    10 s\n"
                        "Python layers           1      7 B    10 s    10 s\n"
                        "\n"
                        "Repositories:\n"
                        "  http://deb.example.org/debian\n"
                        "\n"
                        "Would a deploy succeed without the internet now: no. Missing:\n"
                        "  python3-venv for trixie\n");
    assert_int_equal(cache_report_json(&r, &json), 0);
    o = json_loads(text_str(&json), 0, NULL);
    assert_non_null(o);
    assert_int_equal(json_integer_value(json_object_get(o, "version")), 1);
    assert_string_equal(json_string_value(json_object_get(o, "apt_proxy")),
                        "http://127.0.0.1:23456");
    assert_true(json_is_null(json_object_get(o, "pip_index")));
    assert_true(json_is_false(json_object_get(o, "complete")));
    assert_int_equal(json_array_size(json_object_get(o, "systems")), 2);
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(packages_count_for_the_suites_that_have_them_whole, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_empty_cache_is_no_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_report_is_for_people_and_programs, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
