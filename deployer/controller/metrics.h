/*
 * Counters for Prometheus (text format 0.0.4).  A value; one thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "discovery/base/text.h"

enum { METRIC_BUCKETS = 10 };

/* In seconds; each histogram has its own table of bounds. */
struct histogram {
    unsigned long counts[METRIC_BUCKETS + 1];
    double sum;
};

struct metrics {
    struct histogram deploy_seconds;
    struct histogram loop_latency_seconds;
    unsigned long avahi_losses; /* connections to the daemon lost */
    unsigned long deploys_ok, deploys_failed;
    unsigned long events;
    struct step_failures {
        char step[48];
        unsigned long count;
    } failures[64]; /* at most 64 distinct steps */
};

void metrics_deploy(struct metrics *m, double seconds, bool good);
void metrics_loop(struct metrics *m, double seconds);
void metrics_step_failed(struct metrics *m, const char *step);

/* A line with its help and type. */
void metrics_add(struct text *t, const char *name, const char *type, const char *help,
                 double value);
/* One more line of the same name, with a label. */
void metrics_add_labelled(struct text *t, const char *name, const char *label, const char *value,
                          double number);
void metrics_head(struct text *t, const char *name, const char *type, const char *help);

/* Writes all counters of this struct. */
void metrics_write(const struct metrics *m, struct text *ret);
