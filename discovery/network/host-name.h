/*
 * The name of a host in a DNS record, as people read it: UTF-8 with dots between
 * the labels (RFC 6762 §16: names are UTF-8, not Punycode).
 *
 * Any bytes can be in a record.  A name that is not UTF-8, or has a control
 * character, keeps its escapes (\ddd in decimal, RFC 6763 §4.3).  Both functions
 * make the same text of the same name; dots and backslashes inside a label are
 * not told apart from others.  The result has 1 to HOST_NAME_MAX_BYTES bytes.  It is for
 * display: a terminal needs text_add_printable, and it identifies nobody.
 *
 * Both return a new string; NULL without memory, or for a name that is empty, too
 * long, or wrongly escaped: the host has no name then.  Pure; any thread.
 */
#pragma once

enum { HOST_NAME_MAX_BYTES = 255 }; /* RFC 1035 §2.3.4 */

/* From the labels as they are in the packet, joined with dots. */
char *host_name_from_labels(const char *labels);

/* From the form that Avahi's client library hands over: "caf\195\169.local". */
char *host_name_from_escaped(const char *escaped);
