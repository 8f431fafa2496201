/*
 * How a job becomes root on a machine: the command line that works with and
 * without a password, sudo's prompts in what it says, and what a refusal means.
 *
 * The password is sent for a prompt that carries the run's nonce and for
 * nothing else: where sudo wants none (NOPASSWD, or its memory of the last
 * one), what was sent would be the next program's input.  Pure.
 */
#pragma once

#include <stdbool.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

/* What goes before the command; nothing for root. */
void become_command(struct text *to, const char *user, const char *nonce, bool with_password);

/* Finds our prompt as it stands, or as sudo-rs wraps it, in any language: "[sudo: PROMPT] Password:
 * ". Removes the first prompt, and what is before it, from the standard error received so far;
 * false: there is none. */
bool become_prompted(struct text *said, const char *nonce);

/* Why a command ended before its hello, where sudo or the login shell ended it. */
struct become_refusal {
    const char *user;
    int status;
    bool prompted;      /* and got a password */
    bool unseen;        /* there is a password, but this machine may not get it */
    const char *errors; /* the end of its standard error */
    const char *output; /* and of its standard output */
};

/* -EPERM with words; 0 when it was something else. */
int become_explain(const struct become_refusal *refusal, struct error *err);
int become_refused(const char *user, struct error *err); /* a wrong password: -EACCES */
