/*
 * The types of YAML 1.1 scalars, exactly as PyYAML's FullLoader has them
 * (yaml/resolver.py and yaml/constructor.py): `on` is a truth value, `1e5` a
 * string, `12:30` a number.
 *
 * Pure functions, any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "discovery/base/text.h"
#include "reader.h"

enum yaml_type {
    YAML_TYPE_STRING,
    YAML_TYPE_NULL,
    YAML_TYPE_BOOL,
    YAML_TYPE_INT,
    YAML_TYPE_FLOAT,
    YAML_TYPE_TIME,
    YAML_TYPE_MERGE, /* << */
    YAML_TYPE_VALUE, /* = */
    YAML_TYPE_BYTES,
    YAML_TYPE_OTHER, /* some object of Python's */
};

/* "a number", "a truth value" …, for messages. */
const char *yaml_type_words(enum yaml_type type);

/* The type that a plain scalar has by its text. */
enum yaml_type yaml_plain_type(const char *text, size_t size);

/* The type of a scalar, tags considered.  NULL, or the reason why PyYAML cannot
 * make that value ("is not a valid date"). */
const char *yaml_scalar_type(const struct yaml_item *item, enum yaml_type *ret);

/* Whether a list or map may have its tag; NULL, or a reason as above. */
const char *yaml_collection_check(const struct yaml_item *item);

/* Appends a tag as people write it, for messages: "!!int", "!x", "!<x>". */
void yaml_add_tag(struct text *ret, const char *tag);

/* A list with this tag can be a key: a tuple. */
bool yaml_is_tuple(const struct yaml_item *item);

/* Python makes another type than list or dict of this: !!set, !!omap,
 * !!pairs. */
bool yaml_is_other(const struct yaml_item *item);

/* Appends bytes that are the same for two scalars exactly when they are the
 * same key of a Python dict (1, 0x1, 1.0 and true are).  Not distinguished as
 * Python does: whole numbers beyond 64 bits written in different bases, times
 * with different time zones. */
void yaml_add_key(struct text *ret, enum yaml_type type, const char *text, size_t size);
