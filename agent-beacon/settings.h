/*
 * Settings are what the machine is told about itself: agent names, fleet,
 * user, SSH port.
 *
 * They come, in this order, from the command line, the configuration file
 * (/etc/dcop/beacon.conf) and the card's file (dcop-agent.conf on the boot
 * partition, so that a card can be named on any computer).  The agent names are
 * those of the first source that exists, even when it has none; each other
 * setting is that of the first source that has it.
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
 * A wrong value is left out and reported. A file that cannot be read, or is not
 * complete, is reported, and its last good content stays in use.  A last line
 * without a newline may be half-written: the file counts once it has been still
 * for SETTINGS_STILL_MS.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum {
    SETTINGS_FILE_MAX = 65536,
    SETTINGS_ERRORS_MAX = 16, /* reported for one file */
    SETTINGS_STILL_MS = 3000,
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

/* Stores one value, for the command line too: -EINVAL with a message when the
 * value is not valid, or the key is unknown. */
int settings_set(struct settings *s, const char *key, const char *value, struct error *err);

/* One file and its last good content. */
struct settings_file {
    char *path;
    bool whole;   /* as in settings_parse */
    bool present; /* it exists, or its last good content is still used */
    /* Its last line has no newline yet: to be read again after SETTINGS_STILL_MS. */
    bool unfinished;
    struct settings_stamp {
        int64_t changed_ns; /* its time of modification */
        size_t size;
        int64_t seen_ms; /* CLOCK_MONOTONIC */
    } stamp;             /* of an unfinished file: since when it is as it is */
    struct settings last;
    char *trouble; /* why the file's present content is not used; NULL: it is used */
};

void settings_file_clear(struct settings_file *f);

/* Reads the file; a missing one has no settings (present = false). -ENOMEM
 * only. */
int settings_file_read(struct settings_file *f);

/* Merges the command line and `count` files; the earlier one wins. `ret` has
 * the errors of all files.  -ENOMEM only. */
int settings_merge(const struct settings *options, const struct settings_file *files, size_t count,
                   struct settings *ret);
