/* What the doctor makes of what was observed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/doctor/observe.h"
#include "discovery/doctor/rules.h"
#include "discovery/network/daemon-view.h"

static struct view_host healthy_host(void)
{
    struct view_host h = {
        .name = "here",
        .avahi_name = "here",
        .config = "/etc/avahi/avahi-daemon.conf",
        .interfaces = {{.name = "eth0",
                        .up = true,
                        .running = true,
                        .multicast = true,
                        .v4 = true,
                        .asked = true,
                        .answered = true}},
        .n_interfaces = 1,
        .n_machines = 1,
    };

    return h;
}

static struct view_machine healthy_machine(const struct machine *record, const char *address)
{
    struct view_machine m = {
        .record = record,
        .port = 22,
        .near = true,
        .probe = {.ssh_asked = true,
                  .connected = true,
                  .responder = VIEW_ANSWERED,
                  .beacon = VIEW_ANSWERED,
                  .small_sent = VIEW_PINGS,
                  .small_got = VIEW_PINGS,
                  .large_sent = VIEW_PINGS,
                  .large_got = VIEW_PINGS,
                  .large_size = 1500,
                  .n_macs = 1},
    };

    assert_int_equal(address_parse(address, &m.address), 0);
    (void)snprintf(m.label, sizeof(m.label), "%s", address);
    return m;
}

/* The kinds, joined by blanks. */
static void expect(const struct view_host *h, const struct view_machine *machines, size_t n,
                   bool given, const char *kinds)
{
    CLEANUP(findings_clear) struct findings f = {0};
    char got[512] = "";

    rules_judge(h, machines, n, given, &f);
    assert_false(f.failed);
    for (size_t i = 0; i < f.count; i++) {
        size_t at = strlen(got);

        (void)snprintf(got + at, sizeof(got) - at, "%s%s", at > 0 ? " " : "",
                       finding_kind_name(f.items[i].kind));
        assert_true(*f.items[i].wrong && *f.items[i].proof && *f.items[i].advice);
    }
    assert_string_equal(got, kinds);
}

/* A finding has them. */
static void expect_words(const struct view_host *h, const struct view_machine *machines, size_t n,
                         const char *words)
{
    CLEANUP(findings_clear) struct findings f = {0};
    CLEANUP_TEXT struct text t = TEXT_INIT;

    rules_judge(h, machines, n, false, &f);
    assert_int_equal(findings_write(&f, &t), 0);
    if (!strstr(text_str(&t), words))
        fail_msg("\"%s\" is not in: %s", words, text_str(&t));
}

static void a_healthy_class_gives_none(void **state)
{
    struct machine record = {.advert = {.id = "00000000000000a1"}, .online = true};
    struct view_host h = healthy_host();
    struct view_machine m = healthy_machine(&record, "10.0.0.2");

    (void)state;
    expect(&h, &m, 1, false, "");
}

static void what_is_wrong_here_silences_what_follows(void **state)
{
    struct view_host h = healthy_host();

    (void)state;
    h.n_machines = 0;
    text_adds(&h.silence, "nothing was heard");
    expect(&h, NULL, 0, false, "nobody");
    view_host_clear(&h);
    expect(&h, NULL, 0, true, "");
    h.avahi_error = -ENOTCONN;
    expect(&h, NULL, 0, false, "no-avahi");
    h.bus_error = -ENOENT;
    expect(&h, NULL, 0, false, "no-dbus");
    h.interfaces[0].running = false;
    expect(&h, NULL, 0, false, "no-link no-dbus");
    h = healthy_host();
    h.interfaces[0].v4 = false;
    expect(&h, NULL, 0, false, "no-link");
    h.interfaces[0].v4 = true, h.interfaces[0].multicast = false;
    expect(&h, NULL, 0, false, "interface-without-multicast");
    h.n_interfaces = 0;
    expect(&h, NULL, 0, false, "no-link");
}

static void limits_of_the_daemon(void **state)
{
    struct view_host h = healthy_host();

    (void)state;
    h.lacks = 1U << DAEMON_LACKS_CLIENTS | 1U << DAEMON_LACKS_OBJECTS;
    expect(&h, NULL, 0, false, "avahi-limit avahi-limit");
    h.lacks = 1U << DAEMON_LACKS_CACHE;
    text_adds(&h.cache, "Avahi's cache may be full (cache-entries-max): it has not told of 9 of 10 "
                        "machines on eth0 that answered this program directly; raise it");
    expect(&h, NULL, 0, false, "avahi-limit");
    h.interfaces[0].answered = false; /* a daemon that hears nothing has an empty cache */
    expect(&h, NULL, 0, false, "mdns-filtered-here");
    view_host_clear(&h);
}

static void an_interface_without_machines_may_be_left_out(void **state)
{
    struct view_host h = healthy_host();

    (void)state;
    (void)snprintf(h.interfaces[0].left_out, sizeof(h.interfaces[0].left_out),
                   "deny-interfaces=eth0");
    h.interfaces[0].asked = false;
    expect(&h, NULL, 0, false, "");
    h.lacks = 1U << DAEMON_LACKS_LINK;
    expect(&h, NULL, 0, false, "interface-left-out");
    h.lacks = 0, h.n_machines = 0;
    expect(&h, NULL, 0, false, "interface-left-out");
}

static void another_responder_of_a_person_harms_only_where_too_little_is_found(void **state)
{
    struct view_host h = healthy_host();

    (void)state;
    (void)snprintf(h.others, sizeof(h.others), "alice");
    expect(&h, NULL, 0, false, "");
    h.n_machines = 0;
    expect(&h, NULL, 0, false, "second-responder");
    h.n_machines = 1, h.others_are_services = true;
    expect(&h, NULL, 0, false, "second-responder");
    h.avahi_has_no_v4 = true;
    expect(&h, NULL, 0, false, "avahi-no-ipv4 second-responder");
}

static void a_firewall_here(void **state)
{
    struct view_host h = healthy_host();

    (void)state;
    h.interfaces[0].send_error = -EPERM;
    expect(&h, NULL, 0, false, "mdns-filtered-here");
    h.interfaces[0].send_error = 0, h.interfaces[0].answered = false;
    expect(&h, NULL, 0, false, "mdns-filtered-here");
    h.interfaces[0].asked = false; /* the daemon claims its name just now */
    expect(&h, NULL, 0, false, "");
}

static void the_name_of_this_computer(void **state)
{
    struct view_host h = healthy_host();

    (void)state;
    (void)snprintf(h.avahi_name, sizeof(h.avahi_name), "here-2");
    expect(&h, NULL, 0, false, ""); /* Avahi renames itself at times, without a rival */
    (void)snprintf(h.rival, sizeof(h.rival), "10.0.0.9");
    expect(&h, NULL, 0, false, "name-clash-here");
}

static void ssh_of_a_machine(void **state)
{
    struct machine record = {.advert = {.id = "00000000000000a1"}, .online = true};
    struct view_host h = healthy_host();
    struct view_machine m = healthy_machine(&record, "10.0.0.2");

    (void)state;
    m.probe.connected = false, m.probe.ssh = -ECONNREFUSED;
    expect(&h, &m, 1, false, "ssh-refused");
    m.probe.ssh = -ETIMEDOUT;
    expect(&h, &m, 1, false, "ssh-filtered");
    m.probe.connected = true;
    expect(&h, &m, 1, false, "ssh-greeting");
    m.probe.ssh = -EPROTO;
    (void)snprintf(m.probe.words, sizeof(m.probe.words), "Not allowed at this time");
    expect(&h, &m, 1, false, "ssh-greeting");
    m.probe.large_got = 0;
    expect(&h, &m, 1, false, "ssh-greeting mtu");
}

static void pings_of_a_machine(void **state)
{
    struct machine record = {.advert = {.id = "00000000000000a1"}, .online = true};
    struct view_host h = healthy_host();
    struct view_machine m = healthy_machine(&record, "10.0.0.2");

    (void)state;
    m.probe.small_got = VIEW_PINGS - 1; /* one is no loss */
    expect(&h, &m, 1, false, "");
    m.probe.small_got = VIEW_PINGS - RULES_LOST_MIN;
    expect(&h, &m, 1, false, "loss");
    m.probe.small_got = 0, m.probe.large_got = 0; /* it answers no pings */
    expect(&h, &m, 1, false, "");
    m = healthy_machine(&record, "10.0.0.2");
    m.probe.delay_ms = RULES_DELAY_MS + 1;
    expect(&h, &m, 1, false, "delay");
    m.probe.large_sent = m.probe.large_got = 0; /* none was sent */
    expect(&h, &m, 1, false, "delay");
}

static void a_machine_without_a_record(void **state)
{
    struct view_host h = healthy_host();
    struct view_machine m = healthy_machine(NULL, "10.0.0.2");

    (void)state;
    m.given = true;
    expect(&h, &m, 1, true, "multicast-lost");
    m.given = false, m.port = 0, m.probe.ssh_asked = false; /* a neighbour */
    expect(&h, &m, 1, false, "multicast-lost");
    m.probe.beacon = VIEW_SILENT; /* that is nobody's business */
    expect(&h, &m, 1, false, "");
    m.given = true;
    expect(&h, &m, 1, true, "no-beacon");
    m.probe.responder = m.probe.beacon = VIEW_REFUSED;
    expect(&h, &m, 1, true, "no-responder");
    m.probe.responder = m.probe.beacon = VIEW_SILENT;
    expect(&h, &m, 1, true, "mdns-filtered");
    m.near = false;
    expect(&h, &m, 1, true, "other-subnet");
    m.probe = (struct view_probe){.ssh_asked = true, .ssh = -ETIMEDOUT};
    expect(&h, &m, 1, true, "no-answer");
}

static void what_multicast_shows_needs_ears(void **state)
{
    struct view_host h = healthy_host();
    struct view_machine m = healthy_machine(NULL, "10.0.0.2");

    (void)state;
    m.given = true;
    h.avahi_error = -ENOTCONN;
    expect(&h, &m, 1, true, "no-avahi");
}

static void a_record_without_a_machine(void **state)
{
    struct machine record = {.advert = {.id = "00000000000000a1"}};
    struct view_host h = healthy_host();
    struct view_machine m = healthy_machine(&record, "10.0.0.2");

    (void)state;
    m.probe = (struct view_probe){.ssh_asked = true, .ssh = -EHOSTUNREACH};
    expect(&h, &m, 1, false, "no-answer");
    assert_int_equal(strings_add(&h.gone, "00000000000000a2"), 0);
    expect(&h, &m, 1, false, "no-answer no-answer");
    view_host_clear(&h);
}

static void clones_are_told_once(void **state)
{
    struct machine one = {.advert = {.id = "00000000000000a1"}, .in_doubt = true, .cloned = true};
    struct machine two = one, three = one;
    struct view_host h = healthy_host();
    struct view_machine m[] = {healthy_machine(&one, "10.0.0.2"), healthy_machine(&two, "10.0.0.3"),
                               healthy_machine(&three, "10.0.0.4")};

    (void)state;
    expect(&h, m, 3, false, "clones");
    one.cloned = two.cloned = three.cloned = false;
    expect(&h, m, 3, false, "clones");
}

static void an_address_in_use_twice(void **state)
{
    struct machine one = {.advert = {.id = "00000000000000a1"}};
    struct machine two = {.advert = {.id = "00000000000000a2"}};
    struct view_host h = healthy_host();
    struct view_machine m[] = {healthy_machine(&one, "10.0.0.2"), healthy_machine(&two, "10.0.0.2"),
                               healthy_machine(NULL, "10.0.0.1")};

    (void)state;
    m[0].probe.n_macs = m[1].probe.n_macs = 2;
    m[2].own = true, m[2].probe.n_macs = 0;
    assert_int_equal(strings_add(&h.wrong_addresses,
                                 "a and b have the same IPv4 address, 10.0.0.2: "
                                 "only one can be reached; give one another"),
                     0);
    expect(&h, m, 3, false, "address-twice");
    m[0].probe.n_macs = m[1].probe.n_macs = 1; /* no right to ask: the records say it */
    expect(&h, m, 3, false, "address");
    strings_clear(&h.wrong_addresses);
    m[0].probe.n_macs = 2, m[0].cards = 2; /* its own other card answers as well */
    expect(&h, m, 1, false, "");
    m[2].probe.n_macs = 1; /* another machine answers for this computer's address */
    expect(&h, &m[2], 1, false, "address-twice");
}

static void a_mac_address_at_two_addresses(void **state)
{
    struct machine one = {.advert = {.id = "00000000000000a1"}, .host = (char *)"rpi.local"};
    struct machine two = {.advert = {.id = "00000000000000a2"}, .host = (char *)"other.local"};
    struct view_host h = healthy_host();
    struct view_machine m[] = {healthy_machine(&one, "10.0.0.2"),
                               healthy_machine(NULL, "10.0.0.3")};

    (void)state;
    m[1].probe.responder = m[1].probe.beacon = VIEW_SILENT;
    m[1].port = 0, m[1].twin = 1; /* a neighbour */
    expect(&h, m, 2, false, "");  /* which may be another address of the same machine */
    m[1].cross_asked = m[1].cross_got = 6;
    expect(&h, m, 2, false, "");
    m[1].cross_got = 3;
    expect(&h, m, 2, false, "");
    m[1].cross_got = 1; /* one of them has spoken in between */
    expect(&h, m, 2, false, "mac-twice");
    m[1].cross_got = 0;
    m[0].probe.connected = false, m[0].probe.ssh = -ETIMEDOUT, m[0].probe.small_got = 0;
    expect(&h, m, 2, false, "mac-twice"); /* what did not arrive has no other cause */
    m[1].given = true;
    expect(&h, m, 2, true, "mac-twice");
    m[1].probe.connected = false, m[1].probe.ssh = -ETIMEDOUT, m[1].probe.small_got = 0;
    expect(&h, m, 2, true, "mac-twice");
    m[0].beside = true;
    expect(&h, m, 2, true, "mac-twice");
    m[1].given = false; /* nobody asks for either of them */
    expect(&h, m, 2, true, "");
    m[0].beside = false, m[1].beside = true;
    expect(&h, m, 2, true, "mac-twice");

    m[0] = healthy_machine(&one, "10.0.0.2"), m[1] = healthy_machine(&two, "10.0.0.3");
    m[1].twin = 1, m[1].cross_asked = 6, m[1].cross_got = 0;
    expect(&h, m, 2, false, "mac-twice"); /* two that are seen */
}

static void a_mac_address_twice_without_rights(void **state)
{
    struct machine one = {.advert = {.id = "00000000000000a1"}, .host = (char *)"rpi.local"};
    struct view_host h = healthy_host();
    struct view_machine m[] = {healthy_machine(&one, "10.0.0.2"),
                               healthy_machine(NULL, "10.0.0.3")};

    (void)state;
    m[1].probe.beacon = VIEW_SILENT;
    m[1].port = 0, m[1].twin = 1, m[1].heard = true;
    (void)snprintf(m[1].claim, sizeof(m[1].claim), "printer.local");
    expect(&h, m, 2, false, "");
    (void)snprintf(m[1].claim, sizeof(m[1].claim), "rpi-kitchen.local"); /* another name */
    expect(&h, m, 2, false, "");
    (void)snprintf(m[1].claim, sizeof(m[1].claim), "rpi-.local");
    expect(&h, m, 2, false, "");
    (void)snprintf(m[1].claim, sizeof(m[1].claim), "rpi-12.local");
    expect(&h, m, 2, false, "mac-twice"); /* perhaps */
    expect_words(&h, m, 2, "ask again as root");
    h.rights = true; /* but one of them did not answer */
    expect_words(&h, m, 2, "did not answer in time: ask again");
    m[1].cross_asked = 2;
    expect_words(&h, m, 2, "packets reach one of the two");
    m[1].cross_got = 1; /* it is one machine */
    expect(&h, m, 2, false, "");
    h.rights = false, m[1].cross_asked = m[1].cross_got = 0;
    *m[1].claim = '\0', m[1].heard = false;
    m[1].given = true, m[1].port = 22;
    expect(&h, m, 2, true, "mac-twice no-beacon"); /* perhaps: what is sure is told, too */
    m[0].probe.connected = false, m[0].probe.ssh = -ECONNREFUSED;
    expect(&h, m, 2, true, "ssh-refused mac-twice no-beacon");
    m[0].probe.connected = true, m[0].probe.ssh = 0;
    m[1].probe.connected = false, m[1].probe.ssh = -ETIMEDOUT, m[1].probe.small_got = 0;
    m[1].probe.responder = VIEW_SILENT; /* a MAC address that the kernel remembers */
    expect(&h, m, 2, true, "no-answer");
}

static void an_address_and_its_mac_address_twice(void **state)
{
    struct machine one = {.advert = {.id = "00000000000000a1"}};
    struct view_host h = healthy_host();
    struct view_machine m = healthy_machine(&one, "10.0.0.2");

    (void)state;
    m.probe.arp_asked = 3, m.probe.arp_doubled = 2; /* a packet that a switch repeated */
    expect(&h, &m, 1, false, "");
    m.probe.arp_doubled = 3, m.probe.small_got = 3;
    expect(&h, &m, 1, false, "mac-twice");
    m.record = NULL, m.port = 0, m.probe.beacon = VIEW_SILENT; /* no machine of ours */
    expect(&h, &m, 1, false, "");
    m.probe.beacon = VIEW_ANSWERED; /* or one that is not seen */
    expect(&h, &m, 1, false, "multicast-lost");
}

/* Its beacon answers before its record was heard. */
static void a_machine_that_has_just_started(void **state)
{
    struct view_host h = healthy_host();
    struct view_machine m = healthy_machine(NULL, "10.0.0.3");

    (void)state;
    m.port = 0, m.heard = true;
    expect(&h, &m, 1, false, "");
}

static void what_a_beacon_says(void **state)
{
    struct machine record = {
        .advert = {.id = "00000000000000a1", .state = ADVERT_STATE_FAILED, .error = (char *)"bad"},
        .online = true};
    struct view_host h = healthy_host();
    struct view_machine m = healthy_machine(&record, "10.0.0.2");

    (void)state;
    expect(&h, &m, 1, false, "agent-failed"); /* which is what went wrong */
    record.advert.state = ADVERT_STATE_RUNNING;
    expect(&h, &m, 1, false, "machine-says");
}

static void findings_are_written(void **state)
{
    CLEANUP(findings_clear) struct findings f = {0};
    CLEANUP_TEXT struct text t = TEXT_INIT;
    struct view_host h = healthy_host();

    (void)state;
    assert_int_equal(findings_write_json(&f, &t), 0);
    assert_non_null(strstr(text_str(&t), "\"ok\": true"));
    text_reset(&t);
    h.avahi_error = -ENOTCONN;
    rules_judge(&h, NULL, 0, false, &f);
    findings_add(&f, FINDING_SAYS, "m\033[2J", "wrong", "\xff", "advice");
    assert_int_equal(findings_write(&f, &t), 0);
    assert_string_equal(text_str(&t),
                        "this computer: no Avahi daemon is running (nobody owns "
                        "org.freedesktop.Avahi on the system bus); start it: systemctl enable "
                        "--now avahi-daemon, or install it: apt install avahi-daemon\n"
                        "m\\x1b[2J: wrong (\\xff); advice\n");
    text_reset(&t);
    assert_int_equal(findings_write_json(&f, &t), 0);
    assert_non_null(strstr(text_str(&t), "\"kind\": \"no-avahi\""));
    assert_non_null(strstr(text_str(&t), "\"ok\": false"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_healthy_class_gives_none),
        cmocka_unit_test(what_is_wrong_here_silences_what_follows),
        cmocka_unit_test(limits_of_the_daemon),
        cmocka_unit_test(an_interface_without_machines_may_be_left_out),
        cmocka_unit_test(another_responder_of_a_person_harms_only_where_too_little_is_found),
        cmocka_unit_test(a_firewall_here),
        cmocka_unit_test(the_name_of_this_computer),
        cmocka_unit_test(ssh_of_a_machine),
        cmocka_unit_test(pings_of_a_machine),
        cmocka_unit_test(a_machine_without_a_record),
        cmocka_unit_test(what_multicast_shows_needs_ears),
        cmocka_unit_test(a_record_without_a_machine),
        cmocka_unit_test(clones_are_told_once),
        cmocka_unit_test(an_address_in_use_twice),
        cmocka_unit_test(a_mac_address_at_two_addresses),
        cmocka_unit_test(a_mac_address_twice_without_rights),
        cmocka_unit_test(an_address_and_its_mac_address_twice),
        cmocka_unit_test(a_machine_that_has_just_started),
        cmocka_unit_test(what_a_beacon_says),
        cmocka_unit_test(findings_are_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
