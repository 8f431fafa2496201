/*
 * What dcop-deploy's command line says, in one struct, read from one table
 * that also writes its help.
 */
#pragma once

#include <stdbool.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

struct deploy_options {
    const char *verb;
    char **arguments; /* of the verb; borrowed from argv */
    int n_arguments;
    struct strings problems; /* -p */
    const char *from;        /* a saved roster, "-" is stdin */
    const char *fleet;
    const char *spec;
    const char *orchestrator;
    const char *user;
    struct strings keys;
    const char *state_dir;
    unsigned timeout_ms;   /* of SSH */
    unsigned discovery_ms; /* how long to look for machines */
    unsigned forks;
    bool partial, check, accept_new, json, quiet, verbose, help, version;
};

/* -EINVAL with words.  Strings are borrowed from argv. */
int deploy_options_parse(int argc, char **argv, struct deploy_options *ret, struct error *err);
void deploy_options_clear(struct deploy_options *o);
void deploy_options_help(struct text *ret);
