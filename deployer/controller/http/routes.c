#include "routes.h"

#include <string.h>

#include "discovery/base/cleanup.h"

struct row {
    const char *method, *path; /* with at most one {…}, which is a whole segment */
    enum route route;
    const char *word;
    bool guarded;
};

#define V1 "/api/v1"
#define ACTION(verb)                                                                               \
    {                                                                                              \
        "POST", V1 "/" verb, ROUTE_ACTION, verb, true                                              \
    }

static const struct row rows[] = {
    {"GET", V1 "/roster", ROUTE_ROSTER, NULL, false},
    {"GET", V1 "/machines", ROUTE_MACHINES, NULL, false},
    {"GET", V1 "/machines/{ref}", ROUTE_MACHINE, NULL, false},
    {"GET", V1 "/machines/{ref}/log", ROUTE_LOG, NULL, true},
    {"GET", V1 "/match", ROUTE_MATCH, NULL, false},
    {"GET", V1 "/inventory", ROUTE_INVENTORY, NULL, false},
    {"GET", V1 "/runs", ROUTE_RUNS, NULL, false},
    {"GET", V1 "/runs/{number}", ROUTE_RUN, NULL, false},
    {"GET", V1 "/status", ROUTE_STATUS, NULL, false},
    {"GET", V1 "/session", ROUTE_SESSION, NULL, true},
    {"GET", V1 "/events", ROUTE_EVENTS, NULL, false},
    ACTION("deploy"),
    ACTION("start"),
    ACTION("stop"),
    ACTION("restart"),
    ACTION("rollback"),
    ACTION("poweroff"),
    ACTION("reboot"),
    ACTION("identify"),
    ACTION("logs"),
    {"POST", V1 "/retry", ROUTE_RETRY, NULL, true},
    {"POST", V1 "/assign", ROUTE_ASSIGN_ALL, NULL, true},
    {"POST", V1 "/machines/{ref}/assign", ROUTE_ASSIGN, NULL, true},
    {"POST", V1 "/machines/{ref}/accept", ROUTE_ACCEPT, NULL, true},
    {"POST", V1 "/machines/{ref}/forget", ROUTE_FORGET, NULL, true},
    {"GET", V1 "/later", ROUTE_LATER, NULL, false},
    {"GET", V1 "/qr", ROUTE_QR, NULL, false},
    {"DELETE", V1 "/later/{machine}", ROUTE_LATER_CANCEL, NULL, true},
    {"GET", "/metrics", ROUTE_METRICS, NULL, false},
    {"GET", "/healthz", ROUTE_HEALTH, NULL, false},
};

bool route_row(size_t index, const char **ret_method, const char **ret_path)
{
    if (index >= ARRAY_SIZE(rows))
        return false;
    *ret_method = rows[index].method;
    *ret_path = rows[index].path;
    return true;
}

static bool matches_pattern(const char *pattern, const char *path,
                            char parameter[ROUTE_PARAMETER_MAX])
{
    const char *open = strchr(pattern, '{'), *rest;
    size_t before, size;

    *parameter = '\0';
    if (!open)
        return strcmp(pattern, path) == 0;
    before = (size_t)(open - pattern);
    rest = strchr(open, '}') + 1;
    if (strncmp(pattern, path, before) != 0)
        return false;
    size = strcspn(path + before, "/");
    if (size == 0 || size >= ROUTE_PARAMETER_MAX || strcmp(path + before + size, rest) != 0)
        return false;
    memcpy(parameter, path + before, size);
    parameter[size] = '\0';
    return true;
}

void route_find(const char *method, const char *path, struct routed *ret)
{
    *ret = (struct routed){.route = ROUTE_NONE};
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char parameter[ROUTE_PARAMETER_MAX];

        if (!matches_pattern(rows[i].path, path, parameter))
            continue;
        if (strcmp(method, rows[i].method) != 0) {
            ret->route = ROUTE_METHOD;
            ret->allow = *rows[i].method == 'G' ? "GET, HEAD" : rows[i].method;
            continue;
        }
        ret->route = rows[i].route;
        ret->word = rows[i].word ? rows[i].word : rows[i].path;
        ret->guarded = rows[i].guarded;
        memcpy(ret->parameter, parameter, sizeof(parameter));
        return;
    }
    if (ret->route == ROUTE_METHOD || strncmp(path, "/api/", 5) == 0)
        return;
    if (strcmp(method, "GET") == 0)
        ret->route = ROUTE_FILE;
    else {
        ret->route = ROUTE_METHOD;
        ret->allow = "GET, HEAD";
    }
}
