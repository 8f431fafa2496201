#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "discovery/cli/screen.h"

enum { SEEN = 1772321400 /* 2026-03-01 00:30 in Berlin */ };

/* 30 machines: 7 and 20 are offline, 12 has an error. */
static void read_class(struct machine_list *ret)
{
    CLEANUP_TEXT struct text json = TEXT_INIT;
    struct error err = {0};

    text_adds(&json, "{\"version\": 1, \"machines\": [");
    for (int i = 1; i <= 30; i++) {
        text_addf(&json,
                  "%s{\"id\": \"%016x\", \"host\": \"rpi-%d.local\", \"addresses\": "
                  "[\"10.77.0.%d\"], \"agents\": [\"a%d\"], \"state\": \"new\", \"last_seen\": "
                  "\"2026-02-28T23:30:00.000Z\", \"online\": %s",
                  i > 1 ? ", " : "", (unsigned)i, i, 10 + i, i,
                  i == 7 || i == 20 ? "false" : "true");
        text_adds(&json, i == 12 ? ", \"error\": \"bad line 3\"}" : "}");
    }
    text_adds(&json, "]}");
    assert_int_equal(report_roster_read(text_str(&json), json.size, "r", ret, &err), 0);
}

static void check(const struct screen *s, const char *wanted)
{
    CLEANUP_TEXT struct text out = TEXT_INIT;

    assert_int_equal(screen_write(s, &out), 0);
    assert_string_equal(text_str(&out), wanted);
}

static void test_trouble_first(void **state)
{
    CLEANUP(machine_list_clear) struct machine_list l = MACHINE_LIST_INIT;
    struct screen s = {
        .change = "a7 on rpi-7 is offline",
        .changed = SEEN,
        .style = {.terminal = {.width = 80}, .now = SEEN + 60},
        .rows = 10,
    };

    (void)state;
    read_class(&l);
    s.machines = l.pointers;
    s.n = l.count;
    check(&s, "30 machines: 27 there, 2 offline, 1 with an error; 24 more are not shown\n"
              "Last change 00:30:00: a7 on rpi-7 is offline\n"
              "AGENT  MACHINE  ADDRESS     STATE\n"
              "a7     rpi-7    10.77.0.17  offline, seen 00:30\n"
              "a20    rpi-20   10.77.0.30  offline, seen 00:30\n"
              "a12    rpi-12   10.77.0.22  there, not deployed\n"
              "    bad line 3\n"
              "a1     rpi-1    10.77.0.11  there, not deployed\n"
              "a2     rpi-2    10.77.0.12  there, not deployed\n"
              "a3     rpi-3    10.77.0.13  there, not deployed\n");
    s.rows = 2;
    check(&s, "30 machines: 27 there, 2 offline, 1 with an error; 30 are not shown\n"
              "… 2 more lines\n");
}

/* All machines fit: their own order. */
static void test_all_fit(void **state)
{
    CLEANUP(machine_list_clear) struct machine_list l = MACHINE_LIST_INIT;
    struct screen s = {
        .trouble = "the daemon is not running",
        .style = {.terminal = {.width = 40}, .now = SEEN},
        .rows = 5,
    };

    (void)state;
    read_class(&l);
    s.machines = l.pointers + 5;
    s.n = 2;
    check(&s, "Avahi: the daemon is not running; waiti…\n"
              "2 machines: 1 there, 1 offline\n"
              "AGENT  MACHI…  ADDRE…  STATE\n"
              "a6     rpi-6   10.77…  there, not deplo…\n"
              "a7     rpi-7   10.77…  offline, seen 00…\n");
    s.n = 0;
    s.trouble = NULL;
    check(&s, "No machines.\n");
}

/* What the daemon lacks takes a line each, and none when that is over. */
static void test_lacks(void **state)
{
    CLEANUP(machine_list_clear) struct machine_list l = MACHINE_LIST_INIT;
    const char *lacks[] = {NULL, "Avahi's limit x is reached\033[2J", NULL};
    struct screen s = {
        .lacks = lacks,
        .n_lacks = ARRAY_SIZE(lacks),
        .style = {.terminal = {.width = 80}, .now = SEEN},
        .rows = 3,
    };

    (void)state;
    read_class(&l);
    s.machines = l.pointers;
    s.n = l.count;
    check(&s, "Avahi's limit x is reached\\x1b[2J\n"
              "30 machines: 27 there, 2 offline, 1 with an error; 30 are not shown\n"
              "AGENT  MACHINE  ADDRESS     STATE\n");
    lacks[1] = NULL;
    s.n = 0;
    check(&s, "No machines.\n");
}

/* The match takes half of the lines at most. */
static void test_match(void **state)
{
    CLEANUP(machine_list_clear) struct machine_list l = MACHINE_LIST_INIT;
    CLEANUP_PROBLEM struct problem p = PROBLEM_INIT;
    CLEANUP(match_clear) struct match m = MATCH_INIT;
    struct screen s = {
        .match = &m,
        .style = {.terminal = {.width = 80}, .now = SEEN},
        .rows = 12,
    };

    (void)state;
    read_class(&l);
    assert_int_equal(strings_add(&p.agents, "a1"), 0);
    assert_int_equal(strings_add(&p.agents, "a7"), 0);
    assert_int_equal(strings_add(&p.agents, "zz"), 0);
    p.variables = 3;
    assert_int_equal(match_make(l.pointers, l.count, &p, NULL, &m), 0);
    assert_int_equal(match_explain(&m, l.pointers, l.count), 0);
    s.machines = l.pointers;
    s.n = l.count;
    check(&s, "1 of 3 agents is there.\n"
              "Missing, no machine has the name: zz\n"
              "Offline, seen before (is the machine on, and its network cable in?):\n"
              "  a7 on rpi-7\n"
              "a17 on rpi-17: not in the problem; did you mean a7? The name is in\n"
              "… 5 more lines\n"
              "\n"
              "30 machines: 27 there, 2 offline, 1 with an error; 28 more are not shown\n"
              "AGENT  MACHINE  ADDRESS     STATE\n"
              "a7     rpi-7    10.77.0.17  offline, seen 00:30\n"
              "a20    rpi-20   10.77.0.30  offline, seen 00:30\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trouble_first),
        cmocka_unit_test(test_lacks),
        cmocka_unit_test(test_all_fit),
        cmocka_unit_test(test_match),
    };

    if (!setlocale(LC_CTYPE, "C.UTF-8") || setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1) < 0)
        return 1;
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
