/* What apt says it would fetch, plain and hostile; what a machine says of its packages;
 * and apt at work in a root of its own, with nothing but what is in there. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "deployer/apt/resolve.h"
#include "deployer/base/folder.h"
#include "discovery/base/digest.h"
#include "discovery/base/file.h"

#define HASH "8d0db0b3099298fe039b94e4c52a6987798a90d23b80de3ac13c3cb75cf622a2"

static void test_uris(void **state)
{
    CLEANUP(apt_files_clear) struct apt_files files = {0};
    CLEANUP(apt_files_clear) struct apt_files more = {0};
    struct error err = {0};

    (void)state;
    assert_int_equal(
        apt_files_parse("'http://d.org/debian/pool/main/p/python-yaml_6.0-3%2bb2_amd64.deb' "
                        "python3-yaml_6.0-3+b2_amd64.deb 119168 SHA256:" HASH "\n"
                        "'http://d.org/debian/pool/main/g/glpk_1%3a5.0_amd64.deb' "
                        "glpk-utils_1%3a5.0-1_amd64.deb 7 SHA256:" HASH "\n",
                        &files, &err),
        0);
    assert_int_equal(files.count, 2);
    assert_int_equal(files.bytes, 119175);
    assert_string_equal(files.items[0].package, "python3-yaml");
    assert_string_equal(files.items[0].version, "6.0-3+b2");
    assert_string_equal(apt_files_find(&files, "glpk-utils")->version, "1:5.0-1");
    assert_string_equal(files.items[1].name, "glpk-utils_1%3a5.0-1_amd64.deb");
    assert_null(apt_files_find(&files, "python3"));
    assert_int_equal(apt_files_parse("'http://d.org/debian/pool/main/g/glpk_1%3a5.0_amd64.deb' "
                                     "glpk-utils_1%3a5.0-1_amd64.deb 7 SHA256:" HASH "\n"
                                     "'http://d.org/x.deb' xx_1_all.deb 1 SHA256:" HASH "\n",
                                     &more, &err),
                     0);
    assert_int_equal(apt_files_merge(&files, &more), 0);
    assert_int_equal(files.count, 3);
    assert_int_equal(files.bytes, 119176);
    apt_files_clear(&more);
    assert_int_equal(apt_files_parse("", &more, &err), 0);
    assert_int_equal(more.count, 0);
}

static void test_hostile_uris(void **state)
{
    static const char *const lines[] = {
        "'http://d.org/x.deb' ../../etc/cron.d/x_1_all.deb 1 SHA256:" HASH,
        "'http://d.org/x.deb' /etc/x_1_all.deb 1 SHA256:" HASH,
        "'http://d.org/x.deb' -x_1_all.deb 1 SHA256:" HASH,
        "'http://d.org/x.deb' .x_1_all.deb 1 SHA256:" HASH,
        "'http://d.org/x.deb' xx_1.deb 1 SHA256:" HASH,
        "'http://d.org/x.deb' xx_1_all.exe 1 SHA256:" HASH,
        "'http://d.org/x.deb' xx_1%0_all.deb 1 SHA256:" HASH,
        "'http://d.org/x.deb' xx_1%00_all.deb 1 SHA256:" HASH,
        "'file:/etc/shadow' xx_1_all.deb 1 SHA256:" HASH,
        "'http://127.0.0.1:8808/x.deb' xx_1_all.deb 1 SHA256:" HASH,
        "'http://d.org/x.deb' xx_1_all.deb -1 SHA256:" HASH,
        "'http://d.org/x.deb' xx_1_all.deb 99999999999999999999 SHA256:" HASH,
        "'http://d.org/x.deb' xx_1_all.deb 3000000000 SHA256:" HASH,
        "'http://d.org/x.deb' xx_1_all.deb 1 MD5Sum:0ead10b921294fee78c3fbd4a3575dc4",
        "'http://d.org/x.deb' xx_1_all.deb 1 SHA256:00",
        "'http://d.org/x.deb' xx_1_all.deb 1",
        "'http://d.org/x.deb' xx_1_all.deb 1 SHA256:" HASH " more",
        "'http://d.org/x.deb",
        "http://d.org/x.deb xx_1_all.deb 1 SHA256:" HASH,
        "'",
        "E: something \033[2J went wrong",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        CLEANUP(apt_files_clear) struct apt_files files = {0};
        struct error err = {0};

        print_message("%s\n", lines[i]);
        assert_int_equal(apt_files_parse(lines[i], &files, &err), -EBADMSG);
        assert_null(strchr(err.text, '\033'));
        assert_int_equal(files.count, 0);
    }
}

/* --- a machine's words -------------------------------------------------------------- */

static void add_file(struct content *c, const char *path, const char *data)
{
    assert_int_equal(content_add(c, path, 0644, data, strlen(data), NULL), 0);
}

static void encode(const struct content *c, struct text *ret)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    CLEANUP_TEXT struct text tar = TEXT_INIT;
    uint32_t bits = 0;
    unsigned count = 0;

    assert_int_equal(content_write_tar(c, &tar), 0);
    for (size_t i = 0; i < tar.size; i++) {
        bits = bits << 8 | (unsigned char)tar.data[i];
        for (count += 8; count >= 6; count -= 6)
            text_addc(ret, alphabet[bits >> (count - 6) & 63]);
    }
    if (count)
        text_addc(ret, alphabet[bits << (6 - count) & 63]);
}

static void test_machine(void **state)
{
    CLEANUP(content_clear) struct content c = {0};
    CLEANUP(apt_system_clear) struct apt_system s = {0};
    CLEANUP_TEXT struct text wire = TEXT_INIT;
    struct error err = {0};

    (void)state;
    add_file(&c, "arch", "arm64\narmhf\n");
    add_file(&c, "suite", "trixie\n");
    add_file(&c, "status", "Package: bash\nStatus: install ok installed\nVersion: 5\n\n");
    add_file(&c, "preferences", "");
    add_file(&c, "etc/apt/sources.list", "deb [signed-by=/k.gpg] http://d.org/debian trixie main");
    add_file(&c, "k.gpg", "key");
    assert_int_equal(content_sort(&c, NULL), 0);
    encode(&c, &wire);
    assert_int_equal(apt_system_read("rpi-1", &wire, &s, &err), 0);
    assert_string_equal(s.arch, "arm64");
    assert_int_equal(s.foreign.count, 1);
    assert_string_equal(s.suite, "trixie");
    assert_int_equal(s.sources.count, 1);
    assert_true(s.machine);
    assert_non_null(content_find(&s.files, "k.gpg"));
}

static void test_hostile_machine(void **state)
{
    static const struct {
        const char *arch, *status;
    } rows[] = {
        {"", "Package: x\n"},         {"arm64\n-o\n", "Package: x\n"},
        {"arm 64\n", "Package: x\n"}, {"arm64\n", ""},
        {NULL, "Package: x\n"},       {"a1\nb1\nc1\nd1\ne1\nf1\ng1\nh1\ni1\nj1\n", "Package: x\n"},
    };
    static const char *const words[] = {"", "AAAA", "!!!!", "H4sIAAAAAAAAA"};
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(content_clear) struct content c = {0};
        CLEANUP(apt_system_clear) struct apt_system s = {0};
        CLEANUP_TEXT struct text wire = TEXT_INIT;

        if (rows[i].arch)
            add_file(&c, "arch", rows[i].arch);
        add_file(&c, "status", rows[i].status);
        assert_int_equal(content_sort(&c, NULL), 0);
        encode(&c, &wire);
        assert_int_equal(apt_system_read("rpi-1", &wire, &s, &err), -EBADMSG);
    }
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        CLEANUP(apt_system_clear) struct apt_system s = {0};
        CLEANUP_TEXT struct text wire = TEXT_INIT;

        text_adds(&wire, words[i]);
        assert_int_equal(apt_system_read("rpi-1", &wire, &s, &err), -EBADMSG);
    }
}

/* --- apt in a root ------------------------------------------------------------------- */

static void write_in(const char *folder, const char *name, const char *text)
{
    CLEANUP_FREE char *path = NULL;

    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    assert_int_equal(file_write(path, text, strlen(text), 0644, NULL), 0);
}

/* Lists as apt would have them after an update: it takes what is there. */
static void test_apt(void **state)
{
    static const char packages[] =
        "Package: numpy\nVersion: 1:2.0-1\nArchitecture: armhf\nDepends: libc (>= 2)\n"
        "Filename: pool/numpy_2.0-1_armhf.deb\nSize: 11\nSHA256: " HASH "\nDescription: x\n\n"
        "Package: libc\nVersion: 2.41\nArchitecture: armhf\nMulti-Arch: same\n"
        "Filename: pool/libc_2.41_armhf.deb\nSize: 22\nSHA256: " HASH "\nDescription: x\n\n";
    static const char release[] = "Origin: Test\nSuite: trixie\nCodename: trixie\n"
                                  "Architectures: armhf\nComponents: main\n";
    const struct apt_way way = {.proxy = "http://127.0.0.1:9", .cancel_fd = -1};
    CLEANUP(apt_root_clear) struct apt_root root = {.lock = -1};
    CLEANUP(apt_system_clear) struct apt_system s = {0};
    CLEANUP(apt_files_clear) struct apt_files files = {0};
    CLEANUP_STRINGS struct strings wanted = {0};
    char folder[] = "/tmp/dcop-test.XXXXXX";
    struct error err = {0};

    (void)state;
    if (access("/usr/bin/apt-get", X_OK) < 0)
        skip();
    assert_non_null(mkdtemp(folder));
    write_in(folder, "sources.list", "deb http://d.example.org/debian bookworm main\n");
    assert_int_equal(apt_system_named(folder, "bookworm", "trixie", "armhf", &s, &err), 0);
    assert_int_equal(apt_system_named(folder, "bookworm", "trixie;x", "armhf", &s, &err), -EINVAL);
    assert_int_equal(apt_system_named(folder, "bookworm", "trixie", "-arm", &s, &err), -EINVAL);
    assert_int_equal(apt_root_open(folder, &s, &way, false, &root, &err), 0);
    write_in(root.folder, "state/lists/d.example.org_debian_dists_trixie_Release", release);
    write_in(root.folder,
             "state/lists/d.example.org_debian_dists_trixie_main_binary-armhf_Packages", packages);
    assert_int_equal(strings_add(&wanted, "numpy"), 0);
    assert_int_equal(apt_resolve(&root, &wanted, &files, &err), 0);
    assert_int_equal(files.count, 2);
    assert_string_equal(apt_files_find(&files, "numpy")->version, "1:2.0-1");
    assert_string_equal(apt_files_find(&files, "libc")->uri,
                        "http://d.example.org/debian/pool/libc_2.41_armhf.deb");
    /* What is installed is not fetched. */
    apt_files_clear(&files);
    text_adds(&s.status, "Package: libc\nStatus: install ok installed\nVersion: 2.41\n"
                         "Architecture: armhf\nMulti-Arch: same\nMaintainer: x\nDescription: x\n");
    assert_int_equal(apt_root_set(&root, &s, &err), 0);
    assert_int_equal(apt_resolve(&root, &wanted, &files, &err), 0);
    assert_int_equal(files.count, 1);
    /* What nobody has is named. */
    assert_int_equal(strings_add(&wanted, "nowhere"), 0);
    apt_files_clear(&files);
    assert_int_equal(apt_resolve(&root, &wanted, &files, &err), -ENOENT);
    assert_non_null(strstr(err.text, "nowhere"));
    folder_remove(folder);
}

/* apt on this controller works on what a person has allowed of a machine's sources. */
static void test_allowed(void **state)
{
    char *uris[] = {(char *)"http://d.example.org/debian", (char *)"https://d.example.org/s"};
    const struct strings allowed = {.items = uris, .count = 2};
    const struct apt_way way = {.proxy = "http://127.0.0.1:9",
                                .https = APT_HTTPS_FOR_CACHE,
                                .cancel_fd = -1,
                                .allowed = &allowed};
    CLEANUP(apt_root_clear) struct apt_root root = {.lock = -1}, none = {.lock = -1};
    CLEANUP(apt_system_clear) struct apt_system s = {.machine = true};
    CLEANUP_TEXT struct text list = TEXT_INIT;
    CLEANUP_FREE char *path = NULL, *stamp = NULL;
    char folder[] = "/tmp/dcop-test.XXXXXX";
    struct error err = {0};

    (void)state;
    if (access("/usr/bin/apt-get", X_OK) < 0)
        skip();
    assert_non_null(mkdtemp(folder));
    s.name = strdup("rpi-2");
    s.arch = strdup("arm64");
    assert_int_equal(apt_sources_parse(&s.sources, "sources.list",
                                       "deb http://d.example.org/debian trixie main\n"
                                       "deb https://d.example.org/debian trixie main\n"
                                       "deb https://d.example.org/s trixie main\n"
                                       "deb http://evil.example.org/debian trixie main\n",
                                       "arm64", &err),
                     0);
    assert_int_equal(apt_root_open(folder, &s, &way, false, &root, &err), 0);
    assert_true(asprintf(&path, "%s/etc/sources.list", root.folder) > 0);
    assert_true(asprintf(&stamp, "%s/" APT_ROOT_STAMP, root.folder) > 0);
    assert_int_equal(file_read(path, 4096, &list, NULL), 0);
    assert_string_equal(text_str(&list), "deb http://d.example.org/debian trixie main\n"
                                         "deb http://d.example.org:443/s trixie main\n");
    assert_int_equal(root.passed_over.count, 2);
    assert_non_null(strstr(root.passed_over.items[1],
                           "dcop-deploy cache allow http://evil.example.org/debian"));
    /* What was fetched of other sources does not count any more. */
    write_in(root.folder, APT_ROOT_STAMP, "");
    apt_root_clear(&root);
    assert_int_equal(apt_root_open(folder, &s, &way, false, &root, &err), 0);
    assert_int_equal(access(stamp, F_OK), 0);
    apt_root_clear(&root);
    uris[1] = (char *)"http://evil.example.org/debian";
    assert_int_equal(apt_root_open(folder, &s, &way, false, &root, &err), 0);
    assert_int_equal(access(stamp, F_OK), -1);
    apt_root_clear(&root);
    uris[0] = uris[1] = (char *)"http://other.example.org/debian";
    assert_int_equal(apt_root_open(folder, &s, &way, false, &none, &err), -ENOENT);
    assert_non_null(strstr(err.text, "dcop-deploy cache allow http://d.example.org/debian"));
    folder_remove(folder);
}

static void age(const char *folder, const char *name, time_t seconds)
{
    CLEANUP_FREE char *path = NULL, *lock = NULL;
    struct timespec times[2] = {{.tv_sec = time(NULL) - seconds}, {.tv_sec = time(NULL) - seconds}};

    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    assert_true(asprintf(&lock, "%s/lock", path) > 0);
    (void)mkdir(path, 0755);
    assert_int_equal(file_write(lock, "", 0, 0600, NULL), 0);
    assert_int_equal(utimensat(AT_FDCWD, lock, times, 0), 0);
}

static size_t count_roots(const char *folder)
{
    DIR *dir = opendir(folder);
    size_t count = 0;

    assert_non_null(dir);
    for (const struct dirent *e; (e = readdir(dir));)
        count += strncmp(e->d_name, "m-", 2) == 0;
    closedir(dir);
    return count;
}

/* A machine that comes with other sources each time does not fill the disk. */
static void test_old_roots(void **state)
{
    const struct apt_way way = {.proxy = "http://127.0.0.1:9", .cancel_fd = -1};
    CLEANUP(apt_system_clear) struct apt_system s = {.machine = true};
    CLEANUP_FREE char *held = NULL;
    char folder[] = "/tmp/dcop-test.XXXXXX", name[32];
    struct error err = {0};
    int lock;

    (void)state;
    if (access("/usr/bin/apt-get", X_OK) < 0)
        skip();
    assert_non_null(mkdtemp(folder));
    for (int i = 0; i < 40; i++) {
        (void)snprintf(name, sizeof(name), "m-%016d", i);
        age(folder, name, 60 * (i + 1));
    }
    age(folder, "m-old", APT_ROOT_KEPT_S + 60);
    age(folder, "trixie-arm64", APT_ROOT_KEPT_S + 60);
    /* One that is open. */
    assert_true(asprintf(&held, "%s/m-%016d/lock", folder, 39) > 0);
    lock = open(held, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    s.name = strdup("rpi-2");
    s.arch = strdup("arm64");
    assert_int_equal(apt_sources_parse(&s.sources, "sources.list",
                                       "deb http://d.example.org/debian trixie main\n", "arm64",
                                       &err),
                     0);
    for (int i = 0; i < 2; i++) {
        CLEANUP(apt_root_clear) struct apt_root root = {.lock = -1};

        assert_int_equal(apt_root_open(folder, &s, &way, false, &root, &err), 0);
    }
    assert_int_equal(count_roots(folder), APT_ROOTS_KEPT + 1);
    assert_int_equal(access(held, F_OK), 0);
    (void)close(lock);
    (void)snprintf(name, sizeof(name), "m-%016d", 0);
    age(folder, "trixie-arm64", 0); /* one that was named stays */
    folder_remove(folder);
}

static void test_no_lists(void **state)
{
    const struct apt_way way = {.proxy = "http://127.0.0.1:9", .cancel_fd = -1};
    CLEANUP(apt_root_clear) struct apt_root root = {.lock = -1};
    CLEANUP(apt_system_clear) struct apt_system s = {0};
    CLEANUP_STRINGS struct strings warnings = {0};
    char folder[] = "/tmp/dcop-test.XXXXXX";
    struct error err = {0};

    (void)state;
    if (access("/usr/bin/apt-get", X_OK) < 0)
        skip();
    assert_non_null(mkdtemp(folder));
    write_in(folder, "sources.list", "deb http://d.example.org/debian bookworm main\n");
    assert_int_equal(apt_system_named(folder, "bookworm", "trixie", "arm64", &s, &err), 0);
    assert_int_equal(apt_root_open(folder, &s, &way, true, &root, &err), 0);
    assert_int_equal(apt_root_update(&root, false, &warnings, &err), -ENETUNREACH);
    assert_non_null(strstr(err.text, "127.0.0.1"));
    folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uris),    cmocka_unit_test(test_hostile_uris),
        cmocka_unit_test(test_machine), cmocka_unit_test(test_hostile_machine),
        cmocka_unit_test(test_apt),     cmocka_unit_test(test_no_lists),
        cmocka_unit_test(test_allowed), cmocka_unit_test(test_old_roots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
