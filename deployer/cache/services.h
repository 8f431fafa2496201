/*
 * The package caches of the system, if it has some: apt-cacher-ng and devpi as
 * services, which somebody set up before us.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The port on which it listens on this controller, as its settings say; 0: no
 * settings, nobody there, or somebody whom nothing is to be asked
 * (cache_port_is_trusted). */
uint16_t cache_system_apt(void);
uint16_t cache_system_pip(void);

/* The last "KEY: NUMBER" (or with "=") of a settings file's text, `otherwise`
 * without one, 0 for an invalid port. */
uint16_t cache_setting_port(const char *text, const char *key, uint16_t otherwise);

/* Does a devpi-server answer there, the system's or ours?  For apt-cacher-ng: acng_answers. */
bool devpi_answers(uint16_t port, unsigned timeout_ms);
