/* The advert: what is written is read back, and invalid records are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "discovery/advert/advert.h"

#define ID "0123456789abcdef"
#define HK "SHA256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0"

/* A record from strings; NULL ends them. */
struct record {
    uint8_t bytes[4096];
    size_t size;
};

static void add(struct record *r, const char *bytes, size_t size)
{
    assert_true(size <= 255 && r->size + size < sizeof(r->bytes));
    r->bytes[r->size++] = (uint8_t)size;
    memcpy(r->bytes + r->size, bytes, size);
    r->size += size;
}

static struct record record(const char *first, ...)
{
    struct record r = {.size = 0};
    va_list args;

    va_start(args, first);
    for (const char *s = first; s; s = va_arg(args, const char *))
        add(&r, s, strlen(s));
    va_end(args);
    return r;
}

static struct advert parse(const struct record *r)
{
    struct advert a = ADVERT_INIT;
    struct error err = {0};

    if (advert_parse(r->bytes, r->size, &a, &err) < 0)
        fail_msg("%s", err.text);
    return a;
}

static void assert_refused(const uint8_t *bytes, size_t size, const char *words)
{
    struct advert a = {.state = ADVERT_STATE_FAILED};
    struct error err = {0};

    assert_int_equal(advert_parse(bytes, size, &a, &err), -EBADMSG);
    if (!strstr(err.text, words))
        fail_msg("'%s' lacks '%s'", err.text, words);
    assert_int_equal(a.state, ADVERT_STATE_FAILED); /* untouched */
}

static void refuse(struct record r, const char *words)
{
    assert_refused(r.bytes, r.size, words);
}

static void test_round_trip(void **state)
{
    CLEANUP(advert_clear)
    struct advert a = {.id = ID,
                       .fleet = strdup("lab-1"),
                       .user = strdup("pi"),
                       .hostkey = strdup(HK),
                       .os = strdup("debian-13"),
                       .arch = strdup("arm64"),
                       .python = strdup("3.13"),
                       .model = strdup("Raspberry Pi 5 Model B"),
                       .state = ADVERT_STATE_RUNNING,
                       .pydcop = strdup("0.1.1"),
                       .error = strdup("beacon.conf:2: wrong")};
    struct record r;

    (void)state;
    for (unsigned i = 1; i <= 30; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "agent %u", i);
        assert_int_equal(strings_add(&a.agents, name), 0);
    }
    assert_int_equal(advert_encode(&a, r.bytes, &r.size), 0);
    assert_memory_equal(r.bytes, "\x09txtvers=1", 10); /* RFC 6763 §6.7: first */
    CLEANUP(advert_clear) struct advert b = parse(&r);
    assert_true(advert_equal(&a, &b));
    free(b.pydcop);
    b.pydcop = NULL;
    assert_false(advert_equal(&a, &b));
}

static void test_least(void **state)
{
    struct record r = record("id=" ID, "txtvers=1", NULL); /* any order */
    CLEANUP(advert_clear) struct advert a = parse(&r);

    (void)state;
    assert_string_equal(a.id, ID);
    assert_int_equal(a.agents.count, 0);
    assert_int_equal(a.state, ADVERT_STATE_UNKNOWN);
    assert_null(a.fleet);
    assert_null(a.error);
}

static void test_refused(void **state)
{
    static const uint8_t runs_over[] = "\x09txtvers=1\x14id=" ID;

    (void)state;
    refuse(record(NULL), "no txtvers");
    refuse(record("", NULL), "no txtvers");
    refuse(record("id=" ID, NULL), "no txtvers");
    refuse(record("txtvers=2", "id=" ID, NULL), "txtvers is not 1");
    refuse(record("txtvers=11", "id=" ID, NULL), "txtvers is not 1");
    refuse(record("txtvers=", "id=" ID, NULL), "txtvers is not 1");
    refuse(record("txtvers", "id=" ID, NULL), "txtvers is not 1");
    refuse(record("txtvers=1", NULL), "no valid id");
    refuse(record("txtvers=1", "id=", NULL), "no valid id");
    refuse(record("txtvers=1", "id", NULL), "no valid id");
    refuse(record("txtvers=1", "id=" ID "0", NULL), "no valid id");
    refuse(record("txtvers=1", "id=0123456789abcde", NULL), "no valid id");
    refuse(record("txtvers=1", "id=0123456789ABCDEF", NULL), "no valid id");
    refuse(record("txtvers=1", "xid=" ID, NULL), "no valid id");
    /* Every cut: inside a string the length is wrong, between two strings one
     * is missing. */
    for (size_t size = 0; size < sizeof(runs_over) - 1; size++)
        assert_refused(runs_over, size, size == 10 ? "no valid id" : size ? "a length" : "txtvers");
    assert_refused((const uint8_t *)"\xff", 1, "a length");
}

static void test_too_large(void **state)
{
    struct record r = record("txtvers=1", "id=" ID, NULL);
    char filler[255] = {0};

    (void)state;
    memset(filler, 'x', sizeof(filler));
    while (r.size + 256 <= ADVERT_TXT_MAX)
        add(&r, filler, 255);
    add(&r, filler, ADVERT_TXT_MAX - r.size - 1);
    assert_int_equal(r.size, ADVERT_TXT_MAX);
    CLEANUP(advert_clear) struct advert a = parse(&r);
    assert_string_equal(a.id, ID);
    r.bytes[r.size++] = 0;
    refuse(r, "larger");
}

static void test_case_and_duplicates(void **state)
{
    struct record r = record("TxtVers=1", "ID=" ID, "id=fedcba9876543210", "Fleet=one", "fLEET=two",
                             "AGENT=a", "agent=b", "txtvers=2", "state=running", "state=new", NULL);
    CLEANUP(advert_clear) struct advert a = parse(&r);

    (void)state;
    assert_string_equal(a.id, ID);
    assert_string_equal(a.fleet, "one");
    assert_int_equal(a.agents.count, 1);
    assert_string_equal(a.agents.items[0], "a");
    assert_int_equal(a.state, ADVERT_STATE_RUNNING);
}

static void test_agents(void **state)
{
    struct record r = record("txtvers=1", "id=" ID, "agent3=c", "agent=a", "agent2=b", "agent02=x",
                             "agent0=x", "agent1=x", "agent5=after the gap", "agent2x=x",
                             "agents=x", "agent9999=x", "agent651=x", NULL);
    CLEANUP(advert_clear) struct advert a = parse(&r);

    (void)state;
    assert_int_equal(a.agents.count, 3);
    assert_string_equal(a.agents.items[0], "a");
    assert_string_equal(a.agents.items[1], "b");
    assert_string_equal(a.agents.items[2], "c");

    struct record none = record("txtvers=1", "id=" ID, "agent2=b", NULL);
    CLEANUP(advert_clear) struct advert gap = parse(&none);
    assert_int_equal(gap.agents.count, 0);

    /* Invalid names do not hide the names after them; a repeated name counts
     * once. */
    struct record odd = record("txtvers=1", "id=" ID, "agent=", "agent2=a\nb", "agent3=\xff",
                               "agent4=a=b", "agent5=a=b", "agent6=\x1b[0m", NULL);
    CLEANUP(advert_clear) struct advert b = parse(&odd);
    assert_int_equal(b.agents.count, 2);
    assert_string_equal(b.agents.items[0], "a=b");
    assert_string_equal(b.agents.items[1], "\x1b[0m"); /* see text_add_printable */
}

static void test_wrong_values_are_left_out(void **state)
{
    struct record r =
        record("txtvers=1", "id=" ID, "fleet=x", "fleet=UP", "user=0", "user=-x", "hk=SHA256:short",
               "hk=MD5:00", "os=a b", "os=\x1b", "arch=", "py=\n", "model=", "pydcop=\xc3\xa9",
               "state=exploded", "=", "=x", "novalue", "err=", NULL);

    (void)state;
    add(&r, "fleet=a\0b", 9);
    CLEANUP(advert_clear) struct advert a = parse(&r);
    struct advert least = {.id = ID};
    assert_true(advert_equal(&a, &least));
}

static void test_names_that_do_not_fit(void **state)
{
    char name[128];

    (void)state;
    /* Numbers of all lengths, so that the complaint's own length changes. */
    for (size_t count = 1; count <= 1200; count += count < 200 ? 1 : 97) {
        CLEANUP(advert_clear) struct advert a = {.id = ID, .error = strdup("first error")};
        CLEANUP(advert_clear) struct advert b = ADVERT_INIT;
        struct record r;
        char words[64];
        int left;

        for (size_t i = 0; i < count; i++) {
            (void)snprintf(name, sizeof(name), "name%zu", i);
            assert_int_equal(strings_add(&a.agents, name), 0);
        }
        left = advert_encode(&a, r.bytes, &r.size);
        assert_true(left >= 0 && r.size <= ADVERT_TXT_MAX);
        b = parse(&r);
        assert_int_equal(b.agents.count, count - (size_t)left);
        (void)snprintf(words, sizeof(words), "%d of %zu agent names do not fit", left, count);
        if (left == 0)
            assert_string_equal(b.error, "first error");
        else
            assert_non_null(strstr(b.error, words));
        assert_non_null(strstr(b.error, "first error"));
    }
}

static void test_encode_leaves_out(void **state)
{
    CLEANUP(advert_clear)
    struct advert a = {.id = ID,
                       .fleet = strdup("UP"),
                       .model = strdup("two\nlines"),
                       .os = strdup("x y"),
                       .state = (enum advert_state)77};
    struct record r;
    char name[300];

    (void)state;
    memset(name, 'n', sizeof(name));
    name[246] = '\0';
    assert_int_equal(strings_add(&a.agents, "a"), 0);
    assert_int_equal(strings_add(&a.agents, ""), 0);
    assert_int_equal(strings_add(&a.agents, "b\nc"), 0);
    assert_int_equal(strings_add(&a.agents, name), 0);
    name[246] = 'n';
    name[247] = '\0';
    assert_int_equal(strings_add(&a.agents, name), 0);
    assert_int_equal(strings_add(&a.agents, "last"), 0);
    assert_int_equal(advert_encode(&a, r.bytes, &r.size), 3);
    CLEANUP(advert_clear) struct advert b = parse(&r);
    assert_int_equal(b.agents.count, 3);
    assert_string_equal(b.agents.items[2], "last");
    assert_null(b.fleet);
    assert_null(b.model);
    assert_null(b.os);
    assert_int_equal(b.state, ADVERT_STATE_UNKNOWN);
    assert_non_null(strstr(b.error, "3 of 6"));
}

static void test_long_error_is_cut_between_characters(void **state)
{
    CLEANUP(advert_clear) struct advert a = {.id = ID};
    CLEANUP_TEXT struct text words = TEXT_INIT;
    struct record r;

    (void)state;
    text_adds(&words, "x");
    for (unsigned i = 0; i < 300; i++)
        text_adds(&words, "é");
    a.error = text_take(&words);
    assert_int_equal(advert_encode(&a, r.bytes, &r.size), 0);
    CLEANUP(advert_clear) struct advert b = parse(&r);
    assert_int_equal(strlen(b.error), ADVERT_ERROR_MAX - 1);
}

static void test_forms(void **state)
{
    char fleet[65];

    (void)state;
    memset(fleet, 'f', sizeof(fleet));
    fleet[63] = '\0';
    assert_false(advert_fleet_valid(fleet));
    fleet[62] = '\0';
    assert_true(advert_fleet_valid(fleet));
    assert_false(advert_fleet_valid("a"));
    assert_false(advert_fleet_valid("a_b"));
    assert_true(advert_user_valid("_x-1"));
    assert_true(advert_user_valid("abcdefghijklmnopqrstuvwxyz012345"));
    assert_false(advert_user_valid("abcdefghijklmnopqrstuvwxyz0123456"));
    assert_false(advert_user_valid(""));
    assert_false(advert_user_valid("Pi"));
    assert_false(advert_agent_valid("", 0));
    assert_false(advert_agent_valid("a\0b", 3));
    assert_false(advert_agent_valid("\xed\xa0\x80", 3)); /* a surrogate */
    assert_true(advert_agent_valid("\xf0\x9f\xa4\x96", 4));
    assert_string_equal(advert_state_name(ADVERT_STATE_NEW), "new");
    assert_null(advert_state_name(ADVERT_STATE_UNKNOWN));
    assert_int_equal(advert_state_from_name("NEW"), ADVERT_STATE_UNKNOWN);
}

static void test_names(void **state)
{
    static const char id[] = "0123456789abcdef";
    static const struct {
        const char *instance;
        bool taken;
    } cases[] = {
        {"dcop-0123456789abcdef", true},
        {"dcop-0123456789abcdef #2", true},
        {"dcop-0123456789abcdef #10", true},
        {"dcop-0123456789abcdef #999", true},
        {"dcop-0123456789abcdef #1000", false},
        {"dcop-0123456789abcdef #", false},
        {"dcop-0123456789abcdef #x", false},
        {"dcop-0123456789abcdef-2", false},
        {"dcop-0123456789abcde", false},
        {"dcop-", false},
        {"", false},
        {"0123456789abcdef", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(advert_is_name_of(cases[i].instance, id), cases[i].taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_least),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_case_and_duplicates),
        cmocka_unit_test(test_agents),
        cmocka_unit_test(test_wrong_values_are_left_out),
        cmocka_unit_test(test_names_that_do_not_fit),
        cmocka_unit_test(test_encode_leaves_out),
        cmocka_unit_test(test_long_error_is_cut_between_characters),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests_name("advert", tests, NULL, NULL);
}
