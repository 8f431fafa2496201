#include "experiments.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"
#include "replay.h"

static json_t *load_receipt(const char *folder)
{
    CLEANUP_FREE char *path = path_join(folder, "receipt.json");
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    json_t *receipt;

    if (!path || file_read(path, REPLAY_RECEIPT_MAX, &bytes, NULL) < 0)
        return NULL;
    receipt = json_loadb(text_str(&bytes), bytes.size, 0, NULL);
    if (json_integer_value(json_object_get(receipt, "version")) == 1)
        return receipt;
    json_decref(receipt);
    return NULL;
}

static json_t *problem_names(const json_t *receipt)
{
    json_t *names = json_array(), *file;
    size_t i;

    json_array_foreach(json_object_get(json_object_get(receipt, "problem"), "files"), i, file)
    {
        if (json_is_string(json_object_get(file, "name")))
            (void)json_array_append(names, json_object_get(file, "name"));
    }
    return names;
}

static void add_experiment(json_t *list, const char *folder)
{
    static const char *const keys[] = {"started", "ended",    "algorithm", "distribution",
                                       "seed",    "status",   "cost",      "violations",
                                       "cycles",  "messages", "time"};
    json_t *receipt = load_receipt(folder);
    json_t *experiment = receipt ? json_object() : NULL;

    if (!experiment) {
        json_decref(receipt);
        return;
    }
    (void)json_object_set_new(experiment, "folder", json_string(folder));
    (void)json_object_set_new(experiment, "problem", problem_names(receipt));
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        json_t *value = json_object_get(receipt, keys[i]);

        if (json_is_string(value) || json_is_number(value))
            (void)json_object_set(experiment, keys[i], value);
    }
    (void)json_array_append_new(list, experiment);
    json_decref(receipt);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

json_t *experiments_list(const char *folder, int max)
{
    struct dirent **entries = NULL;
    json_t *list = json_array();
    int n = scandir(folder, &entries, is_visible, alphasort);

    for (int i = 0; i < n; i++) {
        CLEANUP_FREE char *path = path_join(folder, entries[i]->d_name);

        if (list && path && n - i <= max)
            add_experiment(list, path);
        free(entries[i]);
    }
    free(entries);
    return list;
}
