/*
 * Words of machines as JSON: whatever bytes they are, they are there, and valid.
 */
#pragma once

struct json_t;

/* A string; bytes that are no UTF-8 are made printable.  NULL without memory. */
struct json_t *progress_json_text(const char *value);

/* "key": value into an object; NULL and "" are left out.  Failures show as a NULL at
 * json_dumps. */
void progress_json_add(struct json_t *object, const char *key, const char *value);
