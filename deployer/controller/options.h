/*
 * The service's settings: controller.conf in the folder of --config, and the
 * command line, which takes precedence.  The file has lines of "option value" with
 * the options' long names; "#" starts a comment; an option that takes no value may
 * have "yes" or "no".
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
    struct deploy_options deploy; /* must be first: its option rows store into it */
    bool automatic, assign;
    unsigned quorum;
    const char *output; /* the inventory's file; NULL: none */
    enum inventory_format format;
    const char *on_change; /* a shell command; NULL: none */
    const char *listen;    /* ADDRESS[:PORT] */
    struct strings hosts;  /* additional names, and proxies' origins: see admission.h */
    const char *dashboard; /* its folder; NULL: the one beside this program */
    struct strings words;  /* values from the file, borrowed above */
    char *file; /* controller.conf, also if it does not exist; NULL: no configuration folder */
};

void controller_options_clear(struct controller_options *s);

/* Reads both.  A missing file counts as empty.  -EINVAL with a message, which
 * begins with "FILE:LINE: " for the file. */
int controller_options_read(int argc, char **argv, struct controller_options *ret,
                            struct error *err);
void controller_options_help(struct text *ret);
