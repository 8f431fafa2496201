/* `forget`: drops machines, with their pins, names and seq. */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "deployer/progress/json.h"
#include "remembered.h"
#include "verbs.h"

static void add_words(const struct state_machine *m, const struct state_forgotten *f,
                      struct text *ret)
{
    text_adds(ret, "Forgotten: ");
    state_report_add_machine(ret, m);
    text_addf(ret, ", with %zu host key%s", f->pins, f->pins == 1 ? "" : "s");
    for (size_t i = 0; i < f->names.count; i++) {
        text_adds(ret, i > 0 ? " " : f->names.count == 1 ? " and the name " : " and the names ");
        text_add_printable(ret, f->names.items[i]);
    }
    text_adds(ret, ". The history of its runs is kept.\n");
}

static int add_json(const struct state_machine *m, const struct state_forgotten *f, json_t *to)
{
    json_t *o = json_object(), *names = json_array();
    int r = json_object_set_new(o, "id", progress_json_text(m->id));

    if (m->host)
        r |= json_object_set_new(o, "host", progress_json_text(m->host));
    for (size_t i = 0; i < f->names.count; i++)
        r |= json_array_append_new(names, progress_json_text(f->names.items[i]));
    r |= json_object_set_new(o, "agents", names);
    r |= json_object_set_new(o, "pins", json_integer((json_int_t)f->pins));
    return r | json_array_append_new(to, o);
}

static int forget_machine(struct state *s, const char *id, json_t *dropped, struct text *ret,
                          struct error *err)
{
    CLEANUP(state_machine_clear) struct state_machine m = {0};
    CLEANUP(state_forgotten_clear) struct state_forgotten f = {0};
    struct state_machine bare = {.id = (char *)(uintptr_t)id};
    int r = state_machine_get(s, id, &m, err);

    if (r < 0 && r != -ENOENT)
        return r;
    r = state_forget(s, id, &f, err);
    if (r == -ENOENT) /* another process was faster */
        return 0;
    if (r < 0)
        return r;
    add_words(m.id ? &m : &bare, &f, ret);
    return add_json(m.id ? &m : &bare, &f, dropped) == 0
               ? 0
               : error_sys(err, -ENOMEM, "cannot write JSON");
}

/* All words are looked up before the first machine is dropped. */
static int find_all(const struct remembered *v, struct strings *ret, struct error *err)
{
    int r = 0;

    for (int i = 0; i < v->options->n_arguments && r == 0; i++) {
        CLEANUP_FREE char *id = NULL;

        r = remembered_find(v->state, v->options->arguments[i], &id, err);
        if (r == 0 && !strings_has(ret, id) && strings_add(ret, id) < 0)
            r = error_sys(err, -ENOMEM, "cannot find the machines");
    }
    return r;
}

int forget_report(const struct remembered *v, struct text *ret, struct error *err)
{
    CLEANUP_STRINGS struct strings ids = {0};
    CLEANUP_TEXT struct text words = TEXT_INIT;
    CLEANUP_FREE char *text = NULL;
    json_t *o = NULL, *dropped;
    int r;

    if (v->options->n_arguments == 0)
        return error_set(err, -EINVAL, "say what to forget: an id, a host or an agent's name");
    r = remembered_changes(v, err);
    if (r == 0)
        r = find_all(v, &ids, err);
    if (r < 0)
        return r;
    dropped = json_array();
    for (size_t i = 0; i < ids.count && r == 0; i++)
        r = forget_machine(v->state, ids.items[i], dropped, &words, err);
    o = json_pack("{s:i,s:o}", "version", 1, "forgotten", dropped);
    text = o ? json_dumps(o, JSON_INDENT(2)) : NULL;
    json_decref(o);
    if (r < 0)
        return r;
    text_adds(ret, v->options->json ? text : text_str(&words));
    text_adds(ret, v->options->json ? "\n" : "");
    return text && text_error(ret) == 0 ? 0 : error_sys(err, -ENOMEM, "cannot show what was done");
}

static int run_forget(struct program *p, struct error *err)
{
    return remembered_run(p, forget_report, err);
}

const struct verb verb_forget = {
    .name = "forget",
    .arguments = "ID|HOST|AGENT...",
    .help = "drop machines, their keys and names",
    .run = run_forget,
};
