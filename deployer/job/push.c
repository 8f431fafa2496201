#include "push.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "attempt.h"

/* --- what the machine says in the parts in between --------------------------------------- */

struct heard {
    struct text wire;   /* mode `sources` */
    struct text folder; /* mode `push` */
};

static void heard_clear(struct heard *h)
{
    text_clear(&h->wire);
    text_clear(&h->folder);
}

static void keep_fact(const struct job_event *event, void *arg)
{
    struct heard *h = arg;

    if (event->kind != JOB_STEP || event->step->kind != STEPWIRE_FACT)
        return;
    if (strcmp(event->step->name, APT_SYSTEM_FACT) == 0 && h->wire.size <= APT_SYSTEM_WIRE_MAX)
        text_adds(&h->wire, event->step->detail);
    if (strcmp(event->step->name, "apt_files") == 0 && h->folder.size == 0)
        text_adds(&h->folder, event->step->detail);
}

/* Runs one mode of the machine's side, without events; any outcome but OK is an error. */
static int run_mode(const struct job *job, struct stop_fds stop, const struct job_common *common,
                    struct heard *heard, struct error *err)
{
    struct job part = *job; /* borrows all it has */
    enum job_outcome outcome;

    part.common = common;
    outcome = job_run_part(&part, stop, keep_fact, heard, NULL, err);
    if (outcome == JOB_CANCELLED)
        return -ECANCELED;
    if (outcome == JOB_OK)
        return 0;
    return err->code < 0 ? err->code : error_set(err, -EREMOTEIO, "%s", job_outcome_name(outcome));
}

static struct job_common quiet_mode(const struct job_common *from, const char *mode)
{
    struct job_common common = *from;

    common.mode = mode;
    common.settings = NULL;
    common.places_agents = false;
    common.version_digest = NULL;
    common.looks = false;
    common.push = NULL;
    return common;
}

/* --- the three parts ------------------------------------------------------------------------ */

static int read_system(const struct job *job, struct stop_fds stop, struct apt_system *ret,
                       struct error *err)
{
    const struct job_common common = quiet_mode(job->common, "sources");
    char key[TARGET_KEY_MAX];
    const char *name = job->target.host ? job->target.host : target_key(&job->target, key);
    CLEANUP(heard_clear) struct heard heard = {0};
    int r = run_mode(job, stop, &common, &heard, err);

    return r < 0 ? r : apt_system_read(name, &heard.wire, ret, err);
}

static int push_packages(const struct job *job, struct stop_fds stop, const struct apt_pushed *made,
                         struct text *ret_folder, struct error *err)
{
    struct job_common common = quiet_mode(job->common, "push");
    CLEANUP(heard_clear) struct heard heard = {0};
    CLEANUP_TEXT struct text settings = TEXT_INIT;
    char size[128];
    int r;

    (void)snprintf(size, sizeof(size), "%zu %s", made->size, made->digest);
    job_add_setting(&settings, "push", size);
    common.settings = &settings;
    common.payload = made->bytes;
    common.payload_size = made->size;
    r = text_error(&settings) < 0 ? error_sys(err, -ENOMEM, "cannot push the packages")
                                  : run_mode(job, stop, &common, &heard, err);
    if (r < 0)
        return r;
    if (heard.folder.size == 0)
        return error_set(err, -EPROTO, "the machine does not say where it put the packages");
    text_adds(ret_folder, text_str(&heard.folder));
    return text_error(ret_folder);
}

/* Tells a person what happens, since it takes long. */
static void tell_note(job_listener *listener, void *arg, const char *words)
{
    struct stepwire_event event = {.kind = STEPWIRE_NOTE, .name = "", .detail = words, .lines = ""};

    listener(&(struct job_event){.kind = JOB_STEP, .step = &event}, arg);
}

static int bring_packages(const struct job *job, struct stop_fds stop, job_listener *listener,
                          void *arg, struct text *ret_folder, struct error *err)
{
    CLEANUP(apt_system_clear) struct apt_system system = {0};
    CLEANUP(apt_pushed_clear) struct apt_pushed made = {0};
    CLEANUP_TEXT struct text words = TEXT_INIT;
    int r;

    tell_note(
        listener, arg,
        job->common->upstreams
            ? "it can get its packages neither through the caches nor directly; this controller "
              "fetches them for it"
            : "it cannot reach any package source; this controller fetches its packages for it");
    r = read_system(job, stop, &system, err);
    if (r == 0)
        r = apt_push_make(job->common->push, &system, stop.stop, &made, err);
    if (r < 0)
        return r;
    text_addf(&words, "%zu packages are pushed to it, %zu MB", made.files,
              made.size / (1000 * 1000) + 1);
    tell_note(listener, arg, text_str(&words));
    return push_packages(job, stop, &made, ret_folder, err);
}

/* Tells the failure that was kept back, and why this controller could not help. */
static void tell_failure(const struct unfetched *u, const struct error *why, job_listener *listener,
                         void *arg, struct error *err)
{
    CLEANUP_TEXT struct text detail = TEXT_INIT;
    struct stepwire_event event = {.kind = STEPWIRE_RESULT, .status = STEP_FAILED, .name = u->step};

    text_addf(&detail, "%s; this controller could not fetch them either: %s", text_str(&u->detail),
              why->text);
    event.detail = text_str(&detail);
    event.lines = text_str(&u->lines);
    listener(&(struct job_event){.kind = JOB_STEP, .step = &event}, arg);
    (void)error_set(err, -EREMOTEIO, "%s: %s", u->step, text_str(&detail));
}

enum job_outcome job_push(const struct job *job, struct stop_fds stop, job_listener *listener,
                          void *arg, const struct unfetched *unfetched, struct error *err)
{
    struct job_common common = *job->common;
    struct job part = *job;
    CLEANUP_TEXT struct text settings = TEXT_INIT;
    CLEANUP_TEXT struct text folder = TEXT_INIT;
    struct error why = {0};
    int r = bring_packages(job, stop, listener, arg, &folder, &why);

    if (common.settings)
        text_add(&settings, common.settings->data, common.settings->size);
    job_add_setting(&settings, "apt_files", text_str(&folder));
    if (r == 0 && text_error(&settings) < 0)
        r = error_sys(&why, -ENOMEM, "no memory");
    if (r == -ECANCELED) {
        *err = why;
        return JOB_CANCELLED;
    }
    if (r < 0) {
        tell_failure(unfetched, &why, listener, arg, err);
        return JOB_FAILED;
    }
    common.settings = &settings;
    common.push = NULL;
    part.common = &common;
    *err = (struct error){0};
    return job_run_part(&part, stop, listener, arg, NULL, err);
}
