/*
 * The package caches of the system, if there are any: apt-cacher-ng and devpi as
 * services, which are not managed by us.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The port of its settings, on which it listens on this controller; 0: there are no
 * settings, nothing answers, or the process that listens is not trusted
 * (cache_port_is_trusted). */
uint16_t cache_system_apt(void);
uint16_t cache_system_pip(void);

/* The number of the last "KEY: NUMBER" or "KEY = NUMBER" in the text of a settings file;
 * `otherwise` without one, 0 for an invalid port. */
uint16_t cache_setting_port(const char *text, const char *key, uint16_t otherwise);

/* Does a devpi-server answer on that port?  For apt-cacher-ng: acng_answers. */
bool devpi_answers(uint16_t port, unsigned timeout_ms);
