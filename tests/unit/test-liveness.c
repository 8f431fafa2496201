/* A responder on loopback takes the place of a machine. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "discovery/network/liveness.h"
#include "discovery/network/mdns-probe.h"

#define ID "0123456789abcdef"

static void test_probe_bytes(void **state)
{
    uint8_t q[MDNS_PROBE_MAX];
    size_t size = mdns_probe_write("dcop-" ID, 0x1234, q);
    static const char name[] = "\025dcop-" ID "\013_dcop-agent\004_tcp\005local";

    (void)state;
    assert_int_equal(size, 12 + sizeof(name) + 4);
    assert_memory_equal(q, "\x12\x34\0\0\0\1\0\0\0\0\0\0", 12);
    assert_memory_equal(q + 12, name, sizeof(name));
    assert_memory_equal(q + 12 + sizeof(name), "\0\41\0\1", 4);
}

static void test_answer_bytes(void **state)
{
    uint8_t a[12] = {0x12, 0x34, 0x84, 0, 0, 1, 0, 1};
    uint16_t t = 0;

    (void)state;
    assert_true(mdns_answer_read(a, sizeof(a), &t));
    assert_int_equal(t, 0x1234);
    assert_false(mdns_answer_read(a, sizeof(a) - 1, &t));
    a[7] = 0; /* no record */
    assert_false(mdns_answer_read(a, sizeof(a), &t));
    a[7] = 1;
    a[3] = 3; /* NXDOMAIN */
    assert_false(mdns_answer_read(a, sizeof(a), &t));
    a[3] = 0;
    a[2] = 0x04; /* a query */
    assert_false(mdns_answer_read(a, sizeof(a), &t));
}

struct result {
    sd_event *loop;
    int count, expected;
    bool online;
};

static void miss(const struct machine_key *key, void *arg)
{
    (void)key, (void)arg;
}

static const struct machine_key machine = {ID, NULL, 0};

static void listen_once(const struct machine_key *key, bool online, const struct address *from,
                        void *arg)
{
    struct result *result = arg;

    (void)from;
    assert_string_equal(key->id, ID);
    assert_null(key->hostkey);
    result->online = online;
    if (++result->count < result->expected)
        return;
    assert_true(sd_event_exit(result->loop, 0) >= 0);
}

/* What SSH's port does. */
enum port { ANSWERS, REFUSES, REFUSES_AFTER_ANSWER, SILENT };

/* A full queue of connections: the system drops further ones. */
static void fill_queue(const struct sockaddr_in *a, int ret[static 2])
{
    for (size_t i = 0; i < 2; i++) {
        ret[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(ret[i], (const struct sockaddr *)a, sizeof(*a));
    }
}

/* Nobody answers queries on 127.0.0.77; TCP decides. */
static bool probe(enum port port)
{
    struct address loopback = {.family = AF_INET, .bytes = {127, 0, 0, 77}};
    int filling[2] = {-1, -1};
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t size = sizeof(a);
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CLEANUP(liveness_free_p) struct liveness *l = NULL;
    struct machine m = {.advert.id = ID, .addresses = &loopback, .n_addresses = 1};
    struct result result = {.expected = port == REFUSES_AFTER_ANSWER ? 2 : 1};

    memcpy(&a.sin_addr, loopback.bytes, 4);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    if (port == ANSWERS || port == SILENT)
        assert_int_equal(listen(fd, port == SILENT ? 0 : 4), 0);
    if (port == SILENT)
        fill_queue(&a, filling);
    m.port = ntohs(a.sin_port);
    assert_true(sd_event_new(&result.loop) >= 0);
    assert_int_equal(liveness_new(result.loop, false,
                                  &(struct liveness_listener){listen_once, miss, &result}, &l,
                                  NULL),
                     0);
    assert_int_equal(liveness_watch(l, &m), 0);
    assert_int_equal(liveness_unknown(l), 1);
    assert_false(liveness_is_known(l, &machine));
    if (port == REFUSES_AFTER_ANSWER) {
        liveness_answered(l, &machine, &loopback);
        liveness_probe_now(l, &machine);
    }
    assert_true(sd_event_loop(result.loop) >= 0);
    assert_int_equal(liveness_unknown(l), 0);
    assert_int_equal(result.count, result.expected);
    liveness_forget(l, &machine);
    assert_false(liveness_is_known(l, &machine));
    sd_event_unref(result.loop);
    for (size_t i = 0; i < 2; i++)
        if (filling[i] >= 0)
            close(filling[i]);
    return result.online;
}

static void test_ssh_answers(void **state)
{
    (void)state;
    assert_true(probe(ANSWERS));
}

/* It may be another machine that has the address now. */
static void test_who_refuses_may_be_another(void **state)
{
    (void)state;
    assert_false(probe(REFUSES));
}

static void test_who_answered_there_and_refuses(void **state)
{
    (void)state;
    assert_true(probe(REFUSES_AFTER_ANSWER));
}

static void test_nobody_answers(void **state)
{
    (void)state;
    assert_false(probe(SILENT));
}

#define OTHER_ID "fedcba9876543210"

/* One address, two records: the machine that has it answers mDNS and SSH, the one
 * that had it before answers nothing. */
struct handover {
    sd_event *loop;
    int heard;
    bool holder_online, stale_online;
    unsigned holder;     /* its clone number */
    const char *answers; /* the label that is answered for */
};

static void listen_both(const struct machine_key *key, bool online, const struct address *from,
                        void *arg)
{
    struct handover *h = arg;

    (void)from;
    if (strcmp(key->id, ID) == 0 && key->clone == h->holder)
        h->holder_online = online;
    else
        h->stale_online = online;
    if (++h->heard == 2)
        assert_true(sd_event_exit(h->loop, 0) >= 0);
}

/* Answers queries for one instance only. */
static int on_query(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct sockaddr_in from;
    socklen_t size = sizeof(from);
    uint8_t query[512];
    ssize_t n = recvfrom(fd, query, sizeof(query), 0, (struct sockaddr *)&from, &size);

    const struct handover *h = arg;

    (void)source, (void)events;
    assert_true(n > 12);
    if (memmem(query, (size_t)n, h->answers, strlen(h->answers)) == NULL)
        return 0;
    query[2] = 0x84; /* an answer … */
    query[7] = 1;    /* … of one record */
    assert_int_equal(sendto(fd, query, (size_t)n, 0, (struct sockaddr *)&from, size), n);
    return 0;
}

/* Two machines with the same addresses: only the second one's instance is answered for, at the
 * last of them, and connections are accepted at each. */
static void probe_two(struct machine stale, struct machine holder, const char *answers)
{
    struct address addresses[] = {{.family = AF_INET, .bytes = {127, 0, 0, 79}},
                                  {.family = AF_INET, .bytes = {127, 0, 0, 78}}};
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t size = sizeof(a);
    CLEANUP_CLOSE int ssh = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CLEANUP_CLOSE int mdns = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CLEANUP_CLOSE int mute = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CLEANUP(liveness_free_p) struct liveness *l = NULL;
    struct handover h = {.stale_online = true, .holder = holder.clone, .answers = answers};
    int on = 1;

    holder.addresses = stale.addresses = addresses;
    holder.n_addresses = stale.n_addresses = ARRAY_SIZE(addresses);
    assert_int_equal(bind(ssh, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(ssh, 4), 0);
    assert_int_equal(getsockname(ssh, (struct sockaddr *)&a, &size), 0);
    holder.port = stale.port = ntohs(a.sin_port);
    memcpy(&a.sin_addr, addresses[1].bytes, 4);
    a.sin_port = htons(MDNS_PORT);
    assert_int_equal(setsockopt(mdns, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    if (bind(mdns, (struct sockaddr *)&a, sizeof(a)) < 0)
        skip(); /* a daemon of this machine uses the port exclusively */
    memcpy(&a.sin_addr, addresses[0].bytes, 4);
    assert_int_equal(setsockopt(mute, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    assert_int_equal(bind(mute, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_true(sd_event_new(&h.loop) >= 0);
    assert_true(sd_event_add_io(h.loop, NULL, mdns, EPOLLIN, on_query, &h) >= 0);
    assert_int_equal(
        liveness_new(h.loop, false, &(struct liveness_listener){listen_both, miss, &h}, &l, NULL),
        0);
    assert_int_equal(liveness_watch(l, &stale), 0);
    assert_int_equal(liveness_watch(l, &holder), 0);
    assert_true(sd_event_loop(h.loop) >= 0);
    assert_true(h.holder_online);
    assert_false(h.stale_online);
    sd_event_unref(h.loop);
}

static void test_address_given_away(void **state)
{
    (void)state;
    probe_two((struct machine){.advert.id = OTHER_ID}, (struct machine){.advert.id = ID},
              "\025dcop-" ID "\013_dcop-agent");
}

/* Clones have id and host key in common: each is probed by the name of its record. */
static void test_clones_are_two(void **state)
{
    char instance[] = "dcop-" ID " #2";

    (void)state;
    probe_two((struct machine){.advert.id = ID},
              (struct machine){.advert.id = ID, .clone = 1, .instance = instance},
              "\030dcop-" ID " #2\013_dcop-agent");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probe_bytes),
        cmocka_unit_test(test_answer_bytes),
        cmocka_unit_test(test_ssh_answers),
        cmocka_unit_test(test_who_refuses_may_be_another),
        cmocka_unit_test(test_who_answered_there_and_refuses),
        cmocka_unit_test(test_nobody_answers),
        cmocka_unit_test(test_address_given_away),
        cmocka_unit_test(test_clones_are_two),
    };

    return cmocka_run_group_tests_name("liveness", tests, NULL, NULL);
}
