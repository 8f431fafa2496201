/*
 * Records, true and forged, and contacts, in any order: through the roster, the job, trust and
 * the run into the database.  Two machines were accepted; whoever else claims what, and a third
 * one that may be accepted too, changes nothing of what they have proved: host key, id, the
 * address and port where they last proved their key, host name, agent names.
 *
 * The first letter of the input is `k` where there is a fleet key.  Each further line is an
 * operation, its parameters digits; what is left out is 0.
 *
 *     t WHO PLACE PROTOCOL NAMES   the true record (0, 1: ours; 2: the third machine's)
 *     f ID KEY NAMES HOST PLACE PORT INSTANCE PROTOCOL HEARD ANSWERED   a forged one
 *     r WHO PLACE INSTANCE PROTOCOL OLD   one of ours is sent again, or an older one
 *     l INSTANCE PROTOCOL          a goodbye
 *     o NTH ONLINE PLACE           what a probe of the machine found out
 *     c NTH NEW ID NAME ORDER      the machine is deployed to; NEW: new ones are accepted.
 *                                  The rest: what the third machine says, if it answers
 *     i PLACE NAME NEW ID NAME ORDER   a host of an inventory is deployed to
 *     d                            the Avahi daemon starts again
 *     m WHO                        a machine of ours changes its address
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deployer/run/private.h"
#include "discovery/report/roster-text.h"
#include "lone-run.h"
#include "machine-end.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PLACES = 6, OPERATIONS_MAX = 200, PARAMETERS = 10, FIRST_BYTE = 192 };

static const char *const ids[] = {"0123456789abcdef", "fedcba9876543210", "1111111111111111"};
static const char *const keys[] = {"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                                   "SHA256:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB",
                                   "SHA256:CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC"};
static const char *const names[] = {"a1", "a2", "a3"};
static const char *const hosts[] = {"rpi-1.local", "rpi-2.local", "evil.local", NULL};
static const char *const hostnames[] = {"rpi-1", "rpi-2", "evil"};
static const char *const instances[] = {"dcop-0123456789abcdef", "dcop-0123456789abcdef #2",
                                        "dcop-fedcba9876543210", "dcop-1111111111111111", "other"};

static void expect(bool good)
{
    if (!good)
        abort();
}

/* --- the world --------------------------------------------------------------------------- */

static struct world {
    struct state *state;
    struct roster *roster;
    bool signs;
    bool moved[2];    /* it is at place WHO + 4, not WHO; the third machine takes the other one */
    uint64_t seq[3];  /* of the newest true record */
    int64_t now;      /* seconds */
    int met_at[2];    /* the place where it last proved its key */
    unsigned said[3]; /* by the third machine: id, name, order */
} world;

static struct address place(unsigned n)
{
    return (struct address){.family = AF_INET, .bytes = {FIRST_BYTE, 0, 2, (uint8_t)(n % PLACES)}};
}

/* Who answers there: 0 and 1 are ours, 2 is the third machine. */
static unsigned who_is_at(unsigned n)
{
    for (unsigned i = 0; i < 2; i++)
        if (n == i + (world.moved[i] ? 4 : 0))
            return i;
    return 2;
}

static const char *key_at(const struct address *a, uint16_t port)
{
    unsigned who = who_is_at(a->bytes[3]);

    return who < 2 && port != SSH_PORT ? NULL : keys[who];
}

/* --- what machines say when they are contacted -------------------------------------------- */

static const struct target *contacted; /* what it is asked to be */
static struct text script;

static bool is_meant(unsigned who)
{
    if (contacted->id && !contacted->guessed && strcmp(contacted->id, ids[who]) != 0)
        return false;
    /* A record's names must be its own; a person's are written. */
    return contacted->named || contacted->names.count == 0 ||
           (contacted->names.count == 1 && strcmp(contacted->names.items[0], names[who]) == 0);
}

/* Steps/channel.sh, as far as it matters here. */
static void speak_truly(unsigned who)
{
    text_addf(&script, ">0fact\tid\t%s\n>0fact\thostname\t%s\n", ids[who], hostnames[who]);
    text_adds(&script, is_meant(who) ? ">0plan\t1\n>0result\tx\tok\n>0end\tok\nX\n"
                                     : ">0refused\tno\n>0end\tfailed\nY\n");
}

static void speak_falsely(void)
{
    unsigned order = world.said[2];

    if (order & 1)
        text_adds(&script, ">0plan\t1\n");
    if (world.said[0] < 4) /* the last one is no id */
        text_addf(&script, ">0fact\tid\t%s\n", world.said[0] < 3 ? ids[world.said[0]] : "none");
    text_addf(&script, ">0fact\thostname\t%s\n", hostnames[world.said[1] % 3]);
    if (order & 2)
        text_adds(&script, ">0refused\tno\n");
    if (order & 4)
        text_addf(&script, ">0plan\t1\n>0fact\tid\t%s\n", ids[world.said[1] % 3]);
    text_adds(&script, order & 8 ? ">0end\tfailed\nY\n" : ">0plan\t1\n>0end\tok\nX\n");
}

static void on_trusted(const char *key)
{
    unsigned who = 0;

    while (strcmp(keys[who], key) != 0)
        who++;
    text_reset(&script);
    text_adds(&script, ">0dcop-step 1 $\thave\n");
    if (who < 2)
        speak_truly(who);
    else
        speak_falsely();
    expect(text_error(&script) == 0);
    machine_end.at = script.data;
    machine_end.end = script.data + script.size;
}

/* --- contacts ----------------------------------------------------------------------------- */

static unsigned peer_place;
static int met; /* who proved its key and did not refuse; -1: none */

static void on_job(const struct job_event *event, void *arg)
{
    if (event->kind == JOB_TRUSTED) {
        peer_place = event->peer.bytes[3];
        met = (int)who_is_at(peer_place);
    }
    if (event->kind == JOB_STEP && event->step->kind == STEPWIRE_REFUSED && met < 2)
        met = -1;
    lone_run_hear(arg, event);
}

static void contact(const struct target *t, struct consent consent)
{
    struct lone_run run;
    struct job job = {0};
    struct job_common common = {.mode = "deploy", .who = "teacher@desk", .bundle_digest = "abc"};

    lone_run_begin(&run, world.state, t, consent);
    common.pins = &run.run->pins;
    common.names = &run.run->names;
    common.settings = NULL;
    job.common = &common;
    expect(target_copy(t, &job.target) == 0 &&
           known_machine_get(world.state, t, consent, &job.known, NULL) == 0);
    contacted = &job.target;
    met = -1;
    machine_end_clear();
    machine_end = (struct machine_end){.key_at = key_at, .trusted = on_trusted};
    job_run(&job, (struct stop_fds){-1, -1}, on_job, &run);
    lone_run_end(&run);
    job_clear(&job);
    if (met == 0 || met == 1)
        world.met_at[met] = (int)peer_place;
}

/* As cli/identify.c guesses who is there, or reads its host key first. */
static void guess_id(struct target *t)
{
    CLEANUP(state_machines_clear) struct state_machines machines = {0};
    CLEANUP_STRINGS struct strings found = {0};
    const char *key = key_at(&t->addresses[0], t->port);
    char text[ADDRESS_TEXT_MAX];

    address_format(&t->addresses[0], text);
    expect(state_machine_list(world.state, &machines, NULL) == 0);
    for (size_t i = 0; i < machines.count; i++) {
        const struct state_machine *m = &machines.items[i];

        if (!string_equal(m->address, text) || t->guessed)
            continue;
        t->guessed = true;
        if (advert_id_valid(m->id))
            t->id = strdup(m->id);
        else
            t->hostkey = strdup(m->id);
    }
    if (t->guessed || !key)
        return;
    t->hostkey = strdup(key);
    expect(state_pin_by_fingerprint(world.state, key, &found, NULL) == 0);
    if (found.count == 1 && advert_id_valid(found.items[0]))
        t->id = strdup(found.items[0]);
}

static void contact_written(unsigned where, unsigned name, struct consent consent)
{
    CLEANUP(target_clear) struct target t = {
        .named = true, .port = SSH_PORT, .n_addresses = 1, .host = strdup("host")};

    t.addresses = calloc(1, sizeof(*t.addresses));
    expect(t.addresses && t.host);
    t.addresses[0] = place(where);
    expect(strings_add(&t.names, names[name % 3]) == 0 && strings_copy(&t.agents, &t.names) == 0);
    guess_id(&t);
    /* A person who writes another name for a machine of ours means it. */
    if (who_is_at(where % PLACES) < 2 && name % 3 == 2)
        return;
    contact(&t, consent);
}

static void contact_machine(unsigned nth, struct consent consent)
{
    CLEANUP(target_clear) struct target t = {0};
    size_t count;
    const struct machine *const *machines = roster_machines(world.roster, &count);
    const struct machine *m = count > 0 ? machines[nth % count] : NULL;

    if (!m || m->untrusted)
        return;
    expect(target_from_machine(m, &t) == 0 && strings_copy(&t.agents, &t.names) == 0);
    contact(&t, consent);
}

/* --- records ------------------------------------------------------------------------------ */

struct record {
    unsigned id, key, names, host, place, port, instance, protocol;
    uint64_t seq;
    bool verified, heard, answered;
};

static void see(const struct record *r)
{
    struct address address = place(r->place);
    struct advert advert = {.seq = r->seq};
    struct sighting s = {
        .key = {2, r->protocol % 3 == 2 ? SIGHTING_DIRECT : (int)(r->protocol % 3),
                instances[r->instance % ARRAY_SIZE(instances)], "local"},
        .host = hosts[r->host % ARRAY_SIZE(hosts)],
        .addresses = &address,
        .n_addresses = 1,
        .heard = r->heard,
        .answered = r->answered ? &address : NULL,
        .port = r->port ? 2222 : SSH_PORT,
        .advert = &advert,
        .verified = r->verified,
    };

    strcpy(advert.id, ids[r->id % 3]);
    advert.hostkey = r->key % 4 < 3 ? strdup(keys[r->key % 4]) : NULL;
    for (unsigned i = 0; i < 3; i++)
        if (r->names & 1u << i)
            expect(strings_add(&advert.agents, names[i]) == 0);
    (void)roster_see(world.roster, &s, (struct timespec){world.now, 0});
    free(advert.hostkey);
    strings_clear(&advert.agents);
}

static struct record true_record(unsigned who, unsigned at)
{
    return (struct record){.id = who,
                           .key = who,
                           .names = 1u << who,
                           .host = who,
                           .place = at,
                           .instance = who == 0 ? 0 : who + 1,
                           .verified = world.signs,
                           .seq = world.signs ? world.seq[who] : 0};
}

/* What the roster has of verified machines; without addresses, which a replay may add. */
static void read_verified(struct text *ret, bool addresses)
{
    size_t count;
    const struct machine *const *machines = roster_machines(world.roster, &count);

    for (size_t i = 0; i < count; i++) {
        struct machine m = *machines[i];
        const struct machine *pointer;

        if (!m.verified)
            continue;
        m.n_addresses = addresses ? m.n_addresses : 0;
        m.last_seen = (struct timespec){0};
        if (!addresses)
            m.online = m.unheard = false;
        pointer = &m;
        expect(report_roster_json(&pointer, 1, ret) == 0);
    }
    expect(text_error(ret) == 0);
}

static bool has_addresses(const struct machine *now, const struct machine *before)
{
    for (size_t i = 0; i < before->n_addresses; i++) {
        bool found = false;

        for (size_t k = 0; k < now->n_addresses; k++)
            found = found || address_equal(&now->addresses[k], &before->addresses[i]);
        if (!found)
            return false;
    }
    return true;
}

/* --- operations ----------------------------------------------------------------------------- */

static void do_forged(const unsigned *p)
{
    CLEANUP_TEXT struct text before = TEXT_INIT;
    CLEANUP_TEXT struct text after = TEXT_INIT;

    read_verified(&before, true);
    see(&(struct record){.id = p[0],
                         .key = p[1],
                         .names = p[2],
                         .host = p[3],
                         .place = p[4],
                         .port = p[5],
                         .instance = p[6],
                         .protocol = p[7],
                         .heard = p[8],
                         .answered = p[9]});
    read_verified(&after, true);
    expect(strcmp(text_str(&before), text_str(&after)) == 0);
}

/* Sent by another host: its address and its instance's name are not signed.  One that is off has
 * no record whose addresses could stay; a probe finds out whether it is back. */
static void do_replay(const unsigned *p)
{
    CLEANUP_TEXT struct text before = TEXT_INIT;
    CLEANUP_TEXT struct text after = TEXT_INIT;
    struct record r = true_record(p[0] % 2, p[1]);
    const struct machine_key key = {ids[p[0] % 2], keys[p[0] % 2], 0};
    const struct machine *m = roster_find(world.roster, &key);
    CLEANUP_FREE struct address *had = calloc(ROSTER_ADDRESSES_MAX, sizeof(*had));
    struct machine was = {.addresses = had};

    expect(had);
    if (!world.signs || !m || !m->verified)
        return;
    r.seq -= p[4] % r.seq; /* an old one, or the newest */
    was.online = m->online;
    was.n_addresses = m->n_addresses;
    memcpy(had, m->addresses, m->n_addresses * sizeof(*had));
    r.instance = p[2];
    r.protocol = p[3];
    read_verified(&before, false);
    see(&r);
    read_verified(&after, false);
    m = roster_find(world.roster, &key);
    expect(strcmp(text_str(&before), text_str(&after)) == 0 && m);
    expect(!was.online || was.n_addresses == ROSTER_ADDRESSES_MAX || has_addresses(m, &was));
}

static void do_true(const unsigned *p)
{
    unsigned who = p[0] % 3;
    struct record r = true_record(who, p[1]);

    if (who < 2)
        r.place = who + (world.moved[who] ? 4 : 0);
    else
        r.names = p[3];
    r.protocol = p[2];
    r.seq = world.signs ? ++world.seq[who] : 0;
    r.heard = true;
    see(&r);
}

static void do_operation(char op, const unsigned *p)
{
    struct sighting_key key = {2, p[1] % 3 == 2 ? SIGHTING_DIRECT : (int)(p[1] % 3),
                               instances[p[0] % ARRAY_SIZE(instances)], "local"};
    struct address address = place(p[2]);
    size_t count;
    const struct machine *const *machines;

    switch (op) {
    case 't':
        do_true(p);
        break;
    case 'f':
        do_forged(p);
        break;
    case 'r':
        do_replay(p);
        break;
    case 'l':
        roster_lose(world.roster, &key, (struct timespec){world.now, 0});
        break;
    case 'o':
        machines = roster_machines(world.roster, &count);
        if (count > 0) {
            const struct machine_key which = machine_key_of(machines[p[0] % count]);

            roster_set_online(world.roster, &which, p[1] & 1, p[1] & 2 ? &address : NULL,
                              (struct timespec){world.now, 0});
        }
        break;
    case 'c':
        memcpy(world.said, p + 2, sizeof(world.said));
        contact_machine(p[0], (struct consent){.given = p[1] & 1});
        break;
    case 'i':
        memcpy(world.said, p + 3, sizeof(world.said));
        contact_written(p[0], p[1], (struct consent){.given = p[2] & 1});
        break;
    case 'd':
        roster_forget_sightings(world.roster);
        break;
    case 'm':
        world.moved[p[0] % 2] = !world.moved[p[0] % 2];
        break;
    default:
        break;
    }
}

/* --- what was verified ------------------------------------------------------------------------ */

static void check_machine(unsigned who)
{
    CLEANUP(state_machine_clear) struct state_machine m = {0};
    CLEANUP(state_pin_clear) struct state_pin pin = {0};
    CLEANUP_FREE char *holder = NULL;
    struct address address = place((unsigned)world.met_at[who]);
    char text[ADDRESS_TEXT_MAX];
    bool now = false;

    address_format(&address, text);
    expect(state_pin_get(world.state, ids[who], &pin, NULL) == 0 &&
           strcmp(pin.fingerprint, keys[who]) == 0 && pin.source == PIN_QUESTION);
    expect(state_machine_get(world.state, ids[who], &m, NULL) == 0);
    expect(strcmp(m.fingerprint, keys[who]) == 0 && strcmp(m.address, text) == 0 &&
           m.port == SSH_PORT);
    expect(strncmp(m.host, hostnames[who], strlen(hostnames[who])) == 0 ||
           strcmp(m.host, "host") == 0); /* as an inventory calls it */
    expect(state_name_holder(world.state, "default", names[who], &holder, &now, NULL) == 0 && now &&
           strcmp(holder, ids[who]) == 0);
}

/* Nobody's key is pinned for a machine of ours, and no key of ours for another id. */
static void check_pins(void)
{
    CLEANUP(state_pins_clear) struct state_pins pins = {0};

    expect(state_pin_list(world.state, NULL, &pins, NULL) == 0);
    for (size_t i = 0; i < pins.count; i++)
        for (unsigned who = 0; who < 2; who++)
            expect((strcmp(pins.items[i].id, ids[who]) == 0) ==
                   (strcmp(pins.items[i].fingerprint, keys[who]) == 0));
}

static void accept_ours(void)
{
    for (unsigned who = 0; who < 2; who++) {
        CLEANUP(target_clear) struct target t = {.port = SSH_PORT,
                                                 .n_addresses = 1,
                                                 .advertised = true,
                                                 .shown = true,
                                                 .id = strdup(ids[who]),
                                                 .hostkey = strdup(keys[who]),
                                                 .host = strdup(hostnames[who])};

        t.addresses = calloc(1, sizeof(*t.addresses));
        expect(t.addresses && t.id && t.hostkey && t.host);
        t.addresses[0] = place(who);
        expect(strings_add(&t.names, names[who]) == 0);
        contact(&t, (struct consent){.given = true, .asked = true});
        check_machine(who);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(state_free_p) struct state *state = NULL;
    CLEANUP(roster_free_p) struct roster *roster = roster_new();
    const uint8_t *end = data + size;
    unsigned n = 0;

    expect(roster && state_open(":memory:", &state, NULL) == 0);
    world = (struct world){.state = state, .roster = roster, .signs = size > 0 && *data == 'k'};
    if (world.signs)
        roster_expect_signatures(roster);
    accept_ours();
    for (; data < end && n < OPERATIONS_MAX; n++) {
        const uint8_t *stop = memchr(data, '\n', (size_t)(end - data));
        unsigned p[PARAMETERS + 3] = {0};

        if (!stop)
            stop = end;
        for (size_t i = 1; data + i < stop && i <= PARAMETERS; i++)
            p[i - 1] = (unsigned)(data[i] - '0') & 15;
        world.now++;
        if (stop > data)
            do_operation((char)*data, p);
        if (*data == 'c' || *data == 'i') { /* nothing else has the database */
            check_machine(0);
            check_machine(1);
            check_pins();
        }
        data = stop < end ? stop + 1 : end;
    }
    text_clear(&script);
    machine_end_clear();
    return 0;
}
