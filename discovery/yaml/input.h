/*
 * The text under a YAML reader: one or more files joined byte by byte, the way
 * pyDCOP joins them, read as a stream and checked on the way (UTF-8, no control
 * characters), and maps a place in the joined text to file, line and column.
 *
 * It also knows where tabs are.  PyYAML refuses a tab outside of quotes, block
 * scalars and comments, libyaml does not; see yaml_input_pass.  And it checks
 * the directives above the document; see directives.h.
 *
 * Errors are complete sentences with their place.  Not for concurrent use.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum {
    YAML_INPUT_MAX = 64 << 20, /* bytes, all files together */
    YAML_INPUT_CHUNK = 65536
};

/* A place in the joined text, all counted from 0, in characters. */
struct yaml_mark {
    uint32_t index, line, column;
};

struct yaml_input_file;
struct yaml_tab;

struct yaml_input {
    struct yaml_input_file *files;
    size_t count, opened, current; /* current: the one being read */
    int fd;                        /* -1 between files */
    const char *memory;            /* instead of files */
    size_t memory_left;
    size_t total;          /* bytes taken so far */
    struct yaml_mark mark; /* up to here it is checked */
    bool after_hash;       /* the last character was a "#" */
    bool keep_line;        /* of this line's tabs and "#" */
    bool bom_dropped;      /* the very first character was one */
    bool bom_replaced;     /* see YAML_BOM_STANDIN */
    bool in_document;      /* the lines above it have been passed */
    bool version_seen;     /* a %YAML line */
    bool file_ended;       /* nothing follows what is in the buffer */
    /* 1 + the line above the document that needs no further look */
    uint32_t line_known;
    struct yaml_mark directive; /* the first one that is hidden from libyaml */
    bool directive_hidden;
    struct yaml_tab *tabs;
    size_t tabs_head, tabs_count, tabs_room, tabs_line;
    uint32_t comment_line; /* 1 + the line on which a comment was passed */
    char *buffer;
    size_t given, checked, filled; /* offsets into buffer, in this order */
    struct error err;
};

/* libyaml skips a byte order mark at the start of any line; PyYAML reads it as
 * a letter, unless it is the very first character.  So all others at the start
 * of a line are replaced by this noncharacter of the same length. */
#define YAML_BOM "\xef\xbb\xbf"
#define YAML_BOM_STANDIN "\xef\xb7\x90"

/* The names are copied.  -ENOMEM. */
int yaml_input_open(struct yaml_input *in, const struct strings *paths);
/* `data` is borrowed. */
int yaml_input_open_memory(struct yaml_input *in, const char *name, const void *data, size_t size);
void yaml_input_close(struct yaml_input *in);

/* Up to `room` checked bytes; *ret_size 0 at the end.  A negative errno, and
 * in->err, when a file cannot be read or contains bytes that YAML forbids. */
int yaml_input_read(struct yaml_input *in, void *to, size_t room, size_t *ret_size);

/* Stores "FILE:LINE:COLUMN: " and the message. */
int yaml_input_error(const struct yaml_input *in, struct yaml_mark at, struct error *err, int code,
                     const char *format, va_list args) __attribute__((format(printf, 5, 0)));

/* The same; returns -EBADMSG. */
int yaml_input_fail(const struct yaml_input *in, struct yaml_mark at, struct error *err,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* "FILE:LINE:COLUMN", for a second place in a message. */
void yaml_input_place(const struct yaml_input *in, struct yaml_mark at, struct text *ret);

/* The name of a file other than the first that begins with a byte order mark,
 * which YAML then reads as a letter of its first key; NULL: none. */
const char *yaml_input_hidden_key(const struct yaml_input *in);

/* The place after the last tab that has been read so far in this line, or
 * `least`. */
uint32_t yaml_input_line_end(const struct yaml_input *in, uint32_t line, uint32_t least);

/* Whether there is a tab at this place, at which libyaml has stopped. */
bool yaml_input_is_tab(const struct yaml_input *in, struct yaml_mark at);

/* The "#" that touches the header of the block scalar at this place, as in
 * "|-#"; false: none. */
bool yaml_input_header_hash(const struct yaml_input *in, struct yaml_mark header,
                            struct yaml_mark *ret);

/* The kind of text between two places. */
enum yaml_between {
    YAML_BETWEEN_TOKENS, /* blanks and comments; a tab is an error, unless in a comment */
    YAML_BETWEEN_WORDS,  /* of a plain scalar; a tab is an error, "#" no comment */
    YAML_BETWEEN_QUOTES, /* a quoted or block scalar; a tab is text */
};

/* Tells that the reader has come to `to`, and what kind of text it has
 * passed. */
int yaml_input_pass(struct yaml_input *in, uint32_t to, enum yaml_between what, struct error *err);
