/*
 * A job is one target and what is to be done there; job_run does it, over one
 * SSH session, in the thread that calls it.
 *
 * The network is crossed three times: connect and log in; one command, whose
 * hello says whether the machine has the bundle; then the settings (and the
 * bundle, or a delta, if it lacks it) one way and the events the other.  What is sent to a
 * machine is sent after its hello, so never to a shell that is not ours.
 */
#pragma once

#include "deployer/bundle/delta.h"
#include "deployer/cache/push.h"
#include "deployer/layer/layer.h"
#include "deployer/ssh/auth.h"
#include "deployer/ssh/session.h"
#include "deployer/ssh/upstream.h"
#include "deployer/target/target.h"
#include "deployer/trust/known-machine.h"
#include "discovery/base/error.h"
#include "reach.h"
#include "stepwire.h"

enum { JOB_FINGERPRINT_MAX = 64 };

/* How long a job may take, however much the machine says meanwhile: what the machine itself
 * allows a run (RuntimeMaxSec and TimeoutStopSec in steps/channel.sh), and half an hour for
 * all the rest: checks, bundle and layer over a slow network, packages that are pushed.
 * Where no steps run, that rest; output that a person ends has no limit. */
enum { JOB_STEPS_MAX_S = 7200 + 60, JOB_REST_MAX_S = 30 * 60 };

/* What all jobs of a run have in common: read by every worker, changed by
 * none, and it outlives them. */
struct job_common {
    const char *user;                     /* when the target does not say */
    struct auth *auth;                    /* what to log in with */
    const struct secret *become_password; /* sudo's; NULL: none */
    unsigned timeout_ms;
    const char *mode;              /* what is to be done there, in the words of steps/run */
    const struct text *settings;   /* more settings of this mode, as job_add_setting writes
                                      them; NULL: none */
    uint64_t output_max;           /* bytes that its command may print; 0: the mode runs none */
    bool scan;                     /* only reads its host key: it ends before the login */
    bool looks;                    /* say what would change, change nothing */
    bool places_agents;            /* it wants to know where the machine and the orchestrator are */
    const char *orchestrator;      /* "IP[:PORT]"; NULL: this controller, port 9000 */
    const char *fleet;             /* where its machines are (fleet-networks.h); NULL: not known */
    const struct state_pins *pins; /* of all machines: for targets whose id is a guess or not known;
                                      NULL: there are none */
    const struct strings *revoked; /* host keys (known_hosts_revoked); NULL: none */
    const struct state_names *names; /* who holds which name, beside the pins; NULL: nobody */
    const char *who;                 /* this controller, for the machine's lock */
    const char *run_id;              /* the same when the run is resumed; NULL: not needed */
    const char *version_digest;      /* of what the bundle installs; NULL: no pyDCOP */
    const char *bundle_digest;       /* names the bundle on the machine */
    const void *bundle;              /* its bytes */
    size_t bundle_size;
    const struct upstreams *upstreams;  /* the caches that it may have packages from; NULL: none */
    bool keep_proxy;                    /* they stay in the machine's settings */
    struct layers *layers;              /* what it may ask for; NULL: nothing */
    const struct bundle_deltas *deltas; /* what makes it out of others; NULL: none */
    const void *payload;                /* sent behind the bundle, for a mode that takes it; NULL:
                                           nothing */
    size_t payload_size;
    struct reach_place *reached; /* by which machines try each other; NULL: they do not */
    const struct apt_push *push; /* packages that a machine cannot fetch are fetched here and
                                    pushed (push.h); NULL: they are not */
};

struct job {
    const struct job_common *common;
    struct target target;
    struct known_machine known;
};

void job_clear(struct job *job);

enum job_event_kind {
    JOB_CONNECTING,
    JOB_TRUSTED, /* text: the host key's fingerprint, which was acceptable; peer */
    JOB_HOSTKEY, /* text: that host key, as in known_hosts, once logged in */
    JOB_SENDING, /* the machine lacks the bundle, which is on its way */
    JOB_STEP,    /* step is set */
    JOB_OUTPUT,  /* text: a line of the command's own output; errors: of its standard error */
    JOB_DONE,    /* outcome, and in text why, when it is none of the good ones */
};

enum job_outcome {
    JOB_OK,      /* nothing had to change */
    JOB_CHANGED, /* done */
    JOB_WOULD_CHANGE,
    JOB_FAILED,
    JOB_REFUSED, /* not the machine that is meant, or not trusted */
    JOB_UNREACHABLE,
    JOB_CANCELLED,
};
const char *job_outcome_name(enum job_outcome outcome);

/* Borrowed for the duration of the call, which is made from the worker. */
struct job_event {
    enum job_event_kind kind;
    const struct stepwire_event *step;
    enum job_outcome outcome;
    bool errors;
    const char *text;
    struct address peer; /* JOB_TRUSTED: where the machine answered */
};

typedef void job_listener(const struct job_event *event, void *arg);

/* Runs the job; the last event is JOB_DONE.  `stop.stop` becoming readable lets
 * the machine finish the step that it is at and ends the job then, or at once
 * where no step is at work; `stop.cancel` ends it soon in any case: what runs
 * on the machine goes on there. */
void job_run(const struct job *job, struct stop_fds stop, job_listener *listener, void *arg);

/* One setting: a line "key value", the value percent-encoded. */
void job_add_setting(struct text *to, const char *key, const char *value);

/* The settings as they travel, for the machine at `peer`, seen from `local`
 * (NULL: not known).  Public for its test.  -EINVAL with words. */
int job_settings(const struct job *job, const char *nonce, const struct address *peer,
                 const struct address *local, struct text *ret, struct error *err);
