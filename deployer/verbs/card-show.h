/*
 * What a person or a program sees of a card: words, JSON, the name in large letters, the label for
 * the case.
 */
#pragma once

#include "deployer/card/look.h"
#include "deployer/card/plan.h"
#include "deployer/options/options.h"

/* One line; `w` is NULL where nothing was written. */
int card_show_json(const char *event, const char *place, const struct card_look *look,
                   const struct card_wish *w, struct error *err);

/* Tells that the card is prepared, and adds its label to the page of --labels. */
int card_show_prepared(const struct deploy_options *o, const char *place,
                       const struct card_look *look, const struct card_wish *w, struct error *err);

/* Before the first card: a page that cannot be written is no fault of a card. */
int card_show_check_labels(const struct deploy_options *o, struct error *err);

/* Appends what a former preparation was: "was prepared for a1, and has booted since". */
void card_show_add_former(const struct card_look *look, struct text *words);

/* The name in large letters; nothing without a name, or for programs. */
void card_show_banner(const struct deploy_options *o, const char *agent);
