/* The struct that the parts of the service share; one thread. */
#pragma once

#include "deployer/base/task.h"
#include "deployer/controller/http/server.h"
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

enum {
    EVALUATE_USEC = 20 * 1000,    /* changes within this time share one evaluation */
    POLL_USEC = 10 * 1000 * 1000, /* for what sends no event when it changes */
    REPACK_MS = 30 * 1000,        /* between two packings after a failure, or of a source folder */
    LOG_LINES = 100,
    RUNS_SHOWN = 50,
};

struct controller {
    int argc;
    char **argv;
    struct controller_options settings;
    struct paths paths;
    sd_event *loop;
    struct state *state;
    struct key key; /* the fleet's */
    bool has_key;
    struct passwords passwords;
    char who[128];

    struct members directory;
    struct discovery_thread *discovery;
    struct problem problem;
    bool has_problem;
    char *problem_error, *settings_error; /* NULL: none */
    char *avahi_trouble;                  /* NULL: the daemon is running */
    bool avahi_told;
    int64_t state_seen;   /* a number that changes when the database is written */
    char *state_trouble;  /* the database's last error; NULL: none */
    char *record_trouble; /* why a run could not be recorded; NULL: runs can be */

    bool evaluation_due; /* until then match, assignments and names are empty */
    struct match match;  /* borrows from the directory; made by each evaluation */
    struct assignments assignments;
    struct state_names names;
    json_t *match_value; /* as last published */

    struct admission admission;
    char *listens_on; /* the address, as a URL has it */
    struct strings hosts;
    struct events *events;
    struct files *files;
    struct http *http;
    struct metrics metrics;
    char *status_told;

    struct runner *runner;
    struct follows *follows;
    struct pack *pack, *steps; /* the newest of each; NULL: none yet */
    struct packing *packing;   /* NULL: no packing is running */
    bool repack;               /* pack again when this one has ended */
    char *pack_error;
    int64_t packed_ms;
    char *addresses; /* of this computer: machines get one of them */

    struct reconcile plan;
    sd_event_source *evaluate, *again, *poll, *latency, *inotify, *signals[3];
    struct file_watch **watches; /* of the files that were read */
    size_t n_watches;
    bool inputs_changed;
    uint64_t latency_due;

    struct text inventory; /* as last written */
    struct task *hook;
    struct hook *hook_state;
    bool hook_due;
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
void actions_pending(struct controller *c, struct member **members, size_t n);
run_listener actions_on_run_event;
/* A member's wish; "" none. */
void actions_wish(const struct controller *c, const struct member *m, const struct strings *agents,
                  char ret[static RECONCILE_WISH_LENGTH + 1]);

/* discovered.c: events from discovery. */
void discovered_change(const void *key, struct machine *m, enum roster_change change, void *arg);
void discovered_daemon(bool there, const char *reason, void *arg);
void discovered_gone(struct controller *c, struct member *m); /* frees it */

/* packing.c */
void packing_start(struct controller *c);
bool packing_is_done(const struct controller *c); /* the wanted pack is ready */
/* A deploy to it is pending, and packing has failed. */
bool packing_is_awaited(const struct controller *c, const struct member *m);
void packing_stop(struct controller *c);

/* inputs.c: problem, settings and addresses, and their changes. */
int inputs_read(struct controller *c, struct error *err);
void inputs_reread(struct controller *c);
int inputs_watch(struct controller *c, struct error *err);
void inputs_unwatch(struct controller *c);

/* For changes without an event: a path through a symbolic link, a mount over a folder. */
void inputs_watch_again(struct controller *c);
void inputs_addresses(struct controller *c);

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
