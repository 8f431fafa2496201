/*
 * Writing a plan to a boot partition, and taking it away again.
 *
 * FAT has no transaction: each file is written beside its place, flushed and renamed, and
 * the one that starts it all comes last.  Before it the card boots as its image would; when
 * anything fails, what was written is removed.
 */
#pragma once

#include "deployer/base/content.h"
#include "look.h"

/* The strays of `look` are kept in dcop/undo and removed; so are files that the plan
 * replaces.  Everything is on the card when it returns.  -ENOSPC, -EROFS, -EACCES, -EIO,
 * with words; the card is then as it was. */
int card_apply(const char *folder, const struct card_look *look, const struct content *plan,
               struct error *err);

/* Everything as before card_apply, as far as it may be: a card that has booted keeps its
 * kernel's command line but for our words.  Can be repeated.  `look` is of now. */
int card_undo(const char *folder, const struct card_look *look, struct error *err);
