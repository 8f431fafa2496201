#include "pip-errors.h"

#include <errno.h>
#include <string.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/text.h"

enum { WORDS_LINES = 3 };

/* Lines that pip prints around the output of a build. */
static bool is_pip_decoration(const char *line, size_t size)
{
    static const char *const frames[] = {
        "note: ",
        "hint: ",
        "╰─>",
        "│",
        "×",
        "[end of output]",
        "error: subprocess-exited",
        "error: metadata-generation",
        "ERROR: Failed building",
        "ERROR: Failed to build",
        "WARNING: Retrying",
    };

    for (size_t i = 0; i < ARRAY_SIZE(frames); i++)
        if (size >= strlen(frames[i]) && strncmp(line, frames[i], strlen(frames[i])) == 0)
            return true;
    return size == 0;
}

/* "RuntimeError: why", the last line of a traceback. */
static bool is_exception(const char *line, size_t size)
{
    size_t n = strcspn(line, ": \n");

    return n < size && line[n] == ':' &&
           ((n > 5 && strncmp(line + n - 5, "Error", 5) == 0) ||
            (n > 9 && strncmp(line + n - 9, "Exception", 9) == 0));
}

/* Adds the most useful lines: the last exception of Python, else pip's last own
 * errors, else the last lines of all. */
static void add_relevant_lines(struct text *to, const char *said)
{
    const char *lines[WORDS_LINES] = {0};
    size_t sizes[WORDS_LINES] = {0}, n = 0;
    int best = 0;

    for (const char *line = said; *line;) {
        size_t size = strcspn(line, "\n"), skip = strspn(line, " \t");
        const char *next = line + size + (line[size] == '\n');
        int rank;

        skip = skip < size ? skip : size;
        line += skip;
        size -= skip;
        rank = is_exception(line, size) ? 3 : strncmp(line, "ERROR: ", 7) == 0 ? 2 : 1;
        if (!is_pip_decoration(line, size) && rank >= best) {
            if (rank > best || rank == 3)
                n = 0;
            best = rank;
            if (n == WORDS_LINES) {
                memmove(lines, lines + 1, sizeof(lines) - sizeof(*lines));
                memmove(sizes, sizes + 1, sizeof(sizes) - sizeof(*sizes));
                n--;
            }
            lines[n] = line + (rank == 2 ? 7 : 0);
            sizes[n++] = size - (rank == 2 ? 7 : 0);
        }
        line = next;
    }
    for (size_t i = 0; i < n; i++) {
        CLEANUP_FREE char *line = strndup(lines[i], sizes[i] < 300 ? sizes[i] : 300);

        text_adds(to, i ? "; " : "");
        text_add_printable(to, line ? line : "");
    }
}

static bool output_contains(const struct process_result *result, const char *words)
{
    return strstr(text_str(&result->errors), words) || strstr(text_str(&result->output), words);
}

int pip_explain(enum wheel_spec kind, const char *spec, const struct process_result *result,
                struct error *err)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    add_relevant_lines(&words,
                       result->errors.size ? text_str(&result->errors) : text_str(&result->output));
    if (kind != WHEEL_SPEC_REQUIREMENT &&
        output_contains(result, "No matching distribution found for"))
        return error_set(
            err, -ENETUNREACH,
            "cannot build %s: its build requirements are not installed, and the Python index does "
            "not have them (%s)",
            spec, text_str(&words));
    if (output_contains(result, "connection broken by") ||
        output_contains(result, "Could not fetch URL"))
        return error_set(err, -ENETUNREACH,
                         "cannot get %s: the Python index is not reachable from here, and no "
                         "suitable version is cached; connect to the internet once, or give a "
                         "source directory or a wheel with --pydcop (pip: %s)",
                         spec, text_str(&words));
    if (output_contains(result, "Invalid requirement") ||
        output_contains(result, "Invalid version"))
        return error_set(err, -EINVAL, "\"%s\" is not a requirement: %s", spec, text_str(&words));
    if (output_contains(result, "No matching distribution found for") &&
        kind == WHEEL_SPEC_REQUIREMENT)
        return error_set(err, -ENOENT, "the Python index has no %s: %s", spec, text_str(&words));
    if (output_contains(result, "No module named 'setuptools'") ||
        output_contains(result, "No module named 'wheel'") ||
        output_contains(result, "invalid command 'bdist_wheel'") ||
        output_contains(result, "Cannot import 'setuptools.build_meta"))
        return error_set(err, -ENOPKG,
                         "cannot build %s without setuptools; install it: "
                         "apt install python3-setuptools python3-wheel",
                         spec);
    return error_set(err, -EBADMSG, "cannot build a wheel from %s: %s", spec, text_str(&words));
}

void pip_last_error(const struct process_result *result, struct text *ret)
{
    const char *said = text_str(&result->errors), *line = NULL;
    CLEANUP_FREE char *copy = NULL;

    /* The reason stands before "ResolutionImpossible: for help visit". */
    for (const char *at = said; (at = strstr(at, "ERROR: ")); at += 7)
        if ((at == said || at[-1] == '\n') && strncmp(at + 7, "ResolutionImpossible", 20) != 0)
            line = at + 7;
    line = line ? line : said;
    copy = strndup(line, strcspn(line, "\n"));
    text_add_printable(ret, copy && *copy ? copy : "pip printed no message");
}
