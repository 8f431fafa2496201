#include "cache-sources.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "deployer/base/folder.h"
#include "deployer/cache/acng.h"
#include "deployer/cache/caches.h"
#include "deployer/cache/store.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"
#include "discovery/base/terminal.h"

enum {
    ASKED_MAX = 64
}; /* sources in one question, so that a machine cannot hide one in thousands */

/* The arguments behind "allow" and "forget", without slashes at their end. */
static int read_uris(const struct program *p, struct strings *ret, struct error *err)
{
    const struct deploy_options *o = &p->options;

    if (o->n_arguments < 2)
        return error_set(err, -EINVAL,
                         "'cache %s' needs the URI of a package source, as http://HOST/PATH",
                         o->arguments[0]);
    for (int i = 1; i < o->n_arguments; i++) {
        size_t size = strlen(o->arguments[i]);

        while (size > 0 && o->arguments[i][size - 1] == '/')
            size--;
        if (strings_addn(ret, o->arguments[i], size) < 0)
            return error_sys(err, -ENOMEM, "cannot read the arguments");
    }
    return 0;
}

static int print_changed(const struct program *p, const char *words, bool changed,
                         struct error *err)
{
    CLEANUP_TEXT struct text out = TEXT_INIT;

    if (p->options.json)
        text_addf(&out, "{\"version\": 1, \"changed\": %s}\n", changed ? "true" : "false");
    else
        text_addf(&out, "%s\n", words);
    if (text_error(&out) < 0)
        return error_sys(err, -ENOMEM, "cannot print the result");
    terminal_put(stdout, &out);
    return 0;
}

static int refuse_check(const struct program *p, struct error *err)
{
    return p->options.check ? error_set(err, -EINVAL,
                                        "'cache %s' does not support --check; `cache status` "
                                        "lists the repositories",
                                        p->options.arguments[0])
                            : 0;
}

int cache_allow(struct program *p, struct error *err)
{
    CLEANUP_STRINGS struct strings uris = {0};
    int r = refuse_check(p, err);

    if (r == 0)
        r = read_uris(p, &uris, err);
    if (r == 0)
        r = caches_add_repositories(&p->paths, &uris, err);
    return r < 0 ? r
                 : print_changed(p, r ? "Allowed; `cache status` lists all." : "Allowed already.",
                                 r > 0, err);
}

static void remove_cached(const struct paths *p, const char *uri)
{
    CLEANUP_FREE char *name = acng_folder_of(uri), *cache = cache_path(p, "apt/cache");
    CLEANUP_FREE char *folder = name && cache ? path_join(cache, name) : NULL;

    if (folder)
        folder_remove(folder);
}

int cache_forget(struct program *p, struct error *err)
{
    CLEANUP_STRINGS struct strings uris = {0}, own = {0}, forgotten = {0};
    CLEANUP_TEXT struct text words = TEXT_INIT;
    int r = refuse_check(p, err);

    if (r == 0)
        r = read_uris(p, &uris, err);
    if (r == 0)
        r = acng_own_repositories(&own, err);
    for (size_t i = 0; i < uris.count && r == 0; i++)
        if (strings_has(&own, uris.items[i]))
            r = error_set(err, -EINVAL,
                          "%.200s is a source of this controller itself; remove it from /etc/apt "
                          "first",
                          uris.items[i]);
    if (r == 0)
        r = caches_forget_repositories(&p->paths, &uris, &forgotten, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < forgotten.count; i++)
        remove_cached(&p->paths, forgotten.items[i]);
    for (size_t i = 0; i < uris.count; i++) {
        if (strings_has(&forgotten, uris.items[i]))
            continue;
        text_add_printable(&words, uris.items[i]);
        text_adds(&words, " is not on the list; `cache status` lists all.\n");
    }
    if (forgotten.count > 0)
        text_addf(&words, "Forgotten, with what was cached of %s.",
                  forgotten.count == 1 ? "it" : "them");
    else if (words.size > 0)
        words.data[--words.size] = '\0'; /* the line's end */
    r = print_changed(p, text_str(&words), forgotten.count > 0, err);
    return r == 0 && forgotten.count < uris.count ? 1 : r;
}

/* --- the question of prime ---------------------------------------------------------- */

struct asked {
    struct strings uris;
    struct text list;
};

static void asked_clear(struct asked *a)
{
    strings_clear(&a->uris);
    text_clear(&a->list);
}

/* One that no cache can serve stops nobody's question, and is told once. */
static bool can_be_asked(const struct apt_system *s, const char *uri, struct strings *refused)
{
    CLEANUP_TEXT struct text line = TEXT_INIT;
    struct error why = {0};

    if (strings_has(refused, uri))
        return false;
    if (caches_check_repository(uri, &why) == 0)
        return true;
    (void)strings_add(refused, uri);
    text_adds(&line, "A package source of ");
    text_add_printable(&line, s->name);
    text_adds(&line, " is left out: ");
    text_add_printable(&line, why.text);
    text_adds(&line, ".\n");
    terminal_put(stderr, &line);
    return false;
}

static int list_asked(const struct apt_systems *systems, const struct strings *allowed,
                      struct asked *ret)
{
    CLEANUP_STRINGS struct strings refused = {0};

    for (size_t i = 0; i < systems->count; i++) {
        const struct apt_system *s = &systems->items[i];

        for (size_t j = 0; s->machine && j < s->sources.count; j++) {
            const char *uri = s->sources.items[j].uri;

            if (strings_has(allowed, uri) || strings_has(&ret->uris, uri) ||
                ret->uris.count >= ASKED_MAX || refused.count >= ASKED_MAX ||
                !can_be_asked(s, uri, &refused))
                continue;
            if (strings_add(&ret->uris, uri) < 0)
                return -ENOMEM;
            text_adds(&ret->list, "  ");
            text_add_printable(&ret->list, uri);
            text_addf(&ret->list, "  of %s\n", s->name);
        }
    }
    return text_error(&ret->list);
}

int cache_sources_ask(struct program *p, const struct apt_systems *systems,
                      struct strings *ret_allowed, struct error *err)
{
    CLEANUP(asked_clear) struct asked asked = {0};
    char answer[8] = "";
    int r = caches_allowed(&p->paths, ret_allowed, err);

    if (r < 0 || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return r;
    if (list_asked(systems, ret_allowed, &asked) < 0)
        r = error_sys(err, -ENOMEM, "cannot list the package sources");
    if (r < 0 || asked.uris.count == 0)
        return r;
    terminal_put(stderr, &asked.list);
    fprintf(stderr,
            "%zu package source%s of machines %s new here. Shall this controller fetch from %s, "
            "for all machines? [y/N] ",
            asked.uris.count, asked.uris.count == 1 ? "" : "s",
            asked.uris.count == 1 ? "is" : "are", asked.uris.count == 1 ? "it" : "them");
    if (!fgets(answer, sizeof(answer), stdin) || (answer[0] != 'y' && answer[0] != 'Y'))
        return 0;
    r = caches_add_repositories(&p->paths, &asked.uris, err);
    for (size_t i = 0; i < asked.uris.count && r >= 0; i++)
        if (strings_add(ret_allowed, asked.uris.items[i]) < 0)
            r = error_sys(err, -ENOMEM, "cannot list the package sources");
    return r < 0 ? r : 0;
}
