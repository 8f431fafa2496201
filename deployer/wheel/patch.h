/*
 * Makes a wheel from the last wheel of the same source directory, if the result is
 * exactly the wheel that a build would make.  It takes a hundredth of the time of
 * a build.  Used by wheel.c only.
 *
 * It is exact when the directory has the same paths as before, and each file that
 * differs is a module that the wheel contains unchanged and whose content the
 * build does not read: setup.py, setup.cfg and pyproject.toml have not changed, do
 * not name the module, import nothing from the directory and search for no files,
 * and the module does not mention a version.  In doubt, pip builds.
 */
#pragma once

#include <stdbool.h>

#include "discovery/base/text.h"

enum { WHEEL_PATCH_FILES_MAX = 64 };

/* `before` and `after` list the directory as folder_read does; `old` is the wheel
 * of `before`.  -ENOTSUP: not certain to be exact; -ENOMEM; else an error of the
 * file system. */
int wheel_patch(const char *source, const char *before, const char *after, const struct text *old,
                struct text *ret);

/* Whether it is certain that a build with this text of setup.py, setup.cfg or
 * pyproject.toml (`name`) reads no module.  For wheel_patch and its test. */
bool wheel_script_is_plain(const char *name, const char *words);

/* Whether the text contains the name as a whole word. */
bool wheel_script_contains_word(const char *words, const char *name);
