/*
 * YAML as a bounded stream of items: libyaml's events for a caller that keeps
 * none of the text and never recurses.  Errors say FILE:LINE:COLUMN and what is
 * wrong.
 *
 * One document; at most YAML_DEPTH_MAX levels, YAML_INPUT_MAX bytes, and
 * YAML_ITEM_MAX bytes in one item.  Input that PyYAML's scanner refuses and
 * libyaml accepts is refused: see strict.h and directives.h, and "?" in a plain
 * text inside brackets.  Anchors and tags are passed on unresolved: see types.h
 * for the types.
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

/* Opens no file yet: yaml_reader_next reports files that cannot be read.
 * -ENOMEM. */
int yaml_reader_open(struct yaml_reader **ret, const struct strings *paths, struct error *err);
/* `data` is borrowed; `name` stands for the file in messages. */
int yaml_reader_open_memory(struct yaml_reader **ret, const char *name, const void *data,
                            size_t size, struct error *err);
/* The content is secret: items, buffers and what libyaml has read ahead are
 * wiped before they are freed (except copies that realloc(3) may leave). */
void yaml_reader_secret(struct yaml_reader *y);
void yaml_reader_close(struct yaml_reader *y);
DEFINE_CLEANUP(struct yaml_reader *, yaml_reader_close);
#define CLEANUP_YAML_READER CLEANUP(yaml_reader_close_p)

/* -EBADMSG for invalid YAML or beyond a bound; the errors of open(2) and
 * read(2); -EFBIG, -ENOMEM. */
int yaml_reader_next(struct yaml_reader *y, struct yaml_item *ret, struct error *err);

/* Stores "FILE:LINE:COLUMN: " and the message in `err`; returns -EBADMSG. */
int yaml_reader_fail(const struct yaml_reader *y, struct yaml_mark at, struct error *err,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Appends "FILE:LINE:COLUMN". */
void yaml_reader_place(const struct yaml_reader *y, struct yaml_mark at, struct text *ret);

/* See yaml_input_hidden_key. */
const char *yaml_reader_hidden_key(const struct yaml_reader *y);
