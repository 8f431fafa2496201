#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "discovery/network/mdns-port.h"

enum { AVAHI = 1000001, ALICE = 1000002 }; /* users that no test machine has */

/* A line as the kernel writes it (net/ipv4/udp.c, udp4_format_sock). */
static void add(struct mdns_port *p, const char *address, unsigned port, unsigned uid)
{
    struct in_addr a;
    char line[256];

    assert_int_equal(inet_pton(AF_INET, address, &a), 1);
    (void)snprintf(line, sizeof(line),
                   "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   "
                   "uid  timeout inode ref pointer drops\n");
    mdns_port_parse(p, line, false);
    (void)snprintf(line, sizeof(line),
                   "%5d: %08X:%04X %08X:%04X %02X %08X:%08X %02X:%08lX %08X %5u %8d %lu %d %s %u\n",
                   123, a.s_addr, port, 0U, 0U, 7U, 0U, 0U, 0U, 0UL, 0U, uid, 0, 4711UL, 2,
                   "00000000deadbeef", 0U);
    mdns_port_parse(p, line, false);
}

static void assert_names(const struct mdns_port *p, const char *expected)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;

    mdns_port_names(p, &t);
    assert_string_equal(text_str(&t), expected);
}

static void test_only_avahi(void **state)
{
    struct mdns_port p = {0};

    (void)state;
    assert_true(mdns_port_remove_avahi(&p, AVAHI)); /* it may be IPv6 only */
    add(&p, "0.0.0.0", 5353, AVAHI);
    add(&p, "224.0.0.251", 5353, ALICE); /* hears the group only */
    add(&p, "0.0.0.0", 53, ALICE);
    assert_true(mdns_port_remove_avahi(&p, AVAHI));
    assert_names(&p, "");
}

static void test_others(void **state)
{
    struct mdns_port p = {0};

    (void)state;
    add(&p, "0.0.0.0", 5353, AVAHI);
    add(&p, "10.0.0.1", 5353, ALICE);
    add(&p, "0.0.0.0", 5353, AVAHI); /* another one of the same user is not Avahi's */
    assert_true(mdns_port_remove_avahi(&p, AVAHI));
    assert_names(&p, "user 1000001, user 1000002");
}

static void test_root_may_be_avahi(void **state)
{
    struct mdns_port p = {0};

    (void)state;
    add(&p, "0.0.0.0", 5353, 0);
    add(&p, "0.0.0.0", 5353, ALICE);
    assert_true(mdns_port_remove_avahi(&p, AVAHI));
    assert_names(&p, "user 1000002");
}

static void test_avahi_could_not_bind(void **state)
{
    struct mdns_port p = {0};

    (void)state;
    mdns_port_parse(&p,
                    "    7: 00000000000000000000000000000000:14E9 00000000000000000000000000000000:"
                    "0000 07 00000000:00000000 00:00000000 00000000 1000001        0 1 2 0 0\n",
                    true);
    assert_int_equal(p.count, 1);
    assert_int_equal(p.owners[0].v6, 1);
    add(&p, "0.0.0.0", 5353, ALICE);
    assert_false(mdns_port_remove_avahi(&p, AVAHI));
    assert_names(&p, "user 1000002");
}

static void test_bounds_and_rubbish(void **state)
{
    struct mdns_port p = {0};
    char long_line[1000];

    (void)state;
    memset(long_line, 'F', sizeof(long_line) - 1);
    long_line[sizeof(long_line) - 1] = '\0';
    mdns_port_parse(&p, long_line, false);
    mdns_port_parse(&p, "1: 0:14E9\n: \n\n1: XX:14E9 0:0 0 0:0 0:0 0 1", false);
    mdns_port_parse(&p, "1: 00000000:14E9 0:0 07 0:0 0:0 0 5\n", true); /* not of IPv6 */
    assert_int_equal(p.count, 0);
    for (unsigned i = 0; i < 2 * MDNS_PORT_OWNERS_MAX; i++)
        add(&p, "0.0.0.0", 5353, ALICE + i);
    assert_int_equal(p.count, MDNS_PORT_OWNERS_MAX);
    assert_names(&p, "user 1000002, user 1000003, user 1000004, user 1000005 and 12 more");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_avahi),         cmocka_unit_test(test_others),
        cmocka_unit_test(test_root_may_be_avahi),  cmocka_unit_test(test_avahi_could_not_bind),
        cmocka_unit_test(test_bounds_and_rubbish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
