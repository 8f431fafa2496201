#include "deployer/progress/json.h"
#include "deployer/progress/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#define CLEANUP_PROGRESS CLEANUP(progress_free_p)

/* A terminal that knows what the drawing uses: LF, CR, CUU, ED, EL, and folds
 * long lines.  Scrolls. */
enum { ROWS = 12, COLUMNS = 60 };

struct screen {
    char cells[ROWS][COLUMNS + 1];
    size_t row, column;
    size_t scrolled;
    struct text raw;
};

static void screen_clear_from(struct screen *s, size_t row, size_t column)
{
    memset(s->cells[row] + column, ' ', COLUMNS - column);
    for (size_t i = row + 1; i < ROWS; i++)
        memset(s->cells[i], ' ', COLUMNS);
}

static void screen_line(struct screen *s)
{
    s->column = 0;
    if (++s->row < ROWS)
        return;
    s->row = ROWS - 1;
    s->scrolled++;
    memmove(s->cells[0], s->cells[1], sizeof(s->cells) - sizeof(s->cells[0]));
    memset(s->cells[ROWS - 1], ' ', COLUMNS);
}

static size_t screen_escape(struct screen *s, const char *bytes)
{
    char *end;
    unsigned long n;

    assert_int_equal(bytes[1], '[');
    n = strtoul(bytes + 2, &end, 10);
    if (*end == 'A') {
        assert_true(n <= s->row); /* never above what is visible */
        s->row -= n;
    } else if (*end == 'J')
        screen_clear_from(s, s->row, s->column);
    else if (*end == 'K')
        memset(s->cells[s->row] + s->column, ' ', COLUMNS - s->column);
    else
        assert_int_equal(*end, 'm');
    return (size_t)(end + 1 - bytes);
}

static void screen_write(const char *bytes, size_t size, void *arg)
{
    struct screen *s = arg;

    text_add(&s->raw, bytes, size);
    for (size_t i = 0; i < size;) {
        if (bytes[i] == '\033') {
            i += screen_escape(s, bytes + i);
            continue;
        }
        if (bytes[i] == '\n')
            screen_line(s);
        else if (bytes[i] == '\r')
            s->column = 0;
        else if (((unsigned char)bytes[i] & 0xc0) != 0x80) {
            if (s->column == COLUMNS)
                screen_line(s);
            s->cells[s->row][s->column++] = (unsigned char)bytes[i] < 0x80 ? bytes[i] : '?';
        }
        i++;
    }
}

static bool screen_has(const struct screen *s, const char *words)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strstr(s->cells[i], words))
            return true;
    return false;
}

static void screen_init(struct screen *s)
{
    *s = (struct screen){0};
    screen_clear_from(s, 0, 0);
}

static void write_text(const char *bytes, size_t size, void *arg)
{
    text_add(arg, bytes, size);
}

static size_t add(struct progress *p, const char *label, const char *host)
{
    size_t index = 99;

    assert_int_equal(progress_add_machine(p, label, host, &index), 0);
    return index;
}

static void event(struct progress *p, size_t machine, enum progress_kind kind, uint64_t now)
{
    struct progress_event e = {.machine = machine, .kind = kind, .number = 4};

    progress_event(p, &e, now);
}

static void start(struct progress *p, size_t machine, const char *step, uint64_t now)
{
    struct progress_event e = {.machine = machine, .kind = PROGRESS_START, .step = step};

    progress_event(p, &e, now);
}

static void result(struct progress *p, size_t machine, const char *step, enum progress_result how,
                   const char *detail, const char *lines, uint64_t now)
{
    struct progress_event e = {.machine = machine,
                               .kind = PROGRESS_RESULT,
                               .step = step,
                               .result = how,
                               .detail = detail,
                               .lines = lines};

    progress_event(p, &e, now);
}

static void unreachable(struct progress *p, size_t machine, const char *why, uint64_t now)
{
    struct progress_event e = {.machine = machine, .kind = PROGRESS_UNREACHABLE, .detail = why};

    progress_event(p, &e, now);
}

/* Two machines go well, one fails with hostile words, one is not there. */
static void play(struct progress *p)
{
    size_t a1 = add(p, "a1", "rpi-1"), a2 = add(p, "a2,a3", "rpi-2"), a4 = add(p, "a4", NULL),
           a5 = add(p, "a5", "rpi-5");

    for (size_t i = a1; i <= a4; i++) {
        event(p, i, PROGRESS_CONNECTING, 1000);
        event(p, i, PROGRESS_CHECKING, 1100);
        event(p, i, PROGRESS_PLAN, 1200);
        result(p, i, "clock", PROGRESS_OK, NULL, NULL, 1300);
    }
    event(p, a1, PROGRESS_DONE, 1400);
    start(p, a2, "apt", 2000);
    start(p, a4, "apt", 2000);
    unreachable(p, a5, "no route to host", 3000);
    result(p, a2, "apt", PROGRESS_CHANGED, "12 packages", NULL, 5200);
    result(p, a4, "apt", PROGRESS_FAILED, "exit 100", "one\nE: \033[2Jbad\xff\nlast\n", 5300);
    result(p, a4, "unit", PROGRESS_SKIPPED, NULL, NULL, 5300);
    event(p, a4, PROGRESS_DONE, 5700);
    event(p, a2, PROGRESS_DONE, 66400);
}

static void test_plain(void **state)
{
    CLEANUP_TEXT struct text out = TEXT_INIT;
    struct progress_options o = {.write = write_text, .arg = &out};
    CLEANUP_PROGRESS struct progress *p = progress_new(&o);

    (void)state;
    play(p);
    progress_tick(p, 99999);
    assert_string_equal(text_str(&out), "a1 rpi-1: ok (0.4 s)\n"
                                        "a5 rpi-5: unreachable: no route to host\n"
                                        "a2,a3 rpi-2: apt changed: 12 packages (3.2 s)\n"
                                        "a4: apt failed: exit 100 (3.3 s)\n"
                                        "a4: failed (4.4 s)\n"
                                        "a2,a3 rpi-2: changed (1 min 05 s)\n");
}

static void test_quiet(void **state)
{
    CLEANUP_TEXT struct text out = TEXT_INIT;
    struct progress_options o = {
        .write = write_text, .arg = &out, .quiet = true, .format = PROGRESS_TERMINAL};
    CLEANUP_PROGRESS struct progress *p = progress_new(&o);

    (void)state;
    play(p);
    assert_null(strchr(text_str(&out), '\033'));
    assert_null(strstr(text_str(&out), "12 packages"));
    assert_non_null(strstr(text_str(&out), "a4: apt failed"));
}

static void test_recap(void **state)
{
    CLEANUP_TEXT struct text recap = TEXT_INIT;
    struct progress_options o = {0};
    CLEANUP_PROGRESS struct progress *p = progress_new(&o);
    struct progress_counts c;

    (void)state;
    play(p);
    (void)add(p, "a6", NULL);
    progress_finish(p, 70000);
    assert_int_equal(progress_recap(p, &recap), 0);
    assert_string_equal(text_str(&recap),
                        "agent  host     ok  changed  failed  skipped         time  result\n"
                        "a1     rpi-1     1        0       0        0        0.4 s  ok\n"
                        "a2,a3  rpi-2     1        1       0        0   1 min 05 s  changed\n"
                        "a4               1        0       1        1        4.4 s  failed\n"
                        "a5     rpi-5     0        0       0        0        0.0 s  unreachable\n"
                        "a6               0        0       0        0        0.0 s  interrupted\n"
                        "\na4: apt failed: exit 100\n    one\n    E: \\x1b[2Jbad\\xff\n    last\n"
                        "\na5 rpi-5: unreachable: no route to host\n");
    progress_count(p, &c);
    assert_int_equal(c.machines, 5);
    assert_int_equal(c.ok + c.changed + c.failed + c.unreachable + c.interrupted, 5);
    assert_int_equal(c.skipped, 0);
}

/* What scrolled by on the terminal stays there; a recap that goes into a file
 * stands alone.  Steps that were skipped are told to those who want all. */
static void test_output_is_shown_once(void **state)
{
    const bool apart[] = {false, true};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        CLEANUP_TEXT struct text out = TEXT_INIT, recap = TEXT_INIT;
        struct progress_options o = {
            .write = write_text, .arg = &out, .format = PROGRESS_TERMINAL, .recap_apart = apart[i]};
        CLEANUP_PROGRESS struct progress *p = progress_new(&o);

        play(p);
        progress_finish(p, 70000);
        assert_int_equal(progress_recap(p, &recap), 0);
        assert_non_null(strstr(text_str(&out), "\n    last\n"));
        assert_non_null(strstr(text_str(&recap), "\na4: apt failed: exit 100\n"));
        assert_int_equal(strstr(text_str(&recap), "\n    last\n") != NULL, apart[i]);
    }
    {
        CLEANUP_TEXT struct text out = TEXT_INIT;
        struct progress_options o = {.write = write_text, .arg = &out, .verbose = true};
        CLEANUP_PROGRESS struct progress *p = progress_new(&o);

        play(p);
        assert_non_null(strstr(text_str(&out), "a4: unit skipped\n"));
        assert_null(strstr(text_str(&out), "    last\n"));
    }
}

static void test_json(void **state)
{
    CLEANUP_TEXT struct text out = TEXT_INIT;
    struct progress_options o = {.write = write_text, .arg = &out, .format = PROGRESS_JSON};
    CLEANUP_PROGRESS struct progress *p = progress_new(&o);
    char *save = NULL;
    size_t lines = 0;

    (void)state;
    play(p);
    progress_finish(p, 70000);
    assert_int_equal(progress_recap(p, &out), 0);
    for (char *line = strtok_r(out.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        json_t *event_json = json_loads(line, 0, NULL);

        assert_non_null(event_json);
        assert_int_equal(json_integer_value(json_object_get(event_json, "version")), 1);
        assert_null(strstr(line, ":\"\""));
        if (lines++ == 21)
            assert_string_equal(json_string_value(json_object_get(event_json, "event")), "recap");
        json_decref(event_json);
    }
    assert_int_equal(lines, 22);
}

static void test_terminal(void **state)
{
    struct screen s;
    struct progress_options o = {.format = PROGRESS_TERMINAL,
                                 .colour = true,
                                 .width = COLUMNS,
                                 .height = ROWS,
                                 .write = screen_write,
                                 .arg = &s};
    CLEANUP_PROGRESS struct progress *p = progress_new(&o);
    size_t a1, a2, size;

    (void)state;
    screen_init(&s);
    a1 = add(p, "a1", "rpi-1");
    a2 = add(p, "a2", "rpi-2");
    progress_tick(p, 1000);
    assert_true(screen_has(&s, "a1  rpi-1  [............]       waiting"));
    event(p, a1, PROGRESS_CONNECTING, 1010);
    progress_tick(p, 1020); /* too soon */
    assert_false(screen_has(&s, "connecting"));
    progress_tick(p, 1110);
    assert_true(screen_has(&s, "connecting (0.1 s)"));
    size = s.raw.size;
    progress_tick(p, 1500); /* nothing new */
    assert_int_equal(s.raw.size, size);
    event(p, a1, PROGRESS_PLAN, 1600);
    result(p, a1, "clock", PROGRESS_OK, NULL, NULL, 1600);
    start(p, a1, "a-very-long-name-of-a-step-that-cannot-fit-on-the-line", 1700);
    progress_tick(p, 1800);
    assert_true(screen_has(&s, "a1  rpi-1  [###.........]  1/4  a-very-long"));
    event(p, a2, PROGRESS_PLAN, 1800);
    result(p, a2, "apt", PROGRESS_FAILED, "exit 1", "why\nit failed", 1900);
    result(p, a2, "unit", PROGRESS_SKIPPED, "after apt", NULL, 1900);
    event(p, a2, PROGRESS_DONE, 1950);
    event(p, a1, PROGRESS_DONE, 2000);
    progress_finish(p, 2000);
    assert_memory_equal(s.cells[0], "a2 rpi-2: apt failed: exit 1 ", 29);
    assert_memory_equal(s.cells[2], "    it failed ", 14);
    assert_memory_equal(s.cells[3], "a1  rpi-1  [############]  1/4  ok (0.9 s) ", 42);
    assert_memory_equal(s.cells[4], "a2  rpi-2  [###.........]  1/4  failed: apt", 43);
    assert_memory_equal(s.cells[5], "2 of 2 done, 1 failed, 1.0 s ", 29);
    assert_int_equal(s.row, 6);
    text_clear(&s.raw);
}

static void test_more_machines_than_rows(void **state)
{
    struct screen s;
    struct progress_options o = {.format = PROGRESS_TERMINAL,
                                 .width = COLUMNS,
                                 .height = ROWS,
                                 .write = screen_write,
                                 .arg = &s};
    CLEANUP_PROGRESS struct progress *p = progress_new(&o);

    (void)state;
    screen_init(&s);
    for (unsigned i = 0; i < 100; i++) {
        char label[16];

        (void)snprintf(label, sizeof(label), "a%03u", i);
        (void)add(p, label, NULL);
    }
    progress_tick(p, 1000);
    for (size_t i = 90; i < 100; i++)
        start(p, i, "apt", 1100);
    for (size_t i = 50; i < 60; i++)
        unreachable(p, i, "no", 1200);
    progress_tick(p, 1400);
    assert_true(screen_has(&s, "a050"));
    assert_true(screen_has(&s, "a054"));
    assert_false(screen_has(&s, "a055"));
    assert_true(screen_has(&s, "a090"));
    assert_true(screen_has(&s, "10 of 100 done, 10 at work, 80 waiting"));
    assert_int_equal(s.row, ROWS - 1);
    progress_hide(p);
    assert_false(screen_has(&s, "of 100"));
    /* Half the width: what was drawn is folded now, and still goes away. */
    progress_tick(p, 2000);
    progress_resize(p, COLUMNS / 2, ROWS / 2);
    text_clear(&s.raw);
}

/* Words that are no UTF-8 are there, and valid. */
static void test_json_of_odd_bytes(void **state)
{
    json_t *o = json_object();

    (void)state;
    progress_json_add(o, "error", "disk \xff full");
    progress_json_add(o, "none", NULL);
    (void)json_object_set_new(o, "agent", progress_json_text("\xc3\x28"));
    assert_string_equal(json_string_value(json_object_get(o, "error")), "disk \\xff full");
    assert_string_equal(json_string_value(json_object_get(o, "agent")), "\\xc3(");
    assert_int_equal(json_object_size(o), 2);
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_quiet),
        cmocka_unit_test(test_recap),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_of_odd_bytes),
        cmocka_unit_test(test_output_is_shown_once),
        cmocka_unit_test(test_terminal),
        cmocka_unit_test(test_more_machines_than_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
