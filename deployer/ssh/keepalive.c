#include "keepalive.h"

#include <sys/param.h>

unsigned pulse_limit_ms(unsigned timeout_ms)
{
    return MAX(timeout_ms, (unsigned)(PULSE_BEATS_MISSED * PULSE_BEAT_MS));
}

void pulse_start(struct pulse *p, unsigned timeout_ms, int64_t now_ms)
{
    *p = (struct pulse){
        .limit_ms = pulse_limit_ms(timeout_ms), .heard_ms = now_ms, .asked_ms = now_ms};
}

void pulse_heard(struct pulse *p, int64_t at_ms)
{
    p->heard_ms = MAX(p->heard_ms, at_ms);
}

bool pulse_is_dead(const struct pulse *p, int64_t now_ms)
{
    return now_ms >= p->heard_ms + p->limit_ms;
}

static int64_t next_question(const struct pulse *p)
{
    return MAX(p->heard_ms, p->asked_ms) + PULSE_BEAT_MS;
}

bool pulse_is_to_ask(struct pulse *p, int64_t now_ms)
{
    if (now_ms < next_question(p))
        return false;
    p->asked_ms = now_ms;
    return true;
}

int64_t pulse_next(const struct pulse *p)
{
    return MIN(next_question(p), p->heard_ms + p->limit_ms);
}
