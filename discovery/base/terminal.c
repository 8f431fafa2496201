#include "terminal.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "file.h"

bool terminal_wants_color(int fd)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

    return isatty(fd) && !(no_color && *no_color) && term && !string_equal(term, "dumb");
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
