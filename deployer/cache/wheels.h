/*
 * The packages that a deploy takes from the Python index: pyDCOP's own wheels, built once
 * on this controller, and with --deps pip its dependencies, for the Python and the
 * platform of each system.
 */
#pragma once

#include "deployer/apt/resolve.h"
#include "deployer/base/paths.h"
#include "result.h"

/* Builds or downloads the wheels of pyDCOP, as `spec` names it.  `index`: the cache's; "":
 * no index is asked; NULL: that of pip's own configuration.  A failure of pip is a result
 * in `ret`, not an error. */
int cache_wheels_pydcop(const struct paths *paths, const char *spec, const char *index,
                        struct cache_result *ret, struct error *err);

/* Downloads what pip needs to build a source distribution, so that the index's cache has
 * it. */
int cache_wheels_tools(const struct paths *paths, const char *index, struct cache_result *ret,
                       struct error *err);

/* The versions of Python and of the C library on a system, from the files that will be
 * installed there, else from its dpkg status: "3.13", and 41 for glibc 2.41.  -ENOENT: not
 * known. */
int cache_wheels_python(const struct apt_files *files, const struct text *status,
                        char ret_python[static 8], unsigned *ret_glibc);

/* Downloads the dependencies for one system (cache_wheels_deps) and appends the result;
 * appends nothing if the versions of its Python and C library are not known. */
int cache_wheels_system(const struct paths *paths, const char *index, const struct apt_system *s,
                        const struct apt_files *files, struct cache_results *results,
                        struct error *err);

/* Makes pip download all dependencies of --deps pip through `index` (NULL: pip's own
 * configuration), for one system.  Missing ones are listed in `ret`. */
int cache_wheels_deps(const struct paths *paths, const char *index, const char *arch,
                      const char *python, unsigned glibc, struct cache_result *ret,
                      struct error *err);
