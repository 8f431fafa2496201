/* Envelopes: what is sealed is opened by its passphrase alone; a file with any bit changed,
 * cut, or out of bounds is refused with words. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "deployer/move/envelope.h"
#include "discovery/base/digest.h"

static const char content[] = "fleet key, pins and names";
static const struct envelope_cost cheap = {1, 8};

static struct secret *passphrase, *other;

static int setup(void **state)
{
    (void)state;
    return secret_new("correct horse", 13, &passphrase, NULL) +
           secret_new("correct horsf", 13, &other, NULL);
}

static int teardown(void **state)
{
    (void)state;
    secret_free(passphrase);
    secret_free(other);
    return 0;
}

static void seal(struct text *ret)
{
    assert_int_equal(envelope_seal(content, sizeof(content), passphrase, &cheap, ret, NULL), 0);
}

/* As one who has made the file himself: its digest is right. */
static void set_digest(struct text *file)
{
    size_t size = file->size - DIGEST_SIZE;

    digest_sha256(file->data, size, (uint8_t *)file->data + size);
}

static int open_with(const struct text *file, const struct secret *secret, struct error *err)
{
    unsigned char *got = NULL;
    size_t size = 0;
    int r = envelope_open("x.dcop", file->data, file->size, secret, &got, &size, err);

    if (r < 0) {
        assert_null(got);
        return r;
    }
    assert_int_equal(size, sizeof(content));
    assert_memory_equal(got, content, size);
    sodium_free(got);
    return 0;
}

static void test_there_and_back(void **state)
{
    CLEANUP_TEXT struct text one = TEXT_INIT, two = TEXT_INIT;
    struct error err = {0};

    (void)state;
    seal(&one);
    seal(&two);
    assert_memory_equal(one.data, "dcop-export 1\n", 14);
    assert_int_equal(one.size, two.size);
    assert_memory_not_equal(one.data + 22, two.data + 22, one.size - 22); /* salt, nonce */
    assert_null(memmem(one.data, one.size, "pins", 4));
    assert_int_equal(open_with(&one, passphrase, &err), 0);
    assert_int_equal(open_with(&one, other, &err), -EINVAL);
    assert_string_equal(err.text, "the passphrase is not the one of x.dcop");
}

static void test_nothing_is_content_too(void **state)
{
    CLEANUP_TEXT struct text file = TEXT_INIT;
    unsigned char *got = NULL;
    size_t size = 1;

    (void)state;
    assert_int_equal(envelope_seal("", 0, passphrase, &cheap, &file, NULL), 0);
    assert_int_equal(envelope_open("x", file.data, file.size, passphrase, &got, &size, NULL), 0);
    assert_int_equal(size, 0);
    sodium_free(got);
}

static void test_each_bit_counts(void **state)
{
    CLEANUP_TEXT struct text file = TEXT_INIT;

    (void)state;
    seal(&file);
    for (size_t bit = 0; bit < 8 * file.size; bit++) {
        struct error err = {0};

        file.data[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(envelope_check("x.dcop", file.data, file.size, &err), -EBADMSG);
        assert_non_null(strstr(err.text, "x.dcop"));
        assert_int_equal(open_with(&file, passphrase, &err), -EBADMSG);
        file.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_int_equal(open_with(&file, passphrase, NULL), 0);
}

/* With a digest that fits, the cipher refuses it, whatever the bit is. */
static void test_each_bit_is_authenticated(void **state)
{
    CLEANUP_TEXT struct text file = TEXT_INIT;

    (void)state;
    seal(&file);
    for (size_t bit = 14 * 8; bit < 8 * (file.size - DIGEST_SIZE); bit++) {
        struct error err = {0};
        int r;

        if (bit / 8 == 18 || bit / 8 == 19) /* up to a GiB of memory */
            continue;
        file.data[bit / 8] ^= (char)(1 << bit % 8);
        set_digest(&file);
        r = open_with(&file, passphrase, &err);
        assert_true(r == -EINVAL || (r == -EBADMSG && strstr(err.text, "passes")));
        file.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    set_digest(&file);
    assert_int_equal(open_with(&file, passphrase, NULL), 0);
}

static void test_cut(void **state)
{
    CLEANUP_TEXT struct text file = TEXT_INIT;

    (void)state;
    seal(&file);
    for (size_t size = 0; size < file.size; size++) {
        /* Of its own size, so that a sanitizer sees what is read behind it. */
        CLEANUP_FREE char *part = malloc(size + 1);
        struct error err = {0};

        assert_non_null(part);
        part = realloc(part, size ? size : 1);
        memcpy(part, file.data, size);
        assert_int_equal(envelope_check("x.dcop", part, size, &err), -EBADMSG);
        assert_non_null(strstr(err.text, size < 12 ? "not a file that" : "cut"));
    }
}

static void set_number(struct text *file, size_t at, uint32_t n)
{
    for (int i = 0; i < 4; i++)
        file->data[at + (size_t)i] = (char)(n >> (24 - 8 * i));
    set_digest(file);
}

static void test_bounds(void **state)
{
    static const struct {
        uint32_t passes, memory;
        const char *words;
    } rows[] = {
        {0, 8, "0 passes"},
        {ENVELOPE_PASSES_MAX + 1, 8, "11 passes over 8 KiB"},
        {UINT32_MAX, 8, "4294967295 passes"},
        {1, 0, "over 0 KiB"},
        {1, ENVELOPE_MEMORY_MAX + 1, "1 passes over 1048577 KiB"},
        {1, UINT32_MAX, "over 4294967295 KiB"},
    };
    CLEANUP_TEXT struct text file = TEXT_INIT;
    CLEANUP_FREE char *large = calloc(1, ENVELOPE_CONTENT_MAX + 1);
    struct error err = {0};

    (void)state;
    seal(&file);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        set_number(&file, 14, rows[i].passes);
        set_number(&file, 18, rows[i].memory);
        assert_int_equal(envelope_check("x.dcop", file.data, file.size, &err), -EBADMSG);
        if (!strstr(err.text, rows[i].words))
            fail_msg("%s", err.text);
    }
    assert_non_null(large);
    assert_int_equal(
        envelope_seal(large, ENVELOPE_CONTENT_MAX + 1, passphrase, &cheap, &file, &err), -EFBIG);
}

static void test_another_version(void **state)
{
    CLEANUP_TEXT struct text file = TEXT_INIT;
    struct error err = {0};

    (void)state;
    seal(&file);
    file.data[12] = '2';
    set_digest(&file);
    assert_int_equal(envelope_check("x.dcop", file.data, file.size, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "does not know (it knows version 1): a newer one"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_nothing_is_content_too),
        cmocka_unit_test(test_each_bit_counts),
        cmocka_unit_test(test_each_bit_is_authenticated),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_another_version),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
