/*
 * What answers of unicast DNS say about a domain's machines: libresolv reads the bytes,
 * this bounds and checks what they mean.
 *
 * Names are as dn_expand(3) makes them: labels with dots between, special bytes escaped
 * (\. and \DDD, RFC 1035 §5.1).  Every byte of an answer may be hostile; one has 65,535 at
 * most, which bounds its records.  An alias (CNAME) is followed inside one answer, as a
 * resolver gives all of them: DNS_ALIASES_MAX of them, so that a loop ends.
 *
 * Each function returns 0, -EBADMSG for an answer that is broken, -ELOOP for a loop of
 * aliases, -ENODATA where the answer does not have it, or -ENOMEM; the message tells which
 * name.  Pure; any thread.
 */
#pragma once

#include <arpa/nameser.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/base/address.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum {
    DNS_ALIASES_MAX = 8,
    DNS_INSTANCES_MAX = 2000, /* of one domain; an answer has room for some 1,800 */
    DNS_LABEL_MAX = 63,       /* RFC 1035 §2.3.4 */
    DNS_TXT_MAX = 2600,       /* taken; what is longer is cut, and the advert's parser refuses it */
};

/* Adds the instances that the type ("_dcop-agent._tcp.example.org") has, in the order of
 * their names, each once; names outside of the type are ignored.  More than
 * DNS_INSTANCES_MAX: -ENOSPC, and so many were added.  After another error what was added
 * is worth nothing. */
int dns_answer_instances(const uint8_t *answer, size_t size, const char *type, struct strings *ret,
                         struct error *err);

/* The instance's first label, as it is in the packet.  False: it has a NUL. */
bool dns_instance_label(const char *instance, char ret[static DNS_LABEL_MAX + 1]);

/* Port and host of the instance (SRV); of several the first. */
int dns_answer_service(const uint8_t *answer, size_t size, const char *instance,
                       char ret_host[static NS_MAXDNAME], uint16_t *ret_port, struct error *err);

/* Its TXT record in wire form; of several the first. */
int dns_answer_txt(const uint8_t *answer, size_t size, const char *instance,
                   uint8_t ret[static DNS_TXT_MAX], size_t *ret_size, struct error *err);

/* Adds the host's addresses of a family, AF_INET or AF_INET6, to a list with room for `max`.
 * No link-local ones: they mean nothing in DNS. */
int dns_answer_addresses(const uint8_t *answer, size_t size, const char *host, int family,
                         struct address *list, size_t max, size_t *count, struct error *err);
