#include "machine-end.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deployer/base/nonce.h"
#include "deployer/job/job.h"
#include "deployer/ssh/dial.h"
#include "deployer/ssh/forward.h"
#include "discovery/base/clock.h"

enum { FED_MAX = 6 * 1024 * 1024 }; /* bytes: all bounds are below it but the endless stream's */

static void expect(bool good)
{
    if (!good)
        abort();
}

struct session {
    const struct session_handler *handler;
    struct part {
        const char *bytes;
        size_t size;
    } parts[SESSION_PARTS_MAX];
    size_t n_parts, sent;
    bool begun, may_have_password, asked, stopping;
    struct address peer;
};

struct machine_end machine_end;

static int open_at(const struct session_options *o, const struct address *address,
                   struct session *s, struct error *err)
{
    const char *key = machine_end.key_at ? machine_end.key_at(address, o->port) : machine_end.key;
    int r;

    if (!key)
        return error_set(err, -EHOSTUNREACH, "nobody answers");
    s->peer = *address;
    r = o->check(key, address, &s->may_have_password, o->arg, err);
    if (r == 0 && machine_end.trusted)
        machine_end.trusted(key);
    return r;
}

int session_open(const struct session_options *o, struct session **ret, struct error *err)
{
    struct session *s = calloc(1, sizeof(*s));
    int r = -EHOSTUNREACH;

    expect(s && machine_end.sessions++ < MACHINE_END_SESSIONS_MAX);
    text_reset(&machine_end.errors);
    (void)error_set(err, r, "no address");
    for (size_t i = 0; i < o->n_addresses && r < 0 && r != -ECANCELED; i++)
        r = open_at(o, &o->addresses[i], s, err);
    if (r < 0) {
        free(s);
        return r;
    }
    *ret = s;
    return 0;
}

void session_free(struct session *s)
{
    free(s);
}

bool session_is_relayed(const struct session *s)
{
    (void)s;
    return false;
}

const struct address *session_peer(const struct session *s)
{
    return &s->peer;
}

int session_local(const struct session *s, struct address *ret)
{
    *ret = s->peer;
    ret->bytes[3] = 1;
    return 0;
}

int session_send(struct session *s, const void *bytes, size_t size)
{
    if (s->n_parts == SESSION_PARTS_MAX)
        return -ENOBUFS;
    expect(s->begun || s->n_parts == 0);
    s->parts[s->n_parts++] = (struct part){bytes, size};
    if (s->begun)
        return 0;
    expect(machine_end.password && s->may_have_password &&
           size == strlen(machine_end.password) + 1 &&
           memcmp(bytes, machine_end.password, size - 1) == 0 &&
           ((const char *)bytes)[size - 1] == '\n' &&
           memmem(text_str(&machine_end.errors), machine_end.errors.size, machine_end.prompt,
                  strlen(machine_end.prompt)));
    return 0;
}

/* Reads what was queued, as the connection does, but later. */
static void read_parts(const struct session *s)
{
    volatile char sum = 0;

    for (size_t i = 0; i < s->n_parts; i++)
        for (size_t at = 0; at < s->parts[i].size; at++)
            sum = (char)(sum ^ s->parts[i].bytes[at]);
}

int session_try_connect(struct session *s, const char *address, uint16_t port, struct error *err)
{
    (void)s, (void)address, (void)port;
    return error_set(err, -ECONNREFUSED, "refused");
}

int session_forward(struct session *s, const struct forward_options *options)
{
    (void)options;
    expect(!s->asked);
    s->asked = true;
    return 0;
}

int session_hostkey(const struct session *s, struct text *ret)
{
    (void)s;
    text_adds(ret, "ssh-ed25519 AAAA");
    return 0;
}

void session_begun(struct session *s)
{
    s->begun = true;
}

void session_beats(struct session *s)
{
    expect(s->begun);
}

void session_streams(struct session *s)
{
    expect(s->begun);
}

/* A job ends in a bounded time, or is a stream that a person ends. */
static void check_until(int64_t until)
{
    int64_t left_s = (until - clock_ms(CLOCK_MONOTONIC)) / 1000;

    expect(until == INT64_MAX ||
           (left_s > JOB_REST_MAX_S - 600 && left_s <= JOB_REST_MAX_S + JOB_STEPS_MAX_S));
}

void session_until(struct session *s, int64_t until)
{
    expect(s->begun);
    check_until(until);
}

/* Nobody connects to where the machine says that its agents are. */
int dial(const struct address *addresses, size_t n, uint16_t port, unsigned timeout_ms, int cancel,
         struct address *ret_peer, int *ret, struct error *err)
{
    (void)addresses, (void)n, (void)timeout_ms, (void)cancel, (void)ret_peer, (void)ret;
    expect(port >= 9001 && port < 9001 + 64);
    return error_set(err, -ECONNREFUSED, "refused");
}

static void make_words(const char *from, size_t size, const char *nonce, struct text *ret)
{
    text_reset(ret);
    for (size_t i = 0; i < size; i++)
        if (from[i] == '$')
            text_adds(ret, nonce);
        else
            text_addc(ret, from[i]);
}

/* One line of the script, from its second character on. */
static int write_words(struct session *s, char op, const char *line, size_t size, const char *nonce,
                       struct error *err)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    unsigned power = size > 0 && *line >= '0' && *line <= '=' ? (unsigned)(*line - '0') : 0;
    int r = 0;

    if (size > 0)
        make_words(line + 1, size - 1, nonce, &words);
    if (op == '>')
        text_addc(&words, '\n');
    if (words.size == 0)
        return 0;
    for (unsigned i = 0; i < 1u << power && r == 0 && machine_end.fed < FED_MAX; i++) {
        machine_end.fed += words.size;
        if (op == '!' && !s->begun)
            text_add(&machine_end.errors, words.data, words.size);
        r = op == '!' ? s->handler->errors(words.data, words.size, s->handler->arg, err)
                      : s->handler->output(words.data, words.size, s->handler->arg, err);
        if (i < 4)
            read_parts(s);
    }
    return r;
}

/* Does the next line; 1: the command has ended. */
static int do_line(struct session *s, const char *nonce, int *ret_status, struct error *err)
{
    const char *line = machine_end.at;
    const char *stop = memchr(line, '\n', (size_t)(machine_end.end - line));
    size_t size = stop ? (size_t)(stop - line) : (size_t)(machine_end.end - line);

    machine_end.at = stop ? stop + 1 : machine_end.end;
    if (size == 0)
        return 0;
    switch (*line) {
    case '>':
    case '.':
    case '!':
        return write_words(s, *line, line + 1, size - 1, nonce, err);
    case 'S':
        /* The second one ends it at once. */
        if (s->stopping || !s->begun || !s->handler->stop(s->handler->arg))
            return error_set(err, -ECANCELED, "interrupted");
        s->stopping = true;
        return 0;
    case 'F':
        if (s->asked)
            s->handler->forwarded(size > 1 ? 40000 : 0, s->handler->arg);
        s->asked = false;
        return 0;
    case 'L':
        return error_set(err, -ECONNRESET, "the connection was lost");
    case 'X':
    case 'Y':
        *ret_status = *line == 'Y';
        return 1;
    default:
        return 0;
    }
}

int session_run(struct session *s, const char *command, const struct session_handler *handler,
                int *ret_status, struct error *err)
{
    const char *found = strstr(command, "' dcop ");
    char nonce[NONCE_LENGTH + 1];
    int r = 0;

    check_until(handler->until);
    expect(handler->until != INT64_MAX && found &&
           (!machine_end.password || !strstr(command, machine_end.password)));
    memcpy(nonce, found + strlen("' dcop "), NONCE_LENGTH);
    nonce[NONCE_LENGTH] = '\0';
    (void)snprintf(machine_end.prompt, sizeof(machine_end.prompt), "dcop-sudo-%s:", nonce);
    s->handler = handler;
    while (r == 0 && machine_end.at < machine_end.end) {
        r = do_line(s, nonce, ret_status, err);
        read_parts(s);
    }
    read_parts(s);
    return r == 0 ? error_set(err, -ETIMEDOUT, "no data from the machine") : r < 0 ? r : 0;
}

void machine_end_clear(void)
{
    text_clear(&machine_end.errors);
}
