/* The struct that the parts of the service share; one thread. */
#pragma once

#include "deployer/base/task.h"
#include "deployer/controller/http/server.h"
#include "deployer/later/later.h"
#include "deployer/options/passwords.h"
#include "deployer/run/run.h"
#include "deployer/target/assignment.h"
#include "discovery-thread.h"
#include "discovery/base/file-watch.h"
#include "discovery/base/key.h"
#include "follow.h"
#include "members.h"
#include "metrics.h"
#include "options.h"
#include "solve-process.h"
#include "solve-request.h"
#include "solve-view.h"

enum {
    EVALUATE_USEC = 20 * 1000,    /* changes within this time share one evaluation */
    POLL_USEC = 10 * 1000 * 1000, /* for what sends no event when it changes */
    REPACK_MS = 30 * 1000,        /* between two packings after a failure, or of a source folder */
    LOG_LINES = 100,
    LOG_BYTES_MAX = 4 * 1024 * 1024, /* journald's lines have 48 KiB at most (journald.conf(5)) */
    RUNS_SHOWN = 50,
};

/* What an evaluation has made; it borrows from the directory. */
struct evaluation {
    bool due; /* the rest is empty until then */
    struct match match;
    struct assignments assignments;
    struct state_names names;
};

/* What was published last, to publish only changes. */
struct published {
    json_t *match;
    char *status;
    struct text inventory; /* as last written */
};

/* Messages for health; NULL: no trouble. */
struct troubles {
    char *problem, *settings;
    char *avahi;  /* why the daemon is not reached */
    char *domain; /* what is amiss with it */
    char *state;  /* the database's last error */
    char *known;  /* why discovery cannot read which machines are known */
    char *record; /* why a run could not be recorded */
    char *queue;  /* why the queue of `deploy --later` is not worked off */
};

/* The dashboard and the API. */
struct web {
    struct admission admission;
    char *listens_on; /* the address, in the form of a URL */
    struct strings hosts;
    struct events *events;
    struct files *files;
    struct http *http;
};

struct reading;

/* What is sent to machines, and how it is made. */
struct packs {
    struct pack *pack, *steps; /* the newest of each; NULL: none yet */
    struct packing *packing;   /* NULL: no packing is running */
    bool repack;               /* pack again when this one has ended */
    char *error;               /* of the last packing; NULL: none */
    int64_t ended_ms;          /* when it ended, CLOCK_MONOTONIC */
};

/* The queue of `deploy --later`. */
struct later_group;
struct queue {
    struct later_group *group; /* what is packed for it; NULL: nothing */
    struct later_ends ends;    /* to be written */
    json_t *shown;             /* what waits, as shown last; NULL: nothing yet */
};

/* The run of the problem: the present one, or the last. */
struct solving {
    struct solve_process *process; /* NULL: none runs */
    struct solve_view view;
    bool known;                 /* else there was none yet */
    enum solve_view_state told; /* its state when it was published last */
    sd_event_source *publish;   /* it has changed, and is published then */
    uint64_t next_usec;         /* not before, CLOCK_MONOTONIC */
};

/* The inputs that change while the service runs. */
struct inputs {
    struct watched_file *files; /* those that were read */
    size_t n_files;
    bool changed;
    char *addresses; /* of this computer: machines get one of them */
    char *fleet;     /* the networks that its machines are in; "": one network, or none */
};

/* --on-change. */
struct hook_runs {
    struct task *task;
    struct hook *run; /* NULL: the command is not running */
    bool due;         /* run it again afterwards */
};

struct event_sources {
    sd_event_source *evaluate, *again; /* evaluations: soon, and when the plan says */
    sd_event_source *poll, *latency, *signals[3];
};

struct controller {
    int argc;
    char **argv;
    struct controller_options settings;
    struct paths paths;
    sd_event *loop;
    struct event_sources sources;
    struct state *state;
    int64_t state_seen; /* a number that changes when the database is written */
    struct key key;     /* the fleet's */
    bool has_key;
    struct passwords passwords;
    char who[128];

    struct discovery_thread *discovery;
    bool avahi_told;
    struct members directory;
    struct inputs inputs;
    struct problem problem;
    bool has_problem;
    struct evaluation evaluation;
    struct reconcile plan;

    struct packs packs;
    struct queue queue;
    struct solving solving;
    struct runner *runner;
    struct follows *follows;

    struct web web;
    struct reading *readings; /* of experiments, each in a thread */
    struct metrics metrics;
    struct troubles troubles;
    struct published published;
    struct hook_runs hook;
};

void controller_log(const struct controller *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Something has changed: match, plan and inventory are evaluated in a moment. */
void controller_evaluate_soon(struct controller *c);
/* Replaces a message for health; `words` NULL: no trouble. */
void controller_set_trouble(char **trouble, const char *words);

/* evaluate.c: the match, the plan, and what follows from them.  What an evaluation has
 * made borrows from the directory: model_clear before the directory changes. */
void evaluate(struct controller *c);
void evaluate_if_due(struct controller *c);
/* model.c: the names that are assigned to it; else those that it advertises, with a
 * problem only those that the match gives it. */
int model_agents(const struct controller *c, const struct member *m, struct strings *ret);
void model_clear(struct controller *c);
/* Looks its pins up. */
void model_find_standing(struct controller *c, struct member *m);

/* actions.c: actions on machines. */
int actions_begin(struct controller *c, const char *verb, struct member **members, size_t n,
                  struct error *err);
/* Begins a run on these members, as many as the plan has targets, whose keys it fills in.  On
 * failure it is told as theirs. */
int actions_begin_plan(struct controller *c, struct run_plan *plan, struct member **members,
                       struct error *err);
void actions_pending(struct controller *c, struct member **members, size_t n);
run_listener actions_on_run_event;
/* What is deployed, where --canary has it go to one machine first; NULL: to all at once. */
const char *actions_version(const struct controller *c);

/* The digest of a member's desired state (reconcile.h). */
void actions_wish(const struct controller *c, const struct member *m, const struct strings *agents,
                  char ret[static RECONCILE_WISH_LENGTH + 1]);

/* discovered.c: events from discovery. */
void discovered_change(const void *key, struct machine *m, enum roster_change change, void *arg);
void discovered_daemon(bool there, const char *reason, void *arg);
void discovered_domain_trouble(const char *words, void *arg);
void discovered_known(const char *words, void *arg);
void discovered_gone(struct controller *c, struct member *m); /* frees it */

/* packing.c */
void packing_start(struct controller *c);
bool packing_is_done(const struct controller *c); /* the wanted pack is ready */
/* A deploy to it is pending, and packing has failed. */
bool packing_is_awaited(const struct controller *c, const struct member *m);
void packing_stop(struct controller *c);

/* later.c: looks who of the queue is there, and deploys to them. */
void later_evaluate(struct controller *c, struct member **members, size_t n);
/* The end of a machine's action, which may be that of its entry. */
void later_on_end(struct controller *c, const struct run_event *e, struct member *m);
void later_stop(struct controller *c);

/* solving.c: runs of the problem, by `dcop-deploy solve`. */
bool solving_is_active(const struct controller *c);
/* Begins one; `asked` has been checked.  -EBUSY and -ENOENT, with a sentence, when it cannot be
 * now. */
int solving_begin(struct controller *c, const struct solve_request *asked, struct error *err);
/* As Ctrl-C does.  -ENOENT: none runs. */
int solving_stop(struct controller *c);
json_t *solving_view(const struct controller *c); /* null before the first */
void solving_clear(struct controller *c);

/* api-solve.c */
void api_solve(struct controller *c, const struct http_request *request, struct answer *ret);
void api_solve_begin(struct controller *c, const struct http_request *request, struct answer *ret);
void api_solve_stop(struct controller *c, const struct http_request *request, struct answer *ret);
void api_solve_algorithms(struct controller *c, const struct http_request *request,
                          struct answer *ret);

/* api-experiments.c: what is asked of experiments, read in threads. */
void api_experiments(struct controller *c, const struct http_request *request, struct answer *ret);
void api_experiments_stop(struct controller *c);

/* inputs.c: problem, settings and addresses, and their changes. */
int inputs_read(struct controller *c, struct error *err);
void inputs_reread(struct controller *c);
int inputs_watch(struct controller *c, struct error *err);
void inputs_unwatch(struct controller *c);

/* For changes that inotify does not show: a symbolic link or a folder above that is
 * another one now, a mount over a folder.  Marks the inputs as changed. */
void inputs_check_files(struct controller *c);
void inputs_addresses(struct controller *c);
/* Where the fleet is, which each machine is told (target/fleet-networks.h). */
void inputs_fleet(struct controller *c);

/* inventory-file.c, hook.c: the inventory file and the hook. */
void inventory_file_write(struct controller *c, struct member **members, size_t n);
void hook_match_changed(struct controller *c);
void hook_stop(struct controller *c);
int inventory_file_text(struct controller *c, enum inventory_format format, struct text *ret);

/* view.c: JSON values that the caller owns; NULL without memory. */
json_t *view_machine(const struct controller *c, const struct member *m);
json_t *view_machines(const struct controller *c);
json_t *view_match(const struct controller *c);
json_t *view_status(const struct controller *c);
json_t *view_health(const struct controller *c);
json_t *view_run(const struct state_run *run);
json_t *view_runs(const struct controller *c);
json_t *view_history(const struct controller *c, const char *id);
void view_metrics(const struct controller *c, struct text *ret);
void view_put_time(json_t *o, const char *key, int64_t wall_ms);
json_t *view_text(const char *string); /* bytes that are not UTF-8 are escaped */

/* publish.c: events to the listeners.  publish takes the value over. */
void publish(struct controller *c, const char *event, json_t *value);
void publish_for(struct controller *c, const char *event, enum event_audience audience,
                 json_t *value);
void publish_machine(struct controller *c, struct member *m, const char *change);
/* Publishes it if its shown work has changed since the last time. */
void publish_work(struct controller *c, struct member *m);
void publish_status(struct controller *c); /* likewise */

/* api.c: the handlers of http/server.c; both evaluate first, if due. */
int api_snapshot(struct text *ret, void *controller);
void api_handle(const struct http_request *request, struct answer *ret, void *controller);

/* api-log.c */
void api_log(struct controller *c, struct member *m, const struct http_request *request,
             struct answer *ret);
