/*
 * The directives above a YAML document: lines like "%YAML 1.1".
 *
 * libyaml and PyYAML differ on them: PyYAML takes any version 1.x and ignores
 * directives that it does not know; libyaml refuses these, and takes a "#"
 * right behind the version.  So they are checked here the way PyYAML does it,
 * and libyaml gets them as comments.  Only %TAG is left to libyaml.
 *
 * Pure functions, any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { YAML_DIRECTIVE_MAX = 256 }; /* bytes of a line that are looked at */

enum yaml_directive {
    YAML_DIRECTIVE_CUT, /* the line goes on, more of it is needed */
    YAML_DIRECTIVE_TAG,
    YAML_DIRECTIVE_VERSION,
    YAML_DIRECTIVE_UNKNOWN,
    YAML_DIRECTIVE_WRONG,
};

/* `line` begins with "%".  `whole`: nothing comes after these bytes.
 * *ret_words is set when the line is wrong: what to do about it. */
enum yaml_directive yaml_directive_parse(const char *line, size_t size, bool whole,
                                         const char **ret_words);
