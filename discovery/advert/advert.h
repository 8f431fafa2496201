/*
 * An advert is one machine's DNS-SD record, parsed: what the TXT record of an
 * instance of _dcop-agent._tcp says (version 1; dcop-advert(7) has the table).
 *
 * Every byte of it may be hostile until it is checked here.  What this module
 * returns is bounded and valid: strings are UTF-8 without NUL or newline, and a
 * value that is not valid for its key is left out, as if it had not been sent.
 * Agent names and free texts may still hold other control characters: escape
 * them with text_add_printable before a terminal sees them.
 *
 * Pure: no network, no clock, any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

#define ADVERT_TYPE "_dcop-agent._tcp"
#define ADVERT_INSTANCE_PREFIX "dcop-" /* then the id */
#define ADVERT_FLEET_DEFAULT "default"
#define ADVERT_USER_DEFAULT "pi" /* whom the controller logs in as when nobody says */

/* What to do about two machines of one image, with one /etc/machine-id and one SSH
 * host key: a command line for either of them, machine-id(5), ssh-keygen(1).  The new
 * machine-id is random (random(4): a UUID of version 4): systemd-machine-id-setup(1)
 * makes it of the virtual machine's UUID, and so the old one again on the original. */
#define ADVERT_CLONE_REMEDY                                                                        \
    "rm /etc/ssh/ssh_host_*; "                                                                     \
    "tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id; "                                     \
    "ssh-keygen -A; systemctl restart ssh dcop-beacon"

enum {
    ADVERT_TXT_MAX = 1300, /* whole record, so that it fits one Ethernet frame (RFC 6763 §6.2) */
    ADVERT_SIGNED_MAX = ADVERT_TXT_MAX - 48, /* without its signature */
    ADVERT_PAIR_MAX = 255,                   /* one "key=value" string (RFC 1035 §3.3) */
    ADVERT_ID_LENGTH = 16,                   /* hex digits */
    ADVERT_AGENTS_MAX = 650,                 /* more cannot fit */
    /* Bounds of free-text values, so that agent names keep most of the record. */
    ADVERT_WORD_MAX = 40,
    ADVERT_MODEL_MAX = 64,
    ADVERT_ERROR_MAX = 200,
};

enum advert_state {
    ADVERT_STATE_UNKNOWN, /* not said */
    ADVERT_STATE_NEW,     /* nothing deployed */
    ADVERT_STATE_STOPPED,
    ADVERT_STATE_RUNNING,
    ADVERT_STATE_FAILED,
};

/* "new", "stopped", …; NULL for UNKNOWN.  The reverse returns UNKNOWN. */
const char *advert_state_name(enum advert_state state);
enum advert_state advert_state_from_name(const char *name);

/* A value; strings are owned, NULL where the record does not say. */
struct advert {
    char id[ADVERT_ID_LENGTH + 1];
    struct strings agents; /* in the order of their numbers; none: unassigned */
    char *fleet;           /* NULL: the default fleet */
    char *user;
    char *hostkey; /* "SHA256:…" as ssh-keygen -l prints it */
    char *os;
    char *arch;
    char *python;
    char *model;
    enum advert_state state;
    char *pydcop;
    char *error;  /* what is wrong with the machine's own settings */
    uint64_t seq; /* number of the record, which only grows; 0: not given */
    /* As it was sent, for whoever passes the record on; not verified, and not written by
     * advert_encode.  It covers keys that are ignored here, too. */
    char *signature;
};

#define ADVERT_INIT ((struct advert){0})

void advert_clear(struct advert *a);
/* Do they have the same content? `seq` and the signature are not compared. */
bool advert_equal(const struct advert *a, const struct advert *b);

/* Parses a TXT record in wire form: strings with a length byte each (RFC 6763
 * §6.1).  Keys are compared without case and the first of two counts (§6.4);
 * unknown keys are ignored.  `ret` is written on success only.  -EBADMSG: not a
 * version 1 record of a machine (wrong lengths, too large, txtvers missing or
 * not 1, no valid id). */
int advert_parse(const uint8_t *txt, size_t size, struct advert *ret, struct error *err);

/* Encodes in wire form.  `txtvers` comes first.  Agent names that do not fit
 * are left out from the end, and `err` then says how many: so does the return
 * value, 0 when all of them fit.  Values that are not valid for their key are
 * left out too.  -ENOMEM only. */
int advert_encode(const struct advert *a, uint8_t ret[static ADVERT_TXT_MAX], size_t *ret_size);

/* The same in at most `max` bytes: ADVERT_SIGNED_MAX leaves room to sign it. */
int advert_encode_within(const struct advert *a, size_t max, uint8_t ret[static ADVERT_TXT_MAX],
                         size_t *ret_size);

/* Checks of values, for settings and for a person's input. */
/* Is this the instance's name that the beacon of this id takes: "dcop-ID", or Avahi's
 * alternatives where another machine has that, "dcop-ID #2" to "#999" (RFC 6762 §9)? */
bool advert_is_name_of(const char *instance, const char *id);

bool advert_id_valid(const char *id);
bool advert_agent_valid(const char *name,
                        size_t size); /* fits one TXT pair, UTF-8, no NUL/newline */
bool advert_fleet_valid(const char *fleet);
bool advert_user_valid(const char *user);
bool advert_hostkey_valid(const char *fingerprint);
