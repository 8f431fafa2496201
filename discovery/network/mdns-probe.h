/*
 * The bytes of a presence probe: a unicast mDNS query from an ephemeral port,
 * which a responder answers to that port alone (RFC 6762 §6.7, "legacy
 * unicast").  It leaves no trace in logs.
 *
 * Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MDNS_PORT = 5353,
    MDNS_PROBE_MAX = 128, /* a query; an answer is cut to MDNS_ANSWER_MAX */
    MDNS_ANSWER_MAX = 1500,
    MDNS_PROBE_LABEL_MAX = 63, /* RFC 1035 §2.3.4 */
};

/* Writes the question "SRV INSTANCE._dcop-agent._tcp.local".  The instance is one label:
 * of more than MDNS_PROBE_LABEL_MAX bytes the rest is ignored.  Returns its size. */
size_t mdns_probe_write(const char *instance, uint16_t transaction,
                        uint8_t ret[static MDNS_PROBE_MAX]);

/* Is this an answer (RFC 1035 §4.1.1: a response to a query, no error, with a
 * record in it), and to which transaction?  Only the header is read. */
bool mdns_answer_read(const uint8_t *bytes, size_t size, uint16_t *ret_transaction);
