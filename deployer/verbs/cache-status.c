#include "cache-status.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cache-check.h"
#include "deployer/cache/acng.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/table.h"
#include "discovery/base/terminal.h"

void cache_report_clear(struct cache_report *r)
{
    cache_content_clear(&r->content);
    strings_clear(&r->repositories);
    strings_clear(&r->missing);
    free(r->unknown);
}

/* --- for people -------------------------------------------------------------------- */

static void add_size(struct text *t, uint64_t bytes)
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 999.5 && unit + 1 < ARRAY_SIZE(units)) {
        value /= 1000;
        unit++;
    }
    text_addf(t, value < 9.95 && unit > 0 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static void add_age(struct text *t, time_t then, time_t now)
{
    int64_t s = then < now ? (int64_t)(now - then) : 0;

    if (s < 120)
        text_addf(t, "%" PRIi64 " s", s);
    else if (s < 2 * 3600)
        text_addf(t, "%" PRIi64 " min", s / 60);
    else if (s < 48 * 3600)
        text_addf(t, "%" PRIi64 " h", s / 3600);
    else
        text_addf(t, "%" PRIi64 " days", s / 86400);
}

static void add_row(struct table *t, const char *what, const char *arch,
                    const struct cache_count *c, time_t now)
{
    CLEANUP_TEXT struct text files = TEXT_INIT, size = TEXT_INIT, oldest = TEXT_INIT,
                             newest = TEXT_INIT;

    text_addf(&files, "%zu", c->files);
    add_size(&size, c->bytes);
    if (c->files > 0) {
        add_age(&oldest, c->oldest, now);
        add_age(&newest, c->newest, now);
    }
    table_add(t, what, TABLE_PLAIN);
    table_add(t, arch, TABLE_PLAIN);
    table_add(t, text_str(&files), TABLE_PLAIN);
    table_add(t, text_str(&size), TABLE_PLAIN);
    table_add(t, text_str(&oldest), TABLE_PLAIN);
    table_add(t, text_str(&newest), TABLE_PLAIN);
}

static int add_table(const struct cache_report *r, struct text *ret)
{
    static const struct table_column columns[] = {
        {"CACHED", false}, {"ARCH", false},   {"FILES", false}, {"SIZE", false},
        {"OLDEST", false}, {"NEWEST", false}, {NULL, false},
    };
    const struct cache_content *c = &r->content;
    CLEANUP(table_clear) struct table t;

    table_init(&t, columns);
    for (size_t i = 0; i < c->n_systems; i++)
        add_row(&t, c->systems[i].suite, c->systems[i].arch, &c->systems[i].count, r->now);
    add_row(&t, "packages in all", NULL, &c->packages, r->now);
    add_row(&t, "package lists", NULL, &c->indexes, r->now);
    add_row(&t, "Python wheels", NULL, &c->wheels, r->now);
    add_row(&t, "Python sources", NULL, &c->sources, r->now);
    add_row(&t, "Python layers", NULL, &c->layers, r->now);
    return table_write(&t, 0, false, ret);
}

static void add_running(const struct cache_report *r, const char *name, bool answers, char *url,
                        struct text *ret)
{
    text_addf(ret, "%s  %s\n", name,
              !r->running.running ? "does not run"
              : answers           ? url ? url : ""
                                  : "does not answer");
    free(url);
}

int cache_report_text(const struct cache_report *r, struct text *ret)
{
    const struct cache_settings *s = &r->running.settings;

    add_running(r, "apt", r->running.apt, cache_apt_url(s), ret);
    add_running(r, "pip", r->running.pip, cache_pip_url(s), ret);
    if (r->running.running && s->offline)
        text_adds(ret, "Offline: they do not fetch what they do not have.\n");
    text_addc(ret, '\n');
    if (add_table(r, ret) < 0)
        return -ENOMEM;
    if (r->repositories.count > 0)
        text_adds(ret, "\nRepositories:\n");
    for (size_t i = 0; i < r->repositories.count; i++) {
        text_adds(ret, "  ");
        text_add_printable(ret, r->repositories.items[i]);
        text_addc(ret, '\n');
    }
    text_adds(ret, "\nWould a deploy succeed without the internet now: ");
    if (!r->asked) {
        text_adds(ret, "not known");
        text_addf(ret, r->unknown ? " (" : ".\n");
        if (r->unknown) {
            text_add_printable(ret, r->unknown);
            text_adds(ret, ").\n");
        }
        return text_error(ret);
    }
    text_adds(ret, r->missing.count == 0 ? "yes.\n" : "no. Missing:\n");
    for (size_t i = 0; i < r->missing.count; i++) {
        text_adds(ret, "  ");
        text_add_printable(ret, r->missing.items[i]);
        text_addc(ret, '\n');
    }
    return text_error(ret);
}

/* --- for programs ------------------------------------------------------------------- */

static json_t *when_json(time_t when)
{
    char words[32];
    struct tm utc;

    if (!when || !gmtime_r(&when, &utc) ||
        strftime(words, sizeof(words), "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        return json_null();
    return json_string(words);
}

static json_t *count_json(const struct cache_count *c)
{
    return json_pack("{s:I,s:I,s:o,s:o}", "files", (json_int_t)c->files, "bytes",
                     (json_int_t)c->bytes, "oldest", when_json(c->oldest), "newest",
                     when_json(c->newest));
}

static json_t *strings_json(const struct strings *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->count; i++)
        (void)json_array_append_new(list, json_string(s->items[i]));
    return list;
}

static json_t *systems_json(const struct cache_content *c)
{
    json_t *list = json_array();

    for (size_t i = 0; i < c->n_systems; i++) {
        json_t *one = count_json(&c->systems[i].count);

        (void)json_object_set_new(one, "suite", json_string(c->systems[i].suite));
        (void)json_object_set_new(one, "arch", json_string(c->systems[i].arch));
        (void)json_array_append_new(list, one);
    }
    return list;
}

int cache_report_json(const struct cache_report *r, struct text *ret)
{
    const struct cache_content *c = &r->content;
    CLEANUP_FREE char *apt = cache_apt_url(&r->running.settings);
    CLEANUP_FREE char *pip = cache_pip_url(&r->running.settings);
    CLEANUP_FREE char *bytes = NULL;
    json_t *o = json_pack("{s:i,s:b,s:b,s:s?,s:s?,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "version", 1,
                          "running", r->running.running, "offline", r->running.settings.offline,
                          "apt_proxy", r->running.apt ? apt : NULL, "pip_index",
                          r->running.pip ? pip : NULL, "systems", systems_json(c), "packages",
                          count_json(&c->packages), "lists", count_json(&c->indexes), "wheels",
                          count_json(&c->wheels), "sources", count_json(&c->sources), "layers",
                          count_json(&c->layers), "repositories", strings_json(&r->repositories));

    if (o && r->asked) {
        (void)json_object_set_new(o, "complete", json_boolean(r->missing.count == 0));
        (void)json_object_set_new(o, "missing", strings_json(&r->missing));
    }
    bytes = o ? json_dumps(o, JSON_INDENT(2)) : NULL;
    json_decref(o);
    text_addf(ret, "%s\n", bytes ? bytes : "");
    return bytes ? text_error(ret) : -ENOMEM;
}

/* --- the verb ------------------------------------------------------------------------- */

int cache_status(struct program *p, struct error *err)
{
    CLEANUP(cache_report_clear) struct cache_report report = {.now = time(NULL)};
    CLEANUP_TEXT struct text out = TEXT_INIT;
    struct error why = {0};
    int r = cache_look(&p->paths, &report.running, &why);

    if (r < 0)
        fprintf(stderr, "%s; `dcop-deploy cache up` chooses new ports.\n", why.text);
    r = acng_repositories_read(&p->paths, &report.repositories, &why);
    if (r == -EBADMSG)
        fprintf(stderr, "%s; `dcop-deploy cache up` writes it again.\n", why.text);
    else if (r < 0)
        return error_set(err, r, "%s", why.text);
    r = cache_content_read(&p->paths, &report.content, err);
    if (r < 0)
        return r;
    r = cache_completeness(p, &report.missing, &why);
    report.asked = r >= 0;
    if (r < 0 && !(report.unknown = strdup(why.text)))
        return error_sys(err, -ENOMEM, "cannot print the state of the caches");
    r = p->options.json ? cache_report_json(&report, &out) : cache_report_text(&report, &out);
    if (r < 0)
        return error_sys(err, r, "cannot print the state of the caches");
    terminal_put(stdout, &out);
    return report.running.apt && report.running.pip && report.missing.count == 0 ? 0 : 1;
}
