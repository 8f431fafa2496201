#include "finding.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = {
    [FINDING_NO_BUS] = "no-dbus",
    [FINDING_NO_AVAHI] = "no-avahi",
    [FINDING_AVAHI_SILENT] = "avahi-silent",
    [FINDING_AVAHI_LIMIT] = "avahi-limit",
    [FINDING_AVAHI_NO_IPV4] = "avahi-no-ipv4",
    [FINDING_SECOND_RESPONDER] = "second-responder",
    [FINDING_NO_LINK] = "no-link",
    [FINDING_NO_MULTICAST_FLAG] = "interface-without-multicast",
    [FINDING_INTERFACE_LEFT_OUT] = "interface-left-out",
    [FINDING_FILTERED_HERE] = "mdns-filtered-here",
    [FINDING_NAME_CLASH_HERE] = "name-clash-here",
    [FINDING_CLOCK_HERE] = "clock-here",
    [FINDING_NOBODY] = "nobody",
    [FINDING_NOT_SEEN] = "not-seen",
    [FINDING_NO_ANSWER] = "no-answer",
    [FINDING_OTHER_SUBNET] = "other-subnet",
    [FINDING_MULTICAST_LOST] = "multicast-lost",
    [FINDING_NO_BEACON] = "no-beacon",
    [FINDING_NO_RESPONDER] = "no-responder",
    [FINDING_MDNS_FILTERED] = "mdns-filtered",
    [FINDING_CLONES] = "clones",
    [FINDING_NAME_CLASH] = "name-clash",
    [FINDING_ADDRESS] = "address",
    [FINDING_ADDRESS_TWICE] = "address-twice",
    [FINDING_MAC_TWICE] = "mac-twice",
    [FINDING_SSH_REFUSED] = "ssh-refused",
    [FINDING_SSH_FILTERED] = "ssh-filtered",
    [FINDING_SSH_GREETING] = "ssh-greeting",
    [FINDING_MTU] = "mtu",
    [FINDING_LOSS] = "loss",
    [FINDING_DELAY] = "delay",
    [FINDING_SAYS] = "machine-says",
    [FINDING_AGENT_FAILED] = "agent-failed",
    [FINDING_LOGIN] = "login",
    [FINDING_SUDO] = "sudo",
    [FINDING_CLOCK] = "clock",
    [FINDING_DISK] = "disk",
    [FINDING_MEMORY] = "memory",
    [FINDING_PYTHON] = "python",
    [FINDING_BEACON_STOPPED] = "beacon-stopped",
    [FINDING_BEACON_OLD] = "beacon-old",
    [FINDING_AVAHI_THERE] = "avahi-there",
    [FINDING_RESPONDER_THERE] = "second-responder-there",
    [FINDING_AGENT_PORT] = "agent-port",
};
_Static_assert(ARRAY_SIZE(kind_names) == FINDING_KINDS, "a name for each kind");

const char *finding_kind_name(enum finding_kind kind)
{
    return kind_names[kind];
}

static void clear_finding(struct finding *f)
{
    free(f->about);
    free(f->wrong);
    free(f->proof);
    free(f->advice);
}

void findings_clear(struct findings *f)
{
    for (size_t i = 0; i < f->count; i++)
        clear_finding(&f->items[i]);
    free(f->items);
    *f = (struct findings){0};
}

void findings_add(struct findings *f, enum finding_kind kind, const char *about, const char *wrong,
                  const char *proof, const char *advice)
{
    struct finding made = {
        .kind = kind,
        .about = about ? strdup(about) : NULL,
        .wrong = strdup(wrong),
        .proof = strdup(proof),
        .advice = strdup(advice),
    };
    struct finding *grown = NULL;

    if (f->count < FINDINGS_MAX && made.wrong && made.proof && made.advice &&
        (made.about || !about))
        grown = realloc(f->items, (f->count + 1) * sizeof(*grown));
    if (!grown) {
        f->failed = f->failed || f->count < FINDINGS_MAX;
        clear_finding(&made);
        return;
    }
    f->items = grown;
    f->items[f->count++] = made;
}

bool findings_has(const struct findings *f, enum finding_kind kind)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->items[i].kind == kind)
            return true;
    return false;
}

int findings_write(const struct findings *f, struct text *ret)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct finding *one = &f->items[i];

        text_add_printable(ret, one->about ? one->about : "this computer");
        text_adds(ret, ": ");
        text_add_printable(ret, one->wrong);
        text_adds(ret, " (");
        text_add_printable(ret, one->proof);
        text_adds(ret, "); ");
        text_add_printable(ret, one->advice);
        text_addc(ret, '\n');
    }
    return f->failed ? -ENOMEM : text_error(ret);
}

/* JSON takes UTF-8 alone. */
static json_t *string_value(const char *string)
{
    CLEANUP_TEXT struct text shown = TEXT_INIT;

    if (utf8_valid(string, strlen(string)))
        return json_string(string);
    text_add_printable(&shown, string);
    return text_error(&shown) < 0 ? NULL : json_string(text_str(&shown));
}

static json_t *finding_json(const struct finding *f)
{
    json_t *made = json_object();
    int r = json_object_set_new(made, "kind", json_string(finding_kind_name(f->kind)));

    if (f->about)
        r |= json_object_set_new(made, "about", string_value(f->about));
    r |= json_object_set_new(made, "wrong", string_value(f->wrong));
    r |= json_object_set_new(made, "proof", string_value(f->proof));
    r |= json_object_set_new(made, "advice", string_value(f->advice));
    if (r == 0)
        return made;
    json_decref(made);
    return NULL;
}

json_t *findings_json(const struct findings *f)
{
    json_t *all = f->failed ? NULL : json_array();

    for (size_t i = 0; all && i < f->count; i++)
        if (json_array_append_new(all, finding_json(&f->items[i])) < 0) {
            json_decref(all);
            all = NULL;
        }
    return all;
}

int findings_write_json(const struct findings *f, struct text *ret)
{
    json_t *all = findings_json(f), *document = NULL;
    CLEANUP_FREE char *text = NULL;

    if (all)
        document = json_pack("{s:i, s:b, s:o}", "version", 1, "ok", f->count == 0, "findings", all);
    text = document ? json_dumps(document, JSON_INDENT(1)) : NULL;
    json_decref(document);
    if (!text)
        return -ENOMEM;
    text_adds(ret, text);
    text_addc(ret, '\n');
    return text_error(ret);
}
