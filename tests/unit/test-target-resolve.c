/* Looking names up, with getaddrinfo(3) of our own: no name service is asked. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "deployer/target/resolve.h"

/* Takes the place of libc's: names say what is to happen. */
static sem_t go_on, gone;

static struct addrinfo *make(const char *text, struct addrinfo *next)
{
    struct addrinfo *i = calloc(1, sizeof(*i));
    struct sockaddr_storage *s = calloc(1, sizeof(*s));
    struct address a;

    assert_int_equal(address_parse(text, &a), 0);
    i->ai_addrlen = address_to_sockaddr(&a, 0, s);
    i->ai_addr = (struct sockaddr *)s;
    i->ai_next = next;
    return i;
}

int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict ret)
{
    (void)service;
    (void)hints;
    if (strcmp(name, "slow") == 0)
        sem_wait(&go_on);
    else if (strcmp(name, "missing") == 0)
        return EAI_NONAME;
    else if (strcmp(name, "broken") == 0)
        return EAI_AGAIN;
    *ret = make("192.0.2.1", make("192.0.2.1", make("2001:db8::1", NULL)));
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    for (struct addrinfo *next; list; list = next) {
        next = list->ai_next;
        free(list->ai_addr);
        free(list);
    }
    sem_post(&gone);
}

static void names_are_looked_up(void **state)
{
    struct address *found = NULL;
    char text[ADDRESS_TEXT_MAX];
    size_t count = 0;

    (void)state;
    assert_int_equal(resolve_host("rpi-1.local", 10000, &found, &count, NULL), 0);
    assert_int_equal(count, 2);
    address_format(&found[0], text);
    assert_string_equal(text, "192.0.2.1");
    address_format(&found[1], text);
    assert_string_equal(text, "2001:db8::1");
    free(found);
    sem_wait(&gone);
}

static void addresses_need_no_look_up(void **state)
{
    struct address *found = NULL;
    size_t count = 0;

    (void)state;
    assert_int_equal(resolve_host("2001:db8::7", 0, &found, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_int_equal(found->family, AF_INET6);
    free(found);
}

static void failures_say_what_to_do(void **state)
{
    static const struct {
        const char *host;
        int code;
        const char *expected;
    } table[] = {
        {"missing", -ENOENT,
         "cannot find the host missing: is its name spelled right, and is it switched on?"},
        {"broken", -EIO,
         "cannot look up broken: Temporary failure in name resolution; give its address instead, "
         "or check the name service (DNS)"},
        {"-oProxyCommand=x", -EINVAL, "\"-oProxyCommand=x\" is neither an address nor a host name"},
        {"fe80::1", -EINVAL,
         "fe80::1 is a link-local address and needs its interface: fe80::1%INTERFACE"},
        {"fe80::1%nosuch0", -EINVAL,
         "fe80::1%nosuch0: there is no interface nosuch0 on this computer"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct address *found = NULL;
        struct error err = {0};
        size_t count = 7;

        assert_int_equal(resolve_host(table[i].host, 10000, &found, &count, &err), table[i].code);
        assert_string_equal(err.text, table[i].expected);
        assert_null(found);
        assert_int_equal(count, 7);
    }
}

static void a_dead_name_service_is_given_up(void **state)
{
    struct address *found = NULL;
    struct error err = {0};
    size_t count = 0;

    (void)state;
    assert_int_equal(resolve_host("slow", 200, &found, &count, &err), -ETIMEDOUT);
    assert_string_equal(err.text, "cannot look up slow: no answer in 0.2 s; give its address "
                                  "instead, or check the name service (DNS)");
    /* The thread that was left behind cleans up when it is through. */
    sem_post(&go_on);
    sem_wait(&gone);
}

/* One after the other they would take as many times as long. */
static void a_class_is_looked_up_at_once(void **state)
{
    enum { SLOW = RESOLVE_AT_ONCE - 1, ALL = RESOLVE_AT_ONCE + 9 };
    const char *hosts[ALL];
    static struct resolved found[ALL];
    struct timespec begun, ended;

    (void)state;
    for (size_t i = 0; i < ALL; i++)
        hosts[i] = i < SLOW ? "slow" : i % 2 ? "missing" : "192.0.2.1";
    clock_gettime(CLOCK_MONOTONIC, &begun);
    resolve_hosts(hosts, ALL, 500, found);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    assert_in_range(ended.tv_sec - begun.tv_sec, 0, SLOW * 500 / 1000 / 2);
    for (size_t i = 0; i < ALL; i++) {
        assert_int_equal(found[i].code, i < SLOW ? -ETIMEDOUT : i % 2 ? -ENOENT : 0);
        assert_int_equal(found[i].count, found[i].code == 0);
        free(found[i].addresses);
    }
    for (size_t i = 0; i < SLOW; i++) {
        sem_post(&go_on);
        sem_wait(&gone);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_looked_up),
        cmocka_unit_test(addresses_need_no_look_up),
        cmocka_unit_test(failures_say_what_to_do),
        cmocka_unit_test(a_dead_name_service_is_given_up),
        cmocka_unit_test(a_class_is_looked_up_at_once),
    };

    sem_init(&go_on, 0, 0);
    sem_init(&gone, 0, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
