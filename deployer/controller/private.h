/* What the parts of the service share: one struct, one thread. */
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
    EVALUATE_USEC = 20 * 1000,    /* changes within it share one look */
    POLL_USEC = 10 * 1000 * 1000, /* what tells no one that it changes */
    REPACK_MS = 30 * 1000,        /* a source directory is looked at again */
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
    char *avahi_trouble;                  /* NULL: it is there */
    bool avahi_told;
    int64_t state_seen;   /* when the database was written to last, in a word */
    char *state_trouble;  /* what the database said last; NULL: well */
    char *record_trouble; /* why it did not take a run; NULL: it does */

    bool evaluation_due; /* what follows is not there until then: */
    struct match match;  /* borrows from the directory: rebuilt by each look */
    struct assignments assignments;
    struct state_names names;
    json_t *match_value; /* as last told */

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
    struct pack *pack, *steps; /* newest of each; NULL: not yet */
    struct packing *packing;   /* at work; NULL: not */
    bool repack;               /* once more, when it has ended */
    char *pack_error;
    int64_t packed_ms;
    char *addresses; /* of this computer: machines are told one of them */

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
/* Something has changed: match, plan, inventory are looked at in a moment. */
void controller_evaluate_soon(struct controller *c);
/* Words for health, replaced; NULL: none. */
void controller_set_trouble(char **trouble, const char *words);

/* evaluate.c: the match, the plan, and what follows from them.  What a look has made
 * borrows from the directory: model_clear before that changes. */
void evaluate(struct controller *c);
void evaluate_if_due(struct controller *c);
/* Whose names the problem has, or with no problem those it says. */
int model_agents(const struct controller *c, const struct member *m, struct strings *ret);
void model_clear(struct controller *c);

/* actions.c: what is done on machines. */
int actions_begin(struct controller *c, const char *verb, struct member **members, size_t n,
                  struct error *err);
void actions_pending(struct controller *c, struct member **members, size_t n);
run_listener actions_on_run_event;
/* A member's wish; "" none. */
void actions_wish(const struct controller *c, const struct member *m, const struct strings *agents,
                  char ret[static RECONCILE_WISH_LENGTH + 1]);

/* discovered.c: what discovery says. */
void discovered_change(const void *key, struct machine *m, enum roster_change change, void *arg);
void discovered_daemon(bool there, const char *reason, void *arg);
/* Looks its pins up; tells listeners when that has changed. */
void model_find_standing(struct controller *c, struct member *m);
void discovered_gone(struct controller *c, struct member *m); /* frees it */

/* packing.c */
void packing_start(struct controller *c);
bool packing_is_done(const struct controller *c); /* what is wanted */
/* It is to be deployed to, and what cannot be packed. */
bool packing_is_awaited(const struct controller *c, const struct member *m);
void packing_stop(struct controller *c);

/* inputs.c: problem and settings, and when they change. */
int inputs_read(struct controller *c, struct error *err);
void inputs_reread(struct controller *c);
int inputs_watch(struct controller *c, struct error *err);
void inputs_unwatch(struct controller *c);

/* For what no event tells: a path through a symbolic link, a mount over a folder. */
void inputs_watch_again(struct controller *c);
void inputs_addresses(struct controller *c);

/* inventory-file.c, hook.c: the inventory file and the hook. */
void inventory_file_write(struct controller *c, struct member **members, size_t n);
void hook_match_changed(struct controller *c);
void hook_stop(struct controller *c);
int inventory_file_text(struct controller *c, enum inventory_format format, struct text *ret);

/* view.c: as JSON; the caller owns it, NULL without memory. */
json_t *view_machine(const struct controller *c, const struct member *m);
json_t *view_machines(const struct controller *c);
json_t *view_match(const struct controller *c);
json_t *view_status(const struct controller *c);
json_t *view_health(const struct controller *c);
json_t *view_run(const struct state_run *run);
json_t *view_runs(const struct controller *c);
json_t *view_history(const struct controller *c, const char *id);
int api_snapshot(struct text *ret, void *controller); /* looks first */
void view_metrics(const struct controller *c, struct text *ret);
void view_put_time(json_t *o, const char *key, int64_t wall_ms);
json_t *view_text(const char *string); /* what is not UTF-8 is escaped */

/* publish.c: events to the listeners; each takes the value over. */
void publish(struct controller *c, const char *event, json_t *value);
void publish_machine(struct controller *c, struct member *m, const char *change);
/* When what is shown of its work has changed since it was told last. */
void publish_work(struct controller *c, struct member *m);
void publish_status(struct controller *c); /* likewise */

/* api.c */
void api_handle(const struct http_request *request, struct answer *ret, void *controller);

/* api-log.c */
void api_log(struct controller *c, struct member *m, const struct http_request *request,
             struct answer *ret);
