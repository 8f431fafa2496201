/*
 * The paths of dcop-deploy: its state, and the files that it sends to machines.
 */
#pragma once

#include "discovery/base/error.h"
#include "discovery/base/text.h"

struct paths {
    char *state;   /* the folder */
    char *db;      /* its database */
    char *cache;   /* wheels and bundles, below it */
    char *beacons; /* the beacon for the machines, a folder for each architecture; NULL: none */
    char *pins;    /* of the wheels in layers; NULL: none */
    char *card;    /* setup.sh, for the first boot of cards; NULL: none */
    char *solve;   /* the orchestrator's program; NULL: none */
    char *steps;   /* run, lib.sh, steps/: what goes to the machines */
};

void paths_clear(struct paths *p);

/* The file of a program of ours: the one beside this program.  The caller frees; NULL: this
 * program's own file is not known, or no memory. */
char *paths_program(const char *name);

/* The user's home folder: $HOME, else what passwd(5) has.  Borrowed. */
const char *paths_home(void);

/* `state_dir`: --state-dir, or NULL for $XDG_STATE_HOME/dcop, else
 * ~/.local/state/dcop (XDG Base Directory Specification).  The folders are
 * made, for their owner only.  The steps are those beside this program: in
 * ../share/dcop of an installed one, in deployer/ of a build tree; -ENOENT
 * without any. */
int paths_find(const char *state_dir, struct paths *ret, struct error *err);

/* What a program begins with: checks that what a person has named with --config (NULL:
 * nothing) and --key is there, -ENOENT and others with words, and removes what earlier ones
 * have left behind that were killed: temporary files, some with secrets. */
int paths_begin(const struct paths *p, const char *config, const struct strings *keys,
                struct error *err);

/* Takes the state folder for this process alone, among those that call this, until it ends.
 * -EALREADY with the other's process; `program` is what to call it. */
int paths_hold(const struct paths *p, const char *program, struct error *err);

#define PATHS_SSH_KEY_FILE "ssh.key" /* in key_folder(): that of an import */

/* The private keys to try: those named, else ~/.ssh/id_… as ssh(1) does, and ssh.key of the
 * settings in `config` (as --config). */
int paths_keys(const struct strings *named, const char *config, struct strings *ret,
               struct error *err);
