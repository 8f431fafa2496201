/* What the querier keeps of answers, without sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/network/querier-private.h"

enum { LOOPBACK = 1 }; /* an interface that every host has */

struct seen {
    size_t seen, silent, too_many;
    struct sighting last;
    struct address address, full; /* of the last one; of the sender with too many */
    char host[64];
};

static void on_seen(const struct sighting *s, void *arg)
{
    struct seen *seen = arg;

    seen->seen++;
    seen->last = *s;
    seen->address = s->addresses[0];
    (void)snprintf(seen->host, sizeof(seen->host), "%s", s->host ? s->host : "");
}

static void on_unreadable(const struct sighting *s, const char *reason, void *arg)
{
    (void)s, (void)arg;
    fail_msg("unreadable: %s", reason);
}

static void on_silent(const struct sighting_key *key, bool doubted, void *arg)
{
    struct seen *seen = arg;

    (void)key, (void)doubted;
    seen->silent++;
}

static void on_too_many(const struct address *from, void *arg)
{
    struct seen *seen = arg;

    seen->too_many++;
    seen->full = from ? *from : (struct address){.family = 0};
}

static struct querier *start(struct seen *seen)
{
    static struct querier q;

    *seen = (struct seen){.seen = 0};
    memset(&q, 0, sizeof(q));
    q.again = true;
    q.round = 1; /* one question has been asked */
    q.listener = (struct querier_listener){.seen = on_seen,
                                           .unreadable = on_unreadable,
                                           .silent = on_silent,
                                           .too_many = on_too_many,
                                           .arg = seen};
    q.links.n_networks = 1;
    assert_int_equal(address_parse("10.0.0.1", &q.links.networks[0].address), 0);
    q.links.networks[0].prefix = 16;
    assert_true(sd_event_new(&q.loop) >= 0);
    return &q;
}

static void stop(struct querier *q)
{
    while (q->instances)
        instance_free(q, q->instances);
    assert_null(q->sources);
    sd_event_unref(q->loop);
}

/* Machine k's record, from 10.0.FROM; `address`: of its host, NULL: none told. */
static void hear_answer(struct querier *q, unsigned k, unsigned from, uint16_t port,
                        const char *address, struct packet p)
{
    static char txt[64];
    struct mdns_service *s = q->answer.services;
    char text[32];

    p.interface = LOOPBACK;
    (void)snprintf(text, sizeof(text), "10.0.%u.%u", from / 256, from % 256);
    assert_int_equal(address_parse(text, &p.from), 0);
    q->answer.n_services = 1;
    q->answer.n_hosts = 0;
    *s = (struct mdns_service){.located = true, .port = port, .ttl = 120, .host = "x.local"};
    (void)snprintf(s->instance, sizeof(s->instance), "dcop-%016x", k);
    (void)snprintf(txt, sizeof(txt), "\011txtvers=1\023id=%016x", k);
    s->txt = (const uint8_t *)txt;
    s->txt_size = strlen(txt);
    if (address) {
        q->answer.n_hosts = 1;
        q->answer.hosts[0] = (struct mdns_host){.name = "x.local", .n_addresses = 1};
        assert_int_equal(address_parse(address, &q->answer.hosts[0].addresses[0]), 0);
    }
    querier_take_answer(q, &p);
}

/* The same; `ours`: it answers the last question. */
static void hear(struct querier *q, unsigned k, unsigned from, uint16_t port, const char *address,
                 bool ours, bool own)
{
    hear_answer(q, k, from, port, address,
                (struct packet){.ours = ours, .round = ours ? q->round : 0, .own = own});
}

/* One sender with too many machines is said once, and keeps nobody else out. */
static void test_per_source(void **state)
{
    struct seen seen;
    struct querier *q = start(&seen);
    struct address full;

    (void)state;
    for (unsigned k = 0; k < QUERIER_PER_SOURCE_MAX; k++)
        hear(q, k, 66, 22, NULL, false, false);
    assert_int_equal(HASH_COUNT(q->instances), QUERIER_PER_SOURCE_MAX);
    assert_int_equal(seen.too_many, 0);
    for (unsigned k = 0; k < 1000; k++)
        hear(q, 0x10000 + k, 66, 22, NULL, false, false);
    assert_int_equal(HASH_COUNT(q->instances), QUERIER_PER_SOURCE_MAX);
    assert_int_equal(seen.too_many, 1);
    assert_int_equal(address_parse("10.0.0.66", &full), 0);
    assert_true(address_equal(&seen.full, &full));
    /* What it has told of already is still heard, and so is whoever else there is. */
    seen.seen = 0;
    hear(q, 7, 66, 22, NULL, false, false);
    hear(q, 0x20000, 67, 22, NULL, true, false);
    assert_int_equal(seen.seen, 2);
    assert_int_equal(HASH_COUNT(q->instances), QUERIER_PER_SOURCE_MAX + 1);
    assert_int_equal(HASH_COUNT(q->sources), 2);
    stop(q);
}

/* Many senders: the bound for all. */
static void test_all(void **state)
{
    struct seen seen;
    struct querier *q = start(&seen);

    (void)state;
    for (unsigned k = 0; k < QUERIER_INSTANCES_MAX + 10; k++)
        hear(q, k, 256 + k % 256, 22, NULL, false, false);
    assert_int_equal(HASH_COUNT(q->instances), QUERIER_INSTANCES_MAX);
    assert_int_equal(seen.too_many, 10);
    assert_int_equal(seen.full.family, 0);
    stop(q);
}

/* What is known has a place beyond both bounds, under its own name alone. */
static void test_known(void **state)
{
    CLEANUP(known_clear) struct known known = {0};
    struct seen seen;
    struct querier *q = start(&seen);

    (void)state;
    assert_int_equal(known_add(&known, "0000000000abcdef", NULL), 0);
    querier_know(q, &known);
    for (unsigned k = 0; k < QUERIER_PER_SOURCE_MAX + 10; k++)
        hear(q, k, 66, 22, NULL, false, false);
    assert_int_equal(HASH_COUNT(q->instances), QUERIER_PER_SOURCE_MAX);
    hear(q, 0xabcdef, 66, 22, NULL, true, false);
    assert_non_null(instance_find(q, LOOPBACK, "dcop-0000000000abcdef"));
    instance_free(q, instance_find(q, LOOPBACK, "dcop-0000000000abcdef"));
    for (unsigned k = 0; k < QUERIER_INSTANCES_MAX + 10; k++)
        hear(q, 0x10000 + k, 256 + k % 256, 22, NULL, false, false);
    assert_int_equal(HASH_COUNT(q->instances), QUERIER_INSTANCES_MAX);
    seen.seen = 0;
    hear(q, 0xabcdee, 80, 22, NULL, true, false);
    assert_int_equal(seen.seen, 0);
    hear(q, 0xabcdef, 80, 22, NULL, true, false);
    assert_int_equal(seen.seen, 1);
    assert_int_equal(HASH_COUNT(q->instances), QUERIER_INSTANCES_MAX + 1);
    stop(q);
}

/* Names are asked for some at a time, in turn, and not those that were heard. */
static void test_known_names(void **state)
{
    CLEANUP(known_clear) struct known known = {0};
    struct seen seen;
    struct querier *q = start(&seen);
    char id[ADVERT_ID_LENGTH + 1];

    (void)state;
    for (unsigned k = 0; k < 80; k++) {
        (void)snprintf(id, sizeof(id), "%016x", k);
        assert_int_equal(known_add(&known, id, NULL), 0);
    }
    querier_know(q, &known);
    q->links.count = 1; /* of neither protocol: nothing is sent */
    q->links.items[0] = (struct link){.interface = LOOPBACK};
    querier_ask_known(q, false);
    querier_ask_known(q, false); /* in the same second */
    assert_int_equal(q->known_next, 32);
    q->names = 0; /* the next one */
    querier_ask_known(q, false);
    assert_int_equal(q->known_next, 64);
    q->names = 0;
    querier_ask_known(q, false);
    assert_int_equal(q->known_next, 0);
    assert_int_equal(q->names, 16);
    /* Nobody has answered: all are asked again, ever later. */
    q->names = 0;
    querier_ask_known(q, false);
    assert_int_equal(q->names, 0);
    for (unsigned k = 0; k < 60; k++)
        hear(q, k, 66, 22, NULL, true, false);
    for (uint64_t pause = 2000; pause <= 256000; pause *= 2) {
        q->known_due = 0;
        q->names = 0;
        querier_ask_known(q, false);
        assert_int_equal(q->names, 20);
        assert_int_equal(q->known_pause, pause);
    }
    stop(q);
}

/* A transaction tells which of the last questions is answered, and 0 for one to a machine. */
static void test_transactions(void **state)
{
    struct seen seen;
    struct querier *q = start(&seen);

    (void)state;
    q->transaction = 0xabc0;
    for (q->round = 1; q->round < 300; q->round++) {
        assert_int_equal(querier_round_of(q, querier_transaction(q, 0)), 0);
        for (unsigned back = 0; back < q->round && back < ROUND_MASK; back++)
            assert_int_equal(querier_round_of(q, querier_transaction(q, q->round - back)),
                             q->round - back);
    }
    q->round = 3; /* questions that were not asked yet */
    assert_int_equal(querier_round_of(q, querier_transaction(q, 4)), 0);
    assert_int_equal(querier_round_of(q, querier_transaction(q, 63)), 0);
    q->round = 0;
    assert_int_equal(querier_round_of(q, querier_transaction(q, 1)), 0);
    stop(q);
}

/* Machine k answers that question to all; 0: one to it alone. */
static void answer(struct querier *q, unsigned k, unsigned round)
{
    hear_answer(q, k, 66 + k, 22, NULL, (struct packet){.ours = true, .round = round});
}

static void expect_counts(const struct querier *q, size_t machines, size_t asked, size_t unanswered)
{
    struct querier_counts counts;

    querier_count(q, &counts);
    assert_int_equal(counts.machines, machines);
    assert_int_equal(counts.asked, asked);
    assert_int_equal(counts.unanswered, unanswered);
}

/* Each answer counts once, for the question that it answers, however late it comes. */
static void test_counts(void **state)
{
    struct seen seen;
    struct querier *q = start(&seen);

    (void)state;
    q->round = 4; /* three have come together: none of them is an answer to the fourth */
    answer(q, 1, 1);
    answer(q, 1, 2);
    answer(q, 1, 3);
    expect_counts(q, 1, 3, 1);
    assert_false(querier_is_settled(q));
    answer(q, 1, 3); /* over the other protocol, too */
    answer(q, 1, 4);
    answer(q, 1, 4);
    expect_counts(q, 1, 3, 0);
    /* Heard first from its third answer, then the older ones come. */
    answer(q, 2, 3);
    expect_counts(q, 2, 4, 1);
    answer(q, 2, 1);
    expect_counts(q, 2, 6, 2);
    answer(q, 2, 2);
    answer(q, 2, 2);
    expect_counts(q, 2, 6, 1);
    /* An answer to a question for its name says nothing of the others. */
    answer(q, 3, 0);
    expect_counts(q, 2, 6, 1);
    /* The last question's answers are under way. */
    q->asked_at = querier_now_ms(q) + 1000;
    expect_counts(q, 2, 4, 0);
    answer(q, 1, 200);
    answer(q, 1, 1); /* too old to be told from a repeated one */
    q->round = 200, q->asked_at = 0;
    expect_counts(q, 2, 199 + 199, 195 + 197);
    stop(q);
}

/* Where many are missed at once, all are asked for: once, in time, and not for those that are
 * off anyway. */
static void test_missed(void **state)
{
    struct seen seen;
    struct querier *q = start(&seen);
    uint64_t now = querier_now_ms(q);

    (void)state;
    q->links.count = 0; /* nothing is sent */
    q->asked_at = now - 500;
    q->ask_due = now + 30000;
    for (unsigned k = 0; k < 100; k++)
        querier_ask(q, "dcop-0000000000000001", false);
    assert_false(q->many_missed);
    assert_int_equal(q->ask_due, now + 30000);
    for (unsigned k = 0; k < 100; k++)
        querier_ask(q, "dcop-0000000000000001", true);
    assert_true(q->many_missed);
    assert_in_range(q->ask_due, now + 500, now + 510);
    q->again = q->many_missed = false; /* a single look asks often as it is */
    querier_ask(q, "dcop-0000000000000001", true);
    assert_false(q->many_missed);
    stop(q);
}

/* What nobody tells of any more expires, and makes room; what has answered stays for
 * as long as a PTR record would. */
static void test_expiry(void **state)
{
    struct seen seen;
    struct querier *q = start(&seen);
    uint64_t now = querier_now_ms(q);
    struct instance *told, *answered;

    (void)state;
    hear(q, 1, 66, 22, NULL, false, false);
    hear(q, 2, 66, 22, NULL, true, false);
    told = instance_find(q, LOOPBACK, "dcop-0000000000000001");
    answered = instance_find(q, LOOPBACK, "dcop-0000000000000002");
    assert_non_null(told);
    assert_non_null(answered);
    assert_in_range(told->expires, now + 119 * 1000, now + 130 * 1000);
    assert_in_range(answered->expires, now + 4499 * 1000, now + 4510 * 1000);
    querier_drop_gone(q);
    assert_int_equal(seen.silent, 0);
    told->expires = now;
    querier_drop_gone(q);
    assert_int_equal(seen.silent, 1);
    assert_int_equal(HASH_COUNT(q->instances), 1);
    assert_int_equal(q->sources->count, 1);
    stop(q);
}

/* A host that only speaks IPv6 any more has lost its IPv4 address. */
static void test_address_expiry(void **state)
{
    struct seen seen;
    struct querier *q = start(&seen);
    struct instance *i;

    (void)state;
    hear(q, 1, 66, 22, "10.0.0.66", true, false);
    i = instance_find(q, LOOPBACK, "dcop-0000000000000001");
    assert_non_null(i);
    i->addresses[0].told = querier_now_ms(q);
    hear(q, 1, 67, 22, NULL, true, false);
    assert_int_equal(i->n_addresses, 1);
    i->addresses[0].told = 0;
    hear(q, 1, 67, 22, NULL, true, false);
    assert_int_equal(i->n_addresses, 0);
    stop(q);
}

/* The record goes on with what is wrong with it, so that it can be named. */
static void test_unusable(void **state)
{
    struct seen seen;
    struct querier *q = start(&seen);
    char text[ADDRESS_TEXT_MAX];

    (void)state;
    hear(q, 1, 66, 0, "10.0.0.66", true, false);
    assert_int_equal(seen.seen, 1);
    assert_int_equal(seen.last.port, 0);
    hear(q, 2, 66, 22, "127.0.0.1", true, false);
    address_format(&seen.address, text);
    assert_string_equal(text, "127.0.0.1");
    hear(q, 2, 66, 22, NULL, true, false); /* the address record did not come with it */
    address_format(&seen.address, text);
    assert_string_equal(text, "127.0.0.1");
    hear(q, 2, 66, 22, "10.0.0.66", true, false);
    address_format(&seen.address, text);
    assert_string_equal(text, "10.0.0.66");
    /* Without any address record: where it came from. */
    hear(q, 3, 67, 22, NULL, true, false);
    address_format(&seen.address, text);
    assert_string_equal(text, "10.0.0.67");
    /* This host's own address: right in what it announces itself, also when a reflector
     * repeats that. */
    hear(q, 4, 66, 22, "10.0.0.1", true, false);
    assert_false(seen.last.own);
    hear(q, 5, 1, 22, "10.0.0.1", true, true);
    assert_true(seen.last.own);
    hear(q, 5, 66, 22, "10.0.0.1", true, false);
    assert_true(seen.last.own);
    assert_int_equal(seen.last.n_addresses, 1);
    stop(q);
}

/* With a fleet key: an unsigned record under a signed one's name is a reason to ask, at
 * most once in a while; one of an unknown name is none. */
static void test_doubt(void **state)
{
    struct seen seen;
    struct querier *q = start(&seen);
    struct instance *i;

    (void)state;
    hear(q, 1, 66, 22, NULL, true, false);
    q->signed_only = true;
    hear(q, 2, 66, 22, NULL, false, false);
    assert_int_equal(q->n_confirms, 0);
    hear(q, 1, 67, 22, NULL, false, false);
    assert_int_equal(q->n_confirms, 1);
    assert_string_equal(q->confirms[0].instance, "dcop-0000000000000001");
    assert_true(q->confirms[0].doubted);
    assert_int_equal(seen.seen, 1);
    querier_end_confirm(q, &q->confirms[0]);
    hear(q, 1, 67, 22, NULL, false, false);
    assert_int_equal(q->n_confirms, 0);
    i = instance_find(q, LOOPBACK, "dcop-0000000000000001");
    assert_non_null(i);
    i->doubted = 1;
    hear(q, 1, 67, 22, NULL, false, false);
    assert_int_equal(q->n_confirms, 1);
    stop(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),          cmocka_unit_test(test_known_names),
        cmocka_unit_test(test_per_source),     cmocka_unit_test(test_all),
        cmocka_unit_test(test_transactions),   cmocka_unit_test(test_counts),
        cmocka_unit_test(test_missed),         cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_address_expiry), cmocka_unit_test(test_unusable),
        cmocka_unit_test(test_doubt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
