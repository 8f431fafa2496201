/*
 * A pulse: is the other side still there?  It is given up when nothing at all
 * was heard of it for longer than its limit, and asked for a sign when it has
 * been silent for a while.
 *
 * Silence is no measure of work: apt may say nothing for minutes.  So what is
 * at work has a heart that beats each KEEPALIVE_BEAT_MS (steps/channel.sh), and
 * three beats that did not come are the least limit.
 *
 * A value, and pure: time goes in, in milliseconds of any clock that does not
 * go back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { KEEPALIVE_BEAT_MS = 5000, KEEPALIVE_BEATS_MISSED = 3 };

struct keepalive {
    unsigned limit_ms;
    int64_t heard_ms, asked_ms;
};

/* For a peer that is to answer within `timeout_ms`: as long, or three beats. */
unsigned keepalive_limit_ms(unsigned timeout_ms);

void keepalive_start(struct keepalive *p, unsigned timeout_ms, int64_t now_ms);

/* Something came at that time, which may be past. */
void keepalive_heard(struct keepalive *p, int64_t at_ms);

bool keepalive_is_dead(const struct keepalive *p, int64_t now_ms);

/* It has been silent for a beat, and was not asked for one: true once, then it
 * counts as asked. */
bool keepalive_is_to_ask(struct keepalive *p, int64_t now_ms);

/* When there is next something to do. */
int64_t keepalive_next(const struct keepalive *p);
