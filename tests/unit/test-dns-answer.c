/* What answers of unicast DNS say.  tests/net/domain has a DNS server send them. */
#include <arpa/nameser.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/network/dns-answer.h"

#define TYPE "_dcop-agent._tcp.lab.test"

/* An answer while it is written; names are not compressed. */
struct packet {
    uint8_t bytes[65535];
    size_t size;
};

static struct packet packet;

static void put(const void *bytes, size_t size)
{
    assert_true(packet.size + size <= sizeof(packet.bytes));
    memcpy(packet.bytes + packet.size, bytes, size);
    packet.size += size;
}

static void put16(unsigned number)
{
    put((uint8_t[]){(uint8_t)(number >> 8), (uint8_t)number}, 2);
}

/* Escapes as dn_expand writes them are not known here: labels are plain, but for the first,
 * which may have any bytes. */
static void put_name(const char *first, const char *rest)
{
    if (first) {
        put((uint8_t[]){(uint8_t)strlen(first)}, 1);
        put(first, strlen(first));
    }
    while (*rest) {
        size_t n = strcspn(rest, ".");

        put((uint8_t[]){(uint8_t)n}, 1);
        put(rest, n);
        rest += n + (rest[n] == '.');
    }
    put("", 1);
}

/* The head, without a question. */
static void begin(void)
{
    packet.size = 0;
    put((uint8_t[]){0, 1, 0x84, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 12);
}

/* Begins a record; ends it with `end_record` of what it returned. */
static size_t begin_record(const char *first, const char *rest, ns_type type)
{
    unsigned n = (unsigned)packet.bytes[6] << 8 | packet.bytes[7];

    n++;
    packet.bytes[6] = (uint8_t)(n >> 8);
    packet.bytes[7] = (uint8_t)n;
    put_name(first, rest);
    put16(type);
    put16(ns_c_in);
    put16(0);
    put16(120);
    put16(0);
    return packet.size;
}

static void end_record(size_t data)
{
    size_t n = packet.size - data;

    packet.bytes[data - 2] = (uint8_t)(n >> 8);
    packet.bytes[data - 1] = (uint8_t)n;
}

static void add_name(const char *first, const char *rest, ns_type type, const char *to_first,
                     const char *to)
{
    size_t data = begin_record(first, rest, type);

    if (type == ns_t_srv) {
        put16(0);
        put16(0);
        put16(2222);
    }
    put_name(to_first, to);
    end_record(data);
}

static void add_bytes(const char *name, ns_type type, const void *bytes, size_t size)
{
    size_t data = begin_record(NULL, name, type);

    put(bytes, size);
    end_record(data);
}

static void test_instances(void **state)
{
    CLEANUP_STRINGS struct strings s = {0};

    (void)state;
    begin();
    add_name(NULL, TYPE, ns_t_ptr, "dcop-2 #2", TYPE);
    add_name(NULL, "_DCOP-agent._tcp.LAB.test", ns_t_ptr, "a.b\\c", TYPE);
    add_name(NULL, TYPE, ns_t_ptr, "dcop-2 #2", TYPE); /* again */
    add_name(NULL, TYPE, ns_t_ptr, "dcop-3", "_dcop-agent._tcp.bank.example");
    add_name(NULL, "_ssh._tcp.lab.test", ns_t_ptr, "dcop-4", TYPE);
    add_name(NULL, TYPE, ns_t_ptr, NULL, TYPE); /* the type itself */
    assert_int_equal(dns_answer_instances(packet.bytes, packet.size, TYPE, &s, NULL), 0);
    assert_int_equal(s.count, 2);
    assert_string_equal(s.items[0], "a\\.b\\\\c." TYPE);
    assert_string_equal(s.items[1], "dcop-2\\032#2." TYPE);
}

static void test_too_many(void **state)
{
    CLEANUP_STRINGS struct strings s = {0};
    struct error err = {0};

    (void)state;
    begin();
    for (int i = 0; i <= DNS_INSTANCES_MAX; i++) {
        size_t data = begin_record(NULL, "t", ns_t_ptr);
        char name[8];

        (void)snprintf(name, sizeof(name), "%d", i);
        put_name(name, "t");
        end_record(data);
    }
    assert_int_equal(dns_answer_instances(packet.bytes, packet.size, "t", &s, &err), -ENOSPC);
    assert_int_equal(s.count, DNS_INSTANCES_MAX);
    assert_string_equal(err.text, "t has more than 2000 machines");
}

static void test_label(void **state)
{
    char label[DNS_LABEL_MAX + 1];

    (void)state;
    assert_true(dns_instance_label("dcop-2\\032#2." TYPE, label));
    assert_string_equal(label, "dcop-2 #2");
    assert_true(dns_instance_label("a\\.b\\\\c\\195\\169." TYPE, label));
    assert_string_equal(label, "a.b\\c\xc3\xa9");
    assert_false(dns_instance_label("a\\000b." TYPE, label));
    assert_false(dns_instance_label("." TYPE, label));
}

static void test_service(void **state)
{
    char host[NS_MAXDNAME];
    struct error err = {0};
    uint16_t port;

    (void)state;
    begin();
    add_name("x", TYPE, ns_t_srv, "rpi-1", "lab.test");
    assert_int_equal(dns_answer_service(packet.bytes, packet.size, "X." TYPE, host, &port, NULL),
                     0);
    assert_string_equal(host, "rpi-1.lab.test");
    assert_int_equal(port, 2222);
    assert_int_equal(dns_answer_service(packet.bytes, packet.size, "y." TYPE, host, &port, &err),
                     -ENODATA);
    assert_string_equal(err.text, "y." TYPE " has no SRV record");

    begin();
    add_name("x", TYPE, ns_t_srv, NULL, ""); /* RFC 2782: decidedly not available */
    assert_int_equal(dns_answer_service(packet.bytes, packet.size, "x." TYPE, host, &port, &err),
                     -EBADMSG);
    assert_string_equal(err.text, "the SRV record of x." TYPE " names no host");
}

static void test_txt(void **state)
{
    static const uint8_t strings[] = "\x03"
                                     "a=b\x00\x02xy";
    uint8_t txt[DNS_TXT_MAX], many[256 * 12];
    size_t size;

    (void)state;
    begin();
    add_bytes("x." TYPE, ns_t_txt, strings, sizeof(strings) - 1);
    add_bytes("x." TYPE, ns_t_txt, "\x01z", 2);
    assert_int_equal(dns_answer_txt(packet.bytes, packet.size, "x." TYPE, txt, &size, NULL), 0);
    assert_int_equal(size, sizeof(strings) - 1);
    assert_memory_equal(txt, strings, size);

    /* Strings of 255 bytes, and more of them than an advert may have. */
    memset(many, 255, sizeof(many));
    begin();
    add_bytes("x." TYPE, ns_t_txt, many, sizeof(many));
    assert_int_equal(dns_answer_txt(packet.bytes, packet.size, "x." TYPE, txt, &size, NULL), 0);
    assert_int_equal(size, DNS_TXT_MAX);
}

static void test_addresses(void **state)
{
    struct address list[3];
    struct error err = {0};
    size_t n = 0;

    (void)state;
    begin();
    add_bytes("h.lab.test", ns_t_a, "\xc0\x00\x02\x01", 4);
    add_bytes("h.lab.test", ns_t_a, "\xa9\xfe\x01\x01", 4); /* link-local */
    add_bytes("other.test", ns_t_a, "\xc0\x00\x02\x09", 4);
    for (int i = 2; i < 6; i++)
        add_bytes("h.lab.test", ns_t_a, ((uint8_t[]){192, 0, 2, (uint8_t)i}), 4);
    assert_int_equal(dns_answer_addresses(packet.bytes, packet.size, "h.lab.test", AF_INET, list,
                                          ARRAY_SIZE(list), &n, NULL),
                     0);
    assert_int_equal(n, 3);
    assert_memory_equal(list[1].bytes, "\xc0\x00\x02\x02", 4);
    n = 0;
    assert_int_equal(dns_answer_addresses(packet.bytes, packet.size, "h.lab.test", AF_INET6, list,
                                          ARRAY_SIZE(list), &n, NULL),
                     0);
    assert_int_equal(n, 0);

    begin();
    add_bytes("h.lab.test", ns_t_a, "\xc0\x00\x02", 3);
    assert_int_equal(dns_answer_addresses(packet.bytes, packet.size, "h.lab.test", AF_INET, list,
                                          ARRAY_SIZE(list), &n, &err),
                     -EBADMSG);
    assert_string_equal(err.text, "the DNS server's answer for h.lab.test is broken");
}

static void test_aliases(void **state)
{
    struct address list[1];
    struct error err = {0};
    char name[16], to[16];
    size_t n = 0;

    (void)state;
    begin(); /* in any order */
    add_name(NULL, "b.test", ns_t_cname, NULL, "c.test");
    add_name(NULL, "a.test", ns_t_cname, NULL, "b.test");
    add_bytes("c.test", ns_t_a, "\xc0\x00\x02\x01", 4);
    assert_int_equal(
        dns_answer_addresses(packet.bytes, packet.size, "a.test", AF_INET, list, 1, &n, NULL), 0);
    assert_int_equal(n, 1);

    begin();
    add_name(NULL, "a.test", ns_t_cname, NULL, "b.test");
    add_name(NULL, "b.test", ns_t_cname, NULL, "a.test");
    assert_int_equal(
        dns_answer_addresses(packet.bytes, packet.size, "a.test", AF_INET, list, 1, &n, &err),
        -ELOOP);
    assert_string_equal(err.text, "a.test is an alias (CNAME) of itself, or of too many others");

    begin();
    for (int i = 0; i <= DNS_ALIASES_MAX; i++) {
        (void)snprintf(name, sizeof(name), "%d.test", i);
        (void)snprintf(to, sizeof(to), "%d.test", i + 1);
        add_name(NULL, name, ns_t_cname, NULL, to);
    }
    assert_int_equal(
        dns_answer_addresses(packet.bytes, packet.size, "0.test", AF_INET, list, 1, &n, NULL),
        -ELOOP);
    assert_int_equal(
        dns_answer_addresses(packet.bytes, packet.size, "1.test", AF_INET, list, 1, &n, NULL), 0);
}

/* Whatever is cut off, changed, or points to itself, it is an answer or an error. */
static void test_hostile(void **state)
{
    static const uint8_t loop[] = {0, 1, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0xc0, 12, 0, 12, 0, 1};
    CLEANUP_STRINGS struct strings s = {0};
    struct packet whole;

    (void)state;
    assert_int_equal(dns_answer_instances(loop, sizeof(loop), TYPE, &s, NULL), -EBADMSG);
    begin();
    add_name(NULL, TYPE, ns_t_ptr, "x", TYPE);
    add_name("x", TYPE, ns_t_srv, "h", "lab.test");
    whole = packet;
    for (size_t i = 0; i < whole.size; i++) {
        char host[NS_MAXDNAME];
        uint16_t port;

        packet = whole;
        assert_true(dns_answer_service(packet.bytes, i, "x." TYPE, host, &port, NULL) < 0);
        for (unsigned value = 1; value < 256; value += value) {
            packet.bytes[i] = (uint8_t)(whole.bytes[i] ^ value);
            (void)dns_answer_service(packet.bytes, packet.size, "x." TYPE, host, &port, NULL);
            (void)dns_answer_instances(packet.bytes, packet.size, TYPE, &s, NULL);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_instances), cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_label),     cmocka_unit_test(test_service),
        cmocka_unit_test(test_txt),       cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_aliases),   cmocka_unit_test(test_hostile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
