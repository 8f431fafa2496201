/* A session with servers that are hostile, slow, or say why: how it ends, when, and what it
 * costs.  Each server is a child process on the loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <libssh/server.h>
#include <malloc.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "deployer/ssh/session.h"
#include "discovery/base/clock.h"

enum mode {
    SAYS_AND_CLOSES, /* `words`, before any version line */
    VERSION_ONLY,    /* a version line, and then nothing */
    ASKS_NOTHING,    /* keyboard-interactive without a question, for ever */
    ASKS_SLOWLY,     /* the same, each 0.4 s */
    ASKS_CODE,       /* for a second factor */
    OPENS,           /* opens channels, and does not answer ours */
    READS_NOTHING,   /* once the command is there */
    TRICKLES,        /* something now and then, for ever */
};

static int stop[2]; /* a pipe: how a person stops a session */

struct server {
    pid_t pid;
    uint16_t port;
};

static void serve_raw(int fd, const char *words, bool wait)
{
    char bytes[4096];

    (void)!write(fd, words, strlen(words));
    while (wait && read(fd, bytes, sizeof(bytes)) > 0)
        ;
}

/* Opens channels as fast as they are read, for ever. */
static void flood(ssh_session ssh)
{
    ssh_event event = ssh_event_new();

    (void)ssh_event_add_session(event, ssh);
    ssh_set_blocking(ssh, 0);
    while (ssh_is_connected(ssh)) {
        ssh_channel c = ssh_channel_new(ssh);

        /* An error may be a refusal. */
        (void)ssh_channel_open_x11(c, "127.0.0.1", 6000);
        (void)ssh_event_dopoll(event, 0);
    }
}

static void serve_ssh(int fd, enum mode mode)
{
    static const struct timespec slow = {.tv_sec = 1, .tv_nsec = 500000000},
                                 often = {.tv_nsec = 50000000};
    const char *prompt = "Verification code: ";
    char echo = 0;
    ssh_bind bind = ssh_bind_new();
    ssh_session ssh = ssh_new();
    ssh_key key = NULL;
    ssh_channel channel = NULL;
    ssh_message m;

    (void)ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key);
    if (ssh_bind_options_set(bind, SSH_BIND_OPTIONS_IMPORT_KEY, key) < 0 ||
        ssh_bind_accept_fd(bind, ssh, fd) != SSH_OK || ssh_handle_key_exchange(ssh) != SSH_OK)
        return;
    while ((m = ssh_message_get(ssh))) {
        int type = ssh_message_type(m), subtype = ssh_message_subtype(m);

        if (type == SSH_REQUEST_SERVICE)
            (void)ssh_message_service_reply_success(m);
        else if (type == SSH_REQUEST_AUTH && mode >= OPENS)
            (void)ssh_message_auth_reply_success(m, 0);
        else if (type == SSH_REQUEST_CHANNEL_OPEN && mode == OPENS)
            flood(ssh);
        else if (type == SSH_REQUEST_CHANNEL_OPEN)
            channel = ssh_message_channel_request_open_reply_accept(m);
        else if (type == SSH_REQUEST_CHANNEL) {
            (void)ssh_message_channel_request_reply_success(m);
            while (mode == TRICKLES && ssh_channel_write(channel, "x", 1) == 1)
                (void)nanosleep(&often, NULL);
            (void)ssh_channel_write(channel, "x", 1);
            (void)sleep(1);
            (void)!write(stop[1], "x", 1);
            (void)pause();
        } else if (type == SSH_REQUEST_AUTH && subtype == SSH_AUTH_METHOD_INTERACTIVE) {
            if (mode == ASKS_SLOWLY)
                (void)nanosleep(&slow, NULL);
            if (mode == ASKS_CODE)
                (void)ssh_message_auth_interactive_request(m, "", "", 1, &prompt, &echo);
            else
                (void)ssh_message_auth_interactive_request(m, "", "Wait for the bell\033[2J.", 0,
                                                           NULL, NULL);
        } else {
            (void)ssh_message_auth_set_methods(m, SSH_AUTH_METHOD_INTERACTIVE);
            (void)ssh_message_reply_default(m);
        }
        ssh_message_free(m);
    }
}

static struct server start(enum mode mode, const char *words)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    struct server server;
    int small = 4096;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    server.port = ntohs(at.sin_port);
    server.pid = fork();
    assert_true(server.pid >= 0);
    if (server.pid == 0) {
        int peer = accept(fd, NULL, NULL);

        (void)alarm(60);
        if (mode <= VERSION_ONLY)
            serve_raw(peer, words, mode == VERSION_ONLY);
        else
            serve_ssh(peer, mode);
        _exit(0);
    }
    (void)close(fd);
    return server;
}

static int accept_key(const char *fingerprint, const struct address *peer, bool *ret_password,
                      void *arg, struct error *err)
{
    (void)fingerprint, (void)peer, (void)arg, (void)err;
    *ret_password = true;
    return 0;
}

static int tell(const void *bytes, size_t size, void *arg, struct error *err)
{
    static const char much[1024 * 1024];
    struct session **session = arg;
    int small = 8192;

    (void)bytes, (void)size, (void)err;
    /* The session's socket is one of these. */
    for (int fd = 3; fd < 64; fd++)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    session_begun(*session);
    return session_send(*session, much, sizeof(much));
}

static int hear_beats(const void *bytes, size_t size, void *arg, struct error *err)
{
    struct session **session = arg;

    (void)bytes, (void)size, (void)err;
    session_begun(*session);
    session_beats(*session);
    return 0;
}

static int no_errors(const void *bytes, size_t size, void *arg, struct error *err)
{
    (void)bytes, (void)size, (void)arg, (void)err;
    return 0;
}

struct outcome {
    int code;
    size_t grown; /* bytes of the heap */
    struct error error;
};

/* One session with that server, with a command when it logs in. */
static struct outcome meet(enum mode mode, const char *words, unsigned timeout_ms)
{
    struct server server;
    struct address address = {.family = AF_INET, .bytes = {127, 0, 0, 1}};
    CLEANUP(secret_free_p) struct secret *password = NULL;
    CLEANUP(auth_free_p) struct auth *auth = NULL;
    struct strings none = {0};
    struct outcome o = {0};
    struct session *session = NULL;
    struct session_handler handler = {
        .output = mode == TRICKLES ? hear_beats : tell, .errors = no_errors, .arg = &session};
    size_t before;
    int status;

    assert_int_equal(pipe(stop), 0);
    server = start(mode, words);
    assert_int_equal(secret_new("chalk", 5, &password, &o.error), 0);
    assert_int_equal(auth_new(&none, true, password, &auth, &o.error), 0);
    before = mallinfo2().uordblks;
    o.code = session_open(&(struct session_options){.addresses = &address,
                                                    .n_addresses = 1,
                                                    .port = server.port,
                                                    .user = "pi",
                                                    .auth = auth,
                                                    .timeout_ms = timeout_ms,
                                                    .stop = {stop[0], stop[0]},
                                                    .check = accept_key},
                          &session, &o.error);
    handler.until = mode == TRICKLES ? clock_ms(CLOCK_MONOTONIC) + 1500 : INT64_MAX;
    if (o.code == 0)
        o.code = session_run(session, "true", &handler, &status, &o.error);
    o.grown = mallinfo2().uordblks - before;
    session_free(session);
    (void)close(stop[0]);
    (void)close(stop[1]);
    (void)kill(server.pid, SIGKILL);
    assert_int_equal(waitpid(server.pid, NULL, 0), server.pid);
    print_message("%d, %zu KiB: %s\n", o.code, o.grown / 1024, o.error.text);
    return o;
}

static void assert_says(const struct outcome *o, const char *words)
{
    if (!strstr(o->error.text, words))
        fail_msg("\"%s\" does not say \"%s\"", o->error.text, words);
}

static void servers_that_say_why(void **unused)
{
    struct outcome o;

    (void)unused;
    o = meet(SAYS_AND_CLOSES, "Exceeded MaxStartups\r\n", 30000);
    assert_says(&o, "it says: \"Exceeded MaxStartups\"; too many connections at once");
    o = meet(SAYS_AND_CLOSES, "Not allowed at this time\r\n", 30000);
    assert_says(&o, "PerSourcePenalties");
    o = meet(SAYS_AND_CLOSES, "HTTP/1.1 400 Bad \033[31mRequest\r\n\r\n", 30000);
    assert_says(&o, "it says: \"HTTP/1.1 400 Bad \\x1b[31mRequest\"; port");
    o = meet(SAYS_AND_CLOSES, "You are on my list.\n", 30000);
    assert_says(&o, "it says: \"You are on my list.\"; `journalctl");
    o = meet(SAYS_AND_CLOSES, "", 30000);
    assert_int_equal(o.code, -ECONNRESET);
    assert_null(strstr(o.error.text, "MaxStartups"));
}

static void phases(void **unused)
{
    struct outcome o;

    (void)unused;
    o = meet(VERSION_ONLY, "Hello\r\n", 2000);
    assert_int_equal(o.code, -ETIMEDOUT);
    assert_says(&o, "no SSH server answered within 2");
    assert_says(&o, "it says: \"Hello\"");
    o = meet(VERSION_ONLY, "Hello\r\nSSH-2.0-Test\r\n", 2000);
    assert_int_equal(o.code, -ETIMEDOUT);
    assert_says(&o, "key exchange did not end within 2");
    assert_says(&o, "MTU");
    /* With a deadline for each round it would come to the last one. */
    o = meet(ASKS_SLOWLY, NULL, 5000);
    assert_int_equal(o.code, -ETIMEDOUT);
    assert_says(&o, "the login of 'pi' did not end within 5");
}

static void questions_for_ever(void **unused)
{
    struct outcome o = meet(ASKS_NOTHING, NULL, 30000);

    (void)unused;
    assert_int_equal(o.code, -EACCES);
    assert_says(&o, "again and again");
    assert_says(&o, "\"Wait for the bell\\x1b[2J.");
}

static void second_factor(void **unused)
{
    struct outcome o = meet(ASKS_CODE, NULL, 30000);

    (void)unused;
    assert_int_equal(o.code, -EACCES);
    assert_says(&o, "it says: \"Verification code:");
    assert_says(&o, "second factor");
}

/* libssh keeps channels that nobody takes, and refusals that nobody reads. */
static void channels_without_end(void **unused)
{
    struct outcome o = meet(OPENS, NULL, 30000);

    (void)unused;
    assert_int_equal(o.code, -EBADMSG);
    assert_says(&o, "more than 256 channels");
    assert_in_range(o.grown, 0, 1024 * 1024);
}

/* A write that blocks would not be stopped. */
static void reads_nothing(void **unused)
{
    struct outcome o = meet(READS_NOTHING, NULL, 30000);

    (void)unused;
    assert_int_equal(o.code, -ECANCELED);
}

/* However much it says: the time is limited. */
static void a_trickle_for_ever(void **unused)
{
    struct outcome o = meet(TRICKLES, NULL, 30000);

    (void)unused;
    assert_int_equal(o.code, -EPROTO);
    assert_says(&o, "it has not ended within 1 min,");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_that_say_why), cmocka_unit_test(phases),
        cmocka_unit_test(questions_for_ever),   cmocka_unit_test(second_factor),
        cmocka_unit_test(channels_without_end), cmocka_unit_test(reads_nothing),
        cmocka_unit_test(a_trickle_for_ever),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
