/*
 * Follows: logs of machines, read as they grow while somebody looks at them.  Each
 * has an SSH session and a thread of its own, beside the workers, as it would
 * keep a place of theirs for as long as a page is open.
 *
 * One is begun by the first question for it, shared by all who ask, and ended
 * when nobody has asked for FOLLOW_KEPT_MS.  One thread, the loop's.
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
    FOLLOW_LINES = 100, /* of what was there before */
    FOLLOW_CURSOR_MAX = 40,
};

enum follow_of {
    FOLLOW_STEP,  /* what the run there says */
    FOLLOW_AGENT, /* the agents' journal */
};

enum follow_state { FOLLOW_CONNECTING, FOLLOW_FOLLOWING, FOLLOW_ENDED };
const char *follow_of_name(enum follow_of of);
const char *follow_state_name(enum follow_state state);

struct follow {
    const char *why; /* FOLLOW_ENDED: what went wrong; NULL: nothing */
    enum follow_state state;
    const struct backlog *backlog;
    uint64_t number; /* tells it from others of this log */
};

/* Borrowed until it ends, but for the pack and the target. */
struct follow_options {
    struct state *state;
    const char *who;
    const struct strings *keys;
    const char *user; /* NULL: as the machine says */
    const struct secret *password, *become_password;
    struct consent consent;
    unsigned timeout_ms;
};

struct follows;

int follows_new(sd_event *loop, struct follows **ret, struct error *err);
void follows_free(struct follows *f);
DEFINE_CLEANUP(struct follows *, follows_free);

/* This log of this machine, when it is followed; it is kept for longer then. */
bool follows_find(struct follows *f, const char *ref, enum follow_of of, struct follow *ret);

/* Begins (anew).  -EBUSY: FOLLOWS_MAX are followed, and each is asked for. */
int follows_begin(struct follows *f, const struct follow_options *options, const char *ref,
                  enum follow_of of, struct target *target, struct pack *steps, struct follow *ret,
                  struct error *err);

/* "NUMBER-LINE", and back; 0: it is none, or another log's. */
void follow_cursor(const struct follow *f, char ret[static FOLLOW_CURSOR_MAX]);
uint64_t follow_after(const struct follow *f, const char *cursor);
