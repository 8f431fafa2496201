/*
 * A devpi-server as others find it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Does it answer there? */
bool devpi_answers(uint16_t port, unsigned timeout_ms);
