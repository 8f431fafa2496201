/*
 * What an import has still to do in the folder of the settings, in words that the state
 * database keeps for it, a line each:
 *
 *   in FOLDER              where the import was; only compared
 *   put KIND TOKEN         the file beside becomes the key
 *   remove KIND TOKEN      the key goes, which an empty file beside it says
 *   drop TOKEN             it was not done: its files beside and its copy go
 *
 * KIND is `fleet` or `ssh`.  The file beside is KEY.import-TOKEN: whoever writes the words
 * can touch nothing else, and nothing of another import.  One thread at a time.
 */
#pragma once

#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum { PENDING_TOKEN_LENGTH = 16 + 1 + 16 }; /* the time (UTC) and 16 random hex digits */

struct pending {
    char token[PENDING_TOKEN_LENGTH + 1];
};

/* -EIO: no random bytes. */
int pending_begin(struct pending *ret, struct error *err);

/* The file beside a key, and the folder in `state` with what was there; the caller frees
 * them, NULL without memory. */
char *pending_beside(const struct pending *p, const char *path);
char *pending_copy(const struct pending *p, const char *state);

/* Append a line.  `kind`: `fleet` or `ssh`. */
void pending_add_folder(struct text *words, const char *folder);
void pending_add(struct text *words, const char *action, const char *kind, const struct pending *p);
void pending_add_drop(struct text *words, const struct pending *p);

/* Takes the folder of the settings for this import; closing the descriptor gives it back.
 * Waits for another one. */
int pending_lock(const char *folder, struct error *err);

/* Does what the words say, in the settings' `folder` (absolute; NULL: there is none) and the
 * state's.  Twice is fine.  1: they are of another folder, where there may be something to
 * drop.  -ENOENT with words: a file beside is missing, so that this is not the folder of the
 * import or its key is lost. */
int pending_settle(const char *words, const char *folder, const char *state, struct error *err);
