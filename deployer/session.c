#include "session.h"

#include <errno.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "dial.h"

enum { SEND_AT_ONCE = 32 * 1024 };

struct part {
    const char *bytes;
    size_t size;
};

struct session {
    ssh_session ssh; /* owns the socket once it is set */
    ssh_event event;
    ssh_channel channel;
    int cancel_fd;
    unsigned timeout_ms;
    bool cancelled;
    struct address peer;
    const struct waiter *waiter; /* while it logs in */

    const struct session_handler *handler;
    struct error *err; /* of the running command; set by its callbacks */
    int failure;
    const char *command;
    struct part parts[SESSION_PARTS_MAX];
    size_t n_parts;
    bool end_wanted, end_sent, begun, closed;
    int64_t deadline; /* until begun */
    int status;       /* -1 until known */
    struct ssh_channel_callbacks_struct callbacks;
};

static int64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int on_cancel(socket_t fd, int events, void *arg)
{
    struct session *s = arg;

    (void)fd;
    (void)events;
    s->cancelled = true;
    return SSH_ERROR;
}

/* Lets libssh work until something happened or the deadline (< 0: none). */
static int turn(struct session *s, int64_t deadline, struct error *err)
{
    int64_t left = deadline < 0 ? -1 : deadline - now_ms();

    if (deadline >= 0 && left <= 0)
        return error_set(err, -ETIMEDOUT, "no answer within %g s", s->timeout_ms / 1000.0);
    /* What it returns says less than the session does: the other side's goodbye
     * is no error to it. */
    (void)ssh_event_dopoll(s->event, (int)left);
    if (s->cancelled)
        return error_set(err, -ECANCELED, "interrupted");
    if (!ssh_is_connected(s->ssh) && !s->closed)
        return error_set(err, -ECONNRESET, "the connection was lost%s%s",
                         *ssh_get_error(s->ssh) ? ": " : "", ssh_get_error(s->ssh));
    return 0;
}

/* Repeats a libssh call while it says "again".  Its last word is left in
 * `ret_result`; returns 0, or what a wait failed with. */
static int repeat(struct session *s, int (*call)(struct session *s), int *ret_result,
                  struct error *err)
{
    int64_t deadline = now_ms() + s->timeout_ms;

    for (;;) {
        int r;

        *ret_result = call(s);
        if (*ret_result != SSH_AGAIN)
            return 0;
        if (!s->event) {
            s->event = ssh_event_new();
            if (!s->event || ssh_event_add_session(s->event, s->ssh) != SSH_OK)
                return error_sys(err, -ENOMEM, "cannot wait for the connection");
            if (s->cancel_fd >= 0 &&
                ssh_event_add_fd(s->event, s->cancel_fd, POLLIN, on_cancel, s) != SSH_OK)
                return error_sys(err, -ENOMEM, "cannot wait for the connection");
        }
        r = turn(s, deadline, err);
        if (r < 0)
            return r;
    }
}

static int libssh_error(struct session *s, int code, const char *doing, struct error *err)
{
    return error_set(err, code, "%s: %s", doing, ssh_get_error(s->ssh));
}

static int prepare(struct session *s, const struct session_options *o, int fd, struct error *err)
{
    /* The advert names the ed25519 key where there is one: ask for that first. */
    static const char hostkeys[] = "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,"
                                   "ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256";
    int no = 0;
    char host[ADDRESS_TEXT_MAX];

    address_format(&s->peer, host);
    host[strcspn(host, "%")] = '\0';
    if (ssh_options_set(s->ssh, SSH_OPTIONS_PROCESS_CONFIG, &no) < 0 ||
        ssh_options_set(s->ssh, SSH_OPTIONS_HOST, host) < 0 ||
        ssh_options_set(s->ssh, SSH_OPTIONS_USER, o->user) < 0 ||
        ssh_options_set(s->ssh, SSH_OPTIONS_HOSTKEYS, hostkeys) < 0 ||
        ssh_options_set(s->ssh, SSH_OPTIONS_FD, &fd) < 0) {
        (void)close(fd);
        return libssh_error(s, -EINVAL, "cannot set up the connection", err);
    }
    ssh_set_blocking(s->ssh, 0);
    return 0;
}

static int call_connect(struct session *s)
{
    return ssh_connect(s->ssh);
}

static int check_hostkey(struct session *s, const struct session_options *o, bool *ret_password,
                         struct error *err)
{
    ssh_key key = NULL;
    unsigned char *hash = NULL;
    size_t size = 0;
    char *fingerprint = NULL;
    int r = -EPROTO;

    if (ssh_get_server_publickey(s->ssh, &key) == SSH_OK &&
        ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &size) == 0)
        fingerprint = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, size);
    if (fingerprint)
        r = o->check(fingerprint, ret_password, o->arg, err);
    else
        (void)libssh_error(s, r, "cannot read the host key", err);
    ssh_string_free_char(fingerprint);
    ssh_clean_pubkey_hash(&hash);
    ssh_key_free(key);
    return r;
}

/* What the login waits with. */
struct waiter {
    int (*call)(void *arg);
    void *arg;
};

static int call_of_login(struct session *s)
{
    return s->waiter->call(s->waiter->arg);
}

static int repeat_for_login(void *arg, int (*call)(void *), void *call_arg, int *ret_result,
                            struct error *err)
{
    struct session *s = arg;
    struct waiter waiter = {call, call_arg};
    int r;

    s->waiter = &waiter;
    r = repeat(s, call_of_login, ret_result, err);
    s->waiter = NULL;
    return r;
}

/* The key exchange did not come about: whose fault may it be? */
static int explain_no_ssh(struct session *s, const struct session_options *o, int r,
                          struct error *err)
{
    const char *said = ssh_get_error(s->ssh);

    if (r == -ETIMEDOUT)
        return error_set(err, r,
                         "port %u takes the connection, but no SSH server answered within %g s: "
                         "the machine hangs or is overloaded (restart it), or the port is another "
                         "program's",
                         o->port, o->timeout_ms / 1000.0);
    if (r < 0 && r != -ECONNRESET)
        return r;
    if (r == -ECONNRESET || strstr(said, "disconnected") || strstr(said, "closed by remote") ||
        strstr(said, "reset by peer"))
        return error_set(err, -ECONNRESET,
                         "the SSH server closed the connection before the login: too many at once "
                         "(MaxStartups), or it rests after failed logins (PerSourcePenalties). "
                         "Wait a minute, then repeat with fewer --forks; `journalctl -u ssh` "
                         "there says which");
    return libssh_error(s, -EPROTO, "cannot speak SSH", err);
}

static int open_ssh(struct session *s, const struct session_options *o, struct error *err)
{
    struct auth_login login = {
        .ssh = s->ssh, .user = o->user, .repeat = repeat_for_login, .waiter = s};
    int result = SSH_ERROR;
    int r = repeat(s, call_connect, &result, err);

    if (r < 0 || result != SSH_OK)
        return explain_no_ssh(s, o, r, err);
    r = check_hostkey(s, o, &login.may_have_password, err);
    return r < 0 ? r : auth_log_in(o->auth, &login, err);
}

int session_open(const struct session_options *o, struct session **ret, struct error *err)
{
    CLEANUP(session_free_p) struct session *s = calloc(1, sizeof(*s));
    int fd = -1, r;

    if (!s)
        return error_sys(err, -ENOMEM, "cannot connect");
    s->cancel_fd = o->cancel_fd;
    s->timeout_ms = o->timeout_ms;
    s->ssh = ssh_new();
    if (!s->ssh)
        return error_sys(err, -ENOMEM, "cannot connect");
    r = dial(o->addresses, o->n_addresses, o->port, o->timeout_ms, o->cancel_fd, &s->peer, &fd,
             err);
    if (r == 0)
        r = prepare(s, o, fd, err);
    if (r == 0)
        r = open_ssh(s, o, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(s);
    return 0;
}

void session_free(struct session *s)
{
    if (!s)
        return;
    if (s->event) {
        if (s->cancel_fd >= 0)
            (void)ssh_event_remove_fd(s->event, s->cancel_fd);
        (void)ssh_event_remove_session(s->event, s->ssh);
    }
    if (s->channel)
        ssh_channel_free(s->channel);
    if (s->ssh && ssh_is_connected(s->ssh))
        ssh_disconnect(s->ssh);
    ssh_free(s->ssh);
    if (s->event)
        ssh_event_free(s->event);
    free(s);
}

const struct address *session_peer(const struct session *s)
{
    return &s->peer;
}

int session_local(const struct session *s, struct address *ret)
{
    struct sockaddr_storage local = {0};
    socklen_t size = sizeof(local);

    if (getsockname(ssh_get_fd(s->ssh), (struct sockaddr *)&local, &size) < 0)
        return -errno;
    *ret = (struct address){.family = local.ss_family};
    if (local.ss_family == AF_INET)
        memcpy(ret->bytes, &((struct sockaddr_in *)&local)->sin_addr, 4);
    else if (local.ss_family == AF_INET6)
        memcpy(ret->bytes, &((struct sockaddr_in6 *)&local)->sin6_addr, 16);
    else
        return -EAFNOSUPPORT;
    return 0;
}

static int on_data(ssh_session ssh, ssh_channel channel, void *data, uint32_t size, int is_stderr,
                   void *arg)
{
    struct session *s = arg;

    (void)ssh;
    (void)channel;
    if (s->failure == 0) {
        s->failure = is_stderr ? s->handler->errors(data, size, s->handler->arg, s->err)
                               : s->handler->output(data, size, s->handler->arg, s->err);
    }
    return (int)size; /* taken, also when nobody wants it any more: the window must not fill */
}

static void on_exit_status(ssh_session ssh, ssh_channel channel, int status, void *arg)
{
    (void)ssh;
    (void)channel;
    ((struct session *)arg)->status = status;
}

static void on_exit_signal(ssh_session ssh, ssh_channel channel, const char *signal, int core,
                           const char *message, const char *language, void *arg)
{
    (void)ssh;
    (void)channel;
    (void)signal;
    (void)core;
    (void)message;
    (void)language;
    ((struct session *)arg)->status = SESSION_SIGNALLED;
}

static void on_close(ssh_session ssh, ssh_channel channel, void *arg)
{
    (void)ssh;
    (void)channel;
    ((struct session *)arg)->closed = true;
}

static int call_open(struct session *s)
{
    return ssh_channel_open_session(s->channel);
}

static int call_exec(struct session *s)
{
    return ssh_channel_request_exec(s->channel, s->command);
}

static int start(struct session *s, const char *command, struct error *err)
{
    int result, r;

    s->channel = ssh_channel_new(s->ssh);
    if (!s->channel)
        return error_sys(err, -ENOMEM, "cannot open a channel");
    s->callbacks = (struct ssh_channel_callbacks_struct){
        .userdata = s,
        .channel_data_function = on_data,
        .channel_exit_status_function = on_exit_status,
        .channel_exit_signal_function = on_exit_signal,
        .channel_close_function = on_close,
    };
    ssh_callbacks_init(&s->callbacks);
    if (ssh_set_channel_callbacks(s->channel, &s->callbacks) != SSH_OK)
        return error_sys(err, -ENOMEM, "cannot open a channel");
    r = repeat(s, call_open, &result, err);
    if (r == 0 && result != SSH_OK)
        r = libssh_error(s, -EPROTO, "cannot open a channel", err);
    s->command = command;
    if (r == 0)
        r = repeat(s, call_exec, &result, err);
    if (r == 0 && result != SSH_OK)
        r = libssh_error(s, -EPROTO, "cannot run a command", err);
    return r;
}

int session_send(struct session *s, const void *bytes, size_t size)
{
    if (s->n_parts == SESSION_PARTS_MAX)
        return -ENOBUFS;
    s->parts[s->n_parts++] = (struct part){bytes, size};
    s->deadline = now_ms() + s->timeout_ms;
    return 0;
}

void session_send_end(struct session *s)
{
    s->end_wanted = true;
}

void session_begun(struct session *s)
{
    s->begun = true;
}

/* Sends what the window and the socket take.  No more is handed to libssh
 * while it still holds unsent bytes: its own buffer has no bound. */
static int pump(struct session *s, struct error *err)
{
    while (s->n_parts > 0 && !(ssh_get_poll_flags(s->ssh) & SSH_WRITE_PENDING)) {
        struct part *part = &s->parts[0];
        uint32_t room = ssh_channel_window_size(s->channel);
        size_t size = part->size < room ? part->size : room;
        int n;

        if (part->size == 0) {
            memmove(s->parts, s->parts + 1, --s->n_parts * sizeof(*s->parts));
            continue;
        }
        if (size == 0)
            return 0;
        if (size > SEND_AT_ONCE)
            size = SEND_AT_ONCE;
        n = ssh_channel_write(s->channel, part->bytes, (uint32_t)size);
        if (n < 0)
            return libssh_error(s, -EPIPE, "cannot send to the machine", err);
        if (n == 0)
            return 0;
        part->bytes += n;
        part->size -= (size_t)n;
    }
    if (s->n_parts == 0 && s->end_wanted && !s->end_sent) {
        s->end_sent = true;
        if (ssh_channel_send_eof(s->channel) != SSH_OK)
            return libssh_error(s, -EPIPE, "cannot send to the machine", err);
    }
    return 0;
}

/* The machine went away, or its shell does not come to our command. */
static int explain_lost(const struct session *s, int r, struct error *err)
{
    if (r == -ETIMEDOUT)
        return error_set(err, -EPROTO,
                         "logged in, but no command began within %g s: the profile there "
                         "(~/.bashrc, ~/.profile) waits for something, or sudo for a name server "
                         "(is the machine's name in its /etc/hosts?), or it is overloaded; a "
                         "longer --timeout may do",
                         s->timeout_ms / 1000.0);
    if (r == -ECONNRESET || r == -EPIPE)
        return error_set(err, -ECONNRESET,
                         "the connection was lost %s: is the machine off, or its cable out? A "
                         "deploy goes on there as long as it runs; repeat it to take it up",
                         s->begun ? "in the middle" : "before anything was done");
    return r;
}

int session_run(struct session *s, const char *command, const struct session_handler *handler,
                int *ret_status, struct error *err)
{
    int r;

    s->deadline = now_ms() + s->timeout_ms;
    s->handler = handler;
    s->err = err;
    s->failure = 0;
    s->n_parts = 0;
    s->end_wanted = s->end_sent = s->begun = s->closed = false;
    s->status = -1;
    r = start(s, command, err);
    while (r == 0 && !s->closed) {
        r = pump(s, err);
        if (r == 0)
            r = turn(s, s->begun ? -1 : s->deadline, err);
        if (s->failure < 0)
            r = s->failure;
    }
    if (s->channel)
        ssh_channel_free(TAKE_PTR(s->channel));
    if (r < 0)
        return explain_lost(s, r, err);
    if (s->status < 0)
        return explain_lost(s, -ECONNRESET, err);
    *ret_status = s->status;
    return 0;
}
