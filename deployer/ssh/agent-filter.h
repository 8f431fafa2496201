/*
 * A filter in front of ssh-agent: libssh offers every key that an agent lists, and
 * a server counts each; through the filter, libssh sees only the chosen keys.
 *
 * One filter serves one login, in a thread of its own, as libssh waits for its
 * agent within a call.  All it carries are public keys, data to be signed, and
 * signatures (draft-ietf-sshm-ssh-agent).
 */
#pragma once

#include <stdbool.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum { AGENT_MESSAGE_MAX = 256 * 1024 }; /* as in OpenSSH */

/* The public keys that the agent of SSH_AUTH_SOCK holds, in base64, as in a .pub file.
 * -ENOENT, without a message: there is no agent. */
int agent_list(struct strings *ret, struct error *err);

struct agent_filter;

/* The filter shows the keys of `chosen` (base64, borrowed; none: all), at most `most` of
 * them.  libssh uses `ret_fd` as its agent, and takes it over.  -ENOENT, without a
 * message: there is no agent. */
int agent_filter_start(const struct strings *chosen, size_t most, struct agent_filter **ret,
                       int *ret_fd, struct error *err);
/* Ends and frees the filter.  True if the agent had more of these keys than `most`. */
bool agent_filter_end(struct agent_filter *f);
