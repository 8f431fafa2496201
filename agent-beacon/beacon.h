/*
 * dcop-beacon: keeps this machine's advert on the air.
 */
#pragma once

/* The whole program; returns its exit code.  A signal ends it as signals do:
 * nothing has to be put in order first, see publisher.h. */
int beacon_main(int argc, char **argv);
