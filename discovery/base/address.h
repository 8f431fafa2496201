/*
 * Addresses as values and as text.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* An IPv4 or IPv6 address; a link-local one carries its interface. */
struct address {
    int family;         /* AF_INET, AF_INET6 */
    uint8_t bytes[16];  /* network order; 4 used for IPv4 */
    unsigned interface; /* index, 0 unless link-local */
};

enum { ADDRESS_TEXT_MAX = 64 };

/* "192.0.2.1", "2001:db8::1", "fe80::1%eth0". */
void address_format(const struct address *a, char ret[static ADDRESS_TEXT_MAX]);
int address_parse(const char *text, struct address *ret); /* -EINVAL */
bool address_equal(const struct address *a, const struct address *b);

/* The same address with all unused bytes 0, for hash tables that compare bytes. */
struct address address_key(const struct address *a);

/* Can it be the address of one machine?  No: unspecified, loopback, multicast,
 * broadcast (255.255.255.255), and IPv4 inside IPv6 (::ffff:127.0.0.1), which no
 * host has on a link (RFC 4291 §2.5.5). */
bool address_is_unicast(const struct address *a);

bool address_is_link_local(const struct address *a); /* 169.254/16, fe80::/10 */

/* The addresses of one link: those that begin with the first `prefix` bits. */
struct network {
    struct address address; /* this host's own in it */
    unsigned prefix;        /* bits */
};

bool network_has(const struct network *n, const struct address *a);

/* To and from the system's form; the port is in host order.  The first returns
 * the size; the second -EAFNOSUPPORT for what is neither IPv4 nor IPv6. */
struct sockaddr_storage;
socklen_t address_to_sockaddr(const struct address *a, uint16_t port, struct sockaddr_storage *ret);
int address_from_sockaddr(const struct sockaddr_storage *from, struct address *ret);
