#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "attempt.h"
#include "become.h"
#include "discovery/base/cause.h"

/* The last line of the machine's standard error, for a person. */
static const char *last_complaint(struct job_run *run)
{
    char *text = run->complaints.data, *line;

    if (!text)
        return "it printed no error";
    while (run->complaints.size > 0 && text[run->complaints.size - 1] == '\n')
        text[--run->complaints.size] = '\0';
    line = strrchr(text, '\n');
    return line ? line + 1 : text;
}

/* The command ended before its hello. */
static int explain_silence(struct job_run *run, int status, struct error *err)
{
    const char *user = job_user(run->job);
    char address[ADDRESS_TEXT_MAX];
    const struct cause_seen seen = {.phase = CAUSE_COMMAND,
                                    .code = -EREMOTEIO,
                                    .server = text_str(&run->complaints),
                                    .user = user};
    int r;

    if (cause_is_said(&seen))
        return cause_explain(&seen, err);
    r = become_explain(
        &(struct become_refusal){
            .user = user,
            .status = status,
            .prompted = run->password_sent,
            .unseen = job_become_password(run->job) && !run->may_have_password,
            .errors = text_str(&run->complaints),
            .output = text_str(&run->noise),
        },
        err);

    if (r < 0)
        return r;
    address_format(session_peer(run->session), address);
    return error_set(
        err, -EREMOTEIO,
        "logged in, but no command could be started (status %d: %s): the profile of '%s' there "
        "(~/.bashrc, ~/.profile) exits first, or sudo fails; `ssh %s@%s sudo true` shows which",
        status, last_complaint(run), user, user, address);
}

/* The boot command, which writes to /run, runs before the steps and can fail first. */
int job_explain_boot(struct job_run *run, int status, struct error *err)
{
    const char *said = text_str(&run->complaints);

    /* dash's printf reports a failed write with these words alone. */
    if (strstr(said, "No space left on device") || strstr(said, "printf: I/O error"))
        return error_set(err, -EREMOTEIO,
                         "no space left in /run on the machine for the bundle (%zu KiB, packed); "
                         "make room there (df -h /run), then deploy again",
                         run->job->common->bundle_size / 1024 + 1);
    if (strstr(said, "/run/dcop") && strstr(said, "Read-only file system"))
        return error_set(err, -EREMOTEIO,
                         "/run on the machine cannot be written: %s; reboot it, then deploy again",
                         last_complaint(run));
    if (!run->wire.greeted)
        return explain_silence(run, status, err);
    return error_set(err, -EREMOTEIO, "the machine gave up (status %d): %s; deploy again", status,
                     last_complaint(run));
}

void job_tell_what_goes_on(const struct job_run *run, int code, struct error *err)
{
    char said[ERROR_TEXT_MAX];

    if (!run->at_work)
        return;
    (void)snprintf(said, sizeof(said), "%s", err->text);
    (void)error_set(err, code,
                    "%s; the step that is running there continues to its end, and `dcop-deploy "
                    "--resume` picks it up",
                    said);
}
