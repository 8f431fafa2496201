#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 2048 };

bool log_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char ours[64];
    struct stat st;

    if (!stream || fstat(STDERR_FILENO, &st) < 0)
        return false;
    (void)snprintf(ours, sizeof(ours), "%llu:%llu", (unsigned long long)st.st_dev,
                   (unsigned long long)st.st_ino);
    return strcmp(stream, ours) == 0;
}

void log_line(const struct log *log, enum log_level level, const char *format, ...)
{
    static const char *const priorities[] = {
        [LOG_LEVEL_ERROR] = "<3>",
        [LOG_LEVEL_NOTICE] = "<5>",
        [LOG_LEVEL_DEBUG] = "<7>",
    };
    char line[LINE_MAX_BYTES];
    va_list args;
    int start, n;

    if (level > log->level)
        return;
    start = snprintf(line, sizeof(line), "%s", log->journal ? priorities[level] : "dcop-beacon: ");
    va_start(args, format);
    n = vsnprintf(line + start, sizeof(line) - (size_t)start - 1, format, args);
    va_end(args);
    if (n < 0)
        return;
    n = (int)strlen(line);
    line[n] = '\n';
    /* Not stdio: its buffers would cost memory. */
    (void)!write(STDERR_FILENO, line, (size_t)n + 1);
}
