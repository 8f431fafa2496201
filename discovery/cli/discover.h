/*
 * The program dcop-discover: lists, watches, matches, writes inventories.
 *
 * discover_main is its main() and returns its exit code; only this program
 * prints, the library does not.
 */
#pragma once

#include <stdbool.h>

#include "discovery/base/key.h"
#include "discovery/base/text.h"
#include "discovery/inventory/inventory.h"

/* Exit codes of all programs; a signal ends a program as that signal would. */
enum {
    EXIT_DONE = 0,
    EXIT_NO = 1,    /* done, but the answer is no */
    EXIT_USAGE = 2, /* bad usage or bad input */
    EXIT_HERE = 3,  /* it could not be done here */
};

/* The command line, parsed; strings are borrowed from argv. */
struct discover_options {
    struct strings problems; /* owned */
    bool strict, wait, watch, json, quiet, verbose;
    bool doctor;
    const char *patient; /* --doctor: one machine or address; NULL: all */
    bool inventory;      /* and which: */
    enum inventory_format format;
    bool format_given;
    bool zone;          /* --zone */
    const char *host;   /* --host */
    const char *from;   /* a saved roster instead of the network */
    const char *output; /* a file instead of standard output */
    const char *fleet;
    bool all;              /* machines without a beacon, too */
    const char *domain;    /* asked by unicast DNS, beside the link */
    const char *config;    /* the settings' folder; NULL: the user's */
    const char *state_dir; /* the state's folder; NULL: the user's */
    const struct key *key; /* the fleet's, of that folder; NULL: there is none */
    bool partial;          /* write an inventory although machines may be missing */
    unsigned timeout_ms;
    bool timeout_given;
};

/* The message when discovery_status.too_many is set. */
#define DISCOVER_TOO_MANY "more records or machines than fit: some are ignored"

/* Is the output machines for another program, of which none may be missing? */
bool discover_is_document(const struct discover_options *o);

int discover_main(int argc, char **argv);
