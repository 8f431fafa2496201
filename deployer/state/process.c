#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "database.h"
#include "discovery/base/file.h"

enum { PROC_FILE_MAX = 4096 };

static void mark_of(long pid, char ret[static STATE_PROCESS_MAX])
{
    CLEANUP_TEXT struct text boot = TEXT_INIT;
    CLEANUP_TEXT struct text stat = TEXT_INIT;
    char path[64], *at;

    *ret = '\0';
    (void)snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    if (file_read("/proc/sys/kernel/random/boot_id", PROC_FILE_MAX, &boot, NULL) < 0 ||
        file_read(path, PROC_FILE_MAX, &stat, NULL) < 0 || !stat.data)
        return;
    at = strrchr(stat.data, ')'); /* the name before it may hold anything */
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    if (at)
        (void)snprintf(ret, STATE_PROCESS_MAX, "%.36s %ld %.20s", text_str(&boot), pid,
                       strtok(at + 1, " ") ? at + 1 : "");
}

void state_process_mark(char ret[static STATE_PROCESS_MAX])
{
    mark_of((long)getpid(), ret);
}

bool state_process_alive(const char *mark)
{
    char now[STATE_PROCESS_MAX], boot[40];
    long pid;

    if (!mark || sscanf(mark, "%39s %ld", boot, &pid) != 2)
        return false;
    mark_of(pid, now);
    return strcmp(now, mark) == 0;
}
