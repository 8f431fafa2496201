#include "become.h"

#include <errno.h>
#include <string.h>

#include "deployer/ssh/auth.h"

#define PROMPT "dcop-sudo-%s:"

void become_command(struct text *to, const char *user, const char *nonce, bool with_password)
{
    if (strcmp(user, "root") == 0)
        return;
    /* In English, whatever the login shell's language: its messages are parsed. */
    text_adds(to, "env LC_ALL=C sudo ");
    if (with_password)
        text_addf(to, "-S -p " PROMPT " ", nonce);
    else
        text_adds(to, "-n ");
}

bool become_prompted(struct text *said, const char *nonce)
{
    CLEANUP_TEXT struct text prompt = TEXT_INIT;
    char *at;
    size_t end;

    text_addf(&prompt, PROMPT, nonce);
    if (text_error(&prompt) < 0 || said->size < prompt.size)
        return false;
    at = memmem(said->data, said->size, prompt.data, prompt.size);
    if (!at)
        return false;
    end = (size_t)(at - said->data) + prompt.size;
    memmove(said->data, said->data + end, said->size - end + 1);
    said->size -= end;
    return true;
}

int become_refused(const char *user, struct error *err)
{
    return error_set(err, -EACCES,
                     "the sudo password of '%s' was refused; it is not tried again. Check the "
                     "password given with --ask-become-pass, a file or DCOP_BECOME_PASSWORD",
                     user);
}

/* In the words of sudo, and of sudo-rs 0.2.5. */
static bool is_not_allowed(const char *e)
{
    return strstr(e, "not in the sudoers file") || strstr(e, "is not allowed to") ||
           strstr(e, "may not run sudo") || strstr(e, "I'm afraid I can't do that");
}

static bool is_wrong_password(const char *e)
{
    return strstr(e, "incorrect password") || strstr(e, "try again") ||
           strstr(e, "incorrect authentication attempt");
}

static bool wants_password(const char *e)
{
    return strstr(e, "password is required") || strstr(e, "no password was provided") ||
           strstr(e, "interactive authentication is required");
}

static int explain_sudo(const struct become_refusal *f, struct error *err)
{
    const char *e = f->errors;

    if (is_not_allowed(e))
        return error_set(err, -EPERM,
                         "user '%s' may not use sudo on the machine; as root there: "
                         "usermod -aG sudo %s, or name another --user",
                         f->user, f->user);
    if (strstr(e, "must have a tty"))
        return error_set(err, -EPERM,
                         "sudo on the machine requires a terminal; remove requiretty for '%s' from "
                         "its /etc/sudoers",
                         f->user);
    if (f->prompted && is_wrong_password(e))
        return become_refused(f->user, err);
    if (wants_password(e)) {
        if (f->unseen)
            return error_set(err, -EPERM, "sudo wants the password of '%s', but %s", f->user,
                             AUTH_UNSEEN);
        return error_set(err, -EPERM,
                         "user '%s' may not use sudo without a password there: a password is "
                         "required; give it with --ask-become-pass",
                         f->user);
    }
    if (strstr(e, "sudo") && (f->status == 127 || strstr(e, "not found")))
        return error_set(err, -EPERM,
                         "there is no sudo on the machine; install it (apt install sudo), or log "
                         "in with --user root");
    return 0;
}

int become_explain(const struct become_refusal *f, struct error *err)
{
    /* nologin(8), false(1), and the message of a restricted shell. */
    if (strstr(f->output, "account is currently not available") ||
        (f->status == 1 && !*f->output && !*f->errors))
        return error_set(err, -EPERM,
                         "the login shell of '%s' runs no commands there (nologin?); as root on "
                         "the machine: chsh -s /bin/sh %s, or name another --user",
                         f->user, f->user);
    return explain_sudo(f, err);
}
