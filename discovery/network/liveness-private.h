/*
 * What the files of liveness share: liveness.c has the machines and the timer,
 * liveness-probe.c the probe of one, liveness-holding.c which machine holds an address.
 */
#pragma once

#include "discovery/base/hash.h"
#include "liveness.h"
#include "mdns-probe.h"
#include "mdns-socket.h"

enum { TICK_MS = 50 /* due times are rounded up to it: one wake-up for many probes */ };

enum phase {
    IDLE,      /* until `due` */
    ASKED,     /* the first mDNS query sent */
    ASKED_ALL, /* more, to every address */
    WAITING,   /* for its turn to connect */
    CONNECTING,
};

struct watched {
    struct liveness *liveness;
    char id[ADVERT_ID_LENGTH + 1];
    char *hostkey;
    unsigned clone;
    char instance[MDNS_PROBE_LABEL_MAX + 1]; /* that it is asked for */
    struct address addresses[ROSTER_ADDRESSES_MAX];
    size_t n_addresses;
    uint16_t port;
    enum phase phase;
    bool known, online;
    bool wanted;       /* another probe, if the one under way fails */
    uint64_t due;      /* ms: when the phase ends */
    uint64_t give_up;  /* ms: when no more queries are sent */
    uint64_t last_tcp; /* ms; 0: never */
    size_t tcp_tried;  /* addresses, in this round */
    struct address connecting_to;
    uint16_t transaction;
    int fd;
    sd_event_source *source;
    UT_hash_handle hh;                /* in `all`, by key */
    UT_hash_handle hh_question;       /* in `questions`, by transaction, while ASKED… */
    UT_hash_handle hh_holder;         /* in `holders`, by address, while `holds` */
    struct address held, answered_at; /* answered_at: the last address, family 0: none */
    unsigned restarts;                /* of the probe that is under way */
    bool holds;                       /* this machine answered its last mDNS query at `held` */
    size_t key_size;
    char key[];
};

struct liveness {
    sd_event *loop;
    bool again;
    struct liveness_listener listener;
    struct watched *all, *questions, *holders;
    size_t unknown, connecting;
    struct mdns_socket *socket;
    sd_event_source *timer;
    uint64_t timer_due; /* ms, UINT64_MAX: off */
};

uint64_t liveness_now_ms(const struct liveness *l);

/* Wakes up at `due` (ms), or a little later. */
void liveness_arm_timer(struct liveness *l, uint64_t due);

/* ---- liveness-probe.c ---- */

/* With the next tick: an answer to a question to all may come first. */
void probe_soon(struct watched *w);

/* The phase ended without an answer. */
void probe_next_phase(struct watched *w);

/* Tells the listener, who may forget the machine. */
void probe_finish(struct watched *w, bool online, const struct address *from);

/* Which of the machine's addresses this is; SIZE_MAX: none. */
size_t probe_find_address(const struct watched *w, const struct address *from);

/* A random transaction that no other question has.  Its lowest bits are the index of
 * the address that is asked: a responder may answer from another one. */
void probe_begin_question(struct watched *w);
void probe_end_question(struct watched *w);
void probe_close_connection(struct watched *w);

/* Of the socket. */
void probe_take_answer(uint16_t transaction, const struct address *from, void *arg);
void probe_take_unreachable(uint16_t transaction, const struct address *to, void *arg);

/* ---- liveness-holding.c ---- */

/* The machine answered from this address, so an earlier holder has left it. */
void holding_begin(struct watched *w, const struct address *a);
void holding_end(struct watched *w);

/* Does another machine hold this address now, or say that it has it, while it holds another one
 * of this machine's?  (A new system on the same computer has all of its addresses.)  Then a TCP
 * answer there tells nothing about this machine, whose record is old. */
bool holding_is_anothers(const struct watched *w, const struct address *a);
