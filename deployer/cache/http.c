#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/clock.h"
#include "discovery/base/file.h"

enum { SYSTEM_UID_MAX = 999, TABLE_MAX = 16 * 1024 * 1024, LISTENING = 0x0A };

static struct sockaddr_in address_of(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int await(int fd, short what, int64_t deadline)
{
    struct pollfd p = {.fd = fd, .events = what};
    int64_t left = deadline - clock_ms(CLOCK_MONOTONIC);
    int r = left > 0 ? poll(&p, 1, (int)left) : 0;

    if (r == 0)
        return -ETIMEDOUT;
    return r < 0 ? -errno : 0;
}

static int dial(uint16_t port, int64_t deadline, int *ret)
{
    struct sockaddr_in address = address_of(port);
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r, failure = 0;
    socklen_t size = sizeof(failure);

    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        if (errno != EINPROGRESS)
            return -errno;
        r = await(fd, POLLOUT, deadline);
        if (r < 0)
            return r;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) < 0 || failure)
            return failure ? -failure : -errno;
    }
    *ret = TAKE_FD(fd);
    return 0;
}

static int send_all(int fd, const struct text *t, int64_t deadline)
{
    for (size_t at = 0; at < t->size;) {
        ssize_t n = send(fd, t->data + at, t->size - at, MSG_NOSIGNAL);
        int r;

        if (n >= 0) {
            at += (size_t)n;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        r = await(fd, POLLOUT, deadline);
        if (r < 0)
            return r;
    }
    return 0;
}

static int receive_all(int fd, struct text *to, int64_t deadline)
{
    char buffer[16384];

    for (;;) {
        ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
        int r;

        if (n == 0)
            return text_error(to);
        if (n > 0) {
            if (to->size + (size_t)n > CACHE_HTTP_MAX)
                return -EFBIG;
            text_add(to, buffer, (size_t)n);
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        r = await(fd, POLLIN, deadline);
        if (r < 0)
            return r;
    }
}

static int read_answer(const struct text *answer, struct text *ret_body)
{
    const char *bytes = text_str(answer), *body = strstr(bytes, "\r\n\r\n");
    const char *status;

    if (strncmp(bytes, "HTTP/1.", 7) != 0 || !body)
        return -EBADMSG;
    status = strchr(bytes, ' ');
    if (!status || status > body || strspn(status + 1, "0123456789") != 3)
        return -EBADMSG;
    body += 4;
    text_add(ret_body, body, answer->size - (size_t)(body - bytes));
    return text_error(ret_body) < 0 ? -ENOMEM : (int)strtol(status + 1, NULL, 10);
}

int cache_http(const struct cache_request *request, struct text *ret_body)
{
    int64_t deadline = clock_ms(CLOCK_MONOTONIC) + request->timeout_ms;
    CLEANUP_TEXT struct text out = TEXT_INIT, in = TEXT_INIT;
    CLEANUP_CLOSE int fd = -1;
    int r;

    text_addf(&out, "%s %s HTTP/1.0\r\nHost: 127.0.0.1:%u\r\nAccept: application/json, */*\r\n%s",
              request->method ? request->method : "GET", request->path, request->port,
              request->headers ? request->headers : "");
    if (request->body)
        text_addf(&out, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                  strlen(request->body));
    text_adds(&out, "Connection: close\r\n\r\n");
    text_adds(&out, request->body ? request->body : "");
    r = text_error(&out);
    if (r == 0)
        r = dial(request->port, deadline, &fd);
    if (r == 0)
        r = send_all(fd, &out, deadline);
    if (r == 0)
        r = receive_all(fd, &in, deadline);
    text_wipe(&out); /* there may be a password in it */
    return r < 0 ? r : read_answer(&in, ret_body);
}

bool cache_port_is_free(uint16_t port)
{
    struct sockaddr_in address = address_of(port);
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    /* As the services do: what is only waiting out its last connections is free. */
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    return fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
           listen(fd, 1) == 0;
}

bool cache_port_is_trusted(uint16_t port)
{
    static const char *const tables[] = {"/proc/net/tcp", "/proc/net/tcp6"};
    bool found = false;

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        CLEANUP_TEXT struct text table = TEXT_INIT;

        if (file_read(tables[i], TABLE_MAX, &table, NULL) < 0)
            continue;
        for (const char *line = text_str(&table); line && *line;) {
            unsigned local, state, uid;

            /* sl local_address rem_address st tx:rx tr:when retrnsmt uid (proc(5)) */
            if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %u", &local,
                       &state, &uid) == 3 &&
                local == port && state == LISTENING) {
                if (uid > SYSTEM_UID_MAX && uid != geteuid())
                    return false;
                found = true;
            }
            line = strchr(line, '\n');
            line = line ? line + 1 : NULL;
        }
    }
    return found;
}
