#include "terminal.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "file.h"

int output_write(const struct text *t)
{
    int r = file_write_all(STDOUT_FILENO, text_str(t), t->size);

    return r < 0 ? r : text_error(t);
}

struct report_style output_style(void)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    struct report_style style = {0};
    struct winsize size;

    if (!isatty(STDOUT_FILENO))
        return style;
    style.color = !(no_color && *no_color) && term && !string_equal(term, "dumb");
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        style.width = size.ws_col;
    return style;
}

size_t output_height(void)
{
    struct winsize size;

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
}

void end_by_signal(int signal_number)
{
    sigset_t set;

    signal(signal_number, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, signal_number);
    raise(signal_number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    _exit(128 + signal_number); /* not reached */
}
