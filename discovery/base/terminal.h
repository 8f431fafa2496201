/*
 * Where results go: standard output, as a terminal, a pipe or a file.
 */
#pragma once

#include "discovery/report/roster-text.h"
#include "text.h"

/* Writes it all, at once.  -EPIPE when the reader has gone. */
int output_write(const struct text *t);

/* Width and colour of standard output (NO_COLOR, no-color.org). */
struct report_style output_style(void);
size_t output_height(void); /* lines; 0: no terminal */

/* Ends the process as that signal would. */
_Noreturn void end_by_signal(int signal_number);
