/*
 * A problem: one or more DCOP YAML files, joined and read as pyDCOP reads them
 * (pydcop/dcop/yamldcop.py, with PyYAML's FullLoader), reduced to what discovery
 * needs: the agents, and the number of variables.
 *
 * Input that pyDCOP would silently read in another way than it is written is
 * refused: a key given twice at the top level, among the agents or among the
 * variables; an agent's name that YAML takes for a number, a truth value, null
 * or a date; a name that does not fit an advert.  So is a problem without a name
 * or an objective, which pyDCOP refuses.  pyDCOP checks the content of constraints.
 *
 * Not for concurrent use of one value; otherwise any thread.
 */
#pragma once

#include <stddef.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

/* A value; owns what it holds. */
struct problem {
    char *name;            /* NULL: the file has none, or it is not a scalar */
    struct strings files;  /* as given */
    struct strings agents; /* never empty; in pyDCOP's order, each once */

    /* External variables are not counted.  pyDCOP makes one computation of
     * each variable for most algorithms, and more (one for each constraint,
     * too) for those on factor graphs: fewer agents than variables are too few
     * for its default distribution whatever the algorithm. */
    size_t variables;
};

#define PROBLEM_INIT ((struct problem){0})
#define CLEANUP_PROBLEM CLEANUP(problem_clear)

void problem_clear(struct problem *p);

/* Reads the files; "-" is standard input.  `ret` is written on success only.
 * -EBADMSG with "FILE:LINE:COLUMN: what is wrong" for bad content, else the
 * errors of open(2) and read(2), -EFBIG or -ENOMEM. */
int problem_read(const struct strings *files, struct problem *ret, struct error *err);

/* The same of what need not be a whole problem: no name and no objective. */
int problem_read_part(const struct strings *files, struct problem *ret, struct error *err);

/* Likewise from memory; `name` stands for the file. */
int problem_parse(const char *name, const void *data, size_t size, struct problem *ret,
                  struct error *err);
