#include "publisher.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <avahi-client/client.h>
#include <avahi-client/lookup.h>
#include <avahi-client/publish.h>
#include <avahi-common/alternative.h>
#include <avahi-common/defs.h>
#include <avahi-common/domain.h>
#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <avahi-common/strlst.h>

#include "discovery/base/avahi-limit.h"
#include "discovery/base/avahi-poll.h"
#include "discovery/base/cleanup.h"

enum {
    PACE_US = 1000000,        /* between two changes on the air */
    RETRY_MIN_US = 100000,    /* after a failure, doubled … */
    RETRY_MAX_US = 5000000,   /* … up to this */
    NAME_AGAIN_US = 30000000, /* a name is given up for the own one no sooner */
    TIMER_ACCURACY_US = 10000,
    NAMES_TRIED_MAX = 100, /* in one go, when other programs here hold them */
};

/*
 * Avahi's callbacks only note what happened; on_work() does the rest from
 * the loop, where it may call Avahi (which calls back) and free its objects.
 */
struct publisher {
    sd_event *loop;
    struct avahi_poll *poll;
    AvahiClient *client; /* NULL: not connected to D-Bus */
    AvahiEntryGroup *group;
    AvahiClientState client_state;
    bool collided; /* another machine holds the instance name */
    bool renamed;  /* another machine held the own name: `name` is an alternative */
    AvahiRecordBrowser *holders_watch; /* while renamed: who has the own name? */
    size_t holders;                    /* once for each interface and protocol */
    bool own_is_free;                  /* nobody, as far as the daemon knows */
    bool failed;                       /* client or group cannot be used any more */
    bool established;
    bool registered; /* `on_air` is with the daemon */
    char name[AVAHI_LABEL_MAX];
    struct publisher_record wanted, on_air;
    char wanted_fleet[AVAHI_LABEL_MAX], on_air_fleet[AVAHI_LABEL_MAX];
    bool wanted_set;
    uint64_t changed_at;    /* CLOCK_MONOTONIC, µs, of the last change on the air */
    uint64_t registered_at; /* likewise, when `name` was */
    uint64_t retry_us;
    sd_event_source *work, *retry, *pace;
    enum publisher_state state;
    char failure[256]; /* as last reported */
    publisher_callback changed;
    void *userdata;
};

static void notify_state(struct publisher *p, enum publisher_state state, const char *words)
{
    /* A retry that fails like the last one is not reported again. */
    if (state == p->state && (state != PUBLISHER_RETRYING || strcmp(words, p->failure) == 0))
        return;
    p->state = state;
    (void)snprintf(p->failure, sizeof(p->failure), "%s", words);
    p->changed(state, words, p->userdata);
}

static void schedule_work(struct publisher *p)
{
    (void)sd_event_source_set_enabled(p->work, SD_EVENT_ONESHOT);
}

static void set_timer(sd_event_source *timer, uint64_t at)
{
    (void)sd_event_source_set_time(timer, at);
    (void)sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

static uint64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void on_group(AvahiEntryGroup *group, AvahiEntryGroupState state, void *userdata)
{
    struct publisher *p = userdata;

    (void)group;
    switch (state) {
    case AVAHI_ENTRY_GROUP_ESTABLISHED:
        p->established = true;
        break;
    case AVAHI_ENTRY_GROUP_COLLISION:
        p->collided = true;
        break;
    case AVAHI_ENTRY_GROUP_FAILURE:
        p->failed = true;
        break;
    case AVAHI_ENTRY_GROUP_UNCOMMITED:
    case AVAHI_ENTRY_GROUP_REGISTERING:
        return;
    }
    schedule_work(p);
}

static void on_client(AvahiClient *client, AvahiClientState state, void *userdata)
{
    struct publisher *p = userdata;

    (void)client;
    p->client_state = state;
    schedule_work(p);
}

static void drop_client(struct publisher *p)
{
    AvahiClient *client = TAKE_PTR(p->client);

    if (client)
        avahi_client_free(client); /* and its group */
    p->group = NULL;
    p->holders_watch = NULL;
    p->registered = p->established = p->collided = p->failed = p->renamed = false;
}

/* Starts over after a pause, which grows with each failure. */
static void start_over(struct publisher *p, const char *doing, const char *why)
{
    char words[sizeof(p->failure)];

    (void)snprintf(words, sizeof(words), "%s: %s", doing, why);
    drop_client(p);
    set_timer(p->retry, now_us() + p->retry_us);
    p->retry_us = p->retry_us * 2 < RETRY_MAX_US ? p->retry_us * 2 : RETRY_MAX_US;
    notify_state(p, PUBLISHER_RETRYING, words);
}

/* A limit of the daemon is named with its setting. */
static const char *explain_refusal(int error)
{
    const char *limit = avahi_limit_words(avahi_limit_of(error));

    return limit ? limit : avahi_strerror(error);
}

/* The record is the SRV of our own name, which another machine has now. */
static void on_holder(AvahiRecordBrowser *browser, AvahiIfIndex interface, AvahiProtocol protocol,
                      AvahiBrowserEvent event, const char *name, uint16_t class, uint16_t type,
                      const void *data, size_t size, AvahiLookupResultFlags flags, void *userdata)
{
    struct publisher *p = userdata;

    (void)browser, (void)interface, (void)protocol, (void)name, (void)class, (void)type;
    (void)data, (void)size, (void)flags;
    switch (event) {
    case AVAHI_BROWSER_NEW:
        p->holders++;
        break;
    case AVAHI_BROWSER_REMOVE:
        p->holders -= p->holders > 0;
        break;
    case AVAHI_BROWSER_ALL_FOR_NOW:
        break;
    case AVAHI_BROWSER_CACHE_EXHAUSTED:
    case AVAHI_BROWSER_FAILURE:
        return;
    }
    p->own_is_free = p->holders == 0;
    schedule_work(p);
}

static void end_holders_watch(struct publisher *p)
{
    AvahiRecordBrowser *watch = TAKE_PTR(p->holders_watch);

    if (watch)
        (void)avahi_record_browser_free(watch);
    p->holders = 0;
    p->own_is_free = false;
}

/* Costs no polling: the daemon tells when the record goes.  If it cannot watch,
 * the name stays until it is published anew. */
static void begin_holders_watch(struct publisher *p)
{
    const char *domain = avahi_client_get_domain_name(p->client);
    char own[AVAHI_DOMAIN_NAME_MAX];

    end_holders_watch(p);
    if (snprintf(own, sizeof(own), ADVERT_INSTANCE_PREFIX "%s." ADVERT_TYPE ".%s", p->wanted.id,
                 domain ? domain : "local") < (int)sizeof(own))
        p->holders_watch =
            avahi_record_browser_new(p->client, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, own,
                                     AVAHI_DNS_CLASS_IN, AVAHI_DNS_TYPE_SRV, 0, on_holder, p);
}

static void choose_first_name(struct publisher *p)
{
    end_holders_watch(p);
    p->renamed = false;
    (void)snprintf(p->name, sizeof(p->name), ADVERT_INSTANCE_PREFIX "%s", p->wanted.id);
}

static void choose_next_name(struct publisher *p)
{
    char *name = avahi_alternative_service_name(p->name);

    if (name)
        (void)snprintf(p->name, sizeof(p->name), "%s", name);
    avahi_free(name);
}

static AvahiStringList *make_txt_list(const struct publisher_record *record)
{
    AvahiStringList *list = NULL;

    if (avahi_string_list_parse(record->txt, record->txt_size, &list) < 0)
        return NULL;
    /* Backwards as a list, which the daemon sends backwards again: txtvers is
     * first on the wire (RFC 6763 §6.7). */
    return list;
}

static int add_service(struct publisher *p)
{
    AvahiStringList *list = make_txt_list(&p->wanted);
    int r = AVAHI_ERR_COLLISION;

    if (!list)
        return AVAHI_ERR_NO_MEMORY;
    for (unsigned i = 0; i < NAMES_TRIED_MAX && r == AVAHI_ERR_COLLISION; i++) {
        if (i > 0)
            choose_next_name(p);
        r = avahi_entry_group_add_service_strlst(p->group, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, 0,
                                                 p->name, ADVERT_TYPE, NULL, NULL, p->wanted.port,
                                                 list);
    }
    avahi_string_list_free(list);
    return r;
}

static int add_subtype(struct publisher *p)
{
    char subtype[sizeof("_._sub." ADVERT_TYPE) + AVAHI_LABEL_MAX];

    if (!*p->wanted_fleet)
        return 0;
    (void)snprintf(subtype, sizeof(subtype), "_%s._sub." ADVERT_TYPE, p->wanted_fleet);
    return avahi_entry_group_add_service_subtype(p->group, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, 0,
                                                 p->name, ADVERT_TYPE, NULL, subtype);
}

static void note_on_air(struct publisher *p)
{
    p->on_air = p->wanted;
    memcpy(p->on_air_fleet, p->wanted_fleet, sizeof(p->on_air_fleet));
    p->changed_at = now_us();
}

static int withdraw_service(struct publisher *p)
{
    p->registered = p->established = false;
    return p->group ? avahi_entry_group_reset(p->group) : 0;
}

static int register_service(struct publisher *p)
{
    int r = withdraw_service(p);

    if (!p->group) {
        p->group = avahi_entry_group_new(p->client, on_group, p);
        if (!p->group)
            return avahi_client_errno(p->client);
    }
    if (r == 0)
        r = add_service(p);
    if (r == 0)
        r = add_subtype(p);
    if (r == 0)
        r = avahi_entry_group_commit(p->group);
    if (r < 0)
        return r;
    p->registered = true;
    note_on_air(p);
    p->registered_at = p->changed_at;
    notify_state(p, PUBLISHER_REGISTERING, p->name);
    return 0;
}

static int update_txt(struct publisher *p)
{
    AvahiStringList *list = make_txt_list(&p->wanted);
    int r;

    if (!list)
        return AVAHI_ERR_NO_MEMORY;
    r = avahi_entry_group_update_service_txt_strlst(p->group, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC,
                                                    0, p->name, ADVERT_TYPE, NULL, list);
    avahi_string_list_free(list);
    if (r == 0)
        note_on_air(p);
    return r;
}

static bool same_service(const struct publisher *p)
{
    return strcmp(p->wanted.id, p->on_air.id) == 0 && p->wanted.port == p->on_air.port &&
           strcmp(p->wanted_fleet, p->on_air_fleet) == 0;
}

static bool same_txt(const struct publisher *p)
{
    return p->wanted.txt_size == p->on_air.txt_size &&
           memcmp(p->wanted.txt, p->on_air.txt, p->wanted.txt_size) == 0;
}

/* The other machine has gone, or has another id now.  A machine that takes the name
 * and leaves it again and again cannot make this one come and go as fast. */
static int take_own_name(struct publisher *p)
{
    if (now_us() < p->registered_at + NAME_AGAIN_US) {
        set_timer(p->pace, p->registered_at + NAME_AGAIN_US);
        return 0;
    }
    choose_first_name(p);
    return register_service(p);
}

/* The daemon runs and knows its host name: publishes the wanted record. */
static int publish_wanted(struct publisher *p)
{
    if (p->collided) {
        p->collided = false;
        choose_next_name(p);
        p->renamed = true;
        begin_holders_watch(p);
        return register_service(p);
    }
    if (!p->registered)
        return register_service(p);
    if (!p->established)
        return 0; /* on_group comes back here */
    p->retry_us = RETRY_MIN_US;
    notify_state(p, PUBLISHER_PUBLISHED, p->name);
    if (p->renamed && p->own_is_free)
        return take_own_name(p);
    if (same_service(p) && same_txt(p))
        return 0;
    if (now_us() < p->changed_at + PACE_US) {
        set_timer(p->pace, p->changed_at + PACE_US);
        return 0;
    }
    if (same_service(p))
        return update_txt(p);
    choose_first_name(p);
    return register_service(p);
}

static void connect_client(struct publisher *p)
{
    int error = 0;

    p->client_state = AVAHI_CLIENT_CONNECTING;
    choose_first_name(p);
    p->client =
        avahi_client_new(avahi_poll_get(p->poll), AVAHI_CLIENT_NO_FAIL, on_client, p, &error);
    if (!p->client)
        start_over(p, "cannot reach the Avahi daemon", avahi_strerror(error));
    else
        schedule_work(p);
}

static int on_work(sd_event_source *source, void *userdata)
{
    struct publisher *p = userdata;
    int r = 0;

    (void)source;
    if (!p->wanted_set || sd_event_source_get_enabled(p->retry, NULL) > 0)
        return 0;
    if (!p->client) {
        connect_client(p);
        return 0;
    }
    if (p->failed) {
        start_over(p, "cannot publish the service", avahi_strerror(avahi_client_errno(p->client)));
        return 0;
    }
    switch (p->client_state) {
    case AVAHI_CLIENT_S_RUNNING:
        r = publish_wanted(p);
        break;
    case AVAHI_CLIENT_S_COLLISION:
    case AVAHI_CLIENT_S_REGISTERING:
        /* The host's name is changing; the service is published again
         * afterwards. */
        r = withdraw_service(p);
        choose_first_name(p);
        notify_state(p, PUBLISHER_REGISTERING, p->name);
        break;
    case AVAHI_CLIENT_CONNECTING:
        notify_state(p, PUBLISHER_WAITING, "waiting for the Avahi daemon");
        break;
    case AVAHI_CLIENT_FAILURE:
        start_over(p, "lost the Avahi daemon", avahi_strerror(avahi_client_errno(p->client)));
        return 0;
    }
    if (r < 0)
        start_over(p, "cannot publish", explain_refusal(r));
    return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    schedule_work(userdata);
    return 0;
}

static int add_timer(struct publisher *p, sd_event_source **ret)
{
    int r = sd_event_add_time(p->loop, ret, CLOCK_MONOTONIC, 0, TIMER_ACCURACY_US, on_timer, p);

    return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

int publisher_new(sd_event *loop, publisher_callback changed, void *userdata,
                  struct publisher **ret, struct error *err)
{
    struct publisher *p = calloc(1, sizeof(*p));
    int r;

    if (!p)
        return error_sys(err, -ENOMEM, "cannot start publishing");
    p->loop = sd_event_ref(loop);
    p->changed = changed;
    p->userdata = userdata;
    p->retry_us = RETRY_MIN_US;
    r = avahi_poll_new(loop, &p->poll);
    if (r >= 0)
        r = sd_event_add_defer(loop, &p->work, on_work, p);
    if (r >= 0)
        r = add_timer(p, &p->retry);
    if (r >= 0)
        r = add_timer(p, &p->pace);
    if (r < 0) {
        publisher_free(p);
        return error_sys(err, r, "cannot start publishing");
    }
    *ret = p;
    return 0;
}

void publisher_free(struct publisher *p)
{
    if (!p)
        return;
    drop_client(p);
    avahi_poll_free(p->poll);
    sd_event_source_disable_unref(p->work);
    sd_event_source_disable_unref(p->retry);
    sd_event_source_disable_unref(p->pace);
    sd_event_unref(p->loop);
    free(p);
}

int publisher_set(struct publisher *p, const struct publisher_record *record)
{
    const char *fleet = record->fleet ? record->fleet : "";

    if (strlen(fleet) >= sizeof(p->wanted_fleet) || record->txt_size > sizeof(record->txt))
        return -EINVAL;
    p->wanted = *record;
    p->wanted.fleet = NULL; /* the copy is in wanted_fleet */
    memset(p->wanted_fleet, 0, sizeof(p->wanted_fleet));
    memcpy(p->wanted_fleet, fleet, strlen(fleet));
    p->wanted_set = true;
    schedule_work(p);
    return 0;
}

bool publisher_is_renamed(const struct publisher *p)
{
    return p->renamed;
}
