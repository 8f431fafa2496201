/* What is taken of answers about services to log in to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/base/text.h"
#include "discovery/network/candidate-answer.h"

/* A packet, written with uncompressed names. */
struct packet {
    uint8_t bytes[2000];
    size_t size;
};

static void put(struct packet *p, const void *bytes, size_t size)
{
    assert_true(p->size + size <= sizeof(p->bytes));
    memcpy(p->bytes + p->size, bytes, size);
    p->size += size;
}

static void put_number(struct packet *p, unsigned value)
{
    put(p, (const uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

static void put_name(struct packet *p, const char *first, const char *rest)
{
    for (const char *label = first; label;) {
        size_t n = label == first && rest ? strlen(label) : strcspn(label, ".");

        put(p, (const uint8_t[]){(uint8_t)n}, 1);
        put(p, label, n);
        label = label == first && rest ? rest : label[n] ? label + n + 1 : NULL;
    }
    put(p, "", 1);
}

static void begin(struct packet *p)
{
    *p = (struct packet){.size = 12, .bytes = {0, 0, 0x84}};
}

static void put_record(struct packet *p, unsigned type, unsigned ttl, const struct packet *data)
{
    p->bytes[7]++;
    put_number(p, type);
    put_number(p, 1);
    put_number(p, 0);
    put_number(p, ttl);
    put_number(p, (unsigned)data->size);
    put(p, data->bytes, data->size);
}

static void put_srv(struct packet *p, const char *instance, const char *type, const char *host,
                    unsigned port, unsigned ttl)
{
    struct packet data = {.size = 0};

    put_name(p, instance, type);
    put_number(&data, 0);
    put_number(&data, 0);
    put_number(&data, port);
    put_name(&data, host, NULL);
    put_record(p, 33, ttl, &data);
}

static void put_address(struct packet *p, const char *host, const char *text)
{
    struct packet data = {.size = 0};
    struct address a;

    assert_int_equal(address_parse(text, &a), 0);
    put(&data, a.bytes, a.family == AF_INET ? 4 : 16);
    put_name(p, host, NULL);
    put_record(p, a.family == AF_INET ? 1 : 28, 120, &data);
}

static bool take(struct candidates *c, const struct packet *p, const char *from)
{
    struct links links = {.n_networks = 1, .networks[0].prefix = 16};
    struct address a;

    assert_int_equal(address_parse("10.0.0.1", &links.networks[0].address), 0);
    assert_int_equal(address_parse(from, &a), 0);
    return candidate_answer_take(c, p->bytes, p->size, &a, 1, &links);
}

static void check_only(const struct candidates *c, const char *host, const char *first,
                       size_t n_addresses)
{
    CLEANUP(candidate_list_clear) struct candidate_list l = CANDIDATE_LIST_INIT;
    char text[ADDRESS_TEXT_MAX];

    assert_int_equal(candidates_list(c, NULL, 0, &l), 0);
    assert_int_equal(l.count, 1);
    assert_string_equal(l.pointers[0]->host, host);
    assert_int_equal(l.pointers[0]->n_addresses, n_addresses);
    address_format(&l.pointers[0]->addresses[0], text);
    assert_string_equal(text, first);
}

static size_t count(const struct candidates *c)
{
    CLEANUP(candidate_list_clear) struct candidate_list l = CANDIDATE_LIST_INIT;

    assert_int_equal(candidates_list(c, NULL, 0, &l), 0);
    return l.count;
}

static void test_services(void **state)
{
    CLEANUP(candidates_free_p) struct candidates *c = candidates_new();
    CLEANUP(candidate_list_clear) struct candidate_list l = CANDIDATE_LIST_INIT;
    struct packet p;

    (void)state;
    begin(&p);
    put_srv(&p, "raspberrypi", "_ssh._tcp.local", "raspberrypi.local", 2222, 120);
    put_srv(&p, "raspberrypi [b8:27:eb:00:00:0a]", "_WorkStation._tcp.local", "raspberrypi.local",
            9, 120);
    put_srv(&p, "raspberrypi", "_http._tcp.local", "raspberrypi.local", 80, 120);
    put_srv(&p, "tv", "_http._tcp.local", "tv.local", 80, 120);
    put_address(&p, "raspberrypi.local", "10.0.0.7");
    put_address(&p, "raspberrypi.local", "127.0.0.1"); /* not its own */
    put_address(&p, "raspberrypi.local", "10.0.0.1");  /* this host's */
    put_address(&p, "raspberrypi.local", "2001:db8::7");
    assert_true(take(c, &p, "10.0.0.7"));
    assert_false(take(c, &p, "10.0.0.7"));
    check_only(c, "raspberrypi.local", "10.0.0.7", 2);
    assert_int_equal(candidates_list(c, NULL, 0, &l), 0);
    assert_int_equal(l.items[0].services, 1U << CANDIDATE_SSH | 1U << CANDIDATE_WORKSTATION);
    assert_int_equal(l.items[0].machine.port, 2222); /* not the workstation's */
    assert_string_equal(l.items[0].mac, "b8:27:eb:00:00:0a");
}

static void test_addresses(void **state)
{
    CLEANUP(candidates_free_p) struct candidates *c = candidates_new();
    struct packet p;

    (void)state;
    /* All that it tells are impossible: it is nowhere. */
    begin(&p);
    put_srv(&p, "a", "_ssh._tcp.local", "a.local", 22, 120);
    put_address(&p, "a.local", "255.255.255.255");
    assert_false(take(c, &p, "10.0.0.7"));
    assert_int_equal(count(c), 0);
    /* It tells none: it is where the packet came from. */
    begin(&p);
    put_srv(&p, "b", "_ssh._tcp.local", "b.local", 22, 120);
    assert_true(take(c, &p, "10.0.0.8"));
    check_only(c, "b.local", "10.0.0.8", 1);
}

static void test_not_taken(void **state)
{
    CLEANUP(candidates_free_p) struct candidates *c = candidates_new();
    struct packet p;

    (void)state;
    begin(&p);
    put_srv(&p, "a", "_ssh._tcp.local", "a.local", 22, 0); /* a goodbye */
    assert_false(take(c, &p, "10.0.0.7"));
    begin(&p);
    put_srv(&p, "a", "_ssh._udp.local", "a.local", 22, 120);
    put_srv(&p, "a", "_ssh._tcp.lab", "a.local", 22, 120);
    put_srv(&p, "a", "x_ssh._tcp.local", "a.local", 22, 120);
    assert_false(take(c, &p, "10.0.0.7"));
    assert_int_equal(count(c), 0);
    begin(&p);
    put_srv(&p, "a", "_ssh._tcp.local", "a.local", 22, 120);
    p.bytes[2] = 0; /* a question */
    assert_false(take(c, &p, "10.0.0.7"));
    /* It has a beacon. */
    p.bytes[2] = 0x84;
    put_srv(&p, "dcop-1", "_dcop-agent._tcp.local", "a.local", 22, 120);
    assert_true(take(c, &p, "10.0.0.7"));
    assert_int_equal(count(c), 0);
}

static void test_cut_and_changed(void **state)
{
    CLEANUP(candidates_free_p) struct candidates *c = candidates_new();
    struct packet p, changed;

    (void)state;
    begin(&p);
    put_srv(&p, "a", "_ssh._tcp.local", "a.local", 22, 120);
    put_address(&p, "a.local", "10.0.0.7");
    for (size_t i = 0; i < p.size; i++) {
        changed = p;
        changed.size = i;
        (void)take(c, &changed, "10.0.0.7");
        changed = p;
        for (unsigned v = 0; v < 256; v++) {
            changed.bytes[i] = (uint8_t)v;
            (void)take(c, &changed, "10.0.0.7");
        }
    }
    assert_true(count(c) <= CANDIDATES_PER_SOURCE_MAX);
}

static void test_mac(void **state)
{
    char mac[CANDIDATE_MAC_MAX];

    (void)state;
    assert_true(candidate_mac_read("a [00:11:22:33:44:ff]", mac));
    assert_string_equal(mac, "00:11:22:33:44:ff");
    assert_false(candidate_mac_read("a [00:11:22:33:44:fg]", mac));
    assert_false(candidate_mac_read("a [00-11-22-33-44-ff]", mac));
    assert_false(candidate_mac_read("00:11:22:33:44:ff]", mac));
    assert_false(candidate_mac_read("", mac));
}

static void test_question(void **state)
{
    uint8_t bytes[MDNS_QUESTION_MAX];
    size_t size = candidate_question_write(0x1234, bytes);
    static const char end[] = "\x0c_workstation\x04_tcp\x05local\0\0\x0c\0\1";

    (void)state;
    assert_int_equal(bytes[0], 0x12);
    assert_int_equal(bytes[5], CANDIDATE_BEACON); /* questions */
    assert_true(size > sizeof(end));
    assert_memory_equal(bytes + size - (sizeof(end) - 1), end, sizeof(end) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_services),  cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_not_taken), cmocka_unit_test(test_cut_and_changed),
        cmocka_unit_test(test_mac),       cmocka_unit_test(test_question),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
