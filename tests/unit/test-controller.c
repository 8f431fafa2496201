/* dcop-controller: its options, its directory, how machines stand, its token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deployer/base/folder.h"
#include "deployer/controller/http/listen.h"
#include "deployer/controller/members.h"
#include "deployer/controller/metrics.h"
#include "deployer/controller/options.h"
#include "discovery/base/file.h"

#define ID "0123456789abcdef"
#define KEY_A "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define KEY_B "SHA256:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"

static char folder[64], path[128];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test-controller.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[128];

    (void)state;
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : -1; /* NOLINT(cert-env33-c) */
}

static void put(const char *name, const char *content)
{
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(file_write(path, content, strlen(content), 0600, NULL), 0);
}

/* --- options ------------------------------------------------------------------- */

#define READ(o, err, ...)                                                                          \
    controller_options_read(                                                                       \
        (int)ARRAY_SIZE(((const char *[]){"dcop-controller", "--config", folder, __VA_ARGS__})),   \
        (char *[]){(char *)"dcop-controller", (char *)"--config", folder, __VA_ARGS__, NULL}, o,   \
        err)

static void test_options_file(void **state)
{
    CLEANUP(controller_options_clear) struct controller_options o = {0};
    struct error err;

    (void)state;
    put("controller.conf", "# the lab\n\nproblem /srv/a.yaml\n  auto yes\nassign\nquorum=3\n"
                           "accept-new no\nfleet lab-2 \nforks 5");
    assert_int_equal(READ(&o, &err, (char *)"-q"), 0);
    assert_int_equal(o.deploy.problems.count, 1);
    assert_string_equal(o.deploy.problems.items[0], "/srv/a.yaml");
    assert_true(o.automatic);
    assert_true(o.assign);
    assert_false(o.deploy.accept_new);
    assert_int_equal(o.quorum, 3);
    assert_string_equal(o.deploy.fleet, "lab-2");
    assert_int_equal(o.deploy.forks, 5);
    assert_true(o.deploy.quiet);
}

static void test_options_both(void **state)
{
    CLEANUP(controller_options_clear) struct controller_options o = {0};
    struct error err;

    (void)state;
    put("controller.conf", "problem a.yaml\nproblem b.yaml\nquorum 3\n");
    assert_int_equal(
        READ(&o, &err, (char *)"-p", (char *)"c.yaml", (char *)"--quorum", (char *)"4"), 0);
    assert_int_equal(o.deploy.problems.count, 1); /* the command line's stands instead */
    assert_string_equal(o.deploy.problems.items[0], "c.yaml");
    assert_int_equal(o.quorum, 4);
}

static void test_options_bad(void **state)
{
    static const char *const bad[] = {"nonsense 1\n",      "auto maybe\n", "problem\n",
                                      "password secret\n", "help\n",       "config /etc\n",
                                      "fleet UPPER\n",     "quorum -1\n"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        CLEANUP(controller_options_clear) struct controller_options o = {0};
        struct error err = {0};

        put("controller.conf", bad[i]);
        assert_int_equal(READ(&o, &err, (char *)"-q"), -EINVAL);
        assert_non_null(strstr(err.text, "controller.conf:1: "));
    }
}

/* --- directory ------------------------------------------------------------------- */

static struct machine make(const char *hostkey, bool untrusted)
{
    struct machine m = {.untrusted = untrusted, .online = true, .beacon = true};

    strcpy(m.advert.id, ID);
    m.advert.hostkey = hostkey ? strdup(hostkey) : NULL;
    return m;
}

static void test_directory(void **state)
{
    CLEANUP(members_clear) struct members d = {0};
    struct machine one = make(KEY_A, false), two = make(KEY_B, true), again = make(KEY_A, false);
    struct member *m, *found = NULL;
    bool new;

    (void)state;
    m = members_take(&d, "1", &one, &new);
    assert_true(new);
    assert_null(one.advert.hostkey); /* taken over */
    assert_int_equal(members_find(&d, ID, &found), 1);
    assert_ptr_equal(found, m);
    assert_int_equal(members_find(&d, m->ref, &found), 1);
    m->number = 5;
    assert_non_null(members_take(&d, "2", &two, &new));
    assert_int_equal(members_find(&d, ID, &found), -EEXIST); /* in doubt: a ref is wanted */
    assert_int_equal(members_find(&d, m->ref, &found), 1);
    assert_ptr_equal(found, m);
    assert_int_equal(members_find(&d, ID ".00000000", &found), 0);
    assert_ptr_equal(members_take(&d, "1", &again, &new), m);
    assert_false(new);
    assert_int_equal(m->number, 5); /* what is held of it stays */
    assert_int_equal(d.count, 2);
}

/* --- standing ---------------------------------------------------------------------- */

static enum standing_state stands(struct state *s, const char *hostkey, bool consent, bool doubt)
{
    CLEANUP(standing_clear) struct standing standing = {0};
    struct machine m = make(hostkey, false);
    struct error err;
    enum standing_state state;

    m.in_doubt = doubt;
    assert_int_equal(standing_find(s, &m, (struct consent){.given = consent}, &standing, &err), 0);
    state = standing.state;
    assert_int_equal(state == STANDING_ACCEPTED, standing.why == NULL);
    free(m.advert.hostkey);
    return state;
}

static void test_standing(void **unused)
{
    CLEANUP(state_free_p) struct state *s = NULL;
    struct state_pin pin = {.id = (char *)ID, .fingerprint = (char *)KEY_A, .source = PIN_TRUST};
    struct machine claim = make(KEY_A, true);
    CLEANUP(standing_clear) struct standing standing = {0};

    (void)unused;
    assert_int_equal(state_open(":memory:", &s, NULL), 0);
    assert_int_equal(stands(s, KEY_A, false, false), STANDING_NEW);
    assert_int_equal(stands(s, NULL, true, false), STANDING_NEW);
    assert_int_equal(stands(s, KEY_A, true, false), STANDING_ACCEPTED);
    assert_int_equal(stands(s, KEY_A, true, true), STANDING_DOUBTFUL);
    assert_int_equal(state_pin_put(s, &pin, NULL), 0);
    assert_int_equal(stands(s, KEY_A, false, true), STANDING_ACCEPTED);
    assert_int_equal(stands(s, KEY_B, true, false), STANDING_CHANGED);
    assert_int_equal(state_pin_retire(s, ID, NULL), 0);
    assert_int_equal(stands(s, KEY_A, true, false), STANDING_CHANGED); /* a retired key */
    assert_int_equal(stands(s, KEY_B, false, false), STANDING_NEW);
    assert_int_equal(standing_find(s, &claim, (struct consent){.given = true}, &standing, NULL), 0);
    assert_int_equal(standing.state, STANDING_UNVERIFIED);
    free(claim.advert.hostkey);
}

/* --- impostors ----------------------------------------------------------------------- */

static void test_impostor(void **state)
{
    CLEANUP(members_clear) struct members d = {0};
    struct machine one = make(KEY_A, false), two = make(KEY_B, false), three = make(KEY_B, false);
    struct member *m, *false_one, *named;
    bool new;

    (void)state;
    strcpy(three.advert.id, "fedcba9876543210");
    false_one = members_take(&d, "2", &two, &new);
    false_one->standing.state = STANDING_CHANGED;
    assert_false(members_is_impostor(&d, false_one)); /* alone: it may be reflashed */
    named = members_take(&d, "3", &three, &new);
    named->standing.state = STANDING_ACCEPTED;
    assert_false(members_is_impostor(&d, false_one)); /* another id, another name */
    assert_int_equal(strings_add(&named->machine.advert.agents, "a1"), 0);
    assert_int_equal(strings_add(&false_one->machine.advert.agents, "a1"), 0);
    assert_true(members_is_impostor(&d, false_one));
    assert_false(members_is_impostor(&d, named));
    strings_clear(&named->machine.advert.agents);
    m = members_take(&d, "1", &one, &new);
    m->standing.state = STANDING_NEW;
    assert_false(members_is_impostor(&d, false_one));
    m->standing.state = STANDING_ACCEPTED;
    assert_true(members_is_impostor(&d, false_one)); /* of the same id */
    assert_false(members_is_impostor(&d, m));
}

/* --- token, hosts --------------------------------------------------------------------- */

static void test_token(void **state)
{
    char token[65] = "", again[65] = "";
    struct stat st;
    struct error err;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/token", folder);
    assert_int_equal(token_read(path, token, &err), 0);
    assert_int_equal(strlen(token), 64);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(token_read(path, again, &err), 0);
    assert_string_equal(token, again); /* it stays over restarts */
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(token_read(path, again, &err), -EPERM);
    put("token", "0123\n");
    assert_int_equal(token_read(path, again, &err), -EBADMSG);
}

static void test_hosts(void **state)
{
    char *const given[] = {(char *)"lab.example"};
    const struct strings names = {(char **)(uintptr_t)given, 1}, none = {0};
    CLEANUP_STRINGS struct strings loopback = {0}, other = {0};

    (void)state;
    assert_int_equal(listen_hosts("127.0.0.1", &names, &loopback), 0);
    assert_true(strings_has(&loopback, "127.0.0.1"));
    assert_true(strings_has(&loopback, "localhost"));
    assert_true(strings_has(&loopback, "lab.example"));
    assert_int_equal(listen_hosts("192.0.2.1", &none, &other), 0);
    assert_true(strings_has(&other, "192.0.2.1"));
    assert_false(strings_has(&other, "localhost"));
}

static void test_listen_bad(void **state)
{
    static const char *const bad[] = {"localhost:8808", "user@127.0.0.1", "127.0.0.1:0", "",
                                      "::1:x"};
    char *host = NULL;
    uint16_t port;
    struct error err;
    int fd;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(listen_open(bad[i], 8808, &fd, &port, &host, &err), -EINVAL);
}

/* --- metrics --------------------------------------------------------------------------- */

static void test_metrics(void **state)
{
    struct metrics m = {0};
    CLEANUP_TEXT struct text t = TEXT_INIT;

    (void)state;
    metrics_deploy(&m, 0.3, true);
    metrics_deploy(&m, 1000, false);
    metrics_step_failed(&m, "apt");
    metrics_step_failed(&m, "apt");
    metrics_step_failed(&m, "a\"} 1\n"); /* a machine says so: no step is called that */
    metrics_write(&m, &t);
    assert_non_null(strstr(text_str(&t), "dcop_deploy_duration_seconds_bucket{le=\"0.25\"} 0\n"));
    assert_non_null(strstr(text_str(&t), "dcop_deploy_duration_seconds_bucket{le=\"0.5\"} 1\n"));
    assert_non_null(strstr(text_str(&t), "dcop_deploy_duration_seconds_bucket{le=\"+Inf\"} 2\n"));
    assert_non_null(strstr(text_str(&t), "dcop_deploy_duration_seconds_count 2\n"));
    assert_non_null(strstr(text_str(&t), "dcop_step_failures_total{step=\"apt\"} 2\n"));
    assert_null(strstr(text_str(&t), "a\"}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_file), cmocka_unit_test(test_options_both),
        cmocka_unit_test(test_options_bad),  cmocka_unit_test(test_directory),
        cmocka_unit_test(test_standing),     cmocka_unit_test(test_token),
        cmocka_unit_test(test_hosts),        cmocka_unit_test(test_listen_bad),
        cmocka_unit_test(test_metrics),      cmocka_unit_test(test_impostor),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
