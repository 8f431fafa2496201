/*
 * read-problem: what the reader makes of problems, as JSON lines.
 *
 * Arguments are the files of one problem; without any, each line of standard
 * input names the files of one problem, separated by tabs.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "discovery/problem/problem.h"

static void print_problem(const struct problem *p)
{
    json_t *agents = json_array();

    for (size_t i = 0; i < p->agents.count; i++)
        json_array_append_new(agents, json_string(p->agents.items[i]));
    json_t *line = json_pack("{s:s*, s:o, s:I}", "name", p->name, "agents", agents, "variables",
                             (json_int_t)p->variables);
    (void)json_dumpf(line, stdout, JSON_COMPACT);
    json_decref(line);
}

static int read_one(const struct strings *files)
{
    CLEANUP_PROBLEM struct problem p = PROBLEM_INIT;
    struct error err = {0};
    int r = problem_read_part(files, &p, &err);

    if (r == 0)
        print_problem(&p);
    else {
        json_t *line = json_pack("{s:s?}", "error", err.text);

        (void)json_dumpf(line, stdout, JSON_COMPACT);
        json_decref(line);
    }
    putchar('\n');
    return r;
}

int main(int argc, char **argv)
{
    CLEANUP_FREE char *line = NULL;
    size_t room = 0;

    if (argc > 1) {
        struct strings files = {.items = argv + 1, .count = (size_t)argc - 1};

        return read_one(&files) < 0;
    }
    while (getline(&line, &room, stdin) > 0) {
        CLEANUP_STRINGS struct strings files = {0};
        char *rest = line;

        line[strcspn(line, "\n")] = '\0';
        for (char *file; (file = strsep(&rest, "\t"));)
            if (strings_add(&files, file) < 0)
                return EXIT_FAILURE;
        (void)read_one(&files);
        (void)fflush(stdout);
    }
    return EXIT_SUCCESS;
}
