/* The zone-file fragment.  tests/net/domain has a DNS server read it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/advert/sign.h"
#include "discovery/inventory/zone.h"
#include "discovery/roster/machine.h"

#define ID1 "00000000000000a1"
#define ID2 "00000000000000a2"
#define HOSTKEY "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static struct address addresses[3];

/* A machine that answers, with an IPv4, a global and a link-local IPv6 address. */
static struct machine a_machine(const char *id, char *host)
{
    struct machine m = {.host = host, .port = 22, .beacon = true, .online = true};

    assert_int_equal(address_parse("192.0.2.1", &addresses[0]), 0);
    assert_int_equal(address_parse("2001:db8::1", &addresses[1]), 0);
    assert_int_equal(address_parse("fe80::1%lo", &addresses[2]), 0);
    memcpy(m.advert.id, id, sizeof(m.advert.id));
    m.addresses = addresses;
    m.n_addresses = 3;
    return m;
}

/* Checks what is written behind the head of three lines and the three pointers. */
static void check_zone(const struct machine *const *machines, size_t n, const struct key *key,
                       const char *wanted)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;
    const char *at;

    assert_int_equal(zone_write(machines, n, key, &t), 0);
    at = strstr(text_str(&t), "\n_services._dns-sd._udp ");
    assert_non_null(at);
    assert_string_equal(strchr(at + 1, '\n') + 1, wanted);
}

static void test_pointers(void **state)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;

    (void)state;
    assert_int_equal(zone_write(NULL, 0, NULL, &t), 0);
    assert_non_null(strstr(text_str(&t), "\nb._dns-sd._udp 120 IN PTR @\n"
                                         "lb._dns-sd._udp 120 IN PTR @\n"
                                         "_services._dns-sd._udp 120 IN PTR _dcop-agent._tcp\n"));
}

static void test_machine(void **state)
{
    struct machine m = a_machine(ID1, (char[]){"RPi-1.local"});
    const struct machine *list[] = {&m};

    (void)state;
    m.advert.fleet = (char[]){"lab-2"};
    check_zone(list, 1, NULL,
               "_dcop-agent._tcp 120 IN PTR dcop-" ID1 "._dcop-agent._tcp\n"
               "_lab-2._sub._dcop-agent._tcp 120 IN PTR dcop-" ID1 "._dcop-agent._tcp\n"
               "dcop-" ID1 "._dcop-agent._tcp 120 IN SRV 0 0 22 rpi-1\n"
               "dcop-" ID1 "._dcop-agent._tcp 120 IN TXT (\n"
               "\t\"txtvers=1\"\n"
               "\t\"id=" ID1 "\"\n"
               "\t\"fleet=lab-2\" )\n"
               "rpi-1 120 IN A 192.0.2.1\n"
               "rpi-1 120 IN AAAA 2001:db8::1\n");
}

/* What the record holds after `id`, as the zone has it. */
static void check_strings(const struct machine *m, const char *wanted)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;
    const char *at;

    assert_int_equal(zone_write(&m, 1, NULL, &t), 0);
    at = strstr(text_str(&t), "\"id=" ID1 "\"\n");
    assert_non_null(at);
    assert_memory_equal(strchr(at, '\n') + 1, wanted, strlen(wanted));
}

static void test_quoting(void **state)
{
    struct machine m = a_machine(ID1, NULL);
    char *agents[] = {(char[]){"a \"b\\\";$x ()@"}, (char[]){"caf\xc3\xa9\x01\t\x7f"},
                      (char[ADVERT_PAIR_MAX]){""}};

    (void)state;
    memset(agents[2], '"', ADVERT_PAIR_MAX - strlen("agent999="));
    m.advert.agents = (struct strings){agents, 3};
    check_strings(&m, "\t\"agent=a \\\"b\\\\\\\";$x ()@\"\n"
                      "\t\"agent2=caf\\195\\169\\001\\009\\127\"\n"
                      "\t\"agent3=\\\"\\\"\\\"");
}

/* No host may have a name that is another's, or that is not a host's. */
static void test_hosts(void **state)
{
    char *const hosts[] = {(char[]){"a.local"}, (char[]){"A.other"}, (char[]){"caf\xc3\xa9.local"},
                           (char[]){"-x.local"}, (char[]){"dcop-" ID2 ".local"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
        struct machine first = a_machine(ID2, hosts[0]), second = a_machine(ID1, hosts[i]);
        const struct machine *list[] = {&first, &second};
        CLEANUP_TEXT struct text t = TEXT_INIT;

        assert_int_equal(zone_write(list, 2, NULL, &t), 0);
        assert_non_null(strstr(text_str(&t), " SRV 0 0 22 a\n"));
        assert_non_null(strstr(text_str(&t), " SRV 0 0 22 dcop-" ID1 "\n"));
        assert_non_null(strstr(text_str(&t), "\ndcop-" ID1 " 120 IN A 192.0.2.1\n"));
    }
}

static void test_instance(void **state)
{
    static const struct {
        const char *instance, *wanted;
    } cases[] = {
        {"dcop-" ID1 " #2", "dcop-" ID1 "\\032\\#2._dcop-agent._tcp 120 IN SRV"},
        {"dcop-" ID2, "dcop-" ID1 "._dcop-agent._tcp 120 IN SRV"}, /* another's */
        {"x. ; \n@ IN A 192.0.2.9", "dcop-" ID1 "._dcop-agent._tcp 120 IN SRV"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct machine m = a_machine(ID1, NULL);
        const struct machine *list[] = {&m};
        CLEANUP_TEXT struct text t = TEXT_INIT;
        char instance[64];

        (void)snprintf(instance, sizeof(instance), "%s", cases[i].instance);
        m.instance = instance;
        assert_int_equal(zone_write(list, 1, NULL, &t), 0);
        assert_non_null(strstr(text_str(&t), cases[i].wanted));
        assert_null(strstr(text_str(&t), "192.0.2.9"));
    }
}

static void test_left_out(void **state)
{
    struct machine off = a_machine(ID1, (char[]){"off\nx IN A 192.0.2.9"}), doubt = off,
                   local = off, claim = off, portless = off;
    const struct machine *list[] = {&off, &doubt, &local, &claim, &portless};

    (void)state;
    off.online = false;
    doubt.in_doubt = true;
    local.addresses = addresses + 2;
    local.n_addresses = 1;
    claim.untrusted = true;
    portless.port = 0;
    check_zone(list, 5, NULL,
               "; left out: off\\x0ax IN A 192.0.2.9: offline\n"
               "; left out: off\\x0ax IN A 192.0.2.9: in doubt\n"
               "; left out: off\\x0ax IN A 192.0.2.9: no address that other networks can use\n"
               "; left out: off\\x0ax IN A 192.0.2.9: not verified\n"
               "; left out: off\\x0ax IN A 192.0.2.9: no port\n");
}

/* The machine as read from a signed record with these strings before its own. */
static struct machine a_signed_machine(const struct key *fleet, const char *extra)
{
    struct machine m = a_machine(ID1, (char[]){"rpi-1.local"}), back = m;
    CLEANUP(key_clear) struct key key;
    uint8_t txt[ADVERT_TXT_MAX];
    size_t size;

    m.advert.hostkey = (char[]){HOSTKEY};
    m.advert.seq = 7;
    assert_int_equal(advert_encode_within(&m.advert, ADVERT_SIGNED_MAX, txt, &size), 0);
    if (*extra) {
        txt[size++] = (uint8_t)strlen(extra);
        memcpy(txt + size, extra, strlen(extra));
        size += strlen(extra);
    }
    key_derive(fleet, ID1, HOSTKEY, &key);
    assert_int_equal(advert_sign(txt, &size, m.port, &key), 0);
    back.advert = ADVERT_INIT;
    assert_int_equal(advert_parse(txt, size, &back.advert, NULL), 0);
    back.verified = true;
    return back;
}

/* Does the zone warn of the machine's signature? */
static bool warns(const struct machine *m, const struct key *key)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;

    assert_int_equal(zone_write(&m, 1, key, &t), 0);
    return strstr(text_str(&t), "; no valid signature") != NULL;
}

static void test_signature(void **state)
{
    const struct key fleet = {{1}}, other = {{2}};
    struct machine m = a_signed_machine(&fleet, ""), later = a_signed_machine(&fleet, "new=1");
    CLEANUP_TEXT struct text t = TEXT_INIT;
    const struct machine *list[] = {&m};
    struct machine copy;
    char sig[64];

    (void)state;
    assert_non_null(m.advert.signature);
    assert_int_equal(zone_write(list, 1, &fleet, &t), 0);
    (void)snprintf(sig, sizeof(sig), "\t\"sig=%s\" )\n", m.advert.signature);
    assert_non_null(strstr(text_str(&t), sig));
    assert_false(warns(&m, &fleet));
    assert_false(warns(&m, NULL));
    assert_true(warns(&m, &other));
    assert_true(warns(&later, &fleet));
    assert_int_equal(machine_copy(&m, &copy), 0);
    assert_false(warns(&copy, &fleet));
    machine_clear(&copy);
    free(TAKE_PTR(m.advert.signature));
    assert_true(warns(&m, NULL));
    advert_clear(&m.advert);
    advert_clear(&later.advert);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pointers),  cmocka_unit_test(test_machine),
        cmocka_unit_test(test_quoting),   cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_instance),  cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_signature),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
