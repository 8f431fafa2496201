#include "terminal.h"
#include <errno.h>
#include <poll.h>

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "file.h"

bool terminal_takes_escapes(int fd)
{
    const char *term = getenv("TERM");

    return isatty(fd) && term && *term && !string_equal(term, "dumb");
}

bool terminal_wants_color(int fd)
{
    const char *no_color = getenv("NO_COLOR");

    return terminal_takes_escapes(fd) && !(no_color && *no_color);
}

struct terminal_style terminal_style(int fd)
{
    struct terminal_style style = {.color = terminal_wants_color(fd)};
    struct winsize size;

    if (isatty(fd) && ioctl(fd, TIOCGWINSZ, &size) == 0)
        style.width = size.ws_col;
    return style;
}

size_t terminal_height(int fd)
{
    struct winsize size;

    return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
}

int terminal_write(const struct text *t)
{
    int r = file_write_all(STDOUT_FILENO, text_str(t), t->size);

    return r < 0 ? r : text_error(t);
}

void terminal_put(FILE *to, const struct text *t)
{
    (void)fwrite(text_str(t), 1, t->size, to);
    (void)fflush(to);
}

/* Its reading end, of a pipe or a socket, is closed (poll(2)). */
static bool reader_is_gone(FILE *to)
{
    struct pollfd p = {.fd = fileno(to)};

    return poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP));
}

int terminal_end(FILE *to, struct error *err)
{
    bool gone = reader_is_gone(to), failed = ferror(to);
    int r = fflush(to) < 0 ? -errno : 0, fd = r == 0 ? dup(fileno(to)) : -1;

    /* Some file systems tell of a full disk only here. */
    if (fd >= 0 && close(fd) < 0)
        r = -errno;

    if (gone || (!failed && r == 0) || r == -EPIPE || r == -EBADF)
        return 0;
    /* What failed before the last write has left no errno. */
    return r < 0 ? error_sys(err, r, "cannot write the output")
                 : error_set(err, -EIO, "cannot write the output: is the device full?");
}
