#include "metrics.h"

#include <stdio.h>
#include <string.h>

static const double deploy_bounds[METRIC_BUCKETS] = {0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 180, 600};
static const double loop_bounds[METRIC_BUCKETS] = {0.0005, 0.001, 0.0025, 0.005, 0.01,
                                                   0.025,  0.05,  0.1,    0.5,   1};

static void histogram_add(struct histogram *h, const double bounds[static METRIC_BUCKETS],
                          double seconds)
{
    size_t i = 0;

    while (i < METRIC_BUCKETS && seconds > bounds[i])
        i++;
    h->counts[i]++;
    h->sum += seconds;
}

void metrics_deploy(struct metrics *m, double seconds, bool good)
{
    histogram_add(&m->deploy_seconds, deploy_bounds, seconds);
    m->deploys_ok += good;
    m->deploys_failed += !good;
}

void metrics_loop(struct metrics *m, double seconds)
{
    histogram_add(&m->loop_latency_seconds, loop_bounds, seconds);
}

/* A step's name comes from a machine: only valid names are counted. */
void metrics_step_failed(struct metrics *m, const char *step)
{
    size_t size = strlen(step);

    if (size == 0 || size >= sizeof(m->failures[0].step) ||
        strspn(step, "abcdefghijklmnopqrstuvwxyz0123456789-_") != size)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(m->failures); i++) {
        struct step_failures *f = &m->failures[i];

        if (f->count > 0 && strcmp(f->step, step) != 0)
            continue;
        memcpy(f->step, step, size + 1);
        f->count++;
        return;
    }
}

void metrics_head(struct text *t, const char *name, const char *type, const char *help)
{
    text_addf(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_add(struct text *t, const char *name, const char *type, const char *help, double value)
{
    metrics_head(t, name, type, help);
    text_addf(t, "%s %.15g\n", name, value);
}

void metrics_add_labelled(struct text *t, const char *name, const char *label, const char *value,
                          double number)
{
    text_addf(t, "%s{%s=\"%s\"} %.15g\n", name, label, value, number);
}

static void add_histogram(struct text *t, const char *name, const char *help,
                          const struct histogram *h, const double bounds[static METRIC_BUCKETS])
{
    unsigned long sum = 0;

    metrics_head(t, name, "histogram", help);
    for (size_t i = 0; i < METRIC_BUCKETS; i++) {
        sum += h->counts[i];
        text_addf(t, "%s_bucket{le=\"%g\"} %lu\n", name, bounds[i], sum);
    }
    sum += h->counts[METRIC_BUCKETS];
    text_addf(t, "%s_bucket{le=\"+Inf\"} %lu\n%s_sum %.9g\n%s_count %lu\n", name, sum, name, h->sum,
              name, sum);
}

void metrics_write(const struct metrics *m, struct text *ret)
{
    static const char failures[] = "dcop_step_failures_total";

    add_histogram(ret, "dcop_deploy_duration_seconds", "Duration of deploys, each on one machine.",
                  &m->deploy_seconds, deploy_bounds);
    metrics_head(ret, "dcop_deploys_total", "counter", "Finished deploys by result.");
    metrics_add_labelled(ret, "dcop_deploys_total", "result", "ok", (double)m->deploys_ok);
    metrics_add_labelled(ret, "dcop_deploys_total", "result", "failed", (double)m->deploys_failed);
    metrics_head(ret, failures, "counter", "Steps that failed on a machine.");
    for (size_t i = 0; i < ARRAY_SIZE(m->failures) && m->failures[i].count > 0; i++)
        metrics_add_labelled(ret, failures, "step", m->failures[i].step,
                             (double)m->failures[i].count);
    metrics_add(ret, "dcop_avahi_disconnects_total", "counter",
                "Times that the Avahi daemon stopped or hung.", (double)m->avahi_losses);
    metrics_add(ret, "dcop_events_total", "counter", "Events sent to the dashboard's listeners.",
                (double)m->events);
    add_histogram(ret, "dcop_loop_latency_seconds", "Delay of the main loop's timer.",
                  &m->loop_latency_seconds, loop_bounds);
}
