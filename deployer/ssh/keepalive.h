/*
 * A pulse: is the other side still there?  It is given up when nothing at all
 * was heard of it for longer than its limit, and asked for a sign when it has
 * been silent for a while.
 *
 * Silence is no measure of work: apt may say nothing for minutes.  So what is
 * at work has a heart that beats each PULSE_BEAT_MS (steps/channel.sh), and
 * three beats that did not come are the least limit.
 *
 * A value, and pure: time goes in, in milliseconds of any clock that does not
 * go back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { PULSE_BEAT_MS = 5000, PULSE_BEATS_MISSED = 3 };

struct pulse {
    unsigned limit_ms;
    int64_t heard_ms, asked_ms;
};

/* For a peer that is to answer within `timeout_ms`: as long, or three beats. */
unsigned pulse_limit_ms(unsigned timeout_ms);

void pulse_start(struct pulse *p, unsigned timeout_ms, int64_t now_ms);

/* Something came at that time, which may be past. */
void pulse_heard(struct pulse *p, int64_t at_ms);

bool pulse_is_dead(const struct pulse *p, int64_t now_ms);

/* It has been silent for a beat, and was not asked for one: true once, then it
 * counts as asked. */
bool pulse_is_to_ask(struct pulse *p, int64_t now_ms);

/* When there is next something to do. */
int64_t pulse_next(const struct pulse *p);
