/*
 * dcop-beacon: advertises this machine with its current data.
 */
#pragma once

/* The whole program; returns its exit code. A signal ends it by default:
 * nothing has to be cleaned up first, see publisher.h. */
int beacon_main(int argc, char **argv);
