/*
 * One controller's parcel becomes the state of this one.
 *
 * Machines, pins and names are in the database, the keys are files beside the settings.
 * All become new in one moment, the end of the database's transaction: the keys are
 * written beside their places before it, and moved there after it; where that was
 * interrupted, takeover_settle does it when the next program begins.  From the first to the
 * last of this the folder of the settings is locked: several states may share it.
 */
#pragma once

#include "deployer/base/paths.h"
#include "deployer/state/transfer.h"
#include "parcel.h"

struct takeover {
    const struct parcel *parcel;
    const struct paths *paths;
    const char *config; /* as --config; NULL: the usual folder */
    bool replace;       /* what is here and not in the parcel may go, after a copy */
};

/* A value; takeover_result_clear. */
struct takeover_result {
    bool taken; /* the state is the new one; else nothing has changed */
    struct transfer_count count;
    char *copy; /* the folder with what was here; NULL: nothing was, or all is in the parcel */
    char *spec; /* of pyDCOP, from the parcel; NULL: there is none in it, or the one here stays */
    char *ssh_key;     /* the one of the parcel, or that was here before; NULL: there is none now */
    bool ssh_key_went; /* there was one before, which is in the copy */
};
void takeover_result_clear(struct takeover_result *r);

/* -EEXIST with words: this computer has another fleet key or SSH key, or knows of machines what
 * the parcel does not; -EBADMSG: the parcel is not valid.  Then nothing has changed.  A
 * failure with `taken`: the keys are not in place yet, which takeover_settle does. */
int takeover_run(struct state *s, const struct takeover *t, struct takeover_result *ret,
                 struct error *err);

/* Takes the folder of the settings, which is made if it is missing: no import changes the keys
 * in it until the descriptor is closed.  Waits for an import; a negative errno with words. */
int takeover_lock(const char *config, struct error *err);

/* What an import that was killed has left is done or taken back.  Each program that changes
 * the state calls it when it has opened it. */
int takeover_settle(struct state *s, const struct paths *paths, const char *config,
                    struct error *err);
