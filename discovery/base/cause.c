#include "cause.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"

#define EXPIRED                                                                                    \
    "the password of '{user}' has expired: log in there and change it, or as root on the "         \
    "machine: passwd {user}"
#define SECOND_FACTOR                                                                              \
    "it asks for a second factor, which dcop-deploy cannot give: use a user or a key that needs "  \
    "none"
#define NO_COMMON(what, setting)                                                                   \
    {                                                                                              \
        CAUSE_KEY_EXCHANGE, 0, "no match for method " what, NULL, -EPROTO,                         \
            "the two have no algorithm in common: allow a usual one on the machine (" setting      \
            " in its sshd_config, then systemctl restart ssh), or use a newer libssh here"         \
    }

/* A row without words is for what no row before it has.  {user}, {port}, {address} and
 * {seconds} are filled in. */
static const struct cause {
    enum cause_phase phase;
    int when;            /* the code seen; 0: any but -ETIMEDOUT */
    const char *library; /* these words of the library */
    const char *server;  /* these words of the server; alternatives are separated by '|' */
    int code;            /* 0: the one seen */
    const char *reading; /* and what to do */
} causes[] = {
    {CAUSE_CONNECT, -ECONNREFUSED, NULL, NULL, 0,
     "no SSH server listens there: on the machine, systemctl enable --now ssh"},
    {CAUSE_CONNECT, -ETIMEDOUT, NULL, NULL, 0,
     "is it switched off, asleep, or on another network?"},
    {CAUSE_CONNECT, 0, NULL, NULL, 0, "is it switched off, asleep, or on another network?"},

    /* OpenSSH's sshd.c:drop_connection and srclimit.c */
    {CAUSE_VERSION, 0, NULL, "Exceeded MaxStartups", 0,
     "too many connections at once: repeat with fewer --forks, or raise MaxStartups in the "
     "machine's sshd_config"},
    {CAUSE_VERSION, 0, NULL, "Not allowed at this time", 0,
     "it refuses this computer for a while after failed logins (PerSourcePenalties): wait a "
     "minute, then repeat"},
    {CAUSE_VERSION, 0, NULL, "HTTP/|220 |+OK |* OK ", -EPROTO,
     "port {port} belongs to another program: name the port of the SSH server"},
    {CAUSE_VERSION, 0, "No version of SSH protocol usable", NULL, -EPROTO,
     "this server does not speak SSH version 2: put a current system on the machine"},
    {CAUSE_VERSION, 0, "too large banner", NULL, -EPROTO,
     "port {port} belongs to another program: name the port of the SSH server"},
    {CAUSE_VERSION, 0, NULL, NULL, 0, "`journalctl -u ssh` on the machine may say why"},
    {CAUSE_VERSION, -ETIMEDOUT, NULL, NULL, 0,
     "the machine hangs or is overloaded (restart it), or the port belongs to another program"},

    /* libssh's kex.c, its ssh_kex_descriptions */
    NO_COMMON("kex algos", "KexAlgorithms"),
    NO_COMMON("server host key algo", "HostKey and HostKeyAlgorithms"),
    NO_COMMON("encryption", "Ciphers"),
    NO_COMMON("mac algo", "MACs"),
    NO_COMMON("compression", "Compression"),
    {CAUSE_KEY_EXCHANGE, -ETIMEDOUT, NULL, NULL, 0,
     "its version line arrived, and nothing larger: large packets may be lost on the way (MTU; "
     "`ping -M do -s 1400 {address}` shows it), or the machine is overloaded"},
    {CAUSE_KEY_EXCHANGE, 0, NULL, NULL, 0,
     "the two may have no algorithm in common: `journalctl -u ssh` on the machine says why"},

    {CAUSE_LOGIN, 0, "Too many authentication failures", NULL, -EACCES,
     "the SSH server allows no more attempts (MaxAuthTries): too many keys were offered for "
     "'{user}'; name the right one with --key"},
    /* pam_nologin(8), systemd-user-sessions.service(8), shutdown(8) */
    {CAUSE_LOGIN, 0, NULL, "booting up|going down|pam_nologin|Unprivileged users are not permitted",
     -EAGAIN,
     "the machine lets nobody but root in at the moment (/run/nologin or /etc/nologin): repeat "
     "when it has started"},
    /* pam_unix(8) */
    {CAUSE_LOGIN, 0, NULL, "account has expired", -EACCES,
     "the account of '{user}' has expired; as root on the machine: chage -E -1 {user}"},
    {CAUSE_LOGIN, 0, NULL,
     "change your password|password has expired|Password change required|Current password|New "
     "password",
     -EACCES, EXPIRED},
    {CAUSE_LOGIN, 0, NULL, "erification code|ne-time|OTP|asscode|second factor|YubiKey", -EACCES,
     SECOND_FACTOR},
    /* Raspberry Pi OS, its userconf-pi package */
    {CAUSE_REFUSED, 0, NULL, "valid user has been set up|rptl.io/newuser", -EACCES,
     "the card has no user yet: write it anew with a user set in Raspberry Pi Imager, or set the "
     "machine up on its screen"},
    {CAUSE_LOGIN, -ETIMEDOUT, NULL, NULL, 0,
     "the SSH server there waits for a name server (UseDNS in its sshd_config) or for PAM "
     "(/etc/pam.d/sshd), or the machine is overloaded; a longer --timeout may do"},
    {CAUSE_LOGIN, 0, NULL, NULL, 0,
     "an account rule there may refuse '{user}' (/etc/pam.d/sshd, access.conf): `journalctl -u "
     "ssh` on the machine says why"},

    {CAUSE_SESSION, 0, "no more sessions", NULL, 0, "raise MaxSessions in its sshd_config"},
    {CAUSE_SESSION, 0, "open failed", NULL, 0,
     "its sshd_config may allow no sessions (MaxSessions): `journalctl -u ssh` on the machine"},
    {CAUSE_SESSION, 0, NULL, NULL, 0, "`journalctl -u ssh` on the machine may say why"},
    {CAUSE_SESSION, -ETIMEDOUT, NULL, NULL, 0,
     "a PAM module there waits (the lines \"session\" in /etc/pam.d/sshd), or the machine is "
     "overloaded; a longer --timeout may do"},

    /* OpenSSH's session.c:do_pwchange, and sudo's plugins/sudoers/auth/pam.c */
    {CAUSE_COMMAND, 0, NULL, "Password change required|password has expired|password is expired",
     -EACCES, EXPIRED},
    {CAUSE_COMMAND, -ETIMEDOUT, NULL, NULL, 0,
     "the profile there (~/.bashrc, ~/.profile) waits for something, or sudo for a name server "
     "(is the machine's name in its /etc/hosts?), or it is overloaded; a longer --timeout may do"},
};

static const struct {
    const char *time_up, *failed;
} phases[] = {
    [CAUSE_CONNECT] = {"cannot connect to {address} port {port}",
                       "cannot connect to {address} port {port}"},
    [CAUSE_VERSION] = {"port {port} accepts connections, but no SSH server answered within "
                       "{seconds} s",
                       "the SSH server closed the connection before the key exchange"},
    [CAUSE_KEY_EXCHANGE] = {"the SSH key exchange did not end within {seconds} s",
                            "the SSH key exchange failed"},
    [CAUSE_LOGIN] = {"connected, but the login of '{user}' did not end within {seconds} s",
                     "the server closed the connection during the login of '{user}'"},
    [CAUSE_SESSION] = {"logged in, but the SSH server took no command within {seconds} s",
                       "logged in, but the SSH server takes no command"},
    [CAUSE_COMMAND] = {"logged in, but no command started within {seconds} s",
                       "logged in, but no command could be started"},
};

static bool has_one_of(const char *words, const char *alternatives)
{
    char one[64];
    size_t length;

    if (!words)
        return false;
    for (const char *at = alternatives; *at; at += length + (at[length] == '|')) {
        length = strcspn(at, "|");
        (void)snprintf(one, sizeof(one), "%.*s", (int)length, at);
        if (strstr(words, one))
            return true;
    }
    return false;
}

static const struct cause *find_cause(const struct cause_seen *seen, bool words_only)
{
    for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++) {
        const struct cause *c = &causes[i];

        if (c->phase != seen->phase)
            continue;
        /* What the server says counts, however the phase ended. */
        if (c->server ? !has_one_of(seen->server, c->server)
            : c->when ? c->when != seen->code
                      : seen->code == -ETIMEDOUT)
            continue;
        if (c->library && !has_one_of(seen->library, c->library))
            continue;
        if (words_only && !c->server)
            continue;
        return c;
    }
    return NULL;
}

static void fill_in(struct text *to, const char *form, const struct cause_seen *seen)
{
    while (*form) {
        size_t plain = strcspn(form, "{");

        text_add(to, form, plain);
        form += plain;
        if (!*form)
            break;
        if (strncmp(form, "{user}", 6) == 0)
            text_add_printable(to, seen->user ? seen->user : "?");
        else if (strncmp(form, "{port}", 6) == 0)
            text_addf(to, "%u", (unsigned)seen->port);
        else if (strncmp(form, "{address}", 9) == 0)
            text_add_printable(to, seen->address ? seen->address : "?");
        else
            text_addf(to, "%g", seen->seconds);
        form += strcspn(form, "}") + 1;
    }
}

void cause_add_clean(struct text *to, const char *words, size_t size)
{
    CLEANUP_TEXT struct text line = TEXT_INIT;
    bool blank = false;

    for (size_t i = 0; i < size; i++) {
        char c = words[i];

        if (c == '\0' || strchr(" \t\r\n\v\f", c)) {
            blank = true;
            continue;
        }
        if (blank && line.size > 0)
            text_addc(&line, ' ');
        blank = false;
        /* Not in the middle of a character. */
        if (line.size >= CAUSE_WORDS_MAX && ((unsigned char)c & 0xC0) != 0x80) {
            text_adds(&line, "…");
            break;
        }
        if (line.size >= CAUSE_WORDS_MAX + 4)
            break;
        text_addc(&line, c);
    }
    text_add_printable(to, text_str(&line));
}

static void add_quoted(struct text *to, const char *words)
{
    text_adds(to, "; it says: \"");
    cause_add_clean(to, words, strlen(words));
    text_addc(to, '"');
}

/* libssh's words for a connection that was closed; behind them it puts any errno, and they take
 * the place of better ones when the server closes before libssh has written its own answer. */
static const char socket_error[] = "Socket error: ";

/* What it says of its own list is what a person can change; ours is long and says nothing. */
static void add_library(struct text *to, const char *words)
{
    const char *ours = strstr(words, ", client [");

    text_adds(to, ": ");
    cause_add_clean(to, words, ours ? (size_t)(ours - words) : strlen(words));
}

int cause_explain(const struct cause_seen *seen, struct error *err)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;
    const struct cause *cause = find_cause(seen, false);
    bool time_up = seen->code == -ETIMEDOUT;

    fill_in(&t, time_up ? phases[seen->phase].time_up : phases[seen->phase].failed, seen);
    if (seen->library && *seen->library && (!time_up || seen->phase == CAUSE_CONNECT) &&
        strncmp(seen->library, socket_error, strlen(socket_error)) != 0)
        add_library(&t, seen->library);
    if (seen->server && *seen->server)
        add_quoted(&t, seen->server);
    if (cause) {
        text_adds(&t, "; ");
        fill_in(&t, cause->reading, seen);
    }
    return error_set(err, cause && cause->code ? cause->code : seen->code, "%s", text_str(&t));
}

void cause_add_reading(const struct cause_seen *seen, struct text *to)
{
    const struct cause *cause = find_cause(seen, false);

    if (cause)
        fill_in(to, cause->reading, seen);
}

bool cause_is_said(const struct cause_seen *seen)
{
    return find_cause(seen, true) != NULL;
}

void cause_add_words(const struct cause_seen *seen, struct error *err)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;
    const struct cause *cause = find_cause(seen, true);

    if (!err || !seen->server || !*seen->server)
        return;
    if (cause) {
        text_adds(&t, "the login of '");
        text_add_printable(&t, seen->user);
        text_adds(&t, "' failed");
        add_quoted(&t, seen->server);
        text_adds(&t, "; ");
        fill_in(&t, cause->reading, seen);
    } else {
        text_adds(&t, err->text);
        text_adds(&t, "; the server says: \"");
        cause_add_clean(&t, seen->server, strlen(seen->server));
        text_addc(&t, '"');
    }
    (void)error_set(err, err->code, "%s", text_str(&t));
}

bool cause_is_second_factor(const char *prompt)
{
    static const char *const words[] = {"code",     "token",  "otp",     "one-time",
                                        "passcode", "factor", "yubikey", "duo"};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        for (const char *at = prompt; *at; at++)
            if (strncasecmp(at, words[i], strlen(words[i])) == 0)
                return true;
    return false;
}
