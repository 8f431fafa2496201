#include "deployer/bundle/bundle.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "deployer/base/content.h"
#include "deployer/base/folder.h"
#include "deployer/wheel/lay-out-wheel.h"
#include "discovery/base/file.h"
#include "own-folder.h"

static void put(const char *name, const char *text, mode_t mode)
{
    char parent[256];
    struct error err = {0};

    (void)snprintf(parent, sizeof(parent), "%s", at(name));
    *strrchr(parent, '/') = '\0';
    assert_int_equal(make_folders(parent, 0755, &err), 0);
    assert_int_equal(file_write(at(name), text, strlen(text), mode, &err), 0);
}

struct zip {
    struct archive *a;
    char *bytes;
    size_t used, room;
};

static void zip_begin(struct zip *z)
{
    z->room = 1 << 20;
    z->bytes = malloc(z->room);
    assert_non_null(z->bytes);
    z->a = archive_write_new();
    assert_int_equal(archive_write_set_format_zip(z->a), ARCHIVE_OK);
    assert_int_equal(archive_write_open_memory(z->a, z->bytes, z->room, &z->used), ARCHIVE_OK);
}

static void zip_put(struct zip *z, const char *path, const char *text, mode_t type, time_t when)
{
    struct archive_entry *e = archive_entry_new();

    archive_entry_set_pathname(e, path);
    archive_entry_set_filetype(e, type);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_mtime(e, when, 0);
    if (type == AE_IFLNK)
        archive_entry_set_symlink(e, text);
    archive_entry_set_size(e, type == AE_IFREG ? (la_int64_t)strlen(text) : 0);
    assert_int_equal(archive_write_header(z->a, e), ARCHIVE_OK);
    if (type == AE_IFREG)
        (void)archive_write_data(z->a, text, strlen(text));
    archive_entry_free(e);
}

static void zip_end(struct zip *z)
{
    assert_int_equal(archive_write_close(z->a), ARCHIVE_OK);
    (void)archive_write_free(z->a);
}

#define PURE "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"

/* A good wheel, and one more entry. */
static void make_wheel(struct zip *z, const char *info, const char *path, const char *text,
                       mode_t type, time_t when)
{
    zip_begin(z);
    zip_put(z, "pkg/__init__.py", "x = 1\n", AE_IFREG, when);
    zip_put(z, "pkg-1.0.data/scripts/tool", "#!python\n", AE_IFREG, when);
    zip_put(z, "pkg-1.0.data/purelib/more.py", "", AE_IFREG, when);
    zip_put(z, "pkg-1.0.dist-info/METADATA", "Name: pkg\n", AE_IFREG, when);
    zip_put(z, "pkg-1.0.dist-info/RECORD", "a,b,c\n", AE_IFREG, when);
    if (info)
        zip_put(z, "pkg-1.0.dist-info/WHEEL", info, AE_IFREG, when);
    if (path)
        zip_put(z, path, text, type, when);
    zip_end(z);
}

static int lay_out(const char *info, const char *path, const char *text, mode_t type,
                   struct content *c, struct error *err)
{
    struct zip z = {0};
    int r;

    make_wheel(&z, info, path, text, type, 1000000000);
    r = lay_out_wheel(c, "pkg.whl", z.bytes, z.used, &(struct wheel_layout){0}, err);
    free(z.bytes);
    return r < 0 ? r : content_sort(c, err);
}

static void assert_refused(const char *info, const char *path, const char *text, mode_t type)
{
    CLEANUP(content_clear) struct content c = {0};
    struct error err = {0};

    assert_int_equal(lay_out(info, path, text, type, &c, &err), -EBADMSG);
    assert_true(strlen(err.text) > 10);
}

static void test_wheel_layout(void **state)
{
    CLEANUP(content_clear) struct content c = {0};
    struct error err = {0};
    const struct content_file *f;

    (void)state;
    if (lay_out(PURE, "pkg-1.0.dist-info/entry_points.txt",
                "[console_scripts]\ndcop = pkg.cli:main [x]\n[gui_scripts]\nno = a:b\n", AE_IFREG,
                &c, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(c.count, 6);
    f = content_find(&c, "scripts/dcop");
    assert_non_null(f);
    assert_int_equal(f->mode, 0755);
    assert_non_null(memmem(f->data, f->size, "from pkg.cli import main\nsys.exit(main())", 41));
    assert_non_null(content_find(&c, "scripts/tool"));
    assert_non_null(content_find(&c, "site/more.py"));
    assert_non_null(content_find(&c, "site/pkg/__init__.py"));
    assert_non_null(content_find(&c, "site/pkg-1.0.dist-info/METADATA"));
    assert_null(content_find(&c, "site/pkg-1.0.dist-info/RECORD"));
}

static void test_wheels_that_are_refused(void **state)
{
    CLEANUP(content_clear) struct content c = {0};

    (void)state;
    assert_refused(NULL, NULL, NULL, 0);
    assert_refused("Root-Is-Purelib: false\nTag: py3-none-any\n", NULL, NULL, 0);
    assert_refused("Root-Is-Purelib: true\nTag: py3-none-any\nTag: cp311-cp311-linux_armv7l\n",
                   NULL, NULL, 0);
    assert_refused(PURE, "../../etc/passwd", "x", AE_IFREG);
    assert_refused(PURE, "/etc/passwd", "x", AE_IFREG);
    assert_refused(PURE, "pkg/./x", "x", AE_IFREG);
    assert_refused(PURE, "pkg/a\nb", "x", AE_IFREG);
    assert_refused(PURE, "pkg/a\\b", "x", AE_IFREG);
    assert_refused(PURE, "pkg/link", "/etc/passwd", AE_IFLNK);
    assert_refused(PURE, "pkg/__init__.py", "other", AE_IFREG);
    assert_refused(PURE, "pkg-1.0.data/data/etc/x", "x", AE_IFREG);
    assert_refused(PURE, "pkg-1.0.data/scripts/../x", "x", AE_IFREG);
    assert_refused(PURE, "pkg-1.0.dist-info/entry_points.txt",
                   "[console_scripts]\nx = a;import os:b\n", AE_IFREG);
    assert_int_equal(lay_out_wheel(&c, "x", "no zip at all", 13, &(struct wheel_layout){0}, NULL),
                     -EBADMSG);
}

static void test_bounds(void **state)
{
    CLEANUP(content_clear) struct content c = {0};
    char *big = calloc(1, CONTENT_FILE_MAX + 1);
    int r = 0;

    (void)state;
    assert_non_null(big);
    assert_int_equal(content_add(&c, "a", 0644, big, CONTENT_FILE_MAX + 1, NULL), -EFBIG);
    for (int i = 0; i < 5 && r == 0; i++)
        r = content_add(&c, i % 2 ? "a" : "b", 0644, big, CONTENT_FILE_MAX, NULL);
    assert_int_equal(r, -EFBIG);
    assert_int_equal(c.count, CONTENT_MAX / CONTENT_FILE_MAX);
    free(big);
}

static void write_wheel(const char *name, time_t when)
{
    struct zip z = {0};
    struct error err;

    make_wheel(&z, PURE, NULL, NULL, 0, when);
    assert_int_equal(file_write(at(name), z.bytes, z.used, 0644, &err), 0);
    free(z.bytes);
}

static void make_steps(void)
{
    put("steps/run", "#!/bin/sh\n", 0755);
    put("steps/lib.sh", "# lib\n", 0644);
    put("steps/steps/10-clock", "# clock\n", 0644);
    put("steps/shim.py", "# shim\n", 0644);
    put("steps/shim.pth", "import shim\n", 0644);
    put("steps/.hidden", "", 0644);
    put("steps/__pycache__/shim.pyc", "", 0644);
}

static int make(const char *wheel, const char *cache, struct bundle *ret)
{
    CLEANUP(wheel_set_clear) struct wheel_set set = {0};
    struct error err = {0};
    int r;

    set.version = strdup("1.0");
    assert_int_equal(strings_add(&set.paths, at(wheel)), 0);
    r = bundle_make(&set, at("steps"), NULL, at(cache), ret, &err);
    if (r < 0)
        print_message("%s\n", err.text);
    return r;
}

/* The names in the order of the archive; sizes, modes, owners, times are looked
 * at, and the sums compared by sha256sum itself. */
static void check_tar(const char *path)
{
    static const char *const names[] = {
        "digest",
        "lib.sh",
        "run",
        "scripts/tool",
        "site/more.py",
        "site/pkg-1.0.dist-info/METADATA",
        "site/pkg/__init__.py",
        "site/shim.pth",
        "site/shim.py",
        "steps/10-clock",
        "version",
        "SHA256SUMS",
    };
    struct archive *a = archive_read_new();
    struct archive_entry *e;
    char command[512];
    size_t n = 0;

    assert_int_equal(archive_read_support_format_tar(a), ARCHIVE_OK);
    assert_int_equal(archive_read_support_filter_gzip(a), ARCHIVE_OK);
    assert_int_equal(archive_read_open_filename(a, path, 10240), ARCHIVE_OK);
    for (; archive_read_next_header(a, &e) == ARCHIVE_OK; n++) {
        bool executable = n == 2 || n == 3;

        assert_true(n < ARRAY_SIZE(names));
        assert_string_equal(archive_entry_pathname(e), names[n]);
        assert_int_equal(archive_entry_perm(e), executable ? 0755 : 0644);
        assert_int_equal(archive_entry_mtime(e), 0);
        assert_int_equal(archive_entry_uid(e) + archive_entry_gid(e), 0);
    }
    assert_int_equal(n, ARRAY_SIZE(names));
    (void)archive_read_free(a);
    (void)snprintf(command, sizeof(command),
                   "mkdir %s/x && tar -xzf %s -C %s/x && cd %s/x && sha256sum -c --quiet --strict "
                   "SHA256SUMS",
                   folder, path, folder, folder);
    assert_int_equal(system(command), 0);
}

static void test_bundle(void **state)
{
    CLEANUP(bundle_clear) struct bundle b = {0}, again = {0}, other = {0}, step = {0};
    struct error err;

    (void)state;
    make_steps();
    write_wheel("pkg-1.0-py3-none-any.whl", 1000000000);
    write_wheel("later-1.0-py3-none-any.whl", 1500000000);
    assert_int_equal(make("pkg-1.0-py3-none-any.whl", "cache", &b), 0);
    assert_string_equal(b.version, "1.0");
    check_tar(b.path);
    /* Nothing of time or place is in it. */
    assert_int_equal(make("later-1.0-py3-none-any.whl", "cache2", &other), 0);
    assert_string_equal(other.digest, b.digest);
    assert_string_equal(other.bundle_digest, b.bundle_digest);
    /* A damaged one in the cache is not used. */
    assert_int_equal(file_write(b.path, "x", 1, 0644, &err), 0);
    assert_int_equal(make("pkg-1.0-py3-none-any.whl", "cache", &again), 0);
    assert_string_equal(again.bundle_digest, b.bundle_digest);
    assert_int_equal(again.size, b.size);
    /* A step makes another bundle of the same version; the shim another version. */
    put("steps/steps/10-clock", "# other\n", 0644);
    assert_int_equal(make("pkg-1.0-py3-none-any.whl", "cache", &step), 0);
    assert_string_equal(step.digest, b.digest);
    assert_string_not_equal(step.bundle_digest, b.bundle_digest);
    put("steps/shim.py", "# other\n", 0644);
    assert_int_equal(make("pkg-1.0-py3-none-any.whl", "cache", &step), 0);
    assert_string_not_equal(step.digest, b.digest);
}

static void test_no_steps(void **state)
{
    CLEANUP(bundle_clear) struct bundle b = {0};

    (void)state;
    write_wheel("pkg-1.0-py3-none-any.whl", 1000000000);
    put("steps/lib.sh", "", 0644);
    assert_int_equal(make("pkg-1.0-py3-none-any.whl", "cache", &b), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_wheel_layout), TEST(test_wheels_that_are_refused),
        TEST(test_bounds),       TEST(test_bundle),
        TEST(test_no_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
