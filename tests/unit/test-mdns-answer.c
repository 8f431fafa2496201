#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/base/text.h"
#include "discovery/network/mdns-answer.h"

/* PTR, SRV (to host.local) and TXT of dcop-x, the names compressed as a
 * responder does. */
static const uint8_t answer[] = {0, 0, 0x84, 0, 0, 0, 0, 3, 0, 0, 0, 0,
                                 /* 12: _dcop-agent._tcp.local PTR dcop-x + pointer to 12 */
                                 11, '_', 'd', 'c', 'o', 'p', '-', 'a', 'g', 'e', 'n', 't', 4, '_',
                                 't', 'c', 'p', 5, 'l', 'o', 'c', 'a', 'l', 0, 0, 12, 0, 1, 0, 0,
                                 17, 0x94, 0, 9,
                                 /* 46: */ 6, 'd', 'c', 'o', 'p', '-', 'x', 0xc0, 12,
                                 /* SRV, port 2222, host + pointer to "local" */
                                 0xc0, 46, 0, 33, 0x80, 1, 0, 0, 0, 120, 0, 13, 0, 0, 0, 0, 0x08,
                                 0xae, 4, 'h', 'o', 's', 't', 0xc0, 29,
                                 /* TXT */
                                 0xc0, 46, 0, 16, 0x80, 1, 0, 0, 17, 0x94, 0, 4, 3, 'a', '=', 'b'};

static void test_answer(void **state)
{
    static struct mdns_answer a;
    const struct mdns_service *s = a.services;

    (void)state;
    assert_true(mdns_answer_parse(answer, sizeof(answer), &a));
    assert_int_equal(a.n_services, 1);
    assert_string_equal(s[0].instance, "dcop-x");
    assert_true(s[0].located);
    assert_int_equal(s[0].port, 2222);
    assert_string_equal(s[0].host, "host.local");
    assert_int_equal(s[0].txt_size, 4);
    assert_memory_equal(s[0].txt, "\003a=b", 4);
}

/* The same with host.local A 10.0.0.1 behind it. */
static void test_addresses(void **state)
{
    static const uint8_t record[] = {4, 'h', 'o', 's', 't', 0xc0, 29, 0, 1, 0x80, 1,
                                     0, 0,   0,   120, 0,   4,    10, 0, 0, 1};
    static struct mdns_answer a;
    uint8_t bytes[sizeof(answer) + sizeof(record)];
    const struct mdns_host *h;

    (void)state;
    memcpy(bytes, answer, sizeof(answer));
    memcpy(bytes + sizeof(answer), record, sizeof(record));
    bytes[11] = 1; /* additional records */
    assert_true(mdns_answer_parse(bytes, sizeof(bytes), &a));
    h = mdns_answer_host(&a, "HOST.local");
    assert_non_null(h);
    assert_int_equal(h->n_addresses, 1);
    assert_int_equal(h->addresses[0].family, AF_INET);
    assert_memory_equal(h->addresses[0].bytes, "\012\0\0\001", 4);
    assert_null(mdns_answer_host(&a, "other.local"));
    /* Goodbye: the PTR record's TTL is 0. */
    memset(bytes + 40, 0, 4);
    assert_true(mdns_answer_parse(bytes, sizeof(bytes), &a));
    assert_true(a.services[0].goodbye);
}

static void test_cut_and_changed(void **state)
{
    static struct mdns_answer a;

    (void)state;
    for (size_t size = 0; size < sizeof(answer); size++) {
        (void)mdns_answer_parse(answer, size, &a);
        assert_true(a.n_services <= 1 && a.n_hosts == 0);
    }
    for (size_t i = 0; i < sizeof(answer); i++)
        for (unsigned v = 0; v < 256; v++) {
            uint8_t bytes[sizeof(answer)];

            memcpy(bytes, answer, sizeof(bytes));
            bytes[i] = (uint8_t)v;
            (void)mdns_answer_parse(bytes, sizeof(bytes), &a);
            assert_true(a.n_services <= 2);
        }
}

static void test_not_taken(void **state)
{
    static struct mdns_answer a;
    const struct mdns_service *s = a.services;
    uint8_t bytes[sizeof(answer)];

    (void)state;
    memcpy(bytes, answer, sizeof(bytes));
    bytes[2] = 0; /* a question */
    assert_false(mdns_answer_parse(bytes, sizeof(bytes), &a));
    assert_int_equal(a.n_services, 0);
    memcpy(bytes, answer, sizeof(bytes));
    bytes[13] = 'x'; /* another type */
    assert_true(mdns_answer_parse(bytes, sizeof(bytes), &a));
    assert_int_equal(a.n_services, 0);
    memcpy(bytes, answer, sizeof(bytes));
    memset(bytes + sizeof(bytes) - 10, 0, 4); /* the TXT record says goodbye */
    assert_true(mdns_answer_parse(bytes, sizeof(bytes), &a));
    assert_int_equal(a.n_services, 1);
    assert_null(s[0].txt);
}

/* Pointers that lead to themselves, to each other, or round with a label each time. */
static void test_pointers(void **state)
{
    static const char *const names[] = {"\xc0\x0c", "\xc0\x0e\xc0\x0c", "\001a\xc0\x0c"};
    static const uint8_t sizes[] = {2, 4, 4};
    static struct mdns_answer a;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        uint8_t bytes[12 + 4 + 10] = {0, 0, 0x84, 0, 0, 0, 0, 1};

        memcpy(bytes + 12, names[i], sizes[i]);
        bytes[12 + sizes[i] + 1] = 16; /* TXT */
        assert_true(mdns_answer_parse(bytes, 12U + sizes[i] + 10, &a));
        assert_int_equal(a.n_services, 0);
    }
}

/* Of one packet so many instances are taken, and no more records are read. */
static void test_bounds(void **state)
{
    static const char label[] = "\006dcop-?\xc0\x0c"; /* the type's name, below */
    static struct mdns_answer a;
    static uint8_t bytes[MDNS_PACKET_MAX];
    const size_t first = 34; /* with the first record's name */
    size_t size = 46;        /* after its data, which names no instance */

    (void)state;
    memcpy(bytes, answer, size);
    memset(bytes + 6, 0xff, 2); /* it claims to have many */
    bytes[first + 9] = (uint8_t)(size - first - 10);
    for (unsigned k = 0; k < 2 * MDNS_SERVICES_MAX; k++) {
        uint8_t *record = bytes + size;

        memcpy(record, label, sizeof(label) - 1);
        record[6] = (uint8_t)(k + 1);
        record[sizeof(label)] = 16; /* TXT, without data */
        size += sizeof(label) - 1 + 10;
    }
    assert_true(mdns_answer_parse(bytes, size, &a));
    assert_int_equal(a.n_services, MDNS_SERVICES_MAX);
    for (size_t at = 46; at < sizeof(bytes); at++)
        bytes[at] = 0; /* records of the root: as many as fit */
    assert_true(mdns_answer_parse(bytes, sizeof(bytes), &a));
    assert_int_equal(a.n_services, 0);
}

/* Port 0 is one that the record says, not a record that has not come. */
static void test_port_0(void **state)
{
    static struct mdns_answer a;
    uint8_t bytes[sizeof(answer)];

    (void)state;
    memcpy(bytes, answer, sizeof(bytes));
    for (size_t i = 0; i + 1 < sizeof(bytes); i++)
        if (bytes[i] == 0x08 && bytes[i + 1] == 0xae)
            bytes[i] = bytes[i + 1] = 0;
    assert_true(mdns_answer_parse(bytes, sizeof(bytes), &a));
    assert_true(a.services[0].located);
    assert_int_equal(a.services[0].port, 0);
    assert_string_equal(a.services[0].host, "host.local");
    bytes[11] = 0;
    bytes[7] = 1; /* the PTR record alone */
    assert_true(mdns_answer_parse(bytes, sizeof(bytes), &a));
    assert_int_equal(a.n_services, 1);
    assert_false(a.services[0].located);
}

static void test_questions(void **state)
{
    static const char known[] = "\xc0\x0c\0\x0c\0\1\0\0\0\x78\0\x09\x06nobody\xc0\x0c";
    uint8_t bytes[MDNS_QUESTION_MAX];
    char longest[100];
    size_t size;

    (void)state;
    size = mdns_question_write(NULL, 0x1234, false, bytes);
    assert_int_equal(size, 12 + 24 + 4);
    assert_int_equal(bytes[7], 0);
    size = mdns_question_write(NULL, 0x1234, true, bytes);
    assert_int_equal(size, 12 + 24 + 4 + sizeof(known) - 1);
    assert_int_equal(bytes[5], 1);
    assert_memory_equal(bytes + 12, answer + 12, 24);
    assert_int_equal(bytes[7], 1); /* without a known answer Avahi asks no question of its own */
    assert_memory_equal(bytes + 12 + 24 + 4, known, sizeof(known) - 1);
    memset(longest, 'a', sizeof(longest));
    longest[99] = '\0';
    size = mdns_question_write(longest, 0, true, bytes);
    assert_true(size <= sizeof(bytes));
    assert_int_equal(bytes[12], MDNS_LABEL_MAX);
}

/* Another type is neither read as an advert, nor an advert as one of its services. */
static void test_types(void **state)
{
    static struct mdns_answer a;
    static const char *const types[] = {"_a._tcp", "_b._udp"};
    static const char two[] =
        "\x02_a\x04_tcp\x05local\0\0\x0c\0\1\x02_b\x04_udp\x05local\0\0\x0c\0\1";
    const char *many[64];
    uint8_t bytes[sizeof(answer)], question[MDNS_QUESTION_MAX];

    (void)state;
    assert_true(mdns_answer_parse_type(answer, sizeof(answer), "_ssh._tcp", &a));
    assert_int_equal(a.n_services, 0);
    memcpy(bytes, answer, sizeof(bytes));
    memcpy(bytes + 13, "_WORKPLACE", 10);
    assert_true(mdns_answer_parse_type(bytes, sizeof(bytes), "_workplacet._tcp", &a));
    assert_int_equal(a.n_services, 1);
    assert_string_equal(a.services[0].host, "host.local");
    assert_true(mdns_answer_parse(bytes, sizeof(bytes), &a));
    assert_int_equal(a.n_services, 0);
    assert_int_equal(mdns_types_question_write(types, 2, 0x1234, question), 12 + sizeof(two) - 1);
    assert_int_equal(question[5], 2);
    assert_memory_equal(question + 12, two, sizeof(two) - 1);
    for (size_t i = 0; i < ARRAY_SIZE(many); i++)
        many[i] = "_workstation._tcp";
    assert_true(mdns_types_question_write(many, ARRAY_SIZE(many), 0, question) <= sizeof(question));
    assert_true(question[5] > 4 && question[5] < ARRAY_SIZE(many));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer),          cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_cut_and_changed), cmocka_unit_test(test_not_taken),
        cmocka_unit_test(test_pointers),        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_questions),       cmocka_unit_test(test_port_0),
        cmocka_unit_test(test_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
