/*
 * The roster is what discovery knows now: the machines, each once, however
 * often and on however many interfaces and protocols Avahi reports it.
 *
 * A machine is (id, host key): an advert with a known id and another host key
 * is a second machine in doubt, never an update of the first.
 *
 * Clones of one image may have both in common.  Two records of beacons ("dcop-ID",
 * "dcop-ID #2") that name different hosts, and are not the same instance on the same interface (a
 * host's name may change), are two machines with the same key; while both are online they are in
 * doubt (`cloned`).  A number tells them apart (struct machine_key).  What has left
 * gives its place to the next one, so that a machine that comes back under another
 * name is no clone of itself.  A record under any other name adds its addresses to the
 * machine, where the host key decides.  A verified machine is one, however often and by whom
 * its signed record is sent.
 *
 * Where a fleet key is there (roster_expect_signatures), a record that it does
 * not verify is only a claim.  It updates, displaces and takes offline nothing
 * that was verified: for the same id and host key, and under the same tuple, it
 * makes a machine of its own, untrusted and in doubt, that is forgotten with its
 * last tuple.  Claims have a bound of their own, so that they cannot exclude a
 * verified machine.
 *
 * The roster has no network and no clock: sightings and times go in, changes
 * come out through a callback.  One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "discovery/advert/advert.h"
#include "discovery/base/address.h"
#include "discovery/known/known.h"

/* Where an advert came from: the key under which Avahi reports it (all of it:
 * NEW and REMOVE come once per interface and protocol), or our own question. */
struct sighting_key {
    int interface;      /* index; negative: unknown */
    int protocol;       /* AvahiProtocol: 0 IPv4, 1 IPv6; SIGHTING_… */
    const char *name;   /* the instance's name */
    const char *domain; /* e.g. "local" */
};

/* The protocol number of a record that this program asked for itself, on the link or in a
 * domain of unicast DNS: it brings all addresses of the host.  Avahi brings one in each
 * tuple.  SIGHTING_BY_HAND: what the state has of a machine at an address that a person gave. */
enum { SSH_PORT = 22, SIGHTING_DIRECT = 100, SIGHTING_DOMAIN = 101, SIGHTING_BY_HAND = 102 };

/* One resolved record.  Borrowed for the duration of a call. */
struct sighting {
    struct sighting_key key;
    const char *host; /* "rpi-1.local": UTF-8, no control characters; NULL: none */
    const struct address *addresses;
    size_t n_addresses; /* 1 at least */
    bool heard;         /* from the machine itself, just now, in a network of this host */
    bool own;           /* this host announces it itself */
    /* The address that it can be reached at, because it answered from a network of this
     * host; NULL: unknown.  A source address alone tells little: a responder may send
     * from any of its addresses. */
    const struct address *answered;
    uint16_t port;               /* SSH, host order */
    const struct advert *advert; /* parsed */
    bool verified;               /* its signature holds */
};

struct machine {
    struct advert advert;      /* of its newest sighting */
    char *host;                /* NULL: unknown */
    char *instance;            /* its record's name; NULL: its own, "dcop-" and the id */
    unsigned clone;            /* see struct machine_key */
    struct address *addresses; /* best first, see addresses_insert in machine.h */
    size_t n_addresses;
    uint16_t port;
    bool beacon;    /* it has one */
    bool verified;  /* its record was signed and the signature holds; advert.seq is then
                     * its newest */
    bool untrusted; /* there is a fleet key, and not verified: matches and deploys ignore it */
    bool by_hand;   /* nothing but the state tells of it: a person gave its address */
    bool forgotten; /* … and the state has it no more: this is its last change */
    bool online;
    bool unheard;  /* it is only in Avahi's cache: it has not answered yet, `online` is a guess */
    bool in_doubt; /* another machine has the same id (a verified one: another verified one) */
    bool cloned;   /* in doubt, because another one that is online has the same host key, too */
    struct timespec first_seen, last_seen; /* CLOCK_REALTIME */
};

/* Which machine of a roster; borrowed. */
struct machine_key {
    const char *id, *hostkey; /* a NULL host key is a key of its own */
    unsigned clone;           /* 0, or another number for others with this id and host key */
};

static inline struct machine_key machine_key_of(const struct machine *m)
{
    return (struct machine_key){m->advert.id, m->advert.hostkey, m->clone};
}

/* Why the machine is in doubt, and for clones what to do, in words that follow
 * "in doubt: "; NULL: it is not. */
const char *machine_doubt(const struct machine *m);

/* What the machine says is wrong with itself, unless machine_doubt has said it; NULL:
 * nothing. */
const char *machine_error(const struct machine *m);

/* Is it on, as far as is known from itself? */
static inline bool machine_is_there(const struct machine *m)
{
    return m->online && !m->unheard;
}

const char *machine_fleet(const struct machine *m); /* the name, or "default" */

/* The machine's name for people: its host without the domain, else its id, else
 * "a machine without a name"; borrowed from `m` or written to `buffer`. */
enum { MACHINE_LABEL_MAX = 64 };
const char *machine_label(const struct machine *m, char buffer[static MACHINE_LABEL_MAX]);

enum roster_change {
    ROSTER_APPEARED, /* a new machine, or one back from offline */
    ROSTER_CHANGED,  /* names, state, addresses … of a machine that is there */
    ROSTER_OFFLINE,  /* it said goodbye, or stopped answering; it stays in the roster */
};
const char *roster_change_name(enum roster_change change); /* "appeared" … */

struct roster;
typedef void roster_listener(const struct machine *m, enum roster_change change, void *arg);

/* NULL when there is no memory. */
struct roster *roster_new(void);
void roster_free(struct roster *r);
DEFINE_CLEANUP(struct roster *, roster_free);
void roster_listen(struct roster *r, roster_listener *listener, void *arg);

/* There is a fleet key: sightings that are not verified are claims.  Before the
 * first sighting. */
void roster_expect_signatures(struct roster *r);

/* Machines that are known have room beyond the bounds below, and so has the host key that is
 * known of each.  Borrowed for the roster's life; may change between calls. */
void roster_know(struct roster *r, const struct known *known);

/* The networks that this host is in: addresses in them come before others.
 * Copies up to ROSTER_NETWORKS_MAX; takes effect with the next sightings. */
void roster_set_networks(struct roster *r, const struct network *networks, size_t count);

enum {
    ROSTER_MACHINES_MAX = 20000, /* then those are forgotten that left longest ago */
    ROSTER_ADDRESSES_MAX = 16,
    ROSTER_SIGHTINGS_MAX = 64,   /* of one machine */
    ROSTER_KEYS_MAX = 16,        /* host keys and clones of one id, and as many untrusted */
    ROSTER_UNTRUSTED_MAX = 2000, /* part of ROSTER_MACHINES_MAX */
    ROSTER_NETWORKS_MAX = 64,
};

/* Adds a sighting.  A machine that does not answer (roster_set_online) stays offline until the
 * sighting is `heard`, or a probe is answered.  The newest record of a machine counts, but a
 * domain's, which somebody has written down, only while the machine has none of the link, and what
 * the state has only while it has no other.  A machine that nothing but the state told of is
 * forgotten when the state does.  If the record's tuple belonged to another machine, it moves to
 * this one; but a machine's record under its own name ("dcop-ID") gives way to none of another id,
 * which is ignored.  A machine without a host key that now has one stays the same machine.
 *
 * A verified record with a lower `seq` than the machine's, or with the same
 * `seq` and other content, is ignored as a replay.  A current record that is
 * replayed from elsewhere adds an address, where the host key will not be found;
 * the earlier addresses of the tuple and of other tuples stay.
 *
 * -ENOMEM, or -ENOSPC when a bound above is reached. */
int roster_see(struct roster *r, const struct sighting *s, struct timespec now);

/* Avahi says that this tuple is gone (a goodbye, or its records ran out).  With
 * its last tuple a machine goes offline. */
void roster_lose(struct roster *r, const struct sighting_key *key, struct timespec now);

/* The state no longer has the machine of this record.  If nothing else told of it, it is
 * forgotten. */
void roster_forget(struct roster *r, const struct sighting_key *key, bool verified);

/* The same as roster_lose for only the verified, or only the unverified, record of the tuple:
 * it was replaced. */
void roster_lose_record(struct roster *r, const struct sighting_key *key, bool verified,
                        struct timespec now);

/* Is a verified (or, with false, an unverified) record of this tuple known? */
bool roster_has_record(const struct roster *r, const struct sighting_key *key, bool verified);

/* The daemon was restarted: all its tuples are void.  The machines stay online
 * until liveness says otherwise; a machine that is seen again takes its old
 * place. */
void roster_forget_sightings(struct roster *r);

/* What liveness found out, and the address that answered (NULL: unknown).  No
 * change, no callback.  A machine that said goodbye (no tuple left) is not brought
 * back by this, only by a new sighting. */
void roster_set_online(struct roster *r, const struct machine_key *key, bool online,
                       const struct address *answered, struct timespec now);

/* NULL when it is not known; prefers the verified machine, which is never a clone.
 * Valid until the next call that changes the roster. */
const struct machine *roster_find(const struct roster *r, const struct machine_key *key);

/* The machine that a record's tuple belongs to; NULL: none.  Valid as above. */
const struct machine *roster_find_record(const struct roster *r, const struct sighting_key *key,
                                         bool verified);

/* Does Avahi still report it?  For machines of this roster only. */
bool roster_is_sighted(const struct machine *m);

/* Machines in a stable order: by first agent name (digits as numbers: a2
 * before a10), unassigned ones last, then by id.  Valid until the next call
 * that changes the roster. */
const struct machine *const *roster_machines(struct roster *r, size_t *ret_count);
