/* The folder of a batch: what is done, what is left after a kill, and the table over all. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "deployer/base/folder.h"
#include "deployer/batch/state.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"

static int flock_errno;

/* In place of the C library's. */
int flock(int fd, int operation)
{
    if (flock_errno) {
        errno = flock_errno;
        return -1;
    }
    return (int)syscall(SYS_flock, fd, operation);
}

static char top[] = "/tmp/test-batch-state.XXXXXX";

static void put(const char *path, const char *content)
{
    assert_int_equal(file_write(path, content, strlen(content), 0600, NULL), 0);
}

#define FILE_OF(algos)                                                                             \
    "sets:\n  s:\n    path: p.yaml\n    iterations: 2\nbatches:\n  b:\n"                           \
    "    command: solve\n    command_options:\n      algo: [" algos                                \
    "]\n      distribution: 'a,\"b'\n"

static void open_all(struct batch_state *s, struct batch_plan *p)
{
    struct error err = {0};

    *s = (struct batch_state){.lock = -1};
    if (batch_plan_read("b.yaml", 5, p, &err) < 0 ||
        batch_state_open("out", "b.yaml", 5, false, s, &err) < 0 ||
        batch_state_load(s, p, &err) < 0)
        fail_msg("%s", err.text);
}

static void close_all(struct batch_state *s, struct batch_plan *p)
{
    batch_state_clear(s);
    batch_plan_clear(p);
}

static void end_job(struct batch_state *s, const struct batch_plan *p, size_t i, const char *status,
                    double cost)
{
    json_t *receipt =
        json_pack("{s:s, s:f, s:s, s:s, s:s}", "status", status, "cost", cost, "distribution",
                  "a,\"b", "algorithm", p->jobs[i].algorithm, "reason", "a \"b\"\n");

    assert_int_equal(batch_state_put(s, p, i, receipt, NULL), 0);
}

static void test_resume(void **state)
{
    struct batch_state s, other = {.lock = -1};
    struct batch_plan p;
    struct error err = {0};
    char *folder = NULL, path[256];

    (void)state;
    open_all(&s, &p);
    assert_int_equal(p.count, 4);
    assert_int_equal(batch_state_open("out", "b.yaml", 5, false, &other, &err), -EALREADY);
    batch_state_clear(&other);
    assert_int_equal(batch_state_done(&s), 0);
    end_job(&s, &p, 0, "finished", 1);
    end_job(&s, &p, 1, "failed", 2);
    end_job(&s, &p, 2, "stopped", 2);
    /* Killed in the middle of the fourth. */
    assert_int_equal(batch_state_begin(&s, &p.jobs[3], &folder, NULL), 0);
    (void)snprintf(path, sizeof(path), "%s/result.json", folder);
    put(path, "{\"status\": \"finished\"}");
    close_all(&s, &p);

    open_all(&s, &p);
    assert_int_equal(batch_state_done(&s), 1);
    assert_true(batch_result_is_done(s.results[0]));
    assert_false(batch_result_is_done(s.results[1]));
    assert_null(s.results[3]);
    free(folder);
    assert_int_equal(batch_state_begin(&s, &p.jobs[3], &folder, NULL), 0);
    assert_int_equal(access(path, F_OK), -1); /* what was left is removed */
    free(folder);
    close_all(&s, &p);

    /* One more algorithm: what is done stays done. */
    put("b.yaml", FILE_OF("dsa, mgm, dba"));
    open_all(&s, &p);
    assert_int_equal(p.count, 6);
    assert_int_equal(batch_state_done(&s), 1);
    close_all(&s, &p);
    put("b.yaml", FILE_OF("dsa, mgm"));
}

static void test_other_batch(void **state)
{
    struct batch_state s = {.lock = -1};
    struct error err = {0};

    (void)state;
    put("c.yaml", FILE_OF("dsa"));
    assert_int_equal(batch_state_open("out", "c.yaml", 5, false, &s, &err), -EINVAL);
    assert_non_null(strstr(err.text, "holds the batch of "));
    batch_state_clear(&s);
    assert_int_equal(batch_state_open("out", "b.yaml", 6, true, &s, &err), -EINVAL);
    assert_non_null(strstr(err.text, "has the seed 5"));
    batch_state_clear(&s);
    assert_int_equal(batch_state_open("out", "b.yaml", 6, false, &s, &err), 0);
    assert_int_equal(s.seed, 5);
    batch_state_clear(&s);
    put("out/batch.json", "{");
    assert_int_equal(batch_state_open("out", "b.yaml", 5, false, &s, &err), -EBADMSG);
    batch_state_clear(&s);
    assert_int_equal(unlink("out/batch.json"), 0);
}

/* Until a try has a receipt, that of the one before stays; one that cannot be read is no reason to
 * run again. */
static void test_kept(void **state)
{
    struct batch_state s;
    struct batch_plan p;
    struct error err = {0};
    char *folder = NULL, path[256];

    (void)state;
    open_all(&s, &p);
    end_job(&s, &p, 3, "failed", 2);
    assert_int_equal(batch_state_begin(&s, &p.jobs[3], &folder, NULL), 0);
    (void)snprintf(path, sizeof(path), "%s/receipt.json", folder);
    assert_int_equal(access(path, F_OK), -1);
    close_all(&s, &p); /* killed */
    open_all(&s, &p);
    assert_non_null(s.results[3]);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(batch_state_reload(&s, &p, 3, &err), -EISDIR);
    assert_int_equal(rmdir(path), 0);
    free(folder);
    close_all(&s, &p);
}

/* What killed writers have left goes. */
static void test_sweep(void **state)
{
    struct batch_state s;
    struct batch_plan p;
    struct error err = {0};

    (void)state;
    put("out/plot.svg.dcop-aBcD12", "x");
    open_all(&s, &p);
    assert_int_equal(access("out/plot.svg.dcop-aBcD12", F_OK), -1);
    close_all(&s, &p);
    flock_errno = ENOLCK;
    s = (struct batch_state){.lock = -1};
    assert_int_equal(batch_state_open("out", "b.yaml", 5, false, &s, &err), -ENOLCK);
    flock_errno = 0;
    assert_non_null(strstr(err.text, "cannot lock out/lock: "));
    batch_state_clear(&s);
}

/* A generated problem replaces those of this batch alone. */
static void test_claim(void **state)
{
    struct batch_state s;
    struct batch_plan p;
    struct error err = {0};

    (void)state;
    open_all(&s, &p);
    put("theirs.yaml", "x");
    assert_int_equal(batch_state_claim(&s, "theirs.yaml", &err), -EEXIST);
    assert_non_null(strstr(err.text, "theirs.yaml exists, and this batch has not made it"));
    assert_int_equal(batch_state_claim(&s, "ours.yaml", &err), 0);
    put("ours.yaml", "x");
    assert_int_equal(batch_state_claim(&s, "ours.yaml", &err), 0);
    close_all(&s, &p);
}

/* A job's own files do not end the batch; all else does. */
static void test_refuse(void **state)
{
    struct batch_state s;
    struct batch_plan p;
    struct error err = {0};

    (void)state;
    open_all(&s, &p);
    error_set(&err, -EBADMSG, "p\xff.yaml is no YAML");
    assert_int_equal(batch_state_refuse(&s, &p, 3, -EBADMSG, &err), 0);
    assert_string_equal(json_string_value(json_object_get(s.results[3], "status")), "refused");
    assert_string_equal(json_string_value(json_object_get(s.results[3], "reason")),
                        "p\\xff.yaml is no YAML");
    assert_false(batch_result_is_done(s.results[3]));
    assert_int_equal(batch_state_refuse(&s, &p, 3, -ENOSPC, &err), -ENOSPC);
    assert_int_equal(batch_state_refuse(&s, &p, 3, -ENOMEM, &err), -ENOMEM);
    close_all(&s, &p);
}

/* Files of others are not replaced. */
static void test_stranger(void **state)
{
    static const char *const names[] = {"batch.yaml", "results.csv", "plot.svg", "jobs"};
    struct error err = {0};

    (void)state;
    assert_int_equal(make_folders("theirs", 0700, NULL), 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct batch_state s = {.lock = -1};
        CLEANUP_FREE char *path = path_join("theirs", names[i]);

        put(path, "theirs");
        assert_int_equal(batch_state_open("theirs", "b.yaml", 5, false, &s, &err), -EINVAL);
        assert_non_null(strstr(err.text, "theirs has a "));
        assert_non_null(strstr(err.text, names[i]));
        batch_state_clear(&s);
        assert_int_equal(access("theirs/lock", F_OK), -1);
        assert_int_equal(unlink(path), 0);
    }
}

static void test_damaged_receipt(void **state)
{
    struct batch_state s;
    struct batch_plan p;
    char path[256];

    (void)state;
    open_all(&s, &p);
    (void)snprintf(path, sizeof(path), "out/jobs/%s/receipt.json", p.jobs[0].name);
    put(path, "[7]");
    assert_int_equal(batch_state_reload(&s, &p, 0, NULL), 0);
    assert_null(s.results[0]);
    put(path, "{\"status\": {}, \"cost\": \"x\"}");
    assert_int_equal(batch_state_reload(&s, &p, 0, NULL), 0);
    assert_false(batch_result_is_done(s.results[0]));
    assert_int_equal(batch_state_write(&s, &p, "t", NULL), 0);
    close_all(&s, &p);
}

#define HEADING                                                                                    \
    "job,set,batch,problem,iteration,seed,status,cost,violations,cycles,messages,time,"            \
    "algorithm,distribution,algo,folder,reason\n"

static void test_table(void **state)
{
    struct batch_state s;
    struct batch_plan p;
    struct text csv = TEXT_INIT, svg = TEXT_INIT;

    (void)state;
    open_all(&s, &p);
    end_job(&s, &p, 0, "finished", 1);
    end_job(&s, &p, 1, "failed", 2);
    end_job(&s, &p, 2, "timeout", 3);
    json_decref(s.results[3]);
    s.results[3] = NULL;
    assert_int_equal(batch_table_csv(&p, s.results, &csv), 0);
    assert_int_equal(strncmp(text_str(&csv), HEADING, strlen(HEADING)), 0);
    assert_non_null(
        strstr(text_str(&csv), "\n1,s,b,p,0,5,finished,1.0,,,,,dsa,\"a,\"\"b\",dsa,s-p-0-b-"));
    assert_non_null(strstr(text_str(&csv), ",\"a \"\"b\"\"\n\"\n2,s,b,p,0,5,failed,2.0,"));
    assert_null(strstr(text_str(&csv), "\n4,")); /* it is left */
    /* dsa: mean 2, standard deviation 1.41 of 1 and 3; mgm has failed. */
    assert_int_equal(batch_table_plot("t", &p, s.results, &svg), 0);
    assert_non_null(strstr(text_str(&svg), ">dsa</text>"));
    assert_non_null(strstr(text_str(&svg), ">mgm</text>"));
    assert_non_null(strstr(text_str(&svg), ">p</text>"));
    assert_non_null(strstr(text_str(&svg), "<circle"));
    assert_null(strstr(strstr(text_str(&svg), "<circle") + 1, "<circle"));
    assert_non_null(strstr(text_str(&svg), "<path"));
    text_clear(&csv);
    text_clear(&svg);
    close_all(&s, &p);
}

/* As it is written after each of many jobs. */
static void test_large_table(void **state)
{
    CLEANUP_FREE json_t **results = calloc(8000, sizeof(json_t *));
    struct batch_plan p;
    struct error err = {0};
    struct text svg = TEXT_INIT;

    (void)state;
    put("large.yaml", "sets:\n  s:\n    path: p.yaml\n    iterations: 8000\nbatches:\n  b:\n"
                      "    command: solve\n    command_options:\n      algo: dsa\n"
                      "      algo_params: {a: 1, b: 2, c: 3, d: 4, e: 5, f: 6}\n");
    if (batch_plan_read("large.yaml", 5, &p, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(p.count, 8000);
    assert_int_equal(p.choices.count, 0);
    assert_int_equal(batch_table_plot("t", &p, results, &svg), 0);
    text_clear(&svg);
    batch_plan_clear(&p);
}

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(top) || chdir(top) < 0)
        return -1;
    put("p.yaml", "1\n");
    put("b.yaml", FILE_OF("dsa, mgm"));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)!chdir("/");
    folder_remove(top);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resume),          cmocka_unit_test(test_table),
        cmocka_unit_test(test_damaged_receipt), cmocka_unit_test(test_refuse),
        cmocka_unit_test(test_large_table),     cmocka_unit_test(test_kept),
        cmocka_unit_test(test_sweep),           cmocka_unit_test(test_claim),
        cmocka_unit_test(test_other_batch),     cmocka_unit_test(test_stranger),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
