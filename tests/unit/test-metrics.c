/* The metrics of the service, in Prometheus' text format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <string.h>

#include "deployer/controller/metrics.h"

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
        cmocka_unit_test(test_metrics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
