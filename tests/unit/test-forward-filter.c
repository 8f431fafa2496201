/* What the filter passes on to the caches, and what it refuses. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "deployer/ssh/forward-filter.h"

#define TOKEN "00112233445566778899aabbccddeeff"
#define CREDENTIAL "ZGNvcDowMDExMjIzMzQ0NTU2Njc3ODg5OWFhYmJjY2RkZWVmZg=="
#define WRONG "ZGNvcDowMDExMjIzMzQ0NTU2Njc3ODg5OWFhYmJjY2RkZWVmZh=="
#define PROXY "Proxy-Authorization: Basic " CREDENTIAL "\r\n"
#define ORIGIN "Authorization: Basic " CREDENTIAL "\r\n"
#define APT(target) "GET " target " HTTP/1.1\r\nHost: h\r\n" PROXY "\r\n"
#define PIP(target) "GET " target " HTTP/1.1\r\nHost: 127.0.0.1:9\r\n" ORIGIN "\r\n"

static char *own_items[] = {(char *)"teacher.local", (char *)"10.77.0.1", (char *)"fd00::1"};
static const struct strings own = {.items = own_items, .count = 3};

/* The second as a damaged list would have it. */
static char *port_items[] = {(char *)"deb.example:8080", (char *)"127.0.0.1:8080",
                             (char *)"[fd00::2]:8080"};
static const struct strings ports = {.items = port_items, .count = 3};

static uint64_t bytes_left = 1;

/* As if the name had an address of loopback. */
static bool resolves_elsewhere(const char *host, void *arg)
{
    assert_ptr_equal(arg, &bytes_left);
    return strcmp(host, "evil.example") != 0;
}

static struct forward_filter_rules rules_of(void)
{
    struct forward_filter_rules rules = {.apt = true,
                                         .pip = true,
                                         .own = &own,
                                         .ports = &ports,
                                         .may_ask = resolves_elsewhere,
                                         .arg = &bytes_left,
                                         .left = &bytes_left};

    forward_filter_credential(TOKEN, rules.credential);
    return rules;
}

/* In pieces of that size; "" and the status, or what went on. */
static char *through(const char *in, size_t piece, unsigned *ret_status)
{
    struct forward_filter_rules rules = rules_of();
    struct text out = TEXT_INIT;
    struct forward_filter g;
    int r = 0;

    forward_filter_init(&g, &rules);
    for (size_t at = 0; at < strlen(in); at += piece) {
        size_t left = strlen(in) - at;

        r = forward_filter_feed(&g, in + at, left < piece ? left : piece, &out);
        if (r < 0)
            break;
    }
    assert_true(r == 0 || r == -EACCES);
    assert_int_equal(r == 0, g.status == 0);
    *ret_status = g.status;
    (void)text_str(&out);
    return out.data ? text_take(&out) : strdup("");
}

static void passes(const char *in, const char *out)
{
    for (size_t piece = 1; piece < 400; piece += 199) {
        unsigned status;
        char *said = through(in, piece, &status);

        assert_int_equal(status, 0);
        assert_string_equal(said, out);
        free(said);
    }
}

/* `before`: what had gone on by then. */
static void refused(const char *in, unsigned wanted, const char *before)
{
    unsigned status;
    char *said = through(in, 1000, &status);

    if (status != wanted)
        fail_msg("%u instead of %u: %s", status, wanted, in);
    assert_string_equal(said, before);
    free(said);
}

static void test_credential(void **state)
{
    struct forward_filter_rules rules = rules_of();

    (void)state;
    assert_string_equal(rules.credential, CREDENTIAL);
    refused("GET http://deb/x HTTP/1.1\r\nHost: h\r\n\r\n", 407, "");
    refused("GET /x HTTP/1.1\r\nHost: h\r\n\r\n", 401, "");
    /* the other kind's is none */
    refused("GET http://deb/x HTTP/1.1\r\nHost: h\r\n" ORIGIN "\r\n", 407, "");
    refused("GET /x HTTP/1.1\r\nHost: h\r\n" PROXY "\r\n", 401, "");
    refused("GET http://deb/x HTTP/1.1\r\nHost: h\r\nProxy-Authorization: Basic " WRONG "\r\n\r\n",
            403, "");
    refused("GET http://deb/x HTTP/1.1\r\nHost: h\r\nProxy-Authorization: Basic \r\n\r\n", 403, "");
    refused("GET http://deb/x HTTP/1.1\r\nHost: h\r\nProxy-Authorization: Bearer " CREDENTIAL
            "\r\n\r\n",
            403, "");
    refused("GET http://deb/x HTTP/1.1\r\nHost: h\r\n" PROXY PROXY "\r\n", 400, "");
}

static void test_passes(void **state)
{
    (void)state;
    passes("GET http://deb.example/debian/a_1%2b2.deb HTTP/1.1\r\nHost: evil\r\n" PROXY
           "User-Agent: apt\r\nRange: bytes=5-\r\nProxy-Connection: keep-alive\r\n\r\n",
           "GET http://deb.example/debian/a_1%2b2.deb HTTP/1.1\r\nHost: deb.example\r\n"
           "User-Agent: apt\r\nRange: bytes=5-\r\nProxy-Connection: keep-alive\r\n\r\n");
    passes(
        "HEAD http://deb.example:80/x HTTP/1.0\r\nHost: h\r\nproxy-authorization:basic " CREDENTIAL
        " \r\n\r\n",
        "HEAD http://deb.example:80/x HTTP/1.0\r\nHost: deb.example:80\r\n\r\n");
    /* a repository of the cache's that is on another port */
    passes(APT("http://Deb.example:8080/x"),
           "GET http://Deb.example:8080/x HTTP/1.1\r\nHost: Deb.example:8080\r\n\r\n");
    passes(APT("http://[fd00::2]:8080/x"),
           "GET http://[fd00::2]:8080/x HTTP/1.1\r\nHost: [fd00::2]:8080\r\n\r\n");
    passes(PIP("/root/pypi/+simple/numpy/"),
           "GET /root/pypi/+simple/numpy/ HTTP/1.1\r\nHost: 127.0.0.1:9\r\n\r\n");
    /* pipelined */
    passes(APT("http://d/1") APT("http://d/2"), "GET http://d/1 HTTP/1.1\r\nHost: d\r\n\r\n"
                                                "GET http://d/2 HTTP/1.1\r\nHost: d\r\n\r\n");
}

static void test_every_request(void **state)
{
    static const char first[] = "GET http://d/1 HTTP/1.1\r\nHost: d\r\n\r\n";

    (void)state;
    refused(APT("http://d/1") "GET http://d/2 HTTP/1.1\r\nHost: h\r\n\r\n", 407, first);
    refused(APT("http://d/1") APT("http://127.0.0.1/"), 403, first);
    refused(APT("http://d/1") PIP("/root/pypi/+simple/"), 400, first);
    refused(APT("http://d/1") "CONNECT d:443 HTTP/1.1\r\n" PROXY "\r\n", 405, first);
}

static void test_methods(void **state)
{
    static const char *const methods[] = {"POST",  "PUT",   "DELETE", "CONNECT", "OPTIONS",
                                          "TRACE", "PATCH", "get",    "GETX",    "PURGE"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        char in[512];

        (void)snprintf(in, sizeof(in), "%s http://d/x HTTP/1.1\r\nHost: h\r\n" PROXY "\r\n",
                       methods[i]);
        refused(in, 405, "");
    }
    refused("CONNECT 127.0.0.1:22 HTTP/1.1\r\n" PROXY "\r\n", 405, "");
    refused("GET  http://d/x HTTP/1.1\r\nHost: h\r\n" PROXY "\r\n", 505, "");
    refused("GET http://d/x HTTP/2.0\r\nHost: h\r\n" PROXY "\r\n", 505, "");
    refused("\r\n\r\n", 400, "");
}

static void test_hosts(void **state)
{
    static const char *const near[] = {
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "0",
        "0.0.0.0",
        "169.254.1.1",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:10.77.0.1]",
        "teacher.local",
        "Teacher.Local.",
        "10.77.0.1",
        "10.77.1",
        "[fd00:0::1]",
        "224.0.0.251",
        "ip6-localhost",
        "127.0.0.1:80",
    };
    char in[512];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(near); i++) {
        (void)snprintf(in, sizeof(in), "GET http://%s/x HTTP/1.1\r\nHost: h\r\n" PROXY "\r\n",
                       near[i]);
        refused(in, 403, "");
    }
    refused(APT("http://d:22/x"), 403, "");
    refused(APT("http://d:8080/x"), 403, "");
    refused(APT("http://d:080/x"), 403, "");
    refused(APT("http://deb.example:8081/x"), 403, "");
    refused(APT("http://deb.example:08080/x"), 403, "");
    refused(APT("http://127.0.0.1:8080/x"), 403, "");
    refused(APT("http://u@d/x"), 400, "");
    refused(APT("http:///x"), 400, "");
    refused(APT("http://./x"), 400, "");
    refused(APT("http://[::1/x"), 400, "");
    refused(APT("http://d"), 400, "");
    refused(APT("https://d/x"), 403, "");
    refused(APT("ftp://d/x"), 403, "");
    refused(APT("*"), 403, "");
}

static void test_paths(void **state)
{
    (void)state;
    refused(APT("http://d/acng-report.html"), 403, "");
    refused(APT("http://d/a/ACNG-report.html?x"), 403, "");
    refused(APT("http://d/%61cng-report.html"), 403, "");
    refused(PIP("/acng-report.html"), 403, "");
    refused(APT("http://d/a/../b"), 403, "");
    refused(APT("http://d/a/%2e%2e/b"), 403, "");
    refused(APT("http://d/a%2fb"), 403, "");
    refused(APT("http://d/a%00"), 403, "");
    refused(APT("http://d/a%2"), 400, "");
    refused(PIP("/+api"), 403, "");
    refused(PIP("/root/pypi/+login"), 403, "");
    refused(PIP("/root/%2blogin"), 403, "");
}

static void test_heads(void **state)
{
    char *big = malloc(FORWARD_FILTER_HEAD_MAX + 500), *many = malloc(8000);

    (void)state;
    refused("GET http://d/x HTTP/1.1\r\nHost: h\r\n" PROXY "A: b\r\n c\r\n\r\n", 400, "");
    refused("GET http://d/x HTTP/1.1\r\nHost: h\r\n" PROXY "A : b\r\n\r\n", 400, "");
    refused("GET http://d/x HTTP/1.1\r\nHost: h\r\n" PROXY "A: b\nB: c\r\n\r\n", 400, "");
    refused("GET http://d/x HTTP/1.1\r\nHost: h\r\n" PROXY "A: b\rB: c\r\n\r\n", 400, "");
    refused("GET http://d/x HTTP/1.1\r\nHost: h\r\n" PROXY "Content-Length: 5\r\n\r\nhello", 400,
            "");
    refused("GET http://d/x HTTP/1.1\r\nHost: h\r\n" PROXY
            "Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
            400, "");
    refused("GET http://d/x HTTP/1.1\r\nHost: h\r\n" PROXY "Transfer-Encoding: chunked\r\n\r\n",
            400, "");
    refused("GET http://d/x HTTP/1.1\r\nHost: h\r\nHost: h\r\n" PROXY "\r\n", 400, "");
    refused("GET http://d/x HTTP/1.1\r\n" PROXY "\r\n", 400, "");
    passes("GET http://d/x HTTP/1.1\r\nHost: h\r\n" PROXY
           "Connection: x-secret\r\nProxy-X: y\r\nTE: z\r\nContent-Length: 0\r\n\r\n",
           "GET http://d/x HTTP/1.1\r\nHost: d\r\n\r\n");

    memset(big, 'a', FORWARD_FILTER_HEAD_MAX + 499);
    big[FORWARD_FILTER_HEAD_MAX + 499] = '\0';
    memcpy(big, "GET /", 5);
    refused(big, 431, "");
    strcpy(many, "GET http://d/x HTTP/1.1\r\nHost: h\r\n" PROXY);
    for (int i = 0; i < FORWARD_FILTER_HEADERS_MAX; i++)
        strcat(many, "A: b\r\n");
    strcat(many, "\r\n");
    refused(many, 431, "");
    free(big);
    free(many);
}

/* What a machine has fetched is enough. */
static void test_quota(void **state)
{
    (void)state;
    bytes_left = 0;
    refused(APT("http://deb.example/x"), 403, "");
    refused(PIP("/root/pypi/+simple/"), 403, "");
    bytes_left = 1;
    passes(PIP("/root/pypi/+simple/"),
           "GET /root/pypi/+simple/ HTTP/1.1\r\nHost: 127.0.0.1:9\r\n\r\n");
}

/* Names are refused as the addresses that they have. */
static void test_names(void **state)
{
    (void)state;
    refused(APT("http://evil.example/x"), 403, "");
    refused(APT("http://evil.example./x"), 403, "");
    refused(APT("http://evil.example:80/x"), 403, "");
}

static void test_answer(void **state)
{
    struct text t = TEXT_INIT;

    (void)state;
    forward_filter_answer(407, "no", &t);
    assert_string_equal(text_str(&t),
                        "HTTP/1.1 407 no\r\nProxy-Authenticate: Basic realm=\"dcop\"\r\n"
                        "Content-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n"
                        "\r\nno\n");
    text_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quota),         cmocka_unit_test(test_names),
        cmocka_unit_test(test_credential),    cmocka_unit_test(test_passes),
        cmocka_unit_test(test_every_request), cmocka_unit_test(test_methods),
        cmocka_unit_test(test_hosts),         cmocka_unit_test(test_paths),
        cmocka_unit_test(test_heads),         cmocka_unit_test(test_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
