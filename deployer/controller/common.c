/* Messages, and functions that all parts call. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "deployer/base/url.h"
#include "private.h"

void controller_log(const struct controller *c, const char *format, ...)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    CLEANUP_TEXT struct text masked = TEXT_INIT;
    struct error line;
    va_list ap;

    if (c->settings.deploy.quiet)
        return;
    va_start(ap, format);
    (void)vsnprintf(line.text, sizeof(line.text), format, ap);
    va_end(ap);
    url_add_masked(&masked, line.text);
    text_add_printable(&words, text_str(&masked));
    fprintf(stderr, "dcop-controller: %s\n", text_str(&words));
}

void controller_set_trouble(char **trouble, const char *words)
{
    char *copy = words ? strdup(words) : NULL;

    free(*trouble);
    *trouble = copy;
}

void controller_evaluate_soon(struct controller *c)
{
    int enabled = SD_EVENT_OFF;

    /* A timer that is already set stays as it is. */
    if (!c->sources.evaluate ||
        (sd_event_source_get_enabled(c->sources.evaluate, &enabled) > 0 && enabled))
        return;
    (void)sd_event_source_set_time_relative(c->sources.evaluate, EVALUATE_USEC);
    (void)sd_event_source_set_enabled(c->sources.evaluate, SD_EVENT_ONESHOT);
}
