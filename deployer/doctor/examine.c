#include "examine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *fact(const struct examined *m, const char *key)
{
    for (size_t i = m->keys->count; i-- > 0;)
        if (strcmp(m->keys->items[i], key) == 0)
            return m->values->items[i];
    return NULL;
}

static bool is(const struct examined *m, const char *key, const char *value)
{
    return string_equal(fact(m, key), value);
}

static bool number(const struct examined *m, const char *key, long long *ret)
{
    const char *text = fact(m, key), *digits = text && *text == '-' ? text + 1 : text;

    if (!digits || !string_is_one_of(digits, "0123456789", 1, 18))
        return false;
    *ret = strtoll(text, NULL, 10);
    return true;
}

static void add(struct findings *to, const struct examined *m, enum finding_kind kind,
                const char *wrong, const char *proof, const char *advice)
{
    findings_add(to, kind, m->label, wrong, proof, advice);
}

/* A message is "what failed; what to do". */
static void judge_failure(const struct examined *m, enum finding_kind kind, const char *asked,
                          struct findings *to)
{
    CLEANUP_TEXT struct text wrong = TEXT_INIT;
    const char *why = m->why ? m->why : job_outcome_name(m->outcome), *end = strstr(why, "; ");

    text_add(&wrong, why, end ? (size_t)(end - why) : strlen(why));
    to->failed = to->failed || text_error(&wrong) < 0;
    add(to, m, kind, text_str(&wrong), asked, end ? end + 2 : "`dcop-deploy status` shows more");
}

static void judge_login(const struct examined *m, struct findings *to)
{
    CLEANUP_TEXT struct text asked = TEXT_INIT;
    bool sudo = m->outcome == JOB_FAILED && m->why && strstr(m->why, "sudo");

    text_addf(&asked, "asked by SSH as %s", m->user);
    if (sudo)
        text_adds(&asked, ", which logs in, for root by sudo");
    judge_failure(m, sudo ? FINDING_SUDO : FINDING_LOGIN, text_str(&asked), to);
}

static void judge_clock(const struct examined *m, struct findings *to)
{
    CLEANUP_TEXT struct text proof = TEXT_INIT;
    long long off;

    if (!number(m, "clock", &off) || llabs(off) <= EXAMINE_CLOCK_SLACK_S)
        return;
    text_addf(&proof, "date: %lld s %s this computer's", llabs(off),
              off > 0 ? "ahead of" : "behind");
    if (is(m, "clock_synchronised", "yes"))
        add(to, m, FINDING_CLOCK, "its clock, which NTP has set, differs from this computer's",
            text_str(&proof), "correct this computer's clock");
    else
        add(to, m, FINDING_CLOCK, "its clock is wrong", text_str(&proof),
            off > 0
                ? "dcop-deploy --set-clock sets it back; compare `date` with another clock first"
                : "dcop-deploy sets it with the next deploy");
}

static void judge_room(const struct examined *m, struct findings *to)
{
    CLEANUP_TEXT struct text disk = TEXT_INIT, memory = TEXT_INIT;
    long long room, whole;

    if (is(m, "readonly", "yes"))
        add(to, m, FINDING_DISK, "its root file system is mounted read-only",
            "/proc/mounts: / has the option ro",
            "a card that fails does that: look at `dmesg`, replace the card; or switch the overlay "
            "file system off (raspi-config)");
    else if (number(m, "free", &room) && room < EXAMINE_DISK_MIB) {
        text_addf(&disk, "df: %lld MiB are free for /opt/dcop", room);
        add(to, m, FINDING_DISK, "its disk is nearly full", text_str(&disk),
            "make room: apt clean, journalctl --vacuum-size=50M, and what du -x / shows");
    }
    if (fact(m, "volatile"))
        add(to, m, FINDING_DISK, "what is written to its disk is gone after its next reboot",
            fact(m, "volatile"),
            "switch its overlay file system off (raspi-config), deploy, then switch it on again");
    if (number(m, "memory_free", &room) && number(m, "memory", &whole) &&
        room < EXAMINE_MEMORY_MIB) {
        text_addf(&memory, "/proc/meminfo: %lld MiB of %lld MiB are available", room, whole);
        add(to, m, FINDING_MEMORY, "its memory is nearly full", text_str(&memory),
            "end what takes it (ps aux --sort=-rss), or give the machine fewer agents");
    }
}

static void judge_python(const struct examined *m, struct findings *to)
{
    if (!fact(m, "python"))
        add(to, m, FINDING_PYTHON, "it has no Python", "there is no /usr/bin/python3",
            "install it there: apt install python3");
}

static void judge_beacon(const struct examined *m, struct findings *to)
{
    CLEANUP_TEXT struct text proof = TEXT_INIT;
    const char *state = fact(m, "beacon"), *version = fact(m, "beacon_version"),
               *said = fact(m, "beacon_said");

    if (is(m, "beacon", "none")) {
        add(to, m, FINDING_NO_BEACON, "it has no beacon", "there is no dcop-beacon",
            "enroll it: dcop-deploy enroll ADDRESS");
        return;
    }
    if (state && strcmp(state, "active") != 0) {
        text_addf(&proof, "systemctl: dcop-beacon.service is %s", state);
        if (said && *said)
            text_addf(&proof, ", and said last: %s", said);
        add(to, m, FINDING_BEACON_STOPPED, "its beacon is not running", text_str(&proof),
            "start it there: systemctl enable --now dcop-beacon");
    }
    if (version && *version && strcmp(version, DCOP_VERSION) != 0) {
        text_reset(&proof);
        text_addf(&proof, "dcop-beacon --version: %s; here it is " DCOP_VERSION, version);
        add(to, m, FINDING_BEACON_OLD, "its beacon is of another version", text_str(&proof),
            "renew it: dcop-deploy enroll ADDRESS");
    }
}

/* Without a number at its end, "-2". */
static size_t base_of(const char *name)
{
    size_t n = strlen(name), digits = n;

    while (digits > 0 && strchr("0123456789", name[digits - 1]))
        digits--;
    return digits < n && digits > 1 && name[digits - 1] == '-' ? digits - 1 : n;
}

/* What Avahi takes where another machine has the name: "rpi-2" for "rpi", and "rpi-3" for
 * "rpi-2" (avahi_alternative_host_name). */
static bool is_alternative(const char *name, const char *wanted)
{
    size_t n = base_of(wanted);

    return strcasecmp(name, wanted) != 0 && base_of(name) < strlen(name) && base_of(name) == n &&
           strncasecmp(name, wanted, n) == 0 && strcmp(name + n, "-1") != 0;
}

static void judge_avahi(const struct examined *m, struct findings *to)
{
    CLEANUP_TEXT struct text proof = TEXT_INIT;
    const char *state = fact(m, "avahi"), *name = fact(m, "avahi_name"),
               *host = fact(m, "hostname"), *other = fact(m, "responder");

    if (state && strcmp(state, "active") != 0) {
        text_addf(&proof, "systemctl: avahi-daemon.service is %s", *state ? state : "unknown");
        add(to, m, FINDING_AVAHI_THERE, "no Avahi daemon is running there", text_str(&proof),
            "start it there: systemctl enable --now avahi-daemon");
    }
    if (name && host && is_alternative(name, host)) {
        text_reset(&proof);
        text_addf(&proof, "its host name is %s, and its Avahi calls it %s", host, name);
        add(to, m, FINDING_NAME_CLASH, "another machine has its name", text_str(&proof),
            "give it a name of its own: hostnamectl set-hostname, then systemctl restart "
            "avahi-daemon; avahi-resolve -n there shows who has the name");
    }
    if (other) {
        text_reset(&proof);
        text_addf(&proof, "/proc/net/udp has another socket on port 5353, of %s", other);
        add(to, m, FINDING_RESPONDER_THERE, "a second mDNS responder is running there",
            text_str(&proof),
            "stop it there: MulticastDNS=no in /etc/systemd/resolved.conf and systemctl restart "
            "systemd-resolved, or systemctl disable --now mdnsd");
    }
}

static void judge_agents(const struct examined *m, struct findings *to)
{
    CLEANUP_TEXT struct text proof = TEXT_INIT;
    const char *unit = fact(m, "unit"), *error = fact(m, "error");

    if (!fact(m, "deployed") || !unit || (strcmp(unit, "failed") != 0 && !error))
        return;
    text_addf(&proof, "systemctl: dcop-agent.service is %s", unit);
    if (error)
        text_addf(&proof, "; it says: %s", error);
    add(to, m, FINDING_AGENT_FAILED, "its agents have failed", text_str(&proof),
        "read more: dcop-deploy -l MACHINE logs; then deploy again");
}

void examine_machine(const struct examined *m, struct findings *ret)
{
    if (!is(m, "examined", "yes")) {
        judge_login(m, ret);
        return;
    }
    judge_clock(m, ret);
    judge_room(m, ret);
    judge_python(m, ret);
    judge_beacon(m, ret);
    judge_avahi(m, ret);
    judge_agents(m, ret);
    if (m->outcome == JOB_FAILED) /* it has answered all, so this is job/reach.c */
        judge_failure(m, FINDING_AGENT_PORT, "connecting to its agents' ports", ret);
}

/* ---- both sides ---- */

static bool is_of_ssh(enum finding_kind kind)
{
    return kind == FINDING_NO_ANSWER || kind == FINDING_SSH_REFUSED ||
           kind == FINDING_SSH_FILTERED || kind == FINDING_SSH_GREETING;
}

/* Does the first, of outside, come from the cause that the second, of inside, names? */
static bool explains_inside(const struct finding *outside, const struct finding *inside)
{
    return inside->kind == FINDING_LOGIN && is_of_ssh(outside->kind);
}

static bool explains_outside(const struct finding *inside, const struct finding *outside)
{
    switch ((int)inside->kind) {
    case FINDING_AGENT_FAILED:
        return outside->kind == FINDING_AGENT_FAILED || outside->kind == FINDING_SAYS;
    case FINDING_AVAHI_THERE:
        return outside->kind == FINDING_NO_RESPONDER || outside->kind == FINDING_NO_BEACON;
    case FINDING_BEACON_STOPPED:
    case FINDING_NO_BEACON:
        return outside->kind == FINDING_NO_BEACON;
    case FINDING_NAME_CLASH: /* while it looks for another name, its Avahi answers nothing */
        return outside->kind == FINDING_MDNS_FILTERED;
    }
    return false;
}

static void drop_explained(struct findings *from, const struct findings *by,
                           bool (*explains)(const struct finding *, const struct finding *))
{
    struct findings kept = {.failed = from->failed};

    for (size_t i = 0; i < from->count; i++) {
        const struct finding *f = &from->items[i];
        bool dropped = false;

        for (size_t k = 0; k < by->count && !dropped; k++)
            dropped = string_equal(f->about, by->items[k].about) && explains(&by->items[k], f);
        if (!dropped)
            findings_add(&kept, f->kind, f->about, f->wrong, f->proof, f->advice);
    }
    findings_clear(from);
    *from = kept;
}

void examine_merge(struct findings *outside, struct findings *inside)
{
    drop_explained(inside, outside, explains_inside);
    drop_explained(outside, inside, explains_outside);
}
