#include "keepalive.h"

#include <sys/param.h>

unsigned keepalive_limit_ms(unsigned timeout_ms)
{
    return MAX(timeout_ms, (unsigned)(KEEPALIVE_BEATS_MISSED * KEEPALIVE_BEAT_MS));
}

void keepalive_start(struct keepalive *p, unsigned timeout_ms, int64_t now_ms)
{
    *p = (struct keepalive){
        .limit_ms = keepalive_limit_ms(timeout_ms), .heard_ms = now_ms, .asked_ms = now_ms};
}

void keepalive_heard(struct keepalive *p, int64_t at_ms)
{
    p->heard_ms = MAX(p->heard_ms, at_ms);
}

bool keepalive_is_dead(const struct keepalive *p, int64_t now_ms)
{
    return now_ms >= p->heard_ms + p->limit_ms;
}

static int64_t next_question(const struct keepalive *p)
{
    return MAX(p->heard_ms, p->asked_ms) + KEEPALIVE_BEAT_MS;
}

bool keepalive_is_to_ask(struct keepalive *p, int64_t now_ms)
{
    if (now_ms < next_question(p))
        return false;
    p->asked_ms = now_ms;
    return true;
}

int64_t keepalive_next(const struct keepalive *p)
{
    return MIN(next_question(p), p->heard_ms + p->limit_ms);
}
