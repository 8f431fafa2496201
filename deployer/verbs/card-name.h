/*
 * Which card has which agent name: a name is given to one card only.  Which one has it is in
 * the state, under a setting of its own, claimed before the card is written.
 */
#pragma once

#include "deployer/card/look.h"
#include "deployer/card/plan.h"
#include "deployer/cli/program.h"

/* The name for this card: --agent's, the one that it had, or the next of the problem; NULL: none
 * was asked for.  -ENOENT with words: all are taken. */
int card_name_choose(struct program *p, const struct card_look *look, const char **ret,
                     struct error *err);

/* `ret_former`: what the record was, for card_name_settle; the caller frees it. */
int card_name_claim(struct program *p, const struct card_wish *w, char **ret_former,
                    struct error *err);

/* `r`: what became of the card; returned, unless the record fails. */
int card_name_settle(struct program *p, const struct card_wish *w, const char *former, int r,
                     struct error *err);

/* The name of a card whose preparation was taken back is free, if the record is that card's. */
int card_name_release(struct program *p, const struct card_look *former, struct error *err);

/* 1: every name has a card.  Where cards are replaced, those of former times are no end. */
int card_names_end(struct program *p, struct error *err);
