/*
 * The remote side's events: one line each, fields separated by tabs and
 * percent-encoded, at most STEPWIRE_LINE_MAX bytes.  The first line is
 *
 *     dcop-step 1 NONCE <TAB> have|want [<TAB> BUNDLE]...
 *
 * which says whether the machine has the bundle that it was asked for; if not,
 * the digests of up to STEPWIRE_BUNDLES_MAX others that it has, newest first:
 * it can take a delta against one of them.  It comes with the run's own nonce, which nothing but
 * our own boot command can know; what comes before it (a chatty shell profile) is passed over,
 * within bounds. Then, written by steps/run:
 *
 *     plan N                           how many steps there are
 *     check  STEP ok|change|failed DETAIL
 *     start  STEP
 *     result STEP ok|changed|failed|skipped DETAIL LASTLINES
 *     fact   KEY VALUE
 *     busy   WHO                       another run is at work there
 *     refused WHY                      it will not begin, or was ended
 *     diff   STEP TEXT                 lines of what a change would write, in pieces
 *     want   cache                     waits for where the caches are, and says nothing
 *                                      until it is told
 *     want   layer KEY                 waits for this layer (deployer/layer/layer.h), in the
 *                                      same way
 *     want   packages                  the step at work fails because no source gives its
 *                                      packages; the controller may bring them
 *     note   TEXT                      what it waits for
 *     alive                            whoever follows the run is there, each
 *                                      KEEPALIVE_BEAT_MS (keepalive.h)
 *     end    ok|changes|failed|skipped skipped: it was told to stop, and has left
 *                                      the steps with that result
 *     stream                           the rest is a command's own output, to the
 *                                      end of the channel, whose status is its own
 *
 * All of it is hostile until parsed here.  Unknown verbs are passed over, so
 * that a newer machine can say more.  A session says a bounded amount: so many
 * events of each kind, STEPWIRE_EVENTS_MAX in all, STEPWIRE_BYTES_MAX bytes, and
 * after `stream` as much as its mode allows.  What is more is an error of that
 * machine.  Pure: bytes in, events out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deployer/base/nonce.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum {
    STEPWIRE_LINE_MAX = 4096,
    STEPWIRE_NOISE_MAX = 64 * 1024, /* before the hello */
    STEPWIRE_NAME_MAX = 40,
    STEPWIRE_STEPS_MAX = 64,
    STEPWIRE_BUNDLES_MAX = 3,
    STEPWIRE_BUNDLE_LENGTH = 64, /* hex digits */

    /* Of one session, from its hello on.  A run on a machine takes two hours at most,
     * which is 1,440 "alive"; the largest differences are 64 KiB a step (lib.sh). */
    STEPWIRE_EVENTS_MAX = 8192,
    STEPWIRE_FACTS_MAX = 256,
    STEPWIRE_NOTES_MAX = 64,
    STEPWIRE_DIFFS_MAX = 2048,
    STEPWIRE_OTHERS_MAX = 16,
    STEPWIRE_BYTES_MAX = 4 * 1024 * 1024,
};

/* How much a command may print that runs until a person ends it. */
#define STEPWIRE_STREAM_ENDLESS UINT64_MAX

/* The name of the deployer's own note that another host answered in place of the machine. */
#define STEPWIRE_IMPOSTOR "impostor"

enum stepwire_kind {
    STEPWIRE_HELLO,   /* `wanted`: the machine lacks the bundle; detail: what others it has,
                         their digests with tabs between */
    STEPWIRE_PLAN,    /* number */
    STEPWIRE_CHECK,   /* name, status, detail */
    STEPWIRE_START,   /* name */
    STEPWIRE_RESULT,  /* name, status, detail, lines */
    STEPWIRE_FACT,    /* name, detail */
    STEPWIRE_BUSY,    /* detail */
    STEPWIRE_REFUSED, /* detail */
    STEPWIRE_END,     /* status: OK, CHANGE, FAILED or SKIPPED */
    STEPWIRE_DIFF,    /* name, detail: whole lines */
    STEPWIRE_NOTE,    /* detail */
    STEPWIRE_STREAM,  /* once without bytes; then again with each piece that comes */
    STEPWIRE_ALIVE,
    STEPWIRE_WANT, /* name */
};
enum { STEPWIRE_KINDS = STEPWIRE_WANT + 1 };

enum step_status { STEP_OK, STEP_CHANGE, STEP_CHANGED, STEP_FAILED, STEP_SKIPPED };
const char *step_status_name(enum step_status status);

/* Strings are valid UTF-8 or were made so, never NULL, and borrowed for the
 * duration of the callback; they may hold control characters. */
struct stepwire_event {
    enum stepwire_kind kind;
    bool wanted;
    unsigned number;
    enum step_status status;
    const char *name;
    const char *detail;
    const char *lines;
    const void *bytes; /* STREAM: raw, of any kind */
    size_t size;
};

typedef void stepwire_handler(const struct stepwire_event *event, void *arg);

/* A value: stepwire_init, stepwire_clear. */
struct stepwire {
    char nonce[NONCE_LENGTH + 1];
    stepwire_handler *handler;
    void *arg;
    struct text line;
    size_t noise;
    uint64_t bytes, stream_max, stream_left;
    unsigned events, counts[STEPWIRE_KINDS];
    bool greeted, ended, streaming;
};

/* `stream_max`: how many bytes its command may print; 0: the mode has no command. */
void stepwire_init(struct stepwire *w, const char *nonce, uint64_t stream_max,
                   stepwire_handler *handler, void *arg);
void stepwire_clear(struct stepwire *w);

/* Takes bytes in, calls the handler for each whole line.
 * -EPROTO with the words when the other side does not keep to the form or the bounds;
 * it is not to be fed any more then. */
int stepwire_feed(struct stepwire *w, const void *bytes, size_t size, struct error *err);
