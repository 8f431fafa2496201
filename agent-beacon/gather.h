/*
 * Gathering makes the advert and the list of problems from the machine's files.
 * No loop, no network.
 */
#pragma once

#include <stdint.h>

#include "discovery/advert/advert.h"
#include "discovery/base/key.h"
#include "identity.h"
#include "sequence.h"
#include "settings.h"

/* Where things are read from; strings belong to the caller. */
struct gather_places {
    const char *root; /* put in front of the system's paths; "": the system */
    const char *state_folder;
    const struct settings *options; /* the command line's */
    const char *key_file;           /* the machine's key; NULL: it has none */
};

enum { GATHER_FILES = 3, GATHER_PORT_DEFAULT = 22 };

struct gather {
    struct gather_places places;
    struct settings_file files[GATHER_FILES]; /* remember their last good content */
    struct identity identity;
    char *identity_error; /* NULL: none */
    struct key key;
    bool has_key;
    char *key_error; /* why the key is not used; NULL: it is used, or there is none */
    struct sequence sequence;
    bool unfinished; /* a file may be half-written: gather again after SETTINGS_STILL_MS */
    bool renamed;    /* set by the caller: another machine has the id's instance name */
};

/* Everything that an advert says.  Strings are owned. */
struct gathered {
    struct advert advert;
    uint16_t port;
    struct strings problems; /* all of them; the advert has one */
};

void gathered_clear(struct gathered *g);

/* `config` NULL: the default path.  Chooses the id; with `keep`, remembers it.
 * Reads the key, which is not read again: a file that is not there or empty is
 * no key, a broken one a problem.  A caller with a key sets the advert's `seq`
 * from `sequence` and signs. */
int gather_init(struct gather *g, const struct gather_places *places, const char *config, bool keep,
                struct error *err);
void gather_clear(struct gather *g);

/* Reads all files anew.  -ENOMEM only. */
int gather_read(struct gather *g, struct gathered *ret);
