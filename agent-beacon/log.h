/*
 * The beacon's log: lines on standard error, with the priorities that the
 * journal understands (sd-daemon(3)) when standard error is connected to the
 * journal.  Used by the program only; modules return their messages.
 */
#pragma once

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_NOTICE, LOG_LEVEL_DEBUG };

struct log {
    enum log_level level; /* what is above it is dropped */
    bool journal;
};

/* Is standard error the journal's?  $JOURNAL_STREAM tells (systemd.exec(5)). */
bool log_is_journal(void);

void log_line(const struct log *log, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
