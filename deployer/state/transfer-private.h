/*
 * The tables that are transferred, and which values they may have.
 */
#pragma once

#include "transfer.h"

struct json_t;

struct transfer_column {
    const char *name;
    bool required;
    bool (*text)(const char *value); /* is a text valid?  NULL: a whole number */
    int64_t max;                     /* of the number; the least is 0 */
};

struct transfer_table {
    const char *name;
    const char *columns; /* all of them, for SQL */
    const char *order;
    const struct transfer_column *items; /* ended by one without a name */
    /* Whether the values of a row fit each other; NULL: always. */
    bool (*row)(const struct json_t *row);
};

/* Ended by one without a name. */
extern const struct transfer_table transfer_tables[];

/* -EBADMSG, with the column, unless the row is an object with valid values for the table's
 * columns and nothing else. */
int transfer_check_row(const struct transfer_table *t, const struct json_t *row, struct error *err);

/* NAME==VERSION: what means the same on any computer. */
bool transfer_is_spec(const char *value);
