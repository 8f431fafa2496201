/*
 * A publisher keeps one DNS-SD service published through the Avahi daemon,
 * whether the daemon or D-Bus starts late, never, restarts or hangs. The caller
 * says what to publish.
 *
 * The loop's thread owns it.  While nothing changes it makes no system call;
 * while there is no D-Bus it tries again at least every RETRY_MAX.
 *
 * Calls to a daemon that hangs block for libdbus's timeout (25 s), and the
 * loop with them; what the kernel has queued meanwhile is not lost.
 *
 * The instance's name is "dcop-" and the id.  If another machine has it, Avahi's
 * next alternative is taken (RFC 6762 §9), and the own name again as soon as that
 * machine gives it up, or whenever the service is published anew.
 *
 * Unpublishing needs no call: the daemon says goodbye for a client whose D-Bus
 * connection closes, which the end of the process does.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "discovery/advert/advert.h"
#include "discovery/base/error.h"

struct publisher;

enum publisher_state {
    PUBLISHER_STARTING,
    PUBLISHER_RETRYING,    /* it failed, e.g. there is no D-Bus; `words` say why */
    PUBLISHER_WAITING,     /* for the Avahi daemon */
    PUBLISHER_REGISTERING, /* the daemon asks the network whether the name is free */
    PUBLISHER_PUBLISHED,
};

/* Called on the loop when the state changes; `words` are for a person. */
typedef void (*publisher_callback)(enum publisher_state state, const char *words, void *userdata);

struct publisher_record {
    char id[ADVERT_ID_LENGTH + 1]; /* the instance name's */
    const char *fleet;             /* its subtype; NULL: none */
    uint16_t port;
    uint8_t txt[ADVERT_TXT_MAX]; /* in wire form */
    size_t txt_size;
};

/* Starts on the loop's next turn. */
int publisher_new(sd_event *loop, publisher_callback changed, void *userdata,
                  struct publisher **ret, struct error *err);
void publisher_free(struct publisher *p);

/* Publishes this record (copied) from now on: at once, or, when something
 * changed less than a second ago, as soon as that second is over. */
int publisher_set(struct publisher *p, const struct publisher_record *record);

/* Has another machine of the network the own name?  Holds from PUBLISHER_PUBLISHED to
 * the next state.  A program on this machine that has it does not count. */
bool publisher_is_renamed(const struct publisher *p);
