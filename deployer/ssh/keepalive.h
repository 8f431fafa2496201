/*
 * A keepalive finds out whether the other side still answers.  It counts as dead when
 * nothing was received from it for longer than its limit; after one beat of silence it
 * is asked for an answer.
 *
 * Silence does not mean that nothing happens: apt may print nothing for minutes.
 * So a running step sends a heartbeat each KEEPALIVE_BEAT_MS (steps/channel.sh),
 * and the limit is at least three missing heartbeats.
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

/* The limit for a peer that must answer within `timeout_ms`: that time, or
 * KEEPALIVE_BEATS_MISSED beats if that is longer. */
unsigned keepalive_limit_ms(unsigned timeout_ms);

void keepalive_start(struct keepalive *p, unsigned timeout_ms, int64_t now_ms);

/* Something was received at that time, which may be in the past. */
void keepalive_heard(struct keepalive *p, int64_t at_ms);

bool keepalive_is_dead(const struct keepalive *p, int64_t now_ms);

/* True when it has been silent for one beat and was not asked since; from then on
 * it counts as asked. */
bool keepalive_is_to_ask(struct keepalive *p, int64_t now_ms);

/* The time of the next question, or of the limit. */
int64_t keepalive_next(const struct keepalive *p);
