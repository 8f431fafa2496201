/* Reading an experiment whose name comes from a request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deployer/base/archive.h"
#include "deployer/solve/experiment-read.h"
#include "discovery/base/file.h"
#include "own-folder.h"

static void write_text(const char *name, const char *text)
{
    assert_int_equal(file_write(at(name), text, strlen(text), 0644, NULL), 0);
}

static void make_experiment(void)
{
    assert_int_equal(mkdir(at("all"), 0755), 0);
    assert_int_equal(mkdir(at("all/one"), 0755), 0);
    assert_int_equal(mkdir(at("all/one/logs"), 0755), 0);
    write_text("all/one/receipt.json", "{\"version\": 1}");
    write_text("all/one/metrics.csv", "time,cost\n1,2\n");
    write_text("all/one/logs/rpi-1.log", "line\n");
}

static int find(const char *name)
{
    struct error err = {0};

    return experiment_find(at("all"), name, &err);
}

static void test_names(void **state)
{
    static const char *const bad[] = {"", ".", "..", "../all/one", "one/logs", "/", ".one", "two"};
    int fd;

    (void)state;
    make_experiment();
    assert_int_equal(mkdir(at("all/two"), 0755), 0); /* no receipt */
    assert_int_equal(mkdir(at("all/.one"), 0755), 0);
    write_text("all/.one/receipt.json", "{}");
    write_text("all/one/logs/receipt.json", "{}");
    write_text("all/receipt.json", "{}");
    write_text("receipt.json", "{}");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(find(bad[i]), -ENOENT);
    write_text("all/file", "");
    assert_int_equal(find("file"), -ENOENT);
    assert_int_equal(symlink("one", at("all/link")), 0);
    fd = find("link");
    assert_true(fd >= 0);
    (void)close(fd);
}

static void test_files(void **state)
{
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    json_t *receipt = NULL;
    struct error err = {0};
    int fd;

    (void)state;
    make_experiment();
    write_text("secret", "secret");
    assert_int_equal(symlink(at("secret"), at("all/one/plot.svg")), 0);
    assert_int_equal(mkfifo(at("all/one/pipe"), 0600), 0);
    write_text("all/one/broken.json", "{");
    fd = find("one");
    assert_true(fd >= 0);
    assert_int_equal(experiment_read_json(fd, "receipt.json", &receipt, &err), 0);
    assert_int_equal(json_integer_value(json_object_get(receipt, "version")), 1);
    json_decref(receipt);
    assert_int_equal(experiment_read_json(fd, "broken.json", &receipt, &err), -EBADMSG);
    assert_int_equal(experiment_read_file(fd, "plot.svg", 100, &bytes, &err), -ENOENT);
    assert_int_equal(experiment_read_file(fd, "pipe", 100, &bytes, &err), -ENOENT);
    assert_int_equal(experiment_read_file(fd, "logs", 100, &bytes, &err), -ENOENT);
    assert_int_equal(experiment_read_file(fd, "none", 100, &bytes, &err), -ENOENT);
    assert_int_equal(experiment_read_file(fd, "metrics.csv", 5, &bytes, &err), -EFBIG);
    assert_int_equal(bytes.size, 0);
    assert_int_equal(experiment_read_file(fd, "metrics.csv", 14, &bytes, &err), 0);
    assert_string_equal(text_str(&bytes), "time,cost\n1,2\n");
    (void)close(fd);
}

static void test_metrics(void **state)
{
    CLEANUP_TEXT struct text table = TEXT_INIT, got = TEXT_INIT, small = TEXT_INIT;
    struct error err = {0};
    int fd;

    (void)state;
    make_experiment();
    fd = find("one");
    assert_int_equal(experiment_read_metrics(fd, &small, &err), 0);
    assert_string_equal(text_str(&small), "time,cost\n1,2\n");
    text_adds(&table, "time,cost\n");
    for (int i = 0; table.size < 3 * EXPERIMENT_METRICS_MAX; i++)
        text_addf(&table, "%d,5\n", i);
    text_adds(&table, "last,5\n");
    write_text("all/one/metrics.csv", text_str(&table));
    assert_int_equal(experiment_read_metrics(fd, &got, &err), 0);
    assert_true(got.size <= EXPERIMENT_METRICS_MAX + 10 && got.size > EXPERIMENT_METRICS_MAX - 20);
    assert_memory_equal(text_str(&got), "time,cost\n", 10);
    assert_string_equal(text_str(&got) + got.size - 7, "last,5\n");
    /* What follows the heading is a whole line of the table. */
    assert_non_null(strstr(text_str(&table), text_str(&got) + 9));
    (void)close(fd);
}

static void test_pack(void **state)
{
    static const char *const members[] = {"one/logs/rpi-1.log", "one/metrics.csv",
                                          "one/receipt.json"};
    CLEANUP_ARCHIVE_READER struct archive_reader *reader = NULL;
    CLEANUP_TEXT struct text tar = TEXT_INIT;
    struct error err = {0};
    uint64_t size = 0;
    int fd, packed;
    char chunk[4096];
    ssize_t n;

    (void)state;
    make_experiment();
    write_text("secret", "secret");
    assert_int_equal(symlink(at("secret"), at("all/one/link")), 0);
    assert_int_equal(symlink(folder, at("all/one/up")), 0);
    assert_int_equal(mkfifo(at("all/one/pipe"), 0600), 0);
    fd = find("one");
    packed = experiment_pack(fd, "one", at("scratch"), &size, &err);
    assert_true(packed >= 0);
    (void)close(fd);
    while ((n = pread(packed, chunk, sizeof(chunk), (off_t)tar.size)) > 0)
        text_add(&tar, chunk, (size_t)n);
    (void)close(packed);
    assert_int_equal(tar.size, size);
    assert_int_equal(archive_reader_open_tar(text_str(&tar), tar.size, &reader), 0);
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        assert_int_equal(archive_reader_next(reader, NULL), 1);
        assert_string_equal(archive_reader_path(reader), members[i]);
    }
    assert_int_equal(archive_reader_next(reader, NULL), 0);
}

/* Nothing is left of one that was too large. */
static void test_pack_bounds(void **state)
{
    struct error err = {0};
    uint64_t size;
    int fd;

    (void)state;
    make_experiment();
    fd = find("one");
    for (int i = 0; i < EXPERIMENT_PACK_FILES; i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "all/one/logs/%d", i);
        assert_int_equal(mkdir(at(name), 0755), 0);
    }
    assert_int_equal(experiment_pack(fd, "one", at("scratch"), &size, &err), -EFBIG);
    folder_remove(at("all/one/logs"));
    write_text("all/one/large", "");
    assert_int_equal(truncate(at("all/one/large"), EXPERIMENT_PACK_MAX + 1), 0);
    assert_int_equal(experiment_pack(fd, "one", at("scratch"), &size, &err), -EFBIG);
    assert_non_null(strstr(err.text, "64 MiB"));
    folder_remove(at("all"));
    assert_int_equal(rmdir(folder), 0); /* it is empty */
    assert_int_equal(mkdir(folder, 0755), 0);
    (void)close(fd);
}

/* Nor of one whose writer was killed: here by the kernel, at a file that is too large. */
static void test_pack_is_killed(void **state)
{
    const struct rlimit few = {1000, 1000}, none = {0, 0};
    struct error err = {0};
    uint64_t size;
    int status = 0;
    pid_t pid;

    (void)state;
    make_experiment();
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGXFSZ, SIG_DFL);
        if (setrlimit(RLIMIT_CORE, &none) == 0 && setrlimit(RLIMIT_FSIZE, &few) == 0)
            (void)experiment_pack(find("one"), "one", at("scratch"), &size, &err);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    folder_remove(at("all"));
    assert_int_equal(rmdir(folder), 0); /* it is empty */
    assert_int_equal(mkdir(folder, 0755), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_names), TEST(test_files),       TEST(test_metrics),
        TEST(test_pack),  TEST(test_pack_bounds), TEST(test_pack_is_killed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
