/*
 * What the files of the querier share: querier.c asks and decides when that is
 * enough, querier-answer.c takes what is answered, querier-instance.c has the
 * instances, querier-known.c asks for those that are known, querier-socket.c has the sockets.
 */
#pragma once

#include "discovery/base/hash.h"
#include "mdns-answer.h"
#include "querier.h"

/* Machines that are asked whether they are still there; beyond that, they count as
 * there. */
enum { CONFIRMS_MAX = 256 };

struct known_address {
    struct address address;
    uint64_t told; /* ms */
};

/* Who told of instances first: the source address of the packet. */
struct source {
    struct address address; /* the hash key, without padding */
    size_t count;           /* instances */
    bool told;              /* that there were too many */
    UT_hash_handle hh;
};

/* An instance on one link, as told so far; its records may come in several
 * packets. */
struct instance {
    bool located; /* its SRV record has come: */
    char *host;   /* NULL: not in it */
    uint16_t port;
    uint8_t *txt; /* NULL: not yet */
    size_t txt_size;
    struct known_address addresses[MDNS_ADDRESSES_MAX];
    size_t n_addresses;
    uint64_t doubted;       /* ms: when that was told last; 0: never */
    struct address refused; /* one that it told and that cannot be a machine's … */
    bool is_refused;        /* … and it has told no other */
    bool own;               /* this host announces it; a reflector may repeat it */
    struct source *source;
    uint64_t expires;        /* ms */
    unsigned first_round;    /* the last question before it was heard first */
    bool answered;           /* any question of ours */
    unsigned answers;        /* questions to all that it answered: how many … */
    unsigned first_answer;   /* … the first … */
    unsigned last_answer;    /* … the last … */
    uint64_t answers_before; /* … and which: bit n for the one n before the last */
    unsigned parts_asked;    /* how often it was asked for what is missing */
    UT_hash_handle hh;
    size_t key_size;
    char key[]; /* interface, name */
};

struct confirm {
    char instance[MDNS_LABEL_MAX + 1];
    uint64_t due; /* ms */
    size_t asked; /* questions */
    bool doubted; /* an unsigned record is the reason */
};

/* One socket: what it hears. */
struct ear {
    struct querier *querier;
    int fd; /* -1: not available */
    int family;
    bool group;         /* the multicast group; else the answers to our port */
    unsigned interface; /* of a group over IPv6, which is one link's (RFC 4007 §4); 0: none */
    sd_event_source *io;
};

/* Of a transaction: which of the last questions to all. */
enum { ROUND_MASK = 63 };

enum { EAR_GROUP, EAR_V4, EAR_V6, EARS };

struct querier {
    sd_event *loop;
    struct key fleet;
    bool signed_only, again;
    struct querier_listener listener;
    struct candidates *candidates; /* NULL: not asked for */
    const struct known *known;     /* NULL: none */
    size_t known_next;             /* of them: the next that is asked for by name */
    uint64_t known_due;            /* ms: when all are asked for again … */
    uint64_t known_pause;          /* … and the time between the last two */
    uint64_t names_start;          /* ms, of `names` */
    unsigned names;                /* asked for in this second */
    struct ear ears[EARS];
    struct ear groups[LINKS_MAX]; /* over IPv6, of links that have no IPv4 */
    sd_event_source *timer;
    struct links links;
    struct instance *instances;
    struct source *sources;    /* of all instances, so at most as many */
    struct mdns_answer answer; /* the packet that is being read */
    uint16_t transaction;      /* of our questions; the lowest bits tell which */
    unsigned round;            /* questions so far */
    uint64_t asked_at, heard_at;
    bool answered;         /* one of them, by any machine but this one */
    bool heard_others;     /* any packet of another host */
    bool port_taken;       /* by a program that does not share it */
    uint64_t ask_due;      /* ms; UINT64_MAX: no more */
    uint64_t open_due;     /* ms: the next question from the mDNS port … */
    uint64_t open_pause;   /* … and the time between two */
    uint64_t window_start; /* ms, of `unsigned_seen` */
    size_t unsigned_seen;
    uint64_t flooded_until; /* ms */
    uint64_t asks_start;    /* ms, of `asks` */
    unsigned asks;          /* for single machines, in this second */
    bool many_missed;       /* more than that: all are asked for … */
    uint64_t missed_due;    /* … ms: then */
    struct confirm confirms[CONFIRMS_MAX];
    size_t n_confirms;
};

/* One packet's frame. */
struct packet {
    int interface;
    struct address from;
    bool ours;      /* an answer to our question … */
    unsigned round; /* … to all, and to which one; 0: to one machine */
    bool own;       /* from this host */
};

uint64_t querier_now_ms(const struct querier *q);

/* Flood, confirmations and the timer: querier.c. */
void querier_look_for_flood(struct querier *q);
struct confirm *querier_find_confirm(struct querier *q, const char *instance);
void querier_end_confirm(struct querier *q, struct confirm *c);

/* Opens the sockets: -errno when there is neither IPv4 nor IPv6. */
int querier_open(struct querier *q);
void querier_close(struct querier *q);

/* Reads the links of this host, and joins the group on new ones. */
void querier_read_links(struct querier *q);

/* Asks for all instances (NULL) or for one, on every link or (from 0) on one; a
 * question that cannot be sent is lost, as on the network. */
void querier_send(const struct querier *q, const char *instance, int interface);

/* The same on every link from the mDNS port itself: the answers come by multicast, for
 * all to hear, and pass a firewall that drops those to a port of our own. */
void querier_send_openly(const struct querier *q, const char *instance);

/* Has nobody answered our own port, though asked several times? */
bool querier_is_unanswered(const struct querier *q);

/* Is it the own name of a machine that is known? */
bool querier_knows(const struct querier *q, const char *instance);

/* Asks by name for machines that are known and were not heard yet: some with each call, in
 * turn.  `openly`: from the mDNS port, too. */
void querier_ask_known(struct querier *q, bool openly);

/* Reports instances as silent whose interface no longer exists, or that have expired. */
void querier_drop_gone(struct querier *q);

/* A new instance has to be asked, too. */
void querier_ask_soon(struct querier *q);

/* The transaction of a question to all, so that a late answer counts for the question that
 * it answers; and the round that a transaction is of.  0: a question to one machine. */
uint16_t querier_transaction(const struct querier *q, unsigned round);
unsigned querier_round_of(const struct querier *q, uint16_t transaction);

/* Takes q->answer. */
void querier_take_answer(struct querier *q, const struct packet *p);

/* Finds the instance, or makes one of that sender.  NULL without memory, or when there
 * are too many, which the listener is told. */
struct instance *instance_make(struct querier *q, const struct packet *p, const char *name);

/* It was heard just now, with records that are valid for `ttl` seconds.  One that has
 * answered a question is kept for as long as its PTR record would be: it may be
 * switched off, and is known.  Others stay for a SRV record's time at least, as the TTL
 * of an answer to our port tells nothing (RFC 6762 §6.7). */
void instance_keep(const struct querier *q, struct instance *i, uint32_t ttl);

/* It has answered that question to all (0: none); false when that was known. */
bool instance_answers(struct instance *i, unsigned round);

struct instance *instance_find(const struct querier *q, int interface, const char *name);
void instance_free(struct querier *q, struct instance *i);
const char *instance_name(const struct instance *i);
int instance_interface(const struct instance *i);

/* Have its SRV and TXT records come, whatever they say? */
bool instance_is_complete(const struct instance *i);
