#include "problem.h"

#include <errno.h>
#include <string.h>

#include "discovery/advert/advert.h"
#include "discovery/base/keyset.h"
#include "tree.h"

/* A walk through a map and all maps that are merged into it. */
struct walk {
    const struct yaml_reader *y;
    struct error *err;
    unsigned visit;
    bool whole; /* what pyDCOP refuses is an error */
};

/* The keys of a map, or the items of a list, each once, in pyDCOP's order. */
struct names {
    struct keyset seen; /* key to its tree_entry */
    const struct tree_entry **entries;
    size_t room;
    const char *among; /* for messages: "among the agents" */
};

static void names_clear(struct names *n)
{
    keyset_clear(&n->seen);
    free(n->entries);
}

void problem_clear(struct problem *p)
{
    free(p->name);
    strings_clear(&p->files);
    strings_clear(&p->agents);
    *p = PROBLEM_INIT;
}

static int no_memory(struct walk *w)
{
    return error_sys(w->err, -ENOMEM, "cannot read the problem");
}

static int fail_twice(struct walk *w, const struct names *n, const struct tree_entry *entry,
                      const struct tree_entry *first)
{
    CLEANUP_TEXT struct text shown = TEXT_INIT, place = TEXT_INIT;

    text_add_shown(&shown, entry->scalar.text);
    yaml_reader_place(w->y, first->mark, &place);
    return yaml_reader_fail(w->y, entry->mark, w->err,
                            "\"%s\" is given twice %s, first at %s; pyDCOP would drop the first",
                            text_str(&shown), n->among, text_str(&place));
}

static int names_add(struct walk *w, struct names *n, const struct tree_entry *entry)
{
    size_t count = n->seen.count;
    const struct tree_entry *first;
    void **slot;

    if (!entry->scalar.key)
        return yaml_reader_fail(w->y, entry->mark, w->err, "a list or map cannot be a name %s",
                                n->among);
    if (count == n->room) {
        size_t room = n->room ? n->room * 2 : 16;
        const struct tree_entry **entries = reallocarray(n->entries, room, sizeof(*entries));

        if (!entries)
            return no_memory(w);
        n->entries = entries;
        n->room = room;
    }
    slot = keyset_slot(&n->seen, entry->scalar.key, entry->scalar.key_size);
    if (!slot)
        return no_memory(w);
    first = *slot;
    *slot = (void *)(uintptr_t)entry;
    if (!first)
        n->entries[count] = entry;
    /* A merged map may have the same key: overriding it is the purpose of
     * merging. */
    else if (first->owner == entry->owner)
        return fail_twice(w, n, entry, first);
    return 0;
}

/* Collects in the order in which PyYAML's flatten_mapping puts the pairs: what
 * is merged, lists from behind, then the map's own.  A map that was visited
 * before adds nothing, so each is visited once, however often it is merged.
 * problem_tree_read bounds the recursion. */
static int collect_keys(struct walk *w, struct names *n, struct tree_node *node)
{
    int r = 0;

    if (node->visit == w->visit)
        return 0;
    node->visit = w->visit;
    if (node->kind == YAML_KIND_LIST) {
        for (struct tree_entry *e = node->entries.last; r == 0 && e; e = e->prev)
            r = collect_keys(w, n, e->value);
        return r;
    }
    for (struct tree_entry *e = node->merges.first; r == 0 && e; e = e->next)
        r = collect_keys(w, n, e->value);
    for (struct tree_entry *e = node->entries.first; r == 0 && e; e = e->next)
        r = names_add(w, n, e);
    return r;
}

/* The pair that counts for a key: the last one in flatten_mapping's order.  A
 * map that was searched without success is not searched again. */
static const struct tree_entry *find_entry(struct walk *w, struct tree_node *node, const char *key,
                                           size_t size)
{
    const struct tree_entry *found = NULL;

    if (node->visit == w->visit)
        return NULL;
    node->visit = w->visit;
    if (node->kind == YAML_KIND_LIST) {
        for (struct tree_entry *e = node->entries.first; !found && e; e = e->next)
            found = find_entry(w, e->value, key, size);
        return found;
    }
    for (struct tree_entry *e = node->entries.last; e; e = e->prev)
        if (e->scalar.key && e->scalar.key_size == size && memcmp(e->scalar.key, key, size) == 0)
            return e;
    for (struct tree_entry *e = node->merges.last; !found && e; e = e->prev)
        found = find_entry(w, e->value, key, size);
    return found;
}

static int collect_names(struct walk *w, struct names *n, struct tree_node *node)
{
    int r = 0;

    w->visit++;
    if (node->kind == YAML_KIND_MAP)
        return collect_keys(w, n, node);
    for (struct tree_entry *e = node->entries.first; r == 0 && e; e = e->next)
        r = names_add(w, n, e);
    return r;
}

static int check_agent(struct walk *w, const struct tree_entry *entry)
{
    const struct tree_scalar *s = &entry->scalar;
    CLEANUP_TEXT struct text shown = TEXT_INIT;

    text_add_shown(&shown, s->text);
    if (s->type != YAML_TYPE_STRING) {
        if (s->text_size == 0)
            return yaml_reader_fail(w->y, entry->mark, w->err, "an agent has no name");
        return yaml_reader_fail(w->y, entry->mark, w->err,
                                "the agent's name %s is %s in YAML; quote it: \"%s\"",
                                text_str(&shown), yaml_type_words(s->type), text_str(&shown));
    }
    if (advert_agent_valid(s->text, s->text_size))
        return 0;
    if (s->text_size == 0)
        return yaml_reader_fail(w->y, entry->mark, w->err, "an agent has no name");
    return yaml_reader_fail(w->y, entry->mark, w->err,
                            "the agent's name \"%s\" cannot be advertised: it %s", text_str(&shown),
                            memchr(s->text, '\n', s->text_size) ? "contains a newline"
                            : memchr(s->text, 0, s->text_size)  ? "contains a NUL character"
                                                                : "is too long");
}

static int fail_missing(struct walk *w, const struct tree_node *root)
{
    const char *hides = yaml_reader_hidden_key(w->y);

    if (!hides)
        return yaml_reader_fail(w->y, root->mark, w->err, "the problem has no `agents`");
    return yaml_reader_fail(w->y, root->mark, w->err,
                            "the problem has no `agents` (the byte order mark at the start "
                            "of %s hides its first key)",
                            hides);
}

static int read_agents(struct walk *w, struct tree_node *root, struct problem *p)
{
    CLEANUP(names_clear) struct names n = {.among = "among the agents"};
    const struct tree_entry *entry;
    struct tree_node *node;
    int r;

    w->visit++;
    entry = find_entry(w, root, "sagents", sizeof("sagents") - 1);
    if (!entry)
        return fail_missing(w, root);
    node = entry->value;
    if (node->kind == YAML_KIND_SCALAR || (node->other && node->kind == YAML_KIND_LIST))
        return yaml_reader_fail(w->y, node->mark, w->err,
                                "`agents` must be a map or a list of names");
    r = collect_names(w, &n, node);
    for (size_t i = 0; r == 0 && i < n.seen.count; i++) {
        r = check_agent(w, n.entries[i]);
        if (r == 0 && strings_add(&p->agents, n.entries[i]->scalar.text) < 0)
            r = no_memory(w);
    }
    if (r == 0 && n.seen.count == 0)
        return yaml_reader_fail(w->y, node->mark, w->err, "`agents` is empty");
    return r;
}

static int read_variables(struct walk *w, struct tree_node *root, struct problem *p)
{
    CLEANUP(names_clear) struct names n = {.among = "among the variables"};
    const struct tree_entry *entry;
    struct tree_node *node;
    int r;

    w->visit++;
    entry = find_entry(w, root, "svariables", sizeof("svariables") - 1);
    if (!entry)
        return 0;
    node = entry->value;
    if (node->kind == YAML_KIND_SCALAR ||
        (node->entries.first && (node->kind == YAML_KIND_LIST || node->other)))
        return yaml_reader_fail(w->y, node->mark, w->err, "`variables` must be a map");
    r = collect_names(w, &n, node);
    p->variables = n.seen.count;
    return r;
}

static int read_name(struct walk *w, struct tree_node *root, struct problem *p)
{
    const struct tree_entry *entry;

    w->visit++;
    entry = find_entry(w, root, "sname", sizeof("sname") - 1);
    if (!entry || entry->value->kind != YAML_KIND_SCALAR ||
        entry->value->scalar.type == YAML_TYPE_NULL)
        return 0;
    p->name = strdup(entry->value->scalar.text);
    return p->name ? 0 : no_memory(w);
}

/* yamldcop.load_dcop raises a ValueError for these. */
static int check_whole(struct walk *w, struct tree_node *root)
{
    const struct tree_entry *entry;
    const struct tree_scalar *s;

    w->visit++;
    if (!find_entry(w, root, "sname", sizeof("sname") - 1))
        return yaml_reader_fail(w->y, root->mark, w->err,
                                "the problem has no `name`, without which pyDCOP refuses it");
    w->visit++;
    entry = find_entry(w, root, "sobjective", sizeof("sobjective") - 1);
    if (!entry)
        return yaml_reader_fail(w->y, root->mark, w->err,
                                "the problem has no `objective`: pyDCOP wants min or max");
    s = &entry->value->scalar;
    return entry->value->kind == YAML_KIND_SCALAR && s->type == YAML_TYPE_STRING &&
                   (string_equal(s->text, "min") || string_equal(s->text, "max"))
               ? 0
               : yaml_reader_fail(w->y, entry->value->mark, w->err,
                                  "`objective` must be min or max");
}

static int read_root(struct walk *w, struct tree_node *root, struct problem *p)
{
    CLEANUP(names_clear) struct names n = {.among = "at the top level"};
    int r;

    if (!root)
        return yaml_reader_fail(w->y, (struct yaml_mark){0}, w->err, "the file is empty");
    if (root->kind != YAML_KIND_MAP)
        return yaml_reader_fail(w->y, root->mark, w->err,
                                "a problem must be a map, with `agents:` as one of its keys");
    if (root->other)
        return yaml_reader_fail(
            w->y, root->mark, w->err,
            "a problem must be a map, and its tag makes it a set; remove the tag");
    r = collect_names(w, &n, root);
    if (r == 0)
        r = read_agents(w, root, p);
    if (r == 0)
        r = read_variables(w, root, p);
    if (r == 0)
        r = read_name(w, root, p);
    if (r == 0 && w->whole)
        r = check_whole(w, root);
    return r;
}

/* Reads everything except the list of files. */
static int read_all(struct yaml_reader *y, bool whole, struct problem *p, struct error *err)
{
    CLEANUP(problem_tree_clear) struct problem_tree t = {0};
    struct walk w = {.y = y, .err = err, .whole = whole};
    int r = problem_tree_read(y, &t, err);

    return r < 0 ? r : read_root(&w, t.root, p);
}

static int read_files(const struct strings *files, bool whole, struct problem *ret,
                      struct error *err)
{
    CLEANUP_PROBLEM struct problem p = PROBLEM_INIT;
    CLEANUP_YAML_READER struct yaml_reader *y = NULL;
    int r = yaml_reader_open(&y, files, err);

    if (r == 0)
        r = read_all(y, whole, &p, err);
    if (r == 0 && strings_copy(&p.files, files) < 0)
        r = error_sys(err, -ENOMEM, "cannot read the problem");
    if (r < 0)
        return r;
    *ret = p;
    p = PROBLEM_INIT;
    return 0;
}

int problem_read(const struct strings *files, struct problem *ret, struct error *err)
{
    return read_files(files, true, ret, err);
}

int problem_read_part(const struct strings *files, struct problem *ret, struct error *err)
{
    return read_files(files, false, ret, err);
}

int problem_parse(const char *name, const void *data, size_t size, struct problem *ret,
                  struct error *err)
{
    CLEANUP_PROBLEM struct problem p = PROBLEM_INIT;
    CLEANUP_YAML_READER struct yaml_reader *y = NULL;
    int r = yaml_reader_open_memory(&y, name, data, size, err);

    if (r == 0)
        r = read_all(y, false, &p, err);
    if (r == 0 && strings_add(&p.files, name) < 0)
        r = error_sys(err, -ENOMEM, "cannot read the problem");
    if (r < 0)
        return r;
    *ret = p;
    p = PROBLEM_INIT;
    return 0;
}
