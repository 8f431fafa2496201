/*
 * Findings: what the doctor found wrong, each with its proof and what to do.
 *
 * A struct findings is a value that owns copies of all strings: start with {0},
 * findings_clear.  Strings may hold bytes from the network; text for people is escaped when
 * it is written.  When memory runs out it is marked as failed, which the writers report.
 * Pure; one thread at a time.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "discovery/base/text.h"

enum finding_kind {
    /* this computer */
    FINDING_NO_BUS,
    FINDING_NO_AVAHI,
    FINDING_AVAHI_SILENT,
    FINDING_AVAHI_LIMIT,
    FINDING_AVAHI_NO_IPV4,
    FINDING_SECOND_RESPONDER,
    FINDING_NO_LINK,
    FINDING_NO_MULTICAST_FLAG,
    FINDING_INTERFACE_LEFT_OUT,
    FINDING_FILTERED_HERE,
    FINDING_NAME_CLASH_HERE,
    FINDING_CLOCK_HERE,
    FINDING_NOBODY,
    /* a machine, seen from here */
    FINDING_NOT_SEEN,
    FINDING_NO_ANSWER,
    FINDING_OTHER_SUBNET,
    FINDING_MULTICAST_LOST,
    FINDING_NO_BEACON,
    FINDING_NO_RESPONDER,
    FINDING_MDNS_FILTERED,
    FINDING_CLONES,
    FINDING_NAME_CLASH,
    FINDING_ADDRESS,
    FINDING_ADDRESS_TWICE,
    FINDING_MAC_TWICE,
    FINDING_SSH_REFUSED,
    FINDING_SSH_FILTERED,
    FINDING_SSH_GREETING,
    FINDING_MTU,
    FINDING_LOSS,
    FINDING_DELAY,
    FINDING_SAYS,
    FINDING_AGENT_FAILED,
    /* a machine, seen from inside */
    FINDING_LOGIN,
    FINDING_SUDO,
    FINDING_CLOCK,
    FINDING_DISK,
    FINDING_MEMORY,
    FINDING_PYTHON,
    FINDING_BEACON_STOPPED,
    FINDING_BEACON_OLD,
    FINDING_AVAHI_THERE,
    FINDING_RESPONDER_THERE,
    FINDING_AGENT_PORT,
    FINDING_KINDS,
};

/* The word for programs, "no-avahi"; stable. */
const char *finding_kind_name(enum finding_kind kind);

struct finding {
    enum finding_kind kind;
    char *about;  /* a machine or an interface; NULL: this computer */
    char *wrong;  /* a clause without a full stop, as the two that follow */
    char *proof;  /* what was asked, and what came back */
    char *advice; /* what to do */
};

struct findings {
    struct finding *items;
    size_t count;
    bool failed;
};

enum { FINDINGS_MAX = 4096 }; /* more are dropped */

void findings_clear(struct findings *f);

/* Copies; `about` may be NULL. */
void findings_add(struct findings *f, enum finding_kind kind, const char *about, const char *wrong,
                  const char *proof, const char *advice);

bool findings_has(const struct findings *f, enum finding_kind kind);

/* "ABOUT: what is wrong (proof); what to do", a line each.  -ENOMEM. */
int findings_write(const struct findings *f, struct text *ret);

/* An array of {"kind", "about", "wrong", "proof", "advice"}; NULL without memory. */
json_t *findings_json(const struct findings *f);

/* {"version": 1, "ok": …, "findings": […]} and a newline.  -ENOMEM. */
int findings_write_json(const struct findings *f, struct text *ret);
