#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/advert/sign.h"

#define ID "0123456789abcdef"
#define OTHER_ID "0123456789abcdee"
#define HOSTKEY "SHA256:abc"

enum { PORT = 2222 };

struct record {
    uint8_t bytes[ADVERT_TXT_MAX];
    size_t size;
};

static const char *const pairs[] = {"txtvers=1", ("id=" ID), "agent=a1", "state=new",
                                    "seq=7",     "X-other",  "empty="};

/* What Python's hmac made of these pairs, the key 00 01 … 1f and this port. */
#define SIGNATURE "SH6ugcIGhxe4hgKjHHMgL4YNhu7rJxUMo271JrvAoM0"

static struct key fleet_key(void)
{
    struct key k;

    for (size_t i = 0; i < sizeof(k.bytes); i++)
        k.bytes[i] = (uint8_t)i;
    return k;
}

static void put(struct record *r, const char *pair)
{
    size_t n = strlen(pair);

    assert_true(r->size + n + 1 <= sizeof(r->bytes));
    r->bytes[r->size++] = (uint8_t)n;
    memcpy(r->bytes + r->size, pair, n);
    r->size += n;
}

static struct record unsigned_record(void)
{
    struct record r = {.size = 0};

    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
        put(&r, pairs[i]);
    return r;
}

static struct record signed_record(void)
{
    struct record r = unsigned_record();
    struct key fleet = fleet_key(), machine;

    key_derive(&fleet, ID, HOSTKEY, &machine);
    assert_int_equal(advert_sign(r.bytes, &r.size, PORT, &machine), 0);
    return r;
}

static bool verify(const struct record *r, uint16_t port, const char *id)
{
    struct key fleet = fleet_key();

    return advert_verify(r->bytes, r->size, port, id, HOSTKEY, &fleet);
}

static void test_signature_is_as_documented(void **state)
{
    struct record r = signed_record(), byhand = unsigned_record();

    (void)state;
    put(&byhand, "sig=" SIGNATURE);
    assert_int_equal(r.size, byhand.size);
    assert_memory_equal(r.bytes, byhand.bytes, r.size);
    assert_true(verify(&r, PORT, ID));
}

static void test_order_and_case_of_sig_do_not_count(void **state)
{
    struct record r = {.size = 0};

    (void)state;
    put(&r, "SIG=" SIGNATURE);
    put(&r, "");
    for (size_t i = ARRAY_SIZE(pairs); i > 0; i--)
        put(&r, pairs[i - 1]);
    assert_true(verify(&r, PORT, ID));
}

static void test_each_changed_byte_breaks_it(void **state)
{
    const struct record good = signed_record();

    (void)state;
    assert_false(verify(&good, PORT + 1, ID));
    assert_false(verify(&good, PORT, OTHER_ID));
    for (size_t i = 0; i < good.size; i++) {
        struct record r = good;

        r.bytes[i] ^= 1;
        assert_false(verify(&r, PORT, ID));
        r.bytes[i] ^= 1 ^ 0x80;
        assert_false(verify(&r, PORT, ID));
    }
    for (size_t size = 0; size < good.size; size++) {
        struct record r = good;

        r.size = size;
        assert_false(verify(&r, PORT, ID));
    }
}

static void test_added_pair_breaks_it(void **state)
{
    static const char *const more[] = {"agent2=a2",        "AGENT=a1", "agent=a1", "agent",
                                       ("sig=" SIGNATURE), "sig",      "=",        "x"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
        struct record r = signed_record();

        put(&r, more[i]);
        assert_false(verify(&r, PORT, ID));
    }
}

/* A record with a repeated key is not signed, and no signature over such a
 * record is valid. */
static void test_key_given_twice(void **state)
{
    struct record r = unsigned_record(), bare = unsigned_record();
    struct key fleet = fleet_key(), machine;

    (void)state;
    key_derive(&fleet, ID, HOSTKEY, &machine);
    put(&r, "Agent=a2");
    assert_int_equal(advert_sign(r.bytes, &r.size, PORT, &machine), -EBADMSG);
    put(&bare, "AGENT");
    assert_int_equal(advert_sign(bare.bytes, &bare.size, PORT, &machine), -EBADMSG);
    r = signed_record();
    assert_int_equal(advert_sign(r.bytes, &r.size, PORT, &machine), -EBADMSG);
}

/* A key that was made for a host key is of no use to another one, and a record without a
 * host key proves nothing. */
static void test_bound_to_the_host_key(void **state)
{
    struct record r = signed_record();
    struct key fleet = fleet_key();

    (void)state;
    assert_true(advert_verify(r.bytes, r.size, PORT, ID, HOSTKEY, &fleet));
    assert_false(advert_verify(r.bytes, r.size, PORT, ID, "SHA256:abd", &fleet));
    assert_false(advert_verify(r.bytes, r.size, PORT, ID, "", &fleet));
    assert_false(advert_verify(r.bytes, r.size, PORT, ID, NULL, &fleet));
}

static void test_room_for_it(void **state)
{
    struct key fleet = fleet_key(), machine;
    struct advert a = {.id = ID, .seq = UINT64_C(1) << 62};
    struct advert back = ADVERT_INIT;
    struct record r;
    char name[8];

    (void)state;
    key_derive(&fleet, ID, HOSTKEY, &machine);
    for (unsigned i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof(name), "a%u", i);
        assert_int_equal(strings_add(&a.agents, name), 0);
    }
    assert_true(advert_encode_within(&a, ADVERT_SIGNED_MAX, r.bytes, &r.size) > 0);
    assert_true(r.size <= ADVERT_SIGNED_MAX);
    assert_int_equal(advert_sign(r.bytes, &r.size, PORT, &machine), 0);
    assert_true(verify(&r, PORT, ID));
    assert_int_equal(advert_parse(r.bytes, r.size, &back, NULL), 0);
    assert_true(back.seq == a.seq);
    advert_clear(&back);
    assert_true(advert_encode(&a, r.bytes, &r.size) > 0);
    assert_int_equal(advert_sign(r.bytes, &r.size, PORT, &machine), -ENOSPC);
    strings_clear(&a.agents);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signature_is_as_documented),
        cmocka_unit_test(test_order_and_case_of_sig_do_not_count),
        cmocka_unit_test(test_each_changed_byte_breaks_it),
        cmocka_unit_test(test_added_pair_breaks_it),
        cmocka_unit_test(test_key_given_twice),
        cmocka_unit_test(test_bound_to_the_host_key),
        cmocka_unit_test(test_room_for_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
