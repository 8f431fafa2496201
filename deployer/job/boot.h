/*
 * What the machine's shell is given to run, as root: `sh -c BOOT dcop NONCE
 * BUNDLE-DIGEST`.  It says hello (stepwire.h), then reads standard input:
 *
 *     base DIGEST      only where the machine lacks the bundle: what follows the
 *                      settings is a delta against this one, which it has
 *     size N           only where it lacks the bundle: bytes that follow the settings
 *     KEY VALUE ...    the settings, for `run`
 *     end NONCE
 *     a tar.gz         of that size: all of it, or the delta
 *
 * then starts the bundle's `run`, which has the rest of standard input: a line
 * `stop NONCE` lets it end after the running step.  A bundle is there complete or not at all: it is
 * unpacked beside its place, compared with its SHA256SUMS, and moved.  A base that did not produce
 * the right files is not offered again.  Bundles lie in /run, three of them at most, and those of
 * sessions at work: a check leaves nothing behind.  Its own files are named after its process
 * (settings.PID.DIGEST.NONCE), so that those of one that was killed are known, and removed by the
 * next.
 *
 * It must fit in single quotes on one line: no single quote, no newline, no "!", so
 * that every login shell passes it on unchanged.
 */
#pragma once

extern const char boot_command[];
