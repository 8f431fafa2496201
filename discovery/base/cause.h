/*
 * Causes: why a connection, its key exchange, a login or the start of a command failed.
 *
 * One table says which words of libssh, of the SSH server or of PAM mean what, and what to
 * do.  A message has the others' words first, and our reading only where it is known.
 * All words come from the network: they are bounded, and cleaned of control characters.
 * Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "text.h"

enum cause_phase {
    CAUSE_CONNECT,      /* TCP */
    CAUSE_VERSION,      /* until the server's version line (RFC 4253 §4.2) */
    CAUSE_KEY_EXCHANGE, /* until its host key is known */
    CAUSE_LOGIN,
    CAUSE_REFUSED, /* no key or password was taken, and a banner was shown before: it may say
                      anything */
    CAUSE_SESSION, /* until it has opened a channel and taken the command */
    CAUSE_COMMAND, /* until the command has said hello */
};

struct cause_seen {
    enum cause_phase phase;
    int code;            /* negative errno; -ETIMEDOUT: time was up in this phase */
    const char *library; /* libssh's or the system's words; NULL: none */
    const char *server;  /* what the server sent for people to read; NULL: none */
    const char *user, *address;
    uint16_t port;
    double seconds; /* that were waited */
};

/* The message, with what to do; returns the code, which a known cause may change (a refusal
 * by the server is -EACCES). */
int cause_explain(const struct cause_seen *seen, struct error *err);

/* Appends our reading alone, what it means and what to do; nothing where it is not known. */
void cause_add_reading(const struct cause_seen *seen, struct text *to);

/* Appends the server's words to a message that does not have them yet, and the reading where
 * one is known. */
void cause_add_words(const struct cause_seen *seen, struct error *err);

/* Whether the server's words are known in this phase. */
bool cause_is_said(const struct cause_seen *seen);

/* Appends words as one line: white space becomes one blank, what controls a terminal is
 * escaped, and what is beyond CAUSE_WORDS_MAX bytes is cut. */
enum { CAUSE_WORDS_MAX = 240 };
void cause_add_clean(struct text *to, const char *words, size_t size);

/* Whether a question asks for something other than the password: a code, a token. */
bool cause_is_second_factor(const char *prompt);
