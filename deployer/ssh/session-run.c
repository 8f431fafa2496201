/* Runs a command in a session: its output, its input and its keepalive. */
#include <errno.h>
#include <inttypes.h>
#include <libssh/server.h> /* ssh_send_keepalive */
#include <linux/tcp.h>     /* the kernel's struct tcp_info, which has more fields than libc's */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "session-private.h"

enum { SEND_AT_ONCE = 32 * 1024 };

/* While the steps are checked, the command may be silent for this many keepalive limits:
 * apt's simulation takes half a minute on a small board. */
enum { LOOKS = 4 };

/* When sudo cannot resolve the machine's own name, it asks a name server.  A classroom
 * may have none: sudo then waits 10 to 20 s, longer than a machine may be silent. */
static int64_t start_limit_ms(const struct session *s)
{
    return 3 * (int64_t)s->timeout_ms;
}

/* More bytes than a keepalive request has. */
enum { ACKED_MIN = 1024 };

/* Notes what the kernel has received from the machine: data, or acknowledgements of more
 * than ACKED_MIN bytes, as when a bundle is sent over a slow network. */
static void read_socket_info(struct session *s, int64_t now)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);

    if (getsockopt(ssh_get_fd(s->ssh), IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
        return;
    keepalive_heard(&s->connection_alive, now - info.tcpi_last_data_recv);
    if (info.tcpi_bytes_acked > s->acked + ACKED_MIN) {
        s->acked = info.tcpi_bytes_acked;
        keepalive_heard(&s->connection_alive, now);
        if (s->n_parts > 0)
            keepalive_heard(&s->command_alive, now); /* the command reads its input */
    }
}

static int fail_silent(const char *who, const struct keepalive *p, struct error *err)
{
    return error_set(
        err, -ETIMEDOUT,
        "no data from %s for %g s: the machine or its network hangs; check it, then repeat", who,
        p->limit_ms / 1000.0);
}

/* libssh has room for one global request at a time. */
static bool is_asking_for_forward(const struct session *s)
{
    return s->forwarding == FORWARD_WANTED || s->forwarding == FORWARD_ASKED;
}

static int check_keepalive(struct session *s, struct error *err)
{
    int64_t now = session_now_ms();

    if (now >= keepalive_next(&s->connection_alive))
        read_socket_info(s, now);
    if (now >= s->until)
        return error_set(err, -EPROTO,
                         "it has not ended within %" PRId64 " min, which no work of ours takes: "
                         "look at what runs there, then repeat",
                         (now - s->began + 59999) / 60000);
    if (keepalive_is_dead(&s->connection_alive, now))
        return fail_silent("the machine", &s->connection_alive, err);
    if (!s->streams && keepalive_is_dead(&s->command_alive, now))
        return fail_silent("the running step", &s->command_alive, err);
    if (keepalive_is_to_ask(&s->connection_alive, now) && !is_asking_for_forward(s)) {
        s->sign_asked = true;
        /* If an answer to the last keepalive is pending, the first call only takes it, and
         * the second call asks.  libssh allows one pending request at a time. */
        (void)ssh_send_keepalive(s->ssh);
        (void)ssh_send_keepalive(s->ssh);
    }
    return 0;
}

static int turn_running(struct session *s, struct error *err)
{
    int64_t next = keepalive_next(&s->connection_alive),
            beat = s->command_alive.heard_ms + s->command_alive.limit_ms;
    int r;

    if (!s->begun)
        return session_turn(s, s->deadline, err);
    if (!s->streams && beat < next)
        next = beat;
    if (s->forward && forward_next(s->forward) < next)
        next = forward_next(s->forward);
    if (s->until < next)
        next = s->until;
    r = session_wait_until(s, next, err);
    return r < 0 ? r : check_keepalive(s, err);
}

static int on_data(ssh_session ssh, ssh_channel channel, void *data, uint32_t size, int is_stderr,
                   void *arg)
{
    struct session *s = arg;

    (void)ssh;
    (void)channel;
    keepalive_heard(&s->command_alive, session_now_ms());
    if (s->failure == 0) {
        s->failure = is_stderr ? s->handler->errors(data, size, s->handler->arg, s->err)
                               : s->handler->output(data, size, s->handler->arg, s->err);
    }
    return (int)size; /* always consumed, also after a failure: the window must not fill up */
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

static bool accept_request(struct session *s, ssh_message message)
{
    return s->forward && s->forwarding == FORWARD_DECIDED &&
           ssh_message_type(message) == SSH_REQUEST_CHANNEL_OPEN &&
           ssh_message_subtype(message) == SSH_CHANNEL_FORWARDED_TCPIP &&
           forward_accept(s->forward, message, session_now_ms());
}

int session_on_message(ssh_session ssh, ssh_message message, void *arg)
{
    struct session *s = arg;

    (void)ssh;
    if (accept_request(s, message))
        return 0;
    s->refused++;
    return 1;
}

static int call_open(struct session *s)
{
    return ssh_channel_open_session(s->channel);
}

static int call_exec(struct session *s)
{
    return ssh_channel_request_exec(s->channel, s->command);
}

static int call_connect_on(struct session *s)
{
    return ssh_channel_open_forward(s->channel, s->try_address, s->try_port, "127.0.0.1", 0);
}

/* libssh gives the reason of a refusal in its words only (ssh_packet_channel_open_fail in
 * its channels.c); 1 is "administratively prohibited" (RFC 4254 §5.1). */
int session_try_connect(struct session *s, const char *address, uint16_t port, struct error *err)
{
    int result, r;

    s->channel = ssh_channel_new(s->ssh);
    if (!s->channel)
        return error_sys(err, -ENOMEM, "cannot open a channel");
    s->try_address = address;
    s->try_port = port;
    s->deadline = session_now_ms() + s->timeout_ms;
    r = session_repeat(s, call_connect_on, &result, err);
    if (r == 0 && result != SSH_OK)
        r = error_set(err, strstr(ssh_get_error(s->ssh), "error (1)") ? -EPERM : -ECONNREFUSED,
                      "the connection failed");
    else if (r == -ETIMEDOUT)
        r = error_set(err, r, "no answer");
    ssh_channel_free(TAKE_PTR(s->channel));
    return r;
}

static int start_command(struct session *s, const char *command, struct error *err)
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
    s->phase = CAUSE_SESSION;
    r = session_repeat(s, call_open, &result, err);
    s->command = command;
    if (r == 0 && result == SSH_OK)
        r = session_repeat(s, call_exec, &result, err);
    if (r == 0 && result != SSH_OK)
        r = session_explain(s, -EPROTO, err);
    if (r == 0)
        s->phase = CAUSE_COMMAND;
    return r;
}

int session_send(struct session *s, const void *bytes, size_t size)
{
    if (s->n_parts == SESSION_PARTS_MAX)
        return -ENOBUFS;
    s->parts[s->n_parts++] = (struct part){bytes, size};
    s->deadline = session_now_ms() + start_limit_ms(s);
    return 0;
}

void session_begun(struct session *s)
{
    s->begun = true;
    keepalive_start(&s->connection_alive, s->timeout_ms, session_now_ms());
    keepalive_start(&s->command_alive, LOOKS * keepalive_limit_ms(s->timeout_ms), session_now_ms());
}

void session_beats(struct session *s)
{
    if (!s->beats)
        keepalive_start(&s->command_alive, s->timeout_ms, session_now_ms());
    s->beats = true;
}

void session_streams(struct session *s)
{
    s->streams = true;
}

void session_until(struct session *s, int64_t until)
{
    s->until = until;
}

int session_forward(struct session *s, const struct forward_options *options)
{
    s->forward = forward_new(s->ssh, s->event, options);
    if (!s->forward)
        return -ENOMEM;
    s->forwarding = FORWARD_WANTED;
    return 0;
}

/* Asks for the port.  libssh reads the port's number from the last packet that it received
 * (ssh_channel_listen_forward in its channels.c).  So the command writes nothing meanwhile,
 * and a pending answer to a keepalive is taken first. */
static void ask_for_forward(struct session *s)
{
    int r;

    if (s->forwarding == FORWARD_WANTED) {
        if (s->sign_asked && ssh_send_keepalive(s->ssh) == SSH_AGAIN)
            return;
        s->sign_asked = false;
        s->forwarding = FORWARD_ASKED;
    }
    r = ssh_channel_listen_forward(s->ssh, "127.0.0.1", 0, &s->forward_port);
    if (r == SSH_AGAIN)
        return;
    s->forwarding = FORWARD_DECIDED;
    if (r != SSH_OK || s->forward_port < 1024 || s->forward_port > UINT16_MAX) {
        s->forward_port = 0;
        forward_free(TAKE_PTR(s->forward));
    }
    s->handler->forwarded((unsigned)s->forward_port, s->handler->arg);
}

/* Sends as much as the window and the socket accept.  libssh gets no more bytes while it
 * still has unsent ones, because its own buffer has no bound. */
static int send_parts(struct session *s, struct error *err)
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
            return session_libssh_error(s, -EPIPE, "cannot send to the machine", err);
        if (n == 0)
            return 0;
        part->bytes += n;
        part->size -= (size_t)n;
    }
    return 0;
}

/* Explains a lost connection, or a login shell that does not start our command. */
static int explain_lost(struct session *s, int r, struct error *err)
{
    if (r == -ETIMEDOUT && !s->begun) {
        (void)session_explain(s, r, err);
        if (err)
            err->code = -EPROTO; /* it is there: not unreachable */
        return -EPROTO;
    }
    if (r == -ECONNRESET || r == -EPIPE)
        return error_set(err, -ECONNRESET,
                         "the connection was lost %s: is the machine off, or its cable out? A "
                         "deploy continues there as long as it runs; repeat it to follow it",
                         s->begun ? "during the run" : "before anything was done");
    return r;
}

int session_run(struct session *s, const char *command, const struct session_handler *handler,
                int *ret_status, struct error *err)
{
    int r;

    s->phases_began = session_now_ms();
    s->deadline = s->phases_began + start_limit_ms(s);
    s->handler = handler;
    s->began = s->phases_began;
    s->until = handler->until;
    s->err = err;
    s->failure = 0;
    s->n_parts = 0;
    s->begun = s->beats = s->streams = s->closed = false;
    s->status = -1;
    r = start_command(s, command, err);
    while (r == 0 && !s->closed) {
        if (is_asking_for_forward(s))
            ask_for_forward(s);
        if (s->forward)
            forward_turn(s->forward, session_now_ms());
        r = send_parts(s, err);
        if (r == 0)
            r = turn_running(s, err);
        if (s->failure < 0)
            r = s->failure;
    }
    forward_free(TAKE_PTR(s->forward));
    s->forwarding = FORWARD_NONE;
    if (s->channel)
        ssh_channel_free(TAKE_PTR(s->channel));
    if (r < 0)
        return explain_lost(s, r, err);
    if (s->status < 0)
        return explain_lost(s, -ECONNRESET, err);
    *ret_status = s->status;
    return 0;
}
