/* apt-cacher-ng with its network cut: gives what is there and nothing else. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "deployer/base/folder.h"
#include "deployer/cache/offline.h"
#include "discovery/base/file.h"
#include "discovery/base/process.h"

static void write_in(const char *folder, const char *name, const char *text)
{
    CLEANUP_FREE char *path = NULL, *slash;

    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(make_folders(path, 0755, NULL), 0);
    *slash = '/';
    assert_int_equal(file_write(path, text, strlen(text), 0644, NULL), 0);
    slash = NULL;
}

static bool has(const char *url, const char *file, const char *folder)
{
    CLEANUP(process_result_clear) struct process_result result = {0};
    CLEANUP_FREE char *proxy = NULL, *to = NULL;
    const char *argv[] = {"/usr/lib/apt/apt-helper", "-o", NULL, "download-file", file, NULL, NULL};
    const char *env[] = {"APT_CONFIG", "no_proxy", NULL};
    const struct process_options o = {
        .argv = argv, .env = env, .timeout_ms = 30000, .cancel_fd = -1};

    assert_true(asprintf(&proxy, "Acquire::http::Proxy=%s", url) > 0);
    assert_true(asprintf(&to, "%s/got", folder) > 0);
    argv[2] = proxy;
    argv[5] = to;
    (void)unlink(to);
    assert_int_equal(process_run(&o, &result, NULL), 0);
    return result.status == 0 && access(to, F_OK) == 0;
}

static void test_offline(void **state)
{
    CLEANUP(cache_offline_free_p) struct cache_offline *o = NULL;
    CLEANUP_FREE char *conf = NULL, *work = NULL, *settings = NULL;
    char folder[] = "/tmp/dcop-test.XXXXXX";
    struct error err = {0};
    struct stat st;

    (void)state;
    if (access("/usr/sbin/apt-cacher-ng", X_OK) < 0)
        skip();
    assert_non_null(mkdtemp(folder));
    assert_true(asprintf(&conf, "%s/conf", folder) > 0);
    assert_true(asprintf(&work, "%s/work", folder) > 0);
    assert_true(asprintf(&settings,
                         "CacheDir: %s/cache\nLogDir: %s/log\nForeGround: 1\nOfflinemode: 0\n"
                         "SupportDir: /usr/lib/apt-cacher-ng\n",
                         folder, folder) > 0);
    write_in(folder, "conf/acng.conf", settings);
    write_in(folder, "cache/d.example.org/debian/pool/x_1_all.deb", "whole");
    write_in(folder, "cache/d.example.org/debian/pool/x_1_all.deb.head",
             "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Original-Source: "
             "http://d.example.org/debian/pool/x_1_all.deb\r\n\r\n");
    assert_int_equal(cache_offline_start(conf, work, &o, &err), 0);
    assert_true(has(cache_offline_url(o), "http://d.example.org/debian/pool/x_1_all.deb", folder));
    assert_false(has(cache_offline_url(o), "http://d.example.org/debian/pool/y_1_all.deb", folder));
    cache_offline_free(TAKE_PTR(o));
    assert_int_equal(stat(work, &st), -1);
    folder_remove(folder);
}

static void test_without_settings(void **state)
{
    struct cache_offline *o = NULL;
    struct error err = {0};

    (void)state;
    if (access("/usr/sbin/apt-cacher-ng", X_OK) < 0)
        skip();
    assert_true(cache_offline_start("/nonexistent", "/tmp/dcop-test.none", &o, &err) < 0);
    assert_null(o);
    assert_non_null(strstr(err.text, "apt-cacher-ng"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offline),
        cmocka_unit_test(test_without_settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
