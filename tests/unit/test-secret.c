/* Secrets: where they come from, what is refused, and what is left behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "deployer/base/secret.h"
#include "deployer/options/options.h"
#include "deployer/verbs/main.h"

static void what_is_taken(void **unused)
{
    CLEANUP(secret_free_p) struct secret *s = NULL;
    struct error err = {0};
    char big[SECRET_MAX + 1];

    (void)unused;
    memset(big, 'x', sizeof(big));
    assert_int_equal(secret_new("", 0, &s, &err), -EINVAL);
    assert_int_equal(secret_new("a\0b", 3, &s, &err), -EINVAL);
    assert_int_equal(secret_new("hidden\n", 7, &s, &err), -EINVAL);
    assert_null(strstr(err.text, "hidden"));
    assert_int_equal(secret_new(big, sizeof(big), &s, &err), -EINVAL);
    assert_null(s);
    assert_int_equal(secret_new(big, SECRET_MAX, &s, &err), 0);
    assert_int_equal(secret_size(s), SECRET_MAX);
    secret_free(s);
    assert_int_equal(secret_new("pass word", 9, &s, &err), 0);
    assert_string_equal(secret_text(s), "pass word");
    assert_string_equal(secret_line(s), "pass word\n");
}

static void no_core(void **unused)
{
    CLEANUP(secret_free_p) struct secret *s = NULL;
    struct rlimit limit;
    struct error err = {0};

    (void)unused;
    assert_int_equal(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
    assert_int_equal(secret_new("x", 1, &s, &err), 0);
    assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
    assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
    assert_int_equal(limit.rlim_max, 0);
}

/* The flags of the mapping that holds an address: "dd" is "not in a core". */
static bool mapping_has(const void *at, const char *flag)
{
    FILE *f = fopen("/proc/self/smaps", "re");
    char line[512];
    bool inside = false, has = false;

    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        unsigned long from, to;

        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = (unsigned long)at >= from && (unsigned long)at < to;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            has = strstr(line, flag) != NULL;
    }
    (void)fclose(f);
    return has;
}

static void memory_is_locked(void **unused)
{
    CLEANUP(secret_free_p) struct secret *s = NULL;
    struct error err = {0};

    (void)unused;
    assert_int_equal(secret_new("x", 1, &s, &err), 0);
    assert_true(mapping_has(secret_text(s), " dd"));
    /* The sanitizers' own mlock() does nothing. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(mapping_has(secret_text(s), " lo"));
#endif
}

static void write_file(const char *path, const char *content, mode_t mode)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_true(fputs(content, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void files(void **unused)
{
    char path[] = "/tmp/test-secret.XXXXXX";
    CLEANUP_CLOSE int fd = mkstemp(path);
    struct secret *s = NULL;
    struct error err = {0};

    (void)unused;
    assert_true(fd >= 0);
    write_file(path, "first line\r\nsecond\n", 0600);
    assert_int_equal(secret_read(path, &s, &err), 0);
    assert_string_equal(secret_text(s), "first line");
    secret_free(TAKE_PTR(s));
    write_file(path, "no end", 0400);
    assert_int_equal(secret_read(path, &s, &err), 0);
    assert_string_equal(secret_text(s), "no end");
    secret_free(TAKE_PTR(s));
    write_file(path, "hidden\n", 0640);
    assert_int_equal(secret_read(path, &s, &err), -EPERM);
    assert_non_null(strstr(err.text, "chmod 600"));
    write_file(path, "hidden\n", 0604);
    assert_int_equal(secret_read(path, &s, &err), -EPERM);
    assert_null(strstr(err.text, "hidden"));
    write_file(path, "\nhidden\n", 0600);
    assert_int_equal(secret_read(path, &s, &err), -EINVAL);
    assert_null(strstr(err.text, "hidden"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(secret_read(path, &s, &err), -ENOENT);
    assert_null(s);
}

static void environment(void **unused)
{
    CLEANUP(secret_free_p) struct secret *s = NULL;
    struct error err = {0};
    const char *value;

    (void)unused;
    assert_int_equal(secret_take_environment("DCOP_TEST_SECRET", &s, &err), 0);
    assert_null(s);
    assert_int_equal(setenv("DCOP_TEST_SECRET", "s3cr3t", 1), 0);
    value = getenv("DCOP_TEST_SECRET");
    assert_int_equal(secret_take_environment("DCOP_TEST_SECRET", &s, &err), 0);
    assert_string_equal(secret_text(s), "s3cr3t");
    assert_null(getenv("DCOP_TEST_SECRET"));
    assert_memory_equal(value, "\0\0\0\0\0\0", 6);
}

/* There is no option that takes a password; what takes a file is a file. */
static void command_line_takes_none(void **unused)
{
    static const char *const words[] = {"--password", "--become-password", "--pass", "--ask-pass=x",
                                        "--ask-become-pass=x"};

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        char program[] = "dcop-deploy", word[32], value[] = "hidden";
        char *argv[] = {program, word, value, NULL};
        struct deploy_options o;
        struct error err = {0};

        (void)snprintf(word, sizeof(word), "%s", words[i]);
        assert_int_equal(deploy_options_parse(3, argv, &o, &err), -EINVAL);
        deploy_options_clear(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken),    cmocka_unit_test(no_core),
        cmocka_unit_test(memory_is_locked), cmocka_unit_test(files),
        cmocka_unit_test(environment),      cmocka_unit_test(command_line_takes_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
