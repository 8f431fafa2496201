/*
 * The boot command against bundles that bundle.c made, run by sh here, with a
 * folder of the test in place of /run/dcop.
 */
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
#include "deployer/bundle/delta.h"
#include "deployer/job/boot.h"
#include "discovery/base/file.h"
#include "own-folder.h"

#define NONCE "00112233445566778899aabbccddeeff"

static void put(const char *name, const char *bytes, size_t size, mode_t mode)
{
    char parent[512];
    struct error err = {0};

    (void)snprintf(parent, sizeof(parent), "%s", at(name));
    *strrchr(parent, '/') = '\0';
    assert_int_equal(make_folders(parent, 0755, &err), 0);
    assert_int_equal(file_write(at(name), bytes, size, mode, &err), 0);
}

static void puts_in(const char *name, const char *words)
{
    put(name, words, strlen(words), 0644);
}

/* A bundle of the steps that lie in steps/, without a wheel. */
static void make_bundle(struct bundle *ret)
{
    struct wheel_set none = {.version = (char *)"none"};
    struct error err = {0};

    if (bundle_make(&none, at("steps"), NULL, at("cache"), ret, &err) < 0)
        fail_msg("%s", err.text);
}

static void read_all(const char *path, struct text *ret)
{
    text_reset(ret);
    assert_int_equal(file_read(path, 1 << 24, ret, NULL), 0);
}

/* Runs it as a machine would; what it said is in out. */
static int boot(const char *digest, const char *base, const struct text *sent, struct text *ret)
{
    CLEANUP_TEXT struct text script = TEXT_INIT, input = TEXT_INIT;
    char command[1024];
    const char *from = boot_command, *hit;
    int status;

    while ((hit = strstr(from, "/run/dcop"))) {
        text_add(&script, from, (size_t)(hit - from));
        text_adds(&script, at("run"));
        from = hit + strlen("/run/dcop");
    }
    text_adds(&script, from);
    if (base)
        text_addf(&input, "base %s\n", base);
    if (sent)
        text_addf(&input, "size %zu\n", sent->size);
    text_adds(&input, "key value\\n\nbase\nend " NONCE "\n");
    if (sent)
        text_add(&input, sent->data, sent->size);
    text_adds(&input, "what follows\n");
    put("script", text_str(&script), script.size, 0644);
    put("input", text_str(&input), input.size, 0644);
    (void)snprintf(command, sizeof(command),
                   "cd / && cat %s | sh -c \"$(cat %s)\" dcop " NONCE
                   " %s '10.0.0.1 5 10.0.0.2 22' >%s 2>%s",
                   at("input"), at("script"), digest, at("out"), at("errors"));
    status = system(command); /* NOLINT(cert-env33-c) */
    read_all(at("out"), ret);
    return status;
}

static const char *bundle_path(const struct bundle *b, const char *name)
{
    static char path[4][300];
    static unsigned turn;
    char *p = path[turn++ % 4];

    (void)snprintf(p, sizeof(path[0]), "run/bundles/%s%s", b->bundle_digest, name);
    return p;
}

static bool there(const struct bundle *b, const char *name)
{
    return access(at(bundle_path(b, name)), F_OK) == 0;
}

/* Two bundles of which the second differs in all the ways there are. */
struct two {
    struct bundle first, second;
    struct text whole_first, whole_second, out;
    struct bundle_deltas deltas;
};

static void two_begin(struct two *t)
{
    char noise[20000];
    unsigned seed = 1;

    *t = (struct two){0};
    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (char)rand_r(&seed);
    put("steps/run", "echo ran $1; cat $2; cat\n", 25, 0755);
    put("steps/steps/large", noise, sizeof(noise), 0644);
    puts_in("steps/steps/changed", "one");
    puts_in("steps/steps/mode", "same");
    puts_in("steps/gone/with its folder", "x");
    puts_in("steps/steps/gone", "x");
    make_bundle(&t->first);
    puts_in("steps/steps/changed", "two");
    puts_in("steps/steps/new file", "y");
    assert_int_equal(chmod(at("steps/steps/mode"), 0755), 0);
    assert_int_equal(unlink(at("steps/steps/gone")), 0);
    folder_remove(at("steps/gone"));
    make_bundle(&t->second);
    read_all(t->first.path, &t->whole_first);
    read_all(t->second.path, &t->whole_second);
    bundle_deltas_make(&t->second, at("cache"), &t->deltas);
    assert_int_equal(t->deltas.count, 1);
    assert_string_equal(t->deltas.items[0].base, t->first.bundle_digest);
    assert_in_range(t->deltas.items[0].bytes.size, 1, 2000);
}

static void two_end(struct two *t)
{
    bundle_clear(&t->first);
    bundle_clear(&t->second);
    text_clear(&t->whole_first);
    text_clear(&t->whole_second);
    text_clear(&t->out);
    bundle_deltas_clear(&t->deltas);
}

/* "want", what else it has; then what `run` says. */
static void check_said(const struct two *t, const char *hello, const struct bundle *has)
{
    CLEANUP_TEXT struct text expected = TEXT_INIT;

    text_addf(&expected, "dcop-step 1 " NONCE "\t%s%s%s\n", hello, has ? "\t" : "",
              has ? has->bundle_digest : "");
    assert_memory_equal(text_str(&t->out), text_str(&expected), expected.size);
}

static void is_fit_for_any_login_shell(void **state)
{
    (void)state;
    assert_null(strpbrk(boot_command, "'!\n"));
}

static void takes_a_whole_bundle_and_then_a_delta(void **state)
{
    struct two t;
    struct stat st;

    (void)state;
    two_begin(&t);
    assert_int_equal(boot(t.first.bundle_digest, NULL, &t.whole_first, &t.out), 0);
    check_said(&t, "want", NULL);
    assert_int_equal(boot(t.first.bundle_digest, NULL, NULL, &t.out), 0);
    check_said(&t, "have", NULL);
    assert_int_equal(
        boot(t.second.bundle_digest, t.first.bundle_digest, &t.deltas.items[0].bytes, &t.out), 0);
    check_said(&t, "want", &t.first);
    read_all(at("errors"), &t.out);
    assert_string_equal(
        text_str(&t.out),
        "ran check\nkey value\\n\nbase\nconnection 10.0.0.1 5 10.0.0.2 22\nwhat follows\n");
    assert_true(there(&t.second, "/steps/new file"));
    assert_false(there(&t.second, "/steps/gone"));
    assert_false(there(&t.second, "/gone"));
    assert_int_equal(stat(at(bundle_path(&t.second, "/steps/mode")), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0755);
    read_all(at(bundle_path(&t.second, "/steps/changed")), &t.out);
    assert_string_equal(text_str(&t.out), "two");
    /* The base is as it was. */
    read_all(at(bundle_path(&t.first, "/steps/changed")), &t.out);
    assert_string_equal(text_str(&t.out), "one");
    assert_true(there(&t.first, "/gone/with its folder"));
    /* The very tree that the whole bundle gives. */
    assert_int_equal(rename(at(bundle_path(&t.second, "")), at("by-delta")), 0);
    assert_int_equal(boot(t.second.bundle_digest, NULL, &t.whole_second, &t.out), 0);
    {
        struct tree_limits limits = {.files = 1000, .bytes = 1 << 20, .depth = 9};
        CLEANUP_TEXT struct text a = TEXT_INIT, b = TEXT_INIT;
        char digest[DIGEST_LENGTH + 1];

        assert_int_equal(folder_read(at("by-delta"), &limits, NULL, 0, 0, &a, digest, NULL), 0);
        assert_int_equal(
            folder_read(at(bundle_path(&t.second, "")), &limits, NULL, 0, 0, &b, digest, NULL), 0);
        assert_string_equal(text_str(&a), text_str(&b));
    }
    two_end(&t);
}

static void a_damaged_base_is_not_offered_again(void **state)
{
    struct two t;

    (void)state;
    two_begin(&t);
    assert_int_equal(boot(t.first.bundle_digest, NULL, &t.whole_first, &t.out), 0);
    puts_in(bundle_path(&t.first, "/steps/large"), "damaged");
    assert_int_not_equal(
        boot(t.second.bundle_digest, t.first.bundle_digest, &t.deltas.items[0].bytes, &t.out), 0);
    check_said(&t, "want", &t.first);
    assert_false(there(&t.second, ""));
    assert_int_equal(boot(t.second.bundle_digest, NULL, &t.whole_second, &t.out), 0);
    check_said(&t, "want", NULL);
    assert_true(there(&t.second, "/SHA256SUMS"));
    two_end(&t);
}

/* Cut in the middle, or against a base that is not there. */
static void what_is_not_whole_does_not_get_there(void **state)
{
    struct two t;

    (void)state;
    two_begin(&t);
    assert_int_not_equal(
        boot(t.second.bundle_digest, t.first.bundle_digest, &t.deltas.items[0].bytes, &t.out), 0);
    assert_false(there(&t.second, ""));
    t.whole_second.size /= 2;
    assert_int_not_equal(boot(t.second.bundle_digest, NULL, &t.whole_second, &t.out), 0);
    assert_false(there(&t.second, ""));
    two_end(&t);
}

/* Settings may hold a machine's key: those of a session that was killed do not stay.  Those of
 * one that lives do. */
static void removes_what_a_killed_session_left(void **state)
{
    char living[128];
    struct two t;

    (void)state;
    two_begin(&t);
    puts_in("run/settings.4194305.abc." NONCE, "machine_key secret\n"); /* beyond pid_max */
    puts_in("run/settings.4194305.abc." NONCE ".list", "");
    puts_in("run/bundles/.4194305.abc." NONCE "/run", "");
    (void)snprintf(living, sizeof(living), "run/settings.%ld.abc." NONCE, (long)getpid());
    puts_in(living, "key value\n");
    assert_int_equal(boot(t.first.bundle_digest, NULL, &t.whole_first, &t.out), 0);
    check_said(&t, "want", NULL);
    assert_int_not_equal(access(at("run/settings.4194305.abc." NONCE), F_OK), 0);
    assert_int_not_equal(access(at("run/settings.4194305.abc." NONCE ".list"), F_OK), 0);
    assert_int_not_equal(access(at("run/bundles/.4194305.abc." NONCE), F_OK), 0);
    assert_int_equal(unlink(at(living)), 0);
    folder_remove(at("run/bundles"));
    assert_int_equal(rmdir(at("run")), 0); /* nor does it leave anything itself */
    two_end(&t);
}

/* Others that come and go do not remove the bundle of a session at work. */
static void keeps_the_bundle_of_a_living_session(void **state)
{
    char living[300];
    struct two t;

    (void)state;
    two_begin(&t);
    assert_int_equal(boot(t.first.bundle_digest, NULL, &t.whole_first, &t.out), 0);
    (void)snprintf(living, sizeof(living), "run/settings.%ld.%s." NONCE, (long)getpid(),
                   t.first.bundle_digest);
    puts_in(living, "key value\n");
    for (int i = 0; i < 4; i++) {
        struct bundle other = {0};
        struct text whole = TEXT_INIT;
        char content[2] = {(char)('a' + i)};

        puts_in("steps/steps/changed", content);
        make_bundle(&other);
        read_all(other.path, &whole);
        assert_int_equal(boot(other.bundle_digest, NULL, &whole, &t.out), 0);
        assert_true(there(&other, "/run"));
        text_clear(&whole);
        bundle_clear(&other);
    }
    assert_true(there(&t.first, "/run"));
    assert_int_equal(unlink(at(living)), 0);
    assert_int_equal(boot(t.second.bundle_digest, NULL, &t.whole_second, &t.out), 0);
    assert_false(there(&t.first, ""));
    two_end(&t);
}

static void deltas_are_kept_and_chosen(void **state)
{
    struct bundle_deltas again = {0};
    char both[2 * DIGEST_LENGTH + 2], path[300];
    struct two t;

    (void)state;
    two_begin(&t);
    (void)snprintf(path, sizeof(path), "cache/bundles/deltas/%s-%s", t.second.bundle_digest,
                   t.first.bundle_digest);
    assert_int_equal(access(at(path), F_OK), 0);
    puts_in(path, "kept"); /* so it is not made again */
    bundle_deltas_make(&t.second, at("cache"), &again);
    assert_int_equal(again.count, 1);
    assert_string_equal(text_str(&again.items[0].bytes), "kept");
    (void)snprintf(both, sizeof(both), "%s\t%s", t.second.bundle_digest, t.first.bundle_digest);
    assert_ptr_equal(bundle_deltas_find(&again, both), &again.items[0]);
    assert_null(bundle_deltas_find(&again, t.second.bundle_digest));
    assert_null(bundle_deltas_find(&again, ""));
    /* A base that goes takes its deltas along. */
    assert_int_equal(unlink(t.first.path), 0);
    bundle_deltas_prune(at("cache"));
    assert_int_not_equal(access(at(path), F_OK), 0);
    bundle_deltas_clear(&again);
    two_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(is_fit_for_any_login_shell),           TEST(takes_a_whole_bundle_and_then_a_delta),
        TEST(a_damaged_base_is_not_offered_again),  TEST(what_is_not_whole_does_not_get_there),
        TEST(deltas_are_kept_and_chosen),           TEST(removes_what_a_killed_session_left),
        TEST(keeps_the_bundle_of_a_living_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
