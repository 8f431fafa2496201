/*
 * What the service is set to: controller.conf in the folder of --config, and
 * the command line, which counts before it.  The file is "option value" lines,
 * the options' long names, "#" before remarks; an option that takes no value
 * may have "yes" or "no".
 *
 * A value; one thread.
 */
#pragma once

#include <stdint.h>

#include "deployer/options/options.h"
#include "discovery/inventory/inventory.h"

enum { SETTINGS_FILE_MAX = 64 * 1024, SETTINGS_PORT = 8808 };

#define SETTINGS_FILE "controller.conf"

struct controller_options {
    struct deploy_options deploy; /* first: its rows store into it */
    bool automatic, assign;
    unsigned quorum;
    const char *output; /* the inventory's file; NULL: none */
    enum inventory_format format;
    const char *on_change; /* a shell command; NULL: none */
    const char *listen;    /* ADDRESS[:PORT] */
    struct strings hosts;  /* names in addition */
    const char *dashboard; /* its folder; NULL: the one beside this program */
    struct strings words;  /* of the file: what is borrowed above */
    char *file;            /* where it was looked for; NULL: there is no such folder */
};

void controller_options_clear(struct controller_options *s);

/* Reads both.  A file that is not there is an empty one.  -EINVAL with words;
 * "FILE:LINE: …" for the file. */
int controller_options_read(int argc, char **argv, struct controller_options *ret,
                            struct error *err);
void controller_options_help(struct text *ret);
