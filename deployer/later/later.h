/*
 * The queue of `deploy --later`: wishes for machines that are away, in the state database
 * (state.h), worked off by the service, or by a command that waits.
 *
 * A wish is for a machine whose host key is pinned, and for one wheel, which is kept with it.  Of
 * the options, those of a run's record are kept (resume.h); passwords, keys and caches are those of
 * the process that deploys.  One thread, the state's, but for later_pack.
 */
#pragma once

#include "deployer/bundle/pack.h"
#include "deployer/options/options.h"
#include "deployer/run/run.h"
#include "discovery/roster/roster.h"

enum {
    LATER_BUSY_MS = 30 * 1000,      /* until the next try, when another controller is at work */
    LATER_FIRST_MS = 10 * 1000,     /* after a failure; doubled with each further one */
    LATER_LAST_MS = 60 * 60 * 1000, /* and this at most */
    LATER_WHY_MAX = 1024,
};

/* --- making wishes ------------------------------------------------------------------ */

/* Reads the pack's wheel, to be kept.  Errors of file_read. */
int later_read_wheel(const struct pack *pack, struct state_wheel *ret, struct error *err);

/* Queues a deploy of the pack for each of these machines, which have ids; durable when it
 * returns.  `o` is what was asked for. */
int later_add(struct state *s, const struct targets *away, const struct deploy_options *o,
              const struct pack *pack, const struct state_wheel *wheel, struct error *err);

/* --- judging them ------------------------------------------------------------------- */

/* What an entry waits for. */
struct later_verdict {
    bool due;                      /* it can be deployed now: `machine` is the one */
    const struct machine *machine; /* borrowed from the list */
    char why[LATER_WHY_MAX];       /* not due: what it waits for */
    int64_t why_ms;                /* since when */
};

/* `pin`: of the entry's machine, NULL: none; `machines`: all that discovery knows.  Pure; now_ms
 * is the wall clock's. */
void later_judge(const struct state_later *entry, const char *pin,
                 const struct machine *const *machines, size_t n, int64_t now_ms,
                 struct later_verdict *ret);

/* Is it too early to try it again?  A pause that a clock which was set back has made longer
 * than any is over. */
bool later_rests(const struct state_later *entry, int64_t now_ms);

/* later_judge, with the pin read from the database, and nobody else may hold the entry's names
 * now; records what the entry waits for, if that has changed. */
int later_look(struct state *s, const struct state_later *entry,
               const struct machine *const *machines, size_t n, struct later_verdict *ret,
               struct error *err);

/* --- doing them --------------------------------------------------------------------- */

/* Do both wish for the same: one run can do them? */
bool later_same(const struct state_later *a, const struct state_later *b);

/* The options that the entry wishes, as far as they are kept; the rest is `o`'s.  `ret` borrows
 * from both, and is cleared with later_options_clear. */
int later_options(const struct state_later *entry, const struct deploy_options *o,
                  struct deploy_options *ret, struct error *err);
void later_options_clear(struct deploy_options *o);

/* The pack of the entry's wheel, which is written to the cache of wheels.  May be called by any
 * thread, takes as long as pack_make, and has its errors. */
int later_pack(const struct state_wheel *wheel, const char *spec, const char *index,
               const struct paths *paths, int cancel_fd, struct pack **ret, struct error *err);

/* The settings of such a deploy (job.h). */
void later_add_settings(const struct pack *pack, const struct deploy_options *o,
                        struct text *settings);

/* The machine of a verdict as a target, with the entry's agents.  -ENOMEM. */
int later_target(const struct state_later *entry, const struct machine *m, struct target *ret);

/* How the deploy of a claimed entry ended: it leaves the queue, or stays with the reason, to be
 * tried again after a while. */
int later_ended(struct state *s, const struct state_later *entry, enum job_outcome outcome,
                bool busy, const char *why, struct error *err);

/* Ends that could not be written yet: the database was busy, or the disk full. */
struct later_end {
    int64_t entry;
    unsigned tries;
    enum job_outcome outcome;
    bool busy;
    char *why;
};
struct later_ends {
    struct later_end *items;
    size_t count;
};
void later_ends_clear(struct later_ends *ends);

/* later_ended; on failure it is kept for later_catch_up. */
int later_end(struct later_ends *ends, struct state *s, const struct state_later *entry,
              enum job_outcome outcome, bool busy, const char *why, struct error *err);

/* Writes what was kept; what cannot be written stays kept. */
int later_catch_up(struct later_ends *ends, struct state *s, struct error *err);

/* Gives an entry of the list back, if this process has claimed it: for one that nothing is done
 * for any more. */
int later_release(struct state *s, struct state_later *entry, struct error *err);

/* The delay after so many failures. */
int64_t later_delay_ms(unsigned failures);
