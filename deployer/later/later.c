#include "later.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "deployer/options/resume.h"
#include "discovery/base/clock.h"
#include "discovery/base/digest.h"
#include "discovery/base/file.h"

/* --- making wishes ------------------------------------------------------------------ */

int later_read_wheel(const struct pack *pack, struct state_wheel *ret, struct error *err)
{
    CLEANUP(state_wheel_clear) struct state_wheel w = {0};
    const char *path = pack->wheels.paths.items[0], *slash = strrchr(path, '/');
    char digest[DIGEST_LENGTH + 1];
    int r = file_read(path, WHEEL_SIZE_MAX, &w.bytes, err);

    if (r < 0)
        return r;
    digest_bytes(text_str(&w.bytes), w.bytes.size, digest);
    w.digest = strdup(digest);
    w.name = strdup(slash ? slash + 1 : path);
    if (!w.digest || !w.name)
        return error_sys(err, -ENOMEM, "cannot keep the wheel");
    *ret = w;
    w = (struct state_wheel){0};
    return 0;
}

/* Since when it is away, at the latest: its last contact, else now. */
static int64_t away_since(struct state *s, const char *id)
{
    CLEANUP(state_machine_clear) struct state_machine m = {0};

    return state_machine_get(s, id, &m, NULL) == 0 && m.last_seen_ms ? m.last_seen_ms
                                                                     : clock_ms(CLOCK_REALTIME);
}

int later_add(struct state *s, const struct targets *away, const struct deploy_options *o,
              const struct pack *pack, const struct state_wheel *wheel, struct error *err)
{
    CLEANUP_FREE struct state_later *items = calloc(away->count + 1, sizeof(*items));
    CLEANUP_STRINGS struct strings wish = {0};
    int r = items ? resume_wish(o, &wish, err) : error_sys(err, -ENOMEM, "cannot queue machines");

    for (size_t i = 0; i < away->count && r == 0; i++) {
        const struct target *t = &away->items[i];

        items[i] = (struct state_later){
            .machine = t->id,
            .host = t->host,
            .fleet = t->fleet,
            .agents = t->agents,
            .wish = wish,
            .spec = pack->spec,
            .version = pack->wheels.version,
            .reason_ms = away_since(s, t->id),
        };
    }
    return r == 0 ? state_later_put(s, items, away->count, wheel, err) : r;
}

/* --- doing them --------------------------------------------------------------------- */

bool later_same(const struct state_later *a, const struct state_later *b)
{
    return strcmp(a->wheel, b->wheel) == 0 && strings_equal(&a->wish, &b->wish);
}

int later_options(const struct state_later *entry, const struct deploy_options *o,
                  struct deploy_options *ret, struct error *err)
{
    *ret = *o;
    ret->verb = "deploy";
    ret->problems = ret->limits = ret->keys = (struct strings){0};
    ret->inventory = ret->from = ret->spec = ret->orchestrator = ret->ui = ret->deps = ret->user =
        ret->fleet = ret->domain = NULL;
    ret->browser = ret->partial = ret->strict = ret->set_clock = ret->no_start = ret->accept_new =
        ret->force = false;
    if (strings_copy(&ret->keys, &o->keys) < 0 || resume_fill(ret, &entry->wish) < 0)
        return error_sys(err, -ENOMEM, "cannot read the queue");
    ret->user = ret->user ? ret->user : o->user;
    return 0;
}

void later_options_clear(struct deploy_options *o)
{
    strings_clear(&o->problems);
    strings_clear(&o->limits);
    strings_clear(&o->keys);
}

int later_pack(const struct state_wheel *wheel, const char *spec, const char *index,
               const struct paths *paths, int cancel_fd, struct pack **ret, struct error *err)
{
    CLEANUP_FREE char *file = NULL;
    struct pack *pack = NULL;
    int r = wheel_keep(wheel->name, &wheel->bytes, paths->cache, &file, err);

    if (r == 0)
        r = pack_make(file, index, NULL, paths, cancel_fd, &pack, err);
    if (r < 0)
        return r;
    free(pack->spec); /* in the record, what the person had named */
    pack->spec = strdup(spec ? spec : wheel->name);
    if (!pack->spec) {
        pack_unref(pack);
        return error_sys(err, -ENOMEM, "cannot prepare the bundle");
    }
    *ret = pack;
    return 0;
}

void later_add_settings(const struct pack *pack, const struct deploy_options *o,
                        struct text *settings)
{
    text_addf(settings, "ui %s\nbrowser no\n", o->ui ? "remove" : "no");
    deploy_options_add_settings(o, settings);
    pack_add_deps(pack, deploy_options_deps(o), settings);
}

int later_target(const struct state_later *entry, const struct machine *m, struct target *ret)
{
    int r = target_from_machine(m, ret);

    return r == 0 ? strings_copy(&ret->agents, &entry->agents) : r;
}

int64_t later_delay_ms(unsigned failures)
{
    int64_t delay = LATER_FIRST_MS;

    for (; failures > 1 && delay < LATER_LAST_MS; failures--)
        delay *= 2;
    return delay < LATER_LAST_MS ? delay : LATER_LAST_MS;
}

int later_ended(struct state *s, const struct state_later *entry, enum job_outcome outcome,
                bool busy, const char *why, struct error *err)
{
    int64_t now = clock_ms(CLOCK_REALTIME);

    switch (outcome) {
    case JOB_OK:
    case JOB_CHANGED:
        return state_later_done(s, entry->entry, err);
    case JOB_CANCELLED:
        return state_later_failed(s, entry->entry, "the deploy was interrupted",
                                  now + LATER_FIRST_MS, false, err);
    case JOB_WOULD_CHANGE:
    case JOB_FAILED:
    case JOB_REFUSED:
    case JOB_UNREACHABLE:
        break;
    }
    if (busy) {
        CLEANUP_TEXT struct text words = TEXT_INIT;

        text_addf(&words, "busy: %s", why ? why : "another controller is at work there");
        return state_later_failed(s, entry->entry, text_str(&words), now + LATER_BUSY_MS, false,
                                  err);
    }
    return state_later_failed(s, entry->entry, why && *why ? why : job_outcome_name(outcome),
                              now + later_delay_ms(entry->tries + 1), true, err);
}

/* --- ends that could not be written --------------------------------------------------- */

void later_ends_clear(struct later_ends *ends)
{
    for (size_t i = 0; i < ends->count; i++)
        free(ends->items[i].why);
    free(ends->items);
    *ends = (struct later_ends){0};
}

/* Without memory it is not kept: the entry is released, and deployed once more. */
static void keep_end(struct later_ends *ends, const struct later_end *end)
{
    struct later_end *grown = reallocarray(ends->items, ends->count + 1, sizeof(*grown));
    char *why = end->why ? strdup(end->why) : NULL;

    if (grown)
        ends->items = grown;
    if (!grown || (end->why && !why)) {
        free(why);
        return;
    }
    grown[ends->count] = *end;
    grown[ends->count++].why = why;
}

int later_end(struct later_ends *ends, struct state *s, const struct state_later *entry,
              enum job_outcome outcome, bool busy, const char *why, struct error *err)
{
    const struct later_end end = {.entry = entry->entry,
                                  .tries = entry->tries,
                                  .outcome = outcome,
                                  .busy = busy,
                                  .why = (char *)(uintptr_t)why};
    int r = later_ended(s, entry, outcome, busy, why, err);

    if (r < 0)
        keep_end(ends, &end);
    return r;
}

int later_catch_up(struct later_ends *ends, struct state *s, struct error *err)
{
    while (ends->count > 0) {
        struct later_end *end = &ends->items[ends->count - 1];
        const struct state_later entry = {.entry = end->entry, .tries = end->tries};
        int r = later_ended(s, &entry, end->outcome, end->busy, end->why, err);

        if (r < 0)
            return r;
        free(end->why);
        ends->count--;
    }
    return 0;
}

int later_release(struct state *s, struct state_later *entry, struct error *err)
{
    int r = entry->own ? state_later_release(s, entry->entry, err) : 0;

    if (r == 0 && entry->own)
        entry->claimed = entry->own = false;
    return r;
}
