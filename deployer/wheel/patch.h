/*
 * A new wheel out of the one that the same source directory gave before, where
 * that is exact: the very wheel that a build would make, in a hundredth of the
 * time.  Used by wheel.c only.
 *
 * It is exact when the directory has the same paths as before, and each file
 * that differs is a module, plain in the wheel, whose content no build looks
 * at: setup.py and its like neither changed nor name it, import nothing of the
 * directory and search for no files, and it says nothing about a version.
 * Where that is in doubt it is not done: a build by pip is the answer then.
 */
#pragma once

#include <stdbool.h>

#include "discovery/base/text.h"

enum { WHEEL_PATCH_FILES_MAX = 64 };

/* `before` and `after` list the directory as folder_read does; `old` is the wheel
 * of `before`.  -ENOTSUP: not exact, or not certain to be; -ENOMEM; what the
 * file system says. */
int wheel_patch(const char *source, const char *before, const char *after, const struct text *old,
                struct text *ret);

/* Whether these words of setup.py, setup.cfg or pyproject.toml leave it to no
 * module's content what the wheel will be.  For wheel_patch, and its test. */
bool wheel_script_is_plain(const char *name, const char *words);

/* Whether the name stands in these words by itself. */
bool wheel_script_says(const char *words, const char *name);
