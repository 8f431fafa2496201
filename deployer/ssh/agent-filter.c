#include "agent-filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "discovery/base/file.h"

enum { REQUEST_IDENTITIES = 11, IDENTITIES_ANSWER = 12 };

struct agent_filter {
    const struct strings *chosen;
    size_t most;
    int client, agent; /* our ends of the connections to libssh and to the agent */
    bool cut;
    pthread_t thread;
};

/* --- messages ------------------------------------------------------------------ */

static int read_all(int fd, void *bytes, size_t size)
{
    char *at = bytes;

    while (size > 0) {
        ssize_t n = read(fd, at, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EPIPE;
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

static void add_number(struct text *t, uint32_t n)
{
    uint32_t wire = htonl(n);

    text_add(t, &wire, sizeof(wire));
}

static int read_message(int fd, struct text *ret)
{
    unsigned char part[4096];
    uint32_t size;
    int r = read_all(fd, &size, sizeof(size));

    text_reset(ret);
    size = ntohl(size);
    if (r == 0 && (size == 0 || size > AGENT_MESSAGE_MAX))
        r = -EPROTO;
    while (r == 0 && size > 0) {
        uint32_t n = size < sizeof(part) ? size : (uint32_t)sizeof(part);

        r = read_all(fd, part, n);
        if (r == 0)
            text_add(ret, part, n);
        size -= n;
    }
    return r < 0 ? r : text_error(ret);
}

static int write_message(int fd, const struct text *t)
{
    uint32_t size = htonl((uint32_t)t->size);
    int r = file_write_all(fd, &size, sizeof(size));

    return r < 0 ? r : file_write_all(fd, t->data, t->size);
}

static int take_string(const char **at, const char *end, const char **ret, uint32_t *ret_size)
{
    uint32_t size;

    if (end - *at < (ptrdiff_t)sizeof(size))
        return -EPROTO;
    memcpy(&size, *at, sizeof(size));
    size = ntohl(size);
    *at += sizeof(size);
    if (size > (size_t)(end - *at))
        return -EPROTO;
    *ret = *at;
    *ret_size = size;
    *at += size;
    return 0;
}

/* Calls `each` for every key of an answer, with its bytes in the answer and in base64. */
static int walk_identities(const struct text *answer,
                           int (*each)(const char *raw, size_t raw_size, const char *base64,
                                       void *arg),
                           void *arg)
{
    const char *at = answer->data + 1 + sizeof(uint32_t), *end = answer->data + answer->size;

    if (answer->size < 1 + sizeof(uint32_t) || answer->data[0] != IDENTITIES_ANSWER)
        return -EPROTO;
    while (at < end) {
        CLEANUP_FREE char *base64 = NULL;
        const char *start = at, *blob, *comment;
        uint32_t size, comment_size;
        size_t room;
        int r = take_string(&at, end, &blob, &size);

        if (r == 0)
            r = take_string(&at, end, &comment, &comment_size);
        if (r < 0)
            return r;
        room = sodium_base64_ENCODED_LEN(size, sodium_base64_VARIANT_ORIGINAL);
        base64 = malloc(room);
        if (!base64)
            return -ENOMEM;
        (void)sodium_bin2base64(base64, room, (const unsigned char *)blob, size,
                                sodium_base64_VARIANT_ORIGINAL);
        r = each(start, (size_t)(at - start), base64, arg);
        if (r < 0)
            return r;
    }
    return 0;
}

/* --- the agent ----------------------------------------------------------------- */

static int connect_agent(int *ret)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("SSH_AUTH_SOCK");
    CLEANUP_CLOSE int fd = -1;

    if (!path || !*path || strlen(path) >= sizeof(address.sun_path))
        return -ENOENT;
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return -ENOENT;
    *ret = TAKE_FD(fd);
    return 0;
}

static int add_base64(const char *raw, size_t raw_size, const char *base64, void *arg)
{
    (void)raw, (void)raw_size;
    return strings_add(arg, base64);
}

int agent_list(struct strings *ret, struct error *err)
{
    CLEANUP_TEXT struct text message = TEXT_INIT;
    CLEANUP_CLOSE int fd = -1;
    int r = connect_agent(&fd);

    if (r < 0)
        return r;
    text_addc(&message, REQUEST_IDENTITIES);
    r = write_message(fd, &message);
    if (r == 0)
        r = read_message(fd, &message);
    if (r == 0)
        r = walk_identities(&message, add_base64, ret);
    return r < 0 ? error_sys(err, r, "cannot talk to ssh-agent") : 0;
}

/* --- the filter ------------------------------------------------------------------ */

struct key_selection {
    struct agent_filter *filter;
    struct text keys;
    uint32_t count;
};

static int keep_identity(const char *raw, size_t raw_size, const char *base64, void *arg)
{
    struct key_selection *s = arg;
    const struct strings *chosen = s->filter->chosen;
    bool wanted = chosen->count == 0;

    for (size_t i = 0; i < chosen->count && !wanted; i++)
        wanted = strcmp(chosen->items[i], base64) == 0;
    if (!wanted)
        return 0;
    if (s->count == s->filter->most) {
        s->filter->cut = true;
        return 0;
    }
    s->count++;
    text_add(&s->keys, raw, raw_size);
    return text_error(&s->keys);
}

static int filter_answer(struct agent_filter *f, struct text *answer)
{
    struct key_selection s = {.filter = f, .keys = TEXT_INIT};
    int r = walk_identities(answer, keep_identity, &s);

    if (r == 0) {
        text_reset(answer);
        text_addc(answer, IDENTITIES_ANSWER);
        add_number(answer, s.count);
        text_add(answer, text_str(&s.keys), s.keys.size);
        r = text_error(answer);
    }
    text_clear(&s.keys);
    return r;
}

static void *serve_client(void *arg)
{
    CLEANUP_TEXT struct text message = TEXT_INIT;
    struct agent_filter *f = arg;
    int r = 0;

    while (r == 0) {
        bool listing;

        r = read_message(f->client, &message);
        listing = r == 0 && message.data[0] == REQUEST_IDENTITIES;
        if (r == 0)
            r = write_message(f->agent, &message);
        if (r == 0)
            r = read_message(f->agent, &message);
        if (r == 0 && listing)
            r = filter_answer(f, &message);
        if (r == 0)
            r = write_message(f->client, &message);
    }
    (void)shutdown(f->client, SHUT_RDWR);
    return NULL;
}

int agent_filter_start(const struct strings *chosen, size_t most, struct agent_filter **ret,
                       int *ret_fd, struct error *err)
{
    CLEANUP_FREE struct agent_filter *f = calloc(1, sizeof(*f));
    CLEANUP_CLOSE int agent = -1;
    int pair[2];
    int r;

    if (!f)
        return error_sys(err, -ENOMEM, "cannot talk to ssh-agent");
    r = connect_agent(&agent);
    if (r < 0)
        return r;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return error_sys(err, -errno, "cannot talk to ssh-agent");
    f->chosen = chosen;
    f->most = most;
    f->client = pair[0];
    f->agent = agent;
    r = -pthread_create(&f->thread, NULL, serve_client, f);
    if (r < 0) {
        (void)close(pair[0]);
        (void)close(pair[1]);
        return error_sys(err, r, "cannot talk to ssh-agent");
    }
    (void)TAKE_FD(agent);
    *ret_fd = pair[1];
    *ret = TAKE_PTR(f);
    return 0;
}

bool agent_filter_end(struct agent_filter *f)
{
    bool cut;

    (void)shutdown(f->client, SHUT_RDWR);
    (void)shutdown(f->agent, SHUT_RDWR);
    (void)pthread_join(f->thread, NULL);
    (void)close(f->client);
    (void)close(f->agent);
    cut = f->cut;
    free(f);
    return cut;
}
