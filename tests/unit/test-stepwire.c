#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/param.h>

#include "deployer/job/stepwire.h"

#define NONCE "0123456789abcdef0123456789abcdef"
#define HELLO "dcop-step 1 " NONCE "\thave\n"

/* What the handler saw, one line an event. */
static void record(const struct stepwire_event *e, void *arg)
{
    text_addf(arg, "%d%s %u %s [%s] [%s] [%s]\n", e->kind, e->wanted ? " want" : "", e->number,
              step_status_name(e->status), e->name, e->detail, e->lines);
}

/* Events apart from a stream's bytes. */
static void separate(const struct stepwire_event *e, void *arg)
{
    struct text **both = arg;

    if (e->size)
        text_add(both[1], e->bytes, e->size);
    else
        record(e, both[0]);
}

static int feed(const char *bytes, size_t piece, struct text *seen, struct error *err)
{
    struct stepwire w;
    size_t size = strlen(bytes);
    int r = 0;

    stepwire_init(&w, NONCE, 0, record, seen);
    for (size_t at = 0; at < size && r == 0; at += piece)
        r = stepwire_feed(&w, bytes + at, size - at < piece ? size - at : piece, err);
    stepwire_clear(&w);
    return r;
}

static void reads_a_run_in_pieces_of_any_size(void **unused)
{
    static const char run[] = "Welcome!\n" HELLO "plan\t2\ncheck\tapt\tchange\t3%20packages\n"
                              "start\tapt\nresult\tapt\tchanged\tdone\ta%0Ab\n"
                              "fact\tid\tabc\nfuture\tthing\nend\tok\nend\tfailed\n";
    static const char want[] =
        "0 0 ok [] [] []\n1 2 ok [] [] []\n2 0 change [apt] [3 packages] []\n"
        "3 0 ok [apt] [] []\n4 0 changed [apt] [done] [a\nb]\n"
        "5 0 ok [id] [abc] []\n8 0 ok [] [] []\n";

    (void)unused;
    for (size_t piece = 1; piece < sizeof(run); piece++) {
        CLEANUP_TEXT struct text seen = TEXT_INIT;
        struct error err = {0};

        assert_int_equal(feed(run, piece, &seen, &err), 0);
        assert_string_equal(text_str(&seen), want);
    }
}

#define BUNDLE "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void the_hello_tells_of_bundles(void **unused)
{
    static const struct {
        const char *words, *seen;
    } hellos[] = {
        {"want", "0 want 0 ok [] [] []\n"},
        {"want\t" BUNDLE, "0 want 0 ok [] [" BUNDLE "] []\n"},
        {"want\t" BUNDLE "\t" BUNDLE "\t" BUNDLE,
         "0 want 0 ok [] [" BUNDLE "\t" BUNDLE "\t" BUNDLE "] []\n"},
        {"want\t" BUNDLE "\t" BUNDLE "\t" BUNDLE "\t" BUNDLE, ""},
        {"want\t" BUNDLE "0", ""},
        {"want\tabc", ""},
        {"want\t", ""},
        {"want " BUNDLE, ""},
        {"have\t" BUNDLE, ""},
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(hellos); i++) {
        CLEANUP_TEXT struct text seen = TEXT_INIT, line = TEXT_INIT;

        text_addf(&line, "dcop-step 1 " NONCE "\t%s\n", hellos[i].words);
        assert_int_equal(feed(text_str(&line), 9, &seen, NULL), 0);
        assert_string_equal(text_str(&seen), hellos[i].seen);
    }
}

static void a_stopped_run_has_left_its_steps(void **unused)
{
    CLEANUP_TEXT struct text seen = TEXT_INIT;

    (void)unused;
    assert_int_equal(
        feed(HELLO "alive\nresult\tapt\tskipped\tstopped\t\nend\tskipped\n", 9, &seen, NULL), 0);
    assert_non_null(strstr(text_str(&seen), "4 0 skipped [apt] [stopped] []\n"
                                            "8 0 skipped [] [] []\n"));
}

static void says_nothing_before_the_right_hello(void **unused)
{
    static const char *const strangers[] = {
        "dcop-step 1 ffffffffffffffffffffffffffffffff\thave\nplan\t1\n",
        "dcop-step 2 " NONCE "\thave\nplan\t1\n",
        "dcop-step 1 " NONCE "\nplan\t1\n",
        "dcop-step 1 " NONCE "\thave it\nplan\t1\n",
        " dcop-step 1 " NONCE "\thave\nplan\t1\n",
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(strangers); i++) {
        CLEANUP_TEXT struct text seen = TEXT_INIT;

        assert_int_equal(feed(strangers[i], 7, &seen, NULL), 0);
        assert_string_equal(text_str(&seen), "");
    }
}

static void refuses_what_is_broken(void **unused)
{
    static const char *const broken[] = {
        HELLO "plan\t65\n",    HELLO "plan\tmany\n",     HELLO "check\tapt\tperhaps\n",
        HELLO "check\t\tok\n", HELLO "check\ta b\tok\n", HELLO "start\t%zz\n",
        HELLO "start\t%00\n",
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        CLEANUP_TEXT struct text seen = TEXT_INIT;
        struct error err = {0};

        assert_int_equal(feed(broken[i], 100, &seen, &err), -EPROTO);
        assert_true(err.text[0] != '\0');
    }
}

static void bounds_noise_and_lines(void **unused)
{
    CLEANUP_TEXT struct text noise = TEXT_INIT, seen = TEXT_INIT;
    struct error err = {0};

    (void)unused;
    for (int i = 0; i < STEPWIRE_NOISE_MAX / 64 - 2; i++)
        text_adds(&noise, "123456789012345678901234567890123456789012345678901234567890123\n");
    text_adds(&noise, HELLO);
    assert_int_equal(feed(text_str(&noise), 999, &seen, &err), 0);
    assert_string_equal(text_str(&seen), "0 0 ok [] [] []\n");

    text_reset(&noise);
    for (int i = 0; i <= STEPWIRE_NOISE_MAX / 8; i++)
        text_adds(&noise, "noise...");
    assert_int_equal(feed(text_str(&noise), 999, &seen, &err), -EPROTO);

    text_reset(&noise);
    text_adds(&noise, HELLO "fact\tx\t");
    for (int i = 0; i < STEPWIRE_LINE_MAX; i++)
        text_addc(&noise, 'x');
    text_addc(&noise, '\n');
    assert_int_equal(feed(text_str(&noise), 999, &seen, &err), -EPROTO);
}

static void makes_utf8_of_anything(void **unused)
{
    CLEANUP_TEXT struct text seen = TEXT_INIT;

    (void)unused;
    assert_int_equal(feed(HELLO "busy\t%FFpi%C3%A9%C3\n", 5, &seen, NULL), 0);
    assert_string_equal(text_str(&seen), "0 0 ok [] [] []\n6 0 ok [] [?pié?] []\n");
}

static void hands_a_stream_on_as_it_comes(void **unused)
{
    static const char run[] = HELLO "diff\thosts\t%2B127.0.1.1%09me%0A\nnote\twaiting\nstream\n"
                                    "end\tok\n\xff%zz no newline, no event";

    (void)unused;
    for (size_t piece = 1; piece < sizeof(run); piece++) {
        CLEANUP_TEXT struct text events = TEXT_INIT, bytes = TEXT_INIT;
        struct stepwire w;
        struct text *both[] = {&events, &bytes};

        stepwire_init(&w, NONCE, 100, separate, both);
        for (size_t at = 0; at < sizeof(run) - 1; at += piece)
            assert_int_equal(stepwire_feed(&w, run + at, MIN(piece, sizeof(run) - 1 - at), NULL),
                             0);
        stepwire_clear(&w);
        assert_string_equal(text_str(&events),
                            "0 0 ok [] [] []\n9 0 ok [hosts] [+127.0.1.1\tme\n] []\n"
                            "10 0 ok [] [waiting] []\n11 0 ok [] [] []\n");
        assert_string_equal(text_str(&bytes), "end\tok\n\xff%zz no newline, no event");
    }
}

/* As many lines as fit, and one more. */
static void bounds_what_a_session_says(void **unused)
{
    static const struct {
        const char *line;
        unsigned most;
    } kinds[] = {
        {"check\tapt\tok\tyes\n", STEPWIRE_STEPS_MAX},
        {"start\tapt\n", STEPWIRE_STEPS_MAX},
        {"result\tapt\tskipped\tno\t\n", STEPWIRE_STEPS_MAX},
        {"fact\tid\tabc\n", STEPWIRE_FACTS_MAX},
        {"note\tabc\n", STEPWIRE_NOTES_MAX},
        {"diff\tapt\tabc\n", STEPWIRE_DIFFS_MAX},
        {"plan\t3\n", STEPWIRE_OTHERS_MAX},
        {"busy\tme\n", STEPWIRE_OTHERS_MAX},
        {"refused\tno\n", STEPWIRE_OTHERS_MAX},
        {"want\tcache\n", STEPWIRE_OTHERS_MAX},
        {"alive\n", STEPWIRE_EVENTS_MAX},
        {"future\tthing\n", STEPWIRE_EVENTS_MAX},
        {"end\tok\n", STEPWIRE_EVENTS_MAX}, /* all but the first are passed over */
    };

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        CLEANUP_TEXT struct text said = TEXT_INIT, seen = TEXT_INIT;
        struct error err = {0};

        text_adds(&said, HELLO);
        for (unsigned n = 0; n < kinds[i].most; n++)
            text_adds(&said, kinds[i].line);
        assert_int_equal(feed(text_str(&said), 4096, &seen, &err), 0);
        text_adds(&said, kinds[i].line);
        assert_int_equal(feed(text_str(&said), 4096, &seen, &err), -EPROTO);
        assert_non_null(strstr(err.text, "more than"));
    }
}

static void bounds_the_bytes_of_a_session(void **unused)
{
    CLEANUP_TEXT struct text said = TEXT_INIT, seen = TEXT_INIT;
    struct error err = {0};

    (void)unused;
    text_adds(&said, HELLO);
    for (unsigned n = 0; n * 4000 < STEPWIRE_BYTES_MAX; n++)
        text_addf(&said, "diff\tapt\t%04000d\n", 0);
    assert_int_equal(feed(text_str(&said), 4096, &seen, &err), -EPROTO);
    assert_non_null(strstr(err.text, "bytes of events"));
}

static void streams_only_where_a_command_was_asked_for(void **unused)
{
    static const char said[] = HELLO "stream\n0123456789";
    static const struct {
        uint64_t most;
        int result;
    } bounds[] = {{0, -EPROTO}, {9, -EPROTO}, {10, 0}, {STEPWIRE_STREAM_ENDLESS, 0}};

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
        CLEANUP_TEXT struct text events = TEXT_INIT, bytes = TEXT_INIT;
        struct text *both[] = {&events, &bytes};
        struct error err = {0};
        struct stepwire w;
        int r = 0;

        stepwire_init(&w, NONCE, bounds[i].most, separate, both);
        for (size_t at = 0; at < sizeof(said) - 1 && r == 0; at += 3)
            r = stepwire_feed(&w, said + at, MIN(3, sizeof(said) - 1 - at), &err);
        stepwire_clear(&w);
        assert_int_equal(r, bounds[i].result);
        assert_true(bytes.size <= bounds[i].most);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_run_in_pieces_of_any_size),
        cmocka_unit_test(the_hello_tells_of_bundles),
        cmocka_unit_test(a_stopped_run_has_left_its_steps),
        cmocka_unit_test(says_nothing_before_the_right_hello),
        cmocka_unit_test(refuses_what_is_broken),
        cmocka_unit_test(bounds_noise_and_lines),
        cmocka_unit_test(bounds_what_a_session_says),
        cmocka_unit_test(bounds_the_bytes_of_a_session),
        cmocka_unit_test(streams_only_where_a_command_was_asked_for),
        cmocka_unit_test(makes_utf8_of_anything),
        cmocka_unit_test(hands_a_stream_on_as_it_comes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
