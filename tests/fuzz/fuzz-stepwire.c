/* The events of a run: whatever a machine sends, in whatever pieces. */
#include <string.h>

#include "deployer/job/stepwire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STREAM_MAX = 100 };

struct seen {
    size_t sum, streamed, counts[STEPWIRE_KINDS];
    bool endless;
};

static void touch(const struct stepwire_event *event, void *arg)
{
    struct seen *seen = arg;

    for (size_t i = 0; i < event->size; i++)
        seen->sum += ((const unsigned char *)event->bytes)[i];
    seen->streamed += event->size;
    if ((!seen->endless && seen->streamed > STREAM_MAX) ||
        (event->size == 0 && ++seen->counts[event->kind] > STEPWIRE_EVENTS_MAX) ||
        seen->counts[STEPWIRE_RESULT] > STEPWIRE_STEPS_MAX ||
        seen->counts[STEPWIRE_NOTE] > STEPWIRE_NOTES_MAX || seen->counts[STEPWIRE_END] > 1)
        abort();
    seen->sum += strlen(event->name) + strlen(event->detail) + strlen(event->lines);
    if (!utf8_valid(event->name, strlen(event->name)) ||
        !utf8_valid(event->detail, strlen(event->detail)) ||
        !utf8_valid(event->lines, strlen(event->lines)) || event->number > STEPWIRE_STEPS_MAX ||
        !step_status_name(event->status))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char hello[] = "dcop-step 1 0123456789abcdef0123456789abcdef\twant\n";
    struct stepwire w;
    struct seen seen = {0};
    size_t piece;

    if (size == 0)
        return 0;
    seen.endless = data[0] & 2;
    stepwire_init(&w, "0123456789abcdef0123456789abcdef",
                  seen.endless ? STEPWIRE_STREAM_ENDLESS : STREAM_MAX, touch, &seen);
    if (data[0] & 1)
        (void)stepwire_feed(&w, hello, sizeof(hello) - 1, NULL);
    piece = data[0] / 2 + 1u;
    for (size_t at = 1; at < size; at += piece)
        if (stepwire_feed(&w, data + at, size - at < piece ? size - at : piece, NULL) < 0)
            break;
    stepwire_clear(&w);
    return 0;
}
