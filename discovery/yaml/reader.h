/*
 * YAML as a bounded stream of items: what libyaml's events tell, for a reader
 * that holds none of the text, never recurses, and says FILE:LINE:COLUMN and
 * what is wrong in words.
 *
 * One document; at most YAML_DEPTH_MAX levels, YAML_INPUT_MAX bytes, and
 * YAML_ITEM_MAX bytes in one item.  What PyYAML's scanner refuses and libyaml
 * takes (tabs between tokens, "?" in a plain text inside brackets) is refused.
 * Anchors and tags are handed on, unresolved: see yaml-types.h for the types.
 *
 * A reader is used by one thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"
#include "input.h"

enum {
    YAML_DEPTH_MAX = 64,
    YAML_ITEM_MAX = 16 << 20 /* bytes of text that one item may take */
};

enum yaml_kind {
    YAML_KIND_END, /* of the document; nothing follows */
    YAML_KIND_SCALAR,
    YAML_KIND_ALIAS,
    YAML_KIND_LIST, /* its items follow, then CLOSE */
    YAML_KIND_MAP,  /* key, value, key, value …, then CLOSE */
    YAML_KIND_CLOSE,
};

/* Valid until the next call of yaml_reader_next. */
struct yaml_item {
    enum yaml_kind kind;
    struct yaml_mark mark;
    const char *text; /* of a scalar; UTF-8, NUL-terminated, may hold NULs */
    size_t size;
    bool plain;         /* the scalar's type follows from its text */
    const char *tag;    /* NULL: none */
    const char *anchor; /* of a node, or the one that an alias names; NULL: none */
};

struct yaml_reader;

/* Opens no file yet: yaml_reader_next tells what cannot be read.  -ENOMEM. */
int yaml_reader_open(struct yaml_reader **ret, const struct strings *paths, struct error *err);
/* `data` is borrowed; `name` stands for the file in messages. */
int yaml_reader_open_memory(struct yaml_reader **ret, const char *name, const void *data,
                            size_t size, struct error *err);
/* What is read is secret: items, buffers and what libyaml has read ahead are
 * wiped before they are freed (but for what realloc(3) may have left). */
void yaml_reader_secret(struct yaml_reader *y);
void yaml_reader_close(struct yaml_reader *y);
DEFINE_CLEANUP(struct yaml_reader *, yaml_reader_close);
#define CLEANUP_YAML_READER CLEANUP(yaml_reader_close_p)

/* -EBADMSG for what is no YAML or beyond a bound; what open(2) and read(2)
 * say; -EFBIG, -ENOMEM. */
int yaml_reader_next(struct yaml_reader *y, struct yaml_item *ret, struct error *err);

/* "FILE:LINE:COLUMN: " and the words into `err`; returns -EBADMSG. */
int yaml_reader_fail(const struct yaml_reader *y, struct yaml_mark at, struct error *err,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Appends "FILE:LINE:COLUMN". */
void yaml_reader_place(const struct yaml_reader *y, struct yaml_mark at, struct text *ret);

/* See yaml_input_hidden_key. */
const char *yaml_reader_hidden_key(const struct yaml_reader *y);
