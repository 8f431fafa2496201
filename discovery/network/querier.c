#include "querier-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    ASKS_MAX = 8,        /* a second, for single machines that are missed */
    MISSED_PACE_MS = 2,  /* between questions for all that are missed, for each that may answer */
    COMPLETE_MAX = 128,  /* instances whose other records are asked for, for each question */
    ANSWERS_PER_MS = 20, /* that a busy controller can read */
    PARTS_MAX = 4,       /* questions to one instance for what is missing */
    ANSWER_MS = 120,     /* until a question counts as not answered */
    BUSY_MS = 40,        /* answers still come: the next question waits … */
    BUSY_MAX_MS = 1000,  /* … but not longer than that */
    QUIET_ROUNDS = 2,    /* nobody answered so many: do questions from the mDNS port fare better? */
    OPEN_MS = 1000,      /* between the first two of those; then twice as long each time … */
    OPEN_MAX_MS = 3600 * 1000, /* … up to this: RFC 6762 §5.2 */
    ROUNDS_MIN = 2,            /* questions before the list can be complete … */
    ROUNDS_SEEK_MIN = 5,       /* … with candidates, which are not counted: about a second */
    ROUNDS_MAX = 40,           /* then the querier asks as seldom as when it is settled */
    KEEP_MS = 30 * 1000,       /* between two questions once the list is complete */
    /* A flood is more than FLOOD_MIN unsigned records a second.  In a flood the
     * machines' daemons drop most questions, too. */
    FLOOD_MIN = 100,
    FLOOD_ASK_MS = 125,
    FLOOD_CALM_MS = 5000, /* until a flood counts as over */
    WINDOW_MS = 1000,
};

/* When a machine is asked whether it is still there, ms.  An answer that was under way
 * when it said goodbye does not count: only one after the second question does. */
static const uint64_t confirm_asks[] = {0, 700, 850, 1000, 1150, 1300};

/* The chance of a machine that no question reached, below which a list counts as
 * complete. */
static const double miss_max = 0.0001;

static void set_timer(struct querier *q);

uint64_t querier_now_ms(const struct querier *q)
{
    uint64_t usec = 0;

    (void)sd_event_now(q->loop, CLOCK_MONOTONIC, &usec);
    return usec / 1000;
}

/* ---- questions ---- */

uint16_t querier_transaction(const struct querier *q, unsigned round)
{
    return (uint16_t)(q->transaction | (round > 0 ? 1 + (round - 1) % ROUND_MASK : 0));
}

unsigned querier_round_of(const struct querier *q, uint16_t transaction)
{
    unsigned which = transaction & ROUND_MASK, back;

    if (which == 0 || q->round == 0)
        return 0;
    back = (1 + (q->round - 1) % ROUND_MASK + ROUND_MASK - which) % ROUND_MASK;
    return back < q->round ? q->round - back : 0;
}

/* A responder may split its answer, or leave a part out. */
static void ask_for_parts(struct querier *q)
{
    size_t n = 0;

    for (struct instance *i = q->instances; i && n < COMPLETE_MAX; i = i->hh.next)
        if (!instance_is_complete(i) && i->parts_asked < PARTS_MAX) {
            i->parts_asked++;
            querier_send(q, instance_name(i), instance_interface(i));
            n++;
        }
}

/* The pause after a question: short while few were asked, longer where many answer. */
static uint64_t pause_after(const struct querier *q)
{
    static const uint64_t pauses[] = {120, 150, 180, 200};
    size_t which = q->round < ARRAY_SIZE(pauses) ? q->round : ARRAY_SIZE(pauses) - 1;

    return pauses[which] + HASH_COUNT(q->instances) / ANSWERS_PER_MS;
}

bool querier_is_unanswered(const struct querier *q)
{
    return !q->answered && q->round > QUIET_ROUNDS;
}

/* Each such question is answered by multicast, which costs a Wi-Fi most: seldom. */
static bool ask_openly(struct querier *q, uint64_t now)
{
    if (!querier_is_unanswered(q) || now < q->open_due)
        return false;
    q->open_pause = q->open_pause == 0                ? OPEN_MS
                    : q->open_pause < OPEN_MAX_MS / 2 ? 2 * q->open_pause
                                                      : OPEN_MAX_MS;
    q->open_due = now + q->open_pause;
    querier_send_openly(q, NULL);
    return true;
}

static void ask_for_all(struct querier *q, uint64_t now)
{
    bool openly;

    querier_read_links(q);
    q->round++;
    q->asked_at = now;
    q->many_missed = false;
    querier_send(q, NULL, -1);
    openly = ask_openly(q, now);
    ask_for_parts(q);
    if (q->round >= ROUNDS_MIN) /* most have answered the first question */
        querier_ask_known(q, openly);
    q->ask_due = now + (now < q->flooded_until ? FLOOD_ASK_MS : pause_after(q));
}

/* ---- is the list complete? ---- */

/* A machine counts from its first answer on, and without it: it may have come later
 * than the first questions.  Those that never answered are not counted: a firewall
 * may keep their answers away, or somebody else only repeats an old record. */
static void count_answers(const struct querier *q, size_t rounds, struct querier_counts *ret)
{
    *ret = (struct querier_counts){0};
    for (const struct instance *i = q->instances; i; i = i->hh.next) {
        size_t asked, answered;

        if (i->answers == 0)
            continue;
        asked = rounds > i->first_answer ? rounds - i->first_answer : 0;
        answered = i->answers - 1;
        if (i->last_answer > rounds && answered > 0)
            answered--;
        ret->machines++;
        ret->asked += asked;
        ret->unanswered += asked - answered;
    }
}

/* Rounds whose answers have had time to come. */
static size_t rounds_over(const struct querier *q)
{
    return q->round > 0 && querier_now_ms(q) < q->asked_at + ANSWER_MS ? q->round - 1 : q->round;
}

bool querier_is_settled(const struct querier *q)
{
    size_t rounds = rounds_over(q);
    struct querier_counts counts;
    double miss, chance;

    if (rounds < (q->candidates ? ROUNDS_SEEK_MIN : ROUNDS_MIN) ||
        querier_now_ms(q) < q->heard_at + BUSY_MS)
        return false;
    for (const struct instance *i = q->instances; i; i = i->hh.next)
        if (i->first_round >= rounds || (!instance_is_complete(i) && i->parts_asked < PARTS_MAX))
            return false;
    count_answers(q, rounds, &counts);
    if (counts.machines == 0)
        return false;
    if (counts.unanswered == 0)
        return true;
    miss = ((double)counts.unanswered + 1) / ((double)counts.asked + 1); /* few say little */
    chance = (double)counts.machines;
    for (size_t i = 0; i < rounds; i++)
        chance *= miss;
    return chance < miss_max;
}

void querier_seek(struct querier *q, struct candidates *candidates)
{
    q->candidates = candidates;
}

bool querier_has_heard_others(const struct querier *q)
{
    return q->heard_others;
}

bool querier_is_port_taken(const struct querier *q)
{
    return q->port_taken;
}

bool querier_is_flooded(const struct querier *q)
{
    return querier_now_ms(q) < q->flooded_until;
}

void querier_count(const struct querier *q, struct querier_counts *ret)
{
    count_answers(q, rounds_over(q), ret);
}

struct confirm *querier_find_confirm(struct querier *q, const char *instance)
{
    for (size_t i = 0; i < q->n_confirms; i++)
        if (strcmp(q->confirms[i].instance, instance) == 0)
            return &q->confirms[i];
    return NULL;
}

void querier_end_confirm(struct querier *q, struct confirm *c)
{
    *c = q->confirms[--q->n_confirms];
}

/* Counts unsigned records, and starts asking when there is a flood. */
void querier_look_for_flood(struct querier *q)
{
    uint64_t now = querier_now_ms(q);

    if (now >= q->window_start + WINDOW_MS) {
        q->window_start = now;
        q->unsigned_seen = 0;
    }
    if (q->unsigned_seen <= FLOOD_MIN)
        return;
    q->flooded_until = now + FLOOD_CALM_MS;
    if (q->ask_due > now + FLOOD_ASK_MS) {
        q->ask_due = now;
        set_timer(q);
    }
}

bool querier_has(const struct querier *q, const char *instance)
{
    for (size_t i = 0; i < q->links.count; i++) {
        const struct instance *found = instance_find(q, (int)q->links.items[i].interface, instance);

        if (found && found->answered && instance_is_complete(found))
            return true;
    }
    return false;
}

/* ---- confirmations ---- */

/* Nobody answered.  Links that no longer exist need no report. */
static void report_silent(struct querier *q, const char *name, bool doubted)
{
    struct sighting_key key = {0, SIGHTING_DIRECT, name, "local"};

    for (size_t i = 0; i < q->links.count; i++) {
        struct instance *instance;

        key.interface = (int)q->links.items[i].interface;
        instance = instance_find(q, key.interface, name);
        if (instance)
            instance_free(q, instance);
        q->listener.silent(&key, doubted, q->listener.arg);
    }
}

static uint64_t next_ask(const struct confirm *c)
{
    return c->due - QUERIER_CONFIRM_MS + confirm_asks[c->asked];
}

static void check_confirms(struct querier *q, uint64_t now)
{
    for (size_t i = 0; i < q->n_confirms;) {
        struct confirm *c = &q->confirms[i], ended;

        if (c->asked < ARRAY_SIZE(confirm_asks) && now >= next_ask(c)) {
            c->asked++;
            querier_send(q, c->instance, -1);
            if (querier_is_unanswered(q) && c->asked % 2 == 0) /* RFC 6762 §6: once a second */
                querier_send_openly(q, c->instance);
        }
        if (now < c->due) {
            i++;
            continue;
        }
        ended = *c;
        querier_end_confirm(q, c);
        report_silent(q, ended.instance, ended.doubted);
    }
}

/* So many at once are missed where a network card of this host, or a switch, has failed: one
 * question finds all that are still there, by another way. */
static void ask_for_missed(struct querier *q, uint64_t now)
{
    uint64_t due = q->asked_at + WINDOW_MS + HASH_COUNT(q->instances) * MISSED_PACE_MS;

    if (!q->again)
        return;
    q->many_missed = true;
    q->missed_due = due > now ? due : now;
    q->ask_due = q->missed_due < q->ask_due ? q->missed_due : q->ask_due;
    set_timer(q);
}

void querier_ask(struct querier *q, const char *instance, bool was_there)
{
    uint64_t now = querier_now_ms(q);

    if (now >= q->asks_start + WINDOW_MS) {
        q->asks_start = now;
        q->asks = 0;
    }
    if (q->asks++ >= ASKS_MAX) {
        if (was_there)
            ask_for_missed(q, now);
        return;
    }
    querier_send(q, instance, -1);
    if (querier_is_unanswered(q))
        querier_send_openly(q, instance);
}

void querier_confirm(struct querier *q, const char *instance)
{
    struct confirm *c;

    if (strlen(instance) > MDNS_LABEL_MAX || q->n_confirms == CONFIRMS_MAX ||
        querier_find_confirm(q, instance))
        return;
    c = &q->confirms[q->n_confirms++];
    *c = (struct confirm){.due = querier_now_ms(q) + QUERIER_CONFIRM_MS};
    memcpy(c->instance, instance, strlen(instance));
    set_timer(q);
}

/* ---- the loop ---- */

void querier_ask_soon(struct querier *q)
{
    uint64_t soon = querier_now_ms(q) + ANSWER_MS;

    if (q->again || q->round >= ROUNDS_MAX || q->ask_due <= soon)
        return;
    q->ask_due = soon;
    set_timer(q);
}

static void set_timer(struct querier *q)
{
    uint64_t due = q->ask_due;

    for (size_t i = 0; i < q->n_confirms; i++) {
        const struct confirm *c = &q->confirms[i];
        uint64_t next = c->asked < ARRAY_SIZE(confirm_asks) ? next_ask(c) : c->due;

        due = next < due ? next : due;
    }
    (void)sd_event_source_set_time(q->timer, due == UINT64_MAX ? due : due * 1000);
    (void)sd_event_source_set_enabled(q->timer,
                                      due == UINT64_MAX ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

/* The time for a question has come: is one needed? */
static void ask_if_needed(struct querier *q, uint64_t now)
{
    bool flooded = now < q->flooded_until, enough = querier_is_settled(q) || q->round >= ROUNDS_MAX;
    bool busy = now < q->heard_at + BUSY_MS && now < q->asked_at + BUSY_MAX_MS;

    if (flooded || q->round == 0 || (q->many_missed && now >= q->missed_due))
        ask_for_all(q, now);
    else if (busy)
        q->ask_due = q->heard_at + BUSY_MS;
    else if (!enough)
        ask_for_all(q, now);
    else if (!q->again)
        q->ask_due = UINT64_MAX;
    else if (now < q->asked_at + KEEP_MS)
        q->ask_due = q->asked_at + KEEP_MS;
    else
        ask_for_all(q, now);
    if (q->many_missed && q->missed_due < q->ask_due)
        q->ask_due = q->missed_due;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
    struct querier *q = arg;
    uint64_t now = querier_now_ms(q);

    (void)source, (void)usec;
    if (now >= q->ask_due)
        ask_if_needed(q, now);
    check_confirms(q, now);
    set_timer(q);
    return 0;
}

int querier_new(sd_event *loop, const struct key *fleet, bool again,
                const struct querier_listener *listener, struct querier **ret, struct error *err)
{
    CLEANUP(querier_free_p) struct querier *q = calloc(1, sizeof(*q));
    int r;

    if (!q)
        return error_sys(err, -ENOMEM, "cannot ask for machines");
    for (size_t i = 0; i < EARS; i++)
        q->ears[i].fd = -1;
    q->loop = sd_event_ref(loop);
    q->signed_only = fleet != NULL;
    if (fleet)
        q->fleet = *fleet;
    q->again = again;
    q->listener = *listener;
    if (getrandom(&q->transaction, sizeof(q->transaction), GRND_NONBLOCK) < 0)
        q->transaction = (uint16_t)querier_now_ms(q);
    /* Never 0, which a multicast answer has. */
    q->transaction = (uint16_t)((q->transaction & ~ROUND_MASK) | (ROUND_MASK + 1));
    q->window_start = q->ask_due = querier_now_ms(q);
    r = querier_open(q);
    if (r >= 0)
        r = sd_event_add_time(loop, &q->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, q);
    if (r >= 0)
        r = sd_event_source_set_priority(q->timer, SD_EVENT_PRIORITY_IMPORTANT - 1);
    if (r < 0)
        return error_sys(err, r, "cannot ask for machines by mDNS");
    *ret = TAKE_PTR(q);
    return 0;
}

void querier_free(struct querier *q)
{
    struct instance *i, *next;

    if (!q)
        return;
    querier_close(q);
    sd_event_source_disable_unref(q->timer);
    HASH_ITER(hh, q->instances, i, next)
    instance_free(q, i);
    key_clear(&q->fleet);
    sd_event_unref(q->loop);
    free(q);
}
