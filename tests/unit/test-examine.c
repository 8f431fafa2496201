/* What the doctor makes of what a machine says of itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "deployer/doctor/examine.h"

struct said {
    struct strings keys, values;
};

static void say(struct said *s, const char *key, const char *value)
{
    assert_int_equal(strings_add(&s->keys, key), 0);
    assert_int_equal(strings_add(&s->values, value), 0);
}

/* A healthy machine; what is said later counts. */
static struct said healthy(void)
{
    struct said s = {0};

    say(&s, "hostname", "rpi-1");
    say(&s, "python", "3.13");
    say(&s, "unit", "active");
    say(&s, "deployed", "yes");
    say(&s, "free", "5000");
    say(&s, "memory", "900");
    say(&s, "memory_free", "500");
    say(&s, "clock", "0");
    say(&s, "beacon", "active");
    say(&s, "beacon_version", DCOP_VERSION);
    say(&s, "avahi", "active");
    say(&s, "avahi_name", "rpi-1");
    say(&s, "examined", "yes");
    return s;
}

static void kinds_of(const struct findings *f, char *ret, size_t size)
{
    *ret = '\0';
    for (size_t i = 0; i < f->count; i++) {
        size_t at = strlen(ret);

        (void)snprintf(ret + at, size - at, "%s%s", at > 0 ? " " : "",
                       finding_kind_name(f->items[i].kind));
    }
}

/* Ends what was said. */
static void expect(struct said *s, enum job_outcome outcome, const char *why, const char *kinds)
{
    CLEANUP(findings_clear) struct findings f = {0};
    const struct examined m = {.label = "rpi-1 (10.0.0.2)",
                               .user = "pi",
                               .outcome = outcome,
                               .why = why,
                               .keys = &s->keys,
                               .values = &s->values};
    char got[512];

    examine_machine(&m, &f);
    assert_false(f.failed);
    kinds_of(&f, got, sizeof(got));
    assert_string_equal(got, kinds);
    for (size_t i = 0; i < f.count; i++)
        assert_true(*f.items[i].wrong && *f.items[i].proof && *f.items[i].advice);
    strings_clear(&s->keys);
    strings_clear(&s->values);
}

static void expect_fact(const char *key, const char *value, const char *kinds)
{
    struct said s = healthy();

    say(&s, key, value);
    expect(&s, JOB_OK, NULL, kinds);
}

static void each_fault_has_its_finding(void **state)
{
    (void)state;
    expect_fact("other", "x", "");
    expect_fact("clock", "60", "");
    expect_fact("clock", "61", "clock");
    expect_fact("clock", "-86400", "clock");
    expect_fact("clock", "99999999999999999999", ""); /* a machine may say anything */
    expect_fact("free", "299", "disk");
    expect_fact("readonly", "yes", "disk");
    expect_fact("volatile", "/proc/mounts: / is tmpfs", "disk");
    expect_fact("memory_free", "59", "memory");
    expect_fact("beacon", "failed", "beacon-stopped");
    expect_fact("beacon", "none", "no-beacon");
    expect_fact("beacon_version", "0.0.1", "beacon-old");
    expect_fact("beacon_version", "", ""); /* it did not answer in time */
    expect_fact("avahi", "inactive", "avahi-there");
    expect_fact("avahi_name", "rpi-2", "name-clash");
    expect_fact("avahi_name", "RPI-1", "");
    expect_fact("avahi_name", "rpi", ""); /* other names, that a person gave */
    expect_fact("avahi_name", "rpi-", "");
    expect_fact("avahi_name", "lab-2", "");
    expect_fact("hostname", "rpi", ""); /* "rpi-1" is no alternative: that begins with 2 */
    expect_fact("hostname", "lab", "");
    expect_fact("responder", "systemd-resolve", "second-responder-there");
    expect_fact("unit", "failed", "agent-failed");
    expect_fact("error", "does not listen on port 9001", "agent-failed");
}

static void agents_that_were_never_deployed_cannot_fail(void **state)
{
    struct said s = {0};

    (void)state;
    say(&s, "examined", "yes");
    say(&s, "python", "3.13");
    say(&s, "unit", "none");
    expect(&s, JOB_OK, NULL, "");
}

static void two_faults_have_both(void **state)
{
    struct said s = healthy();

    (void)state;
    say(&s, "free", "10");
    say(&s, "responder", "mdnsd");
    expect(&s, JOB_FAILED, "its agents run, but this computer cannot connect; open it",
           "disk second-responder-there agent-port");
}

static void machines_that_were_not_examined(void **state)
{
    struct said s = {0};

    (void)state;
    expect(&s, JOB_UNREACHABLE, "cannot connect; is it on?", "login");
    expect(&s, JOB_FAILED, "user 'pi' may not use sudo on the machine; as root there: x", "sudo");
    expect(&s, JOB_REFUSED, NULL, "login");
    say(&s, "hostname", "rpi-1"); /* it ended in the middle */
    expect(&s, JOB_FAILED, "lost", "login");
}

static void one_fault_seen_from_both_sides_is_told_once(void **state)
{
    CLEANUP(findings_clear) struct findings outside = {0}, inside = {0};
    char got[512];

    (void)state;
    findings_add(&outside, FINDING_SSH_REFUSED, "m1", "a", "b", "c");
    findings_add(&outside, FINDING_AGENT_FAILED, "m2", "a", "b", "c");
    findings_add(&outside, FINDING_NO_BEACON, "m3", "a", "b", "c");
    findings_add(&outside, FINDING_MTU, "m2", "a", "b", "c");
    findings_add(&outside, FINDING_MDNS_FILTERED, "m5", "a", "b", "c");
    findings_add(&inside, FINDING_LOGIN, "m1", "a", "b", "c");
    findings_add(&inside, FINDING_LOGIN, "m4", "a", "b", "c");
    findings_add(&inside, FINDING_AGENT_FAILED, "m2", "a", "b", "c");
    findings_add(&inside, FINDING_BEACON_STOPPED, "m3", "a", "b", "c");
    findings_add(&inside, FINDING_NAME_CLASH, "m5", "a", "b", "c");
    examine_merge(&outside, &inside);
    kinds_of(&outside, got, sizeof(got));
    assert_string_equal(got, "ssh-refused mtu");
    kinds_of(&inside, got, sizeof(got));
    assert_string_equal(got, "login agent-failed beacon-stopped name-clash");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_has_its_finding),
        cmocka_unit_test(agents_that_were_never_deployed_cannot_fail),
        cmocka_unit_test(two_faults_have_both),
        cmocka_unit_test(machines_that_were_not_examined),
        cmocka_unit_test(one_fault_seen_from_both_sides_is_told_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
