/*
 * Reading one experiment whose name comes from a request: of its folder, which is one of a folder
 * of experiments or has a link there, only regular files, each within a bound.
 *
 * Functions return 0 or a negative errno with a sentence for whoever asked: -ENOENT, -EFBIG,
 * -EBADMSG and those of the file system.  Any thread.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum {
    EXPERIMENT_JSON_MAX = 8 * 1024 * 1024,
    EXPERIMENT_PLOT_MAX = 4 * 1024 * 1024,
    EXPERIMENT_METRICS_MAX = 1024 * 1024, /* of the end of the table */
    EXPERIMENT_PACK_MAX = 64 * 1024 * 1024,
    EXPERIMENT_PACK_FILES = 2000, /* files and folders */
    EXPERIMENT_PACK_DEPTH = 4,
};

/* Its folder's descriptor, which the caller closes.  `name` is one component of a path and does
 * not begin with "."; else -ENOENT, as for a folder without a receipt. */
int experiment_find(const char *experiments, const char *name, struct error *err);

int experiment_read_json(int folder, const char *file, json_t **ret, struct error *err);
int experiment_read_file(int folder, const char *file, size_t max, struct text *ret,
                         struct error *err);

/* The heading of metrics.csv, and its last lines. */
int experiment_read_metrics(int folder, struct text *ret, struct error *err);

/* All of it as a tar, its members below `name`/.  `scratch`: a path beside which the tar is
 * written.  The descriptor of the file, which has no name any more and which the caller closes. */
int experiment_pack(int folder, const char *name, const char *scratch, uint64_t *ret_size,
                    struct error *err);
