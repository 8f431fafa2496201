/* Who answers ARP, on a network of this test's own (tap): it needs root, or is skipped. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/if_ether.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "discovery/base/clock.h"
#include "discovery/doctor/arp.h"
#include "discovery/doctor/twins.h"

/* What is on the far end.  10.77.0.9 and above never answer. */
static struct {
    int tap;     /* -1: not allowed */
    int another; /* a second network, where nobody is */
    pthread_t thread;
    atomic_bool over;
    atomic_uint copies; /* each question is answered so often */
    atomic_bool others; /* replies to another computer are seen, too */
    atomic_uint questions;
} far_end = {.tap = -1};

static const uint8_t machine_mac[6] = {2, 0, 0, 0, 0, 0xaa}, other_mac[6] = {2, 0, 0, 0, 0, 0xcc};

struct frame {
    struct ether_header ether;
    struct ether_arp arp;
} __attribute__((packed));

static void reply(const struct frame *to, const uint8_t mac[static 6])
{
    struct frame f = *to;

    memcpy(f.ether.ether_dhost, mac, 6);
    memcpy(f.ether.ether_shost, machine_mac, 6);
    f.arp.ea_hdr.ar_op = htons(ARPOP_REPLY);
    memcpy(f.arp.arp_sha, machine_mac, 6);
    memcpy(f.arp.arp_spa, to->arp.arp_tpa, 4);
    memcpy(f.arp.arp_tha, mac, 6);
    memcpy(f.arp.arp_tpa, to->arp.arp_spa, 4);
    (void)!write(far_end.tap, &f, sizeof(f));
}

static void *answer(void *unused)
{
    struct frame f;

    (void)unused;
    while (!far_end.over) {
        struct pollfd p = {far_end.tap, POLLIN, 0};

        if (poll(&p, 1, 20) <= 0 || read(far_end.tap, &f, sizeof(f)) < (ssize_t)sizeof(f) ||
            f.ether.ether_type != htons(ETHERTYPE_ARP) ||
            f.arp.ea_hdr.ar_op != htons(ARPOP_REQUEST))
            continue;
        far_end.questions++;
        if (f.arp.arp_tpa[3] >= 9)
            continue;
        for (unsigned i = 0; i < far_end.copies; i++)
            reply(&f, f.arp.arp_sha);
        if (far_end.others)
            reply(&f, other_mac);
    }
    return NULL;
}

static int set_address(int fd, struct ifreq *i, unsigned long what, const char *text)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(text)};

    memcpy(&i->ifr_addr, &a, sizeof(a));
    return ioctl(fd, what, i);
}

/* An interface with an address; -1: it is not allowed. */
static int open_tap(const char *name, const char *address)
{
    struct ifreq i = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    (void)snprintf(i.ifr_name, sizeof(i.ifr_name), "%s", name);
    if (tap >= 0 && ioctl(tap, TUNSETIFF, &i) < 0) {
        close(tap);
        tap = -1;
    }
    if (tap >= 0) {
        assert_int_equal(set_address(fd, &i, SIOCSIFADDR, address), 0);
        assert_int_equal(set_address(fd, &i, SIOCSIFNETMASK, "255.255.255.0"), 0);
        i.ifr_flags = IFF_UP | IFF_RUNNING;
        assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &i), 0);
    }
    close(fd);
    return tap;
}

static int open_far_end(void **state)
{
    (void)state;
    if (unshare(CLONE_NEWNET) < 0)
        return 0;
    far_end.tap = open_tap("tap0", "10.77.0.1");
    if (far_end.tap < 0)
        return 0;
    far_end.another = open_tap("tap1", "10.78.0.1");
    assert_int_equal(pthread_create(&far_end.thread, NULL, answer, NULL), 0);
    return 0;
}

static int close_far_end(void **state)
{
    (void)state;
    if (far_end.tap < 0)
        return 0;
    far_end.over = true;
    pthread_join(far_end.thread, NULL);
    close(far_end.another);
    return close(far_end.tap);
}

static struct view_machine machine_at(const char *address)
{
    struct view_machine m = {.near = true};

    assert_int_equal(address_parse(address, &m.address), 0);
    return m;
}

static void begin(unsigned copies, bool others)
{
    if (far_end.tap < 0)
        skip();
    far_end.copies = copies;
    far_end.others = others;
    far_end.questions = 0;
}

static void expect(const struct view_machine *m, unsigned asked, unsigned doubled)
{
    assert_int_equal(m->probe.n_macs, 1);
    assert_memory_equal(m->probe.macs[0], machine_mac, 6);
    assert_int_equal(m->probe.arp_asked, asked);
    assert_int_equal(m->probe.arp_doubled, doubled);
}

static void several_records_with_one_address_are_one_machine(void **state)
{
    struct view_machine m[] = {machine_at("10.77.0.2"), machine_at("10.77.0.3"),
                               machine_at("10.77.0.2"), machine_at("10.77.0.2")};

    (void)state;
    begin(1, false);
    assert_true(arp_ask(m, 4));
    for (size_t i = 0; i < 4; i++)
        expect(&m[i], 1, 0);
}

static void two_machines_answer_each_question_twice(void **state)
{
    struct view_machine m[] = {machine_at("10.77.0.2"), machine_at("10.77.0.2")};

    (void)state;
    begin(2, false);
    assert_true(arp_ask(m, 2));
    for (size_t i = 0; i < 2; i++)
        expect(&m[i], ARP_DOUBLED, ARP_DOUBLED);
}

static void replies_to_others_do_not_count(void **state)
{
    struct view_machine m = machine_at("10.77.0.2");

    (void)state;
    begin(1, true);
    assert_true(arp_ask(&m, 1));
    expect(&m, 1, 0);
}

static void *ask_elsewhere(void *machine)
{
    (void)arp_ask(machine, 1);
    return NULL;
}

static void two_that_ask_at_once_are_told_apart(void **state)
{
    struct view_machine one = machine_at("10.77.0.2"), two = one;
    pthread_t thread;

    (void)state;
    begin(1, false);
    assert_int_equal(pthread_create(&thread, NULL, ask_elsewhere, &two), 0);
    assert_true(arp_ask(&one, 1));
    pthread_join(thread, NULL);
    assert_true(one.probe.arp_doubled < ARP_DOUBLED);
    assert_true(two.probe.arp_doubled < ARP_DOUBLED);
}

/* As where ARP could not be asked, and the kernel knows them. */
static struct view_machine known_at(const char *address)
{
    struct view_machine m = machine_at(address);

    memcpy(m.probe.macs[0], machine_mac, 6);
    m.probe.n_macs = 1;
    return m;
}

static struct view_machine seen_at(const struct machine *record, const char *address)
{
    struct view_machine m = known_at(address);

    m.record = record;
    return m;
}

static void one_machine_answers_for_both_addresses(void **state)
{
    const struct machine record = {0};
    struct view_machine m[] = {seen_at(&record, "10.77.0.2"), known_at("10.77.0.3")};

    (void)state;
    begin(1, false);
    twins_find(m, 2);
    assert_int_equal(m[1].twin, 1);
    assert_true(m[1].cross_asked > 0);
    assert_true(2 * m[1].cross_got >= m[1].cross_asked); /* a busy computer may answer late */
}

/* A virtual network's card may have the address of one that is elsewhere. */
static void machines_in_two_networks_are_no_twins(void **state)
{
    const struct machine record = {0};
    struct view_machine m[] = {seen_at(&record, "10.77.0.2"), known_at("10.78.0.3"),
                               known_at("10.79.0.3")};

    (void)state;
    begin(1, false);
    twins_find(m, 3);
    assert_int_equal(m[1].twin, 0);
    assert_int_equal(m[2].twin, 0);
    assert_int_equal(far_end.questions, 0);
}

static void who_is_silent_is_not_asked_again(void **state)
{
    const struct machine record = {0};
    struct view_machine m[] = {seen_at(&record, "10.77.0.2"), known_at("10.77.0.9")};

    (void)state;
    begin(1, false);
    twins_find(m, 2);
    assert_int_equal(m[1].twin, 1);
    assert_int_equal(m[1].cross_asked, 0);
    assert_true(far_end.questions <= 4);
}

static void many_that_are_silent_take_some_seconds(void **state)
{
    const struct machine record = {0};
    struct view_machine m[TWINS_MAX + 1] = {seen_at(&record, "10.77.0.2")};
    int64_t begun = clock_ms(CLOCK_MONOTONIC);

    (void)state;
    begin(1, false);
    for (unsigned i = 1; i <= TWINS_MAX; i++) {
        char address[ADDRESS_TEXT_MAX];

        (void)snprintf(address, sizeof(address), "10.77.0.%u", 8 + i);
        m[i] = known_at(address);
    }
    twins_find(m, TWINS_MAX + 1);
    assert_true(clock_ms(CLOCK_MONOTONIC) - begun < 2 * TWINS_MS);
}

/* The kernel remembers addresses that a machine had once. */
static void what_did_not_answer_has_no_mac_address(void **state)
{
    const struct machine record = {0};
    struct view_machine m[] = {seen_at(&record, "10.77.0.2"), machine_at("10.77.0.10")};
    struct arpreq entry = {.arp_flags = ATF_COM | ATF_PERM, .arp_dev = "tap0"};
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr("10.77.0.10")};
    int fd;

    (void)state;
    begin(1, false);
    memcpy(&entry.arp_pa, &a, sizeof(a));
    memcpy(entry.arp_ha.sa_data, machine_mac, 6);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(ioctl(fd, SIOCSARP, &entry), 0);
    close(fd);
    twins_find(m, 2);
    assert_int_equal(m[1].twin, 1); /* where nobody could ask it */
    m[1] = machine_at("10.77.0.10");
    m[1].probe.arp_asked = 1;
    twins_find(m, 2);
    assert_int_equal(m[1].probe.n_macs, 0);
    assert_int_equal(m[1].twin, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_records_with_one_address_are_one_machine),
        cmocka_unit_test(two_machines_answer_each_question_twice),
        cmocka_unit_test(replies_to_others_do_not_count),
        cmocka_unit_test(two_that_ask_at_once_are_told_apart),
        cmocka_unit_test(one_machine_answers_for_both_addresses),
        cmocka_unit_test(machines_in_two_networks_are_no_twins),
        cmocka_unit_test(who_is_silent_is_not_asked_again),
        cmocka_unit_test(many_that_are_silent_take_some_seconds),
        cmocka_unit_test(what_did_not_answer_has_no_mac_address),
    };

    return cmocka_run_group_tests(tests, open_far_end, close_far_end);
}
