/* Names that are claimed by multicast. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "discovery/doctor/claims.h"

/* "rpi-2.local ANY?", and what is wanted: A 10.0.0.3. */
static const uint8_t probe[] = {
    0,   0, 0, 0,   0, 1, 0,    0,  0, 1, 0, 0, 5, 'r', 'p', 'i', '-', '2', 5,  'l', 'o', 'c', 'a',
    'l', 0, 0, 255, 0, 1, 0xc0, 12, 0, 1, 0, 1, 0, 0,   0,   120, 0,   4,   10, 0,   0,   3,
};

static struct address address_of(const char *text)
{
    struct address a;

    assert_int_equal(address_parse(text, &a), 0);
    return a;
}

/* This computer is 10.0.0.1. */
static const struct links links = {
    .networks = {{.address = {.family = AF_INET, .bytes = {10, 0, 0, 1}}, .prefix = 24}},
    .n_networks = 1,
};

static void a_claim_is_its_senders(void **state)
{
    struct claims c = {0};
    struct address from = address_of("10.0.0.3"), other = address_of("10.0.0.4");

    (void)state;
    claims_take(&c, &links, probe, sizeof(probe), &other); /* a reflector, or a liar */
    assert_int_equal(c.count, 0);
    claims_take(&c, &links, probe, sizeof(probe), &from);
    claims_take(&c, &links, probe, sizeof(probe), &from);
    assert_int_equal(c.count, 1);
    assert_string_equal(c.items[0].name, "rpi-2.local");
    assert_true(address_equal(&c.items[0].address, &from));
}

static void answers_and_broken_packets_are_none(void **state)
{
    struct claims c = {0};
    struct address from = address_of("10.0.0.3"), v6 = address_of("fd00::3");
    uint8_t answer[sizeof(probe)];

    (void)state;
    memcpy(answer, probe, sizeof(probe));
    answer[2] = 0x84;
    claims_take(&c, &links, answer, sizeof(answer), &from);
    claims_take(&c, &links, probe, sizeof(probe), &v6);
    for (size_t size = 0; size < sizeof(probe); size++)
        claims_take(&c, &links, probe, size, &from);
    assert_int_equal(c.count, 0);
}

static void so_many_senders_are_kept(void **state)
{
    struct claims c = {0};
    uint8_t packet[sizeof(probe)];

    (void)state;
    memcpy(packet, probe, sizeof(probe));
    for (unsigned i = 0; i < CLAIMS_MAX + 10; i++) {
        char text[ADDRESS_TEXT_MAX];
        struct address from;

        packet[sizeof(packet) - 1] = (uint8_t)(2 + i);
        (void)snprintf(text, sizeof(text), "10.0.0.%u", 2 + i);
        from = address_of(text);
        claims_take(&c, &links, packet, sizeof(packet), &from);
    }
    assert_int_equal(c.count, CLAIMS_MAX);
}

static void strangers_take_no_room(void **state)
{
    struct claims c = {0};
    struct address from = address_of("10.0.1.3"), own = address_of("10.0.0.1");
    uint8_t packet[sizeof(probe)];

    (void)state;
    memcpy(packet, probe, sizeof(probe));
    packet[sizeof(packet) - 2] = 1; /* 10.0.1.3: no network of this computer */
    claims_take(&c, &links, packet, sizeof(packet), &from);
    packet[sizeof(packet) - 2] = 0, packet[sizeof(packet) - 1] = 1;
    claims_take(&c, &links, packet, sizeof(packet), &own);
    assert_int_equal(c.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_claim_is_its_senders),
        cmocka_unit_test(answers_and_broken_packets_are_none),
        cmocka_unit_test(so_many_senders_are_kept),
        cmocka_unit_test(strangers_take_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
