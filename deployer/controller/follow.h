/*
 * Follows: logs of machines, read as they grow while a client polls them.  Each has
 * an SSH session and a thread of its own beside the workers, because it would
 * occupy a worker for as long as a page is open.
 *
 * The first request for a log starts it, all clients share it, and it ends when
 * there was no request for FOLLOW_KEPT_MS.  One thread, the loop's.
 */
#pragma once

#include <systemd/sd-event.h>

#include "backlog.h"
#include "deployer/base/secret.h"
#include "deployer/bundle/pack.h"
#include "deployer/state/state.h"
#include "deployer/target/target.h"
#include "members.h"

enum {
    FOLLOWS_MAX = 8,
    FOLLOW_KEPT_MS = 15 * 1000,
    FOLLOW_LINES = 100, /* of the lines from before */
    FOLLOW_CURSOR_MAX = 40,
};

enum follow_of {
    FOLLOW_STEP,  /* the output of the run on the machine */
    FOLLOW_AGENT, /* the agents' journal */
};

enum follow_state { FOLLOW_CONNECTING, FOLLOW_FOLLOWING, FOLLOW_ENDED };
const char *follow_of_name(enum follow_of of);
const char *follow_state_name(enum follow_state state);

struct follow {
    const char *why; /* FOLLOW_ENDED: what went wrong; NULL: nothing did */
    enum follow_state state;
    const struct backlog *backlog;
    uint64_t number; /* distinguishes it from other follows of the same log */
};

/* All of this is borrowed until the follow ends. */
struct follow_options {
    struct state *state;
    const char *who;
    const struct strings *keys;
    const char *config; /* the settings' folder, see paths_keys */
    const char *user;   /* NULL: the user that the machine advertises */
    const struct secret *password, *become_password;
    struct consent consent;
    unsigned timeout_ms;
};

struct follows;

int follows_new(sd_event *loop, struct follows **ret, struct error *err);
void follows_free(struct follows *f);
DEFINE_CLEANUP(struct follows *, follows_free);

/* The follow of this log of this machine, if there is one; this keeps it alive. */
bool follows_find(struct follows *f, const char *ref, enum follow_of of, struct follow *ret);

/* Starts it (again).  -EBUSY: FOLLOWS_MAX logs are followed, and clients poll each of them. */
int follows_begin(struct follows *f, const struct follow_options *options, const char *ref,
                  enum follow_of of, struct target *target, struct pack *steps, struct follow *ret,
                  struct error *err);

/* To "NUMBER-LINE" and back; follow_after: 0 if it is not a cursor of this follow. */
void follow_cursor(const struct follow *f, char ret[static FOLLOW_CURSOR_MAX]);
uint64_t follow_after(const struct follow *f, const char *cursor);
