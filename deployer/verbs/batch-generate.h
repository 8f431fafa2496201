/*
 * A `generate` job of a batch: pyDCOP makes a problem on this computer.
 */
#pragma once

#include <jansson.h>

#include "deployer/batch/state.h"
#include "deployer/cli/program.h"

enum { BATCH_GENERATE_MAX = 12 * 1024 * 1024 /* bytes of a problem */ };

/* Runs it and writes what it makes to the job's output, else to problem.yaml of the folder.  For
 * root pyDCOP is nobody.  *ret_receipt: a new reference, of one that failed, too.  A negative
 * errno when it could not be tried. */
int batch_generate(struct program *p, const struct batch_state *s, const struct batch_job *j,
                   const char *folder, json_t **ret_receipt, struct error *err);
