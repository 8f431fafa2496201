/* known_hosts: hashed names, patterns, markers, and files that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <unistd.h>

#include "deployer/trust/known-hosts.h"
#include "deployer/trust/trust.h"
#include "discovery/base/file.h"
#include "own-folder.h"

/* As ssh-keygen(1) has made them: the keys, their fingerprints, and `ssh-keygen -H`. */
#define KEY_A "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIORrbzn4oatQmSVgoLWCrbdD06PkDreZsodKKk3xkzIS"
#define A "SHA256:QKZ4UB/TJFVeF4VmPZypibORZUZnYraL+dtu/TCaLN8"
#define KEY_B "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDQqCp0EQmai9qnU76e3acCoEC9bnSWlJwlprLNH01Ep"
#define B "SHA256:+tD1/hpLRHKY2Dg97Gx737mQXIpTkRhUazQulZY5INA"
#define KEY_C                                                                                      \
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBKRNNrcKu1wC9w5G"     \
    "sGncnAW08gz2UQUqyIw7fntogdiUsHzzijpMuCDbIlr8KwPDZ3iHRh6MlCgvRNHvO+wt2/0="
#define C "SHA256:Z5KpWzCl/ClmxnsM/g5ZqyU8Z7RD4HmVFBe4INV5mxo"
#define HASHED_NAME                                                                                \
    "|1|75lKxxonMG5lQ0koargOi3N5mb0=|Ya+nrQ0iQ67/aoUBKU/rdMqAEQ8= " /* lab-1.example.org */
#define HASHED_PORT                                                                                \
    "|1|h1S760tWNP+qAWoE9cyLjZG7OCA=|RniN7OJXBc/UD1KKbZQB9JDuCiU= " /* [10.0.0.5]:2222 */

static struct strings files;

static void write_known(const void *content, size_t size)
{
    strings_clear(&files);
    assert_int_equal(file_write(at("known"), content, size, 0600, NULL), 0);
    assert_int_equal(strings_add(&files, at("missing")), 0);
    assert_int_equal(strings_add(&files, at("known")), 0);
}

/* The keys of a host, with blanks between; then "listed", "authority" with their lines. */
static const char *find(const char *content, const char *host, uint16_t port)
{
    static char said[512];
    CLEANUP(known_hosts_clear) struct known_hosts k = {0};
    CLEANUP_FREE char *keys = NULL;
    struct error err = {0};

    write_known(content, strlen(content));
    assert_int_equal(known_hosts_find(&files, host, port, &k, &err), 0);
    assert_int_equal(err.code, 0); /* a file that is not there is no error */
    keys = strings_join(&k.keys, " ");
    (void)snprintf(said, sizeof(said), "%s%s%s%s%s", keys, k.listed ? " listed" : "",
                   k.listed ? strrchr(k.listed, ':') : "", k.authority ? " authority" : "",
                   k.authority ? strrchr(k.authority, ':') : "");
    strings_clear(&files);
    return said;
}

static void test_hashed(void **state)
{
    static const char both[] = "# a comment\n\n" HASHED_NAME KEY_A "\n" HASHED_PORT KEY_B "\n";

    (void)state;
    assert_string_equal(find(both, "lab-1.example.org", 22), A " listed:3");
    assert_string_equal(find(both, "LAB-1.Example.org", 22), A " listed:3");
    assert_string_equal(find(both, "10.0.0.5", 2222), B " listed:4");
    assert_string_equal(find(both, "10.0.0.5", 22), "");
    assert_string_equal(find(both, "lab-1.example.org", 2222), "");
    assert_string_equal(find(both, "lab-2.example.org", 22), "");
    /* An alias has no port. */
    assert_string_equal(find(both, "lab-1.example.org", 0), A " listed:3");
    /* A hash among other names is none. */
    assert_string_equal(
        find("x,|1|75lKxxonMG5lQ0koargOi3N5mb0=|Ya+nrQ0iQ67/aoUBKU/rdMqAEQ8= " KEY_A,
             "lab-1.example.org", 22),
        "");
}

static void test_patterns(void **state)
{
    (void)state;
    assert_string_equal(find("lab-1,10.0.0.1 " KEY_A, "10.0.0.1", 22), A " listed:1");
    assert_string_equal(find("*.example.org " KEY_A, "a.b.example.org", 22), A " listed:1");
    assert_string_equal(find("*.Example.ORG " KEY_A, "a.example.org", 22), A " listed:1");
    assert_string_equal(find("*.example.org " KEY_A, "example.org", 22), "");
    assert_string_equal(find("lab-? " KEY_A, "lab-12", 22), "");
    assert_string_equal(find("[lab-*]:2222 " KEY_A, "lab-1", 2222), A " listed:1");
    assert_string_equal(find("lab-* " KEY_A, "lab-1", 2222), "");
    /* What is excluded stays so, wherever the pattern stands. */
    assert_string_equal(find("!lab-1,lab-* " KEY_A, "lab-1", 22), "");
    assert_string_equal(find("lab-*,!lab-1 " KEY_A, "lab-1", 22), "");
    assert_string_equal(find("lab-*,!lab-1 " KEY_A, "lab-2", 22), A " listed:1");
    assert_string_equal(find("!lab-1 " KEY_A, "lab-2", 22), "");
    /* No pattern takes long: each "*" is gone back to once. */
    assert_string_equal(find("*a*a*a*a*a*a*a*a*a*a*a*a*b " KEY_A,
                             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 22),
                        "");
}

static void test_several_keys(void **state)
{
    (void)state;
    assert_string_equal(find("lab " KEY_C "\nlab " KEY_A " comment\r\n", "lab", 22),
                        C " " A " listed:2");
    assert_string_equal(find("lab " KEY_C, "lab", 22), C);
}

static void test_markers(void **state)
{
    CLEANUP_STRINGS struct strings revoked = {0};
    struct error err = {0};
    static const char content[] = "@cert-authority *.lab " KEY_A "\n"
                                  "@revoked other " KEY_B "\n"
                                  "x.lab " KEY_B "\n"
                                  "@future x.lab " KEY_C "\n";

    (void)state;
    /* A revoked line confirms nothing, and a marker that is not known neither. */
    assert_string_equal(find(content, "x.lab", 22), B " listed:3 authority:1");
    assert_string_equal(find(content, "other", 22), "");
    write_known(content, strlen(content));
    assert_int_equal(known_hosts_revoked(&files, &revoked, &err), 0);
    assert_int_equal(revoked.count, 1);
    assert_null(trust_find_revoked(&revoked, A));
    assert_null(trust_find_revoked(NULL, B));
    assert_null(trust_find_revoked(&revoked, "SHA256:+tD1"));
    assert_non_null(strstr(trust_find_revoked(&revoked, B), "/known:2"));
    strings_clear(&files);
}

static void test_broken_lines(void **state)
{
    static const char *const lines[] = {
        "lab",
        "lab ssh-ed25519",
        "@revoked",
        "@revoked lab ssh-ed25519",
        "lab ssh-ed25519 AAAA",
        "lab ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIORrbzn4oatQmSVgoLWCrbdD06PkDreZsodKKk3xkz!!",
        /* Its type is another than the key's. */
        "lab ssh-ed25518 AAAAC3NzaC1lZDI1NTE5AAAAIORrbzn4oatQmSVgoLWCrbdD06PkDreZsodKKk3xkzIS",
        "lab 1024 35 1234567890",
        "|1|notbase64|x " KEY_A,
        "|1| " KEY_A,
        "|2|75lKxxonMG5lQ0koargOi3N5mb0=|Ya+nrQ0iQ67/aoUBKU/rdMqAEQ8= " KEY_A,
        "||| " KEY_A,
        "\t \r",
        "lab\r" KEY_A,
        "@revoked\r lab " KEY_A,
        "lab \r ssh-ed25519 AAAA",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        CLEANUP_TEXT struct text t = TEXT_INIT;

        /* The next line counts all the same. */
        text_addf(&t, "%s\nlab " KEY_B "\n", lines[i]);
        assert_string_equal(find(text_str(&t), "lab", 22), B " listed:2");
    }
}

static void test_bounds(void **state)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;
    CLEANUP(known_hosts_clear) struct known_hosts k = {0};
    CLEANUP_STRINGS struct strings revoked = {0};
    struct error err = {0};

    (void)state;
    /* A key that is too long is skipped, as is what follows a NUL in a line. */
    text_adds(&t, "lab ssh-ed25519 ");
    for (size_t i = 0; i < 200000; i++)
        text_addc(&t, 'A');
    text_adds(&t, "\nlab");
    text_addc(&t, '\0');
    text_adds(&t, " " KEY_A "\nlab " KEY_B);
    write_known(t.data, t.size);
    assert_int_equal(known_hosts_find(&files, "lab", 22, &k, &err), 0);
    assert_int_equal(k.keys.count, 1);
    assert_string_equal(k.keys.items[0], B);
    /* A file that is too long may revoke a key behind its bound: it is an error. */
    while (t.size <= KNOWN_HOSTS_MAX)
        text_adds(&t, "\n# not many machines are known by so many keys as fill a file like this");
    write_known(t.data, t.size);
    assert_int_equal(known_hosts_revoked(&files, &revoked, &err), -EFBIG);
    assert_int_equal(known_hosts_find(&files, "lab", 22, &k, &err), -EFBIG);
    strings_clear(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_hashed),  TEST(test_patterns),     TEST(test_several_keys),
        TEST(test_markers), TEST(test_broken_lines), TEST(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
