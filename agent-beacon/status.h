/*
 * The status tells what runs on this machine: the state that the agent's unit
 * leaves in /run/dcop/state (one word: running, stopped or failed), what its
 * agents say is wrong (the first line of /run/dcop/agent/err), and the
 * version of pyDCOP that /opt/dcop/current/version names.
 *
 * A value; `pydcop` and `error` are owned.  `root` is put in front of the paths.
 */
#pragma once

#include "discovery/advert/advert.h"

#define STATUS_STATE_FILE "/run/dcop/state"
#define STATUS_ERROR_FILE "/run/dcop/agent/err"
#define STATUS_CURRENT "/opt/dcop/current"
#define STATUS_VERSION_FILE STATUS_CURRENT "/version"

struct status {
    enum advert_state state; /* NEW: nothing is deployed */
    char *pydcop;            /* NULL: none, or no version is given */
    char *error;             /* at most ADVERT_ERROR_MAX bytes of UTF-8; NULL: nothing is wrong */
};

void status_clear(struct status *s);

/* A file that cannot be read counts as missing. */
void status_read(const char *root, struct status *ret);
