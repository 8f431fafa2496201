/*
 * A secret is a password or passphrase while this process needs it: in locked
 * memory of its own that no core dump holds, wiped when it is freed.
 *
 * Making one turns core dumps of this process off, and other users' tracing of
 * it with them.  A secret never changes: any thread may read it.  It comes from
 * a terminal, a file or the environment, never from a command line, and no
 * message of this module holds it.
 */
#pragma once

#include <stddef.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/error.h"

enum { SECRET_MAX = 1024 }; /* bytes */

struct secret;

/* Copies the bytes; the caller wipes the original.  -EINVAL with words when there are
 * none or too many, or when they contain a NUL or a newline. */
int secret_new(const char *bytes, size_t size, struct secret **ret, struct error *err);
void secret_free(struct secret *s);
DEFINE_CLEANUP(struct secret *, secret_free);

/* Ended by a NUL.  secret_line ends in a newline, for a program that reads it;
 * secret_size is that of the text alone.  Borrowed. */
const char *secret_text(const struct secret *s);
const char *secret_line(const struct secret *s);
size_t secret_size(const struct secret *s);

/* The first line of a file.  -EPERM with words when other users may read the file or
 * own it. */
int secret_read(const char *path, struct secret **ret, struct error *err);

/* The variable's value; its bytes are overwritten and it is removed, so that
 * neither /proc/PID/environ nor a child has it.  `*ret` is NULL when it is not
 * set or empty.  Before there are threads. */
int secret_take_environment(const char *name, struct secret **ret, struct error *err);

/* Asks on the terminal without showing the answer, and restores the terminal, also
 * when a signal ends the process or stops it.  An empty answer:
 * `*ret` is NULL.  -ENOTTY with words when there is no terminal, -ECANCELED when
 * the person gave no answer. */
int secret_ask(const char *prompt, struct secret **ret, struct error *err);
