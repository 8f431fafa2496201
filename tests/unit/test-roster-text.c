#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "discovery/base/terminal.h"
#include "discovery/report/roster-text.h"

#define HOSTKEY "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define HOSTKEY2 "SHA256:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"

static const char roster[] =
    "{\"version\": 1, \"machines\": [\n"
    " {\"id\": \"00000000000000a1\", \"host\": \"rpi-1.local\", \"addresses\": [\"192.0.2.1\", "
    "\"fe80::1%lo\"], \"port\": 22, \"agents\": [\"a1\", \"a \\u001B[2J\"], \"fleet\": \"lab\", "
    "\"user\": \"pi\", \"hostkey\": \"" HOSTKEY "\", \"os\": \"debian-13\", \"arch\": \"arm64\", "
    "\"python\": \"3.13\", \"model\": \"Raspberry Pi 5\", \"state\": \"running\", \"pydcop\": "
    "\"0.1\", \"error\": \"bad line 3\", \"beacon\": true, \"verified\": true, \"online\": true, "
    "\"first_seen\": \"2026-01-31T12:00:00.000Z\", \"last_seen\": "
    "\"2026-02-28T23:59:59.123Z\"},\n"
    " {\"host\": \"printer.local\", \"addresses\": [], \"port\": 2222, \"agents\": [], \"beacon\": "
    "false, \"verified\": false, \"online\": false, \"last_seen\": \"1970-01-01T00:00:01.000Z\"},\n"
    " {\"id\": \"00000000000000a2\", \"host\": \"rpi-2.local\", \"addresses\": [\"2001:db8::2\"], "
    "\"port\": 2222, \"agents\": [], \"fleet\": \"default\", \"beacon\": true, \"verified\": "
    "false, "
    "\"online\": true}\n"
    "]}\n";

static void read_ok(const char *json, struct machine_list *ret)
{
    struct error err = {0};

    if (report_roster_read(json, strlen(json), "r.json", ret, &err) < 0)
        fail_msg("%s", err.text);
}

static void test_round_trip(void **state)
{
    CLEANUP(machine_list_clear) struct machine_list l = MACHINE_LIST_INIT;
    CLEANUP_TEXT struct text out = TEXT_INIT;

    (void)state;
    read_ok(roster, &l);
    assert_int_equal(l.count, 3);
    assert_int_equal(l.items[0].n_addresses, 2);
    assert_int_equal(l.items[0].last_seen.tv_nsec, 123000000);
    assert_null(l.items[2].advert.fleet);
    assert_int_equal(report_roster_json(l.pointers, l.count, &out), 0);
    assert_string_equal(text_str(&out), roster);
    text_reset(&out);
    assert_int_equal(report_roster_json(l.pointers, 0, &out), 0);
    assert_string_equal(text_str(&out), "{\"version\": 1, \"machines\": []}\n");
}

static void test_lenient(void **state)
{
    CLEANUP(machine_list_clear) struct machine_list l = MACHINE_LIST_INIT;

    (void)state;
    read_ok("{\"version\": 1, \"machines\": [{\"id\": \"00000000000000a1\", \"new\": [{}], "
            "\"addresses\": [\"fe80::1%no-such\", \"192.0.2.1\"]}, "
            "{\"id\": \"00000000000000a1\", \"hostkey\": \"" HOSTKEY "\"}]}",
            &l);
    assert_true(l.items[0].beacon);
    assert_true(l.items[0].online);
    assert_int_equal(l.items[0].n_addresses, 1);
    assert_true(l.items[0].in_doubt);
    assert_true(l.items[1].in_doubt);
}

static void refused(const char *json, const char *wanted)
{
    struct machine_list l = MACHINE_LIST_INIT;
    struct error err = {0};

    if (report_roster_read(json, strlen(json), "r.json", &l, &err) != -EBADMSG)
        fail_msg("not refused: %s", json);
    assert_null(l.items);
    assert_string_equal(err.text, wanted);
}

#define CLONE(host, online)                                                                        \
    "{\"id\": \"00000000000000a1\", \"hostkey\": \"" HOSTKEY "\", \"host\": \"" host               \
    "\", \"addresses\": [], \"online\": " online "}"

/* Clones have names of their own, and are in doubt while both are online. */
static void test_clones(void **state)
{
    CLEANUP(machine_list_clear) struct machine_list l = MACHINE_LIST_INIT;
    CLEANUP_TEXT struct text out = TEXT_INIT;
    const struct report_style style = {0};

    (void)state;
    read_ok("{\"version\": 1, \"machines\": [" CLONE("a", "true") ", " CLONE(
                "c", "true") ", " CLONE("b", "false") "]}",
            &l);
    assert_true(l.items[0].cloned && l.items[1].cloned && l.items[0].in_doubt);
    assert_false(l.items[2].cloned || l.items[2].in_doubt);
    assert_int_equal(l.items[1].clone, 2);
    /* What one of them says of the other is not said again. */
    l.items[1].advert.error = strdup("a clone: " ADVERT_CLONE_REMEDY);
    assert_int_equal(report_roster_text(l.pointers + 1, 1, &style, &out), 0);
    assert_non_null(strstr(text_str(&out), "in doubt: another machine has this id and host key: "
                                           "clones of one image; on one of them: "
                                           "rm /etc/ssh/"));
    assert_non_null(strstr(text_str(&out), "systemctl restart ssh dcop-beacon\n"));
    refused("{\"version\": 1, \"machines\": [" CLONE("a", "true") ", " CLONE(
                "b", "true") ", " CLONE("a", "true") "]}",
            "r.json: machines[2]: the same id and host key as machines[0]");
}

/* A machine with one more key, or with another value for it. */
static void refused_key(const char *key, const char *value, const char *wanted)
{
    CLEANUP_TEXT struct text json = TEXT_INIT, words = TEXT_INIT;

    text_addf(&json, "{\"version\": 1, \"machines\": [{\"host\": \"a\"}, {\"%s\": %s}]}", key,
              value);
    text_addf(&words, "r.json: machines[1]%s", wanted);
    refused(text_str(&json), text_str(&words));
}

static void test_refused(void **state)
{
    (void)state;
    refused("", "r.json:1:0: '[' or '{' expected near end of file");
    refused("{\n \"version\": nul}", "r.json:2:15: invalid token near 'nul'");
    refused("[]", "r.json: not a roster: it has no \"version\"");
    refused("{\"version\": 2}", "r.json: the roster has version 2; this program reads version 1");
    refused("{\"version\": 1, \"machines\": {}}",
            "r.json: not a roster: it has no list of \"machines\"");
    refused("{\"version\": 1, \"machines\": [4]}", "r.json: machines[0]: not an object");
    refused("{\"version\": 1, \"machines\": [{\"id\": \"00000000000000a1\"}, {\"host\": \"b\"}, "
            "{\"id\": \"00000000000000a1\"}]}",
            "r.json: machines[2]: the same id and host key as machines[0]");
    refused_key("id", "\"A\"", ".id: not in the required form");
    refused_key("id", "7", ".id: not a string");
    refused_key("beacon", "true", ": it has a beacon, but no id");
    refused_key("host", "\"a\\nb\"", ".host: not in the required form");
    refused_key("user", "\"-oProxyCommand=x\"", ".user: not in the required form");
    refused_key("fleet", "\"A\"", ".fleet: not in the required form");
    refused_key("hostkey", "\"MD5:\"", ".hostkey: not in the required form");
    refused_key("os", "\"a b\"", ".os: not in the required form");
    refused_key("state", "\"\"", ".state: not in the required form");
    refused_key("port", "0", ".port: not a port (1 to 65535)");
    refused_key("port", "65536", ".port: not a port (1 to 65535)");
    refused_key("port", "\"22\"", ".port: not a port (1 to 65535)");
    refused_key("online", "1", ".online: not true or false");
    refused_key("agents", "\"a\"", ".agents: not a list");
    refused_key("agents", "[\"a\", \"\"]", ".agents[1]: not an agent name");
    refused_key("agents", "[\"a\", \"a\"]", ".agents[1]: given twice");
    refused_key("agents", "[\"a\\nb\"]", ".agents[0]: not an agent name");
    refused_key("addresses", "[\"example.org\"]", ".addresses[0]: not an IP address");
    refused_key("addresses", "[\"192.0.2.1%lo\"]", ".addresses[0]: not an IP address");
    refused_key("addresses", "[null]", ".addresses[0]: not an IP address");
    refused_key("addresses", "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]", ".addresses: too long");
    refused_key("last_seen", "\"2026-02-29T00:00:00Z\"",
                ".last_seen: not a time like 2026-01-31T12:00:00Z");
    refused_key("last_seen", "\"2026-02-28T00:00:00+01:00\"",
                ".last_seen: not a time like 2026-01-31T12:00:00Z");
    refused_key("last_seen", "\"2026-13-01T00:00:00Z\"",
                ".last_seen: not a time like 2026-01-31T12:00:00Z");
}

/* Saved with a fleet key: an unverified claim beside the machine itself. */
static void test_claim_beside_verified(void **state)
{
    CLEANUP(machine_list_clear) struct machine_list l = MACHINE_LIST_INIT;
    CLEANUP(problem_clear) struct problem p = PROBLEM_INIT;
    CLEANUP(match_clear) struct match m = MATCH_INIT;
    CLEANUP_TEXT struct text out = TEXT_INIT;

    (void)state;
    read_ok(
        "{\"version\": 1, \"machines\": [{\"id\": \"00000000000000a1\", \"host\": \"evil.local\","
        " \"agents\": [\"a1\"]}, {\"id\": \"00000000000000a1\", \"host\": \"rpi-1.local\","
        " \"agents\": [\"a1\"], \"verified\": true}]}",
        &l);
    assert_true(l.items[0].in_doubt);
    assert_false(l.items[1].in_doubt);
    l.items[0].untrusted = true; /* as with a fleet key */
    assert_int_equal(strings_add(&p.agents, "a1"), 0);
    p.variables = 1;
    assert_int_equal(match_make(l.pointers, 2, &p, NULL, &m), 0);
    assert_int_equal(match_explain(&m, l.pointers, 2), 0);
    assert_true(match_ok(&m, true));
    assert_int_equal(report_match_text(&m, false, &(struct report_style){0}, &out), 0);
    assert_string_equal(text_str(&out),
                        "The one agent is there.\n"
                        "Not verified, not signed with this fleet's key: evil\n"
                        "  They are left out of the match.  If they are yours, give them a key: "
                        "dcop-deploy enroll ADDRESS.\n");
    text_reset(&out);
    assert_int_equal(report_match_json(&m, false, &out), 0);
    assert_non_null(strstr(text_str(&out), "\"unverified\": [\n    \"00000000000000a1\"\n  ]"));
    text_reset(&out);
    assert_int_equal(report_roster_text(l.pointers, 2, &(struct report_style){0}, &out), 0);
    assert_non_null(strstr(text_str(&out), "not verified (dcop-deploy enroll)"));
}

static void check_table(const struct machine_list *l, const struct report_style *style,
                        const char *wanted)
{
    CLEANUP_TEXT struct text out = TEXT_INIT;

    assert_int_equal(report_roster_text(l->pointers, l->count, style, &out), 0);
    assert_string_equal(text_str(&out), wanted);
}

/* In a pipe: one line a machine, always the same columns, none of them empty. */
static void test_table(void **state)
{
    CLEANUP(machine_list_clear) struct machine_list l = MACHINE_LIST_INIT;

    (void)state;
    read_ok(roster, &l);
    check_table(&l, &(struct report_style){0},
                "AGENT            MACHINE  ADDRESS             STATE    VERIFIED  FLEET    "
                "SYSTEM                  PROBLEM\n"
                "a1, \"a \\x1b[2J\"  rpi-1    192.0.2.1           running  yes       lab      "
                "debian-13 arm64 py3.13  bad line 3\n"
                "-                printer  -                   offline  -         -        "
                "-                       no beacon; last seen 1970-01-01 01:00\n"
                "-                rpi-2    [2001:db8::2]:2222  there    -         default  "
                "-                       -\n");
    l.count = 0;
    check_table(&l, &(struct report_style){0}, "No machines.\n");
    l.count = 3;
}

static const char trouble[] =
    "{\"version\": 1, \"machines\": [\n"
    "{\"id\": \"00000000000000a1\", \"host\": \"rpi-1.local\", \"addresses\": "
    "[\"10.77.0.11\"], "
    "\"agents\": [\"a1\"], \"os\": \"debian-12\", \"arch\": \"amd64\", \"python\": \"3.11\", "
    "\"state\": \"new\"},\n"
    "{\"id\": \"00000000000000a2\", \"host\": \"rpi-2.local\", \"addresses\": "
    "[\"10.77.0.12\"], "
    "\"agents\": [\"a2\"], \"os\": \"debian-12\", \"arch\": \"amd64\", \"python\": \"3.11\", "
    "\"state\": \"new\", \"error\": \"/etc/dcop/beacon.conf:3: unknown word 'agnet', so that the "
    "machine has no name until the line is right\"},\n"
    "{\"id\": \"00000000000000a3\", \"host\": \"rpi-3.local\", \"addresses\": "
    "[\"10.77.0.13\"], "
    "\"agents\": [\"a3\", \"a4\", \"a5\", \"a6\", \"a7\", \"a8\", \"a9\"], \"state\": "
    "\"failed\"},\n"
    "{\"id\": \"00000000000000a4\", \"host\": \"rpi-4.local\", \"addresses\": [\"10.77.0.14\"], "
    "\"agents\": [\"b1\"], \"state\": \"new\", \"online\": false, \"last_seen\": "
    "\"2026-02-28T23:30:00.123Z\"}\n"
    "]}\n";

enum { SEEN = 1772321400 /* rpi-4, 2026-03-01 00:30 in Berlin */, DAY = 24 * 3600 };

static void test_table_80(void **state)
{
    CLEANUP(machine_list_clear) struct machine_list l = MACHINE_LIST_INIT;
    struct report_style style = {.terminal = {.width = 80}, .now = SEEN + 3600};

    (void)state;
    read_ok(trouble, &l);
    check_table(&l, &style,
                "AGENT                  MACHINE  ADDRESS     STATE                SYSTEM\n"
                "a1                     rpi-1    10.77.0.11  there, not deployed  debian-12 amd6…\n"
                "a2                     rpi-2    10.77.0.12  there, not deployed  debian-12 amd6…\n"
                "    /etc/dcop/beacon.conf:3: unknown word 'agnet', so that the machine has no\n"
                "    name until the line is right\n"
                "a3, a4, a5, a6, a7 +2  rpi-3    10.77.0.13  failed\n"
                "b1                     rpi-4    10.77.0.14  offline, seen 00:30\n");
    style.now = SEEN + DAY;
    style.verbose = true;
    check_table(&l, &style,
                "AGENT                  MACHINE  ADDRESS     STATE                     SYSTEM\n"
                "a1                     rpi-1    10.77.0.11  there, not deployed       debian-12…\n"
                "a2                     rpi-2    10.77.0.12  there, not deployed       debian-12…\n"
                "    /etc/dcop/beacon.conf:3: unknown word 'agnet', so that the machine has no\n"
                "    name until the line is right\n"
                "a3, a4, a5, a6, a7 +2  rpi-3    10.77.0.13  failed\n"
                "    a3, a4, a5, a6, a7, a8, a9\n"
                "b1                     rpi-4    10.77.0.14  offline, seen 2026-03-01\n");
}

/* A stranger's name of 246 bytes takes a bounded part of a line. */
static void test_long_name(void **state)
{
    CLEANUP(machine_list_clear) struct machine_list l = MACHINE_LIST_INIT;
    CLEANUP_TEXT struct text json = TEXT_INIT;

    (void)state;
    text_adds(&json, "{\"version\": 1, \"machines\": [{\"id\": "
                     "\"00000000000000a1\", \"host\": "
                     "\"rpi-1.local\", \"os\": \"debian-12\", \"agents\": [\"");
    for (int i = 0; i < 246; i++)
        text_addc(&json, 'l');
    text_adds(&json, "\", \"a  b\"]}]}");
    read_ok(text_str(&json), &l);
    check_table(&l, &(struct report_style){.terminal = {.width = 80}},
                "AGENT                   MACHINE  STATE  SYSTEM\n"
                "llllllllllllllllll… +1  rpi-1    there  debian-12\n");
    check_table(
        &l, &(struct report_style){0},
        "AGENT                                   MACHINE  ADDRESS  STATE  VERIFIED  FLEET    "
        "SYSTEM     PROBLEM\n"
        "llllllllllllllllllllllllllllllllll… +1  rpi-1    -        there  -         default  "
        "debian-12  -\n");
}

/* More machines than lines: those in trouble come first. */
static void test_fit(void **state)
{
    CLEANUP(machine_list_clear) struct machine_list l = MACHINE_LIST_INIT;
    CLEANUP_TEXT struct text out = TEXT_INIT;
    const struct report_style style = {.terminal = {.width = 80}, .now = SEEN + 3600};
    size_t hidden;

    (void)state;
    read_ok(trouble, &l);
    assert_int_equal(report_roster_fit(l.pointers, l.count, &style, 7, &out, &hidden), 0);
    assert_int_equal(hidden, 0);
    text_reset(&out);
    assert_int_equal(report_roster_fit(l.pointers, l.count, &style, 6, &out, &hidden), 0);
    assert_int_equal(hidden, 1);
    report_add_sum_line(l.pointers, l.count, hidden, &style, &out);
    assert_string_equal(
        text_str(&out),
        "AGENT                  MACHINE  ADDRESS     STATE                SYSTEM\n"
        "b1                     rpi-4    10.77.0.14  offline, seen 00:30\n"
        "a3, a4, a5, a6, a7 +2  rpi-3    10.77.0.13  failed\n"
        "a2                     rpi-2    10.77.0.12  there, not deployed  debian-12 amd6…\n"
        "    /etc/dcop/beacon.conf:3: unknown word 'agnet', so that the machine has no\n"
        "    name until the line is right\n"
        "4 machines: 1 there, 1 offline, 1 failed, 1 with an error; 1 more is not shown\n");
}

static void test_label_twice(void **state)
{
    CLEANUP(machine_list_clear) struct machine_list l = MACHINE_LIST_INIT;

    (void)state;
    read_ok(
        "{\"version\": 1, \"machines\": [{\"id\": \"00000000000000a1\", \"host\": \"pi.local\"},"
        "{\"id\": \"00000000000000a2\", \"host\": \"pi.local\"},"
        "{\"id\": \"00000000000000a3\"}, {\"id\": \"00000000000000a4\", \"host\": \"tv\"}]}",
        &l);
    check_table(&l, &(struct report_style){.terminal = {.width = 80}},
                "AGENT  MACHINE           STATE\n"
                "-      00000000000000a1  there\n"
                "-      00000000000000a2  there\n"
                "-      00000000000000a3  there\n"
                "-      tv                there\n");
}

static void test_change(void **state)
{
    CLEANUP(machine_list_clear) struct machine_list l = MACHINE_LIST_INIT;
    CLEANUP_TEXT struct text out = TEXT_INIT;

    (void)state;
    read_ok(roster, &l);
    assert_int_equal(report_change_json(l.pointers[2], ROSTER_APPEARED,
                                        &(struct timespec){.tv_sec = 1767225600}, &out),
                     0);
    assert_string_equal(
        text_str(&out),
        "{\"version\": 1, \"event\": \"appeared\", \"time\": "
        "\"2026-01-01T00:00:00.000Z\", \"machine\": {\"id\": \"00000000000000a2\", "
        "\"host\": \"rpi-2.local\", \"addresses\": [\"2001:db8::2\"], \"port\": 2222, \"agents\": "
        "[], \"fleet\": \"default\", \"beacon\": true, \"verified\": false, \"online\": true}}\n");
    text_reset(&out);
    assert_int_equal(
        report_change_text(l.pointers[0], ROSTER_CHANGED, &(struct terminal_style){0}, &out), 0);
    assert_string_equal(text_str(&out),
                        "changed   a1, \"a \\x1b[2J\" on rpi-1 192.0.2.1 running: bad line 3\n");
    text_reset(&out);
    assert_int_equal(
        report_change_text(l.pointers[1], ROSTER_OFFLINE, &(struct terminal_style){0}, &out), 0);
    assert_string_equal(text_str(&out), "offline   unassigned: printer: no beacon; last seen "
                                        "1970-01-01 01:00\n");
}

static void test_change_new(void **state)
{
    CLEANUP(machine_list_clear) struct machine_list l = MACHINE_LIST_INIT;
    CLEANUP_TEXT struct text out = TEXT_INIT;

    (void)state;
    read_ok(trouble, &l);
    assert_int_equal(
        report_change_text(l.pointers[0], ROSTER_APPEARED, &(struct terminal_style){0}, &out), 0);
    assert_string_equal(text_str(&out), "appeared  a1 on rpi-1 10.77.0.11 there, not deployed\n");
}

static const char classroom[] =
    "{\"version\": 1, \"machines\": ["
    "{\"id\": \"00000000000000a1\", \"host\": \"rpi-1.local\", \"agents\": [\"a1\"], "
    "\"addresses\": [\"192.0.2.1\"]},"
    "{\"id\": \"00000000000000a2\", \"host\": \"rpi-2.local\", \"agents\": [\"a2\"]},"
    "{\"id\": \"00000000000000a3\", \"host\": \"rpi-3.local\", \"agents\": [\"a2\", \"A3\"]},"
    "{\"id\": \"00000000000000a4\", \"host\": \"rpi-4.local\", \"agents\": [\"a5\"], "
    "\"online\": false},"
    "{\"id\": \"00000000000000a6\", \"host\": \"rpi-6.local\"}]}";

static void fill_problem(struct problem *p, size_t n)
{
    static const char *const agents[] = {"a1", "a2", "a3", "a4 b", "a5"};

    p->name = strdup("graph");
    assert_int_equal(strings_add(&p->files, "graph.yaml"), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(strings_add(&p->agents, agents[i]), 0);
    p->variables = n + 1;
}

static void test_match(void **state)
{
    CLEANUP(machine_list_clear) struct machine_list l = MACHINE_LIST_INIT;
    CLEANUP_PROBLEM struct problem p = PROBLEM_INIT;
    CLEANUP(match_clear) struct match m = MATCH_INIT;
    CLEANUP_TEXT struct text out = TEXT_INIT;

    (void)state;
    read_ok(classroom, &l);
    fill_problem(&p, 5);
    assert_int_equal(match_make(l.pointers, l.count, &p, NULL, &m), 0);
    assert_int_equal(match_explain(&m, l.pointers, l.count), 0);
    assert_int_equal(report_match_text(&m, false, &(struct report_style){0}, &out), 0);
    assert_string_equal(
        text_str(&out),
        "2 of 5 agents are there. 1 of them is on more than one machine.\n"
        "Missing, no machine has the name: a3, \"a4 b\"\n"
        "Offline, seen before (is the machine on, and its network cable in?): a5 on rpi-4\n"
        "a2 is on rpi-2 (00000000000000a2) and rpi-3 (00000000000000a3): remove the name from "
        "/etc/dcop/beacon.conf on all but one.\n"
        "A3 on rpi-3: not in the problem; did you mean a3? The name is in /etc/dcop/beacon.conf "
        "on that machine.\n"
        "Unassigned, without an agent name: rpi-6\n"
        "  Give one a name with a line \"agent NAME\" in /etc/dcop/beacon.conf on it, or with "
        "dcop-deploy assign.\n"
        "Warning: the problem has 5 agents for 6 computations (one a variable): pyDCOP's default "
        "distribution, oneagent, cannot place them; add agents or solve with another one, e.g. "
        "--distribution adhoc.\n");
    text_reset(&out);
    strings_clear(&m.warnings);
    assert_int_equal(report_match_json(&m, false, &out), 0);
    assert_string_equal(text_str(&out), "{\n"
                                        "  \"version\": 1,\n"
                                        "  \"problem\": {\n"
                                        "    \"name\": \"graph\",\n"
                                        "    \"files\": [\n"
                                        "      \"graph.yaml\"\n"
                                        "    ],\n"
                                        "    \"agents\": 5,\n"
                                        "    \"variables\": 6\n"
                                        "  },\n"
                                        "  \"ok\": false,\n"
                                        "  \"matched\": [\n"
                                        "    {\n"
                                        "      \"agent\": \"a1\",\n"
                                        "      \"machine\": \"00000000000000a1\",\n"
                                        "      \"host\": \"rpi-1.local\",\n"
                                        "      \"address\": \"192.0.2.1\"\n"
                                        "    }\n"
                                        "  ],\n"
                                        "  \"missing\": [\n"
                                        "    \"a3\",\n"
                                        "    \"a4 b\"\n"
                                        "  ],\n"
                                        "  \"offline\": [\n"
                                        "    \"a5\"\n"
                                        "  ],\n"
                                        "  \"duplicates\": [\n"
                                        "    {\n"
                                        "      \"agent\": \"a2\",\n"
                                        "      \"machines\": [\n"
                                        "        \"00000000000000a2\",\n"
                                        "        \"00000000000000a3\"\n"
                                        "      ]\n"
                                        "    }\n"
                                        "  ],\n"
                                        "  \"claims\": [],\n"
                                        "  \"unexpected\": [\n"
                                        "    {\n"
                                        "      \"agent\": \"A3\",\n"
                                        "      \"machine\": \"00000000000000a3\",\n"
                                        "      \"suggestion\": \"a3\"\n"
                                        "    }\n"
                                        "  ],\n"
                                        "  \"unassigned\": [\n"
                                        "    \"00000000000000a6\"\n"
                                        "  ],\n"
                                        "  \"unverified\": [],\n"
                                        "  \"warnings\": []\n"
                                        "}\n");
}

static void test_match_yes(void **state)
{
    CLEANUP(machine_list_clear) struct machine_list l = MACHINE_LIST_INIT;
    CLEANUP_PROBLEM struct problem p = PROBLEM_INIT;
    CLEANUP(match_clear) struct match m = MATCH_INIT;
    CLEANUP_TEXT struct text out = TEXT_INIT;

    (void)state;
    read_ok(classroom, &l);
    fill_problem(&p, 2);
    assert_int_equal(match_make(l.pointers, 2, &p, NULL, &m), 0);
    assert_int_equal(
        report_match_text(&m, false, &(struct report_style){.terminal = {.color = true}}, &out), 0);
    assert_string_equal(text_str(&out), "\033[32mAll 2 agents are there.\033[0m\n");
}

/* Another class on the same link: machines whose names are not in the problem. */
static void test_strangers(void **state)
{
    CLEANUP(machine_list_clear) struct machine_list l = MACHINE_LIST_INIT;
    CLEANUP_PROBLEM struct problem p = PROBLEM_INIT;
    CLEANUP(match_clear) struct match m = MATCH_INIT;
    CLEANUP_TEXT struct text json = TEXT_INIT, out = TEXT_INIT;

    (void)state;
    text_adds(&json, "{\"version\": 1, \"machines\": [{\"id\": "
                     "\"00000000000000a1\", \"host\": "
                     "\"rpi-1\", \"agents\": [\"A1\", \"other-x\", \"other-y\"]}");
    for (int i = 0; i < 7; i++)
        text_addf(&json,
                  ", {\"id\": \"00000000000000b%d\", \"host\": \"pc-%d\", \"agents\": "
                  "[\"other-%d\"]}",
                  i, i, i);
    text_adds(&json, "]}");
    read_ok(text_str(&json), &l);
    fill_problem(&p, 1);
    assert_int_equal(match_make(l.pointers, l.count, &p, NULL, &m), 0);
    assert_int_equal(match_explain(&m, l.pointers, l.count), 0);
    strings_clear(&m.warnings);
    assert_int_equal(
        report_match_text(&m, false, &(struct report_style){.terminal = {.width = 80}}, &out), 0);
    assert_string_equal(text_str(&out),
                        "0 of 1 agents are there.\n"
                        "Missing, no machine has the name: a1\n"
                        "A1 on rpi-1: not in the problem; did you mean a1? The name is in\n"
                        "  /etc/dcop/beacon.conf on that machine.\n"
                        "8 more machines have names that are not in the problem:\n"
                        "  other-x and 1 more on rpi-1, other-0 on pc-0, other-1 on pc-1,\n"
                        "  other-2 on pc-2, other-3 on pc-3, and 3 more (-v lists all)\n");
    text_reset(&out);
    assert_int_equal(report_match_text(&m, false, &(struct report_style){.verbose = true}, &out),
                     0);
    assert_string_equal(strstr(text_str(&out), "8 more"),
                        "8 more machines have names that are not in the problem: other-x on "
                        "rpi-1, other-y on rpi-1, other-0 on pc-0, other-1 on pc-1, other-2 on "
                        "pc-2, other-3 on pc-3, other-4 on pc-4, other-5 on pc-5, other-6 on "
                        "pc-6\n");
}

static void test_wraps(void **state)
{
    CLEANUP_PROBLEM struct problem p = PROBLEM_INIT;
    CLEANUP(match_clear) struct match m = MATCH_INIT;
    CLEANUP_TEXT struct text out = TEXT_INIT;

    (void)state;
    fill_problem(&p, 5);
    assert_int_equal(match_make(NULL, 0, &p, NULL, &m), 0);
    assert_int_equal(
        report_match_text(&m, false, &(struct report_style){.terminal = {.width = 40}}, &out), 0);
    assert_string_equal(text_str(&out), "0 of 5 agents are there.\n"
                                        "Missing, no machine has the name: a1,\n"
                                        "  a2, a3, \"a4 b\", a5\n");
}

/* Candidates stand behind the machines, in a list of their own in JSON, so that programs that
 * read "machines" find there what they did before. */
static void test_candidates(void **state)
{
    struct address at;
    struct candidate items[] = {
        {.machine = {.host = (char *)"raspberrypi.local", .port = 22, .online = true},
         .mac = "b8:27:eb:00:00:01",
         .services = 1U << CANDIDATE_SFTP | 1U << CANDIDATE_WORKSTATION},
        {.machine = {.host = (char *)"raspberrypi-2.local", .port = 2222, .online = true},
         .services = 1U << CANDIDATE_SSH},
    };
    const struct machine *pointers[] = {&items[0].machine, &items[1].machine};
    const struct candidate_list list = {.items = items, .pointers = pointers, .count = 2};
    CLEANUP(machine_list_clear) struct machine_list l = MACHINE_LIST_INIT;
    CLEANUP_TEXT struct text json = TEXT_INIT, table = TEXT_INIT, sum = TEXT_INIT;
    struct error err = {0};

    (void)state;
    assert_int_equal(address_parse("10.0.0.7", &at), 0);
    items[0].machine.addresses = items[1].machine.addresses = &at;
    items[0].machine.n_addresses = items[1].machine.n_addresses = 1;
    assert_int_equal(report_all_json(NULL, 0, &list, &json), 0);
    assert_string_equal(
        text_str(&json),
        "{\"version\": 1, \"machines\": [],\n \"candidates\": [\n"
        " {\"host\": \"raspberrypi.local\", \"addresses\": [\"10.0.0.7\"], \"port\": 22, "
        "\"mac\": \"b8:27:eb:00:00:01\", \"services\": [\"sftp-ssh\", \"workstation\"]},\n"
        " {\"host\": \"raspberrypi-2.local\", \"addresses\": [\"10.0.0.7\"], \"port\": 2222, "
        "\"services\": [\"ssh\"]}\n]}\n");
    assert_int_equal(report_roster_read(text_str(&json), json.size, "x", &l, &err), 0);
    assert_int_equal(l.count, 0);
    text_reset(&json);
    assert_int_equal(report_all_json(NULL, 0, &(struct candidate_list){0}, &json), 0);
    assert_string_equal(text_str(&json),
                        "{\"version\": 1, \"machines\": [],\n \"candidates\": []}\n");
    assert_int_equal(report_roster_text(pointers, 2, &(struct report_style){0}, &table), 0);
    assert_string_equal(text_str(&table),
                        "AGENT  MACHINE        ADDRESS        STATE      VERIFIED  FLEET  SYSTEM  "
                        "PROBLEM\n"
                        "-      raspberrypi    10.0.0.7       no beacon  -         -      -       "
                        "-\n"
                        "-      raspberrypi-2  10.0.0.7:2222  no beacon  -         -      -       "
                        "-\n");
    report_add_sum_line(pointers, 2, 0, &(struct report_style){0}, &sum);
    assert_string_equal(text_str(&sum), "2 machines: 0 there, 2 without a beacon\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clones),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_lenient),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_table_80),
        cmocka_unit_test(test_long_name),
        cmocka_unit_test(test_fit),
        cmocka_unit_test(test_claim_beside_verified),
        cmocka_unit_test(test_label_twice),
        cmocka_unit_test(test_change),
        cmocka_unit_test(test_change_new),
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_match_yes),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_wraps),
        cmocka_unit_test(test_candidates),
    };

    if (!setlocale(LC_CTYPE, "C.UTF-8") || setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1) < 0)
        return 1;
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
