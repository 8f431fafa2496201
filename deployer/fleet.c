#include "fleet.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "discovery/base/file.h"
#include "discovery/discovery.h"
#include "discovery/report.h"

/* A yes holds when nothing new came for so long; machines are complete enough
 * when nothing came for the longer time. */
enum { YES_QUIET_MS = 100, ALL_QUIET_MS = 500 };

struct fleet {
    struct machine_list saved;
    struct discovery *live;
};

/* A look at the network while it lasts. */
struct look {
    struct fleet *fleet;
    const struct problem *problem; /* NULL: all machines are wanted */
    sd_event *loop;
    sd_event_source *quiet, *deadline;
    char reason[256]; /* why there is no daemon */
    bool gone;
};

static uint64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void fleet_free(struct fleet *f)
{
    if (!f)
        return;
    discovery_free(f->live);
    machine_list_clear(&f->saved);
    free(f);
}

const struct machine *const *fleet_machines(struct fleet *f, size_t *ret_count)
{
    if (f->live)
        return roster_machines(discovery_roster(f->live), ret_count);
    *ret_count = f->saved.count;
    return f->saved.pointers;
}

/* Is every agent there, on a machine that answered a probe? */
static bool is_yes(struct look *look)
{
    CLEANUP(match_clear) struct match match = MATCH_INIT;
    const struct machine *const *machines;
    size_t n;

    machines = fleet_machines(look->fleet, &n);
    if (match_make(machines, n, look->problem, &match) < 0 || !match_ok(&match, false))
        return false;
    for (size_t i = 0; i < match.n_matched; i++)
        if (!discovery_is_probed(look->fleet->live, match.matched[i].machine))
            return false;
    return true;
}

/* Ends the look, or says in how many milliseconds to look again. */
static int64_t judge(struct look *look)
{
    struct discovery_status status;
    uint64_t quiet, wanted;

    discovery_status(look->fleet->live, &status);
    if (look->problem) {
        if (!is_yes(look))
            return -1;
        wanted = YES_QUIET_MS;
    } else {
        if (!status.all_for_now || status.pending || status.unprobed)
            return -1;
        wanted = ALL_QUIET_MS;
    }
    quiet = now_ms() - status.news;
    if (quiet < wanted)
        return (int64_t)(wanted - quiet);
    (void)sd_event_exit(look->loop, 0);
    return -1;
}

static void on_progress(void *arg)
{
    struct look *look = arg;
    int64_t again = judge(look);

    if (again < 0)
        return;
    (void)sd_event_source_set_time(look->quiet, (now_ms() + (uint64_t)again) * 1000);
    (void)sd_event_source_set_enabled(look->quiet, SD_EVENT_ONESHOT);
}

static int on_quiet(sd_event_source *source, uint64_t usec, void *arg)
{
    (void)source;
    (void)usec;
    on_progress(arg);
    return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *arg)
{
    (void)source;
    (void)usec;
    return sd_event_exit(((struct look *)arg)->loop, 0);
}

static void on_daemon(bool there, const char *reason, void *arg)
{
    struct look *look = arg;

    look->gone = !there;
    (void)snprintf(look->reason, sizeof(look->reason), "%s", reason ? reason : "");
    if (!there)
        (void)sd_event_exit(look->loop, 0);
}

static int look_around(struct look *look, const struct deploy_options *o, struct error *err)
{
    struct discovery_options options = {
        .fleet = o->fleet,
        .daemon = on_daemon,
        .progress = on_progress,
        .arg = look,
    };
    uint64_t end = (now_ms() + o->discovery_ms) * 1000;
    struct discovery_status status;
    int r;

    r = sd_event_add_time(look->loop, &look->quiet, CLOCK_MONOTONIC, 0, 1000, on_quiet, look);
    if (r >= 0)
        r = sd_event_source_set_enabled(look->quiet, SD_EVENT_OFF);
    if (r >= 0)
        r = sd_event_add_time(look->loop, &look->deadline, CLOCK_MONOTONIC, end, 1000, on_deadline,
                              look);
    if (r < 0)
        return error_sys(err, r, "cannot look for machines");
    r = discovery_new(look->loop, &options, &look->fleet->live, err);
    if (r < 0)
        return r;
    if (sd_event_loop(look->loop) < 0)
        return error_set(err, -EIO, "cannot look for machines");
    discovery_status(look->fleet->live, &status);
    if (look->gone || !status.there)
        return error_set(err, -EHOSTDOWN,
                         "the Avahi daemon cannot be asked for machines%s%s; start it "
                         "(systemctl start avahi-daemon), or give a saved roster with --from",
                         *look->reason ? ": " : "", look->reason);
    return 0;
}

static int read_saved(struct fleet *f, const char *path, struct error *err)
{
    CLEANUP_TEXT struct text json = TEXT_INIT;
    int r = file_read(path, REPORT_JSON_MAX, &json, err);

    return r < 0 ? r : report_roster_read(text_str(&json), json.size, path, &f->saved, err);
}

int fleet_find(const struct deploy_options *o, const struct problem *problem, struct fleet **ret,
               struct error *err)
{
    CLEANUP(fleet_free_p) struct fleet *f = calloc(1, sizeof(*f));
    struct look look = {.fleet = f, .problem = problem};
    int r;

    if (!f)
        return error_sys(err, -ENOMEM, "cannot look for machines");
    if (o->from)
        r = read_saved(f, o->from, err);
    else {
        /* A loop of its own: the caller's must not hear the end of this one. */
        r = sd_event_new(&look.loop);
        r = r < 0 ? error_sys(err, r, "cannot look for machines") : look_around(&look, o, err);
        (void)sd_event_source_disable_unref(look.quiet);
        (void)sd_event_source_disable_unref(look.deadline);
    }
    if (r == 0)
        *ret = TAKE_PTR(f);
    else
        fleet_free(TAKE_PTR(f));
    sd_event_unref(look.loop);
    return r;
}
