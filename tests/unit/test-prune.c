#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "deployer/base/folder.h"
#include "deployer/base/prune.h"
#include "discovery/base/file.h"

enum { MADE = 25, KEPT = 20 };

static char folder[64];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/dcop-test-prune.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

/* The path of the entry of that number. */
static const char *entry(unsigned number, const char *ending)
{
    static char path[256];

    (void)snprintf(path, sizeof(path), "%s/%064x%s", folder, number, ending);
    return path;
}

static void age(const char *path, time_t seconds)
{
    struct timespec times[2] = {{.tv_sec = time(NULL) - seconds}, {.tv_sec = time(NULL) - seconds}};

    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static unsigned count(const char *ending)
{
    unsigned n = 0;

    for (unsigned i = 0; i < MADE; i++)
        n += access(entry(i, ending), F_OK) == 0;
    return n;
}

static void the_oldest_go(void **state)
{
    struct error err = {0};

    (void)state;
    for (unsigned i = 0; i < MADE; i++) {
        assert_int_equal(file_write(entry(i, ".tar.gz"), "x", 1, 0644, &err), 0);
        age(entry(i, ".tar.gz"), PRUNE_AGE_S + 100 + (time_t)i);
    }
    assert_int_equal(file_write(entry(99, ".tar.gz.abcdef"), "x", 1, 0644, &err), 0);
    age(entry(99, ".tar.gz.abcdef"), 10 * PRUNE_AGE_S);
    prune_used(entry(MADE - 1, ".tar.gz")); /* the oldest is the newest by use */
    prune_oldest(folder, ".tar.gz", KEPT);
    assert_int_equal(count(".tar.gz"), KEPT);
    assert_int_equal(access(entry(MADE - 1, ".tar.gz"), F_OK), 0);
    assert_int_not_equal(access(entry(MADE - 2, ".tar.gz"), F_OK), 0);
    assert_int_equal(access(entry(99, ".tar.gz.abcdef"), F_OK), 0); /* not one of them */
}

static void what_was_used_just_now_stays(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MADE; i++) {
        assert_int_equal(mkdir(entry(i, ""), 0755), 0);
        age(entry(i, ""), i < MADE - 2 ? 60 : 2 * PRUNE_AGE_S);
    }
    prune_oldest(folder, "", KEPT);
    assert_int_equal(count(""), MADE - 2);
}

static void answers_follow(void **state)
{
    struct error err = {0};
    char line[128], answers[128], path[3][256];

    (void)state;
    (void)snprintf(answers, sizeof(answers), "%s/answers", folder);
    assert_int_equal(mkdir(answers, 0755), 0);
    assert_int_equal(mkdir(entry(1, ""), 0755), 0);
    for (unsigned i = 0; i < 3; i++) {
        (void)snprintf(path[i], sizeof(path[i]), "%s/%064x", answers, i);
        (void)snprintf(line, sizeof(line), "%064x name\n", i);
        assert_int_equal(file_write(path[i], line, i == 2 ? 10 : strlen(line), 0644, &err), 0);
    }
    prune_answers(answers, folder, "");
    assert_int_not_equal(access(path[0], F_OK), 0);
    assert_int_equal(access(path[1], F_OK), 0);
    assert_int_not_equal(access(path[2], F_OK), 0);
}

static void what_no_one_used_goes(void **state)
{
    struct error err = {0};
    char path[3][256];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        (void)snprintf(path[i], sizeof(path[i]), "%s/p_%u_all.%s", folder, i, i == 2 ? "x" : "deb");
        assert_int_equal(file_write(path[i], "", 0, 0644, &err), 0);
        age(path[i], 1000);
    }
    prune_used(path[1]);
    prune_unused(folder, ".deb", 500);
    assert_int_not_equal(access(path[0], F_OK), 0);
    assert_int_equal(access(path[1], F_OK), 0);
    assert_int_equal(access(path[2], F_OK), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_oldest_go),
        TEST(what_was_used_just_now_stays),
        TEST(answers_follow),
        TEST(what_no_one_used_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
