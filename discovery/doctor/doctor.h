/*
 * The doctor: why a machine is not seen, or does not work, as far as can be found out from
 * this computer without a login.
 *
 * It observes this computer (observe.h), looks at the network (network/look.h), asks the
 * machines that are there by unicast (probe.h), and has rules.h judge all of it.  Blocks for
 * some seconds; changes nothing; what it asks leaves a connection without a login in each
 * machine's SSH log.
 */
#pragma once

#include "discovery/base/key.h"
#include "discovery/roster/roster.h"
#include "finding.h"

/* A machine that was met before; borrowed. */
struct doctor_known {
    const char *id, *host;  /* the host may be NULL */
    struct address address; /* where it was */
    uint16_t port;
};

struct doctor_options {
    const char *fleet;     /* NULL: all */
    const char *domain;    /* asked by unicast DNS, beside the link; NULL: none */
    const struct key *key; /* the fleet's; NULL: there is none */
    const char *target;    /* a machine's name or id, an agent or an address; NULL: all */
    const char *state;     /* the state database, see struct discovery_options; NULL: none */
    unsigned timeout_ms;   /* of the look */
    unsigned listen_ms;    /* claims (claims.h) are listened to so long, if the look is shorter */
    const struct doctor_known *known; /* that should be there; those that are not seen are asked at
                                         the address where they were */
    size_t n_known;
};

struct doctor_report {
    struct findings findings;
    size_t n_machines; /* that were looked at */
    bool rights;       /* pings and ARP were possible */
    int signal;        /* that ended it; 0: none */
};

void doctor_report_clear(struct doctor_report *r);

/* What a finding is about: a machine's label (machine_label) and the address that was asked,
 * "rpi-1 (10.0.0.2)"; the address alone where that is its name. */
enum { DOCTOR_LABEL_MAX = ADDRESS_TEXT_MAX + MACHINE_LABEL_MAX };
void doctor_label(const char *name, const struct address *a, char ret[static DOCTOR_LABEL_MAX]);

/* `ret` is {0}.  0 whatever is found, or a negative errno with words. */
int doctor_run(const struct doctor_options *options, struct doctor_report *ret, struct error *err);
