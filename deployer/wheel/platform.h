/*
 * Which wheels run on which system.
 */
#pragma once

#include "discovery/base/text.h"

/* The platform tags of the wheels that pip accepts on a Debian architecture with glibc
 * 2.`glibc`, newest first: manylinux_2_41_x86_64 and so on (PEP 600).  -EINVAL: none is known
 * for that architecture; -ENOMEM. */
int wheel_platforms(const char *arch, unsigned glibc, struct strings *ret);

/* Words that run the pip of `program` (a Python), to be followed by pip's own, for a machine with
 * that Python ("3.13") and Debian architecture.  pip evaluates environment markers (PEP 508), of
 * requirements and of what they require, for the Python that it runs on, whatever --python-version
 * and --platform say; here it does for the machine's.  -EINVAL, -ENOMEM. */
int wheel_pip_words(const char *program, const char *python, const char *arch, struct strings *ret);
