#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "deployer/job/job.h"

static struct job_common common = {
    .mode = "deploy", .places_agents = true, .who = "teacher@desk", .version_digest = "abc"};

static int settings(const struct job *job, const char *peer, const char *local, struct text *ret,
                    struct error *err)
{
    struct address from = {0}, to = {0};

    if (peer)
        assert_int_equal(address_parse(peer, &to), 0);
    if (local)
        assert_int_equal(address_parse(local, &from), 0);
    return job_settings(job, "NONCE", peer ? &to : NULL, local ? &from : NULL, ret, err);
}

static void settings_carry_any_name(void **unused)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;
    struct job job = {.common = &common, .target = {.id = (char *)"0123456789abcdef"}};
    struct error err = {0};

    (void)unused;
    strings_add(&job.target.agents, "a1");
    strings_add(&job.target.agents, "l'é té\t%\\");
    assert_int_equal(settings(&job, "10.0.0.2", "10.0.0.1", &t, &err), 0);
    assert_non_null(strstr(text_str(&t), "mode deploy\n"));
    assert_non_null(strstr(text_str(&t), "agents a1\nagents l%27%C3%A9%20t%C3%A9%09%25%5C\n"));
    assert_non_null(strstr(text_str(&t), "address 10.0.0.2\norchestrator 10.0.0.1:9000\n"));
    assert_null(strstr(text_str(&t), "named"));
    assert_string_equal(text_str(&t) + t.size - strlen("\nend NONCE\n"), "\nend NONCE\n");
    strings_clear(&job.target.agents);
}

/* What is one machine's alone, and a person's word on its names. */
static void settings_of_one_machine_go_along(void **unused)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;
    CLEANUP(target_clear) struct target copy = {0};
    struct job job = {.common = &common, .target = {.named = true, .user = (char *)"ada"}};
    struct error err = {0};

    (void)unused;
    job_add_setting(&job.target.settings, "machine_key", "00ff");
    assert_int_equal(target_copy(&job.target, &copy), 0);
    assert_string_equal(text_str(&copy.settings), "machine_key 00ff\n");
    assert_int_equal(settings(&job, "10.0.0.2", "10.0.0.1", &t, &err), 0);
    assert_non_null(strstr(text_str(&t), "login ada\nnamed yes\n"));
    assert_non_null(strstr(text_str(&t), "\nmachine_key 00ff\n"));
    text_wipe(&job.target.settings);
}

/* The id that the machine says must not be one that is pinned with another key. */
static void unknown_machines_hear_which_ids_are_taken(void **unused)
{
    struct state_pin items[] = {
        {.id = (char *)"1111111111111111", .fingerprint = (char *)"SHA256:a"},
        {.id = (char *)"SHA256:b", .fingerprint = (char *)"SHA256:b"},
        {.id = (char *)"2222222222222222", .fingerprint = (char *)"SHA256:c", .retired_ms = 1},
        {.id = (char *)"3333333333333333", .fingerprint = (char *)"SHA256:d"},
        {.id = (char *)"4444444444444444", .fingerprint = (char *)"SHA256:e"}};
    const struct state_pins pins = {items, 5};
    struct job_common with_pins = common;
    struct job job = {.common = &with_pins, .target = {.hostkey = (char *)"SHA256:d"}};
    CLEANUP_TEXT struct text t = TEXT_INIT;
    struct error err = {0};

    (void)unused;
    with_pins.pins = &pins;
    assert_int_equal(settings(&job, "10.0.0.2", "10.0.0.1", &t, &err), 0);
    assert_non_null(strstr(text_str(&t), "\ntaken 1111111111111111,4444444444444444\n"));
    text_reset(&t);
    /* The key says which machine it is, not the address. */
    job.target.id = items[0].id;
    job.target.guessed = true;
    job.known.pins = (struct state_pins){items, 1};
    assert_int_equal(settings(&job, "10.0.0.2", "10.0.0.1", &t, &err), 0);
    assert_non_null(strstr(text_str(&t), "\ntaken 4444444444444444\n"));
    assert_null(strstr(text_str(&t), "\nid "));
    text_reset(&t);
    job.target.guessed = false;
    assert_int_equal(settings(&job, "10.0.0.2", "10.0.0.1", &t, &err), 0);
    assert_non_null(strstr(text_str(&t), "\nid 1111111111111111\n"));
    assert_null(strstr(text_str(&t), "\ntaken "));
}

static void pydcop_wants_ipv4(void **unused)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;
    struct address other;
    struct job job = {.common = &common};
    struct error err = {0};

    (void)unused;
    assert_int_equal(settings(&job, "2001:db8::2", "2001:db8::1", &t, &err), -EAFNOSUPPORT);
    assert_non_null(strstr(err.text, "no IPv4 address"));
    /* Reached over IPv6, but it has an IPv4 address too. */
    assert_int_equal(address_parse("10.0.0.2", &other), 0);
    job.target.addresses = &other;
    job.target.n_addresses = 1;
    assert_int_equal(settings(&job, "2001:db8::2", "2001:db8::1", &t, &err), -EAFNOSUPPORT);
    assert_non_null(strstr(err.text, "--orchestrator"));
    common.orchestrator = "10.0.0.9:9100";
    text_reset(&t);
    assert_int_equal(settings(&job, "2001:db8::2", "2001:db8::1", &t, &err), 0);
    assert_non_null(strstr(text_str(&t), "address 10.0.0.2\norchestrator 10.0.0.9:9100\n"));
    common.orchestrator = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_carry_any_name),
        cmocka_unit_test(settings_of_one_machine_go_along),
        cmocka_unit_test(unknown_machines_hear_which_ids_are_taken),
        cmocka_unit_test(pydcop_wants_ipv4),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
