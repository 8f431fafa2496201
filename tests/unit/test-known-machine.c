/* What the database knows of a machine, as trust wants it, and what is learnt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "deployer/trust/known-machine.h"

#define ID "0123456789abcdef"
#define OTHER "fedcba9876543210"
#define THIRD "0011223344556677"
#define KEY "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define KEY2 "SHA256:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"

static struct target machine(const char *id, const char *hostkey, const char *name)
{
    struct target t = {.id = strdup(id), .host = strdup("rpi-1"), .port = 22, .shown = true};

    t.hostkey = hostkey ? strdup(hostkey) : NULL;
    assert_int_equal(strings_add(&t.names, name), 0);
    return t;
}

static struct state *database(void)
{
    struct state *s;

    assert_int_equal(state_open(":memory:", &s, NULL), 0);
    return s;
}

/* The key is shown to trust with what is known; what becomes of it. */
static int meet(struct state *s, const struct target *t, struct consent consent, const char *key,
                enum pin_source *ret_source)
{
    CLEANUP(known_machine_clear) struct known_machine k = {0};
    struct error err = {0};
    struct trust trust;
    int r;

    assert_int_equal(known_machine_get(s, t, consent, &k, &err), 0);
    trust = known_machine_trust(&k, t);
    *ret_source = trust_source(&trust);
    r = trust_check(&trust, key, &err);
    return r < 0 ? r
                 : known_machine_learn(s, t, &k, &(struct known_machine_met){.fingerprint = key},
                                       &err);
}

static void assert_holds(struct state *s, const char *id, const char *name)
{
    CLEANUP_FREE char *holder = NULL;
    bool now = false;

    assert_int_equal(state_name_holder(s, "default", name, &holder, &now, NULL), 0);
    assert_string_equal(holder, id);
    assert_true(now);
}

static void a_yes_pins_and_is_remembered_for_what_it_was(void **unused)
{
    const struct consent none = {0}, accept = {.given = true},
                         asked = {.given = true, .asked = true};
    CLEANUP(state_free_p) struct state *s = database();
    CLEANUP(target_clear) struct target t = machine(ID, KEY, "a1");
    CLEANUP(target_clear) struct target mute = machine(OTHER, NULL, "a2");
    CLEANUP(target_clear) struct target unshown = machine(THIRD, KEY2, "a3");
    enum pin_source source;

    (void)unused;
    assert_int_equal(meet(s, &t, none, KEY, &source), -EKEYREJECTED);
    assert_int_equal(meet(s, &t, accept, KEY, &source), 0);
    assert_int_equal(source, PIN_ACCEPT);
    assert_int_equal(meet(s, &t, none, KEY, &source), 0);
    assert_int_equal(source, PIN_ACCEPT);
    assert_int_equal(meet(s, &t, asked, KEY2, &source), -EKEYREJECTED);
    /* Nobody saw this key: a yes is no more than --accept-new is. */
    assert_int_equal(meet(s, &mute, asked, KEY2, &source), 0);
    assert_int_equal(source, PIN_ACCEPT);
    /* Nor this one, which known_hosts has: the question was about another machine. */
    unshown.shown = false;
    assert_int_equal(meet(s, &unshown, asked, KEY2, &source), 0);
    assert_int_equal(source, PIN_ACCEPT);
}

static void a_name_that_another_held_wants_a_person(void **unused)
{
    const struct consent accept = {.given = true}, asked = {.given = true, .asked = true};
    CLEANUP(state_free_p) struct state *s = database();
    CLEANUP(target_clear) struct target first = machine(ID, KEY, "a1");
    CLEANUP(target_clear) struct target second = machine(OTHER, KEY2, "a1");
    enum pin_source source;

    (void)unused;
    assert_int_equal(meet(s, &first, accept, KEY, &source), 0);
    assert_int_equal(meet(s, &second, accept, KEY2, &source), -EKEYREJECTED);
    second.verified = true;
    second.seq = 1;
    assert_int_equal(meet(s, &second, accept, KEY2, &source), -EKEYREJECTED);
    assert_int_equal(meet(s, &second, asked, KEY2, &source), 0);
    assert_int_equal(source, PIN_QUESTION);
    /* From now on the name is the second one's; the first one has its pin. */
    assert_int_equal(meet(s, &first, (struct consent){0}, KEY, &source), 0);
    assert_holds(s, OTHER, "a1");
}

/* Each is pinned; what one of them says of its names is its own word. */
static void an_accepted_machine_takes_no_name_of_another(void **unused)
{
    const struct consent accept = {.given = true}, none = {0};
    CLEANUP(state_free_p) struct state *s = database();
    CLEANUP(target_clear) struct target first = machine(ID, KEY, "a1");
    CLEANUP(target_clear) struct target second = machine(OTHER, KEY2, "a2");
    enum pin_source source;

    (void)unused;
    first.advertised = second.advertised = true;
    assert_int_equal(meet(s, &first, accept, KEY, &source), 0);
    assert_int_equal(meet(s, &second, accept, KEY2, &source), 0);
    assert_int_equal(strings_add(&second.names, "a1"), 0);
    assert_int_equal(meet(s, &second, none, KEY2, &source), 0);
    assert_holds(s, ID, "a1");
    assert_holds(s, OTHER, "a2");
    /* Two that exchange their names have them when both have been met again. */
    strings_clear(&second.names);
    strings_clear(&first.names);
    assert_int_equal(strings_add(&second.names, "a1"), 0);
    assert_int_equal(strings_add(&first.names, "a2"), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(meet(s, &first, none, KEY, &source), 0);
        assert_int_equal(meet(s, &second, none, KEY2, &source), 0);
    }
    assert_holds(s, OTHER, "a1");
    assert_holds(s, ID, "a2");
    /* A person moves it at once. */
    second.named = true;
    strings_clear(&second.names);
    assert_int_equal(strings_add(&second.names, "a2"), 0);
    assert_int_equal(meet(s, &second, none, KEY2, &source), 0);
    assert_holds(s, OTHER, "a2");
    /* So it does when it has two change places, whichever is met first. */
    second.named = false;
    first.given = second.given = true;
    strings_clear(&second.names);
    strings_clear(&first.names);
    assert_int_equal(strings_add(&second.names, "a1"), 0);
    assert_int_equal(strings_add(&first.names, "a2"), 0);
    assert_int_equal(meet(s, &first, none, KEY, &source), 0);
    assert_int_equal(meet(s, &second, none, KEY2, &source), 0);
    assert_holds(s, OTHER, "a1");
    assert_holds(s, ID, "a2");
}

static void a_signature_pins_until_it_is_an_old_one(void **unused)
{
    CLEANUP(state_free_p) struct state *s = database();
    CLEANUP(target_clear) struct target t = machine(ID, KEY, "a1");
    CLEANUP(state_pins_clear) struct state_pins pins = {0};
    enum pin_source source;

    (void)unused;
    t.verified = true;
    t.seq = 7;
    assert_int_equal(meet(s, &t, (struct consent){0}, KEY, &source), 0);
    assert_int_equal(source, PIN_SIGNATURE);
    assert_int_equal(state_pin_list(s, ID, &pins, NULL), 0);
    assert_int_equal(pins.items[0].source, PIN_SIGNATURE);
    /* The machine is forgotten but for its seq; an old record of it comes back. */
    assert_int_equal(state_pin_retire(s, ID, NULL), 0);
    free(t.hostkey);
    t.hostkey = strdup(KEY2);
    t.seq = 3;
    assert_int_equal(state_seq_put(s, ID, KEY2, 9, NULL), 0);
    assert_int_equal(meet(s, &t, (struct consent){0}, KEY2, &source), -EKEYREJECTED);
    t.seq = 10;
    assert_int_equal(meet(s, &t, (struct consent){0}, KEY2, &source), 0);
}

static void pin(struct state *s, const char *id, const char *key)
{
    struct state_pin p = {.id = (char *)id, .fingerprint = (char *)key, .source = PIN_TRUST};

    assert_int_equal(state_pin_replace(s, &p, NULL), 0);
}

/* Among the machines of the run, and with their pins of today. */
static void a_key_that_two_of_a_run_share_is_told(void **unused)
{
    CLEANUP(state_free_p) struct state *s = database();
    CLEANUP_TEXT struct text said = TEXT_INIT;
    char *ids[] = {(char *)ID, (char *)OTHER, (char *)"rpi-7"};
    const struct strings both = {.items = ids, .count = 3}, first = {.items = ids, .count = 1};

    (void)unused;
    pin(s, ID, KEY);
    pin(s, OTHER, KEY);
    assert_int_equal(known_machine_shared_keys(s, &first, &said, NULL), 0);
    assert_int_equal(said.size, 0);
    assert_int_equal(known_machine_shared_keys(s, &both, &said, NULL), 0);
    assert_non_null(strstr(text_str(&said), "Machines " ID " and " OTHER " have the same"));
    text_reset(&said);
    pin(s, OTHER, KEY2);
    assert_int_equal(known_machine_shared_keys(s, &both, &said, NULL), 0);
    assert_int_equal(said.size, 0);
}

/* Its host key stands for the id until a beacon gives it one: then the pin, and
 * what a person said of it, go over to the id. */
static void a_machine_without_an_id_is_known_by_its_key(void **unused)
{
    const struct consent none = {0}, asked = {.given = true, .asked = true};
    CLEANUP(state_free_p) struct state *s = database();
    CLEANUP(target_clear) struct target bare = machine(ID, KEY, "a1");
    CLEANUP(target_clear) struct target grown = machine(ID, KEY, "a1");
    CLEANUP(target_clear) struct target liar = machine(OTHER, KEY2, "a1");
    CLEANUP(state_pin_clear) struct state_pin pin = {0}, gone = {0};
    enum pin_source source;

    (void)unused;
    free(TAKE_PTR(bare.id));
    assert_int_equal(meet(s, &bare, none, KEY, &source), -EKEYREJECTED);
    assert_int_equal(meet(s, &bare, asked, KEY, &source), 0);
    assert_int_equal(state_pin_get(s, KEY, &pin, NULL), 0);
    assert_int_equal(meet(s, &bare, none, KEY, &source), 0);
    assert_int_equal(source, PIN_QUESTION);
    assert_int_equal(meet(s, &bare, none, KEY2, &source), -EKEYREJECTED);

    assert_int_equal(meet(s, &liar, none, KEY2, &source), -EKEYREJECTED);
    assert_int_equal(meet(s, &grown, none, KEY2, &source), -EKEYREJECTED);
    assert_int_equal(meet(s, &grown, none, KEY, &source), 0);
    state_pin_clear(&pin);
    assert_int_equal(state_pin_get(s, ID, &pin, NULL), 0);
    assert_int_equal(pin.source, PIN_QUESTION);
    assert_int_equal(state_pin_get(s, KEY, &gone, NULL), -ENOENT);
    /* Without its id again, as by an address: the same key is the same machine. */
    assert_int_equal(meet(s, &bare, none, KEY, &source), 0);
    assert_int_equal(source, PIN_QUESTION);
}

/* What a record says of host and addresses is not learnt: where the machine answered is, and
 * what it calls itself. */
static void what_is_learnt_was_met(void **unused)
{
    static const struct {
        const char *host, *hostname, *learnt;
        bool advertised;
    } hosts[] = {
        {"rpi-1.local", "rpi-1", "rpi-1.local", true},
        {"RPI-1-12.local", "rpi-1", "RPI-1-12.local", true}, /* renamed after a conflict */
        {"evil.local", "rpi-1.example", "rpi-1", true},
        {"rpi-11.local", "rpi-1", "rpi-1", true},
        {"evil.local", NULL, "before", true},
        {"evil.local", "a b\033", "before", true},
        {"typed.example", "rpi-1", "typed.example", false}, /* by a person */
    };
    struct address forged, there;

    (void)unused;
    assert_int_equal(address_parse("192.0.2.66", &forged), 0);
    assert_int_equal(address_parse("192.0.2.1", &there), 0);
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
        CLEANUP(state_free_p) struct state *s = database();
        CLEANUP(target_clear) struct target t = machine(ID, KEY, "a1");
        CLEANUP(known_machine_clear) struct known_machine k = {0};
        CLEANUP(state_machine_clear) struct state_machine m = {0};
        const struct state_machine before = {.id = t.id, .host = (char *)(uintptr_t) "before"};
        struct known_machine_met met = {.fingerprint = KEY,
                                        .peer = &there,
                                        .hostname = hosts[i].hostname,
                                        .agents_address = "198.51.100.7"};
        struct error err;

        free(t.host);
        t.host = strdup(hosts[i].host);
        t.advertised = hosts[i].advertised;
        t.addresses = malloc(sizeof(forged));
        t.addresses[0] = forged;
        t.n_addresses = 1;
        assert_int_equal(state_machine_put(s, &before, &err), 0);
        assert_int_equal(known_machine_get(s, &t, (struct consent){.given = true}, &k, &err), 0);
        assert_int_equal(known_machine_learn(s, &t, &k, &met, &err), 0);
        assert_int_equal(state_machine_get(s, ID, &m, &err), 0);
        assert_string_equal(m.host, hosts[i].learnt);
        assert_string_equal(m.address, "192.0.2.1");
        assert_string_equal(m.agents_address, "198.51.100.7");
        assert_true(m.accepted);
        state_machine_clear(&m);
        assert_int_equal(state_pin_retire(s, ID, &err), 0);
        assert_int_equal(state_machine_get(s, ID, &m, &err), 0);
        assert_false(m.accepted);
    }
}

static int by_hand(struct state *s)
{
    CLEANUP(state_machine_clear) struct state_machine m = {0};

    assert_int_equal(state_machine_get(s, ID, &m, NULL), 0);
    return m.by_hand;
}

/* Whose address a person gave, and that this computer itself connects to. */
static void who_gave_the_address_is_learnt(void **unused)
{
    CLEANUP(state_free_p) struct state *s = database();
    CLEANUP(target_clear) struct target t = machine(ID, KEY, "a1");
    enum pin_source source;

    (void)unused;
    assert_int_equal(meet(s, &t, (struct consent){.given = true}, KEY, &source), 0);
    assert_int_equal(by_hand(s), 1);
    t.advertised = true;
    assert_int_equal(meet(s, &t, (struct consent){0}, KEY, &source), 0);
    assert_int_equal(by_hand(s), -1);
    t.by_hand = true; /* listed because of that */
    assert_int_equal(meet(s, &t, (struct consent){0}, KEY, &source), 0);
    assert_int_equal(by_hand(s), 1);
    t.advertised = t.by_hand = false;
    assert_int_equal(strings_add(&t.relay, "ssh"), 0);
    assert_int_equal(meet(s, &t, (struct consent){0}, KEY, &source), 0);
    assert_int_equal(by_hand(s), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_gave_the_address_is_learnt),
        cmocka_unit_test(a_yes_pins_and_is_remembered_for_what_it_was),
        cmocka_unit_test(a_name_that_another_held_wants_a_person),
        cmocka_unit_test(an_accepted_machine_takes_no_name_of_another),
        cmocka_unit_test(a_signature_pins_until_it_is_an_old_one),
        cmocka_unit_test(a_key_that_two_of_a_run_share_is_told),
        cmocka_unit_test(what_is_learnt_was_met),
        cmocka_unit_test(a_machine_without_an_id_is_known_by_its_key),
    };

    return cmocka_run_group_tests_name("known", tests, NULL, NULL);
}
