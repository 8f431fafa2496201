/*
 * A layer is what pyDCOP imports, for one Python on one architecture: wheels that the
 * project has pinned by digest, laid out here and sent to machines as one tar.gz.  A
 * machine keeps it in LAYER_PLACE/NAME, beside the versions of pyDCOP, which share it.  It
 * needs no package manager and no index for it.
 *
 * The name is the digest of all that a layer is made from, so it is known before the layer
 * is made: pins/PYTHON has a line for each package, with the digests of its wheels, and
 * pins/left-out what of the wheels is not sent.
 *
 * A layer is made once, when the first machine asks for it, and kept:
 *
 *     CACHE/layers/DIGEST.tar.gz     its time is when it was last used
 *     CACHE/layers/by-name/NAME      DIGEST
 *
 * Where the controller has the machine's Python, its byte code is part of the layer; else
 * the machine compiles it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "deployer/base/paths.h"
#include "discovery/base/digest.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

#define LAYER_PLACE "/opt/dcop/layers"

enum {
    LAYERS_KEPT = 24, /* twice as many as there are */
    LAYER_RETRY_MS = 30 * 1000,
    LAYER_GLIBC = 28,   /* 2.28, Debian 10: the wheels run there and on all that is newer */
    LAYER_KEY_MAX = 24, /* "3.13-arm64" and a NUL */
};

/* Valid until layers_free.  Read-only. */
struct layer {
    const void *bytes;
    size_t size;
    char digest[DIGEST_LENGTH + 1]; /* SHA-256 of the bytes */
};

/* All layers that there are pins for.  Any thread; layers_free by the last one. */
struct layers;

/* `index`: see wheel_prepare_from.  `requires` (NULL: nothing): what pyDCOP needs, as of
 * wheel_requires; packages that are not pinned become part of each layer, in the newest
 * version that fits the pinned ones, from the index, without digests; a bound that a pinned
 * one does not fit is an error of layers_get.  Without a folder of pins
 * there are none.  An error when the pins cannot be read. */
int layers_open(const struct paths *paths, const char *index, const struct strings *requires,
                struct layers **ret, struct error *err);
void layers_free(struct layers *l);
DEFINE_CLEANUP(struct layers *, layers_free);

/* For the machines' side: a line "layer KEY NAME" for each; KEY is PYTHON-ARCHITECTURE. */
void layers_add_settings(const struct layers *l, struct text *to);

/* The KEY of one, or NULL when there are no more; valid until layers_free. */
const char *layers_key(const struct layers *l, size_t index);

/* Whether there is one; `python` NULL: for any Python. */
bool layers_have(const struct layers *l, const char *python, const char *arch);

/* The digest of a layer that was made before, which counts as its use, without a look at its bytes.
 * -ENOENT: there is none. */
int layers_recall(const struct layers *l, const char *key, char ret[static DIGEST_LENGTH + 1]);

/* Whether layers_get has to make it, or to wait for another caller who does. */
bool layers_is_to_be_made(struct layers *l, const char *key);

/* No layer will do, for this reason, which layers_get tells.  Before any other thread knows it. */
void layers_refuse(struct layers *l, const char *why);

/* Finds a layer in the cache or makes it, which takes some seconds and blocks those who want the
 * same one meanwhile; a failure is told to all who ask within LAYER_RETRY_MS.  `cancel_fd` (-1:
 * none), when it becomes readable, ends that. -ENOENT: no such layer; -ENETUNREACH, with pip's
 * words: the wheels cannot be fetched; -EBADMSG: a wheel is not what is pinned; -ENOPKG: there is
 * no pip; -ECANCELED. */
int layers_get(struct layers *l, const char *key, int cancel_fd, const struct layer **ret,
               struct error *err);
