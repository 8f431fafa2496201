/*
 * URLs of caches.
 */
#pragma once

#include <stdbool.h>

enum { URL_MAX = 1024 };

/* http or https, a host, maybe a port and a path; no user or password. */
bool url_valid(const char *url);
