/*
 * Scope-bound cleanup: a variable marked CLEANUP(free_fn) is handed to its
 * destructor when it goes out of scope, however the function is left.
 *
 * Destructors used here take NULL and half-built objects.  To hand a value
 * out of its scope, return TAKE_PTR(p): it yields p and leaves NULL behind.
 */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Defines fn_p(T **) for CLEANUP(fn_p) from a destructor fn(T *).  The
 * declaration at its end takes the semicolon that follows the macro. */
#define DEFINE_CLEANUP(type, fn)                                                                   \
    static inline __attribute__((unused)) void fn##_p(type *p)                                     \
    {                                                                                              \
        if (*p)                                                                                    \
            fn(*p);                                                                                \
    }                                                                                              \
    static inline void fn##_p(type *p)

#define TAKE_PTR(p)                                                                                \
    __extension__({                                                                                \
        __auto_type taken_ = (p);                                                                  \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

#define TAKE_FD(fd)                                                                                \
    __extension__({                                                                                \
        int taken_ = (fd);                                                                         \
        (fd) = -1;                                                                                 \
        taken_;                                                                                    \
    })

static inline __attribute__((unused)) void cleanup_free(void *p)
{
    free(*(void **)p);
}

static inline __attribute__((unused)) void cleanup_close(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

#define CLEANUP_FREE CLEANUP(cleanup_free)
#define CLEANUP_CLOSE CLEANUP(cleanup_close)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
