#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <libssh/libssh.h>
#include <libssh/server.h> /* ssh_set_message_callback */
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <time.h>

#include "dial.h"
#include "discovery/base/clock.h"
#include "greeting.h"
#include "session-private.h"

enum { REQUESTS_MAX = 256 }; /* that are refused within a minute */

int64_t session_now_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

static int on_stop(socket_t fd, int events, void *arg)
{
    struct session *s = arg;

    (void)fd;
    (void)events;
    s->asked = true;
    return SSH_OK;
}

static int watch_stop_fd(struct session *s, int fd, struct error *err)
{
    s->asked = false;
    if (s->watched >= 0)
        (void)ssh_event_remove_fd(s->event, s->watched);
    s->watched = fd;
    if (fd >= 0 && ssh_event_add_fd(s->event, fd, POLLIN, on_stop, s) != SSH_OK)
        return error_sys(err, -ENOMEM, "cannot wait for the connection");
    return 0;
}

/* After the first stop, the command may end by itself. */
static int handle_stop(struct session *s, struct error *err)
{
    if (s->watched == s->stop.stop && s->begun && s->handler->stop &&
        s->handler->stop(s->handler->arg))
        return watch_stop_fd(s, s->stop.cancel, err);
    return error_set(err, -ECANCELED, "interrupted");
}

/* OpenSSH asks now and then (keepalive@openssh.com, hostkeys-00@openssh.com). */
static int check_refused(struct session *s, struct error *err)
{
    int64_t now = session_now_ms();

    if (s->refused > REQUESTS_MAX)
        return error_set(err, -EBADMSG,
                         "its SSH server asked for more than %d channels or forwardings in a "
                         "minute, which OpenSSH never does: is it the machine that you mean?",
                         REQUESTS_MAX);
    if (now - s->refused_since >= 60000) {
        s->refused_since = now;
        s->refused = 0;
    }
    return 0;
}

int session_wait_until(struct session *s, int64_t until, struct error *err)
{
    int64_t left = until - session_now_ms();

    /* The return value is not sufficient: a disconnect by the other side is no error for
     * ssh_event_dopoll. */
    (void)ssh_event_dopoll(s->event, left < 0 ? 0 : (int)left);
    if (s->asked)
        return handle_stop(s, err);
    if (!ssh_is_connected(s->ssh) && !s->closed)
        return error_set(err, -ECONNRESET, "the connection was lost%s%s",
                         *ssh_get_error(s->ssh) ? ": " : "", ssh_get_error(s->ssh));
    return check_refused(s, err);
}

int session_turn(struct session *s, int64_t deadline, struct error *err)
{
    if (deadline <= session_now_ms())
        return error_set(err, -ETIMEDOUT, "no answer within %g s", s->timeout_ms / 1000.0);
    return session_wait_until(s, deadline, err);
}

int session_repeat(struct session *s, int (*call)(struct session *s), int *ret_result,
                   struct error *err)
{
    for (;;) {
        int r;

        *ret_result = call(s);
        if (*ret_result != SSH_AGAIN)
            return 0;
        if (!s->event) {
            s->event = ssh_event_new();
            if (!s->event || ssh_event_add_session(s->event, s->ssh) != SSH_OK)
                return error_sys(err, -ENOMEM, "cannot wait for the connection");
            r = watch_stop_fd(s, s->stop.stop, err);
            if (r < 0)
                return r;
        }
        r = session_turn(s, s->deadline, err);
        if (r < 0)
            return r;
    }
}

int session_libssh_error(struct session *s, int code, const char *doing, struct error *err)
{
    return error_set(err, code, "%s: %s", doing, ssh_get_error(s->ssh));
}

static int set_ssh_options(struct session *s, const struct session_options *o, int fd,
                           struct error *err)
{
    /* The advert names the ed25519 key if the machine has one: prefer that one. */
    static const char hostkeys[] = "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,"
                                   "ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256";
    int no = 0;
    char host[ADDRESS_TEXT_MAX];

    address_format(&s->peer, host);
    host[strcspn(host, "%")] = '\0';
    if (!*host)
        strcpy(host, "machine"); /* known to its jump host; libssh wants a name */
    if (ssh_options_set(s->ssh, SSH_OPTIONS_PROCESS_CONFIG, &no) < 0 ||
        ssh_options_set(s->ssh, SSH_OPTIONS_HOST, host) < 0 ||
        ssh_options_set(s->ssh, SSH_OPTIONS_USER, o->user) < 0 ||
        ssh_options_set(s->ssh, SSH_OPTIONS_HOSTKEYS, hostkeys) < 0 ||
        ssh_options_set(s->ssh, SSH_OPTIONS_FD, &fd) < 0) {
        (void)close(fd);
        return session_libssh_error(s, -EINVAL, "cannot set up the connection", err);
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
        r = o->check(fingerprint, &s->peer, ret_password, o->arg, err);
    else
        (void)session_libssh_error(s, r, "cannot read the host key", err);
    ssh_string_free_char(fingerprint);
    ssh_clean_pubkey_hash(&hash);
    ssh_key_free(key);
    return r;
}

int session_hostkey(const struct session *s, struct text *ret)
{
    char *base64 = NULL;
    ssh_key key = NULL;
    int r = -EPROTO;

    if (ssh_get_server_publickey(s->ssh, &key) == SSH_OK &&
        ssh_pki_export_pubkey_base64(key, &base64) == SSH_OK) {
        text_addf(ret, "%s %s", ssh_key_type_to_char(ssh_key_type(key)), base64);
        r = text_error(ret);
    }
    ssh_string_free_char(base64);
    ssh_key_free(key);
    return r;
}

/* A call that the login repeats while it waits (auth_login.repeat). */
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
    r = session_repeat(s, call_of_login, ret_result, err);
    s->waiter = NULL;
    return r;
}

int session_explain(struct session *s, int code, struct error *err)
{
    char address[ADDRESS_TEXT_MAX];
    char *banner = ssh_get_issue_banner(s->ssh);
    struct cause_seen seen = {.phase = s->phase,
                              .code = code,
                              .library = ssh_get_error(s->ssh),
                              .user = s->user,
                              .address = address,
                              .port = s->port,
                              .seconds =
                                  round((double)(session_now_ms() - s->phases_began) / 100) / 10};

    address_format(&s->peer, address);
    /* What was said at the login counts more than what was said before it; after the login, it
     * has been obeyed. */
    if (banner && *banner && s->phase == CAUSE_LOGIN && s->said.size == 0) {
        text_adds(&s->said, banner);
        if (code == -EACCES)
            seen.phase = CAUSE_REFUSED;
    }
    ssh_string_free_char(banner);
    if (s->phase <= CAUSE_LOGIN)
        seen.server = text_str(&s->said);
    if (code == -EACCES) { /* it has a message */
        cause_add_words(&seen, err);
        return code;
    }
    return cause_explain(&seen, err);
}

/* Whether the phase is to be told: what the caller knows better has its own message. */
static bool is_of_phase(int code)
{
    return code == -ETIMEDOUT || code == -ECONNRESET || code == -EPROTO || code == -EPIPE;
}

/* libssh makes the socket blocking when it first polls it, and would then wait in send(2) for a
 * machine that does not read.  It writes only when poll(2) says that there is room. */
static void unblock(int fd)
{
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* The first call sends our version line: some servers wait for it.  Only in a TCP socket can a
 * greeting be looked at before libssh reads it. */
static int begin_exchange(struct session *s, struct error *err)
{
    bool greets = !session_is_relayed(s);
    int r;

    if (greets)
        greeting_hold(s->fd);
    if (ssh_connect(s->ssh) == SSH_ERROR)
        return session_explain(s, -ECONNRESET, err);
    r = greets ? greeting_wait(s->fd, s->stop.stop, s->deadline, &s->said) : 0;
    if (r == -ECANCELED)
        return error_set(err, r, "interrupted");
    return r < 0 ? session_explain(s, r, err) : 0;
}

static int exchange_keys(struct session *s, struct error *err)
{
    int fd = s->fd, result, r;

    r = begin_exchange(s, err);
    if (r < 0)
        return r;
    unblock(fd);
    r = session_repeat(s, call_connect, &result, err);
    /* libssh has the version line: what failed, failed behind it. */
    if (ssh_get_serverbanner(s->ssh))
        s->phase = CAUSE_KEY_EXCHANGE;
    if (r == 0 && result != SSH_OK)
        r = strstr(ssh_get_error(s->ssh), "Socket error") ? -ECONNRESET : -EPROTO;
    return is_of_phase(r) ? session_explain(s, r, err) : r;
}

static int open_ssh(struct session *s, const struct session_options *o, int64_t deadline,
                    struct error *err)
{
    struct auth_login login = {.ssh = s->ssh,
                               .user = o->user,
                               .keys = o->keys,
                               .only_keys = o->only_keys,
                               .password = o->password,
                               .said = &s->said,
                               .repeat = repeat_for_login,
                               .waiter = s};
    int r;

    s->phase = CAUSE_VERSION;
    r = exchange_keys(s, err);
    if (r < 0 && r != -ECANCELED && session_is_relayed(s) && s->phase == CAUSE_VERSION)
        return relay_explain(&s->relay, o->relay, r, err);
    if (r < 0)
        return r;
    r = check_hostkey(s, o, &login.may_have_password, err);
    if (r < 0)
        return r;
    s->trusted = true;
    s->timeout_ms = o->timeout_ms;
    s->deadline = deadline;
    s->phase = CAUSE_LOGIN;
    text_reset(&s->said);
    r = auth_log_in(o->auth, &login, err);
    if (is_of_phase(r) || r == -EACCES)
        return session_explain(s, r, err);
    return r;
}

static bool is_relayed(const struct session_options *o)
{
    return o->relay && o->relay->count > 0;
}

/* How far a connection got before it failed. */
enum reached { NOWHERE, CONNECTED, REFUSED, TRUSTED };

/* Opens one connection to the first of `n` addresses that answers; `o` has the other
 * options.  `timeout_ms` is until the host key is known; the login may take the whole timeout
 * from now on, and ends at `last`. */
static int open_one(const struct session_options *o, const struct address *addresses, size_t n,
                    unsigned timeout_ms, int64_t last, enum reached *ret_reached,
                    struct session **ret, struct error *err)
{
    CLEANUP(session_free_p) struct session *s = calloc(1, sizeof(*s));
    int fd = -1, r;

    *ret_reached = NOWHERE;
    if (!s)
        return error_sys(err, -ENOMEM, "cannot connect");
    s->stop = o->stop;
    s->watched = -1;
    s->timeout_ms = timeout_ms;
    s->user = o->user;
    s->port = o->port;
    s->phases_began = session_now_ms();
    s->deadline = MIN(s->phases_began + timeout_ms, last);
    s->ssh = ssh_new();
    if (!s->ssh)
        return error_sys(err, -ENOMEM, "cannot connect");
    /* From before the connection on: libssh keeps requests for which there is no callback. */
    ssh_set_message_callback(s->ssh, session_on_message, s);
    if (is_relayed(o)) {
        s->peer = n > 0 ? addresses[0] : (struct address){0};
        r = relay_start(o->relay, &s->relay, &fd, err);
    } else
        r = dial(addresses, n, o->port, timeout_ms, o->stop.stop, &s->peer, &fd, err);
    if (r < 0)
        return r;
    s->fd = fd; /* libssh has it from its first call on */
    r = set_ssh_options(s, o, fd, err);
    if (r == 0)
        r = open_ssh(s, o, MIN(s->phases_began + o->timeout_ms, last), err);
    *ret_reached = s->trusted ? TRUSTED : r == -EKEYREJECTED ? REFUSED : CONNECTED;
    if (r < 0)
        return r;
    *ret = TAKE_PTR(s);
    return 0;
}

int session_open(const struct session_options *o, struct session **ret, struct error *err)
{
    /* Addresses come from the network: many of them must not occupy a worker for
     * long.  The last (or only) one gets the full timeout. */
    int64_t deadline = session_now_ms() + 2 * (int64_t)o->timeout_ms;
    unsigned share =
        o->timeout_ms / (unsigned)(o->n_addresses > 3 ? 3 : o->n_addresses + !o->n_addresses);
    struct error best = {0}; /* of the connection that got farthest, the first of these */
    enum reached reached, farthest = NOWHERE;
    int r = 0;

    if (o->n_addresses == 0 || is_relayed(o))
        return open_one(o, o->addresses, o->n_addresses, o->timeout_ms, deadline, &reached, ret,
                        err);
    for (size_t i = 0; i < o->n_addresses; i++) {
        bool last = i + 1 == o->n_addresses;
        struct error here = {0};

        r = open_one(o, &o->addresses[i], 1, last ? o->timeout_ms : share, deadline, &reached, ret,
                     &here);
        if (r == 0)
            return 0;
        here.code = r;
        if (best.code == 0 || reached > farthest) {
            best = here;
            farthest = reached;
        }
        if (reached == TRUSTED || r == -ECANCELED || r == -ENOMEM) {
            best = here;
            break;
        }
        if (session_now_ms() > deadline)
            break;
    }
    if (err)
        *err = best;
    return best.code;
}

void session_free(struct session *s)
{
    if (!s)
        return;
    forward_free(s->forward);
    if (s->event) {
        if (s->watched >= 0)
            (void)ssh_event_remove_fd(s->event, s->watched);
        (void)ssh_event_remove_session(s->event, s->ssh);
    }
    if (s->channel)
        ssh_channel_free(s->channel);
    if (s->ssh && ssh_is_connected(s->ssh))
        ssh_disconnect(s->ssh);
    ssh_free(s->ssh);
    relay_end(&s->relay);
    if (s->event)
        ssh_event_free(s->event);
    text_clear(&s->said);
    free(s);
}

bool session_is_relayed(const struct session *s)
{
    return s->relay.pid > 0;
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
