/*
 * The routes of the API: one table from method and path to a route.
 * A path is matched literally; no part of it becomes a file's name.
 *
 * Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum route {
    ROUTE_NONE,   /* 404 */
    ROUTE_METHOD, /* 405: the path exists, for another method */
    ROUTE_FILE,   /* a file of the dashboard */
    ROUTE_ROSTER,
    ROUTE_MACHINES,
    ROUTE_MACHINE,
    ROUTE_LOG,
    ROUTE_MATCH,
    ROUTE_INVENTORY,
    ROUTE_RUNS,
    ROUTE_RUN,
    ROUTE_STATUS,
    ROUTE_SESSION,
    ROUTE_EVENTS,
    ROUTE_METRICS,
    ROUTE_HEALTH,
    ROUTE_ACTION, /* `word` is the verb */
    ROUTE_RETRY,
    ROUTE_ASSIGN_ALL,
    ROUTE_ASSIGN,
    ROUTE_ACCEPT,
    ROUTE_FORGET,
    ROUTE_LATER,
    ROUTE_LATER_CANCEL,
    ROUTE_QR,
    ROUTE_SOLVE,
    ROUTE_SOLVE_BEGIN,
    ROUTE_SOLVE_STOP,
    ROUTE_SOLVE_ALGORITHMS,
    ROUTE_EXPERIMENTS,
    ROUTE_EXPERIMENT,
    ROUTE_EXPERIMENT_METRICS,
    ROUTE_EXPERIMENT_PLOT,
    ROUTE_EXPERIMENT_FOLDER,
    ROUTES,
};

enum { ROUTE_PARAMETER_MAX = 160 };

struct routed {
    enum route route;
    const char *word;                    /* ROUTE_ACTION: "deploy" …; else the route's path */
    bool guarded;                        /* it needs the token */
    char parameter[ROUTE_PARAMETER_MAX]; /* the part of the path that {…} matched; "": none */
    const char *allow;                   /* ROUTE_METHOD: the methods that the path has */
};

/* HEAD is treated as GET. */
void route_find(const char *method, const char *path, struct routed *ret);

/* One row, for the test that compares the table with openapi.yaml; false past the
 * end. */
bool route_row(size_t index, const char **ret_method, const char **ret_path);
