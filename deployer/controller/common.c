/* Clocks, messages, and what all parts call. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "private.h"

static int64_t clock_ms(clockid_t clock)
{
    struct timespec t;

    (void)clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t controller_now_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

int64_t controller_wall_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

void controller_say(const struct controller *c, const char *format, ...)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    struct error line;
    va_list ap;

    if (c->settings.deploy.quiet)
        return;
    va_start(ap, format);
    (void)vsnprintf(line.text, sizeof(line.text), format, ap);
    va_end(ap);
    text_add_printable(&words, line.text);
    fprintf(stderr, "dcop-controller: %s\n", text_str(&words));
}

void controller_trouble(char **trouble, const char *words)
{
    char *copy = words ? strdup(words) : NULL;

    free(*trouble);
    *trouble = copy;
}

void controller_look_soon(struct controller *c)
{
    int enabled = SD_EVENT_OFF;

    /* One that is due stays due. */
    if (!c->look || (sd_event_source_get_enabled(c->look, &enabled) > 0 && enabled))
        return;
    (void)sd_event_source_set_time_relative(c->look, LOOK_USEC);
    (void)sd_event_source_set_enabled(c->look, SD_EVENT_ONESHOT);
}
