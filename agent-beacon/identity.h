/*
 * An identity is the id by which this machine is known for good: 16 hex
 * digits, a keyed hash of what its hardware says, so that a reflashed card
 * keeps the id and a copied card does not.
 *
 * The sources, best first: the board's serial number; the lowest permanent MAC
 * address of an onboard network card; /etc/machine-id; random bytes.  The id is
 * chosen once and kept, with the kind of source it came from.  It is computed
 * anew when that source is there with another value (the card was moved or
 * copied), and stays while that source is away (a network card was taken out).
 *
 * `root` is put in front of every path that is read; "" is the system itself.
 */
#pragma once

#include "discovery/advert/advert.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum identity_kind {
    IDENTITY_NONE,
    IDENTITY_SERIAL,
    IDENTITY_MAC,
    IDENTITY_MACHINE_ID,
    IDENTITY_RANDOM, /* no source at all; gives way to any that appears */
};

/* "serial", "mac", …; NULL for NONE. The reverse returns NONE. */
const char *identity_kind_name(enum identity_kind kind);
enum identity_kind identity_kind_from_name(const char *name);

struct identity {
    enum identity_kind kind;
    char id[ADVERT_ID_LENGTH + 1];
};

/* What the machine offers as sources; strings are owned, NULL when absent. */
struct identity_sources {
    char *serial;
    struct strings macs; /* "b8:27:eb:01:02:03", ascending */
    char *machine_id;
};

void identity_sources_clear(struct identity_sources *s);

/* -ENOMEM only: what cannot be read is absent. */
int identity_sources_read(const char *root, struct identity_sources *ret);

/* The id that a source's value gives: HMAC-SHA256 with a public key that names
 * the purpose, so that machine-id is not disclosed, as machine-id(5) asks. */
void identity_hash(enum identity_kind kind, const char *value,
                   char ret[static ADVERT_ID_LENGTH + 1]);

/* Decides, from what was kept (kind NONE: nothing) and what is there
 * now.  `ret` may be `kept`.  -EIO when random bytes are needed and
 * cannot be read. */
int identity_choose(const struct identity *kept, const struct identity_sources *now,
                    struct identity *ret);

/* Reads the id that is saved in the folder `state`, decides, and, with
 * `remember`, saves the result there when it is new.  `ret` holds an id
 * whenever 0 is returned; `err` may then still report a problem (err->code <
 * 0). */
int identity_read(const char *root, const char *state, bool remember, struct identity *ret,
                  struct error *err);
