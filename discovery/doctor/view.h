/*
 * What the doctor has observed, as plain values: this computer, and machines as they are
 * seen from it.  observe.c and probe.c fill them in, rules.c judges them.
 *
 * Strings are owned by whoever fills them in, or borrowed as told.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/base/address.h"
#include "discovery/base/text.h"
#include "discovery/roster/roster.h"

enum {
    VIEW_INTERFACES_MAX = 32,
    VIEW_WORDS_MAX = 240, /* of what another program sent */
    VIEW_MACS_MAX = 4,
    VIEW_CLAIM_MAX = 64, /* of a host's name */
    VIEW_ECHOES = 3,     /* questions to our own Avahi daemon */
    VIEW_PINGS = 10,     /* of each size */
};

/* An interface of this computer; loopback and point-to-point ones are not looked at. */
struct view_interface {
    char name[IF_NAMESIZE];
    unsigned index;
    bool up, running, multicast;
    bool v4, v6;       /* it has an address of this protocol */
    char left_out[64]; /* the line of avahi-daemon.conf that leaves it out; "": none does */
    bool asked;        /* Avahi was asked here by multicast, for this computer's own name */
    int send_error;    /* of that question: a negative errno */
    bool answered;     /* it answered */
};

struct view_host {
    int bus_error;        /* of the system bus: a negative errno; 0: it answers */
    int avahi_error;      /* likewise; -ENOTCONN: no daemon is on the bus */
    char name[256];       /* what it shall be called: of avahi-daemon.conf, else gethostname(2) */
    char avahi_name[256]; /* what Avahi calls this computer; "": it has no name yet */
    char rival[ADDRESS_TEXT_MAX]; /* who answers for `name`; "": nobody */
    char config[64];              /* the path of avahi-daemon.conf */
    struct view_interface interfaces[VIEW_INTERFACES_MAX];
    size_t n_interfaces;
    bool avahi_has_no_v4;           /* it has no IPv4 socket on the mDNS port */
    char others[256];               /* whose other sockets there are, by user; "": none */
    bool others_are_services;       /* one of them is a system's user, not a person's */
    unsigned lacks;                 /* of Avahi, a bit for each enum daemon_lack … */
    struct text cache;              /* … and what daemon_view_explain says of its cache; owned */
    struct strings wrong_addresses; /* of addresses_explain; owned */
    struct strings gone; /* ids whose record is in Avahi's cache, and nothing else; owned */
    struct text silence; /* why nobody answers; owned */
    size_t n_machines;   /* that were found, at all */
    bool rights;         /* pings and ARP were possible, see probe.h */
};

enum view_answer { VIEW_NOT_ASKED, VIEW_SILENT, VIEW_REFUSED, VIEW_ANSWERED };

/* What one address answered. */
struct view_probe {
    bool ssh_asked, connected;  /* TCP */
    int ssh;                    /* 0: a version line came; else a negative errno */
    char words[VIEW_WORDS_MAX]; /* what came before, or instead; cleaned */
    enum view_answer responder; /* any unicast question to UDP port 5353 … */
    enum view_answer beacon;    /* … and that for ADVERT_TYPE */
    unsigned small_sent, small_got, large_sent, large_got, large_size; /* pings */
    unsigned delay_ms;              /* the median of the small ones */
    uint8_t macs[VIEW_MACS_MAX][6]; /* who answered ARP */
    size_t n_macs;
    unsigned arp_asked, arp_doubled; /* questions, and those that one card answered twice */
};

/* One machine, or an address that a person gave. */
struct view_machine {
    const struct machine *record; /* borrowed; NULL: none was seen */
    char label[ADDRESS_TEXT_MAX + MACHINE_LABEL_MAX];
    struct address address;
    uint16_t port;  /* of SSH; 0: it is not asked there */
    bool given;     /* a person asks for it */
    bool known;     /* likewise, as it was met before */
    bool near, own; /* in a network of this computer; an address of it */
    unsigned link;  /* the interface of that network where ARP may be asked; 0: none */
    unsigned cards; /* addresses of its record that are near: more than one card answers ARP */
    bool beside;    /* it is only looked at for its MAC address, and not judged */
    bool heard;     /* no record of it was seen, but it claims a name … */
    char claim[VIEW_CLAIM_MAX]; /* … this one, "": none (claims.h) */
    struct view_probe probe;
    /* Of twins.h: 1 + the index of a machine with a record that has the same MAC address at
     * another address, 0: none; how often that was tried, and how often what was for one
     * reached it after the other had spoken. */
    size_t twin;
    unsigned cross_asked, cross_got;
};
