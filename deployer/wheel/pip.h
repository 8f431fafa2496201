/*
 * pip, and whatever else turns packages into files, as a user who owns nothing: for root,
 * the user who called sudo, else nobody.  It works in a temporary folder of that user, with
 * only those variables of our environment that reach the index.
 *
 * Code of a package (a setup.py) runs only in a sandbox (deployer/base/sandbox.h), without
 * network: pip_run_confined.  What is fetched for it is fetched before, by a pip that ends
 * where it would run such code: pip_fetch.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "deployer/base/sandbox.h"
#include "discovery/base/error.h"
#include "discovery/base/process.h"
#include "discovery/base/text.h"

struct pip_options {
    const char *index; /* the only index that pip uses; "": none; NULL: as pip is configured */
    int cancel_fd;     /* -1: none */
    bool hurry;        /* do not wait long for the index */
};

/* A value: pip_open, pip_close. */
struct pip {
    const struct pip_options *options;
    const char *python;   /* one that has pip */
    char *executable;     /* of that Python */
    char *folder;         /* HOME, if it runs as another user, and TMPDIR */
    char *work;           /* a folder in it: all that is written in the sandbox, and its HOME */
    char *deps;           /* the same: wheels that pip uses in the sandbox */
    struct strings reads; /* Python's own folders */
    char *user_base;      /* site.USER_BASE, "" if unused */
    struct sandbox *sandbox;
    const char *unconfined; /* what a sandbox does not keep from a build here, or NULL */
    bool drop;              /* it runs as uid and gid */
    uid_t uid;
    gid_t gid;
    struct strings env;
};

/* `options` outlive it.  -ENOPKG: there is no Python with pip; -ECANCELED. */
int pip_open(const struct pip_options *options, struct pip *ret, struct error *err);

/* Removes the folder. */
void pip_close(struct pip *p);

/* Runs a program as that user, in the folder.  Errors: those of process_run. */
int pip_run(const struct pip *p, const char *const *argv, unsigned timeout_ms,
            struct process_result *ret, struct error *err);

/* Runs pip with these arguments, but ends it where it would run a package's code: then `ret_source`
 * is that package's folder, which is in `folder`, else NULL.  Caller frees. */
int pip_fetch(const struct pip *p, const char *const *arguments, unsigned timeout_ms,
              char **ret_source, struct process_result *ret, struct error *err);

/* Runs a program in the sandbox, in `work`.  The best sandbox that works here: `unconfined`
 * tells what it lacks.  Errors: those of process_run. */
int pip_run_confined(struct pip *p, const char *const *argv, unsigned timeout_ms,
                     struct process_result *ret, struct error *err);

/* Reads a regular file that a program left in `folder`, which is that user's: no link is
 * followed.  -EBADMSG for anything else; the errors of file_read. */
int pip_read(const char *folder, const char *name, size_t max, struct text *ret, struct error *err);
