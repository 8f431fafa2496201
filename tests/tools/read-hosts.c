/*
 * read-hosts: what the reader makes of inventories, as JSON lines, passwords
 * included.  Each argument is one inventory; without any, each line of
 * standard input names one.  First --here or --ansible: by that reader.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "deployer/inventory/hosts.h"

static json_t *list(const struct strings *s)
{
    json_t *array = json_array();

    for (size_t i = 0; i < s->count; i++)
        json_array_append_new(array, json_string(s->items[i]));
    return array;
}

static json_t *machine(const struct host *h)
{
    return json_pack("{s:s, s:o, s:o, s:s, s:i, s:s?, s:s?, s:s?, s:s?}", "name", h->name, "names",
                     list(&h->names), "agents", list(&h->agents), "address", h->address, "port",
                     (int)h->port, "user", h->user, "password", h->password, "become_password",
                     h->become_password, "key", h->key);
}

static int (*read_hosts)(const char *, struct hosts *, struct error *) = hosts_read;

static int read_one(const char *path)
{
    CLEANUP_HOSTS struct hosts hosts = HOSTS_INIT;
    struct error err = {0};
    json_t *line, *items = json_array();
    int r = read_hosts(path, &hosts, &err);

    for (size_t i = 0; i < hosts.count; i++)
        json_array_append_new(items, machine(&hosts.items[i]));
    line = json_pack("{s:o, s:o, s:o, s:s}", "hosts", items, "warnings", list(&hosts.warnings),
                     "shared", list(&hosts.shared), "error", r < 0 ? err.text : "");
    (void)json_dumpf(line, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(line);
    return r;
}

int main(int argc, char **argv)
{
    CLEANUP_FREE char *line = NULL;
    size_t room = 0;
    int r = 0;

    if (argc > 1 && strcmp(argv[1], "--here") == 0)
        read_hosts = hosts_read_here;
    else if (argc > 1 && strcmp(argv[1], "--ansible") == 0)
        read_hosts = hosts_read_by_ansible;
    if (read_hosts != hosts_read) {
        argc--;
        argv++;
    }
    for (int i = 1; i < argc; i++)
        r |= read_one(argv[i]);
    while (argc == 1 && getline(&line, &room, stdin) > 0) {
        line[strcspn(line, "\n")] = '\0';
        (void)read_one(line);
        (void)fflush(stdout);
    }
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
