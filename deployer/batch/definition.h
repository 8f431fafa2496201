/*
 * A batch file as it is written, checked: its sets, and its batches with all values of their
 * options.  Everything is borrowed from the file's nodes.
 *
 * One thread.
 */
#pragma once

#include <stdbool.h>

#include "deployer/inventory/nodes.h"
#include "plan.h"

enum {
    BATCH_GROUPS_MAX = 1000,
    BATCH_OPTIONS_MAX = 64, /* of one batch */
    BATCH_VALUES_MAX = 1000,
    BATCH_ITERATIONS_MAX = 100000,
};

/* One option of a batch with all its values. */
struct batch_option {
    const char *name, *member; /* member: of a map, else NULL */
    const struct hosts_node *at;
    struct hosts_node *const *values;
    struct hosts_node *one; /* the only one: then `values` points here */
    size_t count;
};

/* One of the file's batches.  It must not be moved: it holds pointers into itself. */
struct batch_group {
    const char *name, *generator; /* what to generate */
    const struct hosts_node *node, *current_dir;
    enum batch_command kind;
    struct batch_option options[BATCH_OPTIONS_MAX];
    size_t n_options;
    const struct hosts_node *global, *own; /* global options, and those of the batch; or NULL */
};

/* A value: batch_definition_read, batch_definition_clear. */
struct batch_definition {
    const struct hosts_node *sets;
    struct batch_group *groups;
    size_t n_groups;
};

/* `root`: NULL for an empty file.  Appends notes.  -EBADMSG with the place of what is wrong. */
int batch_definition_read(const struct hosts_node *root, const char *file,
                          struct batch_definition *ret, struct strings *notes, struct error *err);
void batch_definition_clear(struct batch_definition *d);

/* How often each file of the set is taken. */
int batch_definition_iterations(const struct hosts_node *set, unsigned *ret, struct error *err);

/* Whether a run on machines does without this option of pyDCOP's `solve`. */
bool batch_option_is_unused(const char *name);

/* Appends "algo" or "algo_params.variant". */
void batch_option_add_name(const struct batch_option *o, struct text *ret);
