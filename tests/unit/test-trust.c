#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "deployer/trust/trust.h"

#define ONE "SHA256:1111111111111111111111111111111111111111111"
#define S(literal) ((char *)(uintptr_t)(literal))
#define TWO "SHA256:2222222222222222222222222222222222222222222"

static int check(struct trust t, const char *shown, struct error *err)
{
    t.id = "0123456789abcdef";
    t.host = "rpi-1";
    return trust_check(&t, shown, err);
}

static void a_pin_is_the_only_key(void **unused)
{
    struct error err = {0};

    (void)unused;
    assert_int_equal(check((struct trust){.pin = ONE}, ONE, &err), 0);
    /* Neither what the network says nor --accept-new moves a pin. */
    assert_int_equal(
        check((struct trust){.pin = ONE, .expected = TWO, .accept_new = true}, TWO, &err),
        -EKEYREJECTED);
    assert_non_null(strstr(err.text, ONE));
    assert_non_null(strstr(err.text, "dcop-deploy trust 0123456789abcdef " TWO));
    /* The pinned key is right though another is advertised: a forged record. */
    assert_int_equal(check((struct trust){.pin = ONE, .expected = TWO}, ONE, &err), 0);
}

static void a_new_machine_needs_a_yes_and_the_advertised_key(void **unused)
{
    struct error err = {0};

    (void)unused;
    assert_int_equal(check((struct trust){.expected = ONE, .accept_new = true}, ONE, &err), 0);
    assert_int_equal(check((struct trust){.expected = ONE}, ONE, &err), -EKEYREJECTED);
    assert_non_null(strstr(err.text, "--accept-new"));
    assert_int_equal(check((struct trust){.expected = ONE, .accept_new = true}, TWO, &err),
                     -EKEYREJECTED);
    assert_non_null(strstr(err.text, ONE));
    assert_non_null(strstr(err.text, TWO));
}

/* For the name that a person gave; what is found on the network has no such list. */
static void known_hosts_answers_the_question(void **unused)
{
    struct error err = {0};
    struct strings one = {.items = (char *[]){S(ONE)}, .count = 1};
    struct trust t = {.confirmed = &one, .listed = "/known:3", .expected = ONE};

    (void)unused;
    assert_int_equal(check(t, ONE, &err), 0);
    assert_true(trust_is_confirmed(&t, ONE));
    /* Its pin counts as unseen later, when an advert may be what names the machine. */
    assert_int_equal(trust_source(&t), PIN_ACCEPT);
    assert_false(trust_gets_passwords(trust_source(&t)));
    /* Another key than the listed one: not even with --accept-new. */
    t.expected = TWO;
    t.accept_new = true;
    assert_false(trust_is_confirmed(&t, TWO));
    assert_int_equal(check(t, TWO, &err), -EKEYREJECTED);
    assert_non_null(strstr(err.text, "/known:3"));
    /* A person's pin is newer than the file. */
    t.pin = TWO;
    assert_int_equal(check(t, TWO, &err), 0);
    /* It does not move a name. */
    t = (struct trust){.confirmed = &one, .expected = ONE, .agent = "a1", .held_by = "other"};
    assert_int_equal(check(t, ONE, &err), -EKEYREJECTED);
}

static void a_revoked_key_is_refused(void **unused)
{
    struct error err = {0};
    struct strings one = {.items = (char *[]){S(ONE)}, .count = 1};
    struct strings revoked = {.items = (char *[]){S(ONE " /known:7")}, .count = 1};
    struct trust t = {.confirmed = &one,
                      .pin = ONE,
                      .source = PIN_TRUST,
                      .expected = ONE,
                      .verified = true,
                      .accept_new = true,
                      .revoked = &revoked};

    (void)unused;
    assert_int_equal(check(t, ONE, &err), -EKEYREJECTED);
    assert_non_null(strstr(err.text, "/known:7"));
    t.pin = TWO;
    assert_int_equal(check(t, TWO, &err), 0);
}

static void a_signature_pins_what_has_no_pin(void **unused)
{
    struct error err = {0};
    struct trust t = {.expected = ONE, .verified = true};

    (void)unused;
    assert_int_equal(check(t, ONE, &err), 0);
    assert_int_equal(trust_source(&t), PIN_SIGNATURE);
    /* Another machine at its address; a record that names no key. */
    assert_int_equal(check(t, TWO, &err), -EKEYREJECTED);
    t.expected = NULL;
    assert_int_equal(check(t, ONE, &err), -EKEYREJECTED);
    assert_int_equal(trust_source(&t), PIN_ACCEPT);
    /* It never replaces a pin. */
    t = (struct trust){.pin = ONE, .source = PIN_QUESTION, .expected = TWO, .verified = true};
    assert_int_equal(check(t, TWO, &err), -EKEYREJECTED);
    assert_string_equal(err.text,
                        "its host key is " TWO ", but " ONE " is pinned for machine "
                        "0123456789abcdef: a reflashed card, or an impostor. If you know why it "
                        "changed: dcop-deploy trust 0123456789abcdef " TWO);
    assert_int_equal(trust_source(&t), PIN_QUESTION);
}

static void a_retired_key_needs_a_persons_word(void **unused)
{
    struct error err = {0};
    struct state_pin items[] = {
        {.fingerprint = S(TWO)},
        {.fingerprint = S(ONE), .retired_ms = 1767268800000}, /* 2026-01-01 12:00 UTC */
    };
    struct state_pins pins = {items, 2};
    struct trust t = {.pins = &pins, .expected = ONE, .verified = true, .accept_new = true};

    (void)unused;
    assert_int_equal(check(t, ONE, &err), -EKEYREJECTED);
    assert_string_equal(
        err.text,
        "its host key " ONE
        " was retired on 2026-01-01; to accept it again: dcop-deploy trust 0123456789abcdef " ONE);
    t.pin = TWO;
    assert_int_equal(check(t, ONE, &err), -EKEYREJECTED);
    assert_non_null(strstr(err.text, "was retired on 2026-01-01, and the pinned one is " TWO ";"));
    assert_int_equal(check(t, TWO, &err), 0);
    /* A list that still has the key it was given back as the pin. */
    t.pin = ONE;
    assert_int_equal(check(t, ONE, &err), 0);
}

static void a_name_that_another_held_is_a_question(void **unused)
{
    struct error err = {0};
    struct trust t = {.expected = ONE,
                      .verified = true,
                      .accept_new = true,
                      .agent = "a1",
                      .held_by = "fedcba9876543210 (rpi-2)"};

    (void)unused;
    assert_int_equal(check(t, ONE, &err), -EKEYREJECTED);
    assert_string_equal(err.text,
                        "it is new here and has the agent name 'a1', which belonged to "
                        "fedcba9876543210 (rpi-2): a machine that took its place, or an impostor. "
                        "Its host key is " ONE
                        "; if it is yours: dcop-deploy trust 0123456789abcdef " ONE);
    t.accept_held = true;
    assert_int_equal(check(t, ONE, &err), 0);
    /* A yes to the name is none to the key. */
    t.verified = t.accept_new = false;
    assert_int_equal(check(t, ONE, &err), -EKEYREJECTED);
    assert_non_null(strstr(err.text, "it is new here: its host key"));
    /* A pin is a person's word already. */
    t.accept_held = false;
    t.pin = ONE;
    assert_int_equal(check(t, ONE, &err), 0);
}

static void an_id_that_two_claim_is_a_question(void **unused)
{
    struct error err = {0};
    struct trust t = {.expected = ONE, .in_doubt = true, .accept_new = true};

    (void)unused;
    assert_int_equal(check(t, ONE, &err), -EKEYREJECTED);
    assert_non_null(strstr(err.text, "another machine has the same id"));
    assert_non_null(strstr(err.text, "dcop-deploy trust 0123456789abcdef " ONE));
    t.cloned = true; /* the fingerprint would accept both */
    assert_int_equal(check(t, ONE, &err), -EKEYREJECTED);
    assert_non_null(strstr(err.text, "clones of one image; on one of them: rm /etc/ssh/"));
    assert_null(strstr(err.text, "dcop-deploy trust"));
    t.cloned = false;
    t.verified = true; /* the fleet key can tell which */
    assert_int_equal(check(t, ONE, &err), 0);
    t = (struct trust){.pin = ONE, .in_doubt = true}; /* and so can a pin */
    assert_int_equal(check(t, ONE, &err), 0);
}

static void passwords_go_where_someone_looked(void **unused)
{
    struct trust asked = {.source = PIN_QUESTION, .expected = ONE, .verified = true};

    (void)unused;
    assert_false(trust_gets_passwords(PIN_ACCEPT));
    assert_true(trust_gets_passwords(PIN_QUESTION));
    assert_true(trust_gets_passwords(PIN_SIGNATURE));
    assert_true(trust_gets_passwords(PIN_TRUST));
    assert_int_equal(trust_source(&asked), PIN_QUESTION);
}

static void cloned_cards_are_told(void **unused)
{
    struct state_pin items[] = {
        {.id = S("id1"), .fingerprint = S(ONE)},
        {.id = S("id2"), .fingerprint = S(TWO)},
        {.id = S("id3"), .fingerprint = S(ONE)},
        {.id = S("id4"), .fingerprint = S(TWO), .retired_ms = 1},
        {.id = S("id5"), .fingerprint = S(ONE)},
    };
    CLEANUP_TEXT struct text said = TEXT_INIT;

    (void)unused;
    assert_int_equal(state_pins_shared_keys(&(struct state_pins){items, 5}, &said), 0);
    assert_string_equal(
        text_str(&said),
        "Machines id1, id3 and id5 have the same host key " ONE
        ": their cards were cloned, and each can pass as the other. To give one its own key, run "
        "on it: sudo rm /etc/ssh/ssh_host_* && sudo ssh-keygen -A && sudo systemctl restart ssh; "
        "then here: dcop-deploy trust ID FINGERPRINT\n");
    text_reset(&said);
    assert_int_equal(state_pins_shared_keys(&(struct state_pins){items, 2}, &said), 0);
    assert_string_equal(text_str(&said), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pin_is_the_only_key),
        cmocka_unit_test(a_new_machine_needs_a_yes_and_the_advertised_key),
        cmocka_unit_test(known_hosts_answers_the_question),
        cmocka_unit_test(a_revoked_key_is_refused),
        cmocka_unit_test(a_signature_pins_what_has_no_pin),
        cmocka_unit_test(a_retired_key_needs_a_persons_word),
        cmocka_unit_test(a_name_that_another_held_is_a_question),
        cmocka_unit_test(an_id_that_two_claim_is_a_question),
        cmocka_unit_test(passwords_go_where_someone_looked),
        cmocka_unit_test(cloned_cards_are_told),
    };

    (void)setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
