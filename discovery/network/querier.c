#include "querier.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "discovery/advert/sign.h"
#include "discovery/base/hash.h"
#include "mdns-answer.h"
#include "mdns-probe.h"

enum {
    READS_PER_TURN = 256,
    ROOM = 8 << 20,      /* receive buffer; the system may grant less */
    CONFIRMS_MAX = 256,  /* at a time; beyond that, machines are not asked and count as answered */
    ASKS_MAX = 8,        /* a second, for single machines that are missed */
    COMPLETE_MAX = 128,  /* instances whose other records are asked for, for each question */
    ANSWERS_PER_MS = 20, /* that a busy controller can read */
    PARTS_MAX = 4,       /* questions to one instance for what is missing */
    FLUSH_MS = 1000,     /* an address that was not told again in the newer answer: §10.2 */
    ANSWER_MS = 120,     /* until a question counts as not answered */
    BUSY_MS = 40,        /* answers still come: the next question waits … */
    BUSY_MAX_MS = 1000,  /* … but not longer than that */
    ROUNDS_MIN = 2,      /* questions before the list can be complete */
    ROUNDS_MAX = 40,     /* then the querier asks as seldom as when it is settled */
    KEEP_MS = 30 * 1000, /* between two questions once the list is complete */
    /* A flood is more than FLOOD_MIN unsigned records a second.  In a flood the
     * machines' daemons drop most questions, too. */
    FLOOD_MIN = 100,
    FLOOD_ASK_MS = 125,
    FLOOD_CALM_MS = 5000, /* until a flood counts as over */
    WINDOW_MS = 1000,
};

/* When a machine is asked whether it is still there, ms.  An answer that was under way
 * when it said goodbye does not count: only one after the second question does. */
static const uint64_t confirm_asks[] = {0, 700, 850, 1000, 1150, 1300};

/* The chance of a machine that no question reached, below which a list counts as
 * complete. */
static const double miss_max = 0.001;

struct known_address {
    struct address address;
    uint64_t told; /* ms */
};

/* An instance on one link, as told so far; its records may come in several
 * packets. */
struct instance {
    char *host; /* NULL: no SRV record yet */
    uint16_t port;
    uint8_t *txt; /* NULL: not yet */
    size_t txt_size;
    struct known_address addresses[MDNS_ADDRESSES_MAX];
    size_t n_addresses;
    unsigned first_round;    /* the question that it answered first */
    unsigned answered_round; /* the last one */
    unsigned answers;        /* questions that it answered */
    unsigned parts_asked;    /* how often it was asked for what is missing */
    UT_hash_handle hh;
    size_t key_size;
    char key[]; /* interface, name */
};

struct confirm {
    char instance[MDNS_LABEL_MAX + 1];
    uint64_t due; /* ms */
    size_t asked; /* questions */
};

/* One socket: what it hears. */
struct ear {
    struct querier *querier;
    int fd; /* -1: not available */
    int family;
    bool group; /* the multicast group; else the answers to our port */
    sd_event_source *io;
};

enum { EAR_GROUP, EAR_V4, EAR_V6, EARS };

struct querier {
    sd_event *loop;
    struct key fleet;
    bool signed_only, again;
    struct querier_listener listener;
    struct ear ears[EARS];
    sd_event_source *timer;
    struct links links;
    struct instance *instances;
    struct mdns_answer answer; /* the packet that is being read */
    uint16_t transaction;      /* of our questions */
    unsigned round;            /* questions so far */
    uint64_t asked_at, heard_at;
    uint64_t ask_due;      /* ms; UINT64_MAX: no more */
    uint64_t window_start; /* ms, of `unsigned_seen` */
    size_t unsigned_seen;
    uint64_t flooded_until; /* ms */
    uint64_t asks_start;    /* ms, of `asks` */
    unsigned asks;          /* for single machines, in this second */
    struct confirm confirms[CONFIRMS_MAX];
    size_t n_confirms;
};

static void set_timer(struct querier *q);

static uint64_t now_ms(const struct querier *q)
{
    uint64_t usec = 0;

    (void)sd_event_now(q->loop, CLOCK_MONOTONIC, &usec);
    return usec / 1000;
}

/* ---- questions ---- */

/* Joins the group on new links; joining it again fails without harm. */
static void read_links(struct querier *q)
{
    links_read(&q->links);
    for (size_t i = 0; i < q->links.count; i++) {
        struct ip_mreqn group = {.imr_ifindex = (int)q->links.items[i].interface};

        group.imr_multiaddr.s_addr = inet_addr("224.0.0.251");
        if (q->links.items[i].v4)
            (void)setsockopt(q->ears[EAR_GROUP].fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group,
                             sizeof(group));
    }
    if (q->listener.links)
        q->listener.links(&q->links, q->listener.arg);
}

static void send_v4(const struct querier *q, unsigned interface, const uint8_t *bytes, size_t size)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(MDNS_PORT)};
    struct ip_mreqn out = {.imr_ifindex = (int)interface};
    int fd = q->ears[EAR_V4].fd;

    to.sin_addr.s_addr = inet_addr("224.0.0.251");
    if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &out, sizeof(out)) == 0)
        (void)sendto(fd, bytes, size, MSG_NOSIGNAL, (const struct sockaddr *)&to, sizeof(to));
}

static void send_v6(const struct querier *q, unsigned interface, const uint8_t *bytes, size_t size)
{
    struct sockaddr_in6 to = {
        .sin6_family = AF_INET6, .sin6_port = htons(MDNS_PORT), .sin6_scope_id = interface};

    if (inet_pton(AF_INET6, "ff02::fb", &to.sin6_addr) == 1)
        (void)sendto(q->ears[EAR_V6].fd, bytes, size, MSG_NOSIGNAL, (const struct sockaddr *)&to,
                     sizeof(to));
}

/* Sends on every link, or on one; a question that cannot be sent is lost, as on
 * the network. */
static void send_question(const struct querier *q, const char *instance, int interface)
{
    uint8_t bytes[MDNS_QUESTION_MAX];
    size_t size = mdns_question_write(instance, q->transaction, bytes);

    for (size_t i = 0; i < q->links.count; i++) {
        const struct link *link = &q->links.items[i];

        if (interface >= 0 && (unsigned)interface != link->interface)
            continue;
        if (link->v4)
            send_v4(q, link->interface, bytes, size);
        if (link->v6)
            send_v6(q, link->interface, bytes, size);
    }
}

static const char *name_of(const struct instance *i)
{
    return i->key + sizeof(int);
}

static int interface_of_instance(const struct instance *i)
{
    int interface;

    memcpy(&interface, i->key, sizeof(interface));
    return interface;
}

static bool is_complete(const struct instance *i)
{
    return i->txt && i->port > 0;
}

/* A responder may split its answer, or leave a part out. */
static void ask_for_parts(struct querier *q)
{
    size_t n = 0;

    for (struct instance *i = q->instances; i && n < COMPLETE_MAX; i = i->hh.next)
        if (!is_complete(i) && i->parts_asked < PARTS_MAX) {
            i->parts_asked++;
            send_question(q, name_of(i), interface_of_instance(i));
            n++;
        }
}

/* The pause after a question: short while few were asked, longer where many answer. */
static uint64_t pause_after(const struct querier *q)
{
    static const uint64_t pauses[] = {120, 150, 200, 250};
    size_t which = q->round < ARRAY_SIZE(pauses) ? q->round : ARRAY_SIZE(pauses) - 1;

    return pauses[which] + HASH_COUNT(q->instances) / ANSWERS_PER_MS;
}

static void ask_for_all(struct querier *q, uint64_t now)
{
    read_links(q);
    q->round++;
    q->asked_at = now;
    send_question(q, NULL, -1);
    ask_for_parts(q);
    q->ask_due = now + (now < q->flooded_until ? FLOOD_ASK_MS : pause_after(q));
}

/* ---- is the list complete? ---- */

/* Those that never answered are not counted: a firewall may keep their answers
 * away, or somebody else only repeats an old record. */
static void count_answers(const struct querier *q, size_t rounds, struct querier_counts *ret)
{
    *ret = (struct querier_counts){0};
    for (const struct instance *i = q->instances; i; i = i->hh.next) {
        size_t answers = i->answers < rounds ? i->answers : rounds;

        if (i->answers == 0)
            continue;
        ret->machines++;
        ret->asked += rounds;
        ret->unanswered += rounds - answers;
    }
}

/* Rounds whose answers have had time to come. */
static size_t rounds_over(const struct querier *q)
{
    return q->round > 0 && now_ms(q) < q->asked_at + ANSWER_MS ? q->round - 1 : q->round;
}

bool querier_is_settled(const struct querier *q)
{
    size_t rounds = rounds_over(q);
    struct querier_counts counts;
    double miss, chance;

    if (rounds < ROUNDS_MIN || now_ms(q) < q->heard_at + BUSY_MS)
        return false;
    for (const struct instance *i = q->instances; i; i = i->hh.next)
        if (i->first_round >= rounds || (!is_complete(i) && i->parts_asked < PARTS_MAX))
            return false;
    count_answers(q, rounds, &counts);
    if (counts.unanswered == 0)
        return true;
    miss = (double)counts.unanswered / (double)counts.asked;
    chance = (double)counts.machines;
    for (size_t i = 0; i < rounds; i++)
        chance *= miss;
    return chance < miss_max;
}

bool querier_is_flooded(const struct querier *q)
{
    return now_ms(q) < q->flooded_until;
}

void querier_count(const struct querier *q, struct querier_counts *ret)
{
    count_answers(q, rounds_over(q), ret);
}

/* ---- answers ---- */

enum { KEY_MAX = sizeof(int) + MDNS_LABEL_MAX + 1 };

static size_t make_key(int interface, const char *name, char ret[static KEY_MAX])
{
    size_t n = strnlen(name, MDNS_LABEL_MAX);

    memcpy(ret, &interface, sizeof(interface));
    memcpy(ret + sizeof(interface), name, n);
    ret[sizeof(interface) + n] = '\0';
    return sizeof(interface) + n + 1;
}

static struct instance *find_instance(const struct querier *q, int interface, const char *name)
{
    char key[KEY_MAX];
    size_t size = make_key(interface, name, key);
    struct instance *i;

    HASH_FIND(hh, q->instances, key, size, i);
    return i;
}

/* NULL without memory, or when there are too many. */
static struct instance *make_instance(struct querier *q, int interface, const char *name)
{
    char key[KEY_MAX];
    size_t size = make_key(interface, name, key);
    struct instance *i = find_instance(q, interface, name);

    if (i || HASH_COUNT(q->instances) >= QUERIER_INSTANCES_MAX)
        return i;
    i = calloc(1, sizeof(*i) + size);
    if (!i)
        return NULL;
    memcpy(i->key, key, size);
    i->key_size = size;
    i->first_round = q->round;
    HASH_ADD_KEYPTR(hh, q->instances, i->key, i->key_size, i);
    if (!HASH_WAS_ADDED(i)) {
        free(i);
        return NULL;
    }
    return i;
}

static void free_instance(struct querier *q, struct instance *i)
{
    HASH_DEL(q->instances, i); /* NOLINT(clang-analyzer-core.NullDereference): it is in there */
    free(i->host);
    free(i->txt);
    free(i);
}

static struct confirm *find_confirm(struct querier *q, const char *instance)
{
    for (size_t i = 0; i < q->n_confirms; i++)
        if (strcmp(q->confirms[i].instance, instance) == 0)
            return &q->confirms[i];
    return NULL;
}

static void end_confirm(struct querier *q, struct confirm *c)
{
    *c = q->confirms[--q->n_confirms];
}

/* One packet's frame. */
struct packet {
    int interface;
    struct address from;
    bool ours; /* an answer to our question */
    bool own;  /* from this host */
};

/* Does this address make sense for the machine? */
static bool is_usable(const struct querier *q, const struct packet *p, const struct address *a)
{
    return address_is_unicast(a) && (p->own || !links_is_own(&q->links, a));
}

/* Adds the packet's addresses.  Those of the same protocol that were told more than
 * a second before, and not now, are no longer the host's (RFC 6762 §10.2). */
static void take_addresses(struct querier *q, struct instance *i, const struct packet *p)
{
    const struct mdns_host *h = i->host ? mdns_answer_host(&q->answer, i->host) : NULL;
    uint64_t now = now_ms(q);
    size_t kept = 0;
    bool told[2] = {false, false};

    for (size_t k = 0; h && k < h->n_addresses; k++)
        told[h->addresses[k].family == AF_INET6] = true;
    for (size_t k = 0; k < i->n_addresses; k++)
        if (!told[i->addresses[k].address.family == AF_INET6] ||
            now < i->addresses[k].told + FLUSH_MS)
            i->addresses[kept++] = i->addresses[k];
    i->n_addresses = kept;
    for (size_t k = 0; h && k < h->n_addresses; k++) {
        struct address a = h->addresses[k];
        size_t at = 0;

        if (!is_usable(q, p, &a))
            continue;
        if (a.family == AF_INET6 && address_is_link_local(&a))
            a.interface = (unsigned)p->interface;
        while (at < i->n_addresses && !address_equal(&i->addresses[at].address, &a))
            at++;
        if (at == MDNS_ADDRESSES_MAX)
            continue;
        if (at == i->n_addresses)
            i->n_addresses++;
        i->addresses[at] = (struct known_address){a, now};
    }
}

/* Keeps what the packet says of an instance.  -ENOMEM. */
static int take_records(struct instance *i, const struct mdns_service *s)
{
    if (s->txt) {
        uint8_t *txt = realloc(i->txt, s->txt_size + 1);

        if (!txt)
            return -ENOMEM;
        memcpy(txt, s->txt, s->txt_size);
        i->txt = txt;
        i->txt_size = s->txt_size;
    }
    if (s->port > 0) {
        i->port = s->port;
        if (s->host[0] && (!i->host || strcmp(i->host, s->host) != 0)) {
            char *host = strdup(s->host);

            if (!host)
                return -ENOMEM;
            free(i->host);
            i->host = host;
        }
    }
    return 0;
}

/* Hands a complete instance over. */
static void report_instance(struct querier *q, const struct instance *i, const struct packet *p)
{
    CLEANUP(advert_clear) struct advert advert = ADVERT_INIT;
    struct address addresses[MDNS_ADDRESSES_MAX + 1];
    struct error err = {0};
    struct sighting s = {
        .key = {interface_of_instance(i), SIGHTING_DIRECT, name_of(i), "local"},
        .host = i->host,
        .addresses = addresses,
        .n_addresses = i->n_addresses,
        .port = i->port,
        .advert = &advert,
        .verified = q->signed_only,
    };

    for (size_t k = 0; k < i->n_addresses; k++)
        addresses[k] = i->addresses[k].address;
    if (s.n_addresses == 0) /* without address records: where it came from */
        addresses[s.n_addresses++] = p->from;
    for (size_t k = 0; k < s.n_addresses; k++)
        if (address_equal(&addresses[k], &p->from)) { /* nobody else spoke for it */
            s.heard = true;
            s.answered = links_is_near(&q->links, &p->from) ? &addresses[k] : NULL;
        }
    if (advert_parse(i->txt, i->txt_size, &advert, &err) < 0) {
        if (q->listener.unreadable)
            q->listener.unreadable(&s, err.text, q->listener.arg);
        return;
    }
    q->listener.seen(&s, q->listener.arg);
}

/* Is it a signed record of the fleet?  The port is signed, too; without the SRV
 * record, SSH's default port is tried. */
static bool is_signed(const struct querier *q, const struct mdns_service *s)
{
    CLEANUP(advert_clear) struct advert advert = ADVERT_INIT;

    return s->txt && advert_parse(s->txt, s->txt_size, &advert, NULL) == 0 &&
           advert_verify(s->txt, s->txt_size, s->port ? s->port : SSH_PORT, advert.id, &q->fleet);
}

static void take_service(struct querier *q, struct mdns_service *s, const struct packet *p)
{
    struct confirm *confirm;
    struct instance *i;

    if (q->signed_only) {
        if (!is_signed(q, s)) {
            q->unsigned_seen += !s->goodbye;
            return;
        }
        s->port = s->port ? s->port : SSH_PORT;
    }
    if (s->goodbye && !s->txt) {
        if (find_instance(q, p->interface, s->instance))
            querier_confirm(q, s->instance);
        return;
    }
    i = make_instance(q, p->interface, s->instance);
    if (!i || take_records(i, s) < 0)
        return;
    take_addresses(q, i, p);
    if (p->ours && i->answered_round != q->round) {
        i->answered_round = q->round;
        i->answers++;
    }
    if (!is_complete(i))
        return;
    confirm = s->txt || s->port ? find_confirm(q, s->instance) : NULL;
    if (confirm && confirm->asked > 1)
        end_confirm(q, confirm);
    report_instance(q, i, p);
}

static int interface_of(struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        struct in_pktinfo v4;
        struct in6_pktinfo v6;

        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            memcpy(&v4, CMSG_DATA(c), sizeof(v4));
            return v4.ipi_ifindex;
        }
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            memcpy(&v6, CMSG_DATA(c), sizeof(v6));
            return (int)v6.ipi6_ifindex;
        }
    }
    return -1;
}

static bool read_datagram(struct ear *ear)
{
    struct querier *q = ear->querier;
    uint8_t bytes[MDNS_PACKET_MAX];
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    struct sockaddr_storage from = {0};
    struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct msghdr message = {
        .msg_name = &from,
        .msg_namelen = sizeof(from),
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof(control),
    };
    ssize_t n = recvmsg(ear->fd, &message, MSG_DONTWAIT);
    struct packet p;

    if (n < 0)
        return errno == EINTR;
    /* RFC 6762 §6: answers come from the mDNS port. */
    if (address_from_sockaddr(&from, &p.from) < 0 ||
        ((const struct sockaddr_in *)&from)->sin_port != htons(MDNS_PORT) ||
        !mdns_answer_parse(bytes, (size_t)n, &q->answer) ||
        (!ear->group && q->answer.transaction != q->transaction))
        return true;
    p.interface = interface_of(&message);
    p.ours = !ear->group;
    p.own = links_is_own(&q->links, &p.from);
    if (q->answer.n_services > 0)
        q->heard_at = now_ms(q);
    for (size_t i = 0; i < q->answer.n_services; i++)
        take_service(q, &q->answer.services[i], &p);
    return true;
}

/* Counts unsigned records, and starts asking when there is a flood. */
static void look_for_flood(struct querier *q)
{
    uint64_t now = now_ms(q);

    if (now >= q->window_start + WINDOW_MS) {
        q->window_start = now;
        q->unsigned_seen = 0;
    }
    if (q->unsigned_seen <= FLOOD_MIN)
        return;
    q->flooded_until = now + FLOOD_CALM_MS;
    if (q->ask_due > now + FLOOD_ASK_MS) {
        q->ask_due = now;
        set_timer(q);
    }
}

static int on_datagram(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct ear *ear = arg;

    (void)source, (void)fd, (void)events;
    for (size_t i = 0; i < READS_PER_TURN; i++)
        if (!read_datagram(ear))
            break;
    look_for_flood(ear->querier);
    return 0;
}

bool querier_has(const struct querier *q, const char *instance)
{
    for (size_t i = 0; i < q->links.count; i++) {
        const struct instance *found = find_instance(q, (int)q->links.items[i].interface, instance);

        if (found && found->answers > 0 && is_complete(found))
            return true;
    }
    return false;
}

/* ---- confirmations ---- */

/* Nobody answered.  Links that no longer exist need no report. */
static void report_silent(struct querier *q, const char *name)
{
    struct sighting_key key = {0, SIGHTING_DIRECT, name, "local"};

    for (size_t i = 0; i < q->links.count; i++) {
        struct instance *instance;

        key.interface = (int)q->links.items[i].interface;
        instance = find_instance(q, key.interface, name);
        if (instance)
            free_instance(q, instance);
        q->listener.silent(&key, q->listener.arg);
    }
}

static uint64_t next_ask(const struct confirm *c)
{
    return c->due - QUERIER_CONFIRM_MS + confirm_asks[c->asked];
}

static void check_confirms(struct querier *q, uint64_t now)
{
    for (size_t i = 0; i < q->n_confirms;) {
        struct confirm *c = &q->confirms[i], ended;

        if (c->asked < ARRAY_SIZE(confirm_asks) && now >= next_ask(c)) {
            c->asked++;
            send_question(q, c->instance, -1);
        }
        if (now < c->due) {
            i++;
            continue;
        }
        ended = *c;
        end_confirm(q, c);
        report_silent(q, ended.instance);
    }
}

void querier_ask(struct querier *q, const char *instance)
{
    uint64_t now = now_ms(q);

    if (now >= q->asks_start + WINDOW_MS) {
        q->asks_start = now;
        q->asks = 0;
    }
    if (q->asks++ < ASKS_MAX)
        send_question(q, instance, -1);
}

void querier_confirm(struct querier *q, const char *instance)
{
    struct confirm *c;

    if (strlen(instance) > MDNS_LABEL_MAX || q->n_confirms == CONFIRMS_MAX ||
        find_confirm(q, instance))
        return;
    c = &q->confirms[q->n_confirms++];
    *c = (struct confirm){.due = now_ms(q) + QUERIER_CONFIRM_MS};
    memcpy(c->instance, instance, strlen(instance));
    set_timer(q);
}

/* ---- the loop ---- */

static void set_timer(struct querier *q)
{
    uint64_t due = q->ask_due;

    for (size_t i = 0; i < q->n_confirms; i++) {
        const struct confirm *c = &q->confirms[i];
        uint64_t next = c->asked < ARRAY_SIZE(confirm_asks) ? next_ask(c) : c->due;

        due = next < due ? next : due;
    }
    (void)sd_event_source_set_time(q->timer, due == UINT64_MAX ? due : due * 1000);
    (void)sd_event_source_set_enabled(q->timer,
                                      due == UINT64_MAX ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

/* The time for a question has come: is one needed? */
static void ask_if_needed(struct querier *q, uint64_t now)
{
    bool flooded = now < q->flooded_until, enough = querier_is_settled(q) || q->round >= ROUNDS_MAX;
    bool busy = now < q->heard_at + BUSY_MS && now < q->asked_at + BUSY_MAX_MS;

    if (flooded || q->round == 0)
        ask_for_all(q, now);
    else if (busy)
        q->ask_due = q->heard_at + BUSY_MS;
    else if (!enough)
        ask_for_all(q, now);
    else if (!q->again)
        q->ask_due = UINT64_MAX;
    else if (now < q->asked_at + KEEP_MS)
        q->ask_due = q->asked_at + KEEP_MS;
    else
        ask_for_all(q, now);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
    struct querier *q = arg;
    uint64_t now = now_ms(q);

    (void)source, (void)usec;
    if (now >= q->ask_due)
        ask_if_needed(q, now);
    check_confirms(q, now);
    set_timer(q);
    return 0;
}

/* ---- sockets ---- */

static void make_room(int fd)
{
    const int room = ROOM;

    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
}

/* Bound to the group's address: packets to this host's own address go to the
 * daemon. */
static int open_group(int fd)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(MDNS_PORT)};
    const int on = 1, off = 0;

    here.sin_addr.s_addr = inet_addr("224.0.0.251");
    (void)setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof(off));
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) < 0 ||
        bind(fd, (const struct sockaddr *)&here, sizeof(here)) < 0)
        return -errno;
    return 0;
}

static int open_own(int fd, int family)
{
    const int on = 1, ttl = 255;
    int r;

    if (family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &ttl, sizeof(ttl));
        r = setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
    } else {
        (void)setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl));
        r = setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
    }
    return r < 0 ? -errno : 0;
}

static int open_ear(struct querier *q, size_t which, int family)
{
    struct ear *e = &q->ears[which];
    int r;

    *e = (struct ear){.querier = q, .family = family, .group = which == EAR_GROUP};
    e->fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (e->fd < 0)
        return -errno;
    make_room(e->fd);
    r = e->group ? open_group(e->fd) : open_own(e->fd, family);
    if (r >= 0)
        r = sd_event_add_io(q->loop, &e->io, e->fd, EPOLLIN, on_datagram, e);
    if (r >= 0) /* our answers come before Avahi's, however many there are */
        r = sd_event_source_set_priority(e->io, SD_EVENT_PRIORITY_IMPORTANT);
    if (r < 0) {
        e->io = sd_event_source_disable_unref(e->io);
        close(e->fd);
        e->fd = -1;
    }
    return r;
}

/* Without IPv6 or without the group, the others will do. */
static int open_ears(struct querier *q)
{
    int group = open_ear(q, EAR_GROUP, AF_INET);
    int v4 = open_ear(q, EAR_V4, AF_INET), v6 = open_ear(q, EAR_V6, AF_INET6);

    (void)group;
    return v4 < 0 && v6 < 0 ? v4 : 0;
}

int querier_new(sd_event *loop, const struct key *fleet, bool again,
                const struct querier_listener *listener, struct querier **ret, struct error *err)
{
    CLEANUP(querier_free_p) struct querier *q = calloc(1, sizeof(*q));
    int r;

    if (!q)
        return error_sys(err, -ENOMEM, "cannot ask for machines");
    for (size_t i = 0; i < EARS; i++)
        q->ears[i].fd = -1;
    q->loop = sd_event_ref(loop);
    q->signed_only = fleet != NULL;
    if (fleet)
        q->fleet = *fleet;
    q->again = again;
    q->listener = *listener;
    if (getrandom(&q->transaction, sizeof(q->transaction), GRND_NONBLOCK) < 0)
        q->transaction = (uint16_t)now_ms(q);
    q->transaction |= 1; /* never 0, which a multicast answer has */
    q->window_start = q->ask_due = now_ms(q);
    r = open_ears(q);
    if (r >= 0)
        r = sd_event_add_time(loop, &q->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, q);
    if (r >= 0)
        r = sd_event_source_set_priority(q->timer, SD_EVENT_PRIORITY_IMPORTANT - 1);
    if (r < 0)
        return error_sys(err, r, "cannot ask for machines by mDNS");
    *ret = TAKE_PTR(q);
    return 0;
}

void querier_free(struct querier *q)
{
    struct instance *i, *next;

    if (!q)
        return;
    for (size_t k = 0; k < EARS; k++) {
        sd_event_source_disable_unref(q->ears[k].io);
        if (q->ears[k].fd >= 0)
            close(q->ears[k].fd);
    }
    sd_event_source_disable_unref(q->timer);
    HASH_ITER(hh, q->instances, i, next)
    free_instance(q, i);
    key_clear(&q->fleet);
    sd_event_unref(q->loop);
    free(q);
}
