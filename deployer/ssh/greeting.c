#include "greeting.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <time.h>

#include "discovery/base/clock.h"

/* poll(2) reports a TCP socket as readable when it has this many bytes (tcp(7), socket(7)). */
static void set_low_mark(int fd, int bytes)
{
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
}

void greeting_hold(int fd)
{
    set_low_mark(fd, GREETING_MAX);
}

/* The bytes before the version line; *ret_whole: that line is there to its end. */
static size_t before_version(const char *bytes, size_t size, bool *ret_whole)
{
    const char *line = bytes, *end;

    for (; line < bytes + size; line = end + 1) {
        end = memchr(line, '\n', (size_t)(bytes + size - line));
        if (size - (size_t)(line - bytes) >= 4 && memcmp(line, "SSH-", 4) == 0) {
            *ret_whole = end != NULL;
            return (size_t)(line - bytes);
        }
        if (!end)
            break;
    }
    *ret_whole = false;
    return size;
}

static int wait_readable(int fd, int stop_fd, int64_t deadline_ms)
{
    struct pollfd fds[] = {{.fd = fd, .events = POLLIN | POLLRDHUP},
                           {.fd = stop_fd, .events = POLLIN}};
    int64_t left = deadline_ms - clock_ms(CLOCK_MONOTONIC);
    int n = poll(fds, 2, (int)MAX(left, 0));

    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    if (n == 0)
        return left <= 0 ? -ETIMEDOUT : 0;
    if (fds[1].revents)
        return -ECANCELED;
    return fds[0].revents & (POLLRDHUP | POLLHUP | POLLERR) ? 2 : 1;
}

int greeting_wait(int fd, int stop_fd, int64_t deadline_ms, struct text *ret_words)
{
    char bytes[GREETING_MAX];
    size_t words = 0;
    bool whole = false;
    ssize_t n = 0;
    int r = 0;

    do {
        set_low_mark(fd, (int)n + 1);
        r = wait_readable(fd, stop_fd, deadline_ms);
        if (r == -ECANCELED)
            break;
        n = recv(fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
        n = MAX(n, 0);
        words = before_version(bytes, (size_t)n, &whole);
    } while (r >= 0 && r != 2 && !whole && (size_t)n < sizeof(bytes));
    set_low_mark(fd, 1);
    text_reset(ret_words);
    text_add(ret_words, bytes, words);
    return r < 0 ? r : 0;
}
