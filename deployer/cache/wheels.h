/*
 * What a deploy takes from Python's index: pyDCOP's own wheels, made once on
 * this controller, and with --deps pip what pip installs beside them, for the
 * Python and the platform of each system.
 */
#pragma once

#include "deployer/apt/resolve.h"
#include "deployer/base/paths.h"
#include "result.h"

/* pyDCOP, as `spec` names it.  `index`: the cache's; "": none is asked;
 * NULL: that of pip's own configuration. */
int cache_wheels_pydcop(const struct paths *paths, const char *spec, const char *index,
                        struct cache_result *ret, struct error *err);

/* What pip builds a source with, into the cache of that index. */
int cache_wheels_tools(const struct paths *paths, const char *index, struct cache_result *ret,
                       struct error *err);

/* Python and C library of a system, from the files that are to be installed there, else from
 * what is; "3.13" and 41 (of 2.41).  -ENOENT when it does not say. */
int cache_wheels_python(const struct apt_files *files, const struct text *status,
                        char ret_python[static 8], unsigned *ret_glibc);

/* The platforms that pip takes wheels of, newest first: manylinux_2_41_x86_64 … and so on.
 * -EINVAL: none is known for that architecture. */
int cache_wheels_platforms(const char *arch, unsigned glibc, struct strings *ret);

/* The same for one system, as a result of its own; nothing where its Python is not known. */
int cache_wheels_system(const struct paths *paths, const char *index, const struct apt_system *s,
                        const struct apt_files *files, struct cache_results *results,
                        struct error *err);

/* Has pip get everything of --deps pip through `index` (NULL: its own configuration), for one
 * system.  What is missing is in `ret`. */
int cache_wheels_deps(const struct paths *paths, const char *index, const char *arch,
                      const char *python, unsigned glibc, struct cache_result *ret,
                      struct error *err);
