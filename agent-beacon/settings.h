/*
 * Settings are what the machine is told about itself: agent names, fleet,
 * user, SSH port.
 *
 * They come, in this order, from the command line, the configuration file
 * (/etc/dcop/beacon.conf) and the card's file (dcop-agent.conf on the boot
 * partition, so that a card can be named on any computer).  The names are the
 * first source's that is there, even when it names none; each of the others is
 * the first source's that says it.
 *
 * A file is UTF-8 text of at most 64 KiB, a "key value" pair a line:
 *
 *     # comment
 *     agent  a1
 *     agent  "name that ends in a blank "
 *     fleet  lab-2
 *     user   pi
 *     port   22
 *
 * The value is the rest of the line without the blanks around it; in quotes,
 * \" and \\ stand for themselves.  A byte order mark and CRLF are fine.
 *
 * A wrong value is left out and told; a file that cannot be read, or is not
 * whole, is told and leaves what it said last.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum {
    SETTINGS_FILE_MAX = 65536,
    SETTINGS_ERRORS_MAX = 16, /* told of one file */
};

/* A value; strings are owned. */
struct settings {
    struct strings agents;
    char *fleet; /* NULL: not said */
    char *user;
    unsigned port;         /* 0: not said */
    struct strings errors; /* "FILE:LINE: what is wrong", each one line */
};

#define SETTINGS_INIT ((struct settings){0})

void settings_clear(struct settings *s);

/* Parses a file's text; `name` is what errors call it.  With `whole`, the last
 * line must end in a newline, else the file is still being written.
 * `ret` is written on success only; a wrong value is not a failure but one of
 * its `errors`.  -EBADMSG: not a whole text file.  -ENOMEM. */
int settings_parse(const char *text, size_t size, const char *name, bool whole,
                   struct settings *ret, struct error *err);

/* Stores one value, for the command line too: -EINVAL with the words when it
 * does not fit, or the key is unknown. */
int settings_set(struct settings *s, const char *key, const char *value, struct error *err);

/* One file and what it said last. */
struct settings_file {
    char *path;
    bool whole;   /* as in settings_parse */
    bool present; /* there, or its last good content is still in force */
    struct settings last;
    char *trouble; /* why the file as it is now is not used; NULL: it is */
};

void settings_file_clear(struct settings_file *f);

/* Reads the file; a missing one says nothing (present = false). -ENOMEM only. */
int settings_file_read(struct settings_file *f);

/* What holds, of the command line and `count` files, the first before the
 * next.  All errors of all the files are in `ret`'s.  -ENOMEM only. */
int settings_merge(const struct settings *options, const struct settings_file *files, size_t count,
                   struct settings *ret);
